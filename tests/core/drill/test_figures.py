"""What a drill's answers come to: each in its stage, no figure of nothing, and two stages beside each other."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.core.drill import figures
from sentinel.core.drill.figures import NOTHING, Seen, Stage, Tolerance, Worth, answers, changes, measure, stage, worth
from sentinel.core.drill.progress import Done, Failed, Span
from sentinel.core.drill.ruling import broken
from sentinel.core.gateway.outcome import Level, Outcome
from tests.core.drill.test_progress import BACK, HEALED, OTHER, TERMS, WELL, WOUNDED, heard, judged, run

O = Outcome  # noqa: E741
TO_THE_END = run(*WOUNDED, *OTHER, HEALED, *BACK)
"""Asked for the fault at 3.1 and for the undo at 20."""


def seen(start, took=0.5, worth=Worth.PRIMARY):
    return Seen(start, start + took, worth)


@pytest.mark.parametrize(
    ("outcome", "level", "wanted"),
    [
        (O.SERVED_PRIMARY, Level.GOOD, Worth.PRIMARY),
        (O.FAILED_OVER, Level.GOOD, Worth.ELSEWHERE),
        (O.SERVED_UNKNOWN, Level.GOOD, Worth.ELSEWHERE),
        (O.DEGRADED_GRACEFUL, Level.GRACEFUL, Worth.GRACEFUL),
        (O.STRUCTURED_ERROR, Level.STRUCTURED, Worth.BAD),
        (O.TIMEOUT_HEADERS, Level.UNGRACEFUL, Worth.BAD),
        (O.HARNESS_ERROR, Level.UNGRACEFUL, None),
        (O.CONFIG_ERROR, Level.UNGRACEFUL, None),
    ],
)
def test_an_answer_is_worth_what_whoever_asked_has_of_it(outcome, level, wanted):
    assert worth(judged(outcome, level=level)) is wanted


@pytest.mark.parametrize(
    ("start", "end", "wanted"),
    [
        (1.0, 3.1, Stage.BASELINE),
        (1.0, 3.2, Stage.DURING),  # the fault was asked for before it was over
        (19.9, 30.0, Stage.DURING),  # it was asked before the undo, and may have met the fault
        (20.0, 20.5, Stage.POST),
    ],
)
def test_what_may_have_met_the_fault_counts_as_during(start, end, wanted):
    assert stage(TO_THE_END, start, end) is wanted


def test_before_anything_is_broken_all_is_baseline_and_while_it_is_being_broken_nobody_knows():
    assert stage(run(*WELL[:2]), 1.0, 1.5) is Stage.BASELINE
    assert stage(run(*WELL), 3.0, 3.5) is Stage.DURING
    assert stage(run(*WELL, Failed(3.5, "refused"), Done(Span(4.0, 4.1))), 9.0, 9.5) is Stage.BASELINE


def test_a_wound_that_was_never_healed_has_nothing_after_it():
    assert stage(run(*WOUNDED, *OTHER, Failed(21.0, "gone")), 50.0, 51.0) is Stage.DURING


def test_the_figures_of_a_stage():
    some = [*(seen(0, took) for took in (0.1, 0.2, 0.3, 0.4)), seen(0, 9.0, Worth.ELSEWHERE)]
    some += [seen(0, 30.0, Worth.BAD)] * 2 + [seen(0, 0.1, Worth.GRACEFUL)]

    found = answers(some)

    assert (found.answers, found.availability_percent, found.error_rate_percent) == (8, 62.5, 25.0)
    assert found.elsewhere_percent == 12.5
    assert (found.latency_p50, found.latency_p95, found.latency_max) == (0.3, 9.0, 9.0)  # no error's time is in it


def test_nothing_has_no_figures_and_only_errors_have_no_latency():
    assert answers([]) == NOTHING
    assert answers([seen(0, 9.0, Worth.BAD)]).latency_p95 is None
    assert answers([seen(0, 9.0, Worth.BAD)]).error_rate_percent == 100.0


def test_the_95th_of_a_hundred_is_one_that_was_seen():
    assert answers([seen(0, number / 100) for number in range(1, 101)]).latency_p95 == 0.95
    assert answers([seen(0, number / 20) for number in range(1, 21)]).latency_p95 == 0.95


def test_a_drill_s_figures_are_from_the_fault_and_from_the_undo():
    all_ = [seen(1), seen(4, 6.0, Worth.BAD), seen(10, 2.5, Worth.ELSEWHERE), seen(21)]

    found = measure(all_, TO_THE_END)

    assert (found.baseline.answers, found.during.answers, found.post.answers) == (1, 2, 1)
    assert found.mttr == pytest.approx(105.0 - 3.1)  # where the episode ended
    assert found.recovery == pytest.approx(21.0 - 20.0)
    assert found.latency_degradation == pytest.approx(2.0)


def test_where_nobody_took_over_the_repair_is_the_primary_s_return():
    progress = replace(TO_THE_END, episode=None)

    assert measure([], progress).mttr == pytest.approx(21.0 - 3.1)
    assert measure([], replace(progress, back=None)).mttr is None
    assert measure([], run(*WELL)).mttr is None and measure([], run(*WELL)).recovery is None


def test_two_stages_are_the_same_within_the_tolerance_and_unknown_where_one_is_nothing():
    before, after = answers([seen(0, 0.5)]), answers([seen(0, 1.0), seen(0, 1.0, Worth.BAD)])

    found = changes(before, after, Tolerance(latency=0.5, percent=49.0))
    nothing = changes(before, NOTHING)

    assert (found["latency_p95"].delta, found["latency_p95"].within) == (0.5, True)
    assert (found["error_rate_percent"].delta, found["error_rate_percent"].within) == (50.0, False)
    assert found["availability_percent"].within is False  # better or worse, it is not the same
    assert nothing["latency_p95"].delta is None and nothing["latency_p95"].within is None


def test_what_was_written_is_read_back_and_anything_else_is_refused():
    found = measure([seen(1), seen(21)], TO_THE_END)

    stages = figures.read({"figures": found.as_json()})

    assert stages[Stage.BASELINE] == found.baseline and stages[Stage.DURING] == NOTHING
    docs: list[dict[str, Any]] = [{}, {"figures": {}}, {"figures": {"baseline": 1}}]
    for doc in docs:
        with pytest.raises(ValueError, match="no figures of a drill"):
            figures.read(doc)


def test_two_drills_are_alike_where_every_figure_is_and_unknown_where_only_one_has_one():
    whole, late = (
        measure([seen(1), seen(4), seen(21)], TO_THE_END),
        measure([seen(1), seen(4, 3.0), seen(21)], TO_THE_END),
    )
    stages = [figures.read({"figures": found.as_json()}) for found in (whole, late, measure([seen(1)], TO_THE_END))]

    def alike(one, other):
        found = figures.compared(stages[one], stages[other], Tolerance())
        return figures.alike(change for part in found.values() for change in part.values())

    assert alike(0, 0) is True and alike(2, 2) is True  # what neither has is no difference
    assert alike(0, 1) is False and alike(1, 0) is False
    assert alike(0, 2) is None


def test_broken_promises_are_told_by_name_once_each():
    silent = [*WOUNDED, heard(9, O.UNGRACEFUL_ERROR), Done(Span(1, 1))]

    assert broken(TERMS, TO_THE_END) == ()
    assert broken(TERMS, replace(TO_THE_END, back=None)) == ("failback",)
    assert broken(TERMS, replace(run(*silent), reverted=Span(1, 1))) == ("graceful", "failback")
    lasting = replace(TO_THE_END, episode=None, unanswered=replace(TO_THE_END.unanswered, lower=31.0, user=31.0))
    assert broken(TERMS, lasting) == ("within",)
    assert broken(TERMS, replace(TO_THE_END, bitten=0, back=None)) == ()  # nothing is proven


@given(st.lists(st.tuples(st.floats(0, 60), st.floats(0.01, 30), st.sampled_from(Worth)), max_size=40))
def test_law_every_answer_is_in_one_stage_and_shares_are_shares(rows):
    all_ = [seen(*row) for row in rows]

    found = measure(all_, TO_THE_END)

    parts = (found.baseline, found.during, found.post)
    assert sum(part.answers for part in parts) == len(all_)
    for part in parts:
        elsewhere, whole, errors = known(part.elsewhere_percent, part.availability_percent, part.error_rate_percent)
        assert 0 <= elsewhere <= whole <= 100 - errors + 1e-9
        times = known(part.latency_p50, part.latency_p95, part.latency_max)
        assert times == sorted(times)


def known(*figures: float | None) -> list[float]:
    """0 for those of nothing."""
    return [figure or 0.0 for figure in figures]
