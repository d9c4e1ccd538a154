"""The real probe against an API server that goes away, or slow, in the middle of a round."""

import asyncio
import json
import ssl
import time

import pytest

from sentinel.clients.clock import Clock
from sentinel.clients.endpoint import Endpoint
from sentinel.clients.tokens import HeldToken, NoToken, Token
from sentinel.core.api.gates import Gate
from sentinel.core.api.question import CLUSTER, in_namespace
from sentinel.core.api.resources import SECRETS
from sentinel.core.api.rules import Grant
from sentinel.core.api.token import Claims
from sentinel.probes.identity import Identity
from sentinel.probes.kube_read import KubeRead
from tests.support.authority import Authority
from tests.support.rawserver import raw_server

ME = "system:serviceaccount:team-000:sentinel"
TARGETS = tuple(f"team-{number:03}" for number in range(1, 40))
TIMEOUT = 0.3


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


def probe(authority, url, targets=TARGETS, within=120.0):
    own = HeldToken("never")
    own.put(Token("t", Claims(ME, (), None)))
    trust = ssl.create_default_context(cafile=str(authority.ca_file))
    return KubeRead(
        endpoint=lambda: Endpoint(url, own, tls=trust),
        identities=(Identity("self", ME, own), Identity("anonymous", "", NoToken(), anonymous=True)),
        own_namespace="team-000",
        home="sentinel-system",
        targets=targets,
        timeout=TIMEOUT,
        every=10.0,
        within=within,
        clock=Clock(),
    )


class Api:
    """Just enough of an API server: grants the controls, denies the rest. `after` requests it does what `then` says."""

    def __init__(self, after=10**9, then=None, rules=(), doors=True):
        self.after, self.then, self.rules, self.doors, self.count = after, then, list(rules), doors, 0

    async def __call__(self, peer, asked):
        self.count += 1
        if self.count > self.after and self.then is not None:
            await self.then(peer)
            return
        status, body = self.answer(asked)
        await send(peer, asked, status, body)

    def answer(self, asked):
        path = asked.line.split()[1]
        if path == "/readyz":
            return "200 OK", b"ok"
        if path.endswith("selfsubjectreviews"):
            return "201 Created", json.dumps({"status": {"userInfo": {"username": ME}}}).encode()
        if path.endswith("selfsubjectrulesreviews"):
            doors = [{"verbs": ["get"], "apiGroups": [""], "resources": ["namespaces"], "resourceNames": [*TARGETS]}]
            return "201 Created", json.dumps({"status": {"resourceRules": [*doors * self.doors, *self.rules]}}).encode()
        if path == "/api":
            return "200 OK", b'{"versions": ["v1"]}'
        if path == "/apis":
            return "200 OK", b'{"groups": []}'
        if path.endswith("/v1"):
            return "200 OK", b'{"resources": [{"name": "secrets", "namespaced": true}]}'
        if "sentinel-beacon" in path or path.endswith("sentinel-decoy") or "/namespaces/team-" in path:
            return "406 Not Acceptable", b""
        return "404 Not Found", b""


async def send(peer, asked, status, body=b""):
    rows = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", f"Audit-Id: {asked.nonce}"]
    rows += ["X-Kubernetes-Pf-Flowschema-Uid: f"]
    await peer.send("\r\n".join([*rows, "", ""]).encode() + body)


async def silence(peer):
    await asyncio.sleep(60)


async def whole_round(vantage, targets=TARGETS):
    ended = await vantage.open(targets)
    found = await vantage.suspect() if not ended else []
    await vantage.doors(targets)
    seen = await vantage.ask(in_namespace("self", "list", SECRETS, targets[0]))
    await vantage.close()
    return ended, found, seen


@pytest.mark.parametrize("after", [0, 1, 3, 8, 20, 60, 90, 95], ids=lambda n: f"after-{n}-requests")
async def test_a_server_that_falls_silent_costs_a_few_timeouts_and_not_one_for_each_target(authority, after):
    api = Api(after, silence)
    async with raw_server(authority, api) as server:
        start = time.monotonic()
        async with probe(authority, server.url).connect() as vantage:
            await whole_round(vantage)

            assert not vantage.intact
        assert time.monotonic() - start < 12 * TIMEOUT


async def test_after_it_nothing_that_was_not_asked_is_green(authority):
    async with raw_server(authority, Api(8, silence)) as server, probe(authority, server.url).connect() as vantage:
        await whole_round(vantage)

        lights = vantage.lights()["self"]
    assert not any(light.up for light in lights.doors.values())
    assert not lights.own.get(Gate.CANARY) or not lights.own[Gate.CANARY].up
    assert not any(light.up for light in lights.tripwires.values())


async def test_a_whole_round_against_a_healthy_server_is_one_connection(authority):
    async with raw_server(authority, Api()) as server:
        async with probe(authority, server.url).connect() as vantage:
            ended, _, _ = await whole_round(vantage)

            assert (ended, vantage.intact) == ("", True)
        assert server.connections == 1


async def test_a_review_that_fails_is_unknown_for_the_cluster_too(authority):
    """Else the cluster-wide series would go on being proven shut by reviews of long ago."""

    class NoReviews(Api):
        def answer(self, asked):
            return ("429 X", b"") if "selfsubjectrulesreviews" in asked.line else super().answer(asked)

    async with raw_server(authority, NoReviews()) as server, probe(authority, server.url).connect() as vantage:
        _, found, _ = await whole_round(vantage)

    assert {row.target for row in found} == {CLUSTER, *TARGETS}
    assert not any(row.known or row.clean for row in found)


async def test_rbac_that_is_not_loaded_takes_back_no_suspicion(authority):
    async with raw_server(authority, Api(doors=False)) as server, probe(authority, server.url).connect() as vantage:
        _, found, _ = await whole_round(vantage)

    assert {row.known for row in found if row.target != CLUSTER} == {False}


async def test_a_grant_that_is_listed_without_our_door_is_asked_all_the_same(authority):
    class OnlyGrant(Api):
        reviews = 0

        def answer(self, asked):
            if "selfsubjectrulesreviews" in asked.line:
                self.reviews += 1
                rules = [{"verbs": ["list"], "apiGroups": [""], "resources": ["secrets"]}] if self.reviews == 2 else []
                return "201 Created", json.dumps({"status": {"resourceRules": rules}}).encode()
            return super().answer(asked)

    async with raw_server(authority, OnlyGrant()) as server, probe(authority, server.url).connect() as vantage:
        _, found, _ = await whole_round(vantage)

    (suspicion,) = (row for row in found if row.questions)
    assert (suspicion.target, suspicion.known, suspicion.clean) == (TARGETS[0], True, False)


async def test_a_type_that_nobody_serves_does_not_make_us_read_discovery_for_every_target(authority):
    ghost = {"verbs": ["list"], "apiGroups": ["gone.example.com"], "resources": ["ghosts"]}
    names = {"verbs": ["get"], "apiGroups": [""], "resources": ["namespaces"], "resourceNames": [*TARGETS]}

    class Haunted(Api):
        reviews = 0

        def answer(self, asked):
            if "selfsubjectrulesreviews" in asked.line:
                self.reviews += 1
                rules = [names, ghost] if self.reviews % (len(TARGETS) + 1) != 1 else [names]
                return "201 Created", json.dumps({"status": {"resourceRules": rules}}).encode()
            return super().answer(asked)

    async with raw_server(authority, Haunted()) as server:
        asking = probe(authority, server.url)
        for _ in range(2):
            async with asking.connect() as vantage:
                _, found, _ = await whole_round(vantage)

    assert sum(asked.line.startswith("GET /apis ") for asked in server.asked) == 1
    assert {row.review_only for row in found if row.target != CLUSTER} == {
        (Grant("list", "gone.example.com", "ghosts"),)
    }
