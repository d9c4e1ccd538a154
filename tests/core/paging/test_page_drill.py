"""When a page drill has arrived, is late or is lost, and when a way is called broken."""

import math
from typing import Any

import pytest

from sentinel.core.paging import page_drill
from sentinel.core.paging.formula import Path
from sentinel.core.paging.page_drill import RECEIVER, Health, Limits, Place, Result, Run, Stage, told

LIMITS = Limits(within=60, patience=120)
FIRST, SECOND = Place(Stage.ALERTMANAGER, "http://a"), Place(Stage.ALERTMANAGER, "http://b")
ALL = frozenset({FIRST, SECOND, RECEIVER})


def run(**seen: float) -> Run:
    """Of a run that began at 100; the times are seconds since then."""
    found = Run(Path.RULE, 7, 100.0, ALL)
    for name, after in seen.items():
        found = found.arrived({"first": FIRST, "second": SECOND, "receiver": RECEIVER}[name], 100 + after)
    return found


@pytest.mark.parametrize(
    ("seen", "result", "over_at"),
    [
        ({"first": 1, "second": 2, "receiver": 3}, Result.ARRIVED, 3),
        ({"first": 1, "second": 60, "receiver": 3}, Result.ARRIVED, 60),
        ({"first": 1, "second": 60.1, "receiver": 3}, Result.LATE, 61),
        ({"first": 1, "second": 2, "receiver": 119}, Result.LATE, 119),
        ({"first": 1, "receiver": 3}, Result.LOST, 120),
        ({"first": 1, "second": 2}, Result.LOST, 120),
        ({}, Result.LOST, 120),
    ],
)
def test_it_has_arrived_when_every_place_has_it_in_time_and_is_lost_where_one_never_had(
    seen: dict[str, float], result: Result, over_at: float
) -> None:
    found = run(**seen)

    assert found.result(LIMITS) is result
    assert found.is_over(100 + over_at, LIMITS)
    assert bool(found.missing) is not found.is_over(100 + over_at - 0.5, LIMITS)


def test_each_stage_took_as_long_as_its_last_place() -> None:
    found = run(first=1.5, second=4)

    assert found.seconds(Stage.ALERTMANAGER) == 4
    assert found.seconds(Stage.RECEIVER) == math.inf


def test_where_no_receiver_posts_back_nothing_is_measured_of_it() -> None:
    found = Run(Path.PUSH, 7, 100.0, frozenset({FIRST})).arrived(FIRST, 101)

    assert math.isnan(found.seconds(Stage.RECEIVER))
    assert found.result(LIMITS) is Result.ARRIVED


def test_the_first_time_counts_and_a_place_that_nobody_asked_about_does_not() -> None:
    found = run(first=1).arrived(FIRST, 150).arrived(Place(Stage.ALERTMANAGER, "http://c"), 101)

    assert found.seen == {FIRST: 101}


def test_two_failures_in_a_row_break_a_way_and_one_arrival_mends_it() -> None:
    health = Health().after(Result.LATE, 1000)
    assert (health.failures, health.is_broken) == (1, False)

    health = health.after(Result.LOST, 1180)
    assert (health.failures, health.is_broken, health.since) == (2, True, 1000)
    assert health.after(Result.LOST, 2000).since == 1000

    assert health.after(Result.ARRIVED, 3000) == Health()


def row(status: Any = "firing", labels: Any = None, annotations: Any = None, **more: str) -> dict[str, Any]:
    whole = {"alertname": "SentinelPageDrill", "drill": "page-path", "path": "rule"} | more
    number = {page_drill.NUMBER: "7"}
    return {
        "status": status,
        "labels": whole if labels is None else labels,
        "annotations": number if annotations is None else annotations,
    }


@pytest.mark.parametrize("status", ["firing", {"state": "active"}, {"state": "unprocessed"}])
def test_a_drill_that_stands_is_read_from_a_list_and_from_a_webhook_s_message(status: Any) -> None:
    both = [row(status), row(status, path="push")]

    assert list(told(both)) == list(told({"alerts": both})) == [(Path.RULE, 7), (Path.PUSH, 7)]


@pytest.mark.parametrize(
    "said",
    [
        row("resolved"),
        row({"state": "suppressed"}),
        row({}),
        row(None),
        row(alertname="SentinelIsolationBreach"),
        row(drill="other"),
        row(path="both"),
        row(labels={}),
        row(labels=[]),
        row(annotations={}),
        row(annotations="7"),
        row(annotations={page_drill.NUMBER: "-7"}),
        row(annotations={page_drill.NUMBER: "7.5"}),
        row(annotations={page_drill.NUMBER: "٧"}),
        row(annotations={page_drill.NUMBER: ["7"]}),
        "alerts",
        None,
        7,
    ],
)
def test_what_is_no_drill_or_would_be_told_nobody_is_none(said: Any) -> None:
    assert list(told([said])) == []
    assert list(told(said)) == []


@pytest.mark.parametrize("said", [None, 7, "x", {}, {"alerts": None}, {"alerts": {"a": 1}}, [[]]])
def test_what_makes_no_sense_at_all_is_none(said: Any) -> None:
    assert list(told(said)) == []


def test_a_number_as_prometheus_writes_it_is_whole() -> None:
    # Its values are floats; the rule prints them without a fraction.
    assert all(int(f"{float(number):.0f}") == number for number in (1, page_drill.LARGEST - 1))
