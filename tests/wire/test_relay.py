"""The relay on a real socket with a real certificate, and tokens that a real API server makes and reviews."""

import asyncio
import contextlib
import gc
import json
import shutil
import ssl
import time
import tracemalloc
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
import uvloop

from sentinel.clients.alertmanager import Alertmanagers
from sentinel.clients.clock import Clock
from sentinel.clients.endpoint import Endpoint
from sentinel.clients.relay import RelayClient
from sentinel.clients.token_review import Speaker, TokenReviews
from sentinel.clients.tokens import FileToken
from sentinel.core import page
from sentinel.core.claim import Expected
from sentinel.core.page import Alert
from sentinel.core.record import Series
from sentinel.engine.hints import Hints
from sentinel.errors import BadReply, OwnFault, Refused, Throttled, Unreachable
from sentinel.settings import Address
from sentinel.sinks.pager import Pager
from sentinel.web import refusal as refusal_module
from sentinel.web import relay as relay_module
from sentinel.web import tls as tls_module
from sentinel.web.refusal import MOST_BODY
from sentinel.web.relay import ALERTS, HINTS, Door, Relay
from sentinel.web.tls import Certificate
from tests.support import manifests
from tests.support.alertmanager import Alertmanager, config
from tests.support.authority import Authority
from tests.support.breaches import SENDER, SERIES, Belief, a_round
from tests.support.controlplane import ControlPlane
from tests.support.eventually import eventually
from tests.support.webhook import Webhook

AUDIENCE = "tenant-sentinel"
SYSTEM = "relay-system"
TENANTS = ("relay-a", "relay-b")
TARGETS = frozenset({"team-b", "kube-system", "*"})
NOBODY = "127.0.0.9"
"""Where a stranger comes from; loopback has as many addresses as one wants."""
SOON = 20.0


def user(namespace, name="sentinel"):
    return f"system:serviceaccount:{namespace}:{name}"


def install(cluster):
    """Two tenants, a stranger, and a witness that may review tokens."""
    for namespace in (SYSTEM, *TENANTS, "relay-x"):
        cluster.admin.apply(manifests.namespace(namespace), manifests.account(namespace))
    rule = manifests.rule(["create"], ["tokenreviews"], groups=["authentication.k8s.io"])
    cluster.admin.apply(
        manifests.cluster_role("relay-witness", rule),
        manifests.cluster_role_binding("relay-witness", manifests.of_account(SYSTEM)),
    )


@pytest.fixture(scope="module")
def town(cluster):
    install(cluster)
    yield cluster
    cluster.admin.delete(manifests.cluster_role_binding("relay-witness"), manifests.cluster_role("relay-witness"))


class Stand:
    """A relay that listens, what it took, and tenants' ways to it."""

    def __init__(self, cluster, folder):
        self.cluster, self.folder = cluster, folder
        self.authority = Authority(folder)
        self.results: Counter[str] = Counter()
        self.alerts: Counter[tuple[str, str]] = Counter()
        self.hinted: Counter[str] = Counter()
        self.taken = []
        self.hints = Hints(1000)
        self.answer = True
        self.address = Address("127.0.0.1", 0)
        self.own_token = self.file("witness", cluster.token_for(SYSTEM))

    @contextlib.asynccontextmanager
    async def open(self, *, rate=1000.0, burst=5000.0, clock=None, take=None):
        clock = clock or Clock()
        doors = {user(name): Door(name, Expected(TARGETS)) for name in TENANTS}

        api = Endpoint(self.cluster.url, FileToken(self.own_token), ca_file=self.cluster.ca_file)
        async with TokenReviews(lambda: api, AUDIENCE, clock) as self.reviews:
            self.relay = Relay(
                doors,
                self.reviews,
                take or self.take,
                self.hints,
                clock,
                rate,
                burst,
                count=lambda result: self.results.update([str(result)]),
                count_alerts=lambda tenant, told, number: self.alerts.update({(tenant, str(told)): number}),
                count_hint=lambda tenant: self.hinted.update([tenant]),
            )
            answer = self.relay.answer

            async def seen(keeper, request):
                self.keeper = keeper
                return await answer(keeper, request)

            self.relay.answer = seen  # type: ignore[method-assign]
            certificate = Certificate(self.authority.certificate_file, self.authority.key_file)
            async with self.relay.serve(self.address, certificate) as self.address:
                yield self

    def take(self, tenant, claim):
        self.taken.append((tenant, claim))
        return self.answer

    @property
    def url(self):
        return f"https://127.0.0.1:{self.address.port}"

    def file(self, name, text):
        path = self.folder / f"{name}.token"
        path.write_text(text)
        return path

    def token(self, namespace="relay-a", name="sentinel", audience=AUDIENCE):
        return self.cluster.token_for(namespace, name, audiences=[audience])

    def client(self, namespace="relay-a"):
        self.file(namespace, self.token(namespace))
        return self.client_with(namespace)

    def client_with(self, name):
        """With a token that is in its file already."""
        return RelayClient(self.url, self.folder / f"{name}.token", self.authority.ca_file)

    def guests(self):
        """All connections there are, once one request came."""
        return [*self.keeper.guests.values()]

    @contextlib.asynccontextmanager
    async def session(self, address="127.0.0.1", **more):
        tls = ssl.create_default_context(cafile=str(self.authority.ca_file))
        connector = aiohttp.TCPConnector(ssl=tls, local_addr=(address, 0), limit=0, **more)
        async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=30)) as made:
            yield made

    async def post(self, token, body=b"[]", address="127.0.0.1", path=ALERTS, method="POST", **headers):
        """Status, headers and what it said."""
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        async with (
            self.session(address) as session,
            session.request(method, self.url + path, data=body, headers=headers) as response,
        ):
            return response.status, response.headers, await response.read()


@pytest.fixture
def stand(town, tmp_path):
    return Stand(town, tmp_path)


def alert(target="team-b", *, ends=90.0, started=-5.0, labels=None, **more):
    """As a sentinel's pager writes it."""
    now = time.time()
    made = {
        "labels": {
            "alertname": "SentinelIsolationBreach",
            "check": "api/secrets",
            "identity": "self",
            "target": target,
            "severity": "critical",
            "cluster": "prod-eu1",
            "namespace": "sentinel-system",
            "tenant": "relay-a",
            "path": "push",
        }
        | (labels or {}),
        "annotations": {"description": "Let in."},
        "startsAt": page.rfc3339(now + started),
        "endsAt": page.rfc3339(now + ends),
    }
    return made | more


def raw(*alerts):
    return json.dumps(alerts).encode()


class TestWhoSpeaks:
    async def test_a_tenants_sentinel_is_heard_under_its_own_name(self, stand):
        async with stand.open(), stand.client("relay-b") as client:
            (receiver,) = await client.resolve(stand.url)
            await client.post(receiver, [alert()])

        tenant, claim = stand.taken[0]
        assert tenant == "relay-b"
        assert (claim.alert, claim.series) == (Alert.BREACH, Series("api/secrets", "self", "team-b"))
        assert not claim.over
        assert stand.alerts == {("relay-b", "accepted"): 1, ("relay-b", "refused"): 0}
        assert stand.results == {"taken": 1}

    async def test_the_label_tenant_is_what_the_token_says_whatever_it_says_itself(self, stand):
        async with stand.open():
            status, _, said = await stand.post(stand.token("relay-a"), raw(alert(labels={"tenant": "relay-b"})))

        assert status == 200
        assert json.loads(said) == {"accepted": 1, "ignored": 0, "refused": []}
        assert [tenant for tenant, _ in stand.taken] == ["relay-a"]

    @pytest.mark.parametrize(
        "make",
        [
            pytest.param(lambda stand: None, id="no token"),
            pytest.param(lambda stand: "nonsense", id="nonsense"),
            pytest.param(lambda stand: "a.b.c", id="three words"),
            pytest.param(lambda stand: "\udcff\udcfe", id="bytes"),
            pytest.param(lambda stand: stand.token()[:-8] + "AAAAAAAA", id="forged signature"),
            pytest.param(lambda stand: stand.token(audience="https://somebody.else"), id="foreign audience"),
            pytest.param(lambda stand: stand.cluster.token_for("relay-a"), id="the API server's audience"),
            pytest.param(lambda stand: "x" * 12_000, id="long"),
        ],
    )
    async def test_a_token_that_is_not_valid_here_is_refused(self, stand, make):
        async with stand.open():
            token = make(stand)
            if token is not None and token.startswith("\udcff"):
                status = await bare_status(stand, b"Authorization: Bearer \xff\xfe\r\n")
            else:
                status, _, _ = await stand.post(token, raw(alert()))

        assert status == 401
        assert stand.results == {"unknown_token": 1}
        assert not stand.taken

    async def test_an_expired_token_is_refused_although_the_api_server_is_lenient(self, stand):
        claims = stand.cluster.account_key.claims("relay-a", "sentinel", uid_of(stand, "relay-a"), -5)
        token = stand.cluster.sign(claims | {"aud": [AUDIENCE]})
        async with stand.open():
            assert await stand.reviews._ask(token) == Speaker(user("relay-a"))  # it gives 60 s of grace
            status, _, _ = await stand.post(token, raw(alert()))

        assert status == 401

    async def test_a_token_signed_by_somebody_else_is_refused(self, stand, tmp_path_factory):
        from tests.support.authority import AccountKey

        other = AccountKey(tmp_path_factory.mktemp("forger"), stand.cluster.account_key.issuer)
        claims = other.claims("relay-a", "sentinel", uid_of(stand, "relay-a"), 3600)
        async with stand.open():
            status, _, _ = await stand.post(other.sign(claims | {"aud": [AUDIENCE]}), raw(alert()))

        assert status == 401

    @pytest.mark.parametrize("account", [("relay-x", "sentinel"), ("relay-a", "other")])
    async def test_an_account_that_is_no_tenants_sentinel_is_forbidden(self, stand, account):
        stand.cluster.admin.apply(manifests.account(*account))
        async with stand.open():
            status, _, _ = await stand.post(stand.token(*account), raw(alert()))

        assert status == 403
        assert stand.results == {"foreign": 1}
        assert not stand.taken

    async def test_the_token_of_a_deleted_account_is_refused(self, stand):
        stand.cluster.admin.apply(manifests.account("relay-b"))
        token = stand.token("relay-b")
        stand.cluster.admin.delete(manifests.account("relay-b"))
        try:
            async with stand.open():
                status, _, _ = await stand.post(token, raw(alert()))
        finally:
            stand.cluster.admin.apply(manifests.account("relay-b"))

        assert status == 401

    async def test_a_token_is_asked_about_once_however_many_bring_it(self, stand):
        token = stand.token()
        asked: Counter[str] = Counter()
        async with stand.open():
            ask = stand.reviews._ask

            async def counted(token):
                asked[token] += 1
                return await ask(token)

            stand.reviews._ask = counted
            statuses = await asyncio.gather(*(stand.post(token) for _ in range(4)), stand.post(token + "x"))
            await stand.post(token)
            await stand.post(token + "x")

        assert [status for status, _, _ in statuses] == [200, 200, 200, 200, 401]
        assert asked == {token: 1, token + "x": 1}

    async def test_no_token_is_written_anywhere(self, stand, caplog):
        token = stand.token()
        async with stand.open():
            await stand.post(token, raw(alert(labels={"more": "x"})))
            _, _, said = await stand.post(token, b"{" + token.encode())

            assert token.encode() not in said
            assert token not in repr(vars(stand.reviews)) + repr(stand.relay) + caplog.text


class TestWhatIsSaid:
    async def test_nothing_else_of_alertmanagers_api_is_there(self, stand):
        token = stand.token()
        paths = ("/api/v2/silences", "/api/v2/alerts/groups", "/api/v2/status", "/-/reload", "/", "/metrics")
        async with stand.open():
            for path in paths:
                for method in ("GET", "POST"):
                    status, _, said = await stand.post(token, b"{}", path=path, method=method)
                    assert status == 404, (method, path, said)
            assert (await stand.post(token, None, method="GET"))[0] == 404
            assert (await stand.post(token, path=HINTS))[0] == 404
            assert (await stand.post(token, None, path=f"{ALERTS}/..%2fsilences", method="DELETE"))[0] == 404

        assert stand.results == {"not_found": 2 * len(paths) + 3}

    async def test_what_is_none_of_ours_is_refused_and_the_rest_of_the_request_is_taken(self, stand):
        wrong = (
            alert(labels={"team": "x"}),
            alert("team-z"),
            alert(labels={"alertname": "Watchdog"}),
            alert(generatorURL="http://evil"),
            "text",
        )
        async with stand.open():
            status, _, said = await stand.post(stand.token(), raw(*wrong, alert()))

        found = json.loads(said)
        assert status == 200
        assert found["accepted"] == 1
        assert len(found["refused"]) == len(wrong)
        assert stand.alerts["relay-a", "refused"] == len(wrong)
        assert len(stand.taken) == 1

    async def test_the_client_calls_it_refused_when_one_alert_is(self, stand):
        async with stand.open(), stand.client() as client:
            (receiver,) = await client.resolve(stand.url)
            with pytest.raises(Refused, match="1 refused, the first: target 'team-z'"):
                await client.post(receiver, [alert("team-z")])

    async def test_what_changes_nothing_is_ignored_and_counted(self, stand):
        stand.answer = False
        async with stand.open():
            _, _, said = await stand.post(stand.token(), raw(alert(ends=-1.0)))

        assert json.loads(said) == {"accepted": 0, "ignored": 1, "refused": []}
        assert stand.taken[0][1].over
        assert stand.alerts["relay-a", "ignored"] == 1

    @pytest.mark.parametrize("body", [b"", b"{}", b"\xff", b"[" * 100_000, b"1" * 5000, b'"text"', raw(*range(600))])
    async def test_a_body_that_is_no_list_of_alerts_is_a_bad_request(self, stand, body):
        async with stand.open():
            status, _, said = await stand.post(stand.token(), body)

        assert status == 400
        assert json.loads(said)["error"]
        assert stand.results == {"malformed": 1}

    async def test_many_alerts_are_sent_in_several_requests(self, stand):
        long = {"description": "word " * 480}
        async with stand.open(), stand.client() as client:
            (receiver,) = await client.resolve(stand.url)
            await client.post(receiver, [alert(annotations=long)] * 700)
            await client.post(receiver, [])

        assert len(stand.taken) == 700
        assert stand.results["taken"] > 7

    async def test_names_of_identities_do_not_grow_without_end(self, stand):
        many = [alert(labels={"identity": f"i-{number}"}) for number in range(100)]
        async with stand.open():
            _, _, said = await stand.post(stand.token(), raw(*many))

        assert json.loads(said)["accepted"] == 32
        assert len(stand.taken) == 32
        assert stand.alerts["relay-a", "refused"] == 68


class TestWhatIsTooMuch:
    async def test_ten_mebibytes_are_refused_before_they_are_read(self, stand):
        async with stand.open():
            tracemalloc.start()
            status, _, _ = await stand.post(stand.token(), stream(10 * 1024), **{"Content-Length": str(10 * 2**20)})
            _, most = tracemalloc.get_traced_memory()
            tracemalloc.stop()

        assert status == 413
        assert most < 3 * 2**20
        assert stand.results == {"too_large": 1}

    async def test_neither_are_they_read_when_their_length_is_not_said(self, stand):
        async with stand.open():
            with contextlib.suppress(aiohttp.ClientError, ConnectionError):
                status, _, _ = await stand.post(stand.token(), stream(10 * 1024))
                assert status == 413

        assert stand.results == {"too_large": 1}

    async def test_a_body_as_large_as_allowed_is_read(self, stand):
        body = raw(alert()) + b" " * (MOST_BODY - len(raw(alert())))
        async with stand.open():
            status, _, _ = await stand.post(stand.token(), body)

        assert len(body) == MOST_BODY
        assert status == 200

    async def test_headers_that_trickle_are_cut_off(self, stand, monkeypatch):
        monkeypatch.setattr(tls_module, "IDLE_SECONDS", 0.5)
        async with stand.open(), opened(stand) as (reader, writer):
            start = time.monotonic()
            trickle = asyncio.create_task(dribble(writer, b"POST /api/v2/alerts HTTP/1.1\r\nHost: x\r\n" * 9))
            assert await asyncio.wait_for(reader.read(), SOON) == b""
            trickle.cancel()
            await asyncio.gather(trickle, return_exceptions=True)

            assert time.monotonic() - start < 3
            assert (await stand.post(stand.token()))[0] == 200

    async def test_a_body_that_trickles_is_cut_off_and_counted(self, stand, monkeypatch):
        monkeypatch.setattr(refusal_module, "BODY_SECONDS", 0.5)
        head = f"POST {ALERTS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {stand.token()}\r\nContent-Length: 9999\r\n\r\n"
        async with stand.open(), opened(stand) as (reader, writer):
            writer.write(head.encode())
            trickle = asyncio.create_task(dribble(writer, b" " * 9000))
            answer = await asyncio.wait_for(reader.read(), SOON)
            trickle.cancel()
            await asyncio.gather(trickle, return_exceptions=True)

        assert answer.startswith(b"HTTP/1.1 408")
        assert stand.results["slow"] == 1

    async def test_a_handshake_that_never_ends_is_cut_off(self, stand, monkeypatch):
        monkeypatch.setattr(tls_module, "HANDSHAKE_SECONDS", 0.5)
        async with stand.open():
            reader, writer = await asyncio.open_connection("127.0.0.1", stand.address.port)
            assert await asyncio.wait_for(reader.read(), SOON) == b""
            await ended(writer)

    @pytest.mark.parametrize(
        "said",
        [
            b"\x00\x01\x02\r\n\r\n",
            b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 500 + b"\r\n",
            b"GET /" + b"a" * 9000,
            b"BREW pot",
        ],
    )
    async def test_what_is_no_http_is_refused_and_counted(self, stand, said):
        async with stand.open(), opened(stand) as (reader, writer):
            writer.write(said + b"\r\n\r\n")
            answer = await asyncio.wait_for(reader.read(), SOON)

        assert answer.startswith(b"HTTP/1.0 400")
        assert b"aiohttp" not in answer
        assert stand.results == {"malformed": 1}

    async def test_what_is_no_tls_is_refused(self, stand):
        async with stand.open():
            reader, writer = await asyncio.open_connection("127.0.0.1", stand.address.port)
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            with contextlib.suppress(ConnectionError):
                assert b"HTTP" not in await asyncio.wait_for(reader.read(), SOON)
            await ended(writer)
            assert (await stand.post(stand.token()))[0] == 200

    async def test_above_its_rate_a_tenant_is_told_when_to_come_back(self, stand):
        async with stand.open(rate=10.0, burst=20.0):
            statuses = [await stand.post(stand.token(), raw(*[alert()] * 15)) for _ in range(2)]
            neighbour, _, _ = await stand.post(stand.token("relay-b"), raw(alert()))

        assert [status for status, _, _ in statuses] == [200, 429]
        assert 1 <= int(statuses[1][1]["Retry-After"]) <= 2
        assert neighbour == 200
        assert stand.alerts["relay-a", "throttled"] == 14
        assert len(stand.taken) == 16

    async def test_one_tenants_requests_under_way_are_few_and_the_others_are_not_kept_waiting(self, stand):
        token = stand.token()
        head = f"POST {ALERTS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Length: 99\r\n\r\n"
        async with stand.open(), contextlib.AsyncExitStack() as stack:
            for _ in range(relay_module.MOST_PUSHES):
                _, writer = await stack.enter_async_context(opened(stand))
                writer.write(head.encode())
            await when(lambda: stand.relay._tenants[user("relay-a")].busy["push"] == relay_module.MOST_PUSHES)

            status, headers, _ = await stand.post(token)
            assert (status, headers["Retry-After"]) == (429, "1")
            assert (await stand.post(stand.token("relay-b")))[0] == 200

    async def test_a_thousand_connections_leave_room_for_the_others_and_take_little(self, stand):
        async with stand.open(), stand.client() as client:
            await client.greet()
            gc.collect()
            before = rss()
            async with crowd(stand, 1000) as held:
                (receiver,) = await client.resolve(stand.url)
                start = time.monotonic()
                await client.post(receiver, [alert()])
                took = time.monotonic() - start
                async with stand.client("relay-b") as newcomer:
                    await newcomer.greet()
                grown, there = rss() - before, len(stand.guests())
                assert held

        assert there <= tls_module.MOST_STRANGERS + 4
        assert grown < 120 * 2**20  # the thousand clients are in this process, too
        assert took < 5
        assert stand.results["dropped"] >= 1000 - tls_module.MOST_STRANGERS

    async def test_a_tenants_own_connections_are_few(self, stand):
        token = stand.token()
        async with stand.open(), contextlib.AsyncExitStack() as stack:
            for _ in range(20):
                session = await stack.enter_async_context(stand.session())
                async with session.post(stand.url + ALERTS, data=b"[]", headers=bearer(token)) as response:
                    assert response.status == 200
            assert len([guest for guest in stand.guests() if guest.tenant]) == tls_module.MOST_OF_A_TENANT
            assert (await stand.post(stand.token("relay-b")))[0] == 200

    async def test_bad_tokens_are_asked_about_at_a_bounded_rate_and_only_their_address_waits(self, stand):
        claims = stand.cluster.account_key.claims("relay-a", "sentinel", uid_of(stand, "relay-a"), 3600)
        good = stand.cluster.sign(claims | {"aud": [AUDIENCE]})
        asked = 0
        async with stand.open():
            ask = stand.reviews._ask

            async def counted(token):
                nonlocal asked
                asked += 1
                return await ask(token)

            stand.reviews._ask = counted
            async with stand.session(NOBODY) as session:
                statuses = Counter([await junk(session, stand.url, f"{good[:-9]}{n:09d}") for n in range(300)])
            assert statuses[429] > 100
            assert asked < 300 - 100
            assert (await stand.post(stand.token()))[0] == 200

    async def test_a_flood_leaves_memory_flat_and_the_others_served(self, stand):
        async with stand.open(rate=50.0, burst=100.0), stand.client("relay-b") as client:
            (receiver,) = await client.resolve(stand.url)
            await flood(stand, 500)  # what is made once is made
            gc.collect()
            before = rss()
            rush = asyncio.create_task(flood(stand, 5000))
            slowest = 0.0
            while not rush.done():
                start = time.monotonic()
                await client.post(receiver, [alert()])
                slowest = max(slowest, time.monotonic() - start)
                await asyncio.sleep(0.1)
            statuses = await rush
            gc.collect()

        assert rss() - before < 24 * 2**20
        assert slowest < 3
        assert set(statuses) <= {200, 400, 401, 404, 413, 429}
        assert sum(statuses.values()) == 5000
        # A tenant's own junk is stopped by its own bucket.
        assert statuses[429] > 500


def test_all_of_it_works_on_the_loop_that_the_daemon_runs_on(stand, monkeypatch):
    monkeypatch.setattr(tls_module, "HANDSHAKE_SECONDS", 0.5)
    monkeypatch.setattr(tls_module, "IDLE_SECONDS", 0.5)

    async def everything():
        complaints = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        async with stand.open(), stand.client() as client:
            (receiver,) = await client.resolve(stand.url)
            await client.post(receiver, [alert()])
            async with crowd(stand, 300):
                await client.post(receiver, [alert()])
            for _ in range(tls_module.MOST_OF_A_TENANT + 2):
                async with stand.client() as other:
                    await other.greet()
            async with opened(stand) as (reader, writer):
                await dribble(writer, b"POST / HT")
                assert await asyncio.wait_for(reader.read(), SOON) == b""
            assert (await stand.post("nonsense"))[0] == 401
            assert (await stand.post(stand.token(), b"x" * (MOST_BODY + 1)))[0] == 413
            gc.collect()
        return complaints

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(everything()) == []
    assert len(stand.taken) == 2


class TestHints:
    async def test_who_waits_is_told_at_once(self, stand):
        async with stand.open(), stand.client() as client:
            first = await client.hints(0)
            waiting = asyncio.create_task(client.hints(first.next))
            await when(lambda: stand.relay._tenants[user("relay-a")].busy["hint"])
            start = time.monotonic()
            stand.hints.tell("relay-a", ["team-b", "not-yours"])
            found = await waiting

        assert found.targets == {"team-b"}
        assert found.next == first.next + 1
        assert time.monotonic() - start < 1
        assert stand.hinted == {"relay-a": 1}

    async def test_who_waits_is_not_idle(self, stand, monkeypatch):
        monkeypatch.setattr(tls_module, "IDLE_SECONDS", 0.3)
        monkeypatch.setattr(relay_module, "HINT_SECONDS", 1.5)
        async with stand.open(), stand.client() as client:
            first = await client.hints(0)
            start = time.monotonic()

            assert (await client.hints(first.next)).targets == frozenset()
            assert time.monotonic() - start >= 1.4

    async def test_another_tenants_hints_are_not_told(self, stand, monkeypatch):
        monkeypatch.setattr(relay_module, "HINT_SECONDS", 0.3)
        async with stand.open(), stand.client() as client:
            first = await client.hints(0)
            stand.hints.tell("relay-b", ["team-b"])

            assert await client.hints(first.next) == first

    async def test_those_who_wait_of_one_tenant_are_few(self, stand):
        async with stand.open(), contextlib.AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(stand.client()) for _ in range(5)]
            first = await clients[0].hints(0)
            waiting = [asyncio.create_task(client.hints(first.next)) for client in clients[:4]]
            await when(lambda: stand.relay._tenants[user("relay-a")].busy["hint"] == 4)
            with pytest.raises(Throttled):
                await clients[4].hints(first.next)
            stand.hints.tell("relay-a", ["*"])

            assert [(await task).targets for task in waiting] == [{"*"}] * 4

    @pytest.mark.parametrize("after", ["", "-1", "x", "1" * 30, "1&after=2x"])
    async def test_a_number_that_is_none_is_a_bad_request(self, stand, after):
        async with stand.open():
            path = f"{HINTS}?after={after}" if after != "1&after=2x" else f"{HINTS}?after=2x"
            assert (await stand.post(stand.token(), None, path=path, method="GET"))[0] == 400

    async def test_who_hangs_up_waits_no_longer(self, stand):
        async with stand.open(), stand.client() as client:
            first = await client.hints(0)
            for _ in range(3 * relay_module.MOST_WAITING):
                waiting = asyncio.create_task(client.hints(first.next))
                await when(lambda: stand.relay._tenants[user("relay-a")].busy["hint"])
                waiting.cancel()
                await asyncio.gather(waiting, return_exceptions=True)
                await when(lambda: not stand.relay._tenants[user("relay-a")].busy["hint"])


class TestTheWayThere:
    async def test_a_certificate_is_exchanged_without_a_restart(self, stand, tmp_path_factory):
        fresh = Authority(tmp_path_factory.mktemp("fresh"))
        async with stand.open(), stand.client() as client:
            await client.greet()
            shutil.copy(fresh.certificate_file, stand.authority.certificate_file)
            with contextlib.suppress(Unreachable):  # half of it: certificate and key do not fit
                async with stand.client() as other:
                    await other.greet()
            shutil.copy(fresh.key_file, stand.authority.key_file)
            async with stand.client() as other:
                with pytest.raises(Unreachable, match=r"[Cc]ertificate"):
                    await other.greet()
            shutil.copy(fresh.ca_file, stand.authority.ca_file)
            async with stand.client() as other:
                await other.greet()

    async def test_while_new_files_do_not_fit_the_old_certificate_is_served(self, stand):
        async with stand.open():
            stand.authority.key_file.write_text("nonsense")
            async with stand.client() as client:
                await client.greet()

    async def test_without_a_certificate_it_does_not_start_and_says_why(self, stand):
        stand.authority.key_file.unlink()
        with pytest.raises(OwnFault, match=r"relay\.key"):
            async with stand.open():
                pass

    async def test_a_port_that_is_taken_is_named(self, stand, tmp_path):
        async with stand.open():
            with pytest.raises(OwnFault, match=r"relay\.listen"):
                async with stand.relay.serve(
                    stand.address, Certificate(stand.authority.certificate_file, stand.authority.key_file)
                ):
                    pass

    async def test_a_witness_that_is_not_the_ca_s_gets_no_token(self, stand, tmp_path_factory):
        stranger = Authority(tmp_path_factory.mktemp("stranger"))
        async with stand.open():
            token = stand.file("relay-a", stand.token())
            async with RelayClient(stand.url, token, stranger.ca_file) as client:
                with pytest.raises(Unreachable):
                    await client.greet()

        assert not stand.results

    async def test_a_token_that_is_exchanged_is_used_at_once(self, stand):
        async with stand.open():
            token = stand.file("relay-a", "nonsense")
            async with RelayClient(stand.url, token, stand.authority.ca_file) as client:
                with pytest.raises(Refused, match="401"):
                    await client.greet()
                fresh = stand.file("fresh", stand.token())
                fresh.replace(token)
                await client.greet()

    async def test_without_a_token_nothing_is_asked(self, stand, tmp_path):
        async with stand.open(), RelayClient(stand.url, tmp_path / "none", stand.authority.ca_file) as client:
            with pytest.raises(OwnFault, match="token file"):
                await client.greet()

        assert not stand.results

    async def test_what_is_no_relay_is_not_believed(self, stand):
        with Webhook() as stranger:
            async with RelayClient(stranger.url, stand.own_token, stand.authority.ca_file) as client:
                with pytest.raises(BadReply):
                    await client.greet()

    async def test_the_greeting_pushes_nothing_and_tells_the_time(self, stand):
        async with stand.open(), stand.client() as client:
            headers, took = await client.greet()

        assert (
            abs(
                datetime.strptime(headers["Date"], "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC).timestamp()
                - time.time()
            )
            < 5
        )
        assert 0 < took < SOON
        assert not stand.taken


class TestPager:
    async def test_a_page_goes_through_the_relay_to_a_real_alertmanager(self, stand):
        with Webhook() as phone, Alertmanager(config(phone.url, group_wait="0s", group_interval="1s")) as alertmanager:
            async with Alertmanagers() as onward:

                def take(tenant, claim):
                    stand.taken.append((tenant, claim))
                    labels = claim.series._asdict() | {"alertname": claim.alert.value, "tenant": tenant}
                    told = page.Page(labels, claim.annotations, claim.since)
                    ends = claim.since if claim.over else time.time() + 90
                    (to,) = receivers
                    passing.append(asyncio.create_task(onward.post(to, [page.body(told, ends)])))
                    return True

                passing: list[asyncio.Task[None]] = []
                receivers = await onward.resolve(alertmanager.url)
                async with stand.open(take=take), paging(stand, repeat=0.5) as (pager, counts):
                    pager.put(Belief().served(time.time()))
                    fired = await asyncio.to_thread(phone.wait_for_alert, "firing", SOON, tenant="relay-a")
                    pager.end_round(a_round(time.time(), {SERIES: 0.0}))
                    await when(lambda: stand.taken[-1][1].over)
                await asyncio.gather(*passing)

        assert fired.alerts()[0]["labels"]["target"] == "team-b"
        assert counts.keys() == {"accepted"}

    async def test_an_api_server_that_is_down_is_no_verdict_on_a_token_and_the_page_is_repeated(self, tmp_path):
        with ControlPlane() as cluster:
            install(cluster)
            stand = Stand(cluster, tmp_path)
            token = stand.token()
            stand.file("relay-a", token)
            async with stand.open():
                await asyncio.to_thread(cluster.kill_apiserver)
                status, headers, _ = await stand.post(token)
                assert (status, headers["Retry-After"]) == (503, "1")
                async with paging(stand, client=stand.client_with("relay-a"), repeat=0.5) as (pager, counts):
                    pager.put(Belief().served(time.time()))
                    await when(lambda: counts["unreachable"])
                    assert not stand.taken
                    await asyncio.to_thread(cluster.start_apiserver)
                    await when(lambda: counts["accepted"])

        assert "refused" not in counts
        assert stand.taken[0][0] == "relay-a"

    async def test_asked_to_wait_it_waits_and_then_delivers_before_the_next_repeat(self, stand):
        async with stand.open(rate=2.0, burst=2.0):
            await stand.post(stand.token(), raw(alert(), alert()))
            async with paging(stand, repeat=600.0) as (pager, counts):
                start = time.monotonic()
                pager.put(Belief().served(time.time()))
                await when(lambda: counts["accepted"])
                took = time.monotonic() - start

        assert counts["refused"] >= 1
        assert 0.3 < took < 10
        assert stand.taken[-1][1].series == SERIES


def uid_of(stand, namespace):
    return stand.cluster.admin.get(manifests.account(namespace))["metadata"]["uid"]


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def rss():
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("no VmRSS")


async def when(look):
    return await asyncio.to_thread(eventually, look, SOON)


async def stream(kibibytes):
    for _ in range(kibibytes):
        yield b"x" * 1024


async def dribble(writer, data):
    with contextlib.suppress(ConnectionError):
        for byte in data:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.05)


async def ended(writer):
    writer.close()
    with contextlib.suppress(OSError, ssl.SSLError):
        await writer.wait_closed()


@contextlib.asynccontextmanager
async def opened(stand, address="127.0.0.1"):
    tls = ssl.create_default_context(cafile=str(stand.authority.ca_file))
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", stand.address.port, ssl=tls, local_addr=(address, 0), ssl_shutdown_timeout=0.2
    )
    try:
        yield reader, writer
    finally:
        await ended(writer)


async def bare_status(stand, header):
    async with opened(stand) as (reader, writer):
        writer.write(f"POST {ALERTS} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n".encode() + header + b"\r\n[]")
        answer = await asyncio.wait_for(reader.readline(), SOON)
        return int(answer.split()[1])


@contextlib.asynccontextmanager
async def crowd(stand, size):
    """Connections that do nothing, all from one address."""
    writers = []

    async def enter():
        with contextlib.suppress(OSError, ssl.SSLError):
            _, writer = await asyncio.open_connection("127.0.0.1", stand.address.port, local_addr=(NOBODY, 0))
            writers.append(writer)

    await asyncio.gather(*(enter() for _ in range(size)))
    await when(lambda: stand.results["dropped"] >= size - tls_module.MOST_STRANGERS)
    try:
        yield writers
    finally:
        for writer in writers:
            await ended(writer)


async def junk(session, url, token, body=b"[]", path=ALERTS):
    try:
        async with session.post(url + path, data=body, headers=bearer(token)) as response:
            return response.status
    except (aiohttp.ClientError, OSError):
        return 0


async def flood(stand, size):
    """A tenant's own junk, from a few connections: nonsense, alerts of others, bad tokens, other paths."""
    good = stand.token()
    nonsense = (
        b"{",
        raw(*[alert("team-z")] * 50),
        raw(alert(labels={"x" * 500: "y" * 5000})),
        b"x" * 100_000,
        b"[1]" * 9,
    )
    kinds = [
        (good, nonsense[number % 5], ALERTS)
        if number % 2
        else (f"{good[:-9]}{number:09d}", b"[]", ALERTS if number % 4 else "/api/v2/silences")
        for number in range(size)
    ]
    statuses: Counter[int] = Counter()

    async def work(mine):
        async with stand.session(NOBODY) as session:
            for token, body, path in mine:
                statuses[await junk(session, stand.url, token, body, path)] += 1

    await asyncio.gather(*(work(kinds[worker::4]) for worker in range(4)))
    return statuses


@contextlib.asynccontextmanager
async def paging(stand, *, client=None, **timers):
    counts: Counter[str] = Counter()
    async with client or stand.client() as way:
        pager = Pager(
            (stand.url,),
            SENDER,
            way,
            Clock(),
            count=lambda result: counts.update([result]),
            delay=lambda _: None,
            **timers,
        )
        task = asyncio.create_task(pager.run(), name="pager")
        try:
            yield pager, counts
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
