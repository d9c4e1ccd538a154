"""What a drill's numbers say, phase by phase: no word too early, and none that a later one contradicts."""

import math
from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry

from sentinel.clients.clock import Clock
from sentinel.core.drill.fault import Variant
from sentinel.core.drill.figures import Seen, Stage, Worth, measure
from sentinel.core.drill.progress import Failed, Phase, Stop
from sentinel.core.drill.result import Intensity, Result, Setting
from sentinel.core.drill.ruling import Verdict, broken, rule
from sentinel.sinks.drill_metrics import FIGURES, ChaosMetrics, DrillMetrics
from tests.core.drill.test_progress import BACK, HEALED, OTHER, TERMS, WELL, WOUNDED, run
from tests.engine.test_drill import RECEIPT

WALL = 1_000_000.0
"""The wall clock's moment at which the drill's own clock was 0."""
PASSED = (*WOUNDED, *OTHER, HEALED, *BACK)


class At(Clock):
    """A clock that says what it is told."""

    def __init__(self, now=0.0):
        self.now = now

    def monotonic(self):
        return self.now

    def wall(self):
        return WALL + self.now


class Drill:
    """Its numbers, by name and labels."""

    def __init__(self, variant=Variant.KILL):
        self.registry, self.clock = CollectorRegistry(), At()
        self.metrics = DrillMetrics(self.registry, "outage", variant, self.clock)
        self.chaos = ChaosMetrics(self.registry, "outage", Setting("staging", Intensity.HEAVY))

    def play(self, *events, terms=TERMS):
        """Through all phases, as `engine.drill` tells them."""
        told = None
        for number in range(len(events) + 1):
            progress = run(*events[:number], terms=terms)
            if told is None or progress.phase is not told:
                self.metrics.show(progress)
            told = progress.phase
        return progress

    def __getitem__(self, name):
        return self.registry.get_sample_value(f"sentinel_drill_{name}", {"drill": "outage"})

    def of(self, name, **labels):
        return self.registry.get_sample_value(name, {"drill": "outage", **labels})

    def figure(self, name):
        return self.of(f"chaos_{name}", environment="staging", intensity="heavy")


def result(*events, terms=TERMS):
    progress = run(*events, terms=terms)
    return Result(
        RECEIPT,
        "file",
        "h",
        terms,
        progress,
        rule(terms, progress),
        WALL,
        measure([Seen(1, 1.5, Worth.PRIMARY), Seen(4, 7.0, Worth.ELSEWHERE), Seen(5, 9, Worth.BAD)], progress),
        broken(terms, progress),
    )


def test_everything_is_there_before_anything_has_happened_and_no_figure_is_made_up():
    drill = Drill()

    assert drill.of("sentinel_drill_active", fault="kill") == 0
    assert {drill.of("sentinel_drill_active", fault=each.value) for each in Variant} == {0}
    assert {drill.of("sentinel_drill_runs_total", verdict=each.value) for each in Verdict} == {0}
    for stage in Stage:
        for worth in Worth:
            assert drill.of("sentinel_drill_answers_total", stage=stage.value, result=worth.value) == 0
        assert drill.of("sentinel_drill_answer_seconds_count", stage=stage.value) == 0
    moments = ("wounded", "overdue", "healed", "recovering", "well")
    assert [drill[f"{name}_timestamp_seconds"] for name in moments] == [0] * 5
    assert drill["unreverted"] == drill["recovery_seconds"] == 0
    assert all(math.isnan(drill.figure(name)) for name in FIGURES)


def test_it_is_active_under_its_fault_from_the_first_look_until_it_is_judged():
    drill = Drill(Variant.SLOW)

    drill.play()
    before = drill.of("sentinel_drill_active", fault="slow")
    drill.play(*PASSED[:-1])
    recovering = drill.of("sentinel_drill_active", fault="slow")
    drill.play(*PASSED)

    assert (before, recovering, drill.of("sentinel_drill_active", fault="slow")) == (1, 1, 0)
    assert drill.of("sentinel_drill_active", fault="kill") == 0


def test_a_receipt_says_since_when_and_by_when_and_the_proof_of_its_undo_is_later():
    drill = Drill()

    drill.metrics.show_standing(1, RECEIPT)
    wounded = drill["unreverted"], drill["wounded_timestamp_seconds"], drill["overdue_timestamp_seconds"]
    drill.metrics.show_healed(77.0, 0)

    assert wounded == (1, RECEIPT.written, RECEIPT.written + RECEIPT.seconds)
    assert drill["healed_timestamp_seconds"] > drill["wounded_timestamp_seconds"] > 0
    assert drill["unreverted"] == 0


def test_a_receipt_that_nobody_can_read_is_counted():
    drill = Drill()

    drill.metrics.show_standing(2, None)

    assert (drill["unreverted"], drill["wounded_timestamp_seconds"]) == (2, 0)


def test_the_primary_is_well_before_the_wound_and_again_when_it_answers_and_waited_for_in_between():
    drill = Drill()

    drill.play(*WELL)
    assert drill["well_timestamp_seconds"] == WALL + 3
    drill.play(*PASSED[:-3])
    assert drill["recovering_timestamp_seconds"] == WALL + 20 > drill["well_timestamp_seconds"]
    drill.play(*PASSED)
    assert drill["well_timestamp_seconds"] == WALL + 21 > drill["recovering_timestamp_seconds"]


def test_recovery_lasts_until_now_while_it_lasts_and_is_what_it_was_once_it_is_over():
    drill = Drill()

    drill.play(*PASSED[:-3])
    drill.clock.now = 50.0
    lasting = drill["recovery_seconds"]
    drill.play(*PASSED)
    drill.clock.now = 90.0

    assert (lasting, drill["recovery_seconds"]) == (30.0, 1.0)


def test_a_primary_that_never_came_back_is_not_well_and_its_recovery_stops_with_the_drill():
    drill = Drill()

    drill.play(*PASSED[:-3], Stop(70.0, "SIGTERM"))
    drill.clock.now = 500.0

    assert drill["recovery_seconds"] == 50.0
    assert drill["well_timestamp_seconds"] < drill["recovering_timestamp_seconds"]


def test_nobody_waits_for_the_primary_where_the_drill_does_not():
    drill = Drill()

    progress = drill.play(*PASSED[:-3], terms=replace(TERMS, failback=None))

    assert progress.phase is Phase.JUDGED
    assert drill["recovering_timestamp_seconds"] == drill["recovery_seconds"] == 0


def test_an_answer_is_counted_once_and_timed_if_it_is_one():
    drill = Drill()

    drill.metrics.count(Seen(1.0, 3.5, Worth.ELSEWHERE), Stage.DURING)
    drill.metrics.count(Seen(1.0, 9.0, Worth.BAD), Stage.DURING)
    drill.metrics.count(Seen(1.0, 9.0, Worth.GRACEFUL), Stage.DURING)

    assert drill.of("sentinel_drill_answers_total", stage="during", result="elsewhere") == 1
    assert drill.of("sentinel_drill_answers_total", stage="during", result="bad") == 1
    assert drill.of("sentinel_drill_answer_seconds_count", stage="during") == 1
    assert drill.of("sentinel_drill_answer_seconds_sum", stage="during") == 2.5
    assert drill.of("sentinel_drill_answer_seconds_count", stage="baseline") == 0


def test_the_figures_are_those_of_the_result():
    drill = Drill()

    drill.metrics.show_result(result(*PASSED))
    drill.chaos.show_result(result(*PASSED))

    assert drill.of("sentinel_drill_runs_total", verdict="pass") == 1
    assert {name: round(drill.figure(name), 3) for name in FIGURES} == {
        "mttr_seconds": 101.9,
        "error_rate_percent": 50.0,
        "availability_percent": 50.0,
        "latency_degradation_ms": 2500.0,
        "recovery_time_seconds": 1.0,
        "slo_passed": 1.0,
        "slo_violations_count": 0.0,
    }


@pytest.mark.parametrize(
    ("events", "passed", "violations"),
    [
        ((*PASSED[:-3], *()), 0.0, 1.0),  # the primary did not come back
        ((*WELL, Failed(3.5, "refused"), HEALED), math.nan, math.nan),
        ((Stop(1.0, "SIGTERM"),), math.nan, math.nan),
    ],
)
def test_what_is_not_proven_neither_passed_nor_failed(events, passed, violations):
    drill = Drill()
    found = result(*events)

    drill.chaos.show_result(found)

    assert (str(drill.figure("slo_passed")), str(drill.figure("slo_violations_count"))) == (
        str(passed),
        str(violations),
    ), found.ruling
