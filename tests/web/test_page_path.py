"""What the page says of paging is what Prometheus is told, in words; and nothing where nobody knows."""

import math

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge

from sentinel.clients.clock import Clock
from sentinel.core.paging.page_drill import Result, Stage
from sentinel.sinks.heartbeat_metrics import HeartbeatMetrics
from sentinel.sinks.page_path_metrics import PagePathMetrics
from sentinel.sinks.page_time_metrics import PageTimeMetrics
from sentinel.web import page_path
from tests.web.test_pages import NOON, Seen


class Told:
    """Metrics as the witness has them."""

    def __init__(self):
        self.registry = CollectorRegistry()
        self.made = {}

    def set(self, name, value, **labels):
        kind = Counter if name.endswith("_total") else Gauge
        if name not in self.made:
            self.made[name] = kind(name, "Told.", tuple(labels), registry=self.registry)
        child = self.made[name].labels(**labels) if labels else self.made[name]
        child.inc(value) if kind is Counter else child.set(value)

    def section(self):
        return Seen(page_path.section(self.registry, NOON))


@pytest.fixture
def told():
    return Told()


def test_where_no_page_is_drilled_and_nothing_is_worked_out_there_is_no_section(told):
    told.set("sentinel_breaches_total", 1)

    assert told.section().html == ""


def test_each_path_has_its_measured_time_and_what_became_of_its_drills(told):
    for path, seconds in (("rule", 34.25), ("push", 0.0123)):
        told.set(page_path.TAKES, seconds, path=path, stage="alertmanager")
        told.set(page_path.TAKES, seconds + 1, path=path, stage="receiver")
        told.set(page_path.ARRIVED, NOON - 60, path=path)
    told.set(page_path.RUNS, 12, path="rule", result="arrived")
    told.set(page_path.RUNS, 1, path="push", result="late")
    told.set(page_path.RUNS, 2, path="push", result="arrived")
    told.set(page_path.BEAT, NOON - 5)
    told.set(page_path.BEATS, 3, result="accepted")

    text = told.section().text("section")

    assert "rule: Prometheus finds it 34.2 s 35.2 s 1 min ago" in text
    assert "0.012 s 1.0 s" in text
    assert "12 arrived" in text and "2 arrived, 1 late" in text and "0 lost" not in text
    assert "Heartbeat 5 s ago" in text


@pytest.mark.parametrize(
    ("seconds", "says", "mood"),
    [(118.0, "1 min 58 s (B)", "ok"), (301.0, "5 min 1 s (B)", "bad"), (math.inf, "it may never come (B)", "bad")],
)
def test_the_worst_alert_of_each_path_is_named_and_beyond_the_promise_it_is_bad(told, seconds, says, mood):
    told.set(page_path.PROMISE, 300)
    told.set(page_path.WORST, 20, alert="A", path="rule")
    told.set(page_path.WORST, seconds, alert="B", path="rule")
    told.set(page_path.WORST, math.nan, alert="C", path="rule")
    told.set(page_path.WORST, math.nan, alert="A", path="push")

    seen = told.section()

    assert f'class="{mood}">{says}; 1 not known</td>' in seen.html
    assert 'class="faint">not known</td>' in seen.html
    assert "5 min, from the hole to the page" in seen.text("section")


def test_what_was_never_drilled_or_is_broken_is_said(told):
    told.set(page_path.RUNS, 0, path="rule", result="arrived")
    told.set(page_path.RUNS, 3, path="push", result="lost")
    told.set(page_path.BROKEN, 1, path="push")
    told.set(page_path.TAKES, math.inf, path="push", stage="receiver")
    told.set(page_path.BEAT, NOON - 600)
    told.set(page_path.BEATS, 3, result="failed")

    seen = told.section()

    assert "not measured not measured never none yet" in seen.text("section")
    assert "not measured lost never" in seen.text("section")
    assert "Heartbeat never taken" in seen.text("section")
    assert '<td data-label="Drills" class="bad">broken: 3 lost</td>' in seen.html


def test_before_anything_arrived_the_start_of_the_process_is_not_taken_for_it():
    """The witness has these gauges from its start, so that rules about them need no exception."""
    registry, clock = CollectorRegistry(), Clock()
    PageTimeMetrics(registry, clock)
    PagePathMetrics(registry, clock)
    HeartbeatMetrics(registry, clock)

    seen = Seen(page_path.section(registry, clock.wall()))

    assert not seen.all("time")
    assert seen.text("section").count("never none yet not known") == 2


def test_what_the_witness_measures_is_what_is_shown():
    """By its own classes: the names are theirs."""
    registry, clock = CollectorRegistry(), Clock()
    drills, beats = PagePathMetrics(registry, clock), HeartbeatMetrics(registry, clock)
    drills.took.labels("rule", Stage.RECEIVER.value).set(31.5)
    drills.runs.labels("rule", Result.ARRIVED.value).inc()
    drills.broken.labels("push").set(1)
    beats.count(taken=True)

    text = Seen(page_path.section(registry, clock.wall())).text("section")

    assert "31.5 s now" in text and "1 arrived" in text and "broken: none yet" in text and "Heartbeat now" in text
