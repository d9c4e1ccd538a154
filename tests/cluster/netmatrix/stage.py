"""Where the rows are played: one sentinel that asks, a target for each row, all in the same rounds.

    settle (all held) -> every hole at once -> every breach is there -> every hole mended -> every breach is over

A round costs its timeouts, whatever the number of targets: so rows are played beside one another, and each
looks at its own target.
"""

import asyncio
import contextlib
import threading
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self, TypeVar

from sentinel.core.net.crossing import Crossing
from sentinel.core.net.net_plan import YOUNG_SECONDS
from sentinel.core.record import Record
from sentinel.core.standing import Turn
from sentinel.core.verdict import Reason, State
from sentinel.engine.net_young import STRETCH
from sentinel.joins import beaconing
from tests.cluster.netmatrix import asker as asking
from tests.cluster.netmatrix.asker import Asker, told
from tests.cluster.netmatrix.beacons import Beacons, Host
from tests.cluster.netmatrix.disturbances import NEWCOMER, Disturbance
from tests.cluster.netmatrix.openings import Opening
from tests.support.eventually import eventually
from tests.support.netns import Lab, Pod, Service
from tests.support.policies import Rule, blinking, shut

T = TypeVar("T")

OWN = "asker"
MOST_ROUNDS = 12
"""Until everything is proven: three are usual, and a busy machine is late now and then."""
DETECTED = 4
"""Rounds until a hole must be a breach: one is usual."""
BLINKING = 40
"""The same for one that is open for 300 ms in 5 s, on one way of twelve: each round has one chance in six."""
NEW_SECONDS = 30.0
RENEWED = 9.0
"""Seconds: a pod is looked at for ten."""
CLOSED = 6
PLAYED = 2
"""Rounds of a disturbance: as many as would close a breach."""
OPEN_SECONDS, EVERY_SECONDS = 0.3, 5.0


@dataclass
class Target:
    """One row's tenant."""

    name: str
    row: Opening
    pods: list[Pod]
    hosts: list[Host]
    service: Service

    def rules(self, asker: Pod, *, is_open: bool, lingering: bool) -> list[Rule]:
        if is_open:
            return self.row.open(asker, self.pods, self.service)
        return self.row.shut(asker, self.pods, lingering=lingering)


@dataclass
class Outcome:
    """What became of one row. Rounds; `seen`: its breaches by question; `late`: questions that stayed open."""

    detected: int = 0
    closed: int = 0
    seen: dict[Crossing, Reason] = field(default_factory=dict)
    stayed: list[str] = field(default_factory=list)
    unproven: list[str] = field(default_factory=list)


class Stage:
    """The network and everybody in it, while the `with` block lasts. Its methods may be called from any thread."""

    def __init__(self, rows: Sequence[Opening], disturbances: Sequence[Disturbance] = ()) -> None:
        """Each opening and each local disturbance has a target of its own."""
        self.rows, self.disturbances = rows, disturbances
        self.outcomes: dict[str, Outcome] = {}
        self.misjudged: dict[str, list[str]] = {}
        self.reasons: dict[str, Counter[str]] = {}
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            stack.callback(setattr, beaconing, "REPORT_SECONDS", beaconing.REPORT_SECONDS)
            stack.callback(setattr, beaconing, "FIRST_PAUSE", beaconing.FIRST_PAUSE)
            beaconing.REPORT_SECONDS, beaconing.FIRST_PAUSE = asking.REPORT, 0.05
            self.loop = asyncio.new_event_loop()
            thread = threading.Thread(target=self.loop.run_forever, name="stage")
            thread.start()
            stack.callback(self.loop.close)
            stack.callback(thread.join)
            stack.callback(self.loop.call_soon_threadsafe, self.loop.stop)
            self.lab = stack.enter_context(Lab())
            stack.callback(self.do, self._end)
            self.do(self._build)
            stack.enter_context(self.beacons.kubelet)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def do(self, act: Callable[..., Coroutine[Any, Any, T]], *args: Any) -> T:
        """In the stage's loop."""
        return asyncio.run_coroutine_threadsafe(act(*args), self.loop).result()

    async def _build(self) -> None:
        names = [f"team-{number}" for number, _ in enumerate(self.rows)]
        locals_ = [row.name for row in self.disturbances if row.local]
        self.beacons = Beacons(self.lab, [OWN, NEWCOMER, *names, *locals_])
        self._keeping = asyncio.create_task(self.beacons.roll.keep(lambda counts: None), name="roll")
        self.light = await self.beacons.lighten(self.lab.pod("witness"))
        self.me = await self._tenant(OWN, 1)
        self.targets = {}
        for name, row in zip(names, self.rows, strict=True):
            hosts = await self._hosts(name, row.pods)
            pods = [host.pod for host in hosts]
            service = self.beacons.serve(name, *pods)
            self.targets[row.name] = Target(name, row, pods, hosts, service)
        self.others = {name: await self._tenant(name, 1) for name in locals_}
        self.asker = Asker(self.me, [*names, *locals_])
        self._unprotected: frozenset[str] = frozenset()
        self.policy(())

    async def _hosts(self, name: str, number: int) -> list[Host]:
        places = [await asyncio.to_thread(self.lab.pod, f"{name}-{index}") for index in range(number)]
        return [await self.beacons.start(name, place) for place in places]

    async def _tenant(self, name: str, number: int) -> Host:
        hosts = await self._hosts(name, number)
        self.beacons.serve(name, *(host.pod for host in hosts))
        return hosts[0]

    async def _end(self) -> None:
        if hasattr(self, "asker"):
            await self.asker.end()
        if hasattr(self, "beacons"):
            await self.beacons.end()
            await self.beacons.close(self.light)
            self._keeping.cancel()

    def policy(self, is_open: Iterable[Opening], first: Iterable[object] = (), *, lingering: bool = False) -> None:
        """The policies of all targets, these of them with their holes. `first`: rules before all others."""
        holes = set(is_open)
        rules = [
            rule
            for target in self.targets.values()
            for rule in target.rules(self.me.pod, is_open=target.row in holes, lingering=lingering)
        ]
        for name, host in self.others.items():
            if name not in self._unprotected:
                rules += shut(self.me.pod, host.pod)
        self.lab.policy(*first, *rules)

    def round(self) -> list[Record]:
        return self.do(self.asker.round)

    def settle(self) -> None:
        """Until every question is proven shut, twice."""
        for _ in range(MOST_ROUNDS):
            self.round()
            if not self._unproven():
                return
        raise AssertionError(f"not everything was held: {self._unproven()[:12]}")

    def _unproven(self) -> list[str]:
        names = {*(target.name for target in self.targets.values()), *self.others}
        standings = self.asker.standings()
        missing = names - {asked.target for asked in standings}
        return [f"{name}: nothing was asked" for name in sorted(missing)] + [
            told(asked, seen) for asked, seen in standings.items() if asked.target in names and seen.streak < 2
        ]

    def play(self) -> None:
        """Every row, from its hole to its end; what became of it is in `outcomes`."""
        self.outcomes = {row.name: Outcome() for row in self.rows}
        # What is open to a pod in its first seconds is late, whatever else it is.
        eventually(lambda: not self._anybody_new(), NEW_SECONDS, "no pod is new")
        flickering, late, kept = (self._of(kind) for kind in ("blinking", "late", "kept"))
        steady = [row for row in self.rows if row not in (*flickering, *late)]
        self.policy(late)
        self.do(self._renew, late)
        self.policy(steady)
        # What is kept is seen when nothing new gets through any more.
        self._until(self._detected([*late, *(row for row in steady if row not in kept)]), DETECTED)
        self.policy((), lingering=True)
        self._until(self._detected(kept), DETECTED)
        if flickering:

            def switch(is_open: bool) -> None:
                self.policy(flickering if is_open else ())

            with blinking(switch, OPEN_SECONDS, EVERY_SECONDS):
                self._until(self._detected(flickering), BLINKING)
        self.policy(())
        self._until(self._closed, CLOSED)
        for row in self.rows:
            target = self.targets[row.name]
            stayed = [told(asked, seen) for asked, seen in self.asker.open().items() if asked.target == target.name]
            self.outcomes[row.name].stayed = stayed
            self.outcomes[row.name].unproven = self._premature(target)

    def _anybody_new(self) -> bool:
        """Or still looked at as such, by connects that are under way."""
        last = max(self.asker.young._seen.values(), default=self.asker.clock.monotonic())
        return self.asker.clock.monotonic() - last < YOUNG_SECONDS + STRETCH + asking.TIMEOUT + 0.5

    def _of(self, kind: str) -> list[Opening]:
        return [row for row in self.rows if row.kind == kind]

    async def _renew(self, rows: Sequence[Opening]) -> None:
        """New pods for these targets, looked at until they are seen to be open, and not by any round."""
        targets = [self.targets[row.name] for row in rows]
        for target in targets:
            await self.beacons.remove(target.hosts[0])
            target.hosts = [await self.beacons.start(target.name, target.pods[0])]
        wanted = {target.row.asked(target.name) for target in targets}
        until = self.loop.time() + RENEWED
        while not wanted <= self.asker.open().keys() and self.loop.time() < until:
            await self.asker.net.fetch()
            await asyncio.sleep(0.1)

    def _until(self, over: Callable[[int], bool], most: int) -> None:
        for number in range(1, most + 1):
            self.round()
            if over(number):
                return

    def _detected(self, rows: Sequence[Opening]) -> Callable[[int], bool]:
        def all_seen(number: int) -> bool:
            for row in rows:
                outcome, target = self.outcomes[row.name], self.targets[row.name]
                outcome.seen |= {
                    asked: seen.breach.reason
                    for asked, seen in self.asker.open().items()
                    if asked.target == target.name and seen.breach is not None
                }
                if row.asked(target.name) in outcome.seen:
                    outcome.detected = outcome.detected or number
            return all(self.outcomes[row.name].detected for row in rows)

        return all_seen

    def _closed(self, number: int) -> bool:
        still = {asked.target for asked in self.asker.open()}
        for target in self.targets.values():
            outcome = self.outcomes[target.row.name]
            if target.name not in still and outcome.seen:
                outcome.closed = outcome.closed or number
        return not still & {target.name for target in self.targets.values()}

    def _premature(self, target: Target) -> list[str]:
        """Breaches of this target that ended without two rounds of proof."""
        found: list[str] = []
        before: dict[Crossing, State] = {}
        for record in self.asker.sink.records:
            asked, state = record.question, record.verdict.state
            if not isinstance(asked, Crossing) or asked.target != target.name:
                continue
            closed = record.change is not None and record.change.turn is Turn.CLOSED
            if closed and (before.get(asked), state) != (State.HELD, State.HELD):
                found.append(asked.text)
            before[asked] = state
        return found

    def suffer(self) -> None:
        """Every disturbance; what was wrongly held or called a breach is in `misjudged`. All is held before and after."""
        self.do(self._suffer_beside, [row for row in self.disturbances if row.local])
        self.settle()
        for row in self.disturbances:
            if not row.local:
                self.do(self._suffer_beside, [row])
        self.settle()

    async def _suffer_beside(self, rows: Sequence[Disturbance]) -> None:
        """These at the same time, for as many rounds as it would take to close a breach."""
        async with contextlib.AsyncExitStack() as stack:
            for row in rows:
                await stack.enter_async_context(row.around(self, row.name))
            self._unprotected = frozenset(row.name for row in rows if row.open)
            await asyncio.to_thread(self._protect, rows)
            records = [record for _ in range(PLAYED) for record in await self.asker.round()]
            self._unprotected = frozenset()
            await asyncio.to_thread(self._protect, rows)
        for row in rows:
            mine = [r for r in records if not row.local or r.question.target == row.name]
            self.misjudged[row.name] = sorted({_judged(r) for r in mine if _is_false(row, r)})
            self.reasons[row.name] = Counter(r.verdict.reason.value for r in mine)

    def _protect(self, rows: Sequence[Disturbance]) -> None:
        if any(row.local for row in rows):
            self.policy(())

    def wrong(self, row: Opening) -> Mapping[str, object]:
        """What of this row is not as it must be; empty when all is well."""
        outcome, target = self.outcomes[row.name], self.targets[row.name]
        expected = row.expected(target.name)
        found = {
            "breaches": {a.text: why.value for a, why in outcome.seen.items() if why not in expected.get(a, ())},
            "missed": [] if row.asked(target.name) in outcome.seen else [row.asked(target.name).text],
            "still open": outcome.stayed,
            "closed without proof": outcome.unproven,
        }
        return {what: seen for what, seen in found.items() if seen}


def _is_false(row: Disturbance, record: Record) -> bool:
    """A breach where nothing is open; a proof of what cannot be proven."""
    asked, state = record.question, record.verdict.state
    if not isinstance(asked, Crossing):
        return False
    return state is State.BREACHED or (state is State.HELD and row.blinds(asked))


def _judged(record: Record) -> str:
    found = record.verdict
    detail = record.observation.detail
    return f"{record.question.target} {record.question.text}: {found.state.value} ({found.reason.value}) {detail}"
