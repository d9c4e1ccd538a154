"""A town in which drills are run, scraped by a real Prometheus with the shipped rules, ten times as fast.

    `sentinel drill run` ----scraped every second----> Prometheus <---- an application of the test
          | breaks
    proxy between a small gateway and its first provider

The first drills run to their end. The last one is killed while its fault stands, and undone by its receipt.
"""

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge

from tests.alerts import rules
from tests.dashboards.files import everything, queries
from tests.dashboards.scene import Answers, rows_of, served
from tests.support.ports import free_port
from tests.support.prometheus import Prometheus, config
from tests.wire.drills import PATIENCE, Ended, Town, ended, phase, started, town

CHOSEN = {"pool": "shop_pool_in_use / shop_pool_size", "cache": "shop_cache_hit_ratio"}
"""What whoever looks would ask of the application, in place of the usual."""
UNREVERTED = 'count(ALERTS{alertname="SentinelDrillUnreverted",alertstate="firing"})'
FIGURES = (
    "chaos_recovery_time_seconds",
    "chaos_slo_passed",
    "chaos_availability_percent",
    "sentinel_drill_unreverted",
)


@dataclass
class Story:
    """What was seen: the panels after the drills that ended, what each process said, and which alerts fired."""

    answers: Answers | None = None
    ended: list[Ended] = field(default_factory=list)
    undone: Ended | None = None
    active: list[str] = field(default_factory=list)  # faults, while the first drill ran
    figures: Mapping[str, float] = field(default_factory=dict)  # after the last that ended
    after_the_kill: float = 0.0  # alerts that fire
    after_the_undo: float = 1.0


async def play(folder: Path, variants: Sequence[str] = ("kill",), calm: float = 0.0) -> Story:
    """One after the other, with so many seconds of calm before and after each, and then the one that is killed."""
    seen, began, address = Story(), time.time(), f"127.0.0.1:{free_port()}"
    async with _scraped(address) as prometheus, town(folder) as made:
        made.short()
        for variant in variants:
            await asyncio.sleep(calm)
            await _ends(seen, made, prometheus, address, variant)
        await asyncio.sleep(calm)
        seen.answers = await asyncio.to_thread(_ask, prometheus, began)
        await _is_killed(seen, made, prometheus, address)
    return seen


@contextlib.asynccontextmanager
async def _scraped(address: str) -> AsyncIterator[Prometheus]:
    app = CollectorRegistry()
    for name, value in (("shop_pool_in_use", 7), ("shop_pool_size", 20), ("shop_cache_hit_ratio", 0.93)):
        Gauge(name, "Of an application.", registry=app).set(value)
    shipped = await asyncio.to_thread(rules.rendered, timeScale=0.1, config={"gateways": rules.GATEWAYS})
    with contextlib.ExitStack() as stack:
        shop = stack.enter_context(served(app))
        scrapes = config({address: {}}, job="sentinel-drill")
        scrapes["scrape_configs"] += config({shop: {}}, job="shop")["scrape_configs"]
        drills = [shipped["drill.rules.yaml"]]
        yield await asyncio.to_thread(stack.enter_context, Prometheus(scrapes, drills))


async def _ends(seen: Story, made: Town, prometheus: Prometheus, address: str, variant: str) -> None:
    process = await made.start("--variant", variant, "--metrics", address, "--linger", "300s")
    await _until(prometheus, "sum(sentinel_drill_active) > 0")
    seen.active = seen.active or [s.labels["fault"] for s in prometheus.query("sentinel_drill_active == 1")]
    await _until(prometheus, "sum(sentinel_drill_runs_total) > 0")
    await _until(prometheus, "max(chaos:recovery:duration_seconds) > 0")
    seen.figures = {name: prometheus.value(name) or 0.0 for name in FIGURES}
    process.send_signal(signal.SIGTERM)  # it only waits for scrapes now
    seen.ended.append(await ended(process))


async def _is_killed(seen: Story, made: Town, prometheus: Prometheus, address: str) -> None:
    made.gateway.fails_over = False  # its fault stands until somebody has killed it
    made.drill = {"limits": {"duration": f"{PATIENCE:g}s", "gate": "60s"}}
    process = await made.start("--metrics", address)
    await phase(process, "the fault stands")
    await _until(prometheus, "max(sentinel:drill_wounded:timestamp > on (drill) sentinel:drill_healed:timestamp) > 0")
    process.kill()
    await process.wait()
    await _until(prometheus, f"{UNREVERTED} > 0")
    seen.after_the_kill = prometheus.value(UNREVERTED) or 0.0
    (receipt,) = made.standing()
    undo = await started("undo", str(receipt), "--metrics", address, "--linger", "300s")
    await _until(prometheus, f"absent({UNREVERTED})")
    seen.after_the_undo = prometheus.value(UNREVERTED) or 0.0
    undo.send_signal(signal.SIGTERM)
    seen.undone = await ended(undo)


async def _until(prometheus: Prometheus, expression: str) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await asyncio.to_thread(prometheus.query, expression):
            await asyncio.sleep(0.2)


def _ask(prometheus: Prometheus, began: float) -> Answers:
    now, chosen = time.time(), everything("drills") | CHOSEN
    rows = {one.name: rows_of(prometheus, one, chosen, began, now) for one in queries("drills")}
    return Answers(began, now, rows, {}, {})
