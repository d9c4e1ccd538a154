"""Who is on the roll, by which key, and what a hostile tenant can do there: blind or blame itself."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from sentinel.clients.clock import Clock
from sentinel.core.net.address import Refusal
from sentinel.core.net.challenge import Challenge, Signer, asked
from sentinel.core.net.crossing import Family, Path, Protocol
from sentinel.core.net.pod import Pod, Policy, Service
from sentinel.core.net.roster import Beacon
from sentinel.engine import roll as roll_module
from sentinel.engine.roll import KEPT_SECONDS, MOST_KEPT, Registration, Roll

HOMES = {"home-a": "team-a", "home-b": "team-b", "home-c": "team-c"}
PORT = 7462
KEYS = {uid: Signer(uid.encode().ljust(32, b"\0")) for uid in ("u-a", "u-b", "u-c", "other")}
SPACES = {"u-a": "home-a", "u-b": "home-b", "u-c": "home-c"}


class Still(Clock):
    """Stands until it is told."""

    now = 1000.0

    def monotonic(self):
        return self.now


def pod(uid, **more):
    usual: dict[str, Any] = {
        "addresses": (f"10.0.0.{ord(uid[-1])}",),
        "live": True,
        "ready": True,
        "probed": frozenset({PORT}),
    }
    return Pod(more.pop("namespace", SPACES.get(uid, "home-b")), f"pod-{uid}", uid, **(usual | more))


class Stand:
    """A roll with three tenants, each of which has one pod and its key."""

    def __init__(self):
        self.clock = Still()
        self.refused: Counter[str] = Counter()
        self.arrived: Counter[tuple[str, str]] = Counter()
        self.roll = Roll(
            HOMES,
            PORT,
            {},
            self.clock,
            100,
            "life",
            lambda why: self.refused.update([str(why)]),
            lambda tenant, result: self.arrived.update([(tenant, str(result))]),
        )
        for uid, namespace in SPACES.items():
            self.roll.take_sight(namespace, seen=True)
            self.roll.take_pods(namespace, [pod(uid)])
            assert self.register(uid) is Registration.TAKEN

    def register(self, uid, key=None, tenant=None):
        return self.roll.register(tenant or tenant_of(uid), uid, KEYS[key or uid].public, PORT)

    def report(self, uid, *raws, tenant=None):
        return self.roll.report(tenant or tenant_of(uid), uid, raws)

    async def told(self, uid):
        return await self.roll.told(tenant_of(uid), uid, 0, 0)

    def beacon(self, uid):
        return next(one for one in self.roll.roster.beacons if one.uid == uid)


def tenant_of(uid):
    return HOMES[SPACES[uid]]


def challenge(nonce=1, asker="u-a", beacon="u-b", signer=None):
    words = Challenge(bytes([nonce % 256]) * 16, "team-a", asker, beacon, Protocol.TCP, Family.V4, Path.POD)
    return asked(words, signer or KEYS[asker])


@pytest.fixture
def stand():
    return Stand()


class TestKeys:
    def test_a_pod_registers_the_key_by_which_it_answers(self, stand):
        assert stand.beacon("u-a").key == KEYS["u-a"].public

    def test_the_same_key_again_changes_nothing(self, stand):
        number = stand.roll.roster.number
        stand.report("u-a")

        assert stand.register("u-a") is Registration.TAKEN
        assert stand.roll.roster.number == number

    @pytest.mark.parametrize(
        ("tenant", "uid"), [("team-c", "u-b"), ("team-b", "u-x"), ("team-b", ""), ("nobody", "u-b")]
    )
    def test_nobody_registers_for_a_pod_that_is_not_its_tenants_or_that_nobody_has_seen(self, stand, tenant, uid):
        assert stand.roll.register(tenant, uid, KEYS["other"].public, PORT) is Registration.STRANGER
        assert stand.beacon("u-b").key == KEYS["u-b"].public
        assert stand.refused == {"key_stranger": 1}

    def test_a_second_key_for_a_pod_that_did_not_restart_is_refused(self, stand):
        assert stand.register("u-b", "other") is Registration.SECOND
        assert stand.beacon("u-b").key == KEYS["u-b"].public
        assert stand.refused == {"key_second": 1}

    async def test_after_a_restart_the_new_key_is_taken_and_reports_are_counted_anew(self, stand):
        stand.report("u-b")
        stand.roll.take_pod(pod("u-b", restarts=1))

        assert stand.register("u-b", "other") is Registration.TAKEN
        assert stand.beacon("u-b").key == KEYS["other"].public
        assert (await stand.told("u-a")).heard["u-b"] == 0
        assert stand.register("u-b") is Registration.SECOND

    def test_another_port_than_the_configured_one_is_refused(self, stand):
        assert stand.roll.register("team-b", "u-b", KEYS["u-b"].public, 22) is Registration.PORT
        assert {one.port for one in stand.roll.roster.beacons} == {PORT}

    def test_a_key_is_forgotten_with_its_pod(self, stand):
        stand.roll.drop_pod("u-b")
        stand.roll.take_pod(pod("u-b"))

        assert stand.beacon("u-b").key == b""

    def test_a_list_that_lacks_a_pod_forgets_it_and_leaves_other_namespaces_alone(self, stand):
        stand.roll.take_pods("home-b", [])

        assert {one.uid for one in stand.roll.roster.beacons} == {"u-a", "u-c"}

    def test_a_pod_in_a_list_of_another_namespace_is_not_taken(self, stand):
        stand.roll.take_pods("home-c", [pod("u-c"), pod("u-z", namespace="home-b")])

        assert not stand.roll.is_member("team-b", "u-z")

    def test_more_pods_than_a_tenant_may_have_are_as_if_they_were_not(self, stand, monkeypatch):
        monkeypatch.setattr(roll_module, "MOST_MEMBERS", 3)
        for number in range(10):
            stand.roll.take_pod(pod(f"u-{number}"))

        assert [one.tenant for one in stand.roll.roster.beacons].count("team-b") == 3
        assert [one.tenant for one in stand.roll.roster.beacons].count("team-c") == 1
        assert stand.beacon("u-b").key
        assert stand.refused == {"pod_full": 8}


class TestTheRoster:
    def test_its_number_grows_when_it_changes_and_only_then(self, stand):
        number = stand.roll.roster.number
        stand.roll.take_pod(pod("u-b"))
        assert stand.roll.roster.number == number

        stand.roll.take_pod(pod("u-b", ready=False))
        assert stand.roll.roster.number == number + 1

    def test_where_the_watch_breaks_nobody_is_ready_until_it_is_back(self, stand):
        stand.roll.take_sight("home-b", seen=False)
        assert not stand.beacon("u-b").ready
        assert stand.beacon("u-c").ready

        stand.roll.take_sight("home-b", seen=True)
        assert stand.beacon("u-b").ready

    def test_a_service_and_a_policy_show_when_they_come_and_when_they_go(self, stand):
        labels = {"app.kubernetes.io/name": "sentinel"}
        stand.roll.take_pod(pod("u-b", labels=labels))
        stand.roll.take_service("home-b", Service(("10.96.0.9",), labels))
        stand.roll.take_policies([Policy("home-b", "p", "1", ours=True)])
        assert stand.beacon("u-b").services == ("10.96.0.9",)
        assert not stand.beacon("u-b").neutral

        stand.roll.take_service("home-b", None)
        stand.roll.take_policies([])
        assert stand.beacon("u-b").services == ()
        assert stand.beacon("u-b").neutral

    def test_a_refused_address_is_counted_once_not_with_each_roster(self, stand):
        for ready in (True, False, True):
            stand.roll.take_pod(pod("u-b", addresses=("127.0.0.1",), ready=ready))
            assert stand.beacon("u-b").addresses == ()

        assert stand.refused == {Refusal.LOOPBACK: 1}

    async def test_each_tenant_is_told_only_of_its_own_refused_addresses(self, stand):
        stand.roll.take_pod(pod("u-b", addresses=("127.0.0.1",)))

        assert (await stand.told("u-b")).refused == ("pod-u-b: 127.0.0.1: loopback",)
        assert (await stand.told("u-a")).refused == ()

    async def test_the_lighthouse_is_told_to_everybody(self, stand):
        lighthouse = Beacon("sentinel-system", "witness", "u-0", PORT)
        stand.roll.take_lighthouse(lighthouse)

        assert (await stand.told("u-a")).lighthouse == (await stand.told("u-b")).lighthouse == lighthouse

    async def test_a_pod_that_is_no_member_is_told_nothing(self, stand):
        assert await stand.roll.told("team-a", "u-b", 0, 0) is None
        assert await stand.roll.told("team-a", "u-x", 0, 0) is None

    async def test_a_pod_that_asks_before_it_is_said_to_run_is_told(self, stand):
        stand.roll.take_pod(pod("u-a", live=False))

        assert {one.uid for one in (await stand.told("u-a")).beacons} == {"u-b", "u-c"}

    def test_the_counts_name_every_tenant(self, stand):
        stand.roll.take_pod(pod("u-b", ready=False))
        stand.roll.take_pod(pod("u-y"))
        stand.roll.drop_pod("u-c")

        assert stand.roll.counts() == {
            ("team-a", "known"): 1, ("team-a", "registered"): 1, ("team-a", "ready"): 1,
            ("team-b", "known"): 2, ("team-b", "registered"): 1, ("team-b", "ready"): 0,
            ("team-c", "known"): 0, ("team-c", "registered"): 0, ("team-c", "ready"): 0,
        }  # fmt: skip


class TestOtherSettings:
    async def test_what_is_known_of_a_tenant_that_stays_is_kept_but_nobody_is_ready_before_it_is_seen_again(
        self, stand
    ):
        stand.report("u-b")
        stand.roll.expect({"home-a": "team-a", "home-b": "team-b"}, PORT, {"team-a": "t-1"})

        assert {one.uid for one in stand.roll.roster.beacons} == {"u-a", "u-b"}
        assert not stand.beacon("u-b").ready
        assert (await stand.told("u-b")).heard["u-b"] == 1
        assert "team-a" not in repr((await stand.told("u-b")).beacons)

        stand.roll.take_sight("home-b", seen=True)
        assert stand.beacon("u-b").ready

    def test_a_namespace_that_goes_to_another_tenant_takes_nothing_with_it(self, stand):
        stand.roll.expect({"home-b": "team-z"}, PORT, {})
        assert stand.roll.roster.beacons == ()

        stand.roll.take_pod(pod("u-b"))
        assert [(one.tenant, one.key) for one in stand.roll.roster.beacons] == [("team-z", b"")]


@pytest.mark.looptime
class TestWaiting:
    async def test_whoever_waits_is_told_as_soon_as_something_changes(self, stand):
        shown: list[Any] = []
        keeping = asyncio.create_task(stand.roll.keep(shown.append))
        number = stand.roll.roster.number
        waiting = asyncio.create_task(stand.roll.told("team-a", "u-a", number, 25.0))
        began = asyncio.get_running_loop().time()
        await asyncio.sleep(5)
        stand.roll.take_pod(pod("u-b", ready=False))
        found = await waiting
        keeping.cancel()

        assert found.number == number + 1
        assert asyncio.get_running_loop().time() - began == pytest.approx(5, abs=0.5)
        assert shown[-1] == stand.roll.roster
        assert shown[-2].number == number

    async def test_where_nothing_changes_it_is_told_the_same_in_time(self, stand):
        number = stand.roll.roster.number
        began = asyncio.get_running_loop().time()

        assert (await stand.roll.told("team-a", "u-a", number, 25.0)).number == number
        assert asyncio.get_running_loop().time() - began == pytest.approx(25, abs=0.1)

    async def test_whoever_does_not_know_the_last_one_does_not_wait(self, stand):
        began = asyncio.get_running_loop().time()

        assert await stand.roll.told("team-a", "u-a", 1, 25.0)
        assert asyncio.get_running_loop().time() == began

    async def test_a_pod_that_goes_while_it_waits_is_told_nothing(self, stand):
        waiting = asyncio.create_task(stand.roll.told("team-a", "u-a", stand.roll.roster.number, 25.0))
        await asyncio.sleep(1)
        stand.roll.drop_pod("u-a")

        assert await waiting is None


class TestArrivals:
    async def test_what_reached_a_beacon_is_told_to_the_one_that_asked_and_to_nobody_else(self, stand):
        assert stand.report("u-b", challenge())

        (arrival,) = (await stand.told("u-a")).arrivals
        assert (arrival.uid, arrival.target, arrival.nonce) == ("u-b", "home-b", b"\x01" * 16)
        assert (await stand.told("u-b")).arrivals == (await stand.told("u-c")).arrivals == ()
        assert stand.arrived == {("team-b", "passed"): 1}

    async def test_each_report_counts_an_empty_one_too(self, stand):
        stand.report("u-b")
        stand.report("u-b", challenge())

        assert (await stand.told("u-a")).heard == {"u-a": 0, "u-b": 2, "u-c": 0}

    def test_a_beacon_without_a_key_is_told_to_register_and_counts_for_nothing(self, stand):
        stand.roll.take_pod(pod("u-y"))

        assert not stand.roll.report("team-b", "u-y", [challenge()])
        assert not stand.roll.report("team-c", "u-b", [challenge()])
        assert not stand.arrived

    @pytest.mark.parametrize(
        ("result", "raw"),
        [
            ("malformed", b""),
            ("malformed", b"x" * 224),
            ("malformed", challenge() + b"x"),
            ("stranger", challenge(asker="u-x", signer=KEYS["u-a"])),
            ("own", challenge(asker="u-b")),
            ("misdirected", challenge(beacon="u-c")),
            ("misdirected", challenge(beacon="u-x")),
            ("forged", challenge(signer=KEYS["u-b"])),
            ("forged", challenge()[:-1] + b"\x00"),
        ],
    )
    async def test_what_proves_nothing_is_counted_and_told_to_nobody(self, stand, result, raw):
        stand.report("u-b", raw)

        assert stand.arrived == {("team-b", result): 1}
        assert not any([(await stand.told(uid)).arrivals for uid in SPACES])

    async def test_what_reached_another_pod_of_the_tenant_than_the_one_meant_has_arrived_all_the_same(self, stand):
        stand.roll.take_pod(pod("u-y"))
        stand.roll.register("team-b", "u-y", KEYS["other"].public, PORT)
        stand.roll.report("team-b", "u-y", [challenge()])

        assert [one.uid for one in (await stand.told("u-a")).arrivals] == ["u-y"]

    async def test_the_same_challenge_again_is_told_once(self, stand):
        for _ in range(3):
            stand.report("u-b", challenge())

        assert len((await stand.told("u-a")).arrivals) == 1
        assert stand.arrived == {("team-b", "passed"): 1, ("team-b", "replayed"): 2}

    async def test_a_tenant_that_floods_pushes_out_nobodys_arrivals_but_its_own(self, stand):
        stand.report("u-c", challenge(beacon="u-c"))
        stand.report("u-b", *(challenge(number) for number in range(256)))

        found = (await stand.told("u-a")).arrivals
        assert [one.uid for one in found].count("u-c") == 1
        assert [one.uid for one in found].count("u-b") == MOST_KEPT

    async def test_an_arrival_is_told_for_a_minute(self, stand):
        stand.report("u-b", challenge())
        stand.clock.now += KEPT_SECONDS
        assert (await stand.told("u-a")).arrivals

        stand.clock.now += 1
        assert not (await stand.told("u-a")).arrivals

    async def test_what_a_beacon_said_is_forgotten_with_it(self, stand):
        stand.report("u-b", challenge())
        stand.roll.drop_pod("u-b")

        assert not (await stand.told("u-a")).arrivals
