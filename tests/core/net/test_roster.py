"""Which beacons there are, at which addresses, and what each sentinel is told of them."""

import dataclasses
import ipaddress
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sentinel.core.net import address, roster
from sentinel.core.net.address import Refusal
from sentinel.core.net.crossing import Protocol
from sentinel.core.net.pod import Pod, Policy, Service
from sentinel.core.net.roster import MOST_OF_A_TENANT, Arrival, Beacon, Known, Refused, Registered, Roster, drawn_up

HOMES = {"team-a": "team-a", "team-b": "team-b"}
PORT = 7462
LABELS = {"app.kubernetes.io/name": "sentinel", "app.kubernetes.io/component": "tenant"}
KEY = b"k" * 32


def pod(uid="u-1", namespace="team-b", addresses=("10.0.0.5",), **more):
    usual: dict[str, Any] = {
        "labels": LABELS,
        "hosts": ("10.9.0.1",),
        "live": True,
        "ready": True,
        "probed": frozenset({PORT}),
    }
    return Pod(namespace, f"pod-{uid}", uid, addresses=tuple(addresses), **(usual | more))


def known(*pods, **more):
    return Known(HOMES, PORT, tuple(pods), **more)


def the_one(*pods, **more):
    (found,), _ = drawn_up(known(*pods, **more))
    return found


def reasons(*pods, **more):
    return {row.address: row.why for row in drawn_up(known(*pods, **more))[1]}


class TestWhoIsOnIt:
    def test_a_beacon_is_joined_of_its_pods_status_its_service_and_the_key_that_it_handed_over(self):
        service = Service(("10.96.0.9", "fd00:96::9"), LABELS)
        found = the_one(
            pod(addresses=("10.0.0.5", "fd00::5"), node="n1", born=5.0, since=7.0),
            services={"team-b": service},
            keys={"u-1": Registered(KEY, PORT)},
        )

        assert found == Beacon(
            "team-b", "team-b", "u-1", PORT, ("10.0.0.5", "fd00::5"), ("10.96.0.9", "fd00:96::9"), KEY, ready=True,
            since=7.0, born=5.0, node="n1", host="10.9.0.1",
        )  # fmt: skip

    def test_its_port_is_the_configured_one_whatever_it_said_itself(self):
        assert the_one(pod(), keys={"u-1": Registered(KEY, 22)}).port == PORT

    def test_without_a_key_it_is_listed_without_one(self):
        assert the_one(pod()).key == b""

    def test_a_pod_that_does_not_run_is_on_no_roster(self):
        assert drawn_up(known(pod(live=False))) == ((), ())

    def test_a_pod_of_no_tenants_home_is_on_no_roster(self):
        assert drawn_up(known(pod(namespace="team-b-jobs"))) == ((), ())

    def test_ready_counts_only_through_the_port_that_everybody_knocks_at(self):
        assert the_one(pod()).ready
        assert not the_one(pod(ready=False)).ready
        assert not the_one(pod(probed=frozenset({8080}))).ready
        assert not the_one(pod(probed=frozenset())).ready

    def test_where_the_watch_is_blind_nobody_is_ready(self):
        assert not the_one(pod(), blind=frozenset({"team-b"})).ready
        assert the_one(pod(), blind=frozenset({"team-a"})).ready

    def test_a_policy_of_ours_that_selects_it_makes_it_not_neutral(self):
        assert not the_one(pod(), policies=(Policy("team-b", "p", "1", ours=True),)).neutral
        assert the_one(pod(), policies=(Policy("team-b", "p", "1"), Policy("team-a", "p", "1", ours=True))).neutral

    def test_a_service_is_in_front_of_those_that_it_selects(self):
        other = pod("u-2", addresses=("10.0.0.6",), labels={"app": "web"})
        found, _ = drawn_up(known(pod(), other, services={"team-b": Service(("10.96.0.9",), LABELS)}))

        assert {one.uid: one.services for one in found} == {"u-1": ("10.96.0.9",), "u-2": ()}


class TestWhichAddresses:
    def test_absurd_addresses_are_left_out_and_told_with_their_reason(self):
        absurd = {
            "127.0.0.1": Refusal.LOOPBACK,
            "169.254.169.254": Refusal.LINK_LOCAL,
            "10.96.0.1": Refusal.API_SERVER,
            "10.9.0.1": Refusal.HOST,
            "nonsense": Refusal.NONSENSE,
        }
        api = frozenset({ipaddress.ip_address("10.96.0.1")})
        one = pod(addresses=("10.0.0.5", *absurd))

        assert the_one(one, api_servers=api).addresses == ("10.0.0.5",)
        assert reasons(one, api_servers=api) == absurd

    def test_an_address_of_any_node_that_is_known_is_refused_whosever_pod_claims_it(self):
        other = pod("u-2", "team-a", ("10.0.0.6",), hosts=("10.9.0.2", "fd00:9::2"))

        assert reasons(pod(addresses=("10.9.0.2", "fd00:9::2")), other) == {
            "10.9.0.2": Refusal.HOST,
            "fd00:9::2": Refusal.HOST,
        }

    def test_a_pod_in_the_hosts_network_has_no_address_whatever_its_status_says(self):
        assert reasons(pod(in_host=True)) == {"10.0.0.5": Refusal.HOST}
        assert the_one(pod(in_host=True)).addresses == ()

    def test_of_two_pods_with_one_address_the_later_one_takes_nothing_from_the_other(self):
        victim, thief = pod(born=1.0), pod("u-2", "team-a", born=2.0)
        found, refused = drawn_up(known(thief, victim))

        assert {one.uid: one.addresses for one in found} == {"u-1": ("10.0.0.5",), "u-2": ()}
        assert [row.why for row in refused] == [Refusal.SHARED]

    def test_of_two_pods_with_one_address_the_one_that_is_ready_has_it(self):
        lost, heir = pod(born=1.0, ready=False), pod("u-2", "team-a", born=2.0)

        assert {one.uid: one.addresses for one in drawn_up(known(lost, heir))[0]} == {"u-1": (), "u-2": ("10.0.0.5",)}

    def test_more_addresses_than_a_pod_can_have_are_left_out(self):
        one = pod(addresses=[f"10.0.0.{n}" for n in range(1, 9)])

        assert len(the_one(one).addresses) == address.MOST
        assert set(reasons(one).values()) == {Refusal.MANY}

    def test_a_service_that_selects_other_pods_has_no_address(self):
        services = {"team-b": Service(("10.96.0.9",), {"app": "web"})}

        assert drawn_up(known(pod(), services=services))[1] == (
            Refused("team-b", "Service", "10.96.0.9", Refusal.SELECTOR),
        )

    def test_a_services_addresses_are_held_to_the_same_rules(self):
        services = {"team-b": Service(("10.96.0.1", "169.254.169.254"), LABELS)}
        found = known(pod(), services=services, api_servers=frozenset({ipaddress.ip_address("10.96.0.1")}))

        assert drawn_up(found)[0][0].services == ()
        assert {row.why for row in drawn_up(found)[1]} == {Refusal.API_SERVER, Refusal.LINK_LOCAL}

    def test_a_refusal_in_words_names_the_pod_the_address_and_why(self):
        assert Refused("team-b", "pod-1", "::1", Refusal.LOOPBACK).text == "pod-1: ::1: loopback"


addresses = st.sampled_from(["10.0.0.5", "10.0.0.6", "127.0.0.1", "10.9.0.1", "fd00::5", "x"])
pods = st.builds(
    pod,
    uid=st.sampled_from(["u-1", "u-2", "u-3", "u-4"]),
    namespace=st.sampled_from(["team-a", "team-b", "elsewhere"]),
    addresses=st.lists(addresses, max_size=3, unique=True),
    live=st.booleans(),
    ready=st.booleans(),
    born=st.floats(0, 9),
    in_host=st.booleans(),
)


@given(st.lists(pods, max_size=4, unique_by=lambda one: one.uid), st.randoms())
def test_whatever_pods_there_are_no_address_is_anybodys_twice_and_the_order_does_not_matter(made, rng):
    beacons, refused = drawn_up(known(*made))
    listed = [text for one in beacons for text in one.addresses]
    rng.shuffle(made)

    assert len(listed) == len(set(listed))
    assert not {"127.0.0.1", "10.9.0.1", "x"} & {*listed}
    assert {text for one in made if one.live and one.namespace in HOMES for text in one.addresses} == {
        *listed,
        *(row.address for row in refused),
    }
    assert drawn_up(known(*made)) == (beacons, refused)


def told(viewer, beacons, ids=None, **more):
    return roster.shown_to(viewer, Roster(3, tuple(beacons), **more), ids or {})


A = Beacon("team-a", "team-a", "u-a", PORT, key=KEY, node="n1")
B = Beacon("team-b", "team-b", "u-b", PORT, ("10.0.0.5",), key=KEY, node="n2")
ARRIVAL = Arrival("team-b", "u-b", b"n" * 16, Protocol.TCP)


class TestWhatASentinelIsTold:
    def test_everything_under_its_name(self):
        assert told(A, (A, B), heard={"u-b": 4}, arrivals=(ARRIVAL,)) == Roster(3, (A, B), None, {"u-b": 4}, (ARRIVAL,))

    def test_under_opaque_all_tenants_have_ids_and_the_own_one_its_namespace_besides(self):
        found = told(A, (A, B), {"team-a": "t-1", "team-b": "t-2"}, arrivals=(ARRIVAL,))

        assert found.beacons == (
            dataclasses.replace(A, tenant="t-1"),
            dataclasses.replace(B, target="t-2", tenant="t-2"),
        )
        assert found.arrivals == (dataclasses.replace(ARRIVAL, target="t-2"),)
        assert "team-b" not in repr(found)

    def test_a_tenant_that_others_know_by_nothing_is_on_nobodys_roster_but_its_own(self):
        assert told(A, (A, B), {"team-b": ""}).beacons == (A,)
        assert told(B, (A, B), {"team-b": ""}).beacons == (A, B)

    def test_of_many_beacons_of_a_tenant_it_is_told_a_few_those_on_its_own_node_first(self):
        nodes = [dataclasses.replace(B, uid=f"u-{n}", node=f"n{n}") for n in range(100)]
        found = [one.uid for one in told(A, (A, *nodes)).beacons if one.tenant == "team-b"]

        assert len(found) == MOST_OF_A_TENANT
        assert "u-1" in found

    def test_whoever_may_ask_it_and_is_not_among_them_is_told_by_key_alone(self):
        """Else it would not answer them, and they would take that for a denial."""
        nodes = [dataclasses.replace(B, uid=f"u-{n}", node=f"n{n}") for n in range(100)]
        keyless = dataclasses.replace(B, uid="u-x", key=b"")
        found = told(A, (A, *nodes, keyless), {"team-b": "t-2"})

        assert {one.uid for one in (*found.beacons, *found.askers)} == {"u-a", *(one.uid for one in nodes)}
        assert len(found.askers) == 100 - MOST_OF_A_TENANT
        assert set(found.askers) == {Beacon("t-2", "t-2", one.uid, 0, key=KEY) for one in found.askers}

    def test_different_sentinels_are_told_of_different_ones_and_each_of_the_same_again(self):
        nodes = [dataclasses.replace(B, uid=f"u-{n}", node=f"n{n}") for n in range(100)]
        viewers = [dataclasses.replace(A, uid=f"v-{n}", node="n200") for n in range(50)]
        seen = {one.uid for viewer in viewers for one in told(viewer, nodes).beacons}

        assert len(seen) > 90
        assert told(A, nodes).beacons == told(A, reversed(nodes)).beacons

    def test_its_own_beacon_is_always_among_them(self):
        own = [dataclasses.replace(A, uid=f"u-{n}") for n in range(100)]

        assert all(viewer in told(viewer, own).beacons for viewer in own)

    def test_pods_without_a_key_push_out_nobody_who_has_one(self):
        made_up = [dataclasses.replace(B, uid=f"x-{n}", key=b"", node="n1") for n in range(100)]

        assert B in told(A, (*made_up, B)).beacons


class TestWhatABeaconHasReported:
    def test_two_reports_since_then_are_two_more_in_the_count_of_the_same_witness(self):
        before = Roster(heard={"u-b": 4}, life="w")

        assert Roster(heard={"u-b": 6}, life="w").has_heard("u-b", before)
        assert not Roster(heard={"u-b": 5}, life="w").has_heard("u-b", before)

    def test_another_witness_counts_anew_and_so_says_nothing_about_then(self):
        assert not Roster(heard={"u-b": 9}, life="v").has_heard("u-b", Roster(heard={"u-b": 4}, life="w"))

    def test_of_a_beacon_that_was_or_is_not_counted_nothing_is_known(self):
        assert not Roster(heard={"u-b": 9}).has_heard("u-b", Roster())
        assert not Roster().has_heard("u-b", Roster(heard={"u-b": 4}))
