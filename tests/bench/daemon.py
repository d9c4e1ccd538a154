"""The real process as in its pod: what it holds in memory, and what it costs at default settings."""

import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench.table import Row
from tests.bench.town import Town, tenants_for, town
from tests.support.eventually import eventually
from tests.support.sentinels import Sentinel

TENANT = "team-1"
WATCHED = 60.0
"""Seconds at default settings: six rounds, and half of tier 2."""
SCRAPE = 10.0
FAST = {"every": "5s", "within": "20s", "sweep": "40s", "qps": 100_000}
"""Every question is asked within a minute: memory is about how many there are, not how often."""


def measure() -> Iterator[Row]:
    with town(tenants_for(10)) as here:
        yield Row("memory (RSS) with 10 targets, every question asked", _memory(here), "≤ 70 MiB")
        yield Row("CPU at default settings with 10 targets, scraped every 10 s", _cpu(here), "≤ 1 %")
    with town(tenants_for(100)) as here:
        # No CPU: a hundred tenants share the budget, and one's round comes every four minutes.
        yield Row("memory (RSS) with 100 targets, every question asked", _memory(here), "≤ 90 MiB")


def _memory(here: Town) -> str:
    with here.sentinel(TENANT, here.config(TENANT, **FAST)) as sentinel:
        sentinel.wait_ready(60)
        eventually(lambda: _covered(sentinel), 180, "coverage 1.0")
        time.sleep(20)  # a sweep beyond that: what would grow with each one is seen
        _scrape(sentinel)
        return f"{sentinel.process.resident_mib():.0f} MiB (at most {_peak_mib(sentinel):.0f})"


def _cpu(here: Town) -> str:
    with here.sentinel(TENANT) as sentinel:
        sentinel.wait_ready(60)
        time.sleep(2 * SCRAPE)  # the start is over: discovery, the first reads of doors
        cpu, start = sentinel.process.cpu_seconds(), time.monotonic()
        asked = _asked(sentinel)
        while time.monotonic() < start + WATCHED:
            time.sleep(SCRAPE)
            _scrape(sentinel)
        took = time.monotonic() - start
        share = (sentinel.process.cpu_seconds() - cpu) / took
        rate = (_asked(sentinel) - asked) / took
        return f"{share:.2%} of a core ({rate:.1f} questions/s, besides controls and reviews)"


def _covered(sentinel: Sentinel) -> bool:
    sentinel.process.must_run()
    time.sleep(1)
    return sentinel.metrics().value("sentinel_coverage_ratio") == 1.0


def _scrape(sentinel: Sentinel) -> None:
    status, _ = sentinel.get("/metrics")
    if status != 200:
        raise OSError(f"/metrics answered {status}")


def _asked(sentinel: Sentinel) -> float:
    return sentinel.metrics().sum("sentinel_attempts_total")


def _peak_mib(sentinel: Sentinel) -> float:
    status = Path(f"/proc/{sentinel.process.pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024
