"""A tenant among 100 asks the network: CPU, memory, sockets; and how long a hole is open before it is a breach.

    team-0 (a process in a namespace) --1800 sockets a round--> hub --policy--> 100 beacons in five namespaces
       '--TLS--> relay, roll (real, in our process) <--reports, once a second-- the beacons

Two cases: everything dropped, where each socket waits for its timeout; and everything open, where each
beacon answers.
"""

import asyncio
import contextlib
import random
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Self

import jwt
import yaml
from prometheus_client import CollectorRegistry

from sentinel.clients.clock import Clock
from sentinel.clients.token_review import Speaker
from sentinel.core.claim import Expected
from sentinel.core.net.pod import Pod as Told
from sentinel.core.net.roster import Beacon
from sentinel.engine.hints import Hints
from sentinel.engine.roll import Roll
from sentinel.joins.beaconing import OwnBeacon
from sentinel.settings import Address
from sentinel.sinks.beacon import BeaconMetrics
from sentinel.web.relay import Door, Relay
from sentinel.web.rollcall import RollCall
from sentinel.web.tls import Certificate
from tests.bench import asking
from tests.bench.table import Row, spread
from tests.cluster.netmatrix.beacons import PORT, Wire, standing_in
from tests.support import netns
from tests.support.authority import Authority
from tests.support.child import Child
from tests.support.doorway import doorway
from tests.support.eventually import eventually
from tests.support.netns import Lab, Pod
from tests.support.policies import opened, shut

TARGETS = 100
HOMES = 5
"""Namespaces of the machine in which the targets' addresses are."""
SETTLED = 40.0
"""Seconds until two rounds are over and all is proven."""
WATCHED = 60.0
HOLES = 7
ME = "team-0"
USER = "system:serviceaccount:team-0:sentinel"
UID = "00000000-0000-4000-8000-000000000000"


def measure() -> Iterator[Row]:
    with Town() as town:
        time.sleep(SETTLED)
        cost, coverage = town.watched()
        goal = "≤ 3 % of a core, ≤ 100 MiB"
        what = f"network: a tenant among {TARGETS + 1}, 3 protocols x 2 families every 10 s"
        yield Row(f"{what}, all dropped ({coverage:.0%} proven)", cost, goal)
        waits = [town.hole(target) for target in random.Random(1).sample(town.targets, HOLES)]
        yield Row("network: opening of a hole to its breach, rounds of 10 s", spread(waits, 1, "s"), "≤ 11 s")
        town.lab.policy()
        time.sleep(2 * 10)
        cost, _ = town.watched()
        yield Row(f"{what}, all open: each socket is answered", cost)


class Target:
    """A beacon with addresses of its own in a namespace that it shares."""

    def __init__(self, name: str, place: Pod, number: int) -> None:
        self.name, self.place = name, place
        self.pod = Pod(place.name, number=number)
        self.uid = f"00000000-0000-4000-8000-{number:012d}"


class Town:
    """All of it, running while the `with` block lasts."""

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            self.lab = stack.enter_context(Lab())
            self.me, self.light = self.lab.pod("me"), self.lab.pod("light")
            places = [self.lab.pod(f"home-{number}") for number in range(HOMES)]
            self.targets = [Target(f"team-{n}", places[n % HOMES], 100 + n) for n in range(1, TARGETS + 1)]
            for place in places:
                mine = [target.pod for target in self.targets if target.place is place]
                added = [f"addr add {pod.v4}/32 dev eth0" for pod in mine]
                netns.ip(*added, *(f"addr add {pod.v6}/128 dev eth0 nodad" for pod in mine), within=place.name)
            self.close_all()
            self._serve(stack)
            stack.enter_context(doorway(self.me, self.relay_port))
            command = [sys.executable, "-m", "tests.bench.asking", str(self._config())]
            self.child: Child = self.me.start(command, self.lab.folder / "log")
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def close_all(self, but: Target | None = None) -> None:
        """Nobody reaches anybody but the lighthouse, and this target."""
        hole = opened(self.me, but.pod) if but else ()
        self.lab.policy(*opened(self.me, self.light), *hole, *shut(self.me, None))

    def watched(self) -> tuple[str, float]:
        """What the process costs, and what of its questions is proven."""
        before, began, most = self.child.cpu_seconds(), time.monotonic(), 0
        while time.monotonic() < began + WATCHED:
            self.child.must_run()
            most = max(most, len(list(Path(f"/proc/{self.child.pid}/fd").iterdir())))
            time.sleep(0.1)
        share = (self.child.cpu_seconds() - before) / (time.monotonic() - began)
        rounds = [line for line in asking.lines(self.child.log) if "round" in line]
        coverage = float(str(rounds[-1]["coverage"])) if rounds else 0.0
        return f"{share:.1%} of a core, {self.child.resident_mib():.0f} MiB, {most} files at most", coverage

    def hole(self, target: Target) -> float:
        """Seconds from the opening of a hole, at a chance moment, to its breach."""
        time.sleep(random.Random(target.uid).uniform(0, 10))
        began = time.time()
        self.close_all(but=target)

        def seen() -> float | None:
            found = (line for line in asking.lines(self.child.log) if line.get("breach") == target.name)
            return next((float(str(line["at"])) for line in found), None)

        at = eventually(seen, 60, f"a breach of {target.name}\n{self.child.log_tail(3)}")
        assert at is not None
        self.close_all()
        return at - began

    def _serve(self, stack: contextlib.ExitStack) -> None:
        """Relay, roll and beacons, in a loop of their own."""
        self.loop = asyncio.new_event_loop()
        ready, self._over = threading.Event(), asyncio.Event()

        async def run() -> None:
            async with self._running():
                ready.set()
                await self._over.wait()

        thread = threading.Thread(target=self.loop.run_until_complete, args=(run(),), name="beacons")
        thread.start()
        stack.callback(self.loop.close)
        stack.callback(thread.join)
        stack.callback(self.loop.call_soon_threadsafe, self._over.set)
        if not ready.wait(60):
            raise TimeoutError("the beacons are not there")

    @contextlib.asynccontextmanager
    async def _running(self) -> AsyncIterator[None]:
        clock = Clock()
        homes = {name: name for name in (ME, *(target.name for target in self.targets))}
        roll = Roll(homes, PORT, {}, clock, 1, "bench", lambda why: None, lambda *_: None)
        for name in homes:
            roll.take_sight(name, seen=True)
        roll.take_pod(told(ME, UID, self.me))
        self.authority = Authority(self.lab.folder)
        async with contextlib.AsyncExitStack() as stack, asyncio.TaskGroup() as group:
            tasks = [group.create_task(roll.keep(lambda _: None))]
            for target in self.targets:
                roll.take_pod(told(target.name, target.uid, target.pod))
                beacon = await self._beacon(stack, target.name, target.uid, target.place, target.pod)
                wire = Wire(roll, target.name, target.uid)
                tasks.append(group.create_task(beacon.keep_reporting(wire, PORT)))
                tasks.append(group.create_task(beacon.directory.keep(wire)))
            light = await self._beacon(stack, "witness", "light", self.light, self.light)
            addresses = (self.light.v4, self.light.v6)
            roll.take_lighthouse(
                Beacon("system", "witness", "light", PORT, addresses, key=light.signer.public, ready=True)
            )
            tasks.append(group.create_task(_shown(roll, light)))
            relay = Relay(
                {USER: Door(ME, Expected(frozenset()))},
                _Reviews(),
                lambda *_: True,
                Hints(1),
                clock,
                1000.0,
                5000.0,
                count=lambda _: None,
                count_alerts=lambda *_: None,
                count_hint=lambda _: None,
                rollcall=RollCall(roll, clock),
            )
            certificate = Certificate(self.authority.certificate_file, self.authority.key_file)
            address = await stack.enter_async_context(relay.serve(Address("127.0.0.1", 0), certificate))
            self.relay_port = address.port
            yield
            for task in tasks:
                task.cancel()

    async def _beacon(self, stack: contextlib.AsyncExitStack, tenant: str, uid: str, place: Pod, pod: Pod) -> OwnBeacon:
        beacon = OwnBeacon(tenant, uid, BeaconMetrics(CollectorRegistry()))
        for host in (pod.v4, pod.v6):
            with standing_in(place):
                await stack.enter_async_context(beacon.serve(PORT, host))
        return beacon

    def _config(self) -> Path:
        folder = self.lab.folder
        pod = {"namespace": ME, "pod": {"name": "sentinel-0", "uid": UID}}
        claims = {"sub": USER, "aud": ["tenant-sentinel"], "exp": int(time.time()) + 3600, "kubernetes.io": pod}
        (folder / "token").write_text(jwt.encode(claims, "no secret, as nobody verifies it here", algorithm="HS256"))
        tenants = [{"name": name, "namespaces": [name]} for name in (ME, *(one.name for one in self.targets))]
        paging = {
            "relay": f"https://127.0.0.1:{self.relay_port}",
            "relay_token": str(folder / "token"),
            "relay_ca": str(self.authority.ca_file),
        }
        content = {
            "cluster": "bench",
            "tenant": ME,
            "tenants": tenants,
            "network": {"enabled": True},
            "paging": paging,
            "isolation": {"qps": 10000},
        }
        path = folder / "sentinel.yaml"
        path.write_text(yaml.safe_dump(content))
        return path


class _Reviews:
    """In place of the API server: there is one token here."""

    async def speaker_of(self, token: str, address: str = "") -> Speaker | None:
        return Speaker(USER, UID)


async def _shown(roll: Roll, light: OwnBeacon) -> None:
    while True:
        light.directory.take(roll.roster)
        await asyncio.sleep(0.2)


def told(tenant: str, uid: str, pod: Pod) -> Told:
    """As a kubelet tells it."""
    return Told(
        tenant,
        "sentinel-0",
        uid,
        addresses=(pod.v4, pod.v6),
        node="node-1",
        live=True,
        ready=True,
        since=time.time(),
        born=time.time(),
        probed=frozenset({PORT}),
    )
