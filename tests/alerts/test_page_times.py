"""A page that would be late, or never come, is told by what the witness worked out."""

import math
from typing import Any

from tests.alerts.world import FOREVER, Value, World


def town(until: int, **how: Any) -> World:
    world = World(until=until, tenants=2, witness=True, prometheus="http://prometheus.monitoring.svc:9090")
    world.witness(**how)
    return world


def worst(alert: str, path: str) -> str:
    return f'sentinel_page_worst_case_seconds{{alert="{alert}",path="{path}"}}'


def told(slow: Value, verified: Value = lambda now: now) -> dict[str, Value]:
    return {
        worst("SentinelIsolationBreach", "rule"): slow,
        worst("SentinelIsolationBreach", "push"): lambda now: 25,
        worst("SentinelDown", "rule"): lambda now: 195,
        "sentinel_page_promise_seconds": lambda now: 300,
        "sentinel_page_verified_timestamp_seconds": verified,
    }


def test_a_page_that_takes_longer_than_promised_is_told_after_two_looks() -> None:
    world = town(until=1300, more=told(lambda now: 301 if 300 <= now < 1200 else 300))

    world.fires("SentinelPagingTooSlow", at=920, until=1230, alert="SentinelIsolationBreach")
    world.nothing_else()
    world.judge()


def test_a_page_that_may_never_come_is_told_as_that() -> None:
    world = town(until=900, more=told(lambda now: math.inf))

    labels = {"alert": "SentinelIsolationBreach", "severity": "warning", "path": "rule", "cluster": "tests"}
    annotations = {
        "summary": "A page would come later than promised, or never.",
        "description": "As Prometheus and Alertmanager run, SentinelIsolationBreach takes for ever at worst until somebody"
        " is told, which is longer than paging.promise.",
        "runbook_url": "alerts/runbooks/SentinelPagingTooSlow.md",
        "dashboard_url": "/d/sentinel-paging",
    }
    world.annotated("SentinelPagingTooSlow", 630, labels | {"namespace": "sentinel-system"}, annotations)
    world.nothing_else()
    world.judge()


def test_one_bad_look_between_good_ones_tells_nobody() -> None:
    world = town(until=1500, more=told(lambda now: math.inf if 300 <= now < 900 else 75))

    world.nothing_else()
    world.judge()


def test_what_is_not_known_is_not_late_but_told_after_half_an_hour() -> None:
    world = town(until=2200, more=told(lambda now: math.nan, verified=lambda now: min(now, 100)))

    world.fires("SentinelPagingUnverified", at=1910)
    world.nothing_else()
    world.judge()


def test_a_witness_that_is_gone_says_nothing_of_it() -> None:
    world = town(until=900, lives=[(-900, 300), (390, FOREVER)], more=told(lambda now: 75))

    world.nothing_else()
    world.judge()
