"""The roll: which pods of tenants answer challenges, by which key, and what they say has reached them.

    watch of pods --\\
    Services ---------> Roll --roster, number--> every sentinel that asks
    PUT key ---------/   |
    POST arrivals ------/ \\--what of yours arrived--> the one that asked it, and nobody else

Who speaks is a pod, by the API server's word on its token, and it is heard only while the watch shows that
pod in its tenant's own namespace. So whatever a tenant makes up, pods included, is about itself. All
that is kept is kept per pod that the watch knows, and forgotten with it.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from sentinel.clients.clock import Clock
from sentinel.core.net import challenge, roster
from sentinel.core.net.address import Address, Refusal
from sentinel.core.net.challenge import Challenge
from sentinel.core.net.pod import Pod, Policy, Service
from sentinel.core.net.roster import Arrival, Beacon, Known, Refused, Registered, Roster

MOST_KEPT = 64
"""Arrivals that one beacon may leave for one asker; the oldest give way. So one cannot push out another's."""
KEPT_SECONDS = 60.0
"""For which an arrival is told: several rounds, since an answer may be lost."""
MOST_MEMBERS = 1024
"""Pods of one tenant that are looked at: one on each node, and some that roll. Others are as if they were not."""
SETTLE_SECONDS = 0.1
"""Between two numbers: what changes together is told together."""


class Registration(StrEnum):
    """What became of a key."""

    TAKEN = "taken"
    STRANGER = "stranger"  # no pod of this tenant that the watch has seen
    SECOND = "second"  # another key for the same pod, whose containers did not restart
    PORT = "port"  # not the configured one: the roster sends everybody there


class Delivered(StrEnum):
    """What became of one challenge that a beacon says has reached it: a closed set, since it is a label."""

    PASSED = "passed"  # told to the one that asked
    MALFORMED = "malformed"  # no challenge
    STRANGER = "stranger"  # of a pod that is on no roll, or has no key
    OWN = "own"  # of the same tenant: the control, which proves nothing against anybody
    MISDIRECTED = "misdirected"  # meant for another tenant's beacon
    REPLAYED = "replayed"  # told before
    FORGED = "forged"  # not signed by the pod that it names


@dataclass
class _Member:
    """One pod, as long as the watch shows it. `left`: by the uid of the beacon that reported them, with when."""

    pod: Pod
    tenant: str
    registered: Registered | None = None
    heard: int = 0
    left: dict[str, deque[tuple[float, Arrival]]] = field(default_factory=dict)


@dataclass
class Roll:
    """`homes`: namespace -> whose it is. `ids`: what others know a tenant by, where that is not its name.

    `count_refused` (reason) is told once of each address that is refused and each key, `count_arrival`
    (tenant of the beacon, `Delivered`) of each challenge. `begin`: above all numbers of our earlier lives;
    `life` tells ours from another's.
    """

    homes: Mapping[str, str]
    port: int
    ids: Mapping[str, str]
    clock: Clock
    begin: int
    life: str
    count_refused: Callable[[str], None]
    count_arrival: Callable[[str, str], None]
    api_servers: frozenset[Address] = field(default=frozenset(), init=False)
    lighthouse: Beacon | None = field(default=None, init=False)
    refused: tuple[Refused, ...] = field(default=(), init=False)

    def __post_init__(self) -> None:
        """Nobody is known yet."""
        self._members: dict[str, _Member] = {}
        self._services: dict[str, Service] = {}
        self._policies: tuple[Policy, ...] = ()
        self._blind = frozenset(self.homes)
        self._roster = Roster(self.begin, life=self.life)
        self._dirty = asyncio.Event()
        self._rung = asyncio.Event()

    @property
    def roster(self) -> Roster:
        """Everything there is, under real names; only reports and arrivals are not in it."""
        if self._dirty.is_set():
            self._draw_up()
        return self._roster

    def counts(self) -> dict[tuple[str, str], int]:
        """Tenant and `known`, `registered` or `ready` -> how many beacons."""
        found: Counter[tuple[str, str]] = Counter()
        for beacon in self.roster.beacons:
            found[beacon.tenant, "known"] += 1
            found[beacon.tenant, "registered"] += bool(beacon.key)
            found[beacon.tenant, "ready"] += beacon.ready and bool(beacon.key)
        return {(name, state): found[name, state] for name in self.homes.values() for state in STATES}

    async def keep(self, show: Callable[[Roster], None]) -> None:
        """For ever: draw up what changed, wake whoever waits for it, and `show` it."""
        while True:
            show(self.roster)
            await self._dirty.wait()
            await asyncio.sleep(SETTLE_SECONDS)

    def expect(self, homes: Mapping[str, str], port: int, ids: Mapping[str, str]) -> None:
        """Other settings: what is known of a tenant that stays is kept, and seen again before it is believed."""
        for uid in [uid for uid, one in self._members.items() if homes.get(one.pod.namespace) != one.tenant]:
            self._forget(uid)
        self.homes, self.port, self.ids = homes, port, ids
        self._roster = replace(self._roster, number=self._roster.number + 1)
        self._blind = frozenset(homes)
        self._services = {name: service for name, service in self._services.items() if name in homes}
        self._dirty.set()

    def take_pods(self, namespace: str, pods: Iterable[Pod]) -> None:
        """All pods of this namespace, as a list has them."""
        listed = {pod.uid: pod for pod in pods if pod.namespace == namespace}
        gone = [uid for uid, one in self._members.items() if one.pod.namespace == namespace and uid not in listed]
        for uid in gone:
            self._forget(uid)
        for pod in listed.values():
            self.take_pod(pod)

    def take_pod(self, pod: Pod) -> None:
        """One pod that is new or changed."""
        tenant = self.homes.get(pod.namespace)
        if tenant is None:
            return
        known = self._members.get(pod.uid)
        if known is not None:
            known.pod = pod
        elif self._number_of(tenant) < MOST_MEMBERS:
            self._members[pod.uid] = _Member(pod, tenant)
        else:
            self.count_refused(POD_FULL)
            return
        self._dirty.set()

    def drop_pod(self, uid: str) -> None:
        """One pod that is gone, and all that it said with it."""
        self._forget(uid)

    def take_service(self, namespace: str, service: Service | None) -> None:
        """The Service in front of a tenant's sentinel, None where there is none."""
        if self._services.get(namespace) != service:
            self._services.pop(namespace, None)
            if service is not None:
                self._services[namespace] = service
            self._dirty.set()

    def take_lighthouse(self, lighthouse: Beacon | None) -> None:
        """The witness's own beacon, which answers everybody."""
        if lighthouse != self.lighthouse:
            self.lighthouse = lighthouse
            self._dirty.set()

    def take_api_servers(self, addresses: frozenset[Address]) -> None:
        """Where the API servers are, which is nobody's beacon."""
        if addresses != self.api_servers:
            self.api_servers = addresses
            self._dirty.set()

    def take_sight(self, namespace: str, *, seen: bool) -> None:
        """Whether the watch of this namespace is told what happens: without it, nobody there is called ready."""
        blind = self._blind - {namespace} if seen else self._blind | {namespace}
        if blind != self._blind:
            self._blind = blind
            self._dirty.set()

    def take_policies(self, policies: Collection[Policy]) -> None:
        """Every NetworkPolicy that is ours."""
        found = tuple(sorted(policies, key=lambda one: (one.namespace, one.name)))
        if found != self._policies:
            self._policies = found
            self._dirty.set()

    def is_member(self, tenant: str, uid: str) -> bool:
        """Whether the watch shows this pod in the tenant's own namespace."""
        return self._member(tenant, uid) is not None

    def register(self, tenant: str, uid: str, key: bytes, port: int) -> Registration:
        """The key by which the beacon in this pod answers. Raises nothing: see `Registration`."""
        result = self._register(tenant, uid, Registered(key, port))
        if result is not Registration.TAKEN:
            self.count_refused(f"key_{result}")
        return result

    def report(self, tenant: str, uid: str, raws: Sequence[bytes], *, more: bool = False) -> bool:
        """Challenges that have reached this pod; False when its key is not known: then nothing counts.

        `more`: the report goes on. It counts when it has ended.
        """
        member = self._member(tenant, uid)
        if member is None or member.registered is None:
            return False
        for raw in raws:
            self.count_arrival(tenant, self._deliver(member, raw))
        member.heard += not more
        return True

    async def told(self, tenant: str, uid: str, after: int, seconds: float) -> Roster | None:
        """What this pod is told: at once, or within so many seconds as soon as the number is not `after`.

        What has arrived is no news to wait for: it is in every answer for a while. None for a pod that is
        no member, or is none any more.
        """
        if seconds > 0 and self.roster.number == after:
            await self._ring(seconds)
        member = self._member(tenant, uid)
        if member is None:
            return None
        return self._shown_to(member)

    async def _ring(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._rung.wait()
        except TimeoutError:
            pass

    def _shown_to(self, member: _Member) -> Roster:
        whole = self.roster
        viewer = next((one for one in whole.beacons if one.uid == member.pod.uid), None)
        if viewer is None:
            # It asks before the kubelet has said that it runs.
            pod = member.pod
            viewer = Beacon(pod.namespace, member.tenant, pod.uid, self.port, node=pod.node)
        heard = {uid: one.heard for uid, one in self._members.items() if one.registered is not None}
        refused = tuple(row.text for row in self.refused if row.tenant == member.tenant)
        told = replace(whole, heard=heard, arrivals=self._arrived(member), refused=refused)
        return roster.shown_to(viewer, told, self.ids)

    def _arrived(self, member: _Member) -> tuple[Arrival, ...]:
        oldest = self.clock.monotonic() - KEPT_SECONDS
        for uid, left in [*member.left.items()]:
            while left and left[0][0] < oldest:
                left.popleft()
            if not left:
                del member.left[uid]
        return tuple(arrival for left in member.left.values() for _, arrival in left)

    def _member(self, tenant: str, uid: str) -> _Member | None:
        member = self._members.get(uid)
        return member if member is not None and member.tenant == tenant else None

    def _register(self, tenant: str, uid: str, said: Registered) -> Registration:
        member = self._member(tenant, uid)
        if member is None:
            return Registration.STRANGER
        if said.port != self.port:
            return Registration.PORT
        known = member.registered
        if known is not None and known.key == said.key:
            return Registration.TAKEN
        if known is not None and member.pod.restarts <= known.restarts:
            return Registration.SECOND
        member.registered = replace(said, restarts=member.pod.restarts)
        # What the one before had received and not told yet is lost: whoever counts reports must not count on.
        member.heard = 0
        self._dirty.set()
        return Registration.TAKEN

    def _number_of(self, tenant: str) -> int:
        return sum(one.tenant == tenant for one in self._members.values())

    def _deliver(self, beacon: _Member, raw: bytes) -> Delivered:
        found = challenge.challenge_in(raw)
        if found is None:
            return Delivered.MALFORMED
        asker = self._members.get(found.uid)
        if asker is None or asker.registered is None:
            return Delivered.STRANGER
        wrong = self._wrong(found, asker, beacon)
        if wrong is not None:
            return wrong
        # Last, as it costs the most.
        if not challenge.is_asked_by(raw, asker.registered.key):
            return Delivered.FORGED
        uid = beacon.pod.uid
        left = asker.left.setdefault(uid, deque(maxlen=MOST_KEPT))
        left.append((self.clock.monotonic(), Arrival(beacon.pod.namespace, uid, found.nonce, found.protocol)))
        return Delivered.PASSED

    def _wrong(self, found: Challenge, asker: _Member, beacon: _Member) -> Delivered | None:
        if asker.tenant == beacon.tenant:
            return Delivered.OWN
        if not self.is_member(beacon.tenant, found.beacon):
            return Delivered.MISDIRECTED
        told = (arrival.nonce for _, arrival in asker.left.get(beacon.pod.uid, ()))
        return Delivered.REPLAYED if found.nonce in told else None

    def _forget(self, uid: str) -> None:
        if self._members.pop(uid, None) is None:
            return
        for member in self._members.values():
            member.left.pop(uid, None)
        self._dirty.set()

    def _draw_up(self) -> None:
        self._dirty.clear()
        pods = tuple(member.pod for member in self._members.values())
        keys = {uid: one.registered for uid, one in self._members.items() if one.registered is not None}
        known = Known(self.homes, self.port, pods, self._services, keys, self._policies, self.api_servers, self._blind)
        beacons, refused = roster.drawn_up(known)
        for row in set(refused) - set(self.refused):
            self.count_refused(row.why)
        changed = (beacons, self.lighthouse, refused) != (self._roster.beacons, self._roster.lighthouse, self.refused)
        self.refused = refused
        if changed:
            self._roster = Roster(self._roster.number + 1, beacons, self.lighthouse, life=self.life)
            self._wake()

    def _wake(self) -> None:
        # Who waits now has this event; who comes later gets a new one.
        self._rung.set()
        self._rung = asyncio.Event()


STATES = ("known", "registered", "ready")
POD_FULL = "pod_full"
REFUSALS = (
    *(why.value for why in Refusal),
    *(f"key_{result.value}" for result in Registration if result is not Registration.TAKEN),
    POD_FULL,
)
"""Everything that `count_refused` is told: labels."""
