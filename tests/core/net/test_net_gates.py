"""The gates of the network, each by itself, and which of them count for what."""

import dataclasses
from dataclasses import replace
from itertools import product

import pytest

from sentinel.core.api.gates import Light
from sentinel.core.net.crossing import Crossing, Family, Path, Protocol
from sentinel.core.net.net_gates import (
    AFTER,
    BEFORE,
    OPEN,
    WHO,
    NetGate,
    Side,
    Way,
    arrivals_light,
    bracket,
    live_light,
    neutral_light,
    own_of,
    roster_light,
    way_of,
)
from sentinel.core.net.roster import Beacon, Roster
from sentinel.core.verdict import GREEN, Bracket, Reason

WAY = Way(Protocol.TCP, Family.V4, Path.POD)
OTHER = Way(Protocol.UDP, Family.V6, Path.SERVICE)
OF_WAYS = (NetGate.BEACON, NetGate.LIGHTHOUSE, NetGate.PROXIED)
OF_PODS = (NetGate.LIVE, NetGate.NEUTRAL, NetGate.ARRIVALS)
DOWN = Light(up=False, detail="as the test says")


def side(red=None, *, way=WAY, uid="b-1") -> Side:
    lights = {gate: DOWN if gate is red else OPEN for gate in NetGate}
    return Side(
        lights[NetGate.ROSTER],
        {(gate, way): lights[gate] for gate in OF_WAYS},
        {(gate, uid): lights[gate] for gate in OF_PODS},
    )


@pytest.mark.parametrize("gate", NetGate)
def test_each_gate_is_a_reason_of_its_own_name(gate):
    assert Reason(gate.value).value == gate.value


@pytest.mark.parametrize(("gate", "when"), [*product(BEFORE, ("before",)), *product(AFTER, ("after",))])
def test_each_red_gate_on_each_side_is_the_reason_why_nothing_is_proven(gate, when):
    red, green = side(gate), side()
    found = bracket(red, green, WAY, ["b-1"]) if when == "before" else bracket(green, red, WAY, ["b-1"])

    assert found.red is Reason(gate.value)


def test_all_green_is_green():
    assert bracket(side(), side(), WAY, ["b-1"]) == GREEN


def test_what_was_not_shown_is_not_green():
    assert bracket(Side(), side(), WAY, ["b-1"]).red is Reason.ROSTER
    assert bracket(side(), Side(), WAY, ["b-1"]).red is Reason.ROSTER
    assert bracket(side(way=OTHER), side(), WAY, ["b-1"]).red is Reason.BEACON
    assert bracket(side(), side(uid="b-2"), WAY, ["b-1"]).red is Reason.LIVE


@pytest.mark.parametrize("gate", NetGate)
def test_of_what_nobody_signed_for_only_the_gates_count_that_say_who_is_there(gate):
    found = bracket(side(gate), side(gate), WAY, ["b-1"], attributed=False)

    assert found == (Bracket(Reason(gate.value), Reason(gate.value)) if gate in WHO else GREEN)


def test_behind_a_service_every_pod_counts_that_may_have_got_it():
    lights = side()
    both = replace(
        lights, pods={**lights.pods, **{(gate, "b-2"): OPEN for gate in OF_PODS}, (NetGate.ARRIVALS, "b-2"): DOWN}
    )

    assert bracket(lights, lights, WAY, ["b-1"]).red is None
    assert bracket(both, both, WAY, ["b-1", "b-2"]).red is Reason.ARRIVALS


def test_without_a_pod_there_is_nothing_alive():
    assert bracket(side(), side(), WAY, []).red is Reason.LIVE
    assert bracket(side(NetGate.ROSTER), side(), WAY, []).red is Reason.ROSTER


def test_what_was_kept_open_goes_the_way_of_the_pod():
    assert way_of(Crossing("self", "team-b", Protocol.TCP, Family.V6, Path.KEPT)) == Way(
        Protocol.TCP, Family.V6, Path.POD
    )
    assert way_of(Crossing("self", "team-b", *OTHER)) == OTHER


B = Beacon("team-b", "team-b", "b-1", 7462, ("10.0.0.2",), key=b"b" * 32, ready=True, since=100.0)
A = Beacon("team-a", "team-a", "a-1", 7462, ("10.0.0.1",), key=b"a" * 32, ready=True, since=100.0)


def roster(*beacons, heard=None) -> Roster:
    return Roster(1, beacons or (A, B), heard=heard or {})


def test_we_are_the_one_with_our_key_and_nobody_without_one():
    assert own_of(roster(), b"a" * 32) == A
    assert own_of(roster(), b"c" * 32) is None
    assert own_of(roster(replace(A, key=b""), B), b"") is None


def test_the_roster_is_green_when_it_came_and_knows_us():
    assert roster_light(roster(), b"a" * 32).up
    assert not roster_light(roster(B), b"a" * 32).up
    missing = roster_light(None, b"a" * 32, "the witness is away")
    assert not missing.up and missing.detail == "the witness is away"


@pytest.mark.parametrize(
    ("change", "live"),
    [
        ({}, True),
        ({"ready": False}, False),
        ({"since": 101.0}, False),
        ({"key": b"c" * 32}, False),
        ({"addresses": ("10.0.0.3",)}, False),
        ({"uid": "b-2"}, False),
        ({"node": "another", "neutral": False}, True),
    ],
)
def test_a_pod_is_live_when_it_is_ready_and_was_all_the_time(change, live):
    assert live_light("b-1", roster(A, B), roster(A, replace(B, **change))).up is live


@pytest.mark.parametrize(("change", "live"), [({}, True), ({"ready": False}, False), ({"key": b""}, False)])
def test_before_a_pod_is_live_when_it_is_ready_and_could_sign(change, live):
    assert live_light("b-1", roster(A, replace(B, **change))).up is live


def test_a_policy_of_ours_at_either_end_is_not_neutral():
    assert neutral_light("b-1", A, roster()).up
    assert not neutral_light("b-1", replace(A, neutral=False), roster()).up
    assert not neutral_light("b-1", A, roster(A, replace(B, neutral=False))).up
    assert not neutral_light("b-9", A, roster()).up


@pytest.mark.parametrize(
    ("before", "over", "now", "up"),
    [
        (5, 12, 14, True),
        (5, 12, 13, False),
        (5, 12, 12, False),
        (0, 0, 2, True),
        (50, 0, 2, False),  # the witness was restarted, and has forgotten
        (50, 60, 3, False),
        (None, None, None, False),
    ],
)
def test_what_arrived_is_known_after_two_more_reports(before, over, now, up):
    counts = [{} if count is None else {"b-1": count} for count in (before, over, now)]

    assert arrivals_light("b-1", *(roster(heard=heard) for heard in counts)).up is up


@pytest.mark.parametrize("lives", ["wwv", "wvv", "vww"])
def test_what_another_witness_has_counted_says_nothing_about_this_one(lives):
    told = [
        dataclasses.replace(roster(heard={"b-1": count}), life=life)
        for count, life in zip((4, 5, 9), lives, strict=True)
    ]

    assert not arrivals_light("b-1", *told).up
