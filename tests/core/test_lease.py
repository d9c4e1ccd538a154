"""Who of a tenant's pods asks the API server: one at a time, whatever anybody's clock says."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentinel.core import lease
from sentinel.core.lease import LASTS, STOPS, Lease, Sighting

THEIRS = Lease("other", "2026-11-21T12:00:00.000000Z", "2026-11-21T11:00:00.000000Z", 4, "100")


@pytest.mark.parametrize(
    ("holder", "seen_for", "may"),
    [
        ("", 0, True),
        ("us", 0, True),
        ("us", 1000, True),
        ("other", 0, False),
        ("other", LASTS - 0.01, False),
        ("other", LASTS, True),
    ],
)
def test_it_may_be_taken_when_it_is_free_ours_or_long_untouched(holder: str, seen_for: float, may: bool) -> None:
    seen = Sighting(Lease(holder, version="1"), since=50.0)

    assert lease.may_take(seen, "us", 50.0 + seen_for) is may


def test_a_renewal_begins_the_wait_anew_and_a_second_look_does_not() -> None:
    first = lease.see(None, THEIRS, 10.0)
    again = lease.see(first, THEIRS, 20.0)
    renewed = lease.see(again, Lease("other", "any time at all", version="101"), 24.0)

    assert (first.since, again.since, renewed.since) == (10.0, 10.0, 24.0)
    assert not lease.may_take(renewed, "us", 25.0)


def test_no_time_that_stands_in_it_counts() -> None:
    """Neither a holder whose clock is a year ahead keeps it, nor one whose clock is behind loses it."""
    for written in ("2027-11-21T12:00:00.000000Z", "1970-01-01T00:00:00.000000Z", "", "nonsense"):
        seen = lease.see(None, Lease("other", written, version="1"), 10.0)

        assert not lease.may_take(seen, "us", 10.0 + LASTS - 1)
        assert lease.may_take(seen, "us", 10.0 + LASTS)


def test_taking_it_over_counts_and_renewing_it_does_not() -> None:
    taken = lease.taken(THEIRS, "us", "now")
    renewed = lease.taken(taken, "us", "later")

    assert (taken.holder, taken.acquired, taken.transitions, taken.version) == ("us", "now", 5, "100")
    assert (renewed.acquired, renewed.renewed, renewed.transitions) == ("now", "later", 5)
    assert lease.may_take(lease.see(None, lease.released(renewed), 0.0), "next", 0.0)


@settings(max_examples=200, deadline=None)
@given(sent=st.floats(0, 1e6), seen_later=st.floats(0, 60), looked=st.floats(0, 120))
def test_nobody_may_take_it_while_its_holder_may_still_ask(sent: float, seen_later: float, looked: float) -> None:
    """Whoever sees a renewal sees it after it was sent."""
    seen = lease.see(None, THEIRS, sent + seen_later)
    now = sent + seen_later + looked

    if lease.may_take(seen, "us", now):
        assert now >= lease.held_until(sent) + (LASTS - STOPS) - 1e-6
