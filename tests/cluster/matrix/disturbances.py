"""What breaks, and opens nothing: it must become neither a breach nor, where proof is impossible, `held`.

The blind list of `test_blind.py` is part of it, and what stands here besides: real parts of a cluster
that fail or get in the way, and replies that only look like the ones we want. Where a denial is real all
the same (a quota, a policy, somebody else's binding) it may be held, and nothing may turn red for it.
"""

import contextlib
import json
import random
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from sentinel.core.api.question import Question
from tests.cluster.ground import Ground
from tests.cluster.lookout import Lookout
from tests.cluster.matrix import classes
from tests.cluster.test_blind import CAUSES, Affected, Blind, about
from tests.support import authorizer, manifests, proxy
from tests.support.admission import DenyingWebhook
from tests.support.authorizer import WebhookAuthorizer
from tests.support.eventually import eventually
from tests.support.proxy import Answer, Fault, Forward, Request

SEED = 4
SAMPLE = 8
INSTALLED = 60.0
TOLD = 5.0
"""Seconds until a change of ours is obeyed by the API server: less than one is usual."""

Around = Callable[[Ground], contextlib.AbstractContextManager[object]]


@dataclass(frozen=True)
class Disturbance:
    """`around` breaks and mends; `blinds` says of which questions nothing may be held meanwhile.

    late: rounds after the break in which proofs may still be made, where the design says so.
    sign: from when on nothing may be held, where what breaks takes a while to be felt.
    rounds: how many are run under it; patience: seconds that each may take for its questions.
    new: it is there before the sentinel starts. whole: what else must be so before and after it.
    """

    name: str
    around: Around
    blinds: Affected = lambda question: False
    late: int = 0
    sign: Callable[[Lookout], object] | None = None
    rounds: int = 6
    patience: float = 20.0
    new: bool = False
    whole: Callable[[Lookout], bool] = lambda look: True


def everything(question: Question) -> bool:
    return True


# Real parts that fail or get in the way.


@contextmanager
def crowded(ground: Ground) -> Iterator[None]:
    """A priority level of one seat, which somebody holds who never finishes what he says."""
    admin, cluster = ground.cluster.admin, ground.cluster
    level: manifests.Dict = {
        "apiVersion": "flowcontrol.apiserver.k8s.io/v1",
        "kind": "PriorityLevelConfiguration",
        "metadata": {"name": "crowded"},
        "spec": {
            "type": "Limited",
            "limited": {
                "nominalConcurrencyShares": 0,
                "lendablePercent": 0,
                "borrowingLimitPercent": 0,
                "limitResponse": {"type": "Reject"},
            },
        },
    }
    accounts = [{"namespace": "team-a", "name": "sentinel"}, {"namespace": "team-b", "name": "crowd"}]
    rules = [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "namespaces": ["*"], "clusterScope": True}]
    schema: manifests.Dict = {
        "apiVersion": "flowcontrol.apiserver.k8s.io/v1",
        "kind": "FlowSchema",
        "metadata": {"name": "crowded"},
        "spec": {
            "matchingPrecedence": 2,
            "priorityLevelConfiguration": {"name": "crowded"},
            "rules": [
                {
                    "subjects": [{"kind": "ServiceAccount", "serviceAccount": one} for one in accounts],
                    "resourceRules": rules,
                }
            ],
        },
    }
    crowd = manifests.grant(
        "team-b", "crowd", manifests.of_account("team-b", "crowd"), manifests.rule(["create"], ["configmaps"])
    )
    made = [manifests.account("team-b", "crowd"), *crowd, level, schema]
    admin.apply(*made)
    try:
        with sat_on(ground, cluster.token_for("team-b", "crowd")):
            yield
    finally:
        admin.delete(*reversed(made))
        asks = cluster.account("team-a")
        eventually(
            lambda: asks.request("GET", "/api/v1/namespaces/team-b/secrets").status == 403, TOLD, "no 429 any more"
        )


@contextmanager
def sat_on(ground: Ground, token: str) -> Iterator[None]:
    """Holds the seat by a request whose body does not come, as soon as it is the only one."""
    cluster = ground.cluster
    asks = cluster.account("team-a")

    def is_full() -> bool:
        return asks.request("GET", "/api/v1/namespaces/team-b/secrets").status == 429

    trust = ssl.create_default_context(cafile=str(cluster.ca_file))
    with contextlib.ExitStack() as stack:

        def sit() -> bool:
            raw = stack.enter_context(socket.create_connection((cluster.host, cluster.port)))
            talk = stack.enter_context(trust.wrap_socket(raw, server_hostname=cluster.host))
            head = "POST /api/v1/namespaces/team-b/configmaps HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n"
            talk.sendall(f"{head}Content-Type: application/json\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
            with contextlib.suppress(TimeoutError):
                eventually(is_full, 0.3)
            return is_full()

        eventually(sit, TOLD, "the level is full")
        yield


@contextmanager
def applied(ground: Ground, *objects: manifests.Dict) -> Iterator[None]:
    try:
        ground.cluster.admin.apply(*objects)
        yield
    finally:
        ground.cluster.admin.delete(*reversed(objects))


def quota(ground: Ground) -> contextlib.AbstractContextManager[None]:
    hard = {"pods": "0", "secrets": "0", "configmaps": "0", "services": "0", "count/deployments.apps": "0"}
    nothing_more = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"namespace": "team-b", "name": "nothing"},
        "spec": {"hard": hard},
    }
    return applied(ground, nothing_more)


def admission(ground: Ground) -> DenyingWebhook:
    return DenyingWebhook(ground.cluster, "team-b", "team-a", "kube-system")


def somebody_elses(ground: Ground) -> contextlib.AbstractContextManager[None]:
    """A binding beside ours: another tenant's right in its own namespace."""
    everything_there = manifests.rule(["*"], ["*"], groups=["*"])
    return applied(ground, *manifests.grant("team-b", "theirs", manifests.of_account("team-b"), everything_there))


def own_rights(ground: Ground) -> contextlib.AbstractContextManager[None]:
    """What a tenant may in its own namespace crosses no border."""
    everything_here = manifests.rule(["*"], ["*"], groups=["*"])
    return applied(ground, *manifests.grant("team-a", "ours", manifests.of_account("team-a"), everything_here))


def missing_role(ground: Ground) -> contextlib.AbstractContextManager[None]:
    binding = manifests.role_binding("team-b", "latent", manifests.of_account("team-a"), role="gone")
    return applied(ground, binding)


def new_namespace(ground: Ground) -> contextlib.AbstractContextManager[None]:
    return applied(ground, manifests.namespace("team-z"), manifests.secret("team-z", "database", password="x"))


@contextmanager
def terminating(ground: Ground) -> Iterator[None]:
    """A namespace that does not get away: something in it is still held on to."""
    admin = ground.cluster.admin
    kept = manifests.config_map("team-b", "kept")
    kept["metadata"]["finalizers"] = ["matrix.example.com/kept"]
    admin.apply(kept)
    admin.delete(manifests.namespace("team-b"))
    try:
        eventually(lambda: not admin.exists(ground.door), 30, "its bindings are gone")
        yield
    finally:
        admin.patch(kept, {"metadata": {"finalizers": None}})
        eventually(lambda: not admin.exists(manifests.namespace("team-b")), 60, "the namespace is gone")
        ground.install()


@contextmanager
def no_widgets(ground: Ground) -> Iterator[None]:
    """The type is taken out of the API server, and installed again."""
    admin = ground.cluster.admin
    path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.{classes.OWN}"
    types = f"/apis/{classes.OWN}/v1"
    found = admin.must("GET", path)
    whole = {key: found[key] for key in ("apiVersion", "kind", "spec")} | {
        "metadata": {"name": f"widgets.{classes.OWN}"}
    }
    admin.delete(whole)
    try:
        eventually(lambda: admin.request("GET", types).status == 404, INSTALLED, "the type is gone")
        yield
    finally:
        admin.apply(whole)
        eventually(lambda: admin.request("GET", types).status == 200, INSTALLED, "the type is served again")


def behind(answer: Callable[..., Any]) -> Around:
    """A webhook authorizer behind RBAC that answers so. It takes a restart to put it there."""

    @contextmanager
    def around(ground: Ground) -> Iterator[None]:
        cluster = ground.cluster
        before = dict(cluster.flags)
        with WebhookAuthorizer(cluster) as policy:
            cluster.kill_apiserver()
            cluster.flags |= policy.flags
            try:
                cluster.start_apiserver()
                policy.answer = answer
                yield
            finally:
                cluster.kill_apiserver()
                cluster.flags = before
                cluster.start_apiserver()

    return around


@contextmanager
def restarting(ground: Ground) -> Iterator[None]:
    """Killed, and started while the rounds go on."""
    ground.cluster.kill_apiserver()
    start = threading.Thread(target=ground.cluster.start_apiserver)
    start.start()
    try:
        yield
    finally:
        start.join()


@contextmanager
def frozen(ground: Ground) -> Iterator[None]:
    """etcd alive, and answering nobody."""
    etcd = ground.cluster._etcd
    assert etcd is not None
    etcd.pause()
    try:
        yield
    finally:
        etcd.resume()
        eventually(ground.cluster.is_ready, 60, "ready again")


# Replies that only look like the ones we want.


def told(fault: Fault, where: Callable[[Request], bool] = lambda request: True) -> Around:
    """The front says this, where that is asked."""

    def chosen(request: Request, forward: Forward) -> Answer:
        return fault(request, forward) if where(request) else forward(request)

    @contextmanager
    def around(ground: Ground) -> Iterator[None]:
        ground.front.fault = chosen
        try:
            yield
        finally:
            ground.front.fault = proxy.passes
            ground.front.drop_connections()

    return around


def path(pattern: str) -> Callable[[Request], bool]:
    return lambda request: re.search(pattern, request.path) is not None


def impersonating(request: Request) -> bool:
    return any(name.lower().startswith("impersonate-") for name, _ in request.headers)


def changed(**words: str | None) -> Fault:
    """The API server's own 403 with these headers changed, or taken away."""

    def fault(request: Request, forward: Forward) -> Answer:
        answer = forward(request)
        if answer.status != 403:
            return answer
        names = {name.replace("_", "-").lower(): value for name, value in words.items()}
        headers = [(name, value) for name, value in answer.headers if name.lower() not in names]
        return replace(answer, headers=[*headers, *((n, v) for n, v in names.items() if v is not None)])

    return fault


def reworded(old: str, new: str) -> Fault:
    """The API server's own 403 with its message changed."""

    def fault(request: Request, forward: Forward) -> Answer:
        answer = forward(request)
        if answer.status != 403:
            return answer
        status = json.loads(answer.body)
        status["message"] = re.sub(old, new, status["message"])
        return replace(answer, body=json.dumps(status).encode())

    return fault


def padded(request: Request, forward: Forward) -> Answer:
    """The API server's own 403, and a megabyte of blanks."""
    answer = forward(request)
    return replace(answer, body=answer.body + b" " * 2**20) if answer.status == 403 else answer


def warns(request: Request, forward: Forward) -> Answer:
    answer = forward(request)
    return replace(answer, headers=[*answer.headers, ("Warning", '299 - "the provided header is ignored"')])


def stripped(request: Request, forward: Forward) -> Answer:
    """A front that does not pass on whom to become: the answer is about ourselves."""
    kept = [(name, value) for name, value in request.headers if not name.lower().startswith("impersonate-")]
    return forward(replace(request, headers=kept))


def status_of(**status: object) -> Fault:
    """A review as the API server sends it, its status changed."""

    def fault(request: Request, forward: Forward) -> Answer:
        answer = forward(request)
        if answer.status != 201:
            return answer
        return replace(answer, body=json.dumps(json.loads(answer.body) | {"status": status}).encode())

    return fault


SECRETS = r"/namespaces/team-b/secrets"
QUESTIONS = r"/namespaces/(team-b|kube-system)/(?!namespaces)"
LONG = r"/(exec|attach|portforward|proxy)(\?|$)"
REVIEWS = r"/selfsubjectaccessreviews"
DISCOVERY = r"^/apis?(/[^/]+){0,2}/?(\?|$)"

OF_SECRETS = about("team-b", check="api/secrets")


def is_request(question: Question) -> bool:
    """About team-b's Secrets, by the real request."""
    return OF_SECRETS(question)


def is_long(question: Question) -> bool:
    return question.subresource in ("exec", "attach", "portforward", "proxy")


def is_impersonation(question: Question) -> bool:
    """Which is tried with a user's name; a group alone cannot be tried."""
    return question.verb == "impersonate" and question.resource.plural != "groups"


def of_team_b(request: Request) -> bool:
    """A review of team-b's: our own canary is asked honestly."""
    return re.search(REVIEWS, request.path) is not None and b'"team-b"' in request.body


def is_review(question: Question) -> bool:
    only_a_group = question.verb == "impersonate" and question.resource.plural == "groups"
    return only_a_group or question.verb in ("escalate", "bind", "approve", "sign", "use")


def of_widgets(question: Question) -> bool:
    return question.resource.plural == "widgets"


def asks_about_widgets(look: Lookout) -> bool:
    return any(map(of_widgets, look.book.plan.questions))


def fronted(name: str, fault: Fault, where: str, blinds: Affected) -> Disturbance:
    return Disturbance(name, told(fault, path(where)), blinds)


OWN = (
    Disturbance("an overloaded priority level", crowded, everything),
    Disturbance("a quota of nothing", quota),
    Disturbance("an admission webhook that denies everything", admission),
    Disturbance("another tenant's binding in its own namespace", somebody_elses),
    Disturbance("every right in our own namespace", own_rights),
    Disturbance("a binding to a role that is not there", missing_role),
    Disturbance("a namespace that is nobody's yet", new_namespace),
    Disturbance("a namespace that is terminating", terminating, about("team-b")),
    # Denied perfectly, there or not: it may be called held until discovery is read anew.
    Disturbance(
        "a CRD removed",
        no_widgets,
        of_widgets,
        sign=lambda look: not asks_about_widgets(look),
        whole=asks_about_widgets,
    ),
    Disturbance("a webhook authorizer that times out", behind(authorizer.hangs), everything, rounds=2, patience=1.0),
    Disturbance("a webhook authorizer that breaks", behind(authorizer.breaks), everything, rounds=1, patience=1.0),
    Disturbance("a webhook authorizer that denies with a reason", behind(authorizer.denies), rounds=2),
    Disturbance("a webhook authorizer without an opinion", behind(authorizer.no_opinion), rounds=2),
    Disturbance("an API server that is starting", restarting, rounds=30),
    # What is denied without etcd is denied; the API server notices after seconds that nothing new can arrive.
    Disturbance("etcd frozen", frozen, everything, sign=lambda look: not look.is_ready, rounds=1, patience=1.0),
    Disturbance("discovery broken", told(proxy.answers(500), path(DISCOVERY))),
    Disturbance("discovery broken from the start", told(proxy.answers(500), path(DISCOVERY)), everything, new=True),
    Disturbance("discovery empty from the start", told(proxy.answers(404), path(DISCOVERY)), everything, new=True),
    fronted("a 406 that is nobody's", proxy.answers(406), SECRETS, is_request),
    fronted("a 406 with another's Audit-Id", proxy.answers(406, b"", ("Audit-Id", "x")), SECRETS, is_request),
    fronted("a 503 of a load balancer", proxy.answers(503, b"no healthy upstream"), QUESTIONS, is_request),
    fronted("a 504 of a load balancer", proxy.answers(504, b"upstream timeout"), QUESTIONS, is_request),
    fronted("a 403 without nosniff", changed(x_content_type_options=None), SECRETS, is_request),
    fronted("a 403 without a flow schema", changed(x_kubernetes_pf_flowschema_uid=None), SECRETS, is_request),
    fronted("a 403 of another flow schema", changed(x_kubernetes_pf_flowschema_uid="x"), SECRETS, is_request),
    fronted("a 403 with another's Audit-Id", changed(audit_id="x"), QUESTIONS, is_request),
    fronted("a 403 about another namespace", reworded('"team-b"', '"team-c"'), SECRETS, is_request),
    fronted("a 403 about another verb", reworded("cannot [a-z]+", "cannot smell"), SECRETS, is_request),
    fronted("a 403 about another type", reworded('resource "secrets', 'resource "sekrets'), SECRETS, is_request),
    fronted("a 403 that never ends", padded, SECRETS, is_request),
    fronted("a warning beside a 403", warns, SECRETS, is_request),
    fronted("long requests answered by a proxy's 404", proxy.answers(404, b"not found"), LONG, is_long),
    fronted("long requests answered by a proxy's 502", proxy.says_html(502), LONG, is_long),
    fronted("long requests answered by a bare 200", proxy.answers(200, b"welcome"), LONG, is_long),
    fronted("long requests answered by a plain 500", proxy.answers(500, b"Internal Server Error"), LONG, is_long),
    fronted("long requests redirected", proxy.redirects("https://login.example.com/"), LONG, is_long),
    fronted("long requests throttled", proxy.throttles(), LONG, is_long),
    fronted("long requests denied to another user", proxy.denies_somebody_else(), LONG, is_long),
    Disturbance("impersonation not passed on", told(stripped, impersonating), is_impersonation),
    Disturbance("impersonation answered with 401", told(proxy.unauthorized(), impersonating), is_impersonation),
    Disturbance("impersonation answered with HTML", told(proxy.says_html(), impersonating), is_impersonation),
    Disturbance("impersonation throttled", told(proxy.throttles(), impersonating), is_impersonation),
    Disturbance(
        "impersonation denied to another user", told(proxy.denies_somebody_else(), impersonating), is_impersonation
    ),
    Disturbance(
        "impersonation denied for another reason",
        told(reworded("cannot impersonate[^ ]*", "cannot create"), impersonating),
        is_impersonation,
    ),
    fronted("reviews answered with 500", proxy.answers(500), REVIEWS, is_review),
    fronted("reviews throttled", proxy.throttles(), REVIEWS, is_review),
    fronted("reviews answered with nonsense", proxy.answers(201, b"[]"), REVIEWS, is_review),
    fronted("reviews that deny everything, our own canary included", status_of(allowed=False), REVIEWS, is_review),
    Disturbance(
        "reviews with an error in them",
        told(status_of(allowed=False, evaluationError="a policy could not be read"), of_team_b),
        lambda question: is_review(question) and question.target == "team-b",
    ),
)


def blind(cause: Blind) -> Disturbance:
    """A row of the blind list."""

    @contextmanager
    def around(ground: Ground) -> Iterator[None]:
        cause.breaks(ground)
        try:
            yield
        finally:
            cause.mends(ground)

    return Disturbance(f"blind: {cause.name}", around, cause.affects, late=cause.late)


DISTURBANCES = (*OWN, *map(blind, CAUSES))


def sample() -> tuple[Disturbance, ...]:
    """The same few in every run; the blind list has a test of its own."""
    return tuple(random.Random(SEED).sample(OWN, SAMPLE))
