"""As whom we ask: further accounts with their own proofs, outside a pod only as ourselves, and the commands.

the chart's `identities` --> Roles, bindings, sentinel.yaml --> tokens by file and by TokenRequest
a kubeconfig             --> the sentinel's own account, or a refusal with a sentence
"""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sentinel.clients.clock import Clock
from sentinel.core.verdict import State
from sentinel.joins.world import unnamed
from tests.cluster.ground import MOST_ROUNDS, Ground
from tests.cluster.lookout import Lookout
from tests.cluster.town import SETTLED, proves_everything, resident
from tests.deploy import chart
from tests.support import manifests, proxy
from tests.support.eventually import eventually
from tests.support.sentinels import Sentinel

READS = manifests.rule(["get", "list"], ["secrets"])
OWN = "system:serviceaccount:team-a:sentinel"
REQUESTS = "/serviceaccounts/ci/token"


@pytest.fixture
def robot_file() -> Iterator[Path]:
    """Where the pod would have robot's projected token."""
    with tempfile.TemporaryDirectory(prefix="sentinel-robot-") as folder:
        yield Path(folder) / "token"


@pytest.fixture
def objects(ground: Ground, robot_file: Path) -> Iterator[list[chart.Object]]:
    """The chart with two further accounts for team-a, applied; rounds of 300 ms."""
    further = [
        {"name": "ci", "token": "request"},
        {"name": "robot", "token": {"file": str(robot_file)}, "secret": "robot-token"},
    ]
    tenants = [
        {"name": "team-a", "namespaces": ["team-a"], "identities": further},
        {"name": "team-b", "namespaces": ["team-b"]},
    ]
    config = {"isolation": {"within": "60s", "sweep": "60s", "qps": 5000}}
    values = {"tenants": tenants, "timeScale": 0.06, "config": config, "monitor": {"enabled": False}}
    made = chart.render(chart.values() | values)
    ground.install()
    ground.cluster.admin.apply(*(manifests.account("team-a", name) for name in ("ci", "robot")))
    ground.cluster.admin.apply(*made)
    write(robot_file, ground.cluster.token_for("team-a", "robot"))
    yield made
    ground.front.fault = proxy.passes
    ground.front.drop_connections()
    ground.install()


@pytest.fixture
def look(ground: Ground, objects: list[chart.Object]) -> Iterator[Lookout]:
    """team-a's sentinel in process, behind the front."""
    text = chart.configuration(objects, "team-a")
    with tempfile.TemporaryDirectory(prefix="sentinel-scene-") as folder:
        yield Lookout(ground.cluster, Path(folder), text, namespace="team-a", server=ground.front)


def write(file: Path, text: str) -> None:
    fresh = file.with_name("..fresh")
    fresh.write_text(text)
    fresh.replace(file)


def story(daemon: Sentinel) -> str:
    return f"{daemon.get('/readyz')} {daemon.process.log_tail(12)}"


def states(look: Lookout, identity: str) -> set[State]:
    """What the last rounds said of this identity's questions."""
    return {row.verdict.state for row in look.records if row.question.identity == identity}


def held_by(daemon: Sentinel, identity: str) -> float:
    return daemon.metrics().sum("sentinel_denials_total", identity=identity)


def test_accounts_by_file_and_by_request_are_asked_as_and_each_is_proven(
    ground: Ground, objects: list[chart.Object], robot_file: Path
) -> None:
    with resident(ground.cluster, objects, "team-a") as daemon:
        eventually(lambda: proves_everything(daemon), SETTLED, lambda: story(daemon))
        metrics, status = daemon.metrics(), daemon.console("/api/v1/status")
        rows = status["standings"]
        asked = {who: {row["question"] for row in rows if row["identity"] == who} for who in ("self", "ci", "robot")}
        write(robot_file, ground.cluster.token_for("team-a", "other"))
        eventually(lambda: wrong(daemon, "robot") == 1, SETTLED, lambda: story(daemon))
        before = held_by(daemon, "robot"), held_by(daemon, "self"), held_by(daemon, "ci")
        eventually(lambda: held_by(daemon, "self") > before[1] + 20, SETTLED, lambda: story(daemon))
        eventually(lambda: held_by(daemon, "ci") > before[2] + 20, SETTLED, lambda: story(daemon))
        lost, others = held_by(daemon, "robot"), (wrong(daemon, "self"), wrong(daemon, "ci"))
        gate = daemon.metrics().value("sentinel_gate_up", gate="whoami", identity="robot")
        write(robot_file, ground.cluster.token_for("team-a", "robot"))
        eventually(lambda: wrong(daemon, "robot") == 0, SETTLED, lambda: story(daemon))
        eventually(lambda: proves_everything(daemon), SETTLED, lambda: story(daemon))
        again, lines = daemon.metrics(), daemon.log_lines(event="identity.wrong")

    assert asked["ci"] == asked["robot"] == asked["self"]
    assert {row["verdict"] for row in rows} == {"held"}
    for who in ("self", "ci", "robot"):
        assert metrics.sum("sentinel_denials_total", identity=who, code="403") > 0
        assert metrics.value("sentinel_gate_up", gate="whoami", identity=who) == 1
        left = metrics.value("sentinel_token_expiry_timestamp_seconds", identity=who) - time.time()
        assert 3300 < left <= 3600
    assert (lost, gate, others) == (before[0], 0, (0, 0))
    assert [line["identities"] for line in lines] == [["robot"]]
    assert again.sum("sentinel_breaches_total") == 0


def wrong(daemon: Sentinel, identity: str) -> float:
    return daemon.metrics().value("sentinel_wrong_identity", identity=identity)


async def test_a_hole_for_one_account_is_a_breach_of_that_account_only(look: Lookout, ground: Ground) -> None:
    hole = manifests.grant("team-b", "ci-hole", manifests.of_account("team-a", "ci"), READS)
    await ready(look)

    ground.cluster.admin.apply(*hole)
    try:
        records = await look.until(lambda seen: any(seen.now.breach_since.values()), MOST_ROUNDS, "the hole is seen")
        records += await look.rounds(4)
        opened = {(series.identity, series.target) for series, since in look.now.breach_since.items() if since}
    finally:
        ground.cluster.admin.delete(*hole)
    await look.until(lambda seen: seen.all_held, MOST_ROUNDS, "closed by proof")

    assert opened == {("ci", "team-b")}
    breached = [row for row in records if row.verdict.state is State.BREACHED]
    assert {row.question.identity for row in breached} == {"ci"}
    assert {row.user for row in breached} == {"system:serviceaccount:team-a:ci"}
    assert 'RoleBinding "ci-hole/team-b"' in breached[0].standing.breach.cause  # type: ignore[union-attr]


async def ready(look: Lookout) -> None:
    await look.world.prepare()
    await look.until(lambda seen: seen.all_held, MOST_ROUNDS, "all held, of every account")


async def test_without_its_own_whoami_nothing_of_an_account_is_held(look: Lookout, ground: Ground) -> None:
    """Those of the others prove nothing about it, and it does not spoil theirs."""
    await ready(look)
    robots = f"Bearer {(look.world.probe(look.plan).identities[3].source.read() or no_token()).text}"

    def unknown(request: proxy.Request, forward: proxy.Forward) -> proxy.Answer:
        if "selfsubjectreviews" in request.path and dict(request.headers).get("Authorization") == robots:
            return proxy.unauthorized()(request, forward)
        return forward(request)

    ground.front.fault = unknown
    await look.rounds(6)

    assert State.HELD not in states(look, "robot"), look.story()
    assert State.BREACHED not in states(look, "robot")
    for who in ("self", "ci", "anonymous"):
        assert states(look, who) == {State.HELD}, look.story()
    assert look.metrics().value("sentinel_gate_up", gate="whoami", identity="robot") == 0
    assert look.metrics().value("sentinel_gate_up", gate="whoami", identity="self") == 1
    # No name is not another's name.
    assert look.metrics().value("sentinel_wrong_identity", identity="robot") == 0


def no_token() -> Any:
    raise AssertionError("robot has no token")


async def test_the_token_of_an_account_that_may_everything_is_no_breach_but_the_wrong_identity(
    look: Lookout, ground: Ground, robot_file: Path
) -> None:
    await ready(look)
    everything = manifests.cluster_role("robot-other", manifests.rule(["*"], ["*"], groups=["*"]))
    binding = manifests.cluster_role_binding("robot-other", manifests.of_account("team-a", "other"))

    ground.cluster.admin.apply(everything, binding)
    try:
        write(robot_file, ground.cluster.token_for("team-a", "other"))
        records = await look.rounds(6)
        seen = look.metrics()
    finally:
        write(robot_file, ground.cluster.token_for("team-a", "robot"))
        ground.cluster.admin.delete(binding, everything)

    robots = {row.verdict.state for row in records if row.question.identity == "robot"}
    assert robots == {State.INCONCLUSIVE}
    assert seen.value("sentinel_wrong_identity", identity="robot") == 1
    assert seen.value("sentinel_inconclusive", target="team-b", reason="identity") == 1
    assert seen.sum("sentinel_breaches_total") == 0


class Later(Clock):
    """The real time, and some seconds more."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def wall(self) -> float:
        return super().wall() + self.seconds


async def test_a_requested_token_is_renewed_at_80_percent_of_its_life_and_not_before(
    look: Lookout, ground: Ground
) -> None:
    held = look.world._held("ci")
    ground.front.clear()
    with pytest.raises(Exception, match="not requested yet"):
        held.read()

    await look.world.prepare()
    first = held.read()
    assert first.claims is not None
    assert first.claims.subject == "system:serviceaccount:team-a:ci"
    life = (first.claims.expires or 0) - time.time()
    for elapsed in (0.0, 0.79 * life):
        look.world.clock = Later(elapsed)
        await look.world.prepare()
    kept, asked = held.read(), requested(ground)
    look.world.clock = Later(0.81 * life)
    await look.world.prepare()
    renewed = held.read()

    assert 3500 < life <= 3600
    assert (kept.text, asked) == (first.text, 1)
    assert renewed.text != first.text
    assert requested(ground) == 2
    assert ground.cluster.client(renewed.text).whoami() == "system:serviceaccount:team-a:ci"


def requested(ground: Ground) -> int:
    return len([request for request in ground.front.requests if REQUESTS in request.path])


async def test_a_token_that_cannot_be_renewed_is_used_while_it_lasts_and_then_blames_itself(
    look: Lookout, ground: Ground, objects: list[chart.Object]
) -> None:
    await ready(look)
    first = look.world._held("ci").read()
    ground.cluster.admin.delete(chart.one(objects, "RoleBinding", "sentinel-token-request", "team-a"))

    look.world.clock = Later(3000)
    await look.world.prepare()
    used = look.world._held("ci").read()
    await look.until(lambda seen: states(seen, "ci") == {State.HELD}, MOST_ROUNDS)
    look.world._held("ci").put(type(first)(ground.cluster.signed_token("team-a", "ci", seconds=-3600), expired(first)))
    await look.rounds(6)

    assert used.text == first.text
    assert states(look, "ci") == {State.INCONCLUSIVE}
    assert states(look, "self") == {State.HELD}
    assert look.metrics().value("sentinel_gate_up", gate="token", identity="ci") == 0
    assert any(reason.startswith("token of ci: expired") for reason in look.now.reasons)


def expired(token: Any) -> Any:
    return type(token.claims)(token.claims.subject, token.claims.audiences, time.time() - 3600)


async def test_an_account_that_was_made_anew_is_asked_as_again_long_before_its_old_token_ends(
    look: Lookout, ground: Ground
) -> None:
    """To the API server the new one is somebody else, and the old token is nobody's."""
    await ready(look)
    first = look.world._held("ci").read()

    ground.cluster.admin.delete(manifests.account("team-a", "ci"))
    ground.cluster.admin.apply(manifests.account("team-a", "ci"))
    # The API server remembers a good token for ten seconds.
    await look.until(lambda _: unnamed(look.book) == {"ci"}, 1000, "the old token is refused")
    await look.world.prepare()
    await look.until(lambda seen: states(seen, "ci") == {State.HELD}, MOST_ROUNDS, "the new one is asked with")

    assert look.world._held("ci").read().text != first.text


async def test_where_no_role_allows_it_the_request_says_so_and_only_that_account_is_blind(
    look: Lookout, ground: Ground, objects: list[chart.Object]
) -> None:
    ground.cluster.admin.delete(chart.one(objects, "RoleBinding", "sentinel-token-request", "team-a"))

    await look.world.prepare()
    await look.rounds(6)

    assert any("token of ci: token of team-a/ci: " in reason and "403" in reason for reason in look.now.reasons), (
        look.now.reasons
    )
    assert states(look, "ci") == {State.INCONCLUSIVE}
    assert states(look, "self") == {State.HELD}
