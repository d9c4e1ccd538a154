"""The roster on real parts: pods and their status in a real API server, its tokens, a real relay in between.

A hostile tenant is one that may do in its namespace what `edit` may: make pods with our labels, tokens for
them, Services. It is tried here what that is worth.
"""

import asyncio
import base64
import contextlib
import gc
import json
import os
import time
import tracemalloc
from collections import Counter
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from sentinel.clients.clock import Clock
from sentinel.clients.endpoint import Endpoint
from sentinel.clients.relay import ARRIVALS, BEACON, ROSTER, RelayClient
from sentinel.clients.token_review import TokenReviews
from sentinel.clients.tokens import FileToken
from sentinel.clients.watch import Health, Pace
from sentinel.core.claim import Expected
from sentinel.core.net.challenge import Challenge, Signer, asked
from sentinel.core.net.crossing import Family, Path, Protocol
from sentinel.core.net.roster import Roster
from sentinel.engine import tasks
from sentinel.engine.hints import Hints
from sentinel.engine.roll import Roll
from sentinel.errors import Refused, Throttled
from sentinel.joins.lighthouse import Lighthouse
from sentinel.joins.muster import Muster
from sentinel.settings import Address
from sentinel.sinks.witness_metrics import WitnessMetrics
from sentinel.web import rollcall as rollcall_module
from sentinel.web.relay import Door, Relay
from sentinel.web.rollcall import RollCall
from sentinel.web.tls import Certificate
from tests.support import manifests
from tests.support.apiclient import MERGE
from tests.support.authority import Authority
from tests.wire.test_relay import Stand as RelayStand

AUDIENCE = "tenant-sentinel"
SYSTEM = "roll-system"
HOMES = {"roll-a": "team-a", "roll-b": "team-b"}
PORT = 7462
SOON = 20.0
LABELS = {
    "app.kubernetes.io/name": "sentinel",
    "app.kubernetes.io/component": "tenant",
    "tenant-sentinel/beacon": "true",
}
RULES = (
    manifests.rule(["list", "watch"], ["pods"]),
    manifests.rule(["get"], ["services"], names=["sentinel"]),
)
"""What the witness may do in each home, for this."""


@pytest.fixture(scope="module")
def town(cluster):
    """Two tenants, and a witness with the rights that the chart gives it."""
    reviews = manifests.rule(["create"], ["tokenreviews"], groups=["authentication.k8s.io"])
    cluster.admin.apply(
        *(manifests.namespace(name) for name in (SYSTEM, *HOMES)),
        *(manifests.account(name) for name in (SYSTEM, *HOMES)),
        manifests.cluster_role("roll-witness", reviews),
        manifests.cluster_role_binding("roll-witness", manifests.of_account(SYSTEM)),
    )
    for home in HOMES:
        cluster.admin.apply(*manifests.grant(home, "roll-witness", manifests.of_account(SYSTEM), *RULES))
    yield cluster
    cluster.admin.delete(manifests.cluster_role_binding("roll-witness"), manifests.cluster_role("roll-witness"))


class Stand(RelayStand):
    """A relay with a roll, called by a real muster."""

    def __init__(self, cluster, folder):
        self.cluster, self.folder = cluster, folder
        self.authority = Authority(folder)
        self.results: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.arrived: Counter[tuple[str, str]] = Counter()
        self.metrics = WitnessMetrics()
        self.own_token = self.file("witness", cluster.token_for(SYSTEM))
        self.made: list[Any] = []

    @contextlib.asynccontextmanager
    async def open_roll(self, ids=None):
        clock = Clock()
        self.roll = Roll(
            HOMES,
            PORT,
            ids or {},
            clock,
            int(clock.wall()),
            "life",
            lambda why: self.refused.update([str(why)]),
            lambda tenant, result: self.arrived.update([(tenant, str(result))]),
        )
        api = Endpoint(self.cluster.url, FileToken(self.own_token), ca_file=self.cluster.ca_file)
        lighthouse = Lighthouse(SYSTEM, "u-0", PORT, {"POD_IPS": "10.0.9.9"}, CollectorRegistry())
        self.muster = Muster(self.roll, lambda: api, clock, self.metrics, 4.0, lighthouse, Pace(first=0.05), every=0.3)
        doors = {
            f"system:serviceaccount:{home}:sentinel": Door(name, Expected(frozenset())) for home, name in HOMES.items()
        }
        async with TokenReviews(lambda: api, AUDIENCE, clock) as self.reviews, tasks.running() as start:
            start("roll", lambda: self.roll.keep(lambda _: None))
            start("muster", self.muster.keep)
            for watch in self.muster.watches():
                start("pods", watch.run)
            self.relay = Relay(
                doors,
                self.reviews,
                lambda *_: True,
                Hints(1),
                clock,
                1000.0,
                5000.0,
                count=lambda result: self.results.update([str(result)]),
                count_alerts=lambda *_: None,
                count_hint=lambda _: None,
                rollcall=RollCall(self.roll, clock),
            )
            certificate = Certificate(self.authority.certificate_file, self.authority.key_file)
            async with self.relay.serve(Address("127.0.0.1", 0), certificate) as self.address:
                try:
                    yield self
                finally:
                    self.cluster.admin.delete(*self.made)

    async def pod(self, home, name, *, addresses=("10.0.0.5",), labels=None, ready=True, seen=True, **status):
        """A pod, with the status that a kubelet would give it."""
        made = self.cluster.admin.create(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": name, "namespace": home, "labels": LABELS if labels is None else labels},
                "spec": {
                    "serviceAccountName": "sentinel",
                    "containers": [
                        {
                            "name": "sentinel",
                            "image": "none",
                            "env": [{"name": "PASSWORD", "value": "s3cret"}],
                            "readinessProbe": {"httpGet": {"path": "/readyz", "port": PORT}},
                        }
                    ],
                },
            }
        )
        self.made.append(made)
        self.status(made, addresses=addresses, ready=ready, **status)
        if seen:
            await when(lambda: self.roll.is_member(HOMES[home], uid_of(made)) and self.beacon(made) is not None)
        return made

    def status(
        self, pod, *, addresses=("10.0.0.5",), ready=True, restarts=0, host="10.9.0.1", born="2026-11-28T07:00:09Z"
    ):
        said = {
            "phase": "Running",
            "startTime": born,
            "hostIP": host,
            "hostIPs": [{"ip": host}],
            "podIP": addresses[0],
            "podIPs": [{"ip": text} for text in addresses],
            "conditions": [{"type": "Ready", "status": str(ready)}],
            "containerStatuses": [
                {"name": "sentinel", "image": "none", "imageID": "", "ready": ready, "restartCount": restarts}
            ],
        }
        path = f"{self.cluster.admin.path_of(pod)}/status"
        self.cluster.admin.must("PATCH", path, {"status": said}, headers={"Content-Type": MERGE})

    def beacon(self, pod):
        return next((one for one in self.roll.roster.beacons if one.uid == uid_of(pod)), None)

    def bound(self, pod):
        """A token as the kubelet mounts it in this pod; a tenant can make one, too."""
        return self.cluster.token_for(pod["metadata"]["namespace"], audiences=[AUDIENCE], pod=pod)

    def way(self, pod):
        name = pod["metadata"]["name"]
        self.file(name, self.bound(pod))
        return RelayClient(self.url, self.folder / f"{name}.token", self.authority.ca_file)


@pytest.fixture
def stand(town, tmp_path):
    return Stand(town, tmp_path)


async def when(look, within=SOON):
    async with asyncio.timeout(within):
        while not look():
            await asyncio.sleep(0.02)


def uid_of(pod):
    return pod["metadata"]["uid"]


def key(name):
    return Signer(name.encode().ljust(32, b"\0"))


def challenge(asker, beacon, nonce=b"n" * 16, signer=None):
    words = Challenge(nonce, "team-a", uid_of(asker), uid_of(beacon), Protocol.UDP, Family.V4, Path.POD)
    return asked(words, signer or key("a"))


@contextlib.asynccontextmanager
async def pair(stand, **more):
    """A pod of each tenant, seen and registered."""
    a = await stand.pod("roll-a", "a", addresses=("10.0.0.4",), born="2026-11-28T07:00:00Z")
    b = await stand.pod("roll-b", "b", **more)
    async with stand.way(a) as of_a, stand.way(b) as of_b:
        await of_a.register(key("a").public, PORT)
        await of_b.register(key("b").public, PORT)
        yield a, b, of_a, of_b


class TestARound:
    async def test_a_pod_registers_and_the_others_are_told_its_key_its_addresses_and_that_it_is_ready(self, stand):
        async with stand.open_roll(), pair(stand, addresses=("10.0.0.5", "fd00::5")) as (_, b, of_a, _):
            roster = await of_a.roster()

        (found,) = [one for one in roster.beacons if one.uid == uid_of(b)]
        assert (found.target, found.tenant, found.port) == ("roll-b", "team-b", PORT)
        assert found.addresses == ("10.0.0.5", "fd00::5")
        assert found.key == key("b").public
        assert found.ready
        assert found.host == "10.9.0.1"

    async def test_what_arrived_is_told_to_the_one_that_asked_and_the_reports_are_counted(self, stand):
        async with stand.open_roll(), pair(stand) as (a, b, of_a, of_b):
            before = await of_a.roster()
            assert await of_b.arrivals([challenge(a, b)])
            assert not (await of_a.roster(before)).has_heard(uid_of(b), before)
            assert await of_b.arrivals([])
            after = await of_a.roster(before)

            assert after.has_heard(uid_of(b), before)
            assert [(one.uid, one.target, one.nonce) for one in after.arrivals] == [(uid_of(b), "roll-b", b"n" * 16)]
            assert (await of_b.roster()).arrivals == ()
        assert stand.results["reported"] == 2

    async def test_whoever_waits_is_told_when_a_pod_is_ready_no_more(self, stand):
        async with stand.open_roll(), pair(stand) as (_, b, of_a, _):
            known = await of_a.roster()
            waiting = asyncio.create_task(of_a.roster(known, wait=True))
            await asyncio.to_thread(stand.status, b, ready=False)
            found = await asyncio.wait_for(waiting, SOON)

        assert found.number > known.number
        assert not next(one for one in found.beacons if one.uid == uid_of(b)).ready

    async def test_a_pod_that_is_deleted_is_forgotten_with_its_key(self, stand):
        async with stand.open_roll(), pair(stand) as (_, b, of_a, of_b):
            await asyncio.to_thread(stand.cluster.admin.delete, b)
            await when(lambda: stand.beacon(b) is None)

            with pytest.raises(Refused, match="403"):
                await of_b.arrivals([])
            assert uid_of(b) not in {one.uid for one in (await of_a.roster()).beacons}

    async def test_a_restarted_container_registers_its_new_key(self, stand):
        async with stand.open_roll(), pair(stand) as (_, b, _, of_b):
            with pytest.raises(Refused, match="409"):
                await of_b.register(key("new").public, PORT)
            await asyncio.to_thread(stand.status, b, restarts=1)
            await when(lambda: stand.roll._members[uid_of(b)].pod.restarts == 1)
            await of_b.register(key("new").public, PORT)

            assert stand.beacon(b).key == key("new").public

    async def test_a_witness_that_lost_its_memory_says_so_and_the_beacon_registers_again(self, stand):
        async with stand.open_roll(), pair(stand) as (_, b, _, of_b):
            stand.roll._members[uid_of(b)].registered = None

            assert not await of_b.arrivals([])
            await of_b.register(key("b").public, PORT)
            assert await of_b.arrivals([])

    async def test_under_opaque_nobody_is_told_anothers_name(self, stand):
        async with stand.open_roll(ids={"team-a": "t-1", "team-b": "t-2"}), pair(stand) as (a, b, of_a, of_b):
            await of_b.arrivals([challenge(a, b)])
            found = await of_a.roster()

        assert {(one.target, one.tenant) for one in found.beacons} == {("roll-a", "t-1"), ("t-2", "t-2")}
        assert [one.target for one in found.arrivals] == ["t-2"]
        assert "team-b" not in repr(found)
        assert "roll-b" not in repr(found)

    async def test_of_a_pod_nothing_is_kept_that_is_not_needed(self, stand):
        async with stand.open_roll(), pair(stand):
            assert "s3cret" not in repr(vars(stand.roll)) + repr(vars(stand.muster))


class TestServices:
    def service(self, stand, selector):
        made = stand.cluster.admin.create(
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": "sentinel", "namespace": "roll-b"},
                "spec": {"selector": selector, "ports": [{"port": PORT}]},
            }
        )
        stand.made.append(made)
        return made["spec"]["clusterIP"]

    async def test_its_cluster_address_stands_beside_the_pods(self, stand):
        async with stand.open_roll(), pair(stand) as (_, b, of_a, _):
            address = await asyncio.to_thread(self.service, stand, {"app.kubernetes.io/name": "sentinel"})
            await when(lambda: stand.beacon(b).services == (address,))

            assert address in next(one for one in (await of_a.roster()).beacons if one.uid == uid_of(b)).services

    async def test_one_that_its_tenant_bent_to_other_pods_is_on_no_roster(self, stand):
        async with stand.open_roll(), pair(stand) as (_, b, _, _):
            await asyncio.to_thread(self.service, stand, {"app": "victim"})
            await when(lambda: stand.refused["selector"])
            assert stand.roll.roster.beacons

            assert stand.beacon(b).services == ()

    async def test_the_lighthouse_is_on_the_roster_with_the_addresses_of_its_pod(self, stand):
        async with stand.open_roll(), pair(stand) as (_, _, of_a, _):
            await when(lambda: stand.roll.lighthouse)

            assert (await of_a.roster()).lighthouse.addresses == ("10.0.9.9",)

    async def test_where_services_may_not_be_read_the_rest_goes_on(self, stand):
        pods, services = RULES
        stand.cluster.admin.apply(manifests.role("roll-b", "roll-witness", pods))
        try:
            async with stand.open_roll(), pair(stand) as (_, _, of_a, _):
                await when(lambda: "services/sentinel" in stand.muster._trouble.get("roll-b", ""))

                assert len((await of_a.roster()).beacons) == 2
        finally:
            stand.cluster.admin.apply(manifests.role("roll-b", "roll-witness", pods, services))

    async def test_where_pods_may_not_be_watched_any_more_nobody_there_is_ready(self, stand):
        async with stand.open_roll(), pair(stand) as (_, b, of_a, _):
            stand.muster._see("roll-b", Health("pods", up=False))
            found = await of_a.roster()

            assert {one.uid: one.ready for one in found.beacons}[uid_of(b)] is False
            assert sum(one.ready for one in found.beacons) == 1


class TestAHostileTenant:
    async def test_it_registers_no_key_for_anothers_pod(self, stand):
        async with stand.open_roll(), pair(stand) as (a, b, _, _):
            said = json.dumps({"key": base64.b64encode(key("evil").public).decode(), "port": PORT}).encode()
            for token in (stand.token("roll-b"), stand.bound(b)):
                await stand.post(token, said, path=BEACON, method="PUT")

            assert stand.beacon(a).key == key("a").public
            assert stand.beacon(b).key == key("b").public
        assert stand.results["stranger"] == 1  # the token of no pod
        assert stand.results["conflict"] == 1

    async def test_a_token_that_is_bound_to_no_pod_says_nothing_here(self, stand):
        async with stand.open_roll(), pair(stand):
            token = stand.token("roll-b")
            for method, path in (("PUT", BEACON), ("GET", f"{ROSTER}?after=0"), ("POST", ARRIVALS)):
                assert (await stand.post(token, b"{}", path=path, method=method))[0] == 403

        assert stand.results["stranger"] == 3

    async def test_a_pod_without_our_label_or_in_another_of_its_namespaces_is_nobody(self, stand):
        async with stand.open_roll():
            made = await stand.pod("roll-b", "unlabelled", labels={}, seen=False)
            async with stand.way(made) as way:
                with pytest.raises(Refused, match="403"):
                    await way.register(key("b").public, PORT)

            assert stand.roll.roster.beacons == ()

    async def test_a_pod_that_it_makes_itself_is_its_own_beacon_and_nobody_elses(self, stand):
        async with stand.open_roll(), pair(stand) as (a, b, of_a, _):
            made_up = await stand.pod("roll-b", "made-up", addresses=("10.0.0.66",))
            async with stand.way(made_up) as way:
                await way.register(key("evil").public, PORT)
                await way.arrivals([challenge(a, b, signer=key("evil"))])
            found = await of_a.roster()

        assert {(one.tenant, one.uid) for one in found.beacons} == {
            ("team-a", uid_of(a)), ("team-b", uid_of(b)), ("team-b", uid_of(made_up)),
        }  # fmt: skip
        assert found.arrivals == ()
        assert stand.arrived == {("team-b", "forged"): 1}

    async def test_forged_foreign_and_replayed_challenges_blame_nobody(self, stand):
        async with stand.open_roll(), pair(stand) as (a, b, of_a, of_b):
            other = await stand.pod("roll-a", "other", addresses=("10.0.0.7",))
            real = challenge(a, b)
            assert await of_b.arrivals([real])
            lies = [
                challenge(a, b, nonce=b"x" * 16, signer=key("b")),
                challenge(other, b),
                challenge(b, b, signer=key("b")),
                challenge(a, a),
                real,
                b"nonsense",
                os.urandom(len(real)),
            ]
            assert await of_b.arrivals(lies)
            arrivals = (await of_a.roster()).arrivals

        assert [one.nonce for one in arrivals] == [b"n" * 16]
        assert stand.arrived == {
            ("team-b", "passed"): 1,
            ("team-b", "forged"): 1,
            ("team-b", "stranger"): 1,
            ("team-b", "own"): 1,
            ("team-b", "misdirected"): 1,
            ("team-b", "replayed"): 1,
            ("team-b", "malformed"): 2,
        }

    @pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "224.0.0.1", "10.9.0.1", "10.0.0.4"])
    async def test_whatever_address_its_pod_has_nobody_is_sent_to_what_is_not_a_pods_own(self, stand, address):
        """10.9.0.1 is the node, as of a pod in the host's network; 10.0.0.4 is the pod of the other tenant."""
        async with stand.open_roll(), pair(stand) as (a, _, of_a, _):
            absurd = await stand.pod("roll-b", "absurd", addresses=(address,))
            found = {one.uid: one.addresses for one in (await of_a.roster()).beacons}

        assert found[uid_of(absurd)] == ()
        assert found[uid_of(a)] == ("10.0.0.4",)
        assert sum(stand.refused.values()) == 1

    async def test_it_is_told_another_port_by_nobody(self, stand):
        async with stand.open_roll(), pair(stand) as (_, _, _, of_b):
            with pytest.raises(Refused, match="400"):
                await of_b.register(key("b").public, 22)

        assert stand.refused == {"key_port": 1}

    @pytest.mark.parametrize(
        ("method", "path", "body"),
        [
            ("PUT", BEACON, b"nonsense"),
            ("PUT", BEACON, b"[]"),
            ("PUT", BEACON, b'{"key": "AAAA", "port": 7462}'),
            ("PUT", BEACON, b'{"key": "' + b"A" * 43 + b'=", "port": "7462"}'),
            ("PUT", BEACON, b'{"key": "' + b"A" * 43 + b'=", "port": true}'),
            ("PUT", BEACON, b"[" * 100_000),
            ("GET", ROSTER, None),
            ("GET", f"{ROSTER}?after=-1", None),
            ("GET", f"{ROSTER}?after=x", None),
            ("POST", ARRIVALS, b"{}"),
            ("POST", ARRIVALS, b'{"challenges": "x"}'),
            ("POST", ARRIVALS, json.dumps({"challenges": [""] * 501}).encode()),
        ],
    )
    async def test_nonsense_is_refused_and_counted(self, stand, method, path, body):
        async with stand.open_roll():
            b = await stand.pod("roll-b", "b")
            assert (await stand.post(stand.bound(b), body, path=path, method=method))[0] == 400

        assert stand.results == {"malformed": 1}

    async def test_challenges_that_are_none_are_counted_one_by_one(self, stand):
        async with stand.open_roll(), pair(stand) as (_, b, _, _):
            said = json.dumps({"challenges": [None, 5, "é", [], "AAAA"]}).encode()
            assert (await stand.post(stand.bound(b), said, path=ARRIVALS))[0] == 200

        assert stand.arrived == {("team-b", "malformed"): 5}

    async def test_more_requests_than_it_may_make_cost_it_its_own_turn_and_nobody_elses(self, stand, monkeypatch):
        monkeypatch.setattr(rollcall_module, "RATE", 0.5)
        monkeypatch.setattr(rollcall_module, "BURST", 5.0)
        async with stand.open_roll(), pair(stand) as (_, _, of_a, of_b):
            with pytest.raises(Throttled) as told:
                for _ in range(6):
                    await of_b.arrivals([])

            assert told.value.after >= 1
            assert await of_a.arrivals([])
        assert stand.results["throttled"] == 1

    async def test_a_flood_is_refused_at_its_own_cost_and_costs_no_memory(self, stand, monkeypatch):
        """Keys, reports full of lies, and rosters, faster than anybody may; the other tenant is served meanwhile."""
        for name, value in {"RATE": 20.0, "BURST": 40.0, "VERIFIED_RATE": 500.0, "VERIFIED_BURST": 1000.0}.items():
            monkeypatch.setattr(rollcall_module, name, value)
        async with stand.open_roll(), pair(stand) as (a, b, of_a, of_b):
            lies = [os.urandom(224) for _ in range(400)]

            async def flood(seconds):
                until = time.monotonic() + seconds
                throttled = 0
                while time.monotonic() < until:
                    for ask in (
                        lambda: of_b.register(key(f"{time.monotonic_ns()}").public, PORT),
                        lambda: of_b.arrivals(lies),
                        lambda: of_b.arrivals([challenge(a, b, nonce=os.urandom(16)) for _ in range(200)]),
                        lambda: of_b.roster(Roster()),
                    ):
                        try:
                            await ask()
                        except Throttled:
                            throttled += 1
                        except Refused:
                            pass
                return throttled

            await flood(2.0)
            gc.collect()
            tracemalloc.start()
            flooding = asyncio.create_task(flood(4.0))
            for _ in range(10):
                assert (await of_a.roster()).beacons
                await asyncio.sleep(0.1)
            assert await flooding > 10
            gc.collect()
            grown, _ = tracemalloc.get_traced_memory()
            tracemalloc.stop()

            assert grown < 2**20
            assert stand.beacon(b).key == key("b").public
            assert len((await of_a.roster()).arrivals) <= 64
        assert stand.results["throttled"] > 10
        assert stand.results["conflict"] > 0


async def test_without_the_network_the_relay_has_no_such_rooms(stand):
    async with stand.open_roll():
        b = await stand.pod("roll-b", "b")
        stand.relay.rollcall = None
        for method, path in (("PUT", BEACON), ("GET", f"{ROSTER}?after=0"), ("POST", ARRIVALS)):
            assert (await stand.post(stand.bound(b), b"{}", path=path, method=method))[0] == 404
