"""The roster: which beacons there are, by the word of the witness and of the kubelet, never of a tenant.

    pod status (kubelet) --\\
    Service (API server) ---> witness --> roster --> every sentinel
    key (the pod itself, with its token) --/

A sentinel connects to nothing but what stands here. A tenant can put pods of its own on it, since it can
make pods with our labels and tokens for them: they are listed as that tenant's, and what is proven of them
is said of that tenant. It can put no address on it, and nothing in anybody else's name.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from sentinel.core.net import address
from sentinel.core.net.address import Address, Refusal
from sentinel.core.net.pod import Pod, Policy, Service

MOST_OF_A_TENANT = 8
"""Beacons of one tenant that one sentinel is told of: with a pod on each node, all of them would be too many."""


@dataclass(frozen=True, slots=True)
class Beacon:
    """One pod that answers challenges. `born` and `since` in wall seconds of the witness.

    `target`: what others know its namespace by. `key`: its Ed25519 public key, 32 bytes, empty until it
    handed it over. `ready` since `since`, through a probe that goes through the listener itself. `neutral`:
    no policy of ours selects it.
    """

    target: str
    tenant: str
    uid: str
    port: int
    addresses: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    key: bytes = b""
    ready: bool = False
    since: float = 0.0
    born: float = 0.0
    node: str = ""
    host: str = ""  # the node's own address
    neutral: bool = True


@dataclass(frozen=True, slots=True)
class Arrival:
    """A challenge of ours that a beacon received, by that beacon's word and our own signature."""

    target: str
    uid: str
    nonce: bytes
    protocol: str


@dataclass(frozen=True, slots=True)
class Roster:
    """What the witness says at one moment.

    `heard`: uid of a beacon -> how many reports of arrivals it has handed in so far. Two more than when a
    question was over mean that whatever had arrived by then is in `arrivals`: reports are sent one after
    the other. `refused`: addresses that no roster may hold, each with why. `life`: of the witness whose
    counts these are; another one's begin anew. `askers`: who else may ask us, with nothing but target,
    tenant, uid and key: we are not told of them to ask them.
    """

    number: int = 0
    beacons: tuple[Beacon, ...] = ()
    lighthouse: Beacon | None = None
    heard: Mapping[str, int] = field(default_factory=dict)
    arrivals: tuple[Arrival, ...] = ()
    refused: tuple[str, ...] = ()
    life: str = ""
    askers: tuple[Beacon, ...] = ()

    def has_heard(self, uid: str, since: "Roster", reports: int = 2) -> bool:
        """Whether this beacon has reported so many times since then, to the same witness."""
        before, now = since.heard.get(uid), self.heard.get(uid)
        same = self.life == since.life
        return same and before is not None and now is not None and now >= before + reports


@dataclass(frozen=True, slots=True)
class Registered:
    """What a pod said of its listener, and how often its containers had restarted by then."""

    key: bytes
    port: int
    restarts: int = 0


@dataclass(frozen=True, slots=True)
class Refused:
    """One address that is on no roster. `of`: the pod's name, or the Service's."""

    tenant: str
    of: str
    address: str
    why: Refusal

    @property
    def text(self) -> str:
        """For people."""
        return f"{self.of}: {self.address}: {self.why}"


@dataclass(frozen=True, slots=True)
class Known:
    """All that a roster is made of. `homes`: namespace -> whose it is; `keys`: by the uid of a pod.

    `services`: by namespace. `port`: the configured one of all beacons. `api_servers`: their own addresses.
    `blind`: namespaces whose pods may have changed since.
    """

    homes: Mapping[str, str]
    port: int
    pods: tuple[Pod, ...] = ()
    services: Mapping[str, Service] = field(default_factory=dict)
    keys: Mapping[str, Registered] = field(default_factory=dict)
    policies: tuple[Policy, ...] = ()
    api_servers: frozenset[Address] = frozenset()
    blind: frozenset[str] = frozenset()


def drawn_up(known: Known) -> tuple[tuple[Beacon, ...], tuple[Refused, ...]]:
    """Every beacon there is, and every address that was left out."""
    pods = [pod for pod in known.pods if pod.live and pod.namespace in known.homes]
    hosts = {found for pod in pods for text in pod.hosts if (found := address.parsed(text)) is not None}
    owners = _owners(pods)
    beacons, refused = [], []
    services = {name: _checked(service, known, hosts) for name, service in known.services.items()}
    for name in known.homes.keys() & services.keys():
        refused += [Refused(known.homes[name], "Service", text, why) for text, why in services[name].items() if why]
    for pod in sorted(pods, key=lambda pod: (known.homes[pod.namespace], pod.born, pod.uid)):
        told = _told(pod, known, hosts, owners)
        refused += [Refused(known.homes[pod.namespace], pod.name, text, why) for text, why in told.items() if why]
        beacons.append(_beacon(pod, known, _kept(told), _kept(services.get(pod.namespace, {}))))
    return tuple(beacons), tuple(sorted(refused, key=lambda row: (row.tenant, row.of, row.address)))


def shown_to(viewer: Beacon, roster: Roster, ids: Mapping[str, str]) -> Roster:
    """What the sentinel in this pod is told.

    `ids`: what others know a tenant by, where that is not its name; an empty one: by nothing.
    """
    told = [one for one in roster.beacons if one.tenant == viewer.tenant or ids.get(one.tenant, one.tenant)]
    chosen = [beacon for tenant in _by_tenant(told) for beacon in _some(tenant, viewer)]
    beacons = tuple(_hidden(beacon, ids, viewer) for beacon in chosen)
    named = {beacon.uid for beacon in chosen}
    askers = tuple(_key_of(_hidden(one, ids, viewer)) for one in told if one.key and one.uid not in named)
    heard = {beacon.uid: roster.heard[beacon.uid] for beacon in beacons if beacon.uid in roster.heard}
    targets = {beacon.target: ids.get(beacon.tenant, beacon.target) for beacon in roster.beacons}
    arrivals = tuple(replace(one, target=targets.get(one.target, one.target)) for one in roster.arrivals)
    return replace(roster, beacons=beacons, heard=heard, arrivals=arrivals, askers=askers)


Told = Mapping[str, Refusal | None]
"""Addresses as they were told -> why one is refused, None for those that are not."""


def _told(pod: Pod, known: Known, hosts: set[Address], owners: Mapping[Address, str]) -> Told:
    found: dict[str, Refusal | None] = {}
    for text in pod.addresses:
        why = address.refusal(text, hosts=hosts, api_servers=known.api_servers)
        parsed = address.parsed(text)
        if why is None and pod.in_host:
            why = Refusal.HOST
        if why is None and parsed is not None and owners[parsed] != pod.uid:
            why = Refusal.SHARED
        found[text] = Refusal.MANY if why is None and len(_kept(found)) >= address.MOST else why
    return found


def _checked(service: Service, known: Known, hosts: set[Address]) -> Told:
    found: dict[str, Refusal | None] = {}
    for text in service.addresses:
        why = address.refusal(text, hosts=hosts, api_servers=known.api_servers)
        if why is None and not service.is_ours:
            why = Refusal.SELECTOR
        found[text] = Refusal.MANY if why is None and len(_kept(found)) >= address.MOST else why
    return found


def _kept(told: Told) -> tuple[str, ...]:
    return tuple(text for text, why in told.items() if why is None)


def _owners(pods: Iterable[Pod]) -> dict[Address, str]:
    """Whose each address is: of two that have it, the one that is ready, then the older one.

    A pod that comes later, with whatever address, takes nobody's place.
    """
    owners: dict[Address, str] = {}
    for pod in sorted(pods, key=lambda pod: (not pod.ready, pod.born, pod.uid)):
        for text in pod.addresses:
            found = address.parsed(text)
            if found is not None:
                owners.setdefault(found, pod.uid)
    return owners


def _beacon(pod: Pod, known: Known, addresses: tuple[str, ...], services: tuple[str, ...]) -> Beacon:
    registered, service = known.keys.get(pod.uid), known.services.get(pod.namespace)
    return Beacon(
        target=pod.namespace,
        tenant=known.homes[pod.namespace],
        uid=pod.uid,
        port=known.port,
        addresses=addresses,
        services=services if service is not None and service.selects(pod) else (),
        key=registered.key if registered is not None else b"",
        # Ready through another door than the one that we knock at says nothing.
        ready=pod.ready and known.port in pod.probed and pod.namespace not in known.blind,
        since=pod.since,
        born=pod.born,
        node=pod.node,
        host=pod.hosts[0] if pod.hosts else "",
        neutral=not any(policy.selects(pod) for policy in known.policies),
    )


def _by_tenant(beacons: Iterable[Beacon]) -> Iterator[list[Beacon]]:
    found: defaultdict[str, list[Beacon]] = defaultdict(list)
    for beacon in beacons:
        found[beacon.tenant].append(beacon)
    yield from found.values()


def _some(beacons: list[Beacon], viewer: Beacon) -> list[Beacon]:
    """All, or those on the same node and a choice of the others that is another one for each who looks."""
    if len(beacons) <= MOST_OF_A_TENANT:
        return beacons

    def rank(beacon: Beacon) -> tuple[bool, bool, bool, bytes]:
        spread = hashlib.sha256(f"{viewer.uid}/{beacon.uid}".encode()).digest()
        return beacon.uid != viewer.uid, not beacon.key, beacon.node != viewer.node, spread

    return sorted(beacons, key=rank)[:MOST_OF_A_TENANT]


def _key_of(beacon: Beacon) -> Beacon:
    return Beacon(beacon.target, beacon.tenant, beacon.uid, 0, key=beacon.key)


def _hidden(beacon: Beacon, ids: Mapping[str, str], viewer: Beacon) -> Beacon:
    """By its id. A tenant is told its own, too: it is what it calls itself before others."""
    known_by = ids.get(beacon.tenant)
    if not known_by:
        return beacon
    own = beacon.tenant == viewer.tenant
    return replace(beacon, target=beacon.target if own else known_by, tenant=known_by)
