"""What only a process has: signals, a start into nothing, a far side that goes mad, and what it shows of itself."""

import asyncio
import http.client
import itertools
import re
import signal
import ssl
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import aiohttp
import pytest
import uvloop
import yaml
from prometheus_client import CollectorRegistry

from sentinel.clients.clock import Clock
from sentinel.clients.kube import Connection, Request
from sentinel.engine.scheduler import Scheduler
from sentinel.settings.web import Web
from sentinel.settings.words import Address
from sentinel.sinks.history import History
from sentinel.web import app
from tests.cluster.ground import Ground
from tests.cluster.town import SETTLED, proves_everything, resident
from tests.deploy import chart
from tests.support import manifests, proxy
from tests.support.eventually import eventually
from tests.support.ports import free_port
from tests.support.sentinels import Sentinel
from tests.support.webhook import Webhook

TENANTS = ("team-a", "team-b")
EVERY = 1.0
READS = manifests.rule(["get", "list"], ["secrets"])
HOLE = manifests.grant("team-b", "hole", manifests.of_account("team-a"), READS)
OPEN = {"check": "api/secrets", "identity": "self", "target": "team-b"}
IN_TEAM_B = "/namespaces/team-b/secrets"


def rendered(tenants: tuple[str, ...] = TENANTS, **config: object) -> list[chart.Object]:
    """Rounds of a second; every question within six."""
    isolation = {"within": "60s", "sweep": "60s", "qps": 5000}
    named = [{"name": name, "namespaces": [name]} for name in tenants]
    values = {"tenants": named, "timeScale": 0.1, "monitor": {"enabled": False}}
    return chart.render(chart.values() | values | {"config": {"isolation": isolation} | config})


def story(daemon: Sentinel) -> str:
    return f"{daemon.get('/readyz')} {daemon.process.log_tail(12)}"


def settle(daemon: Sentinel) -> None:
    eventually(lambda: proves_everything(daemon), SETTLED, lambda: story(daemon))


@pytest.fixture
def installed(ground: Ground) -> Iterator[Ground]:
    ground.install()
    yield ground
    ground.front.fault = proxy.passes
    ground.front.drop_connections()


@pytest.fixture
def daemon(installed: Ground) -> Iterator[Sentinel]:
    """team-a's, behind the front, with everything proven."""
    with resident(installed.cluster, rendered(), "team-a", installed.front) as started:
        settle(started)
        yield started


@pytest.fixture
def hole(installed: Ground) -> Iterator[None]:
    installed.cluster.admin.apply(*HOLE)
    yield
    installed.cluster.admin.delete(*HOLE)


def breach_since(daemon: Sentinel) -> float:
    return max(daemon.metrics().all("sentinel_breach_since_timestamp_seconds", **OPEN).values(), default=0.0)


def test_sigterm_ends_it_within_5_seconds_and_resolves_nothing(installed: Ground, hole: None) -> None:
    with Webhook() as pager, resident(installed.cluster, rendered(), "team-a") as daemon:
        daemon.kill()
        content = yaml.safe_load(daemon.config_file.read_text())
        content["paging"]["direct"] = [pager.url.removesuffix("/page")]
        daemon.config_file.write_text(yaml.safe_dump(content))
        daemon.start()
        eventually(lambda: breach_since(daemon), SETTLED, lambda: story(daemon))
        pager.wait_for(lambda found: found.body, SETTLED)

        took = daemon.stop()
        code, events = daemon.process.exit_code, [line["event"] for line in daemon.log_lines()]
        pushed = [(found.wall, alert) for found in pager.deliveries for alert in found.body]

    assert took < 5
    assert code == 0
    assert pushed
    assert all(ends(alert) > at for at, alert in pushed)
    assert events[-1] == "sentinel.stopped"
    assert "breach.opened" in events
    assert not {"breach.closed", "breach.forgotten"} & set(events)


def ends(alert: dict[str, str]) -> float:
    return datetime.fromisoformat(alert["endsAt"]).timestamp()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_as_soon_while_the_api_server_says_nothing(daemon: Sentinel, installed: Ground, number) -> None:
    installed.front.fault = proxy.silent()
    installed.front.clear()
    eventually(lambda: installed.front.requests, SETTLED)

    started = time.monotonic()
    daemon.process.send(number)

    assert daemon.process.wait(5) == 0, story(daemon)
    assert time.monotonic() - started < 5


def test_a_process_that_was_stopped_catches_up_and_counts_what_it_missed(daemon: Sentinel) -> None:
    before = daemon.metrics()
    missed = {"check": "api/secrets", "reason": "late"}

    daemon.process.pause()
    begin = time.monotonic()
    # The fault is the passing of time.
    eventually(lambda: time.monotonic() - begin > 8 * EVERY, SETTLED)
    daemon.process.resume()

    eventually(
        lambda: (
            daemon.metrics().value("sentinel_attempts_skipped_total", **missed)
            >= before.value("sentinel_attempts_skipped_total", **missed) + 6
        ),
        SETTLED,
    )
    settle(daemon)
    assert daemon.get("/healthz")[0] == 200
    assert daemon.metrics().sum("sentinel_breaches_total") == 0
    assert not daemon.log_lines(event="round.failed")


def test_it_starts_without_an_api_server_says_so_and_takes_it_when_it_comes(installed: Ground) -> None:
    cluster = installed.cluster
    cluster_made = resident(cluster, rendered(), "team-a")
    cluster.kill_apiserver()
    try:
        with cluster_made as daemon:
            daemon.wait_up()
            eventually(lambda: last_round(daemon) > 0, SETTLED, lambda: story(daemon))
            status, text = daemon.get("/readyz")
            seen = daemon.metrics()
            health = daemon.get("/healthz")[0]
            eventually(lambda: daemon.log_lines(event="sentinel.not_ready"), SETTLED)

            cluster.start_apiserver()
            settle(daemon)
            lines = daemon.log_lines()
    finally:
        if not is_there(installed):
            cluster.start_apiserver()

    assert (status, health) == (503, 200)
    assert '"not ready"' in text
    assert "ready of self: readyz:" in text
    assert seen.value("sentinel_gate_up", gate="ready", identity="self") == 0
    assert seen.sum("sentinel_denials_total") == 0
    assert seen.value("sentinel_coverage_ratio") == 0
    assert not seen.all("sentinel_breach_since_timestamp_seconds")
    (missing,) = [line for line in lines if line["event"] == "sentinel.not_ready"][:1]
    assert any("readyz" in reason for reason in missing["reasons"])
    assert [line["event"] for line in lines].count("sentinel.started") == 1
    assert "sentinel.ready" in [line["event"] for line in lines]


def is_there(ground: Ground) -> bool:
    try:
        return ground.cluster.is_ready()
    except OSError:
        return False


def forbidden(daemon: Sentinel) -> float:
    return daemon.metrics().sum("sentinel_responses_total", code="403")


def last_round(daemon: Sentinel) -> float:
    return daemon.metrics().value("sentinel_round_timestamp_seconds")


def test_a_cluster_without_the_chart_is_said_to_lack_it_and_proven_once_it_is_there(installed: Ground) -> None:
    admin, tenants = installed.cluster.admin, (*TENANTS, "team-bare")
    objects = rendered(tenants)
    admin.apply(manifests.namespace("team-bare"), manifests.account("team-bare"))
    try:
        with resident(installed.cluster, objects, "team-bare") as daemon:
            daemon.wait_up()
            # Denied, all of it, and none of it counts.
            eventually(lambda: forbidden(daemon) > 0, SETTLED, lambda: story(daemon))
            status, text = daemon.get("/readyz")
            bare = daemon.metrics()
            denials = bare.sum("sentinel_denials_total")

            admin.apply(*objects)
            settle(daemon)
            whole = daemon.metrics()
            lines = daemon.log_lines()
    finally:
        installed.install()
        admin.delete(manifests.namespace("team-bare"))

    assert status == 503
    assert "canary of self: own beacon: denied" in text
    assert "decoy of self: open decoy: denied" in text
    for gate, up in {"canary": 0, "decoy": 0, "door": 0, "ready": 1, "token": 1, "whoami": 1}.items():
        assert bare.value("sentinel_gate_up", gate=gate, identity="self") == up, gate
    assert (denials, bare.sum("sentinel_verdicts_total", verdict="held")) == (0, 0)
    assert {line["gate"] for line in lines if line["event"] == "gate.red"} >= {"canary", "decoy", "door"}
    assert set(whole.all("sentinel_gate_up").values()) == {1.0}
    assert whole.sum("sentinel_breaches_total") == 0


def endless_headers() -> Iterator[bytes]:
    yield b"HTTP/1.1 403 Forbidden\r\n"
    yield from (b"X-%d: %s\r\n" % (number, b"a" * 2000) for number in itertools.count())


def endless_body() -> Iterator[bytes]:
    yield b"HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\n\r\n"
    yield from itertools.repeat(b"a" * 65536)


ANSI = b'{"kind":"Status","code":403,"message":"\x1b[31mred \\u001b[2J \\u202e Bearer eyJhbGciOiJub25lIn0.e30.x"}'

HOSTILE = {
    "endless headers": endless_headers,
    "an endless body": endless_body,
    "no HTTP": lambda: [b"SSH-2.0-OpenSSH_9.9\r\n\r\n"],
    "broken JSON": lambda: [b'HTTP/1.1 403 Forbidden\r\nContent-Length: 9\r\n\r\n{"a":[[[['],
    "a lying length": lambda: [b"HTTP/1.1 403 Forbidden\r\nContent-Length: 99999999999\r\n\r\n{}"],
    "a negative length": lambda: [b"HTTP/1.1 403 Forbidden\r\nContent-Length: -1\r\n\r\n{}"],
    "colours": lambda: [b"HTTP/1.1 403 \x1b[31mNo\r\nContent-Length: %d\r\n\r\n%s" % (len(ANSI), ANSI)],
    "a code that is none": lambda: [b"HTTP/1.1 999999 ?\r\n\r\n"],
    "nothing": list,
}


def test_whatever_is_answered_to_a_question_the_daemon_goes_on_and_says_that_it_proves_nothing(
    daemon: Sentinel, installed: Ground
) -> None:
    size = daemon.process.resident_mib()
    told = []

    for name, pieces in HOSTILE.items():
        installed.front.clear()
        installed.front.fault = proxy.only(IN_TEAM_B, hostile(pieces))
        rounds = last_round(daemon)
        eventually(lambda: seen_twice(installed), SETTLED, lambda: f"{name}: {story(daemon)}")  # noqa: B023
        eventually(lambda: last_round(daemon) > rounds, SETTLED, lambda: story(daemon))  # noqa: B023
        seen = daemon.metrics()
        told.append((name, seen.sum("sentinel_inconclusive", target="team-b"), daemon.get("/healthz")[0]))
    grown = daemon.process.resident_mib() - size
    installed.front.fault = proxy.passes
    settle(daemon)
    log = daemon.process.log.read_bytes()

    assert [row for row in told if row[1] == 0 or row[2] != 200] == []
    assert grown < 30, f"{grown:.0f} MiB more"
    assert daemon.metrics().sum("sentinel_breaches_total") == 0
    assert not daemon.log_lines(event="round.failed")
    assert not re.search(rb"[\x00-\x09\x0b-\x1f\x7f-\xff]", log)
    assert b"eyJhbGciOiJub25lIn0" not in log
    assert max(map(len, log.splitlines())) < 8192


def test_a_question_that_fails_does_not_hurt_the_others(daemon: Sentinel, installed: Ground) -> None:
    """As long as the connection is the same: nonsense is the answer to one question only."""

    def held(check: str) -> float:
        return daemon.metrics().value("sentinel_denials_total", check=check, identity="self", code="403")

    installed.front.fault = proxy.only(IN_TEAM_B, proxy.answers(403, b'{"a":[[[['))
    broken = {"target": "team-b", "reason": "broken"}
    eventually(lambda: daemon.metrics().value("sentinel_inconclusive", **broken) == 1, SETTLED, lambda: story(daemon))
    before = {check: held(check) for check in ("api/workloads", "api/access", "api/configmaps")}

    eventually(lambda: all(held(check) > count for check, count in before.items()), SETTLED, lambda: story(daemon))
    assert daemon.metrics().value("sentinel_inconclusive", target="kube-system", reason="broken") == 0
    assert daemon.is_ready()


def hostile(pieces) -> proxy.Fault:
    """These bytes anew for every request."""

    def fault(request: proxy.Request, forward: proxy.Forward) -> proxy.Answer:
        return proxy.sends(pieces())(request, forward)

    return fault


def seen_twice(ground: Ground) -> bool:
    return len([request for request in ground.front.requests if IN_TEAM_B in request.path]) >= 2


@pytest.mark.parametrize("last", [b"", b"Connection: close\r\n"], ids=["kept", "to be closed"])
@pytest.mark.parametrize("length", [b"", b"Content-Length: 2\r\n"], ids=["no length", "a length that lies"])
def test_a_reply_without_an_end_is_cut_off_at_once(installed: Ground, length: bytes, last: bytes) -> None:
    """Else TLS reads on until the farewell comes, on uvloop for half a minute at full speed."""
    cut = threading.Event()

    def pieces() -> Iterator[bytes]:
        try:
            yield b"HTTP/1.1 500 Oops\r\n" + length + last + b"\r\n"
            yield from itertools.repeat(b"a" * 65536)
        finally:
            cut.set()

    installed.front.fault = hostile(pieces)
    tls = ssl.create_default_context(cafile=str(installed.cluster.ca_file))

    async def asked() -> bool:
        async with Connection(installed.front.url, tls, 2.0, Clock()) as line:
            await line.ask(Request("GET", "/readyz", "t"))
            return await asyncio.to_thread(cut.wait, 5)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(asked())


class Still(Clock):
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def wall(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now


async def test_healthz_says_503_once_the_scheduler_has_stalled_and_200_when_it_goes_on() -> None:
    clock, go_on, ended = Still(), asyncio.Event(), asyncio.Event()
    where = Web(listen=Address("127.0.0.1", free_port()), console=Address("127.0.0.1", free_port()))

    async def stuck(_: int) -> None:
        await go_on.wait()
        go_on.clear()
        ended.set()

    def nothing(*_: object) -> None:
        pass

    rounds = Scheduler(stuck, lambda: 10.0, 0.0, clock, nothing, nothing, nothing)
    served = app.serve(
        where, registry=CollectorRegistry(), progress=rounds.progress, ready=lambda: (), history=History("team-a")
    )
    async with served, aiohttp.ClientSession() as session:
        running = asyncio.create_task(rounds.run())
        answers = []

        async def look() -> None:
            async with session.get(f"http://{where.listen}/healthz") as reply:
                answers.append((reply.status, await reply.text()))

        await look()
        clock.now += 59.9
        await look()
        clock.now += 0.2
        await look()
        go_on.set()
        await ended.wait()
        await asyncio.sleep(0)
        await look()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    assert [status for status, _ in answers] == [200, 200, 503, 200]
    assert answers[2][1] == "stalled: last round completed 60.1 s ago\n"


def asked_as(address: str, path: str, *hosts: str) -> tuple[int, str]:
    """A GET with these Host headers."""
    connection = http.client.HTTPConnection(address, timeout=10)
    try:
        connection.putrequest("GET", path, skip_host=True)
        for host in hosts:
            connection.putheader("Host", host)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def test_the_console_answers_to_loopback_names_only_and_the_metrics_to_any(daemon: Sentinel) -> None:
    console, listen = daemon.console_address, daemon.address
    port = console.rpartition(":")[2]
    paths = ("/", "/api/v1/status", "/api/v1/breaches", "/api/v1/records")
    strange = ("evil.example", f"evil.example:{port}", "127.0.0.1.evil.example", "localhost.", f"10.0.0.1:{port}", "")

    for path in paths:
        assert asked_as(console, path, f"localhost:{port}")[0] == 200
        for host in strange:
            status, text = asked_as(console, path, host)
            assert status in (400, 403), (path, host)
            assert "team-b" not in text
    assert asked_as(console, "/api/v1/status", f"127.0.0.1:{port}", "evil.example")[0] in (400, 403)
    # Prometheus and the kubelet call it by the pod's address.
    for path in ("/metrics", "/healthz", "/readyz"):
        assert asked_as(listen, path, "10.1.2.3:8080")[0] == 200
    # And what is for the console is not served to the cluster.
    for path in paths:
        assert asked_as(listen, path, f"localhost:{port}")[0] == 404


LISTEN = "0A"  # TCP_LISTEN, as /proc writes it
LOOPBACK = "0100007F"


def listeners(pid: int) -> set[str]:
    """Where this process listens, as hexadecimal address:port; TCP of both families, UDP as well."""
    found = set()
    sockets = {str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()}
    for table in ("tcp", "tcp6", "udp", "udp6"):
        rows = [line.split() for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]]
        for row in rows:
            bound = row[3] == LISTEN or (table.startswith("udp") and row[2].endswith(":0000"))
            if bound and f"socket:[{row[9]}]" in sockets:
                found.add(row[1])
    return found


def test_it_listens_on_its_two_addresses_and_nowhere_else(daemon: Sentinel) -> None:
    expected = {
        f"{LOOPBACK}:{int(address.rpartition(':')[2]):04X}" for address in (daemon.address, daemon.console_address)
    }

    assert listeners(daemon.process.pid) == expected


def test_the_console_of_the_shipped_configuration_is_on_loopback(ground: Ground) -> None:
    text = chart.configuration(rendered(), "team-a")

    assert "console" not in text
    assert Web().console.host == "127.0.0.1"


def test_no_token_is_in_anything_it_says(installed: Ground, hole: None) -> None:
    """At the loudest, with a breach, with every kind of trouble, on every page it has."""
    front = installed.front
    objects = rendered(log={"level": "debug"})
    stray = installed.cluster.token_for("team-a", "other")
    with resident(installed.cluster, objects, "team-a", front) as daemon:
        token = daemon.token_file.read_text()
        eventually(lambda: breach_since(daemon), SETTLED, lambda: story(daemon))
        said = pages(daemon)
        # A server that says to everybody what it was told.
        front.fault = echo
        eventually(lambda: not daemon.is_ready(), SETTLED)
        said += pages(daemon)
        front.fault = proxy.passes
        daemon.write_token(stray)
        eventually(
            lambda: daemon.metrics().value("sentinel_wrong_identity", identity="self") == 1,
            SETTLED,
            lambda: story(daemon),
        )
        said += pages(daemon)
        daemon.write_token(f"{token} {token}")
        eventually(lambda: "characters that no token has" in daemon.get("/readyz")[1], SETTLED)
        said += pages(daemon)
        daemon.stop()
        said.append(daemon.process.log.read_text(errors="replace"))

    assert len(said[-1]) > 10_000
    assert "breach.opened" in said[-1]
    for secret in (token, stray):
        for part in (secret, *secret.split(".")[1:]):
            assert not [text for text in said if part[:40] in text]
    assert not [text for text in said if "eyJ" in text]


def echo(request: proxy.Request, forward: proxy.Forward) -> proxy.Answer:
    """What was sent, in every place where a reply has room for it."""
    sent = dict(request.headers).get("Authorization", "")
    headers = [
        ("Content-Type", "application/json"),
        ("X-Echo", sent),
        ("Audit-Id", sent),
        ("Warning", f'299 - "{sent}"'),
    ]
    body = b'{"kind":"Status","reason":"Forbidden","code":403,"message":"%s"}' % sent.encode()
    return proxy.Answer(403, headers, body)


def pages(daemon: Sentinel) -> list[str]:
    """Everything it serves."""
    own = [daemon.get(path)[1] for path in ("/metrics", "/healthz", "/readyz", "/none")]
    host = f"localhost:{daemon.console_address.rpartition(':')[2]}"
    paths = ("/?still=1", "/api/v1/status", "/api/v1/breaches", "/api/v1/records?limit=1000", "/api/v1/none")
    return own + [asked_as(daemon.console_address, path, host)[1] for path in paths]
