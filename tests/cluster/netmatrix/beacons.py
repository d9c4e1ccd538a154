"""Beacons of many tenants in many namespaces, and the roll that the witness would call: real parts, one process.

    netns pod --- OwnBeacon ---reports--> Roll <---status--- Kubelet (asks /readyz in the pod)
                                           |
                                           '---roster, arrivals--> whoever asks

Only the wire between a sentinel and the witness is left out: `Wire` calls the roll as the relay's routes do.
"""

import asyncio
import contextlib
import itertools
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from prometheus_client import CollectorRegistry

from sentinel.clients.clock import Clock
from sentinel.core.net.pod import READY_PATH, Policy, pod, service
from sentinel.core.net.roster import Beacon, Roster
from sentinel.engine.roll import Registration, Roll
from sentinel.errors import Refused, Unreachable
from sentinel.joins.beaconing import OwnBeacon
from sentinel.sinks.beacon import BeaconMetrics
from tests.support import netns
from tests.support.kubelet import Kubelet
from tests.support.netns import Lab, Pod, Service

PORT = 7462
LABELS = {"app.kubernetes.io/name": "sentinel"}
WITNESS = "sentinel-system"


@dataclass
class Wire:
    """One pod's way to the witness, as `sentinel.joins.beaconing.Way` has it. Cut: nothing gets through."""

    roll: Roll
    tenant: str
    uid: str
    cut: bool = False

    async def register(self, key: bytes, port: int) -> None:
        self._must_be_whole()
        result = self.roll.register(self.tenant, self.uid, key, port)
        if result is not Registration.TAKEN:
            raise Refused(result)

    async def roster(self, known: Roster | None = None, *, wait: bool = False) -> Roster:
        self._must_be_whole()
        told = await self.roll.told(self.tenant, self.uid, known.number if known else 0, 1.0 if wait else 0.0)
        if told is None:
            raise Refused("not on the roll")
        return told

    async def arrivals(self, challenges: Sequence[bytes]) -> bool:
        self._must_be_whole()
        return self.roll.report(self.tenant, self.uid, challenges)

    def _must_be_whole(self) -> None:
        if self.cut:
            raise Unreachable("cut by the test")


@dataclass(eq=False)
class Host:
    """One pod with a beacon in it. `stack` holds what runs."""

    tenant: str
    uid: str
    pod: Pod
    manifest: dict[str, Any]
    beacon: OwnBeacon
    wire: Wire
    listening: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)


@dataclass
class Beacons:
    """All of them. Its coroutines are of one loop; `lab` and `kubelet` are of any thread."""

    lab: Lab
    tenants: Sequence[str]
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        homes = {name: name for name in self.tenants}
        self.roll = Roll(
            homes,
            PORT,
            {},
            self.clock,
            begin=1,
            life="first",
            count_refused=lambda why: None,
            count_arrival=self._count,
        )
        for name in homes:
            self.roll.take_sight(name, seen=True)
        self.delivered: dict[tuple[str, str], int] = {}
        self.kubelet = Kubelet(self.lab.hub, self._status, every=0.5)
        self._uids = itertools.count(1)
        self.hosts: dict[str, Host] = {}

    def _count(self, tenant: str, what: str) -> None:
        self.delivered[tenant, what] = self.delivered.get((tenant, what), 0) + 1

    def _status(self, manifest: dict[str, Any]) -> None:
        self.loop.call_soon_threadsafe(self.roll.take_pod, pod(manifest))

    async def start(self, tenant: str, place: Pod, uid: str = "") -> Host:
        """A pod of this tenant in this place: its kubelet's status, its listener, its reports."""
        uid = uid or f"00000000-0000-4000-8000-{next(self._uids):012d}"
        probe = {"httpGet": {"path": READY_PATH, "port": PORT}}
        manifest = {
            "metadata": {"name": place.name, "namespace": tenant, "uid": uid, "labels": LABELS},
            "spec": {"nodeName": "node-1", "containers": [{"name": "s", "image": "s", "readinessProbe": probe}]},
        }
        host = Host(tenant, uid, place, manifest, self._beacon(tenant, uid), Wire(self.roll, tenant, uid))
        self.hosts[uid] = host
        self.kubelet.run(manifest, place)
        await self.open(host)
        return host

    def _beacon(self, tenant: str, uid: str) -> OwnBeacon:
        return OwnBeacon(tenant, uid, BeaconMetrics(CollectorRegistry()), clock=self.clock)

    async def open(self, host: Host) -> None:
        """The listener, and everything that its process does."""
        await self.listen(host)
        host.tasks = [
            asyncio.create_task(host.beacon.directory.keep(host.wire), name=f"roster of {host.uid}"),
            asyncio.create_task(host.beacon.keep_reporting(host.wire, PORT), name=f"reports of {host.uid}"),
        ]

    async def listen(self, host: Host) -> None:
        stack = contextlib.AsyncExitStack()
        with standing_in(host.pod):
            await stack.enter_async_context(host.beacon.serve(PORT))
        host.listening = stack

    async def deafen(self, host: Host) -> None:
        """Its listener is dead; the rest of the process is not."""
        await host.listening.aclose()

    async def close(self, host: Host) -> None:
        """Its process ends."""
        await host.listening.aclose()
        for task in host.tasks:
            task.cancel()
        await asyncio.gather(*host.tasks, return_exceptions=True)
        host.tasks = []

    async def restart(self, host: Host) -> None:
        """The same pod, another process: another key."""
        await self.close(host)
        host.beacon = self._beacon(host.tenant, host.uid)
        self.kubelet.restarted(host.uid)
        await self.open(host)

    async def remove(self, host: Host) -> None:
        """The pod is deleted."""
        await self.close(host)
        self.kubelet.stop(host.uid)
        self.roll.drop_pod(host.uid)
        del self.hosts[host.uid]

    async def lighten(self, place: Pod) -> Host:
        """The witness's lighthouse: it knows the roll itself."""
        uid = f"00000000-0000-4000-9000-{os.getpid():012d}"
        host = Host(WITNESS, uid, place, {}, self._beacon(WITNESS, uid), Wire(self.roll, WITNESS, uid))
        service_ = self.lab.service(WITNESS, PORT, place)
        self.roll.lighthouse = Beacon(
            WITNESS,
            WITNESS,
            uid,
            PORT,
            (place.v4, place.v6),
            (service_.v4, service_.v6),
            host.beacon.signer.public,
            ready=True,
        )
        await self.listen(host)
        host.tasks = [asyncio.create_task(self._show_roll(host), name="roll of the lighthouse")]
        return host

    async def _show_roll(self, host: Host) -> None:
        while True:
            host.beacon.directory.take(self.roll.roster)
            await asyncio.sleep(0.1)

    def serve(self, tenant: str, *places: Pod) -> Service:
        """A Service in front of these pods of the tenant's."""
        made = self.lab.service(tenant, PORT, *places)
        spec = {"clusterIPs": [made.v4, made.v6], "selector": LABELS}
        self.roll.take_service(tenant, service({"metadata": {"name": "sentinel"}, "spec": spec}))
        return made

    def own_policy(self, *tenants: str) -> None:
        """Policies of the chart's own that select every pod of these tenants."""
        self.roll.take_policies([Policy(name, "ours", "1", ours=True) for name in tenants])

    async def end(self) -> None:
        for host in list(self.hosts.values()):
            await self.close(host)


@contextlib.contextmanager
def standing_in(place: Pod) -> Iterator[None]:
    """This thread stands in the pod while the block lasts: it must not wait for anything."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        netns.enter(place.name)
        try:
            yield
        finally:
            netns.enter_file(home)
    finally:
        os.close(home)
