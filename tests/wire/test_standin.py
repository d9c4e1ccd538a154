"""The stand-in API server answers as the real one does, request by request.

Both get the same objects and the same requests. What no two servers share (ids, uids, times,
versions of objects, tokens) is replaced on both sides; everything else has to be equal:
status, every header, and the body byte for byte.
"""

import asyncio
import contextlib
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from sentinel.core.api import powers
from sentinel.core.api.resources import BEACON, DECOY, DECOY_CLOSED, NAMESPACES, RESOURCES
from sentinel.core.api.wire import Wire, wire_of
from sentinel.demo import served, world
from sentinel.demo.apiserver import StandIn
from tests.support import manifests
from tests.support.apiclient import ApiClient, Reply
from tests.support.controlplane import ControlPlane

PICTURE, JSON = "image/png", "application/json"
REVIEWS = "/apis/authorization.k8s.io/v1"
WHOAMI = "/apis/authentication.k8s.io/v1/selfsubjectreviews"

SUBRESOURCES = ("log", "exec", "attach", "portforward", "proxy", "status", "eviction", "nothing")

IDS = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
TIMES = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
# Hop-by-hop, or the moment.
NOT_COMPARED = ("date", "content-length", "transfer-encoding", "connection")
MISSING = r'(RBAC: |"evaluationError":\s*")\[(.*?)\]'
PF = ("x-kubernetes-pf-flowschema-uid", "x-kubernetes-pf-prioritylevel-uid")


@dataclass(frozen=True)
class Asking:
    """One request, as it is sent to both. `who` is "namespace/account", "nobody" or a raw header."""

    who: str
    method: str
    path: str
    accept: str = PICTURE
    body: object = None
    content_type: str = ""
    impersonate: str = ""

    def __str__(self) -> str:
        return f"{self.who}: {self.method} {self.path} ({self.accept}) {self.impersonate}"


@pytest.fixture(scope="module")
def pair() -> Iterator["Pair"]:
    with ControlPlane() as real, stand_in() as imitation:
        both = Pair(real, imitation)
        both.apply(*world.installed(), *grants())
        both.wait_until_granted()
        yield both


@contextlib.contextmanager
def stand_in() -> Iterator[StandIn]:
    """In a thread of its own: it is asked by blocking clients."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="stand-in")
    thread.start()

    def run(work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(10)

    server = StandIn(time.time)
    try:
        run(server.__aenter__())
        yield server
        run(server.__aexit__(None, None, None))
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def grants() -> list[dict[str, Any]]:
    """Holes of every form that sentinel looks for, in both clusters alike."""
    rule, to = manifests.rule, manifests.of_account
    grant = manifests.grant
    ghosts = [
        manifests.role_binding("team-c", name, to("team-b"), role=f"{name}-role") for name in ("ghost", "phantom")
    ]
    return [
        *world.hole("team-a", "team-b"),
        *grant("team-b", "all", to("team-c"), rule(["*"], ["*"], groups=["*"])),
        *grant("team-a", "get-only", to("team-b"), rule(["get"], ["secrets", "pods/exec"])),
        *grant("team-a", "one-name", to("team-c"), rule(["get"], ["secrets"], names=[BEACON])),
        *grant("team-a", "watch-only", to("team-c"), rule(["watch"], ["configmaps"])),
        *grant("team-a", "logs", to("team-c"), rule(["get"], ["*/log"])),
        *grant("team-c", "exec", to("team-a"), rule(["get", "create"], ["pods/exec"])),
        *grant("team-c", "group", manifests.of_group("system:serviceaccounts:team-a"),
               rule(["list"], ["deployments"], groups=["apps"])),
        *grant("team-c", "public", manifests.of_group("system:unauthenticated"),
               rule(["list"], ["services"])),
        *grant("team-a", "tokens", to("team-c"), rule(["create"], ["serviceaccounts/token"])),
        *ghosts,
        manifests.account("kube-system", "robot"),
        manifests.cluster_role("wide", rule(["list", "create", "deletecollection"], ["secrets", "nodes"])),
        manifests.cluster_role_binding("wide", to("kube-system", "robot"), role="wide"),
        manifests.cluster_role("names", rule(["impersonate"], ["users"])),
        manifests.cluster_role_binding("names", to("kube-system", "robot"), role="names"),
        manifests.cluster_role_binding("lost", to("kube-system", "robot"), role="nowhere"),
    ]  # fmt: skip


class Pair:
    """The real API server and the stand-in, with the same objects."""

    def __init__(self, real: ControlPlane, imitation: StandIn) -> None:
        ca = real.folder / "stand-in.crt"
        ca.write_bytes(imitation.ca_pem)
        self.real, self.imitation = real, imitation
        self._urls = {real.url: real.ca_file, imitation.url: ca}
        self._tokens: dict[tuple[str, str], str] = {}
        self._flows: dict[str, str] = {}

    def apply(self, *objects: dict[str, Any]) -> None:
        self.real.admin.apply(*objects)
        self.imitation.cluster.apply(*objects)

    def delete(self, *objects: dict[str, Any]) -> None:
        self.real.admin.delete(*objects)
        self.imitation.cluster.delete(*objects)

    def wait_until_granted(self) -> None:
        """The real one learns of its objects a moment later."""
        asking = Asking("kube-system/robot", "GET", "/api/v1/nodes")
        until = time.monotonic() + 10
        while self.ask(self.real.url, asking).status != 406:
            assert time.monotonic() < until, "the last grant is not in force after 10 s"

    def differences(self, askings: list[Asking]) -> list[str]:
        return [text for asking in askings for text in self._compare(asking)]

    def ask(self, url: str, asking: Asking) -> Reply:
        headers = {"Accept": asking.accept, "Audit-ID": "nonce-1", "User-Agent": "tester/1"}
        if "/" in asking.who:
            headers["Authorization"] = f"Bearer {self._token(url, asking.who)}"
        elif asking.who != "nobody":
            headers["Authorization"] = asking.who
        if asking.content_type:
            headers["Content-Type"] = asking.content_type
        if asking.impersonate:
            headers["Impersonate-User"] = asking.impersonate
        client = ApiClient(url, self._urls[url], None)
        return client.request(asking.method, asking.path, asking.body, headers)

    def _token(self, url: str, who: str) -> str:
        if (url, who) not in self._tokens:
            source = self.real.token_for if url == self.real.url else self.imitation.cluster.token
            namespace, name = who.split("/")
            self._tokens[url, who] = source(namespace, name)
        return self._tokens[url, who]

    def _compare(self, asking: Asking) -> list[str]:
        real, ours = (self.ask(url, asking) for url in (self.real.url, self.imitation.url))
        found = [(real.status, ours.status), (headers(real), headers(ours))]
        found.append((self._body(real), self._body(ours)))
        texts = [f"{asking}\n  real {one}\n  ours {two}" for one, two in found if one != two]
        return texts or self._marks(asking, real, ours)

    def _marks(self, asking: Asking, real: Reply, ours: Reply) -> list[str]:
        """Every uid of a flow schema or level stands for the same one throughout."""
        texts = []
        for name in PF:
            one, two = real.headers.get(name, ""), ours.headers.get(name, "")
            if self._flows.setdefault(one, two) != two or self._flows.setdefault(two, one) != one:
                texts.append(
                    f"{asking}\n  {name}: real {one}, ours {two}, elsewhere {self._flows[one]} and {self._flows[two]}"
                )
        return texts

    def _body(self, reply: Reply) -> str:
        text = re.sub(MISSING, in_order, reply.body.decode())
        if 200 <= reply.status < 300 and text.startswith("{"):
            return json.dumps(replaced(json.loads(text)))
        return text


def headers(reply: Reply) -> dict[str, str]:
    values = {"date", *NOT_COMPARED}
    return {k: "" if k in PF else v for k, v in sorted(reply.headers.items()) if k not in values}


def in_order(missing: re.Match[str]) -> str:
    """Several missing roles come in the order of a hash table."""
    return missing[1] + ", ".join(sorted(missing[2].split(", ")))


def replaced(value: Any, key: str = "") -> Any:
    """The value with what no two servers share put out; the order of fields stays."""
    match value:
        case dict():
            # Who set which field of a stored object is told by the client that made it.
            stored = "resourceVersion" in value
            return {
                name: replaced(inner, name) for name, inner in value.items() if not (stored and name == "managedFields")
            }
        case list():
            items = [replaced(inner, key) for inner in value]
            # Rules come in the order of a hash table.
            return sorted(items, key=json.dumps) if key.endswith("Rules") else items
        case str():
            text = re.sub(TIMES, "<time>", re.sub(IDS, "<id>", value))
            unique = ("token", "resourceVersion", "serverAddress", "gitCommit", "buildDate")
            return f"<{key}>" if key in unique else text
    return value


def check(pair: Pair, askings: list[Asking]) -> None:
    found = pair.differences(askings)
    assert not found, f"{len(found)} of {len(askings)} differ:\n" + "\n".join(found[:12])


def reads() -> list[Asking]:
    """Every read that sentinel asks, and some it does not."""
    asked = []
    for who in ("team-a/sentinel", "team-b/sentinel", "team-c/sentinel", "nobody"):
        for space in ("team-a", "team-b", "team-c", "kube-system", "no-such-namespace"):
            asked += [Asking(who, "GET", path) for path in read_paths(space)]
    return asked


def read_paths(space: str) -> Iterator[str]:
    for resource in RESOURCES:
        if resource is NAMESPACES:
            continue
        collection = f"{resource.root}/namespaces/{space}/{resource.plural}"
        yield f"{collection}?limit=1"
        yield f"{collection}/absent"
    secrets = f"/api/v1/namespaces/{space}/secrets"
    yield from (f"{secrets}/{name}" for name in (BEACON, DECOY, DECOY_CLOSED))
    yield from (f"/api/v1/namespaces/{space}/configmaps{end}" for end in (f"/{BEACON}", "?watch=1"))
    yield f"/api/v1/namespaces/{space}"


def test_every_read_of_the_list_is_answered_alike(pair: Pair) -> None:
    check(pair, reads())


@pytest.mark.parametrize("who", ["team-a/sentinel", "kube-system/robot", "nobody"])
def test_at_cluster_scope_and_for_whole_collections(pair: Pair, who: str) -> None:
    paths = [f"{one.root}/{one.plural}?limit=1" for one in RESOURCES]
    paths += [
        "/api/v1/nodes",
        "/api/v1/namespaces/",
        "/api/v1/namespaces//secrets",
        "/api/v1/secrets/x",
    ]
    paths += ["/api/v1/watch/secrets", "/api/v1/watch/namespaces/team-b/secrets"]
    check(pair, [Asking(who, "GET", path) for path in paths])


@pytest.mark.parametrize("who", ["team-a/sentinel", "team-c/sentinel", "kube-system/robot", "nobody"])
def test_writes_that_change_nothing(pair: Pair, who: str) -> None:
    merge = "application/merge-patch+json"
    asked = []
    for space in ("team-a", "team-b"):
        for name in ("secrets", "configmaps", "pods", "serviceaccounts"):
            root = f"/api/v1/namespaces/{space}/{name}"
            asked += [
                Asking(who, "POST", f"{root}?dryRun=All", body={}, content_type=JSON),
                Asking(who, "PUT", f"{root}/absent?dryRun=All", body={}, content_type=JSON),
                Asking(who, "PATCH", f"{root}/absent?dryRun=All", body={}, content_type=merge),
                Asking(who, "PATCH", f"{root}/absent?dryRun=All", body=b"{}", content_type=JSON),
                Asking(who, "DELETE", f"{root}/absent?dryRun=All"),
                Asking(who, "DELETE", f"{root}?dryRun=All"),
                Asking(who, "HEAD", root),
                Asking(who, "OPTIONS", root),
                Asking(who, "POST", f"{root}/absent", body={}, content_type=JSON),
            ]
    check(pair, asked)


@pytest.mark.parametrize("who", ["team-a/sentinel", "team-b/sentinel", "team-c/sentinel", "nobody"])
def test_subresources_at_absent_names(pair: Pair, who: str) -> None:
    asked = []
    for space in ("team-a", "team-b", "team-c"):
        pod = f"/api/v1/namespaces/{space}/pods/absent"
        asked += [Asking(who, "GET", f"{pod}/{name}") for name in SUBRESOURCES]
        asked += [
            Asking(who, "POST", f"{pod}/exec?command=true", body={}, content_type=JSON),
            Asking(who, "POST", f"{pod}/eviction", body={}, content_type=JSON),
            Asking(who, "GET", f"/api/v1/namespaces/{space}/services/absent/proxy"),
            Asking(who, "GET", f"/api/v1/namespaces/{space}/services/absent:80/proxy/path"),
            Asking(who, "GET", f"/api/v1/namespaces/{space}/services/https:absent:80/proxy"),
            Asking(who, "GET", f"/api/v1/namespaces/{space}/pods/absent:80/proxy"),
            Asking(who, "GET", "/api/v1/nodes/absent/proxy"),
            Asking(who, "GET", f"{pod}/log", accept=JSON),
        ]
    check(pair, asked)


@pytest.mark.parametrize(
    "who", ["team-a/sentinel", "team-b/sentinel", "team-c/sentinel", "kube-system/robot", "nobody"]
)
@pytest.mark.parametrize("target", ["team-b", "team-c", "*"])
def test_what_is_as_good_as_reading(pair: Pair, who: str, target: str) -> None:
    if target == "*":
        asked = [*powers.gravest_for_all("self", anonymous=False), *powers.rest_for_all("self", anonymous=False)]
    else:
        parts = powers.gravest_inside, powers.rest_inside
        asked = [question for part in parts for question in part("self", target, anonymous=False)]
    check(pair, [sent(who, wire_of(question)) for question in asked])


def sent(who: str, wire: Wire) -> Asking:
    content_type = wire.content_type if wire.body else ""
    return Asking(who, wire.method, wire.path, wire.accept, wire.body, content_type, wire.impersonate)


@pytest.mark.parametrize("who", ["team-a/sentinel", "team-c/sentinel", "kube-system/robot", "nobody"])
def test_in_somebody_elses_name(pair: Pair, who: str) -> None:
    names = ["system:serviceaccount:team-b:sentinel", "system:serviceaccount:team-b:absent", "jane", "system:node:n1"]
    paths = ["/version", "/api/v1/namespaces/team-b/secrets?limit=1"]
    asked = [Asking(who, "POST", WHOAMI, JSON, {}, JSON, name) for name in names]
    asked += [Asking(who, "GET", path, accept, None, "", name) for name in names for path in paths for accept in BOTH]
    check(pair, asked)


BOTH = (JSON, PICTURE)


def test_reviews_of_oneself(pair: Pair) -> None:
    spaces = ("team-a", "team-b", "team-c", "kube-system", "sentinel-system", "no-such-namespace")
    asked = []
    for who in (
        "team-a/sentinel",
        "team-b/sentinel",
        "team-c/sentinel",
        "kube-system/robot",
        "nobody",
    ):
        asked.append(post(who, WHOAMI, {}))
        for space in spaces:
            asked.append(post(who, f"{REVIEWS}/selfsubjectrulesreviews", {"spec": {"namespace": space}}))
            for attributes in questions(space):
                spec = {"spec": {"resourceAttributes": attributes}}
                asked.append(post(who, f"{REVIEWS}/selfsubjectaccessreviews", spec))
    check(pair, asked)


def questions(space: str) -> Iterator[dict[str, str]]:
    secrets = {"namespace": space, "resource": "secrets"}
    yield {"verb": "list", **secrets}
    yield {"verb": "get", "name": BEACON, **secrets}
    yield {"verb": "get", "namespace": space, "resource": "pods", "subresource": "exec"}
    yield {
        "verb": "list",
        "namespace": space,
        "group": "apps",
        "version": "v1",
        "resource": "deployments",
    }
    yield {"verb": "list", "resource": "nodes"}


def test_reviews_with_a_wrong_body(pair: Pair) -> None:
    who = "team-a/sentinel"
    rules, access = f"{REVIEWS}/selfsubjectrulesreviews", f"{REVIEWS}/selfsubjectaccessreviews"
    # Of a path that one binding allows; of two, the real server names either.
    path = {"spec": {"nonResourceAttributes": {"path": "/api", "verb": "get"}}}
    kind = {"kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1", "spec": {}}
    check(pair, [
        post(who, rules, {"spec": {}}),
        post(who, rules, {}),
        post(who, access, {"spec": {}}),
        post(who, access, kind),
        post(who, access, path),
        Asking(who, "POST", WHOAMI, PICTURE, {}, JSON),
        Asking(who, "POST", WHOAMI, "text/html", {}, JSON),
        Asking(who, "GET", WHOAMI, JSON),
    ])  # fmt: skip


def test_tokens_for_others(pair: Pair) -> None:
    root = "/api/v1/namespaces/{}/serviceaccounts/{}/token"
    asked = []
    for who in ("team-a/sentinel", "team-c/sentinel", "nobody"):
        for space, name in (("team-a", "sentinel"), ("team-b", "sentinel"), ("team-a", "absent")):
            for seconds in (599, 600, 3600):
                spec = {"spec": {"expirationSeconds": seconds, "audiences": ["somebody"]}}
                asked.append(post(who, root.format(space, name), spec))
            asked.append(post(who, root.format(space, name), {}))
            asked.append(Asking(who, "POST", root.format(space, name), PICTURE, {}, JSON))
    check(pair, asked)


def test_who_is_anonymous_and_who_is_unknown(pair: Pair) -> None:
    raw = ["Bearer", "Bearer ", "Bearer  x", "bearer garbage", "Bearer a.b.c", "Basic eDp5", "garbage",
           "Bearer eyJhbGciOiJub25lIn0.e30."]  # fmt: skip
    paths = ["/api/v1/namespaces/team-b/secrets?limit=1", "/version", "/readyz"]
    check(pair, [Asking(who, "GET", path) for who in raw for path in paths])


def test_a_deleted_account_is_unknown_and_one_made_again_is_somebody_else(pair: Pair) -> None:
    account = manifests.account("team-b", "fleeting")
    asking = [post("team-b/fleeting", WHOAMI, {})]
    pair.apply(account)
    for url in (pair.real.url, pair.imitation.url):
        pair._token(url, "team-b/fleeting")

    pair.delete(account)
    check(pair, asking)
    pair.apply(account)
    check(pair, asking)


@pytest.mark.parametrize("who", ["team-a/sentinel", "nobody"])
@pytest.mark.parametrize("accept", [JSON, PICTURE, "*/*", "application/*"])
def test_health_version_and_unknown_paths(pair: Pair, who: str, accept: str) -> None:
    paths = [
        "/readyz",
        "/livez",
        "/healthz",
        "/version",
        "/",
        "/metrics",
        "/nothing",
        "/readyz/etcd",
    ]
    paths += [
        "/api/v2",
        "/apis/nothing",
        "/apis/apps/v9",
        "/apis/nothing/v1/things",
        "/api/nothing",
    ]
    paths += ["/apis/apps/v9/namespaces/team-b/things", "/api/v1/namespaces/team-b/things"]
    check(pair, [Asking(who, "GET", path, accept) for path in paths])


def test_a_wildcard_grant_meets_what_does_not_exist(pair: Pair) -> None:
    paths = ["/api/v1/namespaces/team-b/things", "/apis/nothing/v1/namespaces/team-b/things",
             "/apis/apps/v9/namespaces/team-b/things", "/api/v1/namespaces/team-b/pods/x/things",
             "/api/v1/namespaces/team-b/nodes", "/api/v2/namespaces/team-b/pods"]  # fmt: skip
    asked = [Asking("team-c/sentinel", "GET", path, accept) for path in paths for accept in (PICTURE, JSON)]
    check(pair, asked)


def test_what_is_read_for_real(pair: Pair) -> None:
    paths = [
        "/api/v1/namespaces/{}",
        "/api/v1/namespaces/{}/secrets",
        "/api/v1/namespaces/{}/configmaps",
    ]
    paths += ["/api/v1/namespaces/{}/secrets/absent", f"/api/v1/namespaces/{{}}/secrets/{BEACON}"]
    check(pair, [
        Asking(who, "GET", path.format(space), JSON)
        for who in ("team-a/sentinel", "team-b/sentinel", "nobody")
        for path in paths
        for space in ("team-a", "team-b", "team-c")
        # The real one puts its own CA into every namespace, where a controller runs.
    ])  # fmt: skip


def test_discovery_is_the_same_document(pair: Pair) -> None:
    groups = [f"/apis/{name}" for name in served.versions()]
    documents = [f"/apis/{g}/{v}" for g, versions in served.versions().items() for v in versions]
    paths = ["/api", "/apis", "/api/v1", *groups, *documents]
    check(pair, [Asking("team-a/sentinel", "GET", path, JSON) for path in paths])


def test_a_hole_opened_and_closed_again_is_seen_by_both(pair: Pair) -> None:
    hole = world.hole("team-b", "team-c")
    asking = Asking("team-b/sentinel", "GET", "/api/v1/namespaces/team-c/secrets?limit=1")

    def status() -> int:
        return pair.ask(pair.real.url, asking).status

    pair.apply(*hole)
    wait_for(lambda: status() == 406)
    check(pair, [asking])
    pair.delete(*hole)
    wait_for(lambda: status() == 403)
    check(pair, [asking])


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < until, "not within 10 s"


def post(who: str, path: str, body: object) -> Asking:
    return Asking(who, "POST", path, JSON, body, JSON)
