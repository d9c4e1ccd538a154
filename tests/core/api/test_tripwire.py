"""The trip-wire of one target: three failures turn it red, and a review without our door proves nothing."""

import pytest

from sentinel.core.api.gates import Light
from sentinel.core.api.rules import Grant, Review, door
from sentinel.core.api.tripwire import REDS, Wire, failed, reviewed

DOOR = door("team-b")
LOADED = Review(frozenset({DOOR}))
GRANT = Grant("list", "", "secrets")


def after(*steps, wire=None):
    wire = wire or Wire()
    for step in steps:
        wire = failed(wire, step) if isinstance(step, str) else reviewed(wire, "team-b", step, frozenset())
    return wire


def test_before_the_first_good_review_it_is_red():
    assert not Wire().light.up
    assert after("429").light.up is False


def test_one_good_review_makes_it_green():
    assert after(LOADED).light.up


@pytest.mark.parametrize(("failures", "up"), [(1, True), (2, True), (3, False), (4, False), (50, False)])
def test_three_failures_in_a_row_turn_it_red(failures, up):
    wire = after(LOADED, *["429"] * failures)

    assert wire.light.up is up
    assert wire.light.detail == ("" if up else "429")


def test_a_good_one_in_between_starts_the_count_over():
    assert after(LOADED, "500", "500", LOADED, "500", "500").light.up


def test_however_long_it_was_red_one_good_review_is_enough():
    assert after(LOADED, *["500"] * 100, LOADED).light.up


def test_a_review_without_our_door_is_a_failure():
    empty = Review(frozenset())

    assert not after(empty).light.up
    assert after(LOADED, empty, empty).light.up
    assert after(LOADED, empty, empty, empty).light == Light(up=False, detail="the review does not list our door")


def test_the_door_of_another_target_is_not_ours():
    assert not after(Review(frozenset({door("team-c")}))).light.up


def test_clean_is_only_a_good_review_that_lists_nothing_beyond():
    assert after(LOADED).clean
    assert not reviewed(Wire(), "team-b", Review(frozenset({DOOR, GRANT})), frozenset({GRANT})).clean
    assert not reviewed(Wire(), "team-b", Review(frozenset()), frozenset()).clean
    assert not after(LOADED, "429").clean


def test_what_was_found_beyond_is_remembered_through_failures():
    found = reviewed(Wire(), "team-b", Review(frozenset({DOOR, GRANT})), frozenset({GRANT}))

    assert failed(found, "429").beyond == {GRANT}


def test_incomplete_is_remembered_through_failures_and_taken_back_by_the_next_review():
    cut = reviewed(Wire(), "team-b", Review(frozenset({DOOR}), incomplete=True), frozenset())

    assert cut.incomplete and cut.light.up
    assert failed(cut, "429").incomplete
    assert not after(LOADED, wire=cut).incomplete


def test_three_is_what_the_design_says():
    assert REDS == 3
