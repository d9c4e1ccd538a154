"""Every way to open the network a little, as values: which packets get through, when, and what must be seen.

    opening x protocol x family x path  ->  rules while it is open, and the reason of the breach

A policy cannot tell bare TCP from HTTP by ports, so the rules that are narrower look into the packets, as a
policy of layer 7 does; its handshake then passes for both, and the other one is a breach of nobody's name.
"""

import itertools
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sentinel.core.net.crossing import Crossing, Family, Path, Protocol
from sentinel.core.verdict import Reason
from tests.support.netns import Pod, Service
from tests.support.policies import (
    LARGEST_HANDSHAKE,
    NOT_BY_SERVICE,
    Refusal,
    Rule,
    answers_cut,
    by_service,
    opened,
    shut,
)

WAYS = tuple(itertools.product(Protocol, Family, (Path.POD, Path.SERVICE)))
FEW = {"open": 8, "one-of-two": 2, "one-way": 3, "handshake-only": 2, "blinking": 1, "late": 1, "kept": 1}
"""Rows of each kind that `make test` plays, the same each time: every protocol, family, path and refusal is in them."""
SEED = 5
_FIRST_BYTES = {Protocol.TCP: "0x54534301", Protocol.HTTP: "0x47455420"}
"""Of what is said: `TSC` and the version, and `GET `."""
_OTHER = {Protocol.TCP: Protocol.HTTP, Protocol.HTTP: Protocol.TCP}


@dataclass(frozen=True)
class Opening:
    """One row. `kind`: what is open; `by`: how the rest is refused."""

    kind: str
    protocol: Protocol
    family: Family
    path: Path
    by: Refusal = Refusal.DROP

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.protocol}-{self.family}-{self.path}-beside-{self.by}"

    @property
    def pods(self) -> int:
        """How many beacons the target has."""
        return 2 if self.kind == "one-of-two" else 1

    @property
    def reason(self) -> Reason:
        return REASONS[self.kind]

    def asked(self, target: str, identity: str = "self") -> Crossing:
        """The question that must become a breach."""
        path = Path.KEPT if self.kind == "kept" else self.path
        return Crossing(identity, target, self.protocol, self.family, path)

    def expected(self, target: str, identity: str = "self") -> Mapping[Crossing, frozenset[Reason]]:
        """Every question that may become a breach, and as which; no other one of this target may."""
        # A packet may come through the hole, and the next one too late.
        reasons = {self.reason, Reason.UNATTRIBUTED} if self.kind == "blinking" else {self.reason}
        found = {self.asked(target, identity): frozenset(reasons)}
        if self.kind == "kept":
            new = Crossing(identity, target, self.protocol, self.family, self.path)
            found[new] = frozenset({Reason.SERVED})
        if self.protocol in _OTHER:
            beside = Crossing(identity, target, _OTHER[self.protocol], self.family, self.path)
            # Once a policy looks at new connections only, what was said on those from before gets through.
            old = {Reason.ARRIVED, Reason.SERVED} if self.kind == "kept" else set()
            found[beside] = frozenset({Reason.UNATTRIBUTED, *old})
        return found

    def shut(self, asker: Pod, pods: Sequence[Pod], *, lingering: bool = False) -> list[Rule]:
        """The policy as it should be; `lingering`: it looks at new connections only, where that is the row."""
        old = [Rule("accept", asker, pod, also="ct state established") for pod in pods]
        new = [rule for pod in pods for rule in shut(asker, pod, self.by)]
        return [*old, *new] if lingering and self.kind == "kept" else new

    def open(self, asker: Pod, pods: Sequence[Pod], service: Service) -> list[Rule]:
        """The same with its hole."""
        return [*self._hole(asker, pods[-1], service), *self.shut(asker, pods, lingering=True)]

    def _hole(self, asker: Pod, pod: Pod, service: Service) -> Iterator[Rule]:
        path = by_service(service.address(self.family)) if self.path is Path.SERVICE else NOT_BY_SERVICE
        layer4 = "udp" if self.protocol is Protocol.UDP else "tcp"
        only = {"protocol": layer4, "family": self.family.value}
        if self.kind == "one-way":
            yield from answers_cut(asker, pod, **only)
        if self.protocol in _OTHER:
            other = _FIRST_BYTES[_OTHER[self.protocol]]
            yield Rule("drop", asker, pod, also=f"{path} @ih,0,32 {other}", **only)  # type: ignore[arg-type]
        if self.kind == "handshake-only":
            yield Rule("drop", asker, pod, also=f"{path} meta length > {LARGEST_HANDSHAKE}", **only)  # type: ignore[arg-type]
        yield from opened(asker, pod, also=path, **only)


REASONS = {
    "open": Reason.SERVED,
    "one-of-two": Reason.SERVED,
    "blinking": Reason.SERVED,
    "one-way": Reason.ARRIVED,
    "handshake-only": Reason.UNATTRIBUTED,
    "late": Reason.LATE,
    "kept": Reason.KEPT,
}


def rows() -> list[Opening]:
    """All of them."""
    found = [Opening("open", *way, by) for way in WAYS for by in Refusal]
    for kind in ("one-of-two", "one-way", "blinking"):
        found += [Opening(kind, *way) for way in WAYS]
    # What is kept is a connection, and what comes late is tried by connections, to the pod itself.
    found += [Opening(kind, Protocol.TCP, family, Path.POD) for kind in ("late", "kept") for family in Family]
    # Over UDP there is no handshake: what is not answered has either arrived or not.
    found += [Opening("handshake-only", *way) for way in WAYS if way[0] is not Protocol.UDP]
    return found


def sample() -> list[Opening]:
    """A few of each kind, in which every protocol, family, path and refusal is."""
    rng = random.Random(SEED)
    found: list[Opening] = []
    for kind, most in FEW.items():
        # A datagram is said again and again, so a hole that blinks is met soon; `make matrix` has the patience.
        some = [row for row in rows() if row.kind == kind and (kind != "blinking" or row.protocol is Protocol.UDP)]
        found += rng.sample(some, most)
    return found


def is_covering(chosen: Sequence[Opening]) -> bool:
    """Whether nothing is left out altogether."""
    seen = {value for row in chosen for value in (row.kind, row.protocol, row.family, row.path, row.by)}
    return seen >= {*REASONS, *Protocol, *Family, Path.POD, Path.SERVICE, *Refusal}
