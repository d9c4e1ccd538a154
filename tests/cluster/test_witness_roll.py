"""The witness's process as the chart installs it, with the network on: it calls the roll, and is the lighthouse.

The addresses are made up: the pods are only in the API server, with the status that a kubelet would give them.
"""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any

import pytest

from sentinel.clients.relay import RelayClient
from sentinel.core.net.challenge import Challenge, Signer, asked
from sentinel.core.net.crossing import Family, Path, Protocol
from sentinel.core.net.roster import Beacon, Roster
from sentinel.errors import ClientError
from tests.cluster.town import SETTLED
from tests.cluster.witnessed import Witness
from tests.deploy import chart
from tests.deploy.test_accepted import pod as pod_of
from tests.support import manifests
from tests.support.apiclient import MERGE
from tests.support.controlplane import CONTROLLERS, ControlPlane
from tests.support.eventually import eventually
from tests.support.ports import free_port
from tests.support.sentinels import fetch

SYSTEM = "sentinel-system"
HOST = "10.9.0.1"
KEYS = {name: Signer(name.encode().ljust(32, b"\0")) for name in ("team-a", "team-b")}


class Stage:
    """A cluster with the chart in it, a witness, and one pod of each tenant."""

    def __init__(self, cluster: ControlPlane, port: int) -> None:
        self.cluster, self.port = cluster, port
        self.objects = chart.render(chart.values() | self.values())
        for name in (SYSTEM, "team-a", "team-b"):
            cluster.admin.apply(manifests.namespace(name))
        cluster.admin.apply(*self.objects)
        self.pods = {tenant: self.pod(tenant, f"10.0.0.{number}") for number, tenant in enumerate(KEYS, 5)}
        self.witness = Witness(cluster, self.objects)
        self.witness._env |= {"POD_IPS": "10.0.9.9,127.0.0.1", "NODE_NAME": "n1"}

    def values(self) -> chart.Object:
        return {
            "tenants": [{"name": name, "namespaces": [name]} for name in KEYS],
            "timeScale": 0.1,
            "config": {"isolation": {"qps": 5000}, "network": {"beacon": {"port": self.port}}},
            "network": {"enabled": True},
            "monitor": {"enabled": False},
            "witness": {"enabled": True},
        }

    def pod(self, tenant: str, address: str) -> Any:
        """The pod that the chart's Deployment would have, as a kubelet has it running."""
        manifest = pod_of(chart.one(self.objects, "Deployment", "sentinel", tenant))
        made = self.cluster.admin.create(manifest)
        status = {
            "phase": "Running",
            "hostIP": HOST,
            "podIP": address,
            "podIPs": [{"ip": address}],
            "conditions": [{"type": "Ready", "status": "True"}],
        }
        path = f"{self.cluster.admin.path_of(made)}/status"
        self.cluster.admin.must("PATCH", path, {"status": status}, headers={"Content-Type": MERGE})
        return made

    def way(self, tenant: str) -> RelayClient:
        file = self.witness.folder / f"token-of-{tenant}"
        file.write_text(self.cluster.token_for(tenant, audiences=["tenant-sentinel"], pod=self.pods[tenant]))
        return RelayClient(f"https://{self.witness.relay}", file, self.witness.authority.ca_file)

    def uid(self, tenant: str) -> str:
        return str(self.pods[tenant]["metadata"]["uid"])

    def has_one(self, state: str) -> bool:
        return self.witness.metrics().value("sentinel_witness_beacons", subject="team-b", state=state) == 1

    def address(self, tenant: str) -> str:
        return str(self.cluster.admin.get(chart.one(self.objects, "Service", "sentinel", tenant))["spec"]["clusterIP"])


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with ExitStack() as stack:
        made = Stage(stack.enter_context(ControlPlane(controllers=CONTROLLERS)), free_port())
        stack.enter_context(made.witness)
        made.witness.wait_up(within=SETTLED)
        yield made


async def registered(stage: Stage, tenant: str, way: RelayClient) -> None:
    """As a beacon does it: again until it is taken."""
    async with asyncio.timeout(SETTLED):
        while True:
            try:
                await way.register(KEYS[tenant].public, stage.port)
            except ClientError:
                await asyncio.sleep(0.1)
            else:
                return


async def told(way: RelayClient, wanted: Any) -> Roster:
    async with asyncio.timeout(SETTLED):
        while not wanted(roster := await way.roster()):
            await asyncio.sleep(0.1)
        return roster


def of(roster: Roster, uid: str) -> Beacon:
    return next(one for one in roster.beacons if one.uid == uid)


async def test_two_tenants_find_each_other_on_its_word(stage: Stage) -> None:
    async with stage.way("team-a") as of_a, stage.way("team-b") as of_b:
        await registered(stage, "team-a", of_a)
        await registered(stage, "team-b", of_b)
        roster = await told(of_a, lambda roster: of(roster, stage.uid("team-b")).services and roster.lighthouse)

        found = of(roster, stage.uid("team-b"))
        assert (found.target, found.addresses, found.ready, found.neutral) == ("team-b", ("10.0.0.6",), True, True)
        assert found.services == (stage.address("team-b"),)
        assert found.key == KEYS["team-b"].public

        words = Challenge(b"n" * 16, "team-a", stage.uid("team-a"), found.uid, Protocol.TCP, Family.V4, Path.POD)
        assert await of_b.arrivals([asked(words, KEYS["team-a"])])
        assert await of_b.arrivals([])
        after = await of_a.roster(roster)
        assert [one.nonce for one in after.arrivals] == [b"n" * 16]
        assert after.has_heard(found.uid, roster)

    for state in ("known", "registered", "ready"):
        eventually(partial(stage.has_one, state), SETTLED)
    arrived = stage.witness.metrics().value("sentinel_witness_arrivals_total", subject="team-b", result="passed")
    assert arrived == 1


async def test_the_lighthouse_listens_and_stands_on_the_roster_without_what_may_not_stand_there(stage: Stage) -> None:
    async with stage.way("team-a") as way:
        lighthouse = (await told(way, lambda roster: roster.lighthouse)).lighthouse

    assert lighthouse is not None
    assert lighthouse.addresses == ("10.0.9.9",)
    assert (lighthouse.target, lighthouse.tenant, lighthouse.node) == (SYSTEM, "witness", "n1")
    assert await asyncio.to_thread(fetch, f"http://127.0.0.1:{stage.port}/readyz") == (200, "ready\n")


async def test_a_policy_of_the_charts_own_that_selects_a_beacon_makes_it_not_neutral(stage: Stage) -> None:
    made = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "ours", "namespace": "team-b", "labels": {"app.kubernetes.io/part-of": "tenant-sentinel"}},
        "spec": {"podSelector": {}},
    }
    async with stage.way("team-a") as way:
        await asyncio.to_thread(stage.cluster.admin.apply, made)
        await told(way, lambda roster: not of(roster, stage.uid("team-b")).neutral)
        await asyncio.to_thread(stage.cluster.admin.delete, made)
        roster = await told(way, lambda roster: of(roster, stage.uid("team-b")).neutral)

    assert of(roster, stage.uid("team-a")).neutral


async def test_a_new_configuration_keeps_the_keys_and_the_counts(stage: Stage) -> None:
    async with stage.way("team-a") as of_a, stage.way("team-b") as of_b:
        await registered(stage, "team-b", of_b)
        assert await of_b.arrivals([])
        before = await of_a.roster()
        loaded = stage.witness.metrics().value("sentinel_config_hash")
        text = stage.witness.config_file.read_text()
        stage.witness.config_file.write_text(text + "# another one\n")
        await asyncio.to_thread(
            eventually, lambda: stage.witness.metrics().value("sentinel_config_hash") != loaded, SETTLED
        )
        async with asyncio.timeout(SETTLED):
            while True:
                try:
                    after = await of_a.roster()
                    if of(after, stage.uid("team-b")).ready:
                        break
                except ClientError:
                    pass
                await asyncio.sleep(0.1)

        assert after.life == before.life
        assert of(after, stage.uid("team-b")).key == KEYS["team-b"].public
        assert after.heard[stage.uid("team-b")] >= before.heard[stage.uid("team-b")]


async def test_without_the_network_it_neither_listens_nor_looks_at_pods(stage: Stage) -> None:
    stage.witness.stop()
    stage.witness._env["SENTINEL__NETWORK__ENABLED"] = "false"
    try:
        stage.witness.start()
        await asyncio.to_thread(stage.witness.wait_up, SETTLED)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", stage.port)
        async with stage.way("team-a") as way:
            with pytest.raises(ClientError, match="404"):
                await way.roster()
        assert stage.witness.metrics().all("sentinel_watch_up", kind="pods") == {}
    finally:
        stage.witness.stop()
        del stage.witness._env["SENTINEL__NETWORK__ENABLED"]
        stage.witness.start()
