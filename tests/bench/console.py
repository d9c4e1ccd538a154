"""What looking at the console costs, and how soon a breach is on somebody's screen."""

import asyncio
import contextlib
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

from prometheus_client import CollectorRegistry

from sentinel.settings.web import Web
from sentinel.settings.words import Address
from sentinel.sinks.history import History
from sentinel.web import app
from tests.bench.table import Row, spread
from tests.support.breaches import LIST, Belief
from tests.support.eventually import eventually_async
from tests.support.eyes import chromium, looking
from tests.support.wide import wide

TARGETS = (10, 100, 1000)
TIMES = 15
LOOKERS = 16
MEMORY_TARGETS = 100
STORM_SECONDS = 20.0


def measure() -> Iterator[Row]:
    yield from map(_rendered, TARGETS)
    yield _memory()
    yield asyncio.run(_latency())


def _rendered(targets: int) -> Row:
    """CPU of the thread that makes the page; what other processes take of the machine is no part of it."""
    from sentinel.web import pages

    kept, took, size = wide(targets, opened=3, blind=3), [], 0
    for number in range(TIMES + 1):
        start = time.thread_time()
        size = len(pages.page(kept.snapshot(), time.time()))
        if number:  # the first one compiles the templates
            took.append(1000 * (time.thread_time() - start))
    questions = len(kept.snapshot().latest)
    figure = f"status page of {targets} targets ({questions} questions): CPU to make it, size"
    return Row(figure, f"{spread(took, 1, 'ms')}, {size // 1024} KiB", "< 100 ms" if targets == max(TARGETS) else "")


@contextlib.asynccontextmanager
async def _served(kept: History) -> AsyncIterator[Address]:
    anywhere = Address("127.0.0.1", 0)
    where = Web.model_construct(listen=anywhere, console=anywhere, readyz_always_200=False)
    registry = CollectorRegistry()
    served = app.serve(where, registry=registry, progress=lambda: (True, ""), ready=tuple, history=kept)
    async with served as addresses:
        yield addresses.console


async def _latency() -> Row:
    """From the record in the sink to the title of a tab in Chromium, and every other tab is that quick."""
    kept, took = wide(MEMORY_TARGETS, now=time.time()), []
    async with (
        _served(kept) as console,
        chromium() as browser,
        looking(browser, f"http://{console}/") as page,
    ):
        await eventually_async(lambda: page.evaluate("document.getElementById('live').innerText === 'Live'"))
        for number in range(TIMES):
            belief = Belief(replace(LIST, target=f"team-{number:04}x"))
            script = "name => new Promise(done => { const look = () => document.body.innerText.includes(name)"
            seen = asyncio.ensure_future(
                page.evaluate(f"{script} ? done() : setTimeout(look, 5); look(); }})", f"team-{number:04}x, asked")
            )
            await asyncio.sleep(0.7 + 0.037 * number)  # at all phases of a look
            start = time.monotonic()
            kept.put(belief.served(time.time()))
            await seen
            took.append(1000 * (time.monotonic() - start))
    figures = f"median {statistics.median(took):.0f} ms, max {max(took):.0f} ms, n {len(took)}"
    return Row(f"breach seen to breach on the screen of an open page, {MEMORY_TARGETS} targets", figures, "≤ 1 s")


def _memory() -> Row:
    """RSS of a process of its own, which serves a history that turns ten times a second."""
    with subprocess.Popen(
        [sys.executable, "-c", "import asyncio; from tests.bench import console; asyncio.run(console.child())"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        url = process.stdout.readline().strip()

        def rss() -> float:
            assert process.stdin is not None and process.stdout is not None
            print(file=process.stdin, flush=True)
            return float(process.stdout.readline())

        before = rss()
        _get(url)
        looked = rss()
        with contextlib.ExitStack() as stack:
            for _ in range(LOOKERS):
                stack.enter_context(urllib.request.urlopen(f"{url}events", timeout=30))
            until = time.monotonic() + STORM_SECONDS
            while time.monotonic() < until:
                _get(url)
                time.sleep(0.5)
            live = rss()
        process.stdin.close()
    figures = f"{before:.1f} MiB before anybody looked, {looked:.1f} after, {live:.1f} with {LOOKERS} streams for"
    return Row(f"memory of a console of {MEMORY_TARGETS} targets (RSS)", f"{figures} {STORM_SECONDS:.0f} s")


def _get(url: str) -> None:
    with urllib.request.urlopen(url, timeout=30) as reply:
        reply.read()


async def child() -> None:
    """Serves until nobody asks any more; a line with its own memory for each one it reads."""
    kept = wide(MEMORY_TARGETS, now=time.time())
    async with _served(kept) as console:
        print(f"http://{console}/", flush=True)
        turning = asyncio.create_task(_turn(kept))
        while await asyncio.to_thread(sys.stdin.readline):
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            print(pages * 4096 / 2**20, flush=True)
        turning.cancel()
        await asyncio.gather(turning, return_exceptions=True)


async def _turn(kept: History) -> None:
    belief = Belief(replace(LIST, target="team-turns"))
    while True:
        await asyncio.sleep(0.1)
        kept.put(belief.held(time.time()))
        await asyncio.sleep(0.1)
        kept.put(belief.blind(time.time()))
