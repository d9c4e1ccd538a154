"""Whatever makes a sentinel blind is seen, named and shown, proves nothing, and ends when it is mended.

One row per cause. From the round after the break nothing that it concerns is held, and nothing at
all is called a breach; the reason and the gate are the right ones; then everything is proven again.
"""

import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from sentinel.core.agenda import Agenda
from sentinel.core.api.question import Question
from sentinel.core.record import Record
from sentinel.core.verdict import Reason, State
from tests.cluster.ground import MOST_ROUNDS, Ground
from tests.cluster.lookout import PATIENCE, Lookout
from tests.deploy import chart
from tests.support import manifests, proxy
from tests.support.authority import Authority
from tests.support.breaches import question_of
from tests.support.eventually import eventually
from tests.support.sentinels import Metrics

Act = Callable[[Ground], object]
Affected = Callable[[Question], bool]


@dataclass(frozen=True)
class Blind:
    """A cause: how to break and mend it, and what it must look like.

    gate: the gate of `self` that turns red; none for an answer to a question.
    late: rounds after the break in which proofs may still be made, where the design says so.
    """

    name: str
    breaks: Act
    mends: Act
    reason: str
    gate: str = ""
    target: str = "team-b"
    affects: Affected = lambda question: True
    late: int = 0

    def is_shown(self, look: Lookout) -> bool:
        """By its reason and its gate, in the round and in the metrics."""
        metrics = look.metrics()
        reason = metrics.value("sentinel_inconclusive", target=self.target, reason=self.reason) == 1
        gate = not self.gate or metrics.value("sentinel_gate_up", gate=self.gate, identity="self") == 0
        return reason and gate and self.reason in look.reasons(self.target)


def held_count(metrics: Metrics) -> float:
    return metrics.sum("sentinel_verdicts_total", verdict="held")


def about(target: str, identity: str = "", check: str = "") -> Affected:
    return lambda question: (
        question.target == target and identity in ("", question.identity) and check in ("", question.check)
    )


def fronted(fault: proxy.Fault, part: str = "") -> Act:
    def put(scene: Ground) -> None:
        scene.front.fault = proxy.only(part, fault) if part else fault

    return put


def honest(scene: Ground) -> None:
    scene.front.fault = proxy.passes
    # The client waits half a minute for the farewell of a server that was silent.
    scene.front.drop_connections()


def own_token(scene: Ground) -> None:
    scene.look.write_token(scene.cluster.token_for("team-a"))


def deleted_account(scene: Ground) -> None:
    # One that was never used: the API server remembers a good one for ten seconds.
    unused = scene.cluster.token_for("team-a")
    scene.cluster.admin.delete(manifests.account("team-a"))
    scene.look.write_token(unused)


def restored_account(scene: Ground) -> None:
    scene.install()
    own_token(scene)


def other_account_with_rights(scene: Ground) -> None:
    everything = manifests.rule(["*"], ["*"], groups=["*"])
    binding = manifests.cluster_role_binding("other", manifests.of_account("team-a", "other"))
    scene.cluster.admin.apply(manifests.cluster_role("other", everything), binding)
    scene.look.write_token(scene.cluster.token_for("team-a", "other"))


def no_other_rights(scene: Ground) -> None:
    own_token(scene)
    scene.cluster.admin.delete(manifests.cluster_role_binding("other"), manifests.cluster_role("other"))


def strange_ca(scene: Ground) -> None:
    with tempfile.TemporaryDirectory() as folder:
        scene.look.ca_file.write_bytes(Authority(Path(folder)).ca_file.read_bytes())


def right_ca(scene: Ground) -> None:
    scene.look.ca_file.write_bytes(scene.cluster.ca_file.read_bytes())


def unbind(which: Callable[[Ground], chart.Object]) -> Act:
    return lambda scene: scene.cluster.admin.delete(which(scene))


def closed_decoy(scene: Ground) -> list[chart.Object]:
    reads = manifests.rule(["get"], ["secrets"], ["sentinel-decoy-closed"])
    return manifests.grant("sentinel-system", "too-open", manifests.of_account("team-a"), reads)


def namespace_gone(scene: Ground) -> None:
    scene.cluster.admin.delete(manifests.namespace("team-b"))
    admin = scene.cluster.admin
    eventually(lambda: not admin.exists(manifests.namespace("team-b")), 60, "the namespace is gone")


IN_TEAM_B = "/namespaces/team-b/secrets"
SECRETS_OF_B = about("team-b", check="api/secrets")
REVIEWS = "selfsubjectrulesreviews"
ALL_BUT_ANONYMOUS = about("team-b", "self")

CAUSES = [
    Blind("token file emptied", lambda s: s.look.write_token(""), own_token, "token", "token"),
    Blind("token file of blanks", lambda s: s.look.write_token(" \n"), own_token, "token", "token"),
    Blind("token file gone", lambda s: s.look.token_file.unlink(), own_token, "token", "token"),
    Blind("token garbage", lambda s: s.look.write_token("garbage"), own_token, "token", "token"),
    Blind(
        "token of another account",
        lambda s: s.look.write_token(s.cluster.token_for("team-a", "other")),
        own_token,
        "identity",
        "whoami",
    ),
    Blind(
        "token of another account that may everything", other_account_with_rights, no_other_rights, "identity", "whoami"
    ),
    Blind("token of a deleted account", deleted_account, restored_account, "whoami", "whoami"),
    Blind(
        "token expired",
        lambda s: s.look.write_token(s.cluster.signed_token("team-a", seconds=-3600)),
        own_token,
        "token",
        "token",
    ),
    Blind(
        "token for another audience",
        lambda s: s.look.write_token(s.cluster.token_for("team-a", audiences=["elsewhere"])),
        own_token,
        "whoami",
        "whoami",
    ),
    Blind("another CA", strange_ca, right_ca, "ready", "ready"),
    Blind("CA file of garbage", lambda s: s.look.ca_file.write_text("garbage"), right_ca, "ready", "ready"),
    Blind("CA file gone", lambda s: s.look.ca_file.unlink(), right_ca, "ready", "ready"),
    Blind(
        "API server stopped",
        lambda s: s.cluster.kill_apiserver(),
        lambda s: s.cluster.start_apiserver(),
        "ready",
        "ready",
    ),
    Blind("everything answered with an HTML 403", fronted(proxy.says_html()), honest, "ready", "ready"),
    Blind("everything answered with 401", fronted(proxy.unauthorized()), honest, "ready", "ready"),
    Blind("everything answered with 429", fronted(proxy.throttles()), honest, "ready", "ready"),
    Blind("everything answered with 500", fronted(proxy.answers(500)), honest, "ready", "ready"),
    Blind("everything redirected", fronted(proxy.redirects("https://login.example.com/")), honest, "ready", "ready"),
    Blind("nothing answered", fronted(proxy.silent()), honest, "ready", "ready"),
    Blind("hung up on", fronted(proxy.hangs_up()), honest, "ready", "ready"),
    Blind("every 403 about another user", fronted(proxy.denies_somebody_else()), honest, "decoy", "decoy"),
    Blind(
        "whoami answered with 401",
        fronted(proxy.unauthorized(), "selfsubjectreviews"),
        honest,
        "whoami",
        "whoami",
        affects=ALL_BUT_ANONYMOUS,
    ),
    Blind(
        "a question answered with an HTML 403",
        fronted(proxy.says_html(), IN_TEAM_B),
        honest,
        "broken",
        affects=SECRETS_OF_B,
    ),
    Blind(
        "a question answered with a 403 about another user",
        fronted(proxy.denies_somebody_else(), IN_TEAM_B),
        honest,
        "broken",
        affects=SECRETS_OF_B,
    ),
    Blind(
        "a question answered with a perfect text of somebody else's making",
        fronted(
            proxy.says_status(
                403,
                "Forbidden",
                'secrets is forbidden: User "system:serviceaccount:team-a:sentinel" cannot list resource '
                '"secrets" in API group "" in the namespace "team-b"',
            ),
            IN_TEAM_B + "?",
        ),
        honest,
        "broken",
        affects=lambda q: SECRETS_OF_B(q) and q.verb == "list",
    ),
    Blind(
        "a question answered with 401",
        fronted(proxy.unauthorized(), IN_TEAM_B),
        honest,
        "unasked",
        affects=about("team-b", "self", "api/secrets"),
    ),
    Blind(
        "a question answered with 429", fronted(proxy.throttles(), IN_TEAM_B), honest, "limited", affects=SECRETS_OF_B
    ),
    Blind(
        "a question answered with 500", fronted(proxy.answers(500), IN_TEAM_B), honest, "broken", affects=SECRETS_OF_B
    ),
    Blind(
        "a question redirected",
        fronted(proxy.redirects("/api/v1/secrets"), IN_TEAM_B),
        honest,
        "broken",
        affects=SECRETS_OF_B,
    ),
    Blind(
        "a question answered with a bare 404",
        fronted(proxy.answers(404, b"404 page not found"), IN_TEAM_B),
        honest,
        "broken",
        affects=SECRETS_OF_B,
    ),
    Blind(
        "a question answered with a bare 200",
        fronted(proxy.answers(200, b"welcome"), IN_TEAM_B),
        honest,
        "broken",
        affects=SECRETS_OF_B,
    ),
    Blind("the target's namespace deleted", namespace_gone, Ground.install, "door", "door", affects=about("team-b")),
    Blind(
        "the target's door removed", unbind(lambda s: s.door), Ground.install, "door", "door", affects=about("team-b")
    ),
    Blind("the open decoy removed", unbind(lambda s: s.decoy), Ground.install, "decoy", "decoy"),
    Blind(
        "the closed decoy granted",
        lambda s: s.cluster.admin.apply(*closed_decoy(s)),
        lambda s: s.cluster.admin.delete(*closed_decoy(s)),
        "decoy",
        "decoy",
    ),
    Blind("our own beacon out of reach", unbind(lambda s: s.own_binding), Ground.install, "canary", "canary"),
    Blind(
        "the trip-wire answered with 429",
        fronted(proxy.throttles(), REVIEWS),
        honest,
        "tripwire",
        "tripwire",
        affects=ALL_BUT_ANONYMOUS,
        late=2,
    ),
    Blind(
        "the trip-wire answered with 500",
        fronted(proxy.answers(500), REVIEWS),
        honest,
        "tripwire",
        "tripwire",
        affects=ALL_BUT_ANONYMOUS,
        late=2,
    ),
    Blind(
        "the trip-wire answered with nonsense",
        fronted(proxy.answers(201, b"[]"), REVIEWS),
        honest,
        "tripwire",
        "tripwire",
        affects=ALL_BUT_ANONYMOUS,
        late=2,
    ),
]


def held(records: list[Record], affected: Affected) -> list[str]:
    return [
        f"{record.question.identity} {record.question.text} in {record.question.target}"
        for record in records
        if record.verdict.state is State.HELD and affected(question_of(record))
    ]


@pytest.mark.parametrize("cause", CAUSES, ids=lambda cause: cause.name)
async def test_what_cannot_be_proven_is_neither_held_nor_breached(scene: Ground, cause: Blind) -> None:
    look = scene.look
    await look.until(lambda seen: seen.all_held, MOST_ROUNDS, "all held before the break")

    cause.breaks(scene)
    try:
        records = await look.rounds(cause.late)
        before = look.metrics()
        blind = await look.rounds(6)  # once round all tiers, and one more
        blind += await look.until(cause.is_shown, MOST_ROUNDS, f"{cause.reason} is shown")
        now, metrics = look.now, look.metrics()
    finally:
        cause.mends(scene)

    assert held(blind, cause.affects) == [], look.story()
    assert any(cause.affects(question_of(record)) for record in blind)
    if cause.gate:
        # A door or a trip-wire is about one target: the others are proven as before.
        assert bool(now.reasons) == (cause.gate not in ("door", "tripwire"))
    if all(cause.affects(question) for question in look.plan.questions):
        assert held_count(metrics) == held_count(before)

    mended = await look.until(lambda seen: seen.all_held, MOST_ROUNDS, "all held after the mending")
    metrics = look.metrics()
    assert not [row for row in (*records, *blind, *mended) if row.verdict.state is State.BREACHED]
    assert metrics.sum("sentinel_breaches_total") == 0
    assert metrics.sum("sentinel_inconclusive") == 0
    assert set(metrics.all("sentinel_gate_up").values()) == {1.0}


async def test_a_wire_that_is_cut_short_is_told_and_denials_count_all_the_same(scene: Ground) -> None:
    look = scene.look
    await look.until(lambda seen: seen.all_held, MOST_ROUNDS)

    scene.front.fault = proxy.only(REVIEWS, proxy.incomplete())
    await look.until(lambda seen: seen.now.incomplete, MOST_ROUNDS, "the review is incomplete")
    told = look.metrics()
    await look.until(lambda seen: seen.all_held, MOST_ROUNDS)
    scene.front.fault = proxy.passes
    await look.until(lambda seen: not seen.now.incomplete, MOST_ROUNDS, "the review is whole again")

    for target in ("team-b", "kube-system", "sentinel-system", "*"):
        assert told.value("sentinel_tripwire_incomplete", target=target) == 1
    assert look.metrics().sum("sentinel_tripwire_incomplete") == 0


async def test_without_anonymous_requests_the_anonymous_are_denied_and_that_counts(scene: Ground) -> None:
    look, cluster = scene.look, scene.cluster
    await look.until(lambda seen: seen.all_held, MOST_ROUNDS)

    cluster.kill_apiserver()
    cluster.flags["anonymous-auth"] = "false"
    try:
        cluster.start_apiserver()
        records = await look.until(lambda seen: seen.all_held, MOST_ROUNDS, "all held without anonymous requests")
        denied = {r.observation.code for r in await look.rounds(6) if r.question.identity == "anonymous"}
    finally:
        cluster.kill_apiserver()
        cluster.flags["anonymous-auth"] = "true"
        cluster.start_apiserver()

    assert denied == {401}
    assert look.metrics().sum("sentinel_denials_total", identity="anonymous", code="401") > 0
    assert not [row for row in records if row.verdict.state is State.BREACHED]


@pytest.mark.parametrize("after", [3, 12, 30, 60])
async def test_a_silent_reconnect_within_a_round_spoils_that_round_and_no_other(scene: Ground, after: int) -> None:
    look = scene.look
    await look.until(lambda seen: seen.all_held, MOST_ROUNDS)
    everything = Agenda(look.plan.questions, (), (), (), ())

    scene.front.fault = proxy.Reconnects(after=after)
    look.records = []
    await look.runner.run_agenda(everything, PATIENCE)
    spoilt = look.records
    look.records = []
    await look.runner.run_agenda(everything, PATIENCE)

    assert spoilt
    assert held(spoilt, lambda question: True) == []
    assert {record.verdict.reason for record in spoilt} <= {Reason.RECONNECT, Reason.READY}
    assert len(held(look.records, lambda question: True)) == len(look.plan.questions), look.story()


async def test_an_answer_from_a_starting_server_is_never_proof(scene: Ground) -> None:
    """A starting API server denies what is granted, perfectly: rounds at its heels hold nothing before it is ready."""
    look, cluster = scene.look, scene.cluster
    await look.until(lambda seen: seen.all_held, MOST_ROUNDS)
    bindings = [
        manifests.role_binding("team-b", f"ballast-{number}", manifests.of_user(f"nobody-{number}"), role="none")
        for number in range(300)
    ]
    cluster.admin.apply(*bindings)
    reads = manifests.rule(["get", "list"], ["secrets"])
    hole = manifests.grant("team-b", "hole", manifests.of_account("team-a"), reads)
    cluster.admin.apply(*hole)
    granted = {
        question
        for question in look.plan.questions
        if SECRETS_OF_B(question) and question.identity == "self" and question.verb in ("get", "list")
    }
    assert {question.verb for question in granted} == {"get", "list"}
    wrong = []

    try:
        cluster.kill_apiserver()
        starting = threading.Thread(target=cluster.start_apiserver)
        starting.start()
        while starting.is_alive():
            records = await look.rounds()
            wrong += [row for row in records if row.question in granted and row.verdict.state is State.HELD]
        starting.join()
        await look.until(lambda seen: any(seen.now.breach_since.values()), MOST_ROUNDS, "the hole is seen")
    finally:
        cluster.admin.delete(*hole, *bindings)

    assert wrong == []
