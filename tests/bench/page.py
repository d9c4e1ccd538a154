"""From the creation of a binding to the webhook: by push, and by rule with the shipped settings."""

import asyncio
import contextlib
import itertools
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from sentinel.core.paging import formula
from sentinel.core.paging.inspection import Wishes
from sentinel.joins.verify_alerting import Places, verify
from tests.bench.table import Row
from tests.bench.town import Town, hole, readers, tenants, town
from tests.support.alertmanager import Alertmanager
from tests.support.eventually import eventually
from tests.support.prometheus import Prometheus
from tests.support.webhook import Webhook

HOLES = 30
TENANTS = 6
"""Each may be let into five others: thirty holes."""
APART = 3.37
"""Seconds between two holes: no multiple of a round, a scrape, an evaluation or a group's interval."""


def measure() -> Iterator[Row]:
    yield _row("push, rounds every second", _push(), "median ≤ 1.5 s, max ≤ 3 s")
    took, computed = _rule()
    yield _row(f"rule, shipped settings, joining groups that are open; computed {computed}", took, "≤ 60 s")


def _push() -> list[float]:
    """Seconds. Each hole in another namespace, and so in a group of its own; no Prometheus."""
    with town(HOLES + 1) as here, Webhook() as webhook, contextlib.ExitStack() as stack:
        manager = stack.enter_context(Alertmanager(_route(here, webhook.url)))
        reader, *victims = tenants(HOLES + 1)
        here.cluster.admin.apply(*map(readers, victims))
        # A budget with which nothing is stretched: the figure is about rounds of a second.
        config = here.config(reader, every="1s", timeout="900ms", qps=10_000)
        config["paging"] = {**config["paging"], "direct": [manager.url]}
        sentinel = stack.enter_context(here.sentinel(reader, config))
        sentinel.wait_ready(60)
        took = []
        for number, victim in enumerate(victims):
            time.sleep(0.5 + 0.137 * (number % 7))  # at all phases of a round
            start = time.monotonic()
            here.cluster.admin.apply(hole(reader, victim))
            seen = webhook.wait_for_alert("firing", 60, tenant=reader, target=victim, path="push")
            took.append(seen.monotonic - start)
        return took


def _rule() -> tuple[list[float], str]:
    """Seconds, and what `verify-alerting` says of them. Every tenant has its sentinel, as scraped, judged and routed when nobody changes anything."""
    with town(TENANTS) as here, Webhook() as webhook, contextlib.ExitStack() as stack:
        manager = stack.enter_context(Alertmanager(_route(here, webhook.url)))
        here.cluster.admin.apply(*map(readers, tenants(TENANTS)))
        addresses = {}
        for tenant in tenants(TENANTS):
            sentinel = stack.enter_context(here.sentinel(tenant))
            sentinel.wait_ready(60)
            addresses[tenant] = sentinel.address
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        watching = Prometheus(_scrapes(here, addresses, manager.address), _rules(here, folder))
        stack.enter_context(watching)
        eventually(lambda: watching.value('count(up{job="sentinel"} == 1)') == TENANTS, 60, "all are scraped")
        return _timed(here, webhook), _computed(watching.url)


def _computed(prometheus: str) -> str:
    """From the series on; a round of the sentinel comes before it."""
    seen = asyncio.run(verify(Places(prometheus), Wishes()))
    breach = next(row for row in seen.rows if (row.alert, row.path) == ("SentinelIsolationBreach", formula.Path.RULE))
    return f"{breach.calm:.0f} s from the series, {breach.worst:.0f} s while something fails, and a round before"


def _timed(here: Town, webhook: Webhook) -> list[float]:
    opened = {}
    for reader, victim in itertools.islice(itertools.permutations(tenants(TENANTS), 2), HOLES):
        opened[reader, victim] = time.monotonic()
        here.cluster.admin.apply(hole(reader, victim))
        time.sleep(APART)
    took = []
    for (reader, victim), start in opened.items():
        seen = webhook.wait_for_alert("firing", 120, tenant=reader, target=victim, path="rule")
        took.append(seen.monotonic - start)
    return took


def _route(here: Town, url: str) -> dict[str, Any]:
    """The shipped route with the webhook as each of its receivers."""
    shipped = yaml.safe_load(here.data("sentinel-route")["route.yaml"])
    hooks = [{"url": url, "send_resolved": True}]
    receivers = [{"name": receiver["name"], "webhook_configs": hooks} for receiver in shipped["receivers"]]
    return {**shipped, "receivers": receivers}


def _scrapes(here: Town, addresses: dict[str, str], manager: str) -> dict[str, Any]:
    """The shipped scrape; where pods would be discovered, the addresses, labelled as they would be."""
    (job,) = yaml.safe_load(here.data("sentinel-scrape")["sentinel.scrape.yaml"])["scrape_configs"]
    for key in ("kubernetes_sd_configs", "relabel_configs"):
        del job[key]
    job["static_configs"] = [
        {"targets": [address], "labels": {"tenant": tenant, "namespace": tenant}}
        for tenant, address in addresses.items()
    ]
    managers = [{"static_configs": [{"targets": [manager]}]}]
    return {"scrape_configs": [job], "alerting": {"alertmanagers": managers}}


def _rules(here: Town, folder: Path) -> list[Path]:
    for name, text in here.data("sentinel-rules").items():
        (folder / name).write_text(text)
    return sorted(folder.iterdir())


def _row(path: str, took: list[float], goal: str) -> Row:
    figures = f"median {statistics.median(took):.2f} s, max {max(took):.2f} s, n {len(took)}"
    return Row(f"binding created to webhook received: {path}", figures, goal)
