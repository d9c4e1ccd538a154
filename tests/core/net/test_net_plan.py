"""What is asked of the network: questions that both sides have, sockets, controls, and a period they fit into."""

import random
from dataclasses import replace

import pytest

from sentinel.core.net import net_plan
from sentinel.core.net.crossing import Crossing, Family, Path, Protocol
from sentinel.core.net.net_gates import Way
from sentinel.core.net.net_plan import BLACKHOLES, SOCKETS, Role, Terms
from sentinel.core.net.roster import Beacon, Roster

TERMS = Terms(("team-b",))
A = Beacon("team-a", "team-a", "a-1", 7462, ("10.0.0.1", "fd00::1"), ("10.96.0.1",), b"a" * 32, ready=True)
B = Beacon("team-b", "team-b", "b-1", 7463, ("10.0.0.2", "fd00::2"), ("10.96.0.2",), b"b" * 32, ready=True)
B2 = replace(B, uid="b-2", addresses=("10.0.0.3",))
W = Beacon("sentinel-system", "sentinel-system", "w-1", 7462, ("10.0.0.9",), ("10.96.0.9",), b"w" * 32, ready=True)


def roster(*beacons) -> Roster:
    return Roster(1, (A, *beacons), W)


def asked(*beacons, terms=TERMS, known=()) -> set[Crossing]:
    found = net_plan.questions(terms, roster(*beacons), A, known)
    assert len(found) == len(set(found))
    return set(found)


def ways(questions) -> set[str]:
    return {f"{q.path.value} {q.family.value}" for q in questions}


def test_every_protocol_is_asked_on_every_family_and_path_that_both_sides_have():
    found = asked(B)

    assert ways(found) == {"pod v4", "pod v6", "service v4"}
    assert {q.protocol for q in found} == {*Protocol} and len(found) == 9
    assert {q.target for q in found} == {"team-b"} and {q.identity for q in found} == {"self"}


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        ({"addresses": ("10.0.0.1",)}, {}, {"pod v4", "service v4"}),
        ({}, {"addresses": ("10.0.0.2",)}, {"pod v4", "service v4"}),
        ({}, {"addresses": ("fd00::2",)}, {"pod v6", "service v4"}),
        ({}, {"services": ()}, {"pod v4", "pod v6"}),
        ({"services": ()}, {}, {"pod v4", "pod v6"}),
        ({"services": ("fd01::1",)}, {"services": ("fd01::2",)}, {"pod v4", "pod v6", "service v6"}),
    ],
)
def test_what_one_side_lacks_is_not_asked_and_is_told(ours, theirs, expected):
    own, target = replace(A, **ours), replace(B, **theirs)
    both = Roster(1, (own, target), W)

    found = net_plan.questions(TERMS, both, own, ())

    assert ways(found) == expected
    lacking = {"pod v4", "pod v6", "service v4", "service v6"} - expected
    assert set(net_plan.not_applicable(both, own)["team-b"]) == lacking


def test_our_own_tenant_is_no_target_in_whichever_namespace():
    assert asked(B, replace(A, uid="a-2", target="team-a-jobs")) == asked(B)


def test_a_target_that_the_roster_does_not_name_keeps_its_questions():
    known = asked(B)

    assert asked(known=known) == known


def test_one_that_was_never_there_is_asked_about_all_the_same():
    found = asked(terms=Terms(("team-b", "team-c")), known=asked(B))

    assert {q for q in found if q.target == "team-c"} == {
        Crossing("self", "team-c", protocol, Family.V4, Path.POD) for protocol in Protocol
    }


def test_one_that_the_configuration_does_not_name_is_asked_while_the_witness_names_it():
    assert {q.target for q in asked(B, terms=Terms(()))} == {"team-b"}
    assert asked(terms=Terms(()), known=asked(B)) == set()


def test_without_a_roster_what_was_asked_stays():
    known = asked(B)

    assert set(net_plan.questions(TERMS, None, None, known)) == known


def test_every_beacon_of_a_target_is_asked_three_times_and_a_service_once_for_all_of_them():
    everyone = roster(B, B2)
    shots = net_plan.sockets(TERMS, everyone, A, asked(B, B2), random.Random(1))

    counts: dict[tuple[str, str], int] = {}
    for shot in shots:
        assert shot.crossing is not None and shot.port == 7463
        counts[shot.way.protocol.value, shot.address] = counts.get((shot.way.protocol.value, shot.address), 0) + 1
    assert set(counts.values()) == {SOCKETS}
    assert {address for _, address in counts} == {"10.0.0.2", "fd00::2", "10.0.0.3", "10.96.0.2"}
    assert net_plan.behind([B, B2], "10.96.0.2", Path.SERVICE) == ("b-1", "b-2")
    assert net_plan.behind([B, B2], "10.0.0.3", Path.POD) == ("b-2",)


def test_one_of_three_sockets_is_in_each_third_of_the_spread():
    shots = net_plan.sockets(TERMS, roster(B), A, asked(B), random.Random(2))
    spread = net_plan.spread_of(TERMS)

    assert [shot.after for shot in shots] == sorted(shot.after for shot in shots)
    for crossing in asked(B):
        moments = [shot.after for shot in shots if shot.crossing == crossing]
        assert [int(SOCKETS * moment / spread) for moment in moments] == [0, 1, 2]


def test_the_moments_are_chance_and_differ_from_question_to_question():
    shots = net_plan.sockets(TERMS, roster(B), A, asked(B), random.Random(3))

    assert len({shot.after for shot in shots}) == len(shots)


def test_a_control_is_asked_of_us_and_the_lighthouse_on_each_way_that_they_have():
    found = net_plan.controls(
        roster(B), A, [Way(Protocol.UDP, Family.V4, Path.SERVICE), Way(Protocol.TCP, Family.V6, Path.POD)]
    )

    assert {(shot.role, shot.address) for shot in found} == {
        (Role.BEACON, "10.96.0.1"),
        (Role.LIGHTHOUSE, "10.96.0.9"),
        (Role.BEACON, "fd00::1"),
    }


def test_nobody_is_asked_at_both_ends_of_the_spread_on_each_protocol_and_family():
    found = net_plan.nobodies(
        TERMS, [Way(Protocol.TCP, Family.V4, Path.POD), Way(Protocol.TCP, Family.V4, Path.SERVICE)]
    )

    assert [(shot.address, shot.after) for shot in found] == [
        (BLACKHOLES[Family.V4], 0.0),
        (BLACKHOLES[Family.V4], net_plan.spread_of(TERMS)),
    ]


def test_a_young_pod_is_tried_five_times_a_second_on_each_family():
    found = net_plan.young([B], 2.0, TERMS)

    assert len(found) == 2 * 10 and {shot.way.protocol for shot in found} == {Protocol.TCP}
    assert sorted({shot.after for shot in found}) == pytest.approx([step / 5 for step in range(10)])


def test_by_default_a_round_fits_into_its_period():
    assert net_plan.period_of(TERMS, 300) == 10.0
    assert net_plan.spread_of(TERMS) == 5.0


@pytest.mark.parametrize("every", [0.5, 1.0, 2.0, 5.0, 10.0, 60.0])
@pytest.mark.parametrize("sockets", [0, 100, 1800, 20_000])
def test_the_period_is_long_enough_for_all_sockets_to_be_silent_and_all_beacons_to_report(every, sockets):
    terms = Terms((), every=every)
    period = net_plan.period_of(terms, sockets)

    assert period >= every
    assert period >= sockets * terms.timeout / net_plan.CAP + terms.timeout + 2 * terms.report
    assert 0 < net_plan.spread_of(terms) <= every / 2
