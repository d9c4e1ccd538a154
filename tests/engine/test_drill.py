"""The order in which a drill touches the world: the receipt, then the wound; the proof, then the word."""

from dataclasses import dataclass, field

import pytest

from sentinel.clients.receipts import Receipts, read
from sentinel.core.drill.fault import Fault, Place, Receipt, Status, Variant
from sentinel.core.drill.progress import Phase, Terms
from sentinel.core.gateway.news import Probed, Stand
from sentinel.core.gateway.outcome import Outcome
from sentinel.engine import drill as driven
from sentinel.engine.drill import DrillRun
from sentinel.errors import OwnFault, Unreachable
from tests.core.drill.test_progress import judged
from tests.core.gateway import recorded as r
from tests.engine.gateways import LoopClock

RECEIPT = Receipt("0a1b2c3d", "outage", "chat", Place("provider", "http://x"), Fault(Variant.KILL), 60.0, 1.0)


@dataclass
class Fake:
    """An injector that notes what it saw on the disk, and fails as often as it is told."""

    receipts: Receipts
    shows: bool = True
    refusals: int = 0
    calls: list[str] = field(default_factory=list)
    wounded: bool = False

    def plan(self, fault):
        raise NotImplementedError

    async def look(self):
        return {"enabled": True}

    async def inject(self, receipt):
        (path,) = self.receipts.standing()
        assert read(path) == receipt and receipt.before == {"enabled": True}
        self.calls.append("inject")
        self.wounded = True

    async def status(self, receipt):
        return Status(self.wounded and self.shows, not self.wounded, 1)

    async def revert(self, receipt):
        self.calls.append("revert")
        if self.refusals:
            self.refusals -= 1
            raise Unreachable("gone")
        self.wounded = False


async def run(folder, **options):
    """A drill before a primary that answers well and never notices anything, which is stopped once the fault stands."""
    receipts, clock, phases = Receipts(folder), LoopClock(), []
    fake = Fake(receipts, **options)

    def turned(progress):
        phases.append(progress.phase)
        if progress.phase is Phase.OBSERVING:
            made.stop("SIGTERM")

    made = DrillRun(Terms("openai", 30.0, 60.0), RECEIPT, fake, receipts, clock, turned)
    for _ in range(3):
        made.put(Probed("chat", 0.0, judged(Outcome.SERVED_PRIMARY), r.ASKED.nonce, start=clock.monotonic()))
    with receipts.held():
        progress = await made.run(lambda: Stand(None, None, False, 0, 1.0, 0.0, 0, 0.0))
    return progress, fake, receipts, phases


@pytest.mark.looptime
async def test_the_receipt_is_on_the_disk_before_the_wound_and_healed_after_the_proof(tmp_path):
    progress, fake, receipts, phases = await run(tmp_path)

    assert fake.calls == ["inject", "revert"]
    assert phases == [Phase.GATING, Phase.ARMING, Phase.OBSERVING, Phase.REVERTING, Phase.JUDGED]
    assert receipts.standing() == () and (progress.unhealed, progress.bitten) == ("", 1)


@pytest.mark.looptime
async def test_a_fault_that_is_not_shown_is_taken_away_and_never_observed(tmp_path):
    _, fake, receipts, phases = await run(tmp_path, shows=False)

    assert Phase.OBSERVING not in phases and fake.calls == ["inject", "revert"]
    assert receipts.standing() == ()


@pytest.mark.looptime
async def test_an_undo_that_fails_is_tried_again_and_given_up_with_the_receipt_left(tmp_path):
    progress, fake, receipts, _ = await run(tmp_path / "some", refusals=driven.TRIES - 1)
    assert fake.calls == ["inject", *["revert"] * driven.TRIES]
    assert (progress.unhealed, receipts.standing()) == ("", ())

    progress, fake, receipts, _ = await run(tmp_path / "all", refusals=driven.TRIES)
    assert progress.unhealed == "gone" and fake.wounded
    assert [path.name for path in receipts.standing()] == ["0a1b2c3d.json"]


def test_one_drill_at_a_time_has_a_folder(tmp_path):
    with Receipts(tmp_path).held(), pytest.raises(OwnFault, match="another drill"), Receipts(tmp_path).held():
        pass


def test_what_is_no_receipt_is_said_and_nothing_is_healed(tmp_path):
    (tmp_path / "x.json").write_text('{"run": "x"}')

    with pytest.raises(OwnFault, match="no receipt"):
        read(tmp_path / "x.json")
    with pytest.raises(OwnFault, match="No such file"):
        read(tmp_path / "y.json")
