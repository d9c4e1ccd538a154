"""What a question costs us, beside a bare request of the same bytes in the same run; and what it costs them.

In this process, so that its CPU is told apart from everything else: the daemon's own probe, book and sinks
on one connection to a real API server.
"""

import asyncio
import contextlib
import ssl
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import aiohttp
import uvloop
import yaml

from sentinel import logs
from sentinel.clients.clock import Clock
from sentinel.clients.kube import NO_DATA, USER_AGENT
from sentinel.core.agenda import Agenda
from sentinel.engine.book import Book
from sentinel.engine.round import RoundRunner
from sentinel.joins.world import World, plan_of
from sentinel.settings import Settings, load
from sentinel.settings.web import Web
from sentinel.sinks.history import History
from sentinel.sinks.log import LogSink
from sentinel.sinks.metrics import Metrics
from sentinel.web import app as web
from tests.bench.table import Row, spread
from tests.bench.town import Town, tenants_for, town
from tests.support.ports import free_port

TENANT = "team-1"
RUNS = 25
WARM_UP = 200  # requests
PATIENCE = 600.0  # seconds for a round: nothing may be left out
PACE = 0.5  # seconds between two rounds, of which the daemon has one every ten
SLOTS = 40
SCRAPES = 50


@dataclass(frozen=True)
class InProcess:
    """The daemon's parts without its scheduler: rounds begin when we say so."""

    settings: Settings
    runner: RoundRunner
    metrics: Metrics
    history: History

    async def ask_nothing(self) -> None:
        """One round of connection, controls and reviews alone."""
        await self.runner.run_agenda(Agenda((), (), (), (), ()), PATIENCE)

    async def ask_everything(self) -> int:
        """One round with every planned question; gives their number. Each must be asked, and held."""
        book = self.runner.book
        questions, start = book.plan.questions, self.runner.clock.wall()
        await self.runner.run_agenda(Agenda((), (), questions, (), ()), PATIENCE)
        held = [question for question in questions if (book.standings[question].last_proven or 0.0) >= start]
        if self.runner.ended or len(held) < len(questions):
            raise RuntimeError(f"{len(held)} of {len(questions)} questions were proven; {self.runner.ended}")
        return len(questions)


def measure() -> Iterator[Row]:
    """Questions and scrapes with 10 targets; scrapes with 100 as well."""
    yield from _with(10, _costs)
    yield from _with(100, _stalls)


def _with(targets: int, figures: Callable[[Town, InProcess], Coroutine[None, None, list[Row]]]) -> list[Row]:
    with (
        town(tenants_for(targets)) as here,
        one_sentinel(here) as sentinel,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        return runner.run(figures(here, sentinel))


@contextlib.contextmanager
def one_sentinel(here: Town) -> Iterator[InProcess]:
    with tempfile.TemporaryDirectory(prefix="sentinel-bench-") as name:
        folder = Path(name)
        (folder / "sentinel.yaml").write_text(yaml.safe_dump(here.config(TENANT)))
        (folder / "token").write_text(here.cluster.token_for(TENANT))
        (folder / "ca.crt").write_bytes(here.cluster.ca_file.read_bytes())
        (folder / "namespace").write_text(TENANT)
        yield assemble(here, folder)


def assemble(here: Town, folder: Path) -> InProcess:
    """As `daemon.py` does it."""
    environ = {
        "KUBERNETES_SERVICE_HOST": here.cluster.host,
        "KUBERNETES_SERVICE_PORT": str(here.cluster.port),
        "SENTINEL_SERVICE_ACCOUNT_DIR": str(folder),
    }
    settings = load(folder / "sentinel.yaml", environ)
    logs.configure("error", "json")
    clock, plan = Clock(), plan_of(settings)
    metrics, history = Metrics(), History(settings.tenant)
    metrics.expect(plan)
    world = World(settings, environ, clock)
    probe = world.probe(plan)
    book = Book(plan, clock.wall(), (metrics, LogSink(), history), expiry=lambda: world.expiry(probe))
    return InProcess(settings, RoundRunner(probe, book, clock), metrics, history)


async def _costs(here: Town, sentinel: InProcess) -> list[Row]:
    await sentinel.ask_everything()
    await _bare(here, WARM_UP)
    runs = [await _compare(here, sentinel) for _ in range(RUNS)]
    count = len(sentinel.runner.book.plan.questions)
    return [
        Row(
            "CPU of a question (ask, judge, record, metrics) to that of a bare aiohttp request",
            spread([run.question / run.bare for run in runs], 2),
            "≤ 1.6",
        ),
        Row(
            f"the same with its share of connection, controls and reviews, {count} questions a round",
            spread([run.round / count / run.bare for run in runs], 2),
        ),
        Row(
            "in µs: question, with its share, bare request",
            ", ".join(
                spread(values)
                for values in (
                    [run.question for run in runs],
                    [run.round / count for run in runs],
                    [run.bare for run in runs],
                )
            ),
        ),
        Row("questions per second, one connection, one core", spread([run.rate for run in runs])),
        Row("CPU of the API server per question, asked without pause", spread([run.server for run in runs], 0, "µs")),
        await _ordinary(here, sentinel),
        *await _stalls(here, sentinel),
    ]


class Run(NamedTuple):
    """CPU in µs. `round` is a whole one, `question` what each question adds to one without any."""

    bare: float
    question: float
    round: float
    rate: float
    server: float


async def _compare(here: Town, sentinel: InProcess) -> Run:
    """Side by side, so that what else the machine does meets both."""
    count = len(sentinel.runner.book.plan.questions)
    bare = await _bare(here, count)
    cpu = time.process_time()
    await sentinel.ask_nothing()
    empty = (time.process_time() - cpu) * 1e6
    cpu, start, theirs = time.process_time(), time.monotonic(), here.apiserver.cpu_seconds()
    await sentinel.ask_everything()
    whole = (time.process_time() - cpu) * 1e6
    return Run(
        bare * 1e6,
        (whole - empty) / count,
        whole,
        count / (time.monotonic() - start),
        (here.apiserver.cpu_seconds() - theirs) / count * 1e6,
    )


async def _bare(here: Town, count: int) -> float:
    """CPU seconds of one request with the same bytes, over one connection."""
    tls = ssl.create_default_context(cafile=str(here.cluster.ca_file))
    url = f"{here.cluster.url}/api/v1/namespaces/team-2/secrets?limit=1"
    headers = {
        "Authorization": f"Bearer {here.cluster.token_for(TENANT)}",
        "Accept": NO_DATA,
        "Accept-Encoding": "identity",
        "Audit-ID": "sentinel-0123456789ab-1234",
        "User-Agent": USER_AGENT,
    }
    connector = aiohttp.TCPConnector(limit=1, ssl=tls)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
        start = time.process_time()
        for _ in range(count):
            async with session.get(url) as reply:
                await reply.read()
        return (time.process_time() - start) / count


async def _ordinary(here: Town, sentinel: InProcess) -> Row:
    """Rounds as the daemon's slots would have them, faster, over what the API server does by itself."""
    targets = len(sentinel.runner.book.plan.scope.targets)
    idle = await _server_cpu(here, sentinel, rounds=False) / SLOTS
    busy = await _server_cpu(here, sentinel, rounds=True) / SLOTS
    cost = (busy - idle) * 1000
    return Row(
        f"CPU of the API server per ordinary round, {targets} targets",
        f"{cost:.1f} ms, {cost / targets:.2f} ms per target; by itself it takes {idle / PACE:.1%} of a core",
    )


async def _server_cpu(here: Town, sentinel: InProcess, *, rounds: bool) -> float:
    before, start = here.apiserver.cpu_seconds(), time.monotonic()
    for slot in range(SLOTS):
        if rounds:
            await sentinel.runner.run(slot)
        await asyncio.sleep(max(0.0, start + (slot + 1) * PACE - time.monotonic()))
    return here.apiserver.cpu_seconds() - before


async def _stalls(here: Town, sentinel: InProcess) -> list[Row]:
    """The loop's longest standstill while it is scraped, and in as long a time without."""
    await sentinel.ask_everything()
    where = Web.model_validate({key: f"127.0.0.1:{free_port()}" for key in ("listen", "console")})
    served = web.serve(
        where,
        registry=sentinel.metrics.registry,
        progress=lambda: (True, ""),
        ready=tuple,
        history=sentinel.history,
    )
    async with served as addresses:
        scraped, quiet, lines = await standstills(f"http://{addresses.listen}/metrics")
    added = statistics.median(scraped) - statistics.median(quiet)
    targets = len(sentinel.runner.book.plan.scope.targets)
    return [
        Row(
            f"standstill of the loop by a scrape of {lines} lines, {targets} targets",
            f"{added:.1f} ms: {spread(scraped, 1, 'ms')} in {SCRAPES} scrapes, {spread(quiet, 1, 'ms')} without",
            "≤ 5 ms",
        )
    ]


SCRAPER = """
import gzip, sys, time, urllib.request
for _ in range(int(sys.argv[2])):
    asked = urllib.request.Request(sys.argv[1], headers={"Accept-Encoding": "gzip"})
    start = time.monotonic()
    lines = gzip.decompress(urllib.request.urlopen(asked).read()).count(b"\\n")
    end = time.monotonic()
    time.sleep(0.02)
    quiet = time.monotonic()
    time.sleep(end - start)
    print(start, end, quiet, time.monotonic(), lines)
    time.sleep(0.02)
"""
"""As Prometheus asks. In a process of its own; the clock is the machine's."""


async def standstills(url: str) -> tuple[list[float], list[float], int]:
    """ms of the loop's longest standstill in each scrape, and in the pauses between; lines of a scrape."""
    words = (sys.executable, "-c", SCRAPER, url, str(SCRAPES))
    scraper = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
    output = asyncio.ensure_future(scraper.communicate())
    gaps: list[tuple[float, float]] = []
    last = time.monotonic()
    while not output.done():
        await asyncio.sleep(0)  # the loop always has something to do, so each wait is seen
        now = time.monotonic()
        gaps.append((last, now))
        last = now
    rows = [[float(word) for word in row.split()] for row in output.result()[0].decode().splitlines()]
    scraped = [_longest(gaps, start, end) for start, end, *_ in rows]
    quiet = [_longest(gaps, start, end) for _, _, start, end, _ in rows]
    return scraped, quiet, int(rows[-1][-1])


def _longest(gaps: list[tuple[float, float]], start: float, end: float) -> float:
    return max(1000 * (until - since) for since, until in gaps if until > start and since < end)
