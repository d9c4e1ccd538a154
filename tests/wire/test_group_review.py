"""What groups of people may do, asked of a real API server in their place, with the chart's own grants."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from sentinel.clients.clock import Clock
from sentinel.clients.endpoint import Endpoint
from sentinel.clients.tokens import HeldToken, parse
from sentinel.core.answer import Answer
from sentinel.core.api import plan, rbac_object
from sentinel.core.api.rbac import Rbac, who_of_account
from sentinel.core.record import Record, Round
from sentinel.core.standing import Turn
from sentinel.core.verdict import Reason, State
from sentinel.engine.book import Book
from sentinel.engine.round import RoundRunner
from sentinel.kinds import Probe
from sentinel.probes.group_review import GroupReview
from tests.deploy import chart
from tests.support import authorizer, manifests, proxy
from tests.support.authorizer import WebhookAuthorizer
from tests.support.controlplane import CONTROLLERS, ControlPlane
from tests.support.proxy import Proxy

HUMANS = "group:humans"
RELEASE = "sentinel-system"
READ = manifests.rule(["get", "list"], ["secrets"])
KINDS = ("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding")
MOST_ROUNDS = 30


@dataclass
class Stage:
    """The chart installed for two tenants; team-a's humans are watched over."""

    cluster: ControlPlane
    front: Proxy

    @property
    def admin(self) -> Any:
        return self.cluster.admin

    def rbac(self) -> Rbac:
        """As the watch would know it at this moment."""
        found = []
        for kind in KINDS:
            path = f"/apis/rbac.authorization.k8s.io/v1/{kind.lower()}s"
            found += [rbac_object.parse(item, kind) for item in self.admin.must("GET", path)["items"]]
        return Rbac.of(row for row in found if row is not None)


def installed(cluster: ControlPlane) -> None:
    tenants = [
        {"name": "team-a", "namespaces": ["team-a"], "groups": ["humans"]},
        {"name": "team-b", "namespaces": ["team-b"]},
    ]
    values = {"tenants": tenants, "monitor": {"enabled": False}, "rules": {"enabled": False}}
    cluster.admin.apply(*(manifests.namespace(name) for name in (RELEASE, "team-a", "team-b")))
    cluster.admin.apply(*chart.render(chart.witnessed() | values))


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with ControlPlane(controllers=CONTROLLERS) as cluster, Proxy(cluster) as front:
        installed(cluster)
        yield Stage(cluster, front)


@pytest.fixture(scope="class")
def policy() -> Iterator[tuple[Stage, WebhookAuthorizer]]:
    """Another one, which asks a policy engine what RBAC did not allow."""
    cluster = ControlPlane()
    with WebhookAuthorizer(cluster) as policy:
        cluster.flags |= policy.flags
        with cluster, Proxy(cluster) as front:
            installed(cluster)
            yield Stage(cluster, front), policy


@dataclass
class Desk:
    """The same engine as for accounts, round by round."""

    stage: Stage
    held: HeldToken
    fresh: bool = True
    known: Rbac | None = None
    records: list[Record] = field(default_factory=list)
    report: Round | None = None

    def __post_init__(self) -> None:
        scope = plan.Scope(
            tenant="team-a",
            tenants=(("team-a", ("team-a",)), ("team-b", ("team-b",))),
            system=("kube-system", RELEASE),
            accounts=(HUMANS,),
            anonymous=(),
            every=0.2,
            within=1.0,
            sweep=1.0,
            timeout=4.0,
            qps=5000,
        )
        self.plan = plan.make(scope)
        where = Endpoint(self.stage.front.url, self.held, ca_file=self.stage.cluster.ca_file)
        self.probe = GroupReview(
            endpoint=lambda: where,
            source=self.held,
            expect=f"system:serviceaccount:{RELEASE}:sentinel-witness",
            identities=(HUMANS,),
            sentinel=who_of_account("team-a", "sentinel"),
            own_namespace="team-a",
            home=RELEASE,
            targets=scope.targets,
            timeout=4.0,
            every=0.2,
            clock=Clock(),
            rbac=lambda: self.known or self.stage.rbac(),
            fresh=lambda: self.fresh,
        )
        probe: Probe = self.probe
        self.book = Book(self.plan, Clock().wall(), (self,))
        self.runner = RoundRunner(probe, self.book, Clock())
        self._slot = 0

    def put(self, record: Record) -> None:
        self.records.append(record)

    def end_round(self, report: Round) -> None:
        self.report = report

    @property
    def now(self) -> Round:
        assert self.report is not None
        return self.report

    async def rounds(self, count: int = 1) -> list[Record]:
        self.records = []
        for _ in range(count):
            agenda = self.book.agenda(self._slot, Clock().wall())
            self._slot += 1
            await self.runner.run_agenda(agenda, 20.0)
        return self.records

    async def until(self, wanted: Any, most: int = MOST_ROUNDS) -> list[Record]:
        seen = []
        for _ in range(most):
            seen += await self.rounds()
            if wanted():
                return seen
        rows = [(r.question.text, r.question.target, r.observation.detail, r.verdict.reason) for r in self.records[:6]]
        raise AssertionError(f"not within {most} rounds: {self.now.reasons} {self.now.inconclusive} {rows}")

    @property
    def all_held(self) -> bool:
        standings = [self.book.standings.get(question) for question in self.plan.questions]
        return all(seen is not None and seen.state is State.HELD and seen.streak >= 2 for seen in standings)

    @property
    def open(self) -> dict[tuple[str, str], set[str]]:
        """Check and target of what stands open for the humans, with the questions."""
        found: dict[tuple[str, str], set[str]] = {}
        for question, seen in self.book.standings.items():
            if seen.breach is not None and not self.book.is_subsumed(question):
                found.setdefault((question.check, question.target), set()).add(question.text)
        return found

    @property
    def published(self) -> set[tuple[str, str, str]]:
        return {(s.check, s.identity, s.target) for s, since in self.now.breach_since.items() if since}

    def breach(self, text: str, target: str) -> Any:
        rows = self.book.standings.items()
        return next(seen.breach for q, seen in rows if (q.text, q.target) == (text, target) and seen.breach)


@pytest.fixture
def desk(stage: Stage) -> Iterator[Desk]:
    stage.front.clear()
    yield Desk(stage, witness_of(stage))
    stage.front.fault = proxy.passes


def witness_of(stage: Stage) -> HeldToken:
    held = HeldToken("none yet")
    held.put(parse(stage.cluster.token_for(RELEASE, "sentinel-witness"), "the test's"))
    return held


HOLES: dict[str, tuple[list[manifests.Dict], str, str]] = {
    "RoleBinding": (manifests.grant("team-b", "hole", manifests.of_group("humans"), READ), "team-b", "list secrets"),
    "RoleBinding of a ClusterRole": (
        [
            manifests.cluster_role("hole", READ),
            manifests.role_binding("team-b", "hole", manifests.of_group("humans"), role="hole", kind="ClusterRole"),
        ],
        "team-b",
        "list secrets",
    ),
    "ClusterRoleBinding": (
        [manifests.cluster_role("hole", READ), manifests.cluster_role_binding("hole", manifests.of_group("humans"))],
        "*",
        "list secrets",
    ),
    "all who have an account": (
        manifests.grant("team-b", "hole", manifests.of_group("system:authenticated"), READ),
        "team-b",
        "list secrets",
    ),
    "aggregation": (
        [
            manifests.cluster_role("sum")
            | {"rules": [], "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"sum": "yes"}}]}},
            manifests.cluster_role_binding("hole", manifests.of_group("humans"), role="sum"),
            {**manifests.cluster_role("part", READ), "metadata": {"name": "part", "labels": {"sum": "yes"}}},
        ],
        "*",
        "list secrets",
    ),
    "a write": (
        manifests.grant("team-b", "hole", manifests.of_group("humans"), manifests.rule(["create"], ["pods"])),
        "team-b",
        "create pods",
    ),
    "one object by its name": (
        manifests.grant(
            "team-b", "hole", manifests.of_group("humans"), manifests.rule(["get"], ["configmaps"], ["prices"])
        ),
        "team-b",
        "get configmaps/prices",
    ),
}


class TestAHole:
    @pytest.mark.parametrize("how", HOLES)
    async def test_is_a_breach_by_the_servers_word_and_closed_when_it_is_gone(self, stage, desk, how):
        objects, target, text = HOLES[how]
        await desk.until(lambda: desk.all_held)
        try:
            stage.admin.apply(*objects)
            await desk.until(lambda: any(text in texts for texts in desk.open.values()))
            opened, breach = dict(desk.open), desk.breach(text, target)
            published = desk.published
            seen = {where: found.clean for (_, where), found in desk.book.suspicions.items()}
        finally:
            stage.admin.delete(*reversed(objects))
        records = await desk.until(lambda: not desk.open)

        if target == "*":
            # It stands for all targets: none of them is suspected by itself.
            assert all(clean for where, clean in seen.items() if where != "*")
        assert {where for _, where in opened} == {target}
        assert {(identity, where) for _, identity, where in published} == {(HUMANS, target)}
        assert breach.reason is Reason.REVIEW
        assert breach.code == 201
        assert "RBAC: allowed by" in breach.cause
        assert breach.audit_id
        assert any(r.change is not None and r.change.turn is Turn.CLOSED for r in records)

    async def test_is_found_in_the_first_round_that_knows_of_it(self, stage, desk):
        objects = HOLES["RoleBinding"][0]
        await desk.until(lambda: desk.all_held)
        stage.admin.apply(*objects)
        try:
            await desk.rounds(1)
            assert desk.open
        finally:
            stage.admin.delete(*objects)

    async def test_of_others_is_none_of_theirs(self, stage, desk):
        objects = manifests.grant("team-b", "hole", manifests.of_group("others"), READ)
        stage.admin.apply(*objects)
        try:
            await desk.until(lambda: desk.all_held)
            assert not desk.open
        finally:
            stage.admin.delete(*objects)

    async def test_that_is_open_stays_open_while_nothing_can_be_proven(self, stage, desk):
        objects = HOLES["RoleBinding"][0]
        await desk.until(lambda: desk.all_held)
        stage.admin.apply(*objects)
        try:
            await desk.until(lambda: desk.open)
        finally:
            stage.admin.delete(*objects)
        stage.front.fault = proxy.only("subjectaccessreviews", proxy.throttles())
        await desk.rounds(4)

        assert desk.open


class TestADenial:
    async def test_counts_when_all_controls_are_good(self, stage, desk):
        await desk.until(lambda: desk.all_held)

        assert desk.now.reasons == ()
        assert not desk.now.inconclusive
        assert {row.gate.value for row in desk.now.gates} >= {"canary", "decoy", "door", "whoami", "ready", "tripwire"}

    async def test_asks_for_nothing_but_reviews(self, stage, desk):
        await desk.rounds(6)

        asked = {(request.method, request.path) for request in stage.front.requests}
        assert asked == {
            ("GET", "/readyz"),
            ("GET", "/api"),
            ("GET", "/apis"),
            ("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews"),
            ("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews"),
        }

    async def test_is_asked_of_the_group_alone(self, stage, desk):
        await desk.rounds(2)

        bodies = [json.loads(r.body)["spec"] for r in stage.front.requests if "subjectaccess" in r.path]
        theirs = [spec for spec in bodies if not spec["user"].startswith("system:serviceaccount:")]
        assert theirs
        assert all(spec["groups"] == ["humans", "system:authenticated"] for spec in theirs)
        assert {spec["user"] for spec in bodies} == {"sentinel:review", "system:serviceaccount:team-a:sentinel"}

    @pytest.mark.parametrize(
        ("gone", "reason"),
        [
            (("RoleBinding", "sentinel", "team-a"), "canary"),
            (("RoleBinding", "sentinel-door", "team-b"), "door"),
        ],
    )
    async def test_proves_nothing_without_its_controls(self, stage, desk, gone, reason):
        kind, name, namespace = gone
        path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/{kind.lower()}s/{name}"
        kept = stage.admin.must("GET", path)
        await desk.until(lambda: desk.all_held)
        stage.admin.must("DELETE", path)
        try:
            await desk.rounds(6)
            reasons = {reason.value for found in desk.now.inconclusive.values() for reason in found}
        finally:
            fresh = {key: kept["metadata"][key] for key in ("name", "namespace", "labels") if key in kept["metadata"]}
            stage.admin.create({**kept, "apiVersion": manifests.RBAC, "kind": kind, "metadata": fresh})

        assert reason in reasons
        assert not any(r.verdict.state is State.HELD for r in desk.records if reason == "canary")
        await desk.until(lambda: desk.all_held)

    async def test_proves_nothing_when_what_must_be_closed_is_open(self, stage, desk):
        decoy = manifests.grant(
            RELEASE,
            "wrong",
            manifests.of_account("team-a"),
            manifests.rule(["get"], ["secrets"], ["sentinel-decoy-closed"]),
        )
        stage.admin.apply(*decoy)
        try:
            records = await desk.rounds(3)
        finally:
            stage.admin.delete(*decoy)

        assert {r.verdict.reason for r in records} == {Reason.DECOY}

    @pytest.mark.parametrize(
        ("fault", "reason"),
        [
            (proxy.answers(429, b"", ("Retry-After", "1")), {"limited", "canary"}),
            (proxy.unauthorized(), {"canary"}),
            (proxy.says_status(403, "Forbidden", "no"), {"canary"}),
            (proxy.says_html(201), {"canary"}),
            (proxy.redirects("https://elsewhere/"), {"canary"}),
        ],
    )
    async def test_proves_nothing_when_the_reviews_are_answered_otherwise(self, stage, desk, fault, reason):
        stage.front.fault = proxy.only("subjectaccessreviews", fault)

        records = await desk.rounds(2)

        assert records
        assert {r.verdict.state for r in records} == {State.INCONCLUSIVE}
        assert {r.verdict.reason.value for r in records} <= reason

    @pytest.mark.parametrize(
        ("fault", "answer"),
        [
            (proxy.unauthorized(), Answer.UNASKED),
            (proxy.says_status(403, "Forbidden", "no"), Answer.UNASKED),
            (proxy.throttles(), Answer.LIMITED),
            (proxy.answers(500), Answer.BROKEN),
            (proxy.answers(201, b'{"kind": "SubjectAccessReview", "status": {"allowed": false}}'), Answer.BROKEN),
        ],
    )
    async def test_is_none_when_the_review_itself_was_not_taken(self, stage, desk, fault, answer):
        def refuses(request, forward):
            return (fault if b'"sentinel:review"' in request.body else proxy.passes)(request, forward)

        stage.front.fault = refuses
        records = await desk.rounds(1)

        assert {r.observation.answer for r in records} == {answer}
        assert {r.verdict.state for r in records} == {State.INCONCLUSIVE}

    @pytest.mark.parametrize(
        "change",
        [
            lambda said: said["status"].update(evaluationError="the policy engine is away"),
            lambda said: said["status"].pop("allowed"),
            lambda said: said["status"].update(allowed="no"),
            lambda said: said.pop("status"),
            lambda said: said.update(kind="Status"),
        ],
    )
    async def test_is_a_bare_no_and_nothing_less(self, stage, desk, change):
        def spoils(request, forward):
            answer = forward(request)
            if b'"sentinel:review"' not in request.body:
                return answer
            said = json.loads(answer.body)
            change(said)
            return replace(answer, body=json.dumps(said).encode())

        stage.front.fault = spoils
        records = await desk.rounds(2)

        assert records
        assert {r.observation.answer for r in records if r.asked} == {Answer.BROKEN}
        assert {r.verdict.state for r in records} == {State.INCONCLUSIVE}

    @pytest.mark.parametrize(
        ("control", "reason"),
        [("sentinel-beacon", Reason.CANARY), ("sentinel-decoy-closed", Reason.DECOY), ("team-b", Reason.DOOR)],
    )
    async def test_counts_only_when_the_controls_are_good_afterwards_too(self, stage, desk, control, reason):
        asked_one = False

        def later(request, forward):
            nonlocal asked_one
            asked_one = asked_one or b'"sentinel:review"' in request.body
            theirs = b'"sentinel:review"' in request.body
            wanted = asked_one and not theirs and f'"name": "{control}"'.encode() in request.body
            return proxy.throttles()(request, forward) if wanted else forward(request)

        stage.front.fault = later
        records = await desk.rounds(1)

        about = [r for r in records if reason is not Reason.DOOR or r.question.target == "team-b"]
        assert about
        assert {r.verdict.reason for r in about} == {reason}

    async def test_from_another_flow_than_our_whoami_is_none(self, stage, desk):
        def elsewhere(request, forward):
            answer = forward(request)
            headers = [(n, "other" if n.lower() == "x-kubernetes-pf-flowschema-uid" else v) for n, v in answer.headers]
            return replace(answer, headers=headers)

        stage.front.fault = proxy.only("subjectaccessreviews", elsewhere)
        records = await desk.rounds(2)

        assert {r.verdict.state for r in records} == {State.INCONCLUSIVE}

    async def test_over_a_connection_that_changed_is_none(self, stage, desk):
        stage.front.fault = proxy.Reconnects(after=20)
        records = await desk.rounds(1)

        assert {r.verdict.reason for r in records} == {Reason.RECONNECT}

    async def test_from_a_server_that_is_not_ready_is_none(self, stage, desk):
        stage.front.fault = proxy.only("/readyz", proxy.answers(500, b"not yet"))
        records = await desk.rounds(1)

        assert {r.verdict.reason for r in records} == {Reason.READY}
        assert desk.now.reasons

    async def test_to_somebody_else_is_none(self, stage, desk):
        desk.held.put(parse(stage.cluster.token_for(RELEASE, "default"), "the test's"))
        records = await desk.rounds(1)

        assert {r.verdict.state for r in records} == {State.INCONCLUSIVE}
        assert desk.now.wrong_identity == {HUMANS}

    async def test_without_a_token_is_none(self, stage, desk):
        desk.probe.source = HeldToken("lost")
        records = await desk.rounds(1)

        assert {r.verdict.state for r in records} == {State.INCONCLUSIVE}

    async def test_of_a_type_that_nobody_serves_is_none(self, stage, desk):
        def without_secrets(request, forward):
            return replace(answer := forward(request), body=answer.body.replace(b'"secrets"', b'"others"'))

        stage.front.fault = proxy.only("/api", lambda r, f: without_secrets(r, f) if r.path == "/api" else f(r))
        records = await desk.rounds(1)

        assert {r.verdict.reason for r in records if r.question.resource.plural == "secrets"} == {Reason.TYPE}


class TestTheTripwire:
    async def test_that_is_out_of_date_takes_nothing_back_and_turns_red_in_the_third_round(self, stage, desk):
        await desk.until(lambda: desk.all_held)
        desk.fresh = False
        await desk.rounds(2)
        assert not desk.now.inconclusive
        await desk.rounds(6)

        reasons = {reason for found in desk.now.inconclusive.values() for reason in found}
        assert reasons == {Reason.TRIPWIRE}
        desk.fresh = True
        await desk.until(lambda: desk.all_held)

    async def test_that_knows_of_no_door_there_is_not_about_that_namespace(self, stage, desk):
        known = stage.rbac()
        await desk.until(lambda: desk.all_held)
        desk.known = known.without_object("RoleBinding", "team-b", "sentinel-door")
        await desk.rounds(8)

        assert {t: {r.value for r in found} for t, found in desk.now.inconclusive.items()} == {"team-b": {"tripwire"}}

    async def test_that_suspects_what_is_denied_for_real_is_no_breach(self, stage, desk):
        made = manifests.grant("team-b", "hole", manifests.of_group("humans"), READ)
        desk.known = stage.rbac()
        for found in made:
            parsed = rbac_object.parse(found)
            assert parsed is not None
            desk.known = desk.known.with_object(parsed)
        await desk.rounds(8)

        assert not desk.open
        assert desk.book.doubts


class TestAPolicyEngine:
    """It lists nothing, so the roles and bindings do not show what it grants."""

    async def test_is_found_by_the_sweep_where_it_lets_them_in(self, policy):
        stage, engine = policy
        desk = Desk(stage, witness_of(stage))

        def lets_them_in(call):
            spec = call.json["spec"]
            asked = spec.get("resourceAttributes", {})
            wanted = {"verb": "list", "resource": "secrets", "namespace": "team-b"}
            fits = "humans" in spec.get("groups", ()) and all(asked.get(k) == v for k, v in wanted.items())
            status = {"allowed": True, "reason": "policy 17"}
            return (authorizer.says(status) if fits else authorizer.no_opinion)(call)

        engine.answer = lets_them_in
        await desk.until(lambda: desk.open, desk.plan.slots(2) + 2)
        assert desk.open == {("api/secrets", "team-b"): {"list secrets"}}
        assert desk.breach("list secrets", "team-b").cause == "policy 17"
        engine.answer = authorizer.no_opinion
        await desk.until(lambda: not desk.open, 4)

    async def test_that_is_broken_proves_nothing(self, policy):
        stage, engine = policy
        desk = Desk(stage, witness_of(stage))
        engine.answer = authorizer.breaks
        try:
            records = await desk.rounds(1)
        finally:
            engine.answer = authorizer.no_opinion

        assert {r.verdict.state for r in records} == {State.INCONCLUSIVE}


async def test_the_command_that_shows_it_to_a_person_names_the_group(stage, desk):
    from sentinel.core import evidence

    (question,) = (q for q in desk.plan.questions if (q.text, q.target) == ("list secrets", "team-b"))
    await desk.rounds(1)

    line = evidence.command(question, desk.book.users[HUMANS])

    assert line == (
        "kubectl auth can-i list secrets --as=sentinel:review --as-group=humans"
        " --as-group=system:authenticated -n team-b"
    )
