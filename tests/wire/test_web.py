"""What is served on real sockets, to whom, and what a stranger cannot do with it."""

import asyncio
import contextlib
import gc
import io
import json
import re
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import aiohttp
import pytest
import structlog
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.parser import text_string_to_metric_families

from sentinel import logs
from sentinel.core.gateway import course_json
from sentinel.core.gateway.course import Course
from sentinel.errors import OwnFault
from sentinel.reports import failover_svg
from sentinel.settings.web import Web
from sentinel.settings.words import Address
from sentinel.sinks.history import History
from sentinel.web import app, beside, listener
from sentinel.web.app import Served
from tests.core.gateway.test_course import seen
from tests.support.breaches import GET, LIST, Belief, a_round

NOON = 1_795_230_000.0
ANY = Address("127.0.0.1", 0)


@dataclass
class World:
    """What the web is told, and may be told otherwise."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    history: History = field(default_factory=lambda: History("team-a"))
    progress: tuple[bool, str] = (True, "last round 1.0 s ago")
    reasons: tuple[str, ...] = ()
    always_200: bool = False
    gateways: dict[str, tuple[Course, ...]] = field(default_factory=dict)
    console: Address = ANY
    log: io.StringIO = field(default_factory=io.StringIO)

    def serve(self) -> contextlib.AbstractAsyncContextManager[Served]:
        where = Web.model_construct(listen=ANY, console=self.console, readyz_always_200=self.always_200)
        return app.serve(
            where,
            registry=self.registry,
            progress=lambda: self.progress,
            ready=lambda: self.reasons,
            history=self.history,
            gateways=lambda: self.gateways,
        )


@dataclass
class Answer:
    status: int
    headers: Any
    text: str

    def json(self) -> Any:
        return json.loads(self.text)


@dataclass
class Client:
    session: aiohttp.ClientSession
    served: Served

    async def listen(self, path: str, method: str = "GET", **more: Any) -> Answer:
        return await self._ask(self.served.listen, path, method, **more)

    async def console(self, path: str, method: str = "GET", **more: Any) -> Answer:
        return await self._ask(self.served.console, path, method, **more)

    async def _ask(self, at: Address, path: str, method: str, **more: Any) -> Answer:
        async with self.session.request(method, f"http://{at}{path}", **more) as reply:
            return Answer(reply.status, reply.headers, await reply.text())


@contextlib.asynccontextmanager
async def asking(world: World) -> AsyncIterator[Client]:
    timeout = aiohttp.ClientTimeout(total=20)
    async with world.serve() as served, aiohttp.ClientSession(timeout=timeout) as session:
        yield Client(session, served)


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    logs.configure("error", "json", world.log)
    yield world
    structlog.reset_defaults()


async def test_metrics_are_in_the_format_that_every_prometheus_reads(world):
    Counter("sentinel_things", "Things.", registry=world.registry).inc(3)

    async with asking(world) as client:
        answer = await client.listen("/metrics")

    samples = {s.name: s.value for family in text_string_to_metric_families(answer.text) for s in family.samples}
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert samples["sentinel_things_total"] == 3


class Slow:
    """A collector that takes as long as it is told to."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.begun = threading.Event()
        self.times = 0

    def collect(self) -> Iterator[GaugeMetricFamily]:
        self.times += 1
        self.begun.set()
        assert self.go.wait(15), "nobody let the rendering go on: the loop was held up"
        yield GaugeMetricFamily("slow", "Slow.", value=1)

    def watch(self, registry: CollectorRegistry) -> None:
        """Join a registry, which collects once at that."""
        self.go.set()
        registry.register(self)
        self.go.clear()
        self.begun.clear()
        self.times = 0

    async def until_begun(self) -> None:
        assert await asyncio.to_thread(self.begun.wait, 10)


async def test_a_scrape_that_takes_long_holds_nobody_up(world):
    slow = Slow()
    async with asking(world) as client:
        slow.watch(world.registry)
        scrape = asyncio.create_task(client.listen("/metrics"))
        await slow.until_begun()

        healthy = await client.listen("/healthz")
        ready = await client.listen("/readyz")
        still_rendering = not scrape.done()
        slow.go.set()

        assert (healthy.status, ready.status, still_rendering) == (200, 200, True)
        assert "slow 1.0" in (await scrape).text


async def test_many_scrapes_at_once_are_rendered_once(world):
    slow = Slow()
    async with asking(world) as client:
        slow.watch(world.registry)
        scrapes = [asyncio.create_task(client.listen("/metrics")) for _ in range(10)]
        await slow.until_begun()
        await asyncio.wait(scrapes, timeout=0.2)
        slow.go.set()

        assert {(await scrape).status for scrape in scrapes} == {200}
        assert slow.times == 1


async def test_turns_are_short_before_a_scrape_begins_and_all_is_as_before_after_the_last(world):
    before = sys.getswitchinterval()
    sys.setswitchinterval(0.004)
    try:
        async with asking(world) as client:
            served = sys.getswitchinterval()
            await client.listen("/metrics")
            await client.console("/")
            assert gc.isenabled()

        assert served == pytest.approx(beside.SWITCH_SECONDS)
        assert sys.getswitchinterval() == pytest.approx(0.004)
    finally:
        sys.setswitchinterval(before)


async def test_who_takes_a_packed_page_gets_one_and_it_is_the_same(world):
    async with asking(world) as client:
        packed = await client.listen("/metrics", headers={"Accept-Encoding": "gzip"})
        plain = await client.listen("/metrics", headers={"Accept-Encoding": "identity"})

    names = {line.split(" ")[0] for line in plain.text.splitlines()}
    assert (packed.headers.get("Content-Encoding"), plain.headers.get("Content-Encoding")) == ("gzip", None)
    assert {line.split(" ")[0] for line in packed.text.splitlines()} == names


async def test_a_scrape_that_fails_is_an_error_in_the_log_and_the_next_one_works(world):
    class Broken:
        broken = False

        def collect(self) -> Iterator[GaugeMetricFamily]:
            if self.broken:
                raise RuntimeError("eyJhbGciOiJSUzI1NiJ9 is nobody's business")
            return iter(())

    collector = Broken()
    world.registry.register(collector)
    async with asking(world) as client:
        collector.broken = True
        failed = await client.listen("/metrics")
        collector.broken = False

        said = world.log.getvalue()
        assert failed.status == 500
        assert "library.message" in said and "RuntimeError: [redacted]" in said
        assert "eyJ" not in failed.text
        assert (await client.listen("/metrics")).status == 200


async def test_healthz_says_whether_the_scheduler_goes_on(world):
    async with asking(world) as client:
        fine = await client.listen("/healthz")
        world.progress = (False, "last round 95.0 s ago")
        stalled = await client.listen("/healthz")

    assert (fine.status, fine.text) == (200, "ok: last round 1.0 s ago\n")
    assert (stalled.status, stalled.text) == (503, "stalled: last round 95.0 s ago\n")


async def test_healthz_does_not_depend_on_what_is_watched(world):
    world.reasons = ("the API server does not answer",)
    world.history.put(Belief(LIST).served(NOON))

    async with asking(world) as client:
        assert (await client.listen("/healthz")).status == 200


async def test_readyz_says_what_is_missing(world):
    async with asking(world) as client:
        ready = await client.listen("/readyz")
        world.reasons = ("token of self: expired", "the door is shut")
        missing = await client.listen("/readyz")

    assert (ready.status, ready.json()) == (200, {"status": "ready", "reasons": []})
    assert missing.status == 503
    assert missing.json() == {"status": "not ready", "reasons": ["token of self: expired", "the door is shut"]}


async def test_readyz_can_be_200_always_and_says_what_is_missing_all_the_same(world):
    world.reasons, world.always_200 = ("the door is shut",), True

    async with asking(world) as client:
        answer = await client.listen("/readyz")

    assert (answer.status, answer.json()["status"]) == (200, "not ready")


@pytest.mark.parametrize(
    "path", ["/", "/api/v1/status", "/api/v1/breaches", "/api/v1/records", "/api/v1/gateways", "/gateways/chat/1.svg"]
)
async def test_what_was_found_is_not_served_to_the_cluster(world, path):
    async with asking(world) as client:
        assert (await client.listen(path)).status == 404


@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/readyz"])
async def test_the_console_serves_the_console_only(world, path):
    async with asking(world) as client:
        assert (await client.console(path)).status == 404


async def test_the_console_gives_what_the_history_has(world):
    world.history.put(Belief(LIST, proven=NOON - 5).served(NOON))
    world.history.put(Belief(GET).blind(NOON + 1))
    world.history.end_round(replace(a_round(NOON + 2), reasons=("the door is shut",)))

    async with asking(world) as client:
        status = await client.console("/api/v1/status")
        breaches = await client.console("/api/v1/breaches")
        records = await client.console("/api/v1/records")

    assert status.json() == world.history.status()
    assert breaches.json() == world.history.breaches()
    assert records.json() == world.history.records()
    assert [row["active"] for row in breaches.json()] == [True]
    assert {reply.headers["Content-Type"] for reply in (status, breaches, records)} == {
        "application/json; charset=utf-8"
    }


async def test_the_console_gives_each_gateways_failovers_with_their_probes(world):
    async with asking(world) as client:
        nothing = await client.console("/api/v1/gateways")
        one = seen()
        world.gateways = {"chat": (one, replace(one, pages=True)), "quiet": ()}
        told = await client.console("/api/v1/gateways")

    assert nothing.json() == []
    assert [(row["name"], len(row["episodes"])) for row in told.json()] == [("chat", 2), ("quiet", 0)]
    assert told.json()[0]["episodes"][0] == course_json.written(one)


async def test_the_page_shows_the_last_failovers_and_the_picture_it_names_is_there(world):
    first, last = seen(), seen(5.0, "hang")
    world.gateways = {"chat": (first, replace(last, at=first.at + 60)), "quiet": ()}

    async with asking(world) as client:
        page = await client.console("/")
        [path] = re.findall(r'<img src="([^"]+)"', page.text)
        drawn = await client.console(path)
        older = await client.console(
            next(one for one in re.findall(r'href="(/gateways/[^"]+)"', page.text) if one != path)
        )
        gone = [await client.console(f"/gateways/{one}") for one in ("chat/1.svg", "other/1.svg", "chat/x.svg")]

    assert page.text.index("no failover seen") > page.text.index("within the promise")
    assert drawn.headers["Content-Type"].startswith("image/svg+xml")
    assert drawn.text == failover_svg.render(world.gateways["chat"][1])
    assert older.text == failover_svg.render(first)
    assert "script" not in drawn.headers["Content-Security-Policy"]
    assert "default-src 'none'" in drawn.headers["Content-Security-Policy"]
    assert [answer.status for answer in gone] == [404] * 3


async def test_of_a_witness_the_first_page_shows_them_and_without_a_gateway_there_is_no_word_of_any(world):
    world.history = {"team-a": History("team-a")}

    async with asking(world) as client:
        without = await client.console("/")
        world.gateways = {"chat": (seen(),)}
        shown = await client.console("/")

    assert "LLM gateways" not in without.text
    assert "LLM gateways" in shown.text
    assert '<img src="/gateways/chat/' in shown.text


async def test_records_can_be_chosen_by_check_target_and_number(world):
    for number in range(5):
        world.history.put(Belief(LIST).held(NOON + number))
    world.history.put(Belief(replace(GET, target="team-c", namespace="team-c")).held(NOON + 9))

    async with asking(world) as client:
        few = await client.console("/api/v1/records?check=api/secrets&target=team-b&limit=2")
        other = await client.console("/api/v1/records?target=team-c")
        cluster = await client.console("/api/v1/records?target=*")

    assert [row["at"] for row in few.json()] == [NOON + 4, NOON + 3]
    assert [row["target"] for row in other.json()] == ["team-c"]
    assert cluster.json() == []


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("check=secrets", "check: 'secrets' is no check, expected one of api/secrets, api/configmaps"),
        ("check=%3Cscript%3E", "check: '<script>' is no check"),
        ("target=Team_B", "target: 'Team_B' is no namespace, expected its name, or * for cluster scope"),
        ("target=../../etc", "is no namespace"),
        ("target=" + "a" * 64, "is no namespace"),
        ("limit=0", "limit: '0' is no count, expected 1 to 1000"),
        ("limit=1001", "limit: '1001' is no count"),
        ("limit=-1", "is no count"),
        ("limit=1e3", "is no count"),
        ("limit=%D9%A3", "is no count"),
        ("limit=99999999999999999999", "is no count"),
        ("limit=1&limit=2", "each of check, target and limit can be given once"),
        ("tenant=team-b", "'tenant' is no parameter, expected check, target or limit"),
        ("check=%00%1b[31m", "is no check"),
    ],
)
async def test_a_wrong_question_to_the_console_is_answered_with_a_sentence(world, query, says):
    async with asking(world) as client:
        answer = await client.console(f"/api/v1/records?{query}")

    assert answer.status == 400
    assert says in answer.json()["error"]
    assert answer.headers["Content-Type"].startswith("application/json")


EVERYTHING = [
    ("listen", "/metrics"),
    ("listen", "/healthz"),
    ("listen", "/readyz"),
    ("listen", "/nothing"),
    ("console", "/"),
    ("console", "/api/v1/status"),
    ("console", "/api/v1/records?limit=x"),
    ("console", "/gateways/chat/1.svg"),
    ("console", "/nothing"),
]


@pytest.mark.parametrize(("where", "path"), EVERYTHING)
async def test_every_reply_has_the_headers_that_keep_browsers_in_their_place(world, where, path):
    async with asking(world) as client:
        answer = await getattr(client, where)(path, headers={"Origin": "https://evil.example"})

    policy = answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy and "http" not in policy
    assert policy.count("script") == (1 if (where, path) == ("console", "/") else 0)
    assert not [name for name in answer.headers if name.lower().startswith("access-control")]
    assert "aiohttp" not in answer.headers["Server"]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
@pytest.mark.parametrize(("where", "path"), [("listen", "/metrics"), ("console", "/api/v1/status"), ("console", "/")])
async def test_nothing_can_be_changed(world, where, path, method):
    async with asking(world) as client:
        answer = await getattr(client, where)(path, method)

    assert answer.status == 405


@pytest.mark.parametrize(("where", "path"), [("listen", "/metrics"), ("listen", "/healthz"), ("console", "/")])
async def test_head_is_get_without_a_body(world, where, path):
    async with asking(world) as client:
        answer = await getattr(client, where)(path, "HEAD")

    assert (answer.status, answer.text) == (200, "")


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "[::1]", "LOCALHOST:8081", "localhost:1", "127.0.0.1:65535"]
)
async def test_the_console_answers_to_the_names_of_loopback(world, host):
    async with asking(world) as client:
        assert (await client.console("/api/v1/status", headers={"Host": host})).status == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8081",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "localhost:8081.evil.example",
        "evil.example#localhost",
        "127.0.0.2",
        "0.0.0.0",
        "[::]",
        "localhost:",
        "localhost:123456",
        "",
        "team-a.sentinel.svc",
    ],
)
@pytest.mark.parametrize("path", ["/", "/api/v1/breaches", "/nothing"])
async def test_the_console_answers_to_no_other_name(world, host, path):
    """Otherwise a page of a stranger, whose name is made to mean 127.0.0.1, reads all of it."""
    world.history.put(Belief(LIST).served(NOON))
    async with asking(world) as client:
        answer = await client.console(path, headers={"Host": host})

    assert answer.status == 403
    assert "team-b" not in answer.text


async def test_two_host_headers_or_none_are_no_name(world):
    async with asking(world) as client:
        for hosts in (b"", b"Host: localhost\r\nHost: evil.example\r\n"):
            raw = await raw_reply(client.served.console, b"GET /api/v1/status HTTP/1.1\r\n" + hosts + b"\r\n")

            assert raw.split(b" ")[1] in (b"400", b"403"), raw[:80]


async def test_the_page_is_served_and_holds_still_when_asked(world):
    world.history.put(Belief(LIST).served(NOON))
    async with asking(world) as client:
        page = await client.console("/")
        still = await client.console("/?still=1")

    assert (page.status, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert "BREACH" in page.text
    assert 'http-equiv="refresh"' in page.text
    assert 'http-equiv="refresh"' not in still.text


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /healthz?" + b"x" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 1_000 + b"\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
        b"nonsense\r\n\r\n",
    ],
)
async def test_what_is_too_much_or_makes_no_sense_is_refused_without_a_word_in_the_log(world, request_):
    async with asking(world) as client:
        reply = await raw_reply(client.served.listen, request_)

        assert reply == b"" or reply.split(b" ")[1].startswith(b"4"), reply[:80]
        assert (await client.listen("/healthz")).status == 200
        assert world.log.getvalue() == ""


async def test_a_body_without_end_is_not_read(world):
    async with asking(world) as client:
        reader, writer = await asyncio.open_connection(*client.served.listen)
        writer.write(b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n" + b"x" * 1000)
        async with asyncio.timeout(10):
            reply = await reader.read()  # to the end: the connection is closed
        writer.close()

    assert reply.startswith(b"HTTP/1.1 405")


async def test_who_opens_connections_without_end_keeps_nobody_out(world):
    async with asking(world) as client, contextlib.AsyncExitStack() as stack:
        idle = []
        for _ in range(4 * listener.MOST_CONNECTIONS):
            reader, writer = await asyncio.open_connection(*client.served.listen)
            stack.callback(writer.close)
            idle.append(reader)

        assert (await client.listen("/healthz")).status == 200
        async with asyncio.timeout(10):
            for reader in idle[: 3 * listener.MOST_CONNECTIONS]:
                with contextlib.suppress(ConnectionResetError):
                    assert await reader.read() == b""  # dropped, the oldest first
        assert not idle[-1].at_eof()


class Long:
    """More than what lies between two sockets."""

    SIZE = 32 * 1024 * 1024

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily("long", "Long.", labels=["text"])
        family.add_metric(["x" * self.SIZE], 1)
        yield family


async def test_who_asks_and_does_not_read_is_dropped_with_what_waits_for_them(world):
    world.registry.register(Long())
    async with asking(world) as client, contextlib.AsyncExitStack() as stack:
        reader, writer = await asyncio.open_connection(*client.served.listen)
        stack.callback(writer.close)
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        got = len(await reader.readexactly(1000))

        for _ in range(listener.MOST_CONNECTIONS):
            _, other = await asyncio.open_connection(*client.served.listen)
            stack.callback(other.close)
        assert (await client.listen("/healthz")).status == 200

        async with asyncio.timeout(20):
            with contextlib.suppress(ConnectionResetError):
                while part := await reader.read(1 << 20):
                    got += len(part)
        assert got < Long.SIZE


async def test_an_address_that_is_taken_is_said_with_the_name_of_its_setting(world):
    async with world.serve() as first:
        world.console = first.console

        with pytest.raises(OwnFault, match=rf"web\.console: cannot listen on {first.console}: .*in use"):
            async with world.serve():
                pass


async def test_what_was_served_is_gone_afterwards_and_can_be_served_again(world):
    async with asking(world) as client:
        await client.listen("/metrics")
        first = client.served

    with pytest.raises(OSError, match=str(first.console.port)):
        await asyncio.open_connection(*first.console)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("web")]
    world.console = first.console
    async with asking(world) as again:
        assert again.served.console == first.console
        assert (await again.console("/api/v1/status")).status == 200


async def test_closing_does_not_wait_for_who_only_keeps_a_connection(world):
    async with contextlib.AsyncExitStack() as stack:
        served = await stack.enter_async_context(world.serve())
        reader, writer = await asyncio.open_connection(*served.listen)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readuntil(b"ago\n")

        async with asyncio.timeout(5):
            await stack.aclose()
        writer.close()


def test_the_daemon_does_not_pay_for_the_page_before_somebody_looks():
    code = "import sys, sentinel.web.app; sys.exit(bool({'sentinel.web.pages', 'jinja2', 'markupsafe'} & set(sys.modules)))"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


async def raw_reply(at: Address, request: bytes) -> bytes:
    """What comes back to these bytes, at least its beginning; nothing where the connection is cut."""
    reader, writer = await asyncio.open_connection(*at)
    try:
        with contextlib.suppress(ConnectionError):
            writer.write(request)
            async with asyncio.timeout(10):
                return await reader.read(65_536)
    finally:
        writer.close()
    return b""
