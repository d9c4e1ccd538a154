"""What is as good as reading, asked of a real API server: denied, granted, stopped by admission; and nothing is touched.

`poor` has what every sentinel has, `rich` may do everything, the others have one thing each. After every
test that asks, each object of the cluster is what it was before.
"""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from sentinel.clients.clock import Clock
from sentinel.clients.endpoint import Endpoint
from sentinel.clients.tokens import HeldToken, NoToken, Token
from sentinel.core.answer import Answer, Observation
from sentinel.core.api.plan import make
from sentinel.core.api.question import CLUSTER, Form, Question, in_namespace, of_namespace
from sentinel.core.api.reply import Caller, Reply, classify
from sentinel.core.api.resources import FURTHER, RESOURCES, SECRETS, named
from sentinel.core.api.rules import Grant, suspects, wide_suspects
from sentinel.core.api.token import Claims
from sentinel.core.api.wire import JSON, MERGE_PATCH, NO_UID, Wire, wire_of
from sentinel.probes.identity import Identity
from sentinel.probes.kube_read import KubeRead, KubeVantage
from tests.core.scopes import scope
from tests.support import manifests
from tests.support.apiclient import Reply as Plain
from tests.support.authority import Authority
from tests.support.controlplane import ControlPlane
from tests.support.eventually import eventually

HOME, TARGET, GUARDED, DYING = "team-a", "team-b", "guarded", "dying"
RBAC = "rbac.authorization.k8s.io"
PODS, ACCOUNTS, ROLES = named("pods"), named("serviceaccounts"), named(f"roles.{RBAC}")
BEACON = manifests.rule(["get"], ["secrets"], ["sentinel-beacon"])
POLICY = "you cannot do this here"
HARD = {"count/configmaps": "0", "count/secrets": "0", "pods": "0"}
ONE = "one"
"""The name of every victim."""


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    with ControlPlane() as made:
        for space in (HOME, TARGET, GUARDED, DYING):
            made.admin.apply(manifests.namespace(space))
        made.admin.apply(*victims(), *accounts(), *guards())
        counted = {"status": {"hard": HARD, "used": dict.fromkeys(HARD, "0")}}
        quota = f"/api/v1/namespaces/{GUARDED}/resourcequotas/q/status"
        made.admin.must("PATCH", quota, counted, headers={"Content-Type": MERGE_PATCH})
        made.admin.must("DELETE", f"/api/v1/namespaces/{DYING}")  # without a controller it goes on dying
        yield made


def victims() -> list[dict[str, Any]]:
    made = [
        manifests.secret(TARGET, ONE, password="x"),
        manifests.secret(TARGET, "two", password="y"),
        manifests.config_map(TARGET, ONE, a="b"),
        manifests.account(TARGET, ONE),
        manifests.account(TARGET, "default"),
        manifests.role(TARGET, ONE, manifests.rule(["get"], ["pods"])),
        manifests.cluster_role(ONE, manifests.rule(["get"], ["pods"])),
        {"apiVersion": "v1", "kind": "Endpoints", "metadata": {"namespace": TARGET, "name": ONE}},
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"namespace": TARGET, "name": ONE},
            "spec": {"containers": [{"name": "c", "image": "none.invalid/none"}]},
        },
    ]
    return [*made, manifests.secret(HOME, "sentinel-beacon", a="b")]


def accounts() -> list[dict[str, Any]]:
    to = manifests.of_account
    names = ("poor", "rich", "getter", "blind", "haunted", "heir")
    everybody = [manifests.account(HOME, name) for name in names]
    beacons = [to(HOME, name) for name in names if name != "blind"]
    streams = manifests.rule(["get"], ["pods/exec", "pods/attach", "pods/portforward"])
    return [
        *everybody,
        manifests.role(HOME, "beacon", BEACON),
        manifests.role_binding(HOME, "beacon", *beacons),
        manifests.cluster_role("all", manifests.rule(["*"], ["*"], groups=["*"])),
        manifests.cluster_role_binding("all", to(HOME, "rich")),
        *manifests.grant(TARGET, "getter", to(HOME, "getter"), streams),
        manifests.role_binding(TARGET, "haunted", to(HOME, "haunted"), role="gone"),
        *manifests.grant(TARGET, "heir", to(HOME, "heir"), manifests.rule(["impersonate"], ["serviceaccounts"], [ONE])),
    ]


def guards() -> list[dict[str, Any]]:
    """In `guarded` nothing may be made, by quota, and nobody may exec, by policy."""
    version = "admissionregistration.k8s.io/v1"
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CONNECT"], "resources": ["pods/exec"]}
    policy = {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": [rule]},
        "validations": [{"expression": "false", "message": POLICY, "reason": "Forbidden"}],
    }
    selector = {"matchLabels": {"kubernetes.io/metadata.name": GUARDED}}
    binding = {
        "policyName": "no-exec",
        "validationActions": ["Deny"],
        "matchResources": {"namespaceSelector": selector},
    }
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"namespace": GUARDED, "name": "q"},
        "spec": {"hard": HARD},
    }
    return [
        quota,
        {"apiVersion": version, "kind": "ValidatingAdmissionPolicy", "metadata": {"name": "no-exec"}, "spec": policy},
        {
            "apiVersion": version,
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": "no-exec"},
            "spec": binding,
        },
    ]


@asynccontextmanager
async def asking(plane: ControlPlane, *names: str) -> AsyncIterator[KubeVantage]:
    """One connection, on which these accounts of team-a are known."""
    trust = ssl.create_default_context(cafile=str(plane.ca_file))
    identities = [*(identity(plane, name) for name in names), Identity("anonymous", "", NoToken(), anonymous=True)]
    probe = KubeRead(
        endpoint=lambda: Endpoint(plane.url, identities[0].source, tls=trust),
        identities=tuple(identities),
        own_namespace=HOME,
        home="sentinel-system",
        targets=(TARGET,),
        timeout=10.0,
        every=10.0,
        within=120.0,
        clock=Clock(),
    )
    async with probe.connect() as vantage:
        assert await vantage.open(()) == ""
        yield vantage


def identity(plane: ControlPlane, name: str) -> Identity:
    held, user = HeldToken("never"), f"system:serviceaccount:{HOME}:{name}"
    held.put(Token(plane.token_for(HOME, name), Claims(user, (), None)))
    return Identity(name, user, held)


@pytest.fixture(autouse=True)
def _nothing_is_touched(plane: ControlPlane) -> Iterator[None]:
    before = everything(plane)
    yield
    assert everything(plane) == before


def everything(plane: ControlPlane) -> dict[str, str]:
    """The version of every object of every type we know, by its uid."""
    found: dict[str, str] = {}
    for resource in (*RESOURCES, *FURTHER):
        if resource.plural in ("events", "leases"):
            continue  # the API server's own
        rows = plane.admin.must("GET", f"{resource.root}/{resource.plural}")["items"]
        found |= {f"{resource.label} {row['metadata']['uid']}": row["metadata"]["resourceVersion"] for row in rows}
    return found


SERVED = (*RESOURCES, *FURTHER)
PLANNED = [question for question in make(scope(2)).questions if question.identity == "self"]
EVERYTHING = Grant("*", "*", "*")
SUSPECTED = [
    *suspects([EVERYTHING], "self", TARGET, SERVED).questions,
    *(q for row in SERVED for q in wide_suspects([Grant("*", row.group, row.plural)], "self", SERVED).questions),
]
NAMED = [
    *suspects(
        [
            *(Grant(verb, "", "secrets", ONE) for verb in ("get", "list", "watch", "update", "patch", "delete")),
            *(Grant(verb, "", "pods", ONE) for verb in ("get", "update", "patch", "delete")),
            *(Grant(verb, "", "endpoints", ONE) for verb in ("update", "patch", "delete")),
            *(Grant("create", "", f"pods/{below}", ONE) for below in ("exec", "proxy", "eviction", "binding")),
            *(Grant(verb, "", f"pods/{below}", ONE) for below in ("status", "resize") for verb in ("update", "patch")),
            Grant("patch", "", "pods/ephemeralcontainers", ONE),
            Grant("get", "", "pods/log", ONE),
            Grant("create", "", "serviceaccounts/token", ONE),
            Grant("impersonate", "", "serviceaccounts", ONE),
            Grant("bind", RBAC, "roles", ONE),
            Grant("update", RBAC, "roles", ONE),
            *(Grant(verb, "", "namespaces", TARGET) for verb in ("update", "patch", "delete")),
            Grant("deletecollection", "", "secrets"),
            Grant("deletecollection", "", "pods"),
        ],
        "self",
        TARGET,
        SERVED,
    ).questions,
    *(
        question
        for verb in ("update", "patch", "delete", "bind")
        for question in wide_suspects([Grant(verb, RBAC, "clusterroles", ONE)], "self", SERVED).questions
    ),
    *(
        question
        for verb in ("update", "patch", "delete")
        for question in wide_suspects([Grant(verb, "", "namespaces", TARGET)], "self", SERVED).questions
    ),
]
"""At objects that are there."""
ALL = list(dict.fromkeys([*PLANNED, *SUSPECTED, *NAMED]))


def asked_as(who: str, questions: list[Question]) -> list[Question]:
    return [replace(question, identity=who) for question in questions]


def about(question: Question) -> Question:
    """The same about a namespace that is there."""
    if question.target in (CLUSTER, TARGET):
        return question
    if question.resource.plural == "namespaces":
        return of_namespace(question.identity, question.verb, TARGET)
    return replace(question, namespace=TARGET, target=TARGET)


async def answers(vantage: KubeVantage, questions: list[Question]) -> dict[Question, Observation]:
    return {question: await vantage.ask(question) for question in map(about, questions)}


def others(found: dict[Question, Observation], expected: Answer) -> list[str]:
    return [f"{q.form} {q.text} {q.target}: {seen}" for q, seen in found.items() if seen.answer is not expected]


def test_all_forms_are_among_them() -> None:
    assert {question.form for question in PLANNED} == set(Form)
    assert {question.form for question in NAMED} == set(Form)
    assert len(ALL) > 250


async def test_who_may_nothing_is_denied_everything_in_every_form(plane: ControlPlane) -> None:
    async with asking(plane, "poor") as vantage:
        found = await answers(vantage, asked_as("poor", ALL))

        assert vantage.intact
    assert others(found, Answer.DENIED) == []


async def test_who_has_no_token_is_denied_all_that_can_be_asked_without_one(plane: ControlPlane) -> None:
    asked = [question for question in asked_as("anonymous", ALL) if question.form is not Form.REVIEW]
    async with asking(plane, "poor") as vantage:
        found = await answers(vantage, asked)

    assert others(found, Answer.DENIED) == []


async def test_who_may_everything_is_served_everything_and_nothing_is_read_or_changed(plane: ControlPlane) -> None:
    async with asking(plane, "rich") as vantage:
        found = await answers(vantage, asked_as("rich", ALL))

        assert vantage.intact
    assert others(found, Answer.SERVED) == []
    assert {q.form for q, seen in found.items() if seen.review} == {Form.REVIEW}
    codes = {question.form: set[int | None]() for question in found}
    for question, seen in found.items():
        codes[question.form].add(seen.code)
    # A policy that looks at namespaces cannot match in one that does not exist, and says so: past the authorizer.
    codes[Form.LONG].discard(422)
    assert codes == {Form.REQUEST: {406}, Form.LONG: {404, 406}, Form.IMPERSONATE: {201}, Form.REVIEW: {201}}


async def test_one_may_stream_but_not_open_and_is_told_from_one_who_may_nothing(plane: ControlPlane) -> None:
    async with asking(plane, "getter") as vantage:
        for below in ("exec", "attach", "portforward"):
            half = await vantage.ask(in_namespace("getter", "get", PODS, TARGET, below))
            whole = await vantage.ask(in_namespace("getter", "create", PODS, TARGET, below))

            assert (half.answer, half.admission) == (Answer.SERVED, True)
            assert half.detail == "get is granted, create is not"
            assert whole.answer is Answer.DENIED


class TestAdmission:
    """Who is let in and then stopped was let in."""

    async def test_a_policy_that_stops_an_exec(self, plane: ControlPlane) -> None:
        question = in_namespace("rich", "create", PODS, GUARDED, "exec")
        rich = plane.account(HOME, "rich")
        eventually(lambda: POLICY in rich.request("POST", question.path).message, 20.0, "the policy is in force")
        async with asking(plane, "rich", "poor") as vantage:
            seen = await vantage.ask(question)
            denied = await vantage.ask(replace(question, identity="poor"))

        assert (seen.answer, seen.admission, seen.code) == (Answer.SERVED, True, 403)
        assert denied.answer is Answer.DENIED

    @pytest.mark.parametrize("space", [GUARDED, DYING])
    async def test_a_quota_and_a_terminating_namespace_come_after_what_we_see(
        self, plane: ControlPlane, space: str
    ) -> None:
        kinds = ("pods", "secrets", "configmaps", "deployments.apps", "endpoints")
        asked = [in_namespace(who, "create", named(kind), space) for kind in kinds for who in ("rich", "poor")]
        asked += [in_namespace(who, "create", ACCOUNTS, space, "token") for who in ("rich", "poor")]
        async with asking(plane, "rich", "poor") as vantage:
            found = {question: await vantage.ask(question) for question in asked}

        assert {seen.answer for q, seen in found.items() if q.identity == "rich"} == {Answer.SERVED}
        assert {seen.answer for q, seen in found.items() if q.identity == "poor"} == {Answer.DENIED}

    @pytest.mark.parametrize("space", [GUARDED, DYING])
    def test_their_own_refusal_would_be_seen_as_a_grant_as_well(self, plane: ControlPlane, space: str) -> None:
        question = in_namespace("rich", "create", named("configmaps"), space)
        body = manifests.config_map(space, ONE)
        seen = plainly(plane, replace(wire_of(question), accept=JSON), json.dumps(body).encode())

        assert seen.status == 403
        assert (classified(question, seen).answer, classified(question, seen).admission) == (Answer.SERVED, True)


def plainly(plane: ControlPlane, wire: Wire, body: bytes | None = None) -> Plain:
    """The same request as `rich`, by another client."""
    sent = wire.body if body is None else body
    headers = {"Accept": wire.accept, "Audit-ID": "n"} | ({"Content-Type": wire.content_type} if sent else {})
    return plane.account(HOME, "rich").request(wire.method, wire.path, sent, headers)


def classified(question: Question, seen: Plain) -> Observation:
    reply = Reply(
        at=1.0,
        status=seen.status,
        audit_id=seen.headers["audit-id"],
        nonce="n",
        flow=seen.headers.get("x-kubernetes-pf-flowschema-uid", ""),
        nosniff="x-content-type-options" in seen.headers,
        body=seen.body,
    )
    return classify(question, reply, Caller(f"system:serviceaccount:{HOME}:rich", reply.flow))


LOCKED = {
    "deletecollection of secrets": in_namespace("rich", "deletecollection", SECRETS, TARGET),
    "patch of a namespace": of_namespace("rich", "patch", TARGET),
    "update of a namespace": of_namespace("rich", "update", TARGET),
    "patch of a secret that is there": Question("rich", "patch", SECRETS, TARGET, TARGET, ONE),
    "update of a secret that is there": Question("rich", "update", SECRETS, TARGET, TARGET, ONE),
    "patch of a role that is there": Question("rich", "patch", ROLES, TARGET, TARGET, ONE),
    "update of endpoints that are there": Question("rich", "update", named("endpoints"), TARGET, TARGET, ONE),
}


class TestLocks:
    """Each lock of a request that could touch something holds alone."""

    @pytest.mark.parametrize("question", LOCKED.values(), ids=LOCKED.keys())
    def test_the_accept_alone(self, plane: ControlPlane, question: Question) -> None:
        wire = replace(wire_of(question), path=without_dry_run(question))
        body = b"{}" if question.verb == "deletecollection" else effective(question)

        assert plainly(plane, wire, body).status == 406

    @pytest.mark.parametrize("question", LOCKED.values(), ids=LOCKED.keys())
    def test_the_dry_run_alone(self, plane: ControlPlane, question: Question) -> None:
        wire = replace(wire_of(question), accept=JSON)
        # Of a DELETE with a body only what the body says counts.
        body = b'{"dryRun": ["All"]}' if question.verb == "deletecollection" else effective(question)

        assert wire.path.endswith("?dryRun=All")
        assert question.verb != "deletecollection" or json.loads(wire.body or b"")["dryRun"] == ["All"]
        assert plainly(plane, wire, body).status == 200

    @pytest.mark.parametrize("question", LOCKED.values(), ids=LOCKED.keys())
    def test_the_precondition_alone(self, plane: ControlPlane, question: Question) -> None:
        wire = replace(wire_of(question), path=without_dry_run(question), accept=JSON)
        body = json.loads(wire.body or b"")
        body.pop("dryRun", None)

        assert NO_UID in json.dumps(body)
        assert plainly(plane, wire, json.dumps(body).encode()).status in (409, 422)

    def test_without_any_lock_it_would_be_gone(self, plane: ControlPlane) -> None:
        """Else the tests above would show nothing."""
        space = "lost"
        plane.admin.apply(manifests.namespace(space), manifests.secret(space, ONE))
        question = in_namespace("rich", "deletecollection", SECRETS, space)
        wire = replace(wire_of(question), path=without_dry_run(question), accept=JSON)

        assert plainly(plane, wire, b"{}").status == 200
        assert plane.admin.request("GET", f"/api/v1/namespaces/{space}/secrets/{ONE}").status == 404
        plane.admin.delete(manifests.namespace(space))
        plane.admin.must("PUT", f"/api/v1/namespaces/{space}/finalize", finalized(space))

    async def test_a_token_is_asked_for_too_short_a_time_and_never_as_a_dry_run(self, plane: ControlPlane) -> None:
        question = Question("rich", "create", ACCOUNTS, TARGET, TARGET, ONE, "token")
        wire = wire_of(question)

        assert "dryRun" not in wire.path
        assert plainly(plane, wire).status == 406
        seen = plainly(plane, replace(wire, accept=JSON))
        assert seen.status == 422
        assert b"eyJ" not in seen.body


def without_dry_run(question: Question) -> str:
    return wire_of(question).path.partition("?")[0]


def effective(question: Question) -> bytes:
    """A body that would change something."""
    return json.dumps({"metadata": {"name": question.name, "labels": {"changed": "yes"}}}).encode()


def finalized(space: str) -> dict[str, Any]:
    return manifests.namespace(space) | {"spec": {"finalizers": []}}


class TestOtherNames:
    """Impersonation is tried for real: whoami in somebody else's name."""

    async def test_one_account_by_name(self, plane: ControlPlane) -> None:
        async with asking(plane, "heir") as vantage:
            given = await vantage.ask(Question("heir", "impersonate", ACCOUNTS, TARGET, TARGET, ONE))
            another = await vantage.ask(in_namespace("heir", "impersonate", ACCOUNTS, TARGET))
            elsewhere = await vantage.ask(in_namespace("heir", "impersonate", ACCOUNTS, GUARDED))
            user = await vantage.ask(in_namespace("heir", "impersonate", named("users"), CLUSTER))

        assert (given.answer, given.code) == (Answer.SERVED, 201)
        # Whoever was let in once is refused in other words from then on.
        assert [seen.answer for seen in (another, elsewhere, user)] == [Answer.DENIED] * 3

    async def test_whoever_is_taken_for_somebody_who_may_not_even_ask_was_let_in(self, plane: ControlPlane) -> None:
        nobody = Question("rich", "impersonate", named("users"), None, CLUSTER, "system:anonymous")
        async with asking(plane, "rich") as vantage:
            seen = await vantage.ask(nobody)

        assert (seen.answer, seen.code) == (Answer.SERVED, 403)


class TestReviews:
    """What is no request is asked of the authorizer, and believed beside a yes that must be."""

    async def test_a_no_counts_only_beside_a_yes(self, plane: ControlPlane) -> None:
        async with asking(plane, "poor", "blind") as vantage:
            seen = {who: await vantage.ask(in_namespace(who, "escalate", ROLES, TARGET)) for who in ("poor", "blind")}

        assert seen["poor"].answer is Answer.DENIED
        assert seen["blind"].answer is Answer.BROKEN

    async def test_a_binding_whose_role_is_missing_is_latent(self, plane: ControlPlane) -> None:
        async with asking(plane, "haunted") as vantage:
            reviewed = await vantage.ask(in_namespace("haunted", "bind", ROLES, TARGET))
            streamed = await vantage.ask(in_namespace("haunted", "create", PODS, TARGET, "exec"))

        assert (reviewed.answer, reviewed.latent) == (Answer.DENIED, True)
        assert (streamed.answer, streamed.latent) == (Answer.DENIED, True)

    async def test_the_binding_that_lets_us_in_is_named_in_every_form(self, plane: ControlPlane) -> None:
        asked = [
            in_namespace("rich", "escalate", ROLES, TARGET),
            in_namespace("rich", "create", PODS, TARGET, "exec"),
            in_namespace("rich", "impersonate", ACCOUNTS, TARGET),
            of_namespace("rich", "patch", TARGET),
        ]
        async with asking(plane, "rich") as vantage:
            causes = {(await vantage.confirm(question)).cause for question in asked}

        assert len(causes) == 1
        assert 'ClusterRoleBinding "all"' in causes.pop()


@dataclass
class Backend:
    """A kubelet that forges a refusal for whoever asks, behind the only way that the API server takes to it."""

    forged: bytes
    context: ssl.SSLContext
    connections: int = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await writer.start_tls(self.context)
        await reader.readuntil(b"\r\n\r\n")
        rows = ["HTTP/1.1 403 Forbidden", f"Content-Length: {len(self.forged)}", "Content-Type: application/json"]
        rows += ["Audit-Id: n", "X-Content-Type-Options: nosniff", "X-Kubernetes-Pf-Flowschema-Uid: f"]
        writer.write("\r\n".join([*rows, "Connection: close", "", ""]).encode() + self.forged)
        await writer.drain()
        writer.close()


async def test_a_live_backend_that_forges_a_perfect_refusal_is_never_asked(tmp_path: Path) -> None:
    user = f"system:serviceaccount:{HOME}:rich"
    message = (
        f'nodes "sentinel-absent" is forbidden: User "{user}" cannot get resource "nodes/proxy" '
        'in API group "" at the cluster scope'
    )
    status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "reason": "Forbidden"}
    authority = Authority(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(str(authority.certificate_file), str(authority.key_file))
    backend = Backend(json.dumps(status).encode(), context)
    async with await asyncio.start_unix_server(backend, tmp_path / "way"):
        plane = await asyncio.to_thread(with_kubelet, tmp_path)
        try:
            grants = [Grant(verb, "", "nodes/proxy", "n1") for verb in ("get", "create")]
            questions = [q for grant in grants for q in wide_suspects([grant], "rich", SERVED).questions]
            questions += [q for q in asked_as("rich", ALL) if q.subresource == "proxy"]
            async with asking(plane, "rich") as vantage:
                found = await answers(vantage, questions)

            assert others(found, Answer.SERVED) == []
            assert backend.connections == 0
            # It is there, and would have been believed.
            forged = await asyncio.to_thread(plainly, plane, Wire("GET", "/api/v1/nodes/n1/proxy/"))
            question = Question("rich", "get", named("nodes"), None, CLUSTER, "sentinel-absent", "proxy")
            assert (forged.status, backend.connections) == (403, 1), forged.message
            assert classified(question, forged).answer is Answer.DENIED
        finally:
            await asyncio.to_thread(plane.__exit__, None, None, None)


def with_kubelet(folder: Path) -> ControlPlane:
    """A control plane that reaches its one node by this way only: it proxies to no loopback address."""
    connection = {"proxyProtocol": "HTTPConnect", "transport": {"uds": {"udsName": str(folder / "way")}}}
    selection = {
        "apiVersion": "apiserver.k8s.io/v1beta1",
        "kind": "EgressSelectorConfiguration",
        "egressSelections": [{"name": "cluster", "connection": connection}],
    }
    (folder / "egress.json").write_text(json.dumps(selection))
    plane = ControlPlane(flags={"egress-selector-config-file": str(folder / "egress.json")}).__enter__()
    plane.admin.apply(*(manifests.namespace(space) for space in (HOME, TARGET)), *accounts(), NODE)
    headers = {"Content-Type": MERGE_PATCH}
    plane.admin.must("PATCH", "/api/v1/nodes/n1/status", {"status": NODE_STATUS}, headers=headers)
    return plane


NODE = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}}
NODE_STATUS = {
    "addresses": [{"type": "InternalIP", "address": "192.0.2.1"}],
    "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
}
