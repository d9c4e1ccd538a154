"""Gates: what was not shown is not green, and the nearest cause is named first."""

from dataclasses import replace

import pytest

from sentinel.core.api.gates import (
    AFTER,
    BEFORE,
    BEFORE_ANONYMOUS,
    OWN_GATES,
    Gate,
    Light,
    Lights,
    dimmest,
    first_red,
)

UP = Light(up=True)
DOWN = Light(up=False, detail="no")
ALL_GREEN = Lights(dict.fromkeys(OWN_GATES, UP), {"team-b": UP}, {"team-b": UP}, frozenset({"secrets"}))
ORDER = [Gate.TOKEN, Gate.WHOAMI, Gate.READY, Gate.TYPE, Gate.CANARY, Gate.DECOY, Gate.DOOR, Gate.TRIPWIRE]


def without(gate):
    """Everything green but this."""
    match gate:
        case Gate.TYPE:
            return replace(ALL_GREEN, types=frozenset({"pods"}))
        case Gate.DOOR:
            return replace(ALL_GREEN, doors={"team-b": DOWN})
        case Gate.TRIPWIRE:
            return replace(ALL_GREEN, tripwires={"team-b": DOWN})
        case _:
            return replace(ALL_GREEN, own={**ALL_GREEN.own, gate: DOWN})


def red(lights, gates=BEFORE, target="team-b", resource="secrets"):
    found = first_red(lights, gates, target, resource)
    return found and found[0]


def test_with_every_light_green_nothing_is_red():
    assert red(ALL_GREEN) is None


@pytest.mark.parametrize("gate", Gate)
def test_each_gate_alone_is_enough(gate):
    assert red(without(gate)) is gate


@pytest.mark.parametrize("gate", [gate for gate in Gate if gate is not Gate.TYPE])
def test_a_light_that_was_not_asked_is_not_green(gate):
    own = {kept: light for kept, light in ALL_GREEN.own.items() if kept is not gate}
    dark = replace(
        ALL_GREEN,
        own=own,
        doors={} if gate is Gate.DOOR else ALL_GREEN.doors,
        tripwires={} if gate is Gate.TRIPWIRE else ALL_GREEN.tripwires,
    )

    assert red(dark) is gate


def test_types_are_unknown_until_discovery_was_read():
    assert red(replace(ALL_GREEN, types=None)) is Gate.TYPE


@pytest.mark.parametrize("place", range(len(ORDER)))
def test_the_nearest_cause_is_named_when_all_behind_it_are_red_too(place):
    lights = Lights(
        {gate: DOWN if gate in ORDER[place:] else UP for gate in OWN_GATES},
        {"team-b": DOWN if Gate.DOOR in ORDER[place:] else UP},
        {"team-b": DOWN if Gate.TRIPWIRE in ORDER[place:] else UP},
        frozenset() if Gate.TYPE in ORDER[place:] else frozenset({"secrets"}),
    )

    assert red(lights) is ORDER[place]


def test_the_door_of_another_target_does_not_vouch():
    assert red(ALL_GREEN, target="team-c") is Gate.DOOR


def test_cluster_scope_has_no_door_and_no_trip_wire():
    lights = replace(ALL_GREEN, doors={}, tripwires={})

    assert red(lights, target=None) is None


def test_anonymous_needs_neither_token_nor_trip_wire_and_everything_else():
    assert set(BEFORE) - set(BEFORE_ANONYMOUS) == {Gate.TOKEN, Gate.TRIPWIRE}
    for gate in BEFORE_ANONYMOUS:
        assert red(without(gate), BEFORE_ANONYMOUS) is gate


def test_afterwards_canary_decoy_and_door_are_asked_again():
    assert set(AFTER) == {Gate.CANARY, Gate.DECOY, Gate.DOOR}
    for gate in AFTER:
        assert red(without(gate), AFTER) is gate


def test_a_gate_shown_for_both_sides_is_green_only_if_it_was_on_both():
    before = Lights({Gate.CANARY: UP, Gate.DECOY: DOWN, Gate.TOKEN: UP}, {"a": UP, "b": DOWN})
    after = Lights({Gate.CANARY: DOWN, Gate.DECOY: UP}, {"a": DOWN, "b": UP})

    seen = dimmest(before, after)

    assert [seen.own[gate].up for gate in (Gate.CANARY, Gate.DECOY, Gate.TOKEN)] == [False, False, True]
    assert [seen.doors[target].up for target in "ab"] == [False, False]
