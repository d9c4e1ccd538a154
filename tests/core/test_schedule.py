"""Slots from a start point: nothing drifts, nothing is forgotten, a stall is no burst."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.core.schedule import Slots, quota, quota_between, spread

EVERY = st.floats(0.1, 3600.0)
SMALL = st.integers(1, 60)


@pytest.mark.parametrize(
    ("now", "slot"),
    [(0.0, 0), (99.9, 0), (100.0, 0), (100.1, 1), (110.0, 1), (110.000001, 2), (119.9, 2), (1099.0, 100)],
)
def test_the_next_slot_is_the_first_that_has_not_begun(now, slot):
    assert Slots(100.0, 10.0).next(now) == slot


@given(st.floats(0, 1e9), EVERY, st.integers(0, 1_000_000))
def test_a_slot_is_a_number_so_its_time_never_drifts(start, every, slot):
    assert Slots(start, every).at(slot) == start + slot * every


@given(st.floats(0, 1e6), EVERY, st.floats(0, 1e6))
def test_the_next_slot_is_never_past_and_never_skips_one(start, every, later):
    slots, now = Slots(start, every), start + later

    upcoming = slots.next(now)

    assert slots.at(upcoming) >= now - 1e-6 * every - 1e-6
    assert upcoming == 0 or slots.at(upcoming - 1) < now


@given(st.text(), EVERY)
def test_a_spread_is_within_the_period_and_the_same_after_a_restart(key, every):
    assert 0 <= spread(key, every) < every
    assert spread(key, every) == spread(key, every)


def test_tenants_are_spread_over_the_whole_period():
    offsets = [spread(f"team-{number}", 10.0) for number in range(200)]

    assert all(any(low <= offset < low + 1 for offset in offsets) for low in range(10))


@given(st.integers(0, 500), SMALL, st.integers(0, 10_000))
def test_any_run_of_slots_as_long_as_the_period_asks_everything_once(items, slots, first):
    assert sum(quota(slot, items, slots) for slot in range(first, first + slots)) == items


@given(st.integers(0, 500), SMALL, st.integers(0, 10_000))
def test_no_slot_has_more_than_one_above_its_share(items, slots, slot):
    assert abs(quota(slot, items, slots) - items / slots) < 1


@given(st.integers(0, 500), SMALL, st.integers(0, 10_000))
def test_without_skipped_slots_what_is_owed_is_the_quota(items, slots, slot):
    assert quota_between(slot - 1, slot, items, slots) == quota(slot, items, slots)


@given(st.integers(1, 500), SMALL, st.integers(-1, 1000), st.integers(1, 10_000))
def test_after_a_stall_at_most_twice_the_share_is_asked(items, slots, last, gap):
    due = quota_between(last, last + gap, items, slots)

    assert 0 <= due <= min(items, 2 * -(-items // slots))


def test_one_skipped_slot_is_made_up_for_whole():
    assert [quota_between(slot - 2, slot, 12, 6) for slot in range(1, 13, 2)] == [4] * 6


def test_nothing_is_due_where_nothing_is_to_be_asked():
    assert quota_between(-1, 7, 0, 12) == 0
