"""How fast to ask, what it may cost, and what comes after an outage."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.core.gateway import allowance, cooldown, pace
from sentinel.core.gateway.allowance import Allowance, Price
from sentinel.core.gateway.cooldown import Providers
from sentinel.core.gateway.failover import Kind, Sample
from sentinel.core.gateway.pace import Pace, Usual

NOON = 20_000 * 86_400.0 + 43_200


def good(start, provider="openai", took=0.5):
    return Sample(start, start + took, Kind.GOOD, provider)


def bad(start, took=0.1):
    return Sample(start, start + took, Kind.BAD)


def after(*samples):
    state = Pace()
    for sample in samples:
        state = pace.heard(state, sample)
    return state


def test_a_bad_answer_makes_it_fast_and_ten_seconds_of_good_ones_slow_again():
    samples = [good(0), bad(2), *[good(at / 2) for at in range(5, 25)]]

    assert not after(*samples[:1]).fast
    assert after(*samples[:2]).fast
    assert after(*samples[:-1]).fast
    assert not after(*samples, good(12.5)).fast


def test_the_ten_seconds_are_from_the_beginning_of_the_first_good_answer_to_the_end_of_the_last():
    slow = [good(0), bad(2), good(3, took=1.0)]

    assert after(*slow, good(11.9, took=1.0)).fast, "9.9 s"
    assert not after(*slow, good(12.1, took=1.0)).fast, "10.1 s, of which 9.1 lie between two beginnings or two ends"


def test_an_answer_from_another_provider_is_suspicious_once():
    samples = [good(0), *[good(at / 2, "backup") for at in range(4, 26)]]

    assert after(*samples[:2]).fast
    assert not after(*samples, good(13, "backup"), good(15, "backup")).fast
    assert after(*samples, good(13, "backup"), good(15, "openai")).fast


def test_an_answer_of_nobody_knows_whom_is_not_suspicious():
    assert not after(good(0), good(2, "unknown"), good(4)).fast


def test_our_own_fault_is_not_suspicious():
    assert not after(good(0), Sample(2, 3, Kind.OURS)).fast


def test_one_that_hung_since_before_is_no_news():
    samples = [good(0), bad(2), *[good(at / 2) for at in range(5, 24)]]

    assert after(*samples, bad(2.2, took=10), good(12.5)).fast is False


def test_an_outage_of_hours_is_not_asked_fast_for_hours():
    state = Pace()
    for at in range(599):
        state = pace.heard(state, bad(at))
    assert state.fast

    state = pace.heard(pace.heard(state, bad(601)), bad(603))
    assert not state.fast

    for at in range(700, 712):
        state = pace.heard(state, good(at))
    assert not state.fast
    assert pace.heard(state, bad(720)).fast, "the next one is a new one"


def test_a_first_token_is_late_after_three_times_the_usual():
    usual = Usual()
    assert usual.suspicious(stream=True) is None

    for _ in range(60):
        usual = usual.with_(2.0, 0.5, stream=True).with_(1.0, None, stream=False)

    assert usual.suspicious(stream=True) == 1.5
    assert usual.suspicious(stream=False) == 3.0
    assert Usual().with_(0.1, 0.01, stream=True).suspicious(stream=True) == 0.5
    assert len(usual.streamed) == len(usual.whole) == len(usual.first_tokens) == 51


def test_one_slow_answer_changes_nothing_of_what_is_usual():
    usual = Usual()
    for took in (1.0, 1.0, 60.0, 1.0, 1.0):
        usual = usual.with_(took, took, stream=True)

    assert usual.penalty(5.4, stream=True) == pytest.approx(4.4)
    assert usual.penalty(0.2, stream=True) == 0.0
    assert usual.penalty(5.4, stream=False) is None


def test_the_budget_is_spent_at_full_pace_then_slower_and_then_not_at_all():
    budget = Allowance(tokens=100_000)

    assert allowance.period(budget, NOON, 2.0, 100) == 2.0
    assert allowance.period(allowance.spend(budget, NOON, 40_000, 39_000), NOON, 2.0, 100) == 2.0
    slower = allowance.period(allowance.spend(budget, NOON, 45_000, 45_000), NOON, 2.0, 100)
    assert slower == pytest.approx(43_200 / 100), "a hundred probes are left, and half a day"
    assert allowance.period(allowance.spend(budget, NOON, 50_000, 50_000), NOON, 2.0, 100) is None


def test_money_runs_out_too_and_whichever_is_first_counts():
    budget = Allowance(tokens=10_000_000, money=1.0, price=Price(1.0, 10.0))

    spent = allowance.spend(budget, NOON, 50_000, 95_000)

    assert spent.spent_money == pytest.approx(1.0)
    assert spent.share == pytest.approx(1.0)
    assert allowance.period(spent, NOON, 2.0, 100) is None


def test_a_new_day_begins_with_nothing_spent():
    spent = allowance.spend(Allowance(tokens=100), NOON, 100, 0)

    assert allowance.period(spent, NOON + 43_199, 2.0, 1) is None
    assert allowance.period(spent, NOON + 43_200, 2.0, 1) == 2.0
    assert allowance.spend(spent, NOON + 43_200, 7, 0).spent_in == 7


@given(st.integers(1000, 200_000), st.integers(20, 200), st.floats(1, 60))
def test_a_day_never_costs_more_than_it_may(tokens, each, every):
    budget, now, start = Allowance(tokens=tokens), 20_000 * 86_400.0, 20_000 * 86_400.0
    asked = 0
    while now < start + 86_400:
        step = allowance.period(budget, now, every * 20, each)
        if step is None:
            break
        budget, asked, now = allowance.spend(budget, now, each, 0), asked + 1, now + step

    assert asked * each < tokens + each


def test_without_a_budget_nothing_is_held_back():
    assert allowance.period(allowance.spend(Allowance(), NOON, 10**9, 10**9), NOON, 2.0, 100) == 2.0


def test_the_tail_of_a_cooldown_is_from_a_provider_that_is_well_to_the_first_good_answer():
    state = cooldown.direct(cooldown.direct(Providers(), "openai", 0, good=True), "backup", 0, good=True)
    state = cooldown.direct(cooldown.direct(state, "openai", 10, good=False), "backup", 10, good=False)
    state = cooldown.failed(cooldown.failed(state))
    state = cooldown.direct(cooldown.direct(state, "openai", 20, good=True), "openai", 22, good=True)

    state, tail = cooldown.answered(state, 25)

    assert tail == 5
    assert cooldown.answered(state, 26)[1] is None


def test_where_somebody_was_well_all_the_time_there_is_no_cooldown_to_measure():
    state = cooldown.direct(cooldown.direct(Providers(), "openai", 0, good=False), "backup", 0, good=True)

    _, tail = cooldown.answered(cooldown.failed(state), 25)

    assert tail is None
    assert cooldown.ill(state, ["openai", "backup", "third"]) == ("openai",)


def test_providers_that_die_after_the_gateway_failed_count_too():
    state = cooldown.failed(cooldown.direct(Providers(), "openai", 0, good=True))
    state = cooldown.direct(cooldown.direct(state, "openai", 5, good=False), "openai", 30, good=True)

    assert cooldown.answered(state, 37)[1] == 7


def test_failback_is_from_the_primarys_being_well_to_its_first_answer():
    state = cooldown.direct(cooldown.direct(Providers(), "openai", 10, good=False), "openai", 20, good=True)
    state = cooldown.direct(state, "openai", 25, good=True)

    assert cooldown.failback(state, "openai", 27) == 7
    assert cooldown.failback(state, "backup", 27) is None
