"""What a question to a gateway costs, beside a bare request of the same stream; and fifty gateways at once.

    this process: bare request, protocol, handshake, CompletionProbe, Driver  --TLS-->  tests.bench.tokens: 60 tokens

In this process, so that its CPU is told apart from the gateway's. Each question has a connection of its own.
"""

import asyncio
import gc
import secrets
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self, TypeVar

import aiohttp
import uvloop
import yaml
from prometheus_client import CollectorRegistry

from sentinel import logs
from sentinel.clients.clock import Clock
from sentinel.clients.completions import Completions, trust
from sentinel.core.gateway import canary
from sentinel.core.gateway.canary import Canary
from sentinel.core.gateway.completion import Deadlines, Heard
from sentinel.core.gateway.dialect import Dialect
from sentinel.core.gateway.outcome import Expected, judge
from sentinel.core.gateway.provider import PRESETS, Provider
from sentinel.core.page import WITNESS
from sentinel.engine import tasks
from sentinel.engine.disturbance import Disturbances
from sentinel.engine.gateway import Asks, Driver
from sentinel.joins import gateways
from sentinel.joins.gateways import All, Asker
from sentinel.probes.completion import CompletionProbe
from sentinel.settings import load
from sentinel.sinks.gateway_log import GatewayLog
from sentinel.sinks.gateway_metrics import GatewayMetrics
from tests.bench.table import Row, spread
from tests.bench.tokens import TOKENS
from tests.support.authority import Authority

T = TypeVar("T")

RUNS = 7
QUESTIONS = 6  # in a row, for each way of asking, in each run
APART, LIKE_A_MODEL, NEVER = 0.01, 0.02, 1000.0  # seconds between two tokens
GATEWAYS, EVERY = 50, 2.0
SETTLED, WATCHED = 10.0, 60.0
OPEN = 300
EXPECTED = Expected("primary", (Provider("primary"),), PRESETS["litellm"])


def measure() -> Iterator[Row]:
    """One question alone, then fifty gateways, then streams that stand still."""
    logs.configure("error", "json")
    with Stub(APART) as stub:
        yield from _run(_compared(stub, f"each in a packet of its own, {APART * 1000:.0f} ms apart"))
    with Stub(0.0) as stub:
        yield from _run(_compared(stub, "as fast as they come"))
    with Stub(NEVER) as stub:
        yield _run(_open(stub))
    with Stub(LIKE_A_MODEL) as stub:
        yield from _run(_fifty(stub))


def _run(what: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:  # as the daemon runs
        return runner.run(what)


class Stub:
    """The gateway, in a process of its own while the `with` block lasts."""

    def __init__(self, pause: float) -> None:
        """`pause`: seconds between two tokens."""
        self.pause = pause

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="sentinel-bench-")
        self.ca_file = Authority(Path(self._folder.name)).ca_file
        command = [sys.executable, "-m", "tests.bench.tokens", self._folder.name, str(self.pause)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        self.url = f"https://127.0.0.1:{self.port}/v1/chat/completions"
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()
        self._folder.cleanup()


def nonce() -> str:
    return canary.tag(WITNESS) + secrets.token_hex(canary.CHANCE_LENGTH // 2)


def request() -> dict[str, str]:
    return {"X-Request-Id": f"tenant-sentinel-{nonce()}", "Content-Type": "application/json"}


# One question, and what it is compared with.

Ask = Callable[[], Awaitable[None]]


async def _compared(stub: Stub, how: str) -> list[Row]:
    tls = ssl.create_default_context(cafile=str(stub.ca_file))
    probe = _probe(stub)
    connector = aiohttp.TCPConnector(ssl=tls, force_close=True)
    async with aiohttp.ClientSession(connector=connector) as session:
        ways: dict[str, Ask] = {
            "ours": lambda: _ours(probe),
            "bare": lambda: _bare(session, stub),
            "protocol": lambda: _counted(stub, tls),
            "handshake": lambda: _shaken(stub, tls),
        }
        for way in ways.values():
            await way()
        # Side by side, so that what else the machine does meets all.
        runs = [{name: await _cost(way) for name, way in ways.items()} for _ in range(RUNS)]
    figures = ", ".join(spread([run[name] * 1000 for run in runs], 1) for name in ways)
    return [
        Row(
            f"CPU of a question to a gateway ({TOKENS} tokens, {how}; TLS, a new connection each), judged, "
            "to that of a bare aiohttp request",
            spread([run["ours"] / run["bare"] for run in runs], 2),
        ),
        Row(
            "in ms: question, bare request, a protocol that only counts the packets, a TLS handshake alone",
            figures,
            "≤ 1.5",
        ),
    ]


async def _cost(ask: Ask) -> float:
    """CPU seconds of one question."""
    start = time.process_time()
    for _ in range(QUESTIONS):
        await ask()
    return (time.process_time() - start) / QUESTIONS


def _probe(stub: Stub, deadlines: Deadlines | None = None) -> CompletionProbe:
    completions = Completions(trust(stub.ca_file))
    return CompletionProbe(
        stub.url, Dialect.OPENAI_CHAT, "chat", completions, Clock(), deadlines=deadlines or Deadlines()
    )


async def _ours(probe: CompletionProbe) -> None:
    asked = Canary(nonce())
    heard = await probe.ask(asked, stream=True)
    judged = judge(heard, asked, EXPECTED)
    if not judged.good or heard.transcript.tokens != TOKENS:
        raise RuntimeError(f"no good answer: {judged}")


async def _bare(session: aiohttp.ClientSession, stub: Stub) -> None:
    async with session.post(stub.url, data=b"{}", headers=request()) as reply:
        async for _ in reply.content.iter_any():
            pass


class Counting(asyncio.Protocol):
    """The least that can be done with a stream."""

    def __init__(self) -> None:
        self.packets = 0
        self.ended = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        self.packets += 1

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.set_result(None)


async def _counted(stub: Stub, tls: ssl.SSLContext) -> None:
    transport, protocol = await asyncio.get_running_loop().create_connection(Counting, "127.0.0.1", stub.port, ssl=tls)
    lines = "\r\n".join(f"{name}: {value}" for name, value in request().items())
    transport.write(f"POST / HTTP/1.1\r\n{lines}\r\nContent-Length: 0\r\n\r\n".encode())
    await protocol.ended


async def _shaken(stub: Stub, tls: ssl.SSLContext) -> None:
    transport, _ = await asyncio.get_running_loop().create_connection(Counting, "127.0.0.1", stub.port, ssl=tls)
    transport.abort()


# Streams that stand still.


async def _open(stub: Stub) -> Row:
    probe = _probe(stub, Deadlines(connect=60.0, first_token=NEVER, total=NEVER))
    begun = 0

    async def one() -> None:
        nonlocal begun
        waiting = asyncio.ensure_future(probe.ask(Canary(nonce()), stream=True))
        begun += 1
        await waiting

    first = [asyncio.create_task(one()) for _ in range(20)]
    await asyncio.sleep(2)
    before = _resident()
    more = [asyncio.create_task(one()) for _ in range(OPEN)]
    await asyncio.sleep(10)
    grown = _resident() - before
    for task in (*first, *more):
        task.cancel()
    await asyncio.gather(*first, *more, return_exceptions=True)
    return Row("memory of a stream that is open", f"{grown / OPEN / 1024:.0f} KiB ({OPEN} at once)")


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


# Fifty gateways.


@dataclass
class Timed:
    """Asks, and notes how much later than the gateway sent it we saw the first token."""

    asks: Asks
    errors: list[float] = field(default_factory=list)

    async def ask(self, canary: Canary, *, stream: bool, on_token: Callable[[], None]) -> Heard:
        heard = await self.asks.ask(canary, stream=stream, on_token=on_token)
        seen, sent = heard.transcript.first_token, heard.transcript.last.get("first")
        if seen is not None and sent is not None:
            self.errors.append(seen - float(sent))
        return heard


async def _fifty(stub: Stub) -> list[Row]:
    errors: list[float] = []
    drivers, metrics = _drivers(stub, errors)
    async with tasks.running() as start:
        for driver in drivers:
            metrics.expect(driver.plan.name, ["primary"], [], driver.stand)
            start(driver.plan.name, driver.run)
        start("disturbances", drivers[0].disturbances.watch)
        await asyncio.sleep(SETTLED)
        gc.collect()
        gc.freeze()  # as the daemon does
        errors.clear()
        cpu, began = time.process_time(), time.monotonic()
        await asyncio.sleep(WATCHED)
        took = time.monotonic() - began
        share = (time.process_time() - cpu) / took
    late = [1000 * error for error in errors]
    what = f"{GATEWAYS} gateways every {EVERY:.0f} s, tokens {LIKE_A_MODEL * 1000:.0f} ms apart"
    each = share * took / len(errors) * 1000
    return [
        Row(f"{what}: CPU, with metrics and log", f"{share:.1%} of a core, {each:.1f} ms a question", "≤ 15 %"),
        Row(
            "the same: first token, noticed after it was sent, by the machine's clock",
            f"median {statistics.median(late):.2f} ms, 99 % within {statistics.quantiles(late, n=100)[98]:.1f} ms, "
            f"max {max(late):.1f} ms ({len(late)} questions)",
            "≤ 2 ms at the median",
        ),
    ]


def _drivers(stub: Stub, errors: list[float]) -> tuple[list[Driver], GatewayMetrics]:
    settings = load(_config(stub), {})
    clock, asker = Clock(), Asker(WITNESS, fast=True)
    ways = {None: gateways.Way(Completions(None, clock)), stub.ca_file: gateways.Way(Completions(trust(stub.ca_file)))}
    metrics, disturbances = GatewayMetrics(CollectorRegistry()), Disturbances(clock)
    places = All((metrics, GatewayLog()))
    plans = [gateways.plan_of(gateway, asker, ways, clock) for gateway in settings.gateways]
    timed = [replace(plan, asks=Timed(plan.asks, errors)) for plan in plans]
    return [Driver(plan, clock, nonce, places, disturbances) for plan in timed], metrics


def _config(stub: Stub) -> Path:
    rows = [
        {
            "name": f"gateway-{number}",
            "url": stub.url,
            "preset": "litellm",
            "model": "chat",
            "ca": str(stub.ca_file),
            "providers": [{"name": "primary"}],
            "baseline": f"{EVERY:.0f}s",
            "burst": f"{EVERY:.0f}s",  # else a busy machine has more to do by our own doing
            "streamed": 1.0,
        }
        for number in range(GATEWAYS)
    ]
    tenants = [{"name": "team-a", "namespaces": ["team-a"]}]
    path = stub.ca_file.parent / "sentinel.yaml"
    path.write_text(yaml.safe_dump({"cluster": "c", "tenant": "team-a", "tenants": tenants, "gateways": rows}))
    return path
