"""Failover between two bounds: the truth always lies within, and a verdict that is given is right."""

import random
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.core.gateway import failover
from sentinel.core.gateway.failover import (
    Bounds,
    Episode,
    Failback,
    Failover,
    Kind,
    Line,
    Sample,
    Verdict,
    advance,
    live,
)
from tests.core.gateway.gateway import BACKUP, PRIMARY, Gateway, Watch, shifted

SWITCHES = (0, 2, 5, 15, 27, 33, 60)
GOOD, BAD, OURS = Kind.GOOD, Kind.BAD, Kind.OURS


def near(figure) -> Any:
    return pytest.approx(figure)


def run(*rows, within=30.0):
    """Samples written as (start, end, kind, provider)."""
    state, told = Failover(within, PRIMARY), list[Any]()
    for row in rows:
        state, said = advance(state, Sample(*row))
        told += [said] if said else []
    return state, told


def primary(*starts, took=0.5):
    return [(start, start + took, GOOD, PRIMARY) for start in starts]


def backup(*starts, took=0.5):
    return [(start, start + took, GOOD, BACKUP) for start in starts]


def bad(*starts, took=0.1):
    return [(start, start + took, BAD) for start in starts]


@given(
    st.sampled_from(SWITCHES),
    st.sampled_from(["fast", "hang", "retry"]),
    st.floats(20, 24),
    st.sampled_from([1.0, 2.0, 5.0, 10.0]),
    st.integers(0, 2**32),
)
def test_the_truth_lies_within_the_bounds_and_a_verdict_is_right(switch, fault, dies, every, seed):
    rng = random.Random(seed)
    watch = Watch(Gateway(dies, switch, fault, rng), every=every, fast=min(every, 0.5))

    watch.until(dies + switch + 60)

    episode: Any
    (episode,) = watch.episodes
    assert episode.verdict in (Verdict.PASS, Verdict.VIOLATION, Verdict.INDETERMINATE)
    truth = 0 if fault == "retry" else switch  # whoever waits is answered,
    answered = min(switch, 5 if fault == "retry" else switch) + 0.2  # at best by then
    assert episode.stable.lower <= truth <= answered <= episode.stable.upper
    assert episode.first == episode.stable
    if episode.verdict is Verdict.PASS:
        assert answered < 30
    if episode.verdict is Verdict.VIOLATION:
        assert truth >= 30
    assert (episode.source, episode.to) == (PRIMARY, BACKUP)


@pytest.mark.parametrize(("fault", "most"), [("fast", 2.5), ("hang", 4.0)])
def test_at_two_seconds_the_upper_bound_is_near_the_truth(fault, most):
    over = []
    for seed in range(300):
        rng = random.Random(seed)
        switch = rng.choice(SWITCHES)
        watch = Watch(Gateway(rng.uniform(20, 24), switch, fault, rng, takes=(0.3, 0.35)))
        watch.until(150)
        (episode,) = watch.episodes
        over.append(episode.stable.upper - switch)

    assert sum(excess <= most for excess in over) >= 0.95 * len(over), sorted(over)[-20:]


@pytest.mark.parametrize(
    ("switch", "fault", "verdict"),
    [
        (0, "fast", Verdict.PASS),
        (5, "fast", Verdict.PASS),
        (15, "hang", Verdict.PASS),
        (33, "fast", Verdict.VIOLATION),
        (60, "fast", Verdict.VIOLATION),
        (60, "hang", Verdict.VIOLATION),
    ],
)
def test_far_from_the_promise_the_verdict_is_given(switch, fault, verdict):
    for seed in range(20):
        rng = random.Random(seed)
        watch = Watch(Gateway(rng.uniform(20, 24), switch, fault, rng))
        watch.until(150)
        assert [episode.verdict for episode in watch.episodes] == [verdict]


def test_a_healthy_gateway_with_slow_answers_has_no_episode():
    watch = Watch(Gateway(1e9, 0, "fast", random.Random(1), slow=0.2))

    watch.until(3600)

    assert watch.told == []


@given(st.permutations(range(12)), st.integers(0, 2**32))
def test_in_whatever_order_probes_end_what_is_told_is_the_same(order, seed):
    rng = random.Random(seed)
    kinds = [(GOOD, PRIMARY), (GOOD, BACKUP), (BAD, "unknown"), (GOOD, "unknown"), (OURS, "unknown")]
    samples = [Sample(at, at + rng.uniform(0.1, 9), *rng.choice(kinds)) for at in range(12)]

    line, heard = Line(), list[Sample]()
    for number in range(12):
        line = line.begin(number)
    for number in order:
        line, ready = line.end(number, samples[number])
        heard += ready

    assert heard == samples
    assert line == Line()


def test_a_probe_that_was_cancelled_holds_up_nobody():
    line = Line().begin(1).begin(2).begin(3)
    late = Sample(2, 3, GOOD, PRIMARY)

    line, ready = line.end(2, late)
    assert (ready, line.waiting) == ((), (late,))

    line, ready = line.end(1, None)
    assert ready == (late,)
    assert line == Line().begin(3)


def test_a_transparent_failover_has_a_lower_bound_of_nothing():
    _, told = run(*primary(0, 2), *backup(4, 6, 8))

    assert told == [
        Episode(Verdict.PASS, PRIMARY, BACKUP, 4, 4.5, Bounds(0, 2.0), Bounds(0, 2.0), user=None, bad=0),
    ]


def test_bounds_reach_from_the_last_good_answer_to_the_first_one_received():
    _, told = run(*primary(0, 2), *bad(4, 6, 8), *backup(10, 10.5, 11))

    (episode,) = told
    assert episode.stable == Bounds(near(8 - 4.1), near(10.5 - 2.5))
    assert episode.user == 10.5 - 4
    assert (episode.began, episode.ended, episode.bad) == (4, 10.5, 3)


def test_one_good_answer_is_the_first_and_three_in_a_row_are_stable():
    _, told = run(*primary(0, 2), *bad(4), *backup(6), *bad(8), *backup(50, 52), *bad(54), *backup(56, 58, 60))

    (episode,) = told
    assert episode.first == Bounds(0, 6.5 - 2.5)
    assert episode.stable == Bounds(near(54 - 4.1), near(56.5 - 2.5))
    assert episode.verdict is Verdict.VIOLATION, "the promise is about an answer that stays"
    assert episode.user == 2.5, "who asked first and tried again was answered early"


def test_an_answer_of_the_primary_after_the_fault_ends_it_as_recovered_by_itself():
    _, told = run(*primary(0, 2), *bad(4, 6), *primary(8), *primary(10))

    (episode,) = told
    assert (episode.verdict, episode.first, episode.stable) == (Verdict.SELF_RECOVERED, None, None)
    assert episode.user == 8.5 - 4


def test_a_recovery_by_itself_that_was_felt_too_long_pages_all_the_same():
    _, told = run(*primary(0, 2), *bad(*range(4, 40, 2)), *primary(40))

    assert told[0].verdict is Verdict.SELF_RECOVERED
    assert told[0].pages(30)
    assert not told[0].pages(40)


def test_an_answer_that_ended_before_the_first_bad_one_is_no_recovery():
    rows = [*primary(0, 2), (4, 14, BAD), *primary(4.5), *backup(16, 17, 18)]

    _, told = run(*rows)

    (episode,) = told
    assert episode.verdict is Verdict.PASS
    assert episode.stable.upper == 16.5 - 5.0, "alive until that answer"


def test_an_answer_that_was_cut_off_shows_life_until_its_last_token():
    cut = (4, 4.8, BAD, PRIMARY, 4.4)

    (known,) = run(*primary(0, 2), cut, *backup(6, 7, 8))[1]
    (unknown,) = run(*primary(0, 2), (4, 4.8, BAD, "unknown", 4.4), *backup(6, 7, 8))[1]

    assert known.stable.upper == near(6.5 - 4.4)
    assert unknown.stable.upper == near(6.5 - 2.5)


def test_an_answer_that_outlasted_the_first_bad_one_shows_life_at_its_beginning_only():
    rows = [*primary(0), (3.5, 9.0, GOOD, PRIMARY), *bad(4), *backup(6, 7, 8)]

    _, told = run(*rows)

    assert told[0].stable.upper == 6.5 - 3.5


def test_who_starts_in_the_middle_of_an_outage_has_no_figure():
    _, told = run(*bad(0, 2, 4), *backup(6, 8, 10))

    (episode,) = told
    assert (episode.verdict, episode.stable) == (Verdict.LEFT_CENSORED, None)
    assert episode.user == 6.5


def test_who_stops_in_the_middle_of_one_says_so():
    state, told = run(*primary(0, 2), *bad(4, 6, 8))

    episode: Any = failover.close(state, 9)

    assert told == []
    assert (episode.verdict, episode.began, episode.ended) == (Verdict.RIGHT_CENSORED, 4, 9)
    assert failover.close(run(*primary(0))[0], 9) is None


def test_while_it_lasts_the_proven_and_the_felt_time_grow():
    state, _ = run(*primary(0, 2), *bad(4, 6, 8))

    assert live(state, 20) == failover.Live(near(8 - 4.1), 16)
    assert live(run(*primary(0, 2))[0], 20) is None
    assert live(run(*primary(0, 2), *bad(4), *backup(6))[0], 20) is None, "users are answered"


@pytest.mark.parametrize(
    "rows",
    [
        [*primary(0, 2), *bad(4), (6, 6, OURS), *bad(8), *backup(50, 52, 54)],
        [*primary(0, 2), (6, 6, OURS), *bad(8), *backup(50, 52, 54)],
        [*primary(0, 2), *bad(4), (6, 6, OURS), *backup(50, 52, 54)],
    ],
)
def test_our_own_disturbance_makes_an_episode_invalid_and_never_a_figure(rows):
    _, told = run(*rows)

    assert told[0].verdict is Verdict.INVALID
    assert all(episode.stable is None for episode in told)
    assert not told[0].pages(30)
    assert {episode.verdict for episode in told} <= {Verdict.INVALID, Verdict.LEFT_CENSORED}


def test_a_long_disturbance_is_told_once_and_nothing_more_when_all_is_well_again():
    _, told = run(*primary(0, 2), *[(at, at, OURS) for at in range(4, 60)], *primary(60, 62, 64))

    assert [episode.verdict for episode in told] == [Verdict.INVALID]


def test_the_fault_was_there_by_the_earliest_end_of_a_bad_probe():
    _, told = run(*primary(0, 2), *bad(4, took=10), *bad(6, 8), *backup(10, 11, 12))

    assert told[0].stable.lower == near(8 - 6.1)


def test_the_fault_was_there_by_the_end_of_an_answer_from_elsewhere():
    _, told = run(*primary(0, 2), *backup(4), *bad(6, 8, took=10), *backup(30, 31, 32))

    assert told[0].stable.lower == near(8 - 4.5)


def test_to_learn_who_answers_is_no_failover():
    assert run((0, 1, GOOD), *backup(2, 4, 6))[1] == []


def test_a_disturbance_does_not_hide_what_users_feel_after_it():
    _, told = run(*primary(0, 2), *bad(4), (6, 6, OURS), *bad(*range(8, 60, 2)), *backup(60, 62, 64))

    assert told[-1].user == 52.5
    assert told[-1].pages(30)


def test_a_disturbance_after_the_first_good_answer_spoils_nothing_that_was_known():
    _, told = run(*primary(0, 2), *bad(4), *backup(6), (7, 7, OURS), *backup(8, 10))

    (episode,) = told
    assert (episode.verdict, episode.stable) == (Verdict.PASS, Bounds(0, 4.0))


def test_back_to_the_primary_without_a_gap_is_a_failback_and_no_episode():
    _, told = run(*primary(0, 2), *backup(4, 6, 8), *primary(10, 12))

    assert told[1:] == [Failback(BACKUP, 10.5)]


def test_the_backup_can_die_too():
    _, told = run(*primary(0), *backup(2, 4, 6), *bad(8, 10), *[(at, at + 0.5, GOOD, "third") for at in (12, 14, 16)])

    assert [(episode.source, episode.to) for episode in told] == [(PRIMARY, BACKUP), (BACKUP, "third")]


def test_without_any_identity_the_outage_is_measured_all_the_same():
    goods = [(at, at + 0.5, GOOD) for at in (0, 2)]
    after = [(at, at + 0.5, GOOD) for at in (50, 52, 54)]

    _, told = run(*goods, *bad(4, 6), *after)

    (episode,) = told
    assert (episode.source, episode.to) == ("unknown", "unknown")
    assert episode.stable == Bounds(near(6 - 4.1), 50.5 - 2.5)
    assert episode.verdict is Verdict.INDETERMINATE


def test_an_unknown_answer_is_not_the_primarys_and_not_anothers():
    _, told = run(*primary(0), (2, 2.5, GOOD), *primary(4), (6, 6.5, GOOD), *backup(8, 10, 12))

    (episode,) = told
    assert episode.stable == Bounds(0, 8.5 - 6.5), "users were answered until then"


@given(st.lists(st.tuples(st.sampled_from(Kind), st.sampled_from([PRIMARY, BACKUP, "unknown"]), st.floats(0.01, 12))))
def test_no_history_has_bounds_that_cross_or_verdicts_that_do_not_follow(rows):
    samples = [
        (float(at), at + took, kind, name if kind is GOOD else "unknown") for at, (kind, name, took) in enumerate(rows)
    ]

    state, told = run(*samples, within=5.0)

    episode: Any
    for episode in (told for told in told if isinstance(told, Episode)):
        if episode.stable is not None:
            assert 0 <= episode.stable.lower <= episode.stable.upper
            assert episode.first.upper <= episode.stable.upper
        measured = episode.verdict in (Verdict.PASS, Verdict.VIOLATION, Verdict.INDETERMINATE)
        assert measured == (episode.stable is not None)
    assert len(state.goods) <= 13


@given(st.floats(0, 1e9), st.integers(0, 2**32))
def test_only_differences_of_time_matter(by, seed):
    watch = Watch(Gateway(22, 5, "fast", random.Random(seed)))
    watch.until(60)

    moved = run(*[(s.start, s.end, s.kind, s.provider) for s in (shifted(s, by) for s in watch.samples)])[1]

    assert [(told.verdict, told.bad) for told in moved] == [(told.verdict, told.bad) for told in watch.told]


def test_slots_that_were_skipped_widen_the_bounds():
    rows = [*primary(0, 2, 4, 6, 8), *bad(10, 12), *backup(14, 16, 18)]
    fewer = [row for row in rows if row[0] not in (4, 6, 8, 12)]

    (whole,), (less,) = run(*rows)[1], run(*fewer)[1]

    assert less.stable.lower < whole.stable.lower
    assert less.stable.upper > whole.stable.upper


def test_starts_are_what_orders_and_the_machine_keeps_little():
    state, _ = run(*primary(*range(0, 20000, 2)))

    assert len(state.goods) == 1
    assert all(a.start < b.start for a, b in pairwise(state.goods))
