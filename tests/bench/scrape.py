"""`/metrics` of the largest town that we speak of: 100 tenants and 18 classes of promise, and all that the witness says."""

import asyncio
import itertools
import statistics
import time
import urllib.request
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Gauge

from sentinel.clients import exposition
from sentinel.core.api.question import CLUSTER
from sentinel.core.record import Round, series_of
from sentinel.settings.web import Web
from sentinel.settings.words import Address
from sentinel.sinks.history import History
from sentinel.sinks.witness_metrics import WitnessMetrics
from sentinel.web import app
from tests.bench.cost import standstills
from tests.bench.table import Row, spread
from tests.support.wide import plan

TENANTS = 100
CHECKS = 18
TIMES = 9


def measure() -> Iterator[Row]:
    yield asyncio.run(_scraped(f"{TENANTS} tenants × {CHECKS} checks", _crossed()))
    yield asyncio.run(_scraped(f"the witness of {TENANTS} tenants", _witness()))
    yield _rendered()


def _crossed() -> CollectorRegistry:
    """One series for each tenant and check."""
    registry = CollectorRegistry()
    gauge = Gauge("sentinel_breach_since_timestamp_seconds", "As it is.", ["target", "check"], registry=registry)
    for tenant, check in itertools.product(range(TENANTS), range(CHECKS)):
        gauge.labels(f"team-{tenant}", f"check-{check}").set(time.time())
    return registry


def _witness() -> CollectorRegistry:
    """All that its metrics say of each tenant's beliefs about each other, when everything is proven shut."""
    metrics, now = WitnessMetrics(), time.time()
    for number in range(TENANTS):
        planned = plan(TENANTS - 1, f"team-{number:04}")
        shut = dict.fromkeys(map(series_of, planned.questions), 0.0)
        proven = dict.fromkeys((*planned.scope.everywhere, CLUSTER), now)
        seen = Round(1, now, 1.0, len(planned.questions), 1.0, {}, breach_since=shut, oldest_proof=proven)
        metrics.of(f"team-{number:04}", planned).end_round(seen)
    return metrics.registry


def _rendered() -> Row:
    """CPU of the thread that renders; it is beside the loop."""
    registry, took, lines = _witness(), [], 0
    for _ in range(3):
        start = time.thread_time()
        lines = exposition.page(registry).count(b"\n")
        took.append(time.thread_time() - start)
    return Row(f"/metrics of the witness of {TENANTS} tenants, {lines} lines: CPU to make it", spread(took, 1, "s"))


async def _scraped(what: str, registry: CollectorRegistry) -> Row:
    anywhere = Address("127.0.0.1", 0)
    where = Web.model_construct(listen=anywhere, console=anywhere, readyz_always_200=False)
    served = app.serve(where, registry=registry, progress=lambda: (True, ""), ready=tuple, history=History("team-0000"))
    async with served as addresses:
        url = f"http://{addresses.listen}/metrics"
        took = [await asyncio.to_thread(_timed, url) for _ in range(TIMES)]
        scraped, quiet, lines = await standstills(url)
    added = statistics.median(scraped) - statistics.median(quiet)
    figures = f"{spread(took, 0, 'ms')}; {added:.1f} ms: {spread(scraped, 1, 'ms')}, {spread(quiet, 1, 'ms')} without"
    return Row(
        f"/metrics of {what}, {lines} lines: time; standstill of the loop by it", figures, "≤ 5 ms of standstill"
    )


def _timed(url: str) -> float:
    start = time.monotonic()
    with urllib.request.urlopen(url, timeout=120) as answer:
        answer.read()
    return 1000 * (time.monotonic() - start)
