"""What is asked of the network in one round: questions, the sockets they become, and the controls around them.

    roster, terms --questions--> Crossing*        every target x protocol x family x path that both sides have
                  --sockets----> Shot*            three of each beacon, at chance moments of half the round
                  --controls---> Shot*            own beacon, lighthouse: before and after; nobody: on both ends

One beacon that is let in to is a breach of its target, so every beacon is asked. A target that the
roster does not name keeps its questions: they cannot be proven, and that is to be seen.
"""

import itertools
import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol as Contract

from sentinel.core.net.crossing import Crossing, Family, Path, Protocol
from sentinel.core.net.net_gates import Way
from sentinel.core.net.roster import Beacon, Roster

SOCKETS = 3
"""Fresh ones of each beacon and question: a policy that lets one in ten through is met within some rounds."""
REPORT_SECONDS = 1.0
"""How often a beacon reports what arrived."""
CAP = 512
"""Sockets at the same time, as `clients/dial.py` has it."""
BLACKHOLES = {Family.V4: "192.0.2.1", Family.V6: "2001:db8::1"}
"""Addresses of nobody (RFC 5737, RFC 3849)."""
YOUNG_SECONDS = 10.0
"""A pod's first seconds, in which its policies may not be there yet."""
YOUNG_RATE = 5
"""Connects per second to a young pod."""
ROUNDS_BETWEEN = 6
"""Rounds of the network from one look at what surrounds the pods to the next: a minute, by default."""
_MARGIN_SECONDS = 0.5
_LEAST_SPREAD = 0.25  # of the round, when timeouts leave less


class Dice(Contract):
    """Chance; `random.Random` is one."""

    def random(self) -> float:
        """From 0 to 1, without 1."""
        ...


class Role(StrEnum):
    """What a socket is for."""

    ASK = "ask"  # a question
    BEACON = "beacon"  # our own beacon
    LIGHTHOUSE = "lighthouse"  # the witness's
    NOBODY = "nobody"  # an address of nobody


@dataclass(frozen=True, slots=True)
class Terms:
    """How it is asked. Seconds; `expected`: the targets that there should be, by the configuration.

    `attempts`: sockets of each question and beacon; `sockets`: how many may be open at the same time.
    """

    expected: tuple[str, ...]
    every: float = 10.0
    timeout: float = 2.0
    report: float = REPORT_SECONDS
    attempts: int = SOCKETS
    sockets: int = CAP
    port: int = 7462
    identity: str = "self"


@dataclass(frozen=True, slots=True)
class Shot:
    """One socket to be opened. `after`: seconds from the start; `crossing`: None for a control.

    `beacon`: whose answer it should be, None for nobody's.
    """

    role: Role
    way: Way
    address: str
    port: int
    after: float
    beacon: Beacon | None = None
    crossing: Crossing | None = None


def families_of(addresses: Iterable[str]) -> frozenset[Family]:
    """The families that there are addresses of."""
    return frozenset(map(family_of, addresses))


def family_of(address: str) -> Family:
    """Which family an address is of; the roster holds nothing but addresses."""
    return Family.V6 if ":" in address else Family.V4


def addresses_of(beacon: Beacon, path: Path, family: Family) -> tuple[str, ...]:
    """Where a beacon is reached on this path."""
    all_ = beacon.services if path is Path.SERVICE else beacon.addresses
    return tuple(address for address in all_ if family_of(address) is family)


def questions(terms: Terms, roster: Roster | None, own: Beacon | None, known: Collection[Crossing]) -> list[Crossing]:
    """Everything asked now. `known`: what was asked before, which a target that is not in the roster keeps."""
    by_target = _by_target(roster, own)
    remembered: defaultdict[str, list[Crossing]] = defaultdict(list)
    for crossing in known:
        if crossing.path is not Path.KEPT:
            remembered[crossing.target].append(crossing)
    found: dict[Crossing, None] = {}
    for target in dict.fromkeys([*terms.expected, *by_target]):
        beacons = by_target.get(target, [])
        ways = _common(own, beacons) if own is not None else ()
        if ways:
            found |= dict.fromkeys(Crossing(terms.identity, target, *way) for way in ways)
        else:
            # Not in the roster, or with no address yet: what cannot be proven now, and must be seen to be.
            lost = remembered[target] or [Crossing(terms.identity, target, *way) for way in _LEAST]
            found |= dict.fromkeys(lost)
    return list(found)


def not_applicable(roster: Roster | None, own: Beacon | None) -> dict[str, tuple[str, ...]]:
    """Target -> ways that are not asked, since one of the two sides does not have them."""
    if roster is None or own is None:
        return {}
    found = {}
    for target, beacons in _by_target(roster, own).items():
        ways = {way for way in _ALL if way.protocol is Protocol.TCP} - set(_common(own, beacons))
        found[target] = tuple(sorted(f"{way.path.value} {way.family.value}" for way in ways))
    return {target: ways for target, ways in found.items() if ways}


def beacons_of(roster: Roster, own: Beacon | None, target: str) -> list[Beacon]:
    """The beacons of a target."""
    return _by_target(roster, own).get(target, [])


def sockets(terms: Terms, roster: Roster, own: Beacon, asked: Iterable[Crossing], rng: Dice) -> list[Shot]:
    """The sockets of these questions, spread over the round: one of three in each third, at a chance moment.

    So whatever opens is met at the latest one round after it did.
    """
    by_target, spread = _by_target(roster, own), spread_of(terms)
    shots = [
        Shot(
            Role.ASK,
            Way(crossing.protocol, crossing.family, crossing.path),
            address,
            beacon.port,
            after,
            beacon,
            crossing,
        )
        for crossing in asked
        for beacon, address in places(by_target.get(crossing.target, []), crossing.path, crossing.family)
        for after in _moments(terms.attempts, spread, rng)
    ]
    return sorted(shots, key=lambda shot: shot.after)


def places(beacons: Iterable[Beacon], path: Path, family: Family) -> Iterator[tuple[Beacon, str]]:
    """Each address once, with a beacon that may answer there; a Service has one for several."""
    seen: set[str] = set()
    for beacon in beacons:
        for address in addresses_of(beacon, path, family):
            if address not in seen:
                seen.add(address)
                yield beacon, address


def behind(beacons: Iterable[Beacon], address: str, path: Path) -> tuple[str, ...]:
    """The uids of all that may answer at this address."""
    return tuple(b.uid for b in beacons if address in (b.services if path is Path.SERVICE else b.addresses))


def controls(roster: Roster, own: Beacon, ways: Iterable[Way]) -> list[Shot]:
    """The sockets to our own beacon and to the lighthouse, one each for every way."""
    found = []
    for way in dict.fromkeys(ways):
        for role, beacon in ((Role.BEACON, own), (Role.LIGHTHOUSE, roster.lighthouse)):
            addresses = addresses_of(beacon, way.path, way.family) if beacon is not None else ()
            if beacon is not None and addresses:
                found.append(Shot(role, way, addresses[0], beacon.port, 0.0, beacon))
    return found


def nobodies(terms: Terms, ways: Iterable[Way]) -> list[Shot]:
    """The sockets to nobody, at the beginning and at the end: one for every protocol and family."""
    found = dict.fromkeys((way.protocol, way.family) for way in ways)
    return [
        Shot(Role.NOBODY, Way(protocol, family, Path.POD), BLACKHOLES[family], terms.port, after)
        for protocol, family in found
        for after in (0.0, spread_of(terms))
    ]


def young(beacons: Iterable[Beacon], seconds: float, terms: Terms) -> list[Shot]:
    """The connects of one stretch of so many seconds to pods in their first ten: TCP only."""
    moments = [step / YOUNG_RATE for step in range(max(1, math.ceil(seconds * YOUNG_RATE)))]
    return [
        Shot(
            Role.ASK,
            Way(Protocol.TCP, family, Path.POD),
            address,
            beacon.port,
            after,
            beacon,
            Crossing(terms.identity, beacon.target, Protocol.TCP, family, Path.POD),
        )
        for beacon in beacons
        for family in Family
        for address in addresses_of(beacon, Path.POD, family)[:1]
        for after in moments
    ]


def spread_of(terms: Terms) -> float:
    """Seconds over which the sockets of a round are spread: half of it, or what the rest leaves."""
    rest = terms.timeout + (REPORTS_NEEDED + 0.5) * terms.report + _MARGIN_SECONDS
    return min(terms.every / 2, max(_LEAST_SPREAD * terms.every, terms.every - rest))


def period_of(terms: Terms, sockets_: int) -> float:
    """Seconds of a round, stretched where the sockets that stay silent do not fit into it."""
    rest = terms.timeout + (REPORTS_NEEDED + 0.5) * terms.report + _MARGIN_SECONDS
    wanted = max(spread_of(terms), sockets_ * terms.timeout / terms.sockets)
    return max(terms.every, wanted + rest)


REPORTS_NEEDED = 2
_ALL = tuple(
    Way(protocol, family, path)
    for protocol, family, path in itertools.product(Protocol, Family, (Path.POD, Path.SERVICE))
)
_LEAST = tuple(Way(protocol, Family.V4, Path.POD) for protocol in Protocol)


def _by_target(roster: Roster | None, own: Beacon | None) -> Mapping[str, list[Beacon]]:
    """The beacons of everybody else; a tenant may have several in one namespace, or in several."""
    found: defaultdict[str, list[Beacon]] = defaultdict(list)
    for beacon in roster.beacons if roster is not None else ():
        if own is None or beacon.tenant != own.tenant:
            found[beacon.target].append(beacon)
    return found


def _common(own: Beacon, beacons: Iterable[Beacon]) -> list[Way]:
    """The ways that both sides have. Of a Service we need none ourselves but for the control."""
    beacons = [*beacons]
    ours = families_of(own.addresses)
    pods = ours & families_of(address for beacon in beacons for address in beacon.addresses)
    services = ours & families_of(own.services) & families_of(a for beacon in beacons for a in beacon.services)
    return [way for way in _ALL if way.family in (services if way.path is Path.SERVICE else pods)]


def _moments(count: int, spread: float, rng: Dice) -> Iterator[float]:
    for part in range(count):
        yield spread * (part + rng.random()) / count
