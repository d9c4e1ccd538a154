"""How a drill goes on: nothing is broken that was not well, and whatever is broken is healed."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.core.drill import progress as steps
from sentinel.core.drill.progress import (
    By,
    Cut,
    Done,
    Failed,
    Heard,
    Over,
    Phase,
    Span,
    Stop,
    Terms,
    Tick,
    advance,
    begin,
    unfit,
)
from sentinel.core.drill.ruling import Verdict, rule
from sentinel.core.gateway.failover import Bounds, Episode, Live
from sentinel.core.gateway.failover import Verdict as Ended
from sentinel.core.gateway.foreign import Foreign
from sentinel.core.gateway.outcome import Judged, Kind, Level, Outcome, Point
from sentinel.core.gateway.provider import Served

TERMS = Terms("openai", within=30.0, duration=60.0)
O = Outcome  # noqa: E741


def judged(outcome, provider="", level=None, **more):
    good = outcome in (O.SERVED_PRIMARY, O.FAILED_OVER, O.SERVED_UNKNOWN)
    names = {O.SERVED_PRIMARY: "openai", O.FAILED_OVER: "backup"}
    served = Served(provider or names.get(outcome, "unknown"), "")
    return Judged(
        outcome,
        f"rule of {outcome}",
        served,
        level or (Level.GOOD if good else Level.UNGRACEFUL),
        True,
        200,
        0.5,
        None,
        **more,
    )


def heard(at, outcome=O.SERVED_PRIMARY, **more):
    return Heard(at - 0.5, at, judged(outcome, **more))


def episode(lower=3.0, upper=5.0, verdict=Ended.PASS, to="backup"):
    bounds = Bounds(lower, upper)
    return Episode(verdict, "openai", to, 100.0, 105.0, first=bounds, stable=bounds, user=4.0, bad=3)


WELL = [heard(1), heard(2), heard(3)]
WOUNDED = [*WELL, Done(Span(3.1, 3.2))]
HEALED = Done(Span(20.0, 20.1))
BACK = [heard(21), heard(22), heard(23)]
OTHER = [heard(4, O.TIMEOUT_HEADERS), heard(8, O.FAILED_OVER), Over(9.0, episode())]


def run(*events, terms=TERMS):
    state = begin(0.0)
    for event in events:
        state = advance(terms, state, event)
    return state


def verdict(*events, terms=TERMS):
    state = run(*events, terms=terms)
    assert state.phase is Phase.JUDGED
    return rule(terms, state).verdict, rule(terms, state).why


def test_three_good_answers_of_the_primary_in_a_row_and_no_fewer_let_it_break_anything():
    assert run(*WELL[:2]).phase is Phase.GATING
    assert run(WELL[0], WELL[1], heard(3, O.FAILED_OVER), heard(4), heard(5)).phase is Phase.GATING
    assert run(*WELL).phase is Phase.ARMING


def test_a_fault_that_was_not_read_back_is_taken_away_and_proves_nothing():
    state = run(*WELL, Failed(4.0, "no such proxy"))

    assert state.phase is Phase.REVERTING
    assert verdict(*WELL, Failed(4.0, "no such proxy"), HEALED) == (
        Verdict.INCONCLUSIVE,
        "the fault was not seen to be there: no such proxy",
    )


def test_another_provider_in_time_and_the_primary_back_passes():
    assert run(*WOUNDED, *OTHER).phase is Phase.REVERTING
    assert run(*WOUNDED, *OTHER, HEALED).phase is Phase.RECOVERING
    assert verdict(*WOUNDED, *OTHER, HEALED, *BACK) == (
        Verdict.PASS,
        "backup answered after 3.0 to 5.0 s, within 30 s",
    )


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (episode(3, 29, Ended.PASS), Verdict.PASS),
        (episode(29, 31, Ended.INDETERMINATE), Verdict.INCONCLUSIVE),
        (episode(31, 33, Ended.VIOLATION), Verdict.FAIL),
    ],
)
def test_the_bounds_decide_and_between_them_nothing_is_proven(told, expected):
    assert verdict(*WOUNDED, heard(4, O.TIMEOUT_HEADERS), Over(9.0, told), HEALED, *BACK)[0] is expected


def test_an_episode_that_ended_before_the_fault_was_proved_is_kept():
    state = run(*WELL, heard(4, O.FAILED_OVER), Over(4.0, episode()))

    assert state.phase is Phase.ARMING
    assert run(*WELL, Over(4.0, episode()), Done(Span(3.1, 4.1)), Tick(4.2)).phase is Phase.REVERTING


def test_nobody_else_until_the_time_is_over_fails():
    dead = [*WOUNDED, heard(5, O.TIMEOUT_HEADERS), Tick(62.0, Live(45.0, 58.0)), Tick(63.3, Live(46.0, 59.0))]

    assert run(*dead).phase is Phase.REVERTING
    assert verdict(*dead, HEALED, *BACK) == (Verdict.FAIL, "nobody answered for at least 46.0 s")


def test_a_primary_that_goes_on_slowly_while_nobody_takes_over_fails():
    slow = [*WOUNDED, heard(8, slow=True), Tick(63.3)]

    assert verdict(*slow, HEALED, *BACK)[0] is Verdict.FAIL


def test_a_fault_that_nobody_noticed_proves_nothing():
    found, why = verdict(*WOUNDED, heard(8), heard(9), Tick(63.3), HEALED, *BACK)

    assert (found, "did not bite" in why, "2 whole answers" in why) == (Verdict.INCONCLUSIVE, True, True)


def test_a_fault_that_no_request_met_proves_nothing_whatever_else_was_seen():
    unmet = Done(Span(20.0, 20.1), 0)

    found, why = verdict(*WOUNDED, heard(4, O.UNGRACEFUL_ERROR), *OTHER, unmet, *BACK)

    assert (found, "did not bite" in why) == (Verdict.INCONCLUSIVE, True)
    assert verdict(*WOUNDED, *OTHER, Done(Span(20.0, 20.1), 1), *BACK)[0] is Verdict.PASS


def test_one_ungraceful_answer_fails_though_another_provider_came_in_time():
    found, why = verdict(*WOUNDED, heard(4, O.UNGRACEFUL_ERROR), *OTHER, HEALED, *BACK)

    assert (found, why) == (Verdict.FAIL, "1 ungraceful answer: rule of ungraceful_error")
    allowed = replace(TERMS, graceful=False)
    assert verdict(*WOUNDED, heard(4, O.UNGRACEFUL_ERROR), *OTHER, HEALED, *BACK, terms=allowed)[0] is Verdict.PASS


def test_an_ungraceful_answer_to_who_asked_before_the_undo_counts_though_it_came_after():
    late = Heard(19.0, 20.5, judged(O.UNGRACEFUL_ERROR))

    assert verdict(*WOUNDED, *OTHER, HEALED, late, *BACK)[0] is Verdict.FAIL


def test_a_primary_that_does_not_come_back_fails():
    away = [heard(at, O.FAILED_OVER) for at in (30, 50, 70)]

    assert verdict(*WOUNDED, *OTHER, HEALED, *away, Tick(81.0)) == (
        Verdict.FAIL,
        "openai did not answer again within 60 s of the undo",
    )
    assert verdict(*WOUNDED, *OTHER, HEALED, terms=replace(TERMS, failback=None))[0] is Verdict.PASS


def test_an_answer_that_was_asked_for_before_the_undo_is_no_recovery():
    early = [Heard(18.0, 21.0 + at, judged(O.SERVED_PRIMARY)) for at in range(3)]

    assert run(*WOUNDED, *OTHER, HEALED, *early).phase is Phase.RECOVERING


def test_where_only_grace_is_asked_for_the_fault_stands_its_whole_time():
    terms = replace(TERMS, by=By.GRACEFUL)
    kind = heard(4, O.DEGRADED_GRACEFUL, level=Level.GRACEFUL)

    assert run(*WOUNDED, kind, Over(9.0, episode()), terms=terms).phase is Phase.OBSERVING
    assert verdict(*WOUNDED, kind, Tick(63.3), HEALED, *BACK, terms=terms)[0] is Verdict.PASS
    assert verdict(*WOUNDED, heard(4, O.UNGRACEFUL_ERROR), Tick(63.3), HEALED, *BACK, terms=terms)[0] is Verdict.FAIL


ABORTS = {
    "a signal": ([Stop(5.0, "SIGTERM")], TERMS),
    "too many ungraceful": (
        [heard(5, O.UNGRACEFUL_ERROR), heard(6, O.UNGRACEFUL_ERROR)],
        replace(TERMS, graceful=False, most_ungraceful=1),
    ),
    "unanswered": ([Tick(16.0, Live(8.0, 12.0))], replace(TERMS, most_unanswered=10.0)),
}


@pytest.mark.parametrize(("events", "terms"), ABORTS.values(), ids=ABORTS.keys())
def test_an_abort_heals_first_and_is_told_as_such(events, terms):
    assert run(*WOUNDED, *events, terms=terms).phase is Phase.REVERTING
    assert verdict(*WOUNDED, *events, HEALED, terms=terms)[0] is Verdict.ABORTED


def test_what_was_proven_to_fail_stays_failed_though_it_was_stopped():
    failed = [*WOUNDED, heard(4, O.UNGRACEFUL_ERROR), Stop(5.0, "SIGTERM"), HEALED]

    assert verdict(*failed)[0] is Verdict.FAIL


def test_the_answer_to_another_tenant_ends_and_fails_any_drill():
    crossed = heard(4, O.FAILED_OVER, foreign=(Foreign("the text", "abcdef"),))

    assert run(*WOUNDED, crossed).phase is Phase.REVERTING
    assert verdict(*WOUNDED, crossed, HEALED)[0] is Verdict.FAIL


def test_our_own_disturbance_proves_nothing_and_is_no_abort():
    ours = Episode(Ended.INVALID, "openai", "unknown", 4.0, 6.0)

    assert verdict(*WOUNDED, Over(6.0, ours), HEALED)[0] is Verdict.INCONCLUSIVE
    assert verdict(*WOUNDED, Over(6.0, ours), HEALED)[1] == "we were disturbed ourselves meanwhile"


def test_an_undo_that_cannot_be_proved_is_kept_in_mind():
    state = run(*WOUNDED, *OTHER, Failed(20.0, "gone"))

    assert (state.phase, state.unhealed) == (Phase.JUDGED, "gone")


@pytest.mark.parametrize(
    ("outcome", "level", "more", "at_api", "at_user"),
    [
        (O.SERVED_PRIMARY, Level.GOOD, {}, False, False),
        (O.DEGRADED_GRACEFUL, Level.GRACEFUL, {}, False, False),
        (O.STRUCTURED_ERROR, Level.STRUCTURED, {}, False, True),
        (O.UNGRACEFUL_ERROR, Level.UNGRACEFUL, {}, True, True),
        (O.ERROR_IN_STREAM, Level.UNGRACEFUL, {}, True, True),
        (O.EMPTY_SUCCESS, Level.UNGRACEFUL, {}, True, True),
        (O.TRUNCATED_STREAM, Level.UNGRACEFUL, {"kind": Kind.SILENT}, True, True),
        (O.TRUNCATED_STREAM, Level.UNGRACEFUL, {"kind": Kind.ABORT}, False, False),
        (O.TIMEOUT_HEADERS, Level.UNGRACEFUL, {}, False, False),
        (O.GATEWAY_UNREACHABLE, Level.UNGRACEFUL, {}, False, False),
    ],
)
def test_what_was_shown_and_should_not_have_been_is_unfit_and_a_silence_is_not(outcome, level, more, at_api, at_user):
    said = judged(outcome, level=level, **more)

    assert bool(unfit(said, Point.API)) is at_api
    assert bool(unfit(said, Point.USER)) is at_user


EVENTS = st.one_of(
    st.sampled_from([*O]).map(lambda outcome: heard(0, outcome)),
    st.sampled_from([episode(), episode(31, 40, Ended.VIOLATION), episode(to="openai")]).map(lambda e: Over(0.0, e)),
    st.just(Over(0.0, Episode(Ended.INVALID, "openai", "unknown", 0.0, 0.0))),
    st.floats(0, 60).map(lambda lower: Tick(0.0, Live(lower, lower))),
    st.booleans().map(lambda well: Done(Span(0.0, 0.0)) if well else Failed(0.0, "x")),
    st.just(Stop(0.0, "SIGTERM")),
)
ORDER = {
    Phase.GATING: {Phase.ARMING, Phase.JUDGED},
    Phase.ARMING: {Phase.OBSERVING, Phase.REVERTING},
    Phase.OBSERVING: {Phase.REVERTING},
    Phase.REVERTING: {Phase.RECOVERING, Phase.JUDGED},
    Phase.RECOVERING: {Phase.JUDGED},
    Phase.JUDGED: set(),
}


def at(event, now):
    match event:
        case Heard():
            return replace(event, start=now - 0.5, end=now)
        case Done():
            return Done(Span(now, now))
        case _:
            return replace(event, at=now)


@given(st.lists(st.tuples(st.floats(0.1, 20), EVENTS), max_size=60))
def test_law_no_story_skips_the_proof_of_the_undo_or_passes_without_one(story):
    """Whatever happens, in whatever order: what may be broken is healed before it is over."""
    state, now = steps.begin(0.0), 0.0
    for wait, event in story:
        now += wait
        after = steps.advance(TERMS, state, at(event, now))
        assert after.phase is state.phase or after.phase in ORDER[state.phase]
        state = after

    phases = [phase for phase, _ in state.passed]
    if state.phase is Phase.JUDGED:
        assert Phase.ARMING not in phases or state.reverted is not None or state.unhealed
        if rule(TERMS, state).verdict is Verdict.PASS:
            assert state.injected and state.reverted and state.back is not None and state.episode is not None
            assert state.tally.changed("openai") and not state.tally.ungraceful and state.cut is not Cut.STOPPED
