"""Drills on a real Prometheus: every panel shows a real process's numbers, and a killed one pages until it is undone.

What the applications say is an exporter of the test, asked for as whoever looks would: by an expression of their own.
"""

import asyncio
import math
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Gauge, start_http_server

from tests.alerts import rules
from tests.dashboards.files import Json, everything, queries, substituted
from tests.support.ports import free_port
from tests.support.prometheus import Prometheus, config
from tests.wire.drills import PATIENCE, Ended, Town, ended, phase, started, town

CHOSEN = {"pool": "shop_pool_in_use / shop_pool_size", "cache": "shop_cache_hit_ratio"}
UNREVERTED = 'count(ALERTS{alertname="SentinelDrillUnreverted",alertstate="firing"})'


@dataclass
class Story:
    """What was seen: each panel's rows, what each process said, and which alerts fired."""

    rows: Mapping[str, list[Json]] = field(default_factory=dict)
    passed: Ended | None = None
    undone: Ended | None = None
    active: list[str] = field(default_factory=list)
    figures: Mapping[str, float] = field(default_factory=dict)
    after_the_kill: float = 0.0  # alerts that fire
    after_the_undo: float = 1.0


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    return asyncio.run(play(tmp_path_factory.mktemp("drills")))


async def play(folder: Path) -> Story:
    """A drill that passes, one that is killed, and its undo; ten times as fast as shipped."""
    seen, drill, began = Story(), f"127.0.0.1:{free_port()}", time.time()
    app = CollectorRegistry()
    for name, value in (("shop_pool_in_use", 7), ("shop_pool_size", 20), ("shop_cache_hit_ratio", 0.93)):
        Gauge(name, "Of an application.", registry=app).set(value)
    port = free_port()
    server, thread = start_http_server(port, "127.0.0.1", app)
    scrapes = config({drill: {}}, job="sentinel-drill")
    scrapes["scrape_configs"] += config({f"127.0.0.1:{port}": {}}, job="shop")["scrape_configs"]
    shipped = await asyncio.to_thread(rules.rendered, timeScale=0.1, config={"gateways": rules.GATEWAYS})
    try:
        with Prometheus(scrapes, [shipped["drill.rules.yaml"]]) as prometheus:
            async with town(folder, fails_over=True) as made:
                made.short()
                await passes(seen, made, prometheus, drill)
                seen.rows = await asyncio.to_thread(asked, prometheus, began)
                await is_killed(seen, made, prometheus, drill)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    return seen


async def passes(seen: Story, made: Town, prometheus: Prometheus, address: str) -> None:
    process = await made.start("--metrics", address, "--linger", "300s")
    await until(prometheus, "sum(sentinel_drill_active) > 0")
    seen.active = [sample.labels["fault"] for sample in prometheus.query("sentinel_drill_active == 1")]
    await until(prometheus, "sum(sentinel_drill_runs_total) > 0")
    await until(prometheus, "max(chaos:recovery:duration_seconds) > 0")
    names = (
        "chaos_recovery_time_seconds",
        "chaos_slo_passed",
        "chaos_availability_percent",
        "sentinel_drill_unreverted",
    )
    seen.figures = {name: prometheus.value(name) or 0.0 for name in names}
    process.send_signal(signal.SIGTERM)
    seen.passed = await ended(process)


async def is_killed(seen: Story, made: Town, prometheus: Prometheus, address: str) -> None:
    process = await made.start("--metrics", address)
    await phase(process, "the fault stands")
    await until(prometheus, "max(sentinel:drill_wounded:timestamp > on (drill) sentinel:drill_healed:timestamp) > 0")
    process.kill()
    await process.wait()
    await until(prometheus, f"{UNREVERTED} > 0")
    seen.after_the_kill = prometheus.value(UNREVERTED) or 0.0
    (receipt,) = made.standing()
    undo = await started("undo", str(receipt), "--metrics", address, "--linger", "300s")
    await until(prometheus, f"absent({UNREVERTED})")
    seen.after_the_undo = prometheus.value(UNREVERTED) or 0.0
    undo.send_signal(signal.SIGTERM)
    seen.undone = await ended(undo)


async def until(prometheus: Prometheus, expression: str) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await asyncio.to_thread(prometheus.query, expression):
            await asyncio.sleep(0.2)


def asked(prometheus: Prometheus, began: float) -> Mapping[str, list[Json]]:
    now, chosen = time.time(), everything("drills") | CHOSEN
    found: dict[str, list[Json]] = {}
    for one in queries("drills"):
        text = substituted(one.query["expr"], chosen, span=round(now - began), scrape=1.0, step=1.0)
        path, when = "/api/v1/query", {"time": f"{now:.3f}"}
        if not one.query.get("instant"):
            path, when = "/api/v1/query_range", {"start": f"{began:.3f}", "end": f"{now:.3f}", "step": "1"}
        found[one.panel["title"]] = [
            *found.get(one.panel["title"], []),
            *prometheus.get(path, query=text, **when)["data"]["result"],
        ]
    return found


def numbers(rows: list[Json]) -> list[float]:
    values: list[Any] = [pair for row in rows for pair in (row["values"] if "values" in row else [row["value"]])]
    return [float(text) for _, text in values if math.isfinite(float(text))]


@pytest.mark.parametrize("title", dict.fromkeys(one.panel["title"] for one in queries("drills")))
def test_every_panel_shows_something(story: Story, title: str) -> None:
    assert numbers(story.rows[title]), story.rows[title]


def test_the_panels_show_what_was_done(story: Story) -> None:
    assert story.passed is not None
    said = story.passed.json

    assert story.active == ["kill"]
    assert [row["metric"]["fault"] for row in story.rows["Active Chaos Experiments"]] == ["kill"]
    assert numbers(story.rows["SLO Compliance"]) == [1.0]
    assert max(numbers(story.rows["Recovery Time Tracking"])) >= round(said["failback"], 2)
    assert 0 < max(numbers(story.rows["Blast Radius Gauge"])) <= 1
    assert set(numbers(story.rows["Database Connection Pool"])) == {0.35}
    assert set(numbers(story.rows["Cache Hit Rate"])) == {0.93}
    assert {0.0, 1.0} >= set(numbers(story.rows["Pod Availability Timeline"])) >= {1.0}


def test_the_figures_that_are_scraped_are_those_of_the_result_and_a_signal_ends_the_waiting(story: Story) -> None:
    assert story.passed is not None
    said = story.passed.json

    assert (story.passed.code, said["verdict"]) == (0, "pass")
    assert story.figures == {
        "chaos_recovery_time_seconds": pytest.approx(said["failback"], abs=0.001),
        "chaos_slo_passed": 1.0,
        "chaos_availability_percent": pytest.approx(said["figures"]["during"]["availability_percent"], abs=0.001),
        "sentinel_drill_unreverted": 0.0,
    }


def test_a_killed_drill_pages_and_its_undo_ends_the_page(story: Story) -> None:
    assert story.after_the_kill == 1
    assert story.after_the_undo == 0
    assert story.undone is not None and story.undone.err == ""
