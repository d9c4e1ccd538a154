"""The alarm bell's own alerts: what always fires, the drill, a way that is broken, a beat that is missing."""

from typing import Any

from tests.alerts import rules
from tests.alerts.world import FOREVER, Value, World

BROKEN = "SentinelPagePathBroken"
OVERDUE = 2 * 900 + 4 * 60
"""Seconds: two drills that were not run, and all that one may take."""
BEGIN = -900


def town(until: int, more: dict[str, Value], **how: Any) -> World:
    world = World(until=until, tenants=2, witness=True, only=["paging"], **rules.BELL)
    world.witness(**{"more": healthy() | more} | how)
    return world


def healthy() -> dict[str, Value]:
    drilled: dict[str, Value] = {}
    for path in ("rule", "push"):
        drilled[broken(path)] = lambda now: 0
        drilled[success(path)] = lambda now: now // 900 * 900
    beats: dict[str, Value] = {"sentinel_heartbeat_last_success_timestamp_seconds": lambda now: now // 30 * 30}
    return drilled | beats | {"sentinel_page_drill": lambda now: 0}


def broken(path: str) -> str:
    return f'sentinel_page_path_broken{{path="{path}"}}'


def success(path: str) -> str:
    return f'sentinel_page_path_last_success_timestamp_seconds{{path="{path}"}}'


def broken_by_push(arrived: str) -> tuple[dict[str, str], dict[str, str]]:
    """Labels and annotations. `arrived`: when the last drill that did began."""
    labels = {"severity": "critical", "path": "rule", "cluster": "tests", "namespace": "sentinel-system"}
    annotations = {
        "summary": "A way that pages take is broken.",
        "description": "The page drill by the way push has failed twice in a row, or is not run any more; the last one that"
        f" arrived began at {arrived}, or the witness was started then. Real pages that go this way may come late, or never.",
        "runbook_url": "alerts/runbooks/SentinelPagePathBroken.md",
        "dashboard_url": "/d/sentinel-paging",
    }
    return labels | {"broken": "push"}, annotations


def test_while_all_is_well_the_watchdog_fires_and_nothing_else_does() -> None:
    world = town(until=1200, more={})

    world.stands("SentinelWatchdog", at=0, severity="none", path="rule", cluster="tests")
    world.stands("SentinelWatchdog", at=1200)
    world.gone("SentinelPageDrill", at=600)
    world.nothing_else()
    world.judge()


def test_the_watchdog_needs_nobody_to_be_scraped() -> None:
    world = World(until=60, tenants=1, only=["paging"])
    world.sentinel("team-a", lives=[(FOREVER, FOREVER)])

    labels = {"severity": "none", "path": "rule", "cluster": "tests", "namespace": "sentinel-system"}
    annotations = {
        "summary": "Prometheus and Alertmanager work.",
        "description": "Evaluated at 1970-01-01 00:01:00 +0000 UTC. This alert fires always: it is no trouble, its absence"
        " would be.",
        "runbook_url": "alerts/runbooks/SentinelWatchdog.md",
        "dashboard_url": "/d/sentinel-paging",
    }
    world.annotated("SentinelWatchdog", 60, labels, annotations)
    world.judge()


def test_a_drill_fires_as_long_as_its_number_stands_and_brings_it_along_whole() -> None:
    number = 2**48 - 1
    world = town(until=200, more={"sentinel_page_drill": lambda now: number if 60 <= now < 120 else 0})

    labels = {"severity": "none", "path": "rule", "drill": "page-path", "tenant": "witness", "cluster": "tests"}
    labels |= {"target": "sentinel-system", "check": "page-path", "identity": "self", "namespace": "sentinel-system"}
    annotations = {
        "summary": "This is a drill of the page path, and no breach.",
        "description": "Nothing is open. The witness sends this to see that pages arrive, and takes it back.",
        "drill_run": str(number),
        "runbook_url": "alerts/runbooks/SentinelPageDrill.md",
        "dashboard_url": "/d/sentinel-paging",
    }
    world.annotated("SentinelPageDrill", 60, labels, annotations)
    world.fires("SentinelPageDrill", at=60, until=120)
    world.judge()


def test_a_drill_ends_with_the_witness_that_began_it() -> None:
    world = town(until=200, more={"sentinel_page_drill": lambda now: 7}, lives=[(BEGIN, 100)])

    world.stands("SentinelPageDrill", at=90)
    world.gone("SentinelPageDrill", at=100)
    world.judge()


def test_the_smallest_number_is_one_too() -> None:
    world = town(until=60, more={"sentinel_page_drill": lambda now: 1})

    world.stands("SentinelPageDrill", at=60)
    world.judge()


def test_of_two_witnesses_during_a_roll_out_one_drill_is_one_alert_and_who_knows_better_counts() -> None:
    more: dict[str, Value] = {"sentinel_page_drill": lambda now: 7, broken("push"): lambda now: int(now >= 2400)}
    world = town(until=2400, more=more)
    # One that is gone in a moment, and has long had no news of anything.
    for name in healthy():
        metric, _, labels = name.partition("{")
        own = 'job="sentinel-witness",instance="10.0.1.9:8080"'
        world.also(f"{metric}{{{own}{',' + labels if labels else '}'}", lambda now: 0)

    world.stands("SentinelPageDrill", at=2390)
    world.gone(BROKEN, at=2390)
    world.gone("SentinelHeartbeatMissing", at=2390)
    world.annotated(BROKEN, 2400, *broken_by_push("1970-01-01 00:30:00 +0000 UTC"))
    world.judge()


def test_a_broken_way_pages_at_once_and_names_itself_until_it_is_mended() -> None:
    world = town(until=400, more={broken("push"): lambda now: 1 if 100 <= now < 300 else 0})

    world.annotated(BROKEN, 100, *broken_by_push("1970-01-01 00:00:00 +0000 UTC"))
    world.fires(BROKEN, at=100, until=330, broken="push")
    world.nothing_else()
    world.judge()


def test_both_ways_that_are_broken_are_two_alerts() -> None:
    world = town(
        until=200, more={broken("push"): lambda now: int(now >= 50), broken("rule"): lambda now: int(now >= 100)}
    )

    world.fires(BROKEN, at=50, broken="push")
    world.fires(BROKEN, at=100, broken="rule")
    world.nothing_else()
    world.judge()


def test_drills_that_are_not_run_any_more_page_like_drills_that_fail() -> None:
    stuck = town(until=OVERDUE + 300, more={success("rule"): lambda now: min(now, 100)})

    stuck.fires(BROKEN, at=OVERDUE + 110, broken="rule")
    stuck.nothing_else()
    stuck.judge()


def test_one_scrape_that_fails_neither_ends_it_nor_begins_it() -> None:
    world = town(until=300, more={broken("push"): lambda now: int(now >= 100)})
    world.unscraped(150, 160)

    world.fires(BROKEN, at=100, broken="push")
    for second in (150, 160, 170):
        world.stands(BROKEN, at=second, broken="push")
    world.nothing_else()
    world.judge()


def test_a_witness_that_is_gone_says_nothing_of_the_way_and_one_that_is_back_begins_anew() -> None:
    world = town(
        until=600, more={broken("push"): lambda now: int(100 <= now < 200)}, lives=[(BEGIN, 190), (400, FOREVER)]
    )

    world.fires(BROKEN, at=100, until=220, broken="push")
    world.nothing_else()
    world.judge()


def test_a_beat_that_is_missing_is_told_after_six_periods() -> None:
    beats = "sentinel_heartbeat_last_success_timestamp_seconds"
    world = town(until=900, more={beats: lambda now: 300 if 300 <= now < 600 else now // 30 * 30})

    world.fires("SentinelHeartbeatMissing", at=490, until=630)
    world.nothing_else()
    world.judge()


def test_what_holds_the_beat_back_stands_in_the_alert() -> None:
    beats = "sentinel_heartbeat_last_success_timestamp_seconds"
    held: dict[str, Value] = {
        'sentinel_heartbeat_held{lack="prometheus"}': lambda now: 1,
        'sentinel_heartbeat_held{lack="alertmanager"}': lambda now: 0,
    }
    world = town(until=300, more={beats: lambda now: 0} | held)

    labels = {"severity": "warning", "path": "rule", "cluster": "tests", "namespace": "sentinel-system"}
    annotations = {
        "summary": "The dead man's switch outside is not told that we live.",
        "description": "No beat of the witness was taken by the URL of paging.heartbeat since 1970-01-01 00:00:00 +0000 UTC."
        " Held back for want of: prometheus.",
        "runbook_url": "alerts/runbooks/SentinelHeartbeatMissing.md",
        "dashboard_url": "/d/sentinel-paging",
    }
    world.annotated("SentinelHeartbeatMissing", 190, labels, annotations)
    world.nothing_else()
    world.judge()
