"""What holds a beat back."""

from dataclasses import replace
from typing import Any

import pytest

from sentinel.core.paging import heartbeat
from sentinel.core.paging.formula import Path
from sentinel.core.paging.heartbeat import Lack, Pulse, lacking

WELL = Pulse(works=True, evaluated=10, showing=1)


@pytest.mark.parametrize(
    ("changed", "lacks"),
    [
        ({}, ()),
        ({"showing": 2}, ()),
        ({"evaluated": 60}, ()),
        ({"broken": {Path.RULE}}, ()),
        ({"broken": {Path.PUSH}}, ()),
        ({"works": False}, (Lack.WITNESS,)),
        ({"evaluated": None}, (Lack.PROMETHEUS,)),
        ({"evaluated": 60.1}, (Lack.PROMETHEUS,)),
        ({"showing": 0}, (Lack.ALERTMANAGER,)),
        ({"broken": {Path.RULE, Path.PUSH}}, (Lack.PAGE_PATH,)),
        ({"works": False, "evaluated": None, "showing": 0}, (Lack.WITNESS, Lack.PROMETHEUS, Lack.ALERTMANAGER)),
    ],
)
def test_it_beats_only_while_a_breach_would_page(changed: dict[str, Any], lacks: tuple[Lack, ...]) -> None:
    assert lacking(replace(WELL, **changed)) == lacks


def test_how_fresh_an_evaluation_must_be_can_be_chosen() -> None:
    assert lacking(WELL, fresh=9) == (Lack.PROMETHEUS,)


@pytest.mark.parametrize(
    ("said", "age"),
    [
        ({"data": {"result": [{"metric": {}, "value": [1000.5, "7.25"]}]}}, 7.25),
        ({"data": {"result": []}}, None),
        ({"data": {"result": [{"value": [1000.5, "NaN"]}]}}, None),
        ({"data": {"result": [{"value": [1000.5, "-3"]}]}}, None),
        ({"data": {"result": [{"value": [1000.5, "soon"]}]}}, None),
        ({"data": {"result": [{"value": [1000.5]}]}}, None),
        ({"data": {"result": {"value": [1, "1"]}}}, None),
        ({"data": []}, None),
        ([], None),
        (None, None),
    ],
)
def test_prometheus_answer_is_an_age_or_nothing(said: Any, age: float | None) -> None:
    assert heartbeat.evaluated(said) == age


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ([{"labels": {"alertname": "SentinelWatchdog"}}], True),
        ([None, {"labels": None}, {"labels": {"alertname": "SentinelWatchdog"}}], True),
        ([{"labels": {"alertname": "Watchdog"}}], False),
        ([{"labels": ["alertname"]}], False),
        ([], False),
        ({"error": "not found"}, False),
        ("SentinelWatchdog", False),
        (None, False),
    ],
)
def test_only_a_list_with_the_watchdog_in_it_shows_it(said: Any, shown: bool) -> None:
    assert heartbeat.shown(said) is shown


def test_it_asks_for_the_watchdog_of_its_own_cluster() -> None:
    assert 'alertname="SentinelWatchdog",alertstate="firing",cluster="prod-eu1"' in heartbeat.question("prod-eu1")
