"""What NetworkPolicies say of one packet: read as Kubernetes documents them, and compared with nothing yet.

    asker --egress--> [policies that select the asker] --ingress--> [policies that select the target] --> target

A side that no policy selects lets everything through. One that some policy selects lets through what a
rule of any of them allows: policies only add up, none forbids. Who asks and who answers are pods; whether
anybody enforces what is read here is another question.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import ip_address, ip_network

from sentinel.core.api.rbac import Made, Selector
from sentinel.core.net.crossing import Family

Labels = Mapping[str, str]


class Side(StrEnum):
    """Whose policies: a packet has to pass both sides."""

    EGRESS = "egress"  # the asker's
    INGRESS = "ingress"  # the target's


@dataclass(frozen=True, slots=True)
class ContainerPort:
    """A port that a container declares: what a policy may call by name."""

    name: str
    number: int
    protocol: str = "TCP"


@dataclass(frozen=True, slots=True)
class Pod:
    """One end. `host`: it stands in the node's own network, where no policy is defined to select it."""

    namespace: str
    name: str
    labels: Labels = field(default_factory=dict)
    addresses: tuple[str, ...] = ()
    ports: tuple[ContainerPort, ...] = ()
    host: bool = False

    @property
    def text(self) -> str:
        """For people."""
        return f"{self.namespace}/{self.name}"

    def of_family(self, family: Family) -> tuple[str, ...]:
        """Its addresses of this family."""
        return tuple(address for address in self.addresses if (":" in address) is (family is Family.V6))


@dataclass(frozen=True, slots=True)
class Packet:
    """What is to cross. `port`: of the target pod, behind whatever Service; `protocol`: TCP, UDP or SCTP."""

    asker: Pod
    target: Pod
    port: int
    protocol: str = "TCP"
    family: Family = Family.V4


@dataclass(frozen=True, slots=True)
class PortRule:
    """Ports that a rule allows. `port` None: all of the protocol; a name: as the target's container calls it."""

    protocol: str = "TCP"
    port: int | str | None = None
    last: int | None = None

    def has(self, packet: Packet) -> bool:
        """Whether the packet goes to one of them."""
        if self.protocol != packet.protocol:
            return False
        match self.port:
            case None:
                return True
            case str(name):
                return ContainerPort(name, packet.port, packet.protocol) in packet.target.ports
            case first:
                return first <= packet.port <= (first if self.last is None else self.last)


@dataclass(frozen=True, slots=True)
class Peer:
    """Whom a rule names: an address block with its exceptions, or pods by their labels and their namespace's.

    A selector that is None was not given, which is not the same as an empty one: that selects all.
    """

    pods: Selector | None = None
    namespaces: Selector | None = None
    block: str = ""
    excepted: tuple[str, ...] = ()

    def means(self, pod: Pod, at_home: str, space: Labels, family: Family) -> bool:
        """Whether this pod is meant. `at_home`: the policy's namespace; `space`: labels of the pod's."""
        if self.block:
            return any(self._holds(address) for address in pod.of_family(family))
        if pod.host or (self.pods is None and self.namespaces is None):
            return False
        if self.namespaces is None and pod.namespace != at_home:
            return False
        return accepts(self.namespaces or (), space) and accepts(self.pods or (), pod.labels)

    def _holds(self, address: str) -> bool:
        return _within(address, self.block) and not any(_within(address, one) for one in self.excepted)


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. No peers: everybody. No ports: every port of every protocol."""

    peers: tuple[Peer, ...] = ()
    ports: tuple[PortRule, ...] = ()


@dataclass(frozen=True, slots=True)
class Policy:
    """One NetworkPolicy. A side that is None is none of its business; an empty one denies everything there."""

    namespace: str
    name: str
    pods: Selector = ()
    ingress: tuple[Rule, ...] | None = None
    egress: tuple[Rule, ...] | None = None
    made: Made = field(default=Made(), compare=False)
    version: str = field(default="", compare=False)  # what it was when it was read

    @property
    def text(self) -> str:
        """For people."""
        return f"{self.namespace}/{self.name}"

    def rules(self, side: Side) -> tuple[Rule, ...] | None:
        """Of one side; None where it says nothing about it."""
        return self.egress if side is Side.EGRESS else self.ingress

    def selects(self, pod: Pod, side: Side) -> bool:
        """Whether it isolates this pod on this side."""
        at_home = pod.namespace == self.namespace and not pod.host
        return at_home and self.rules(side) is not None and accepts(self.pods, pod.labels)


@dataclass(frozen=True, slots=True)
class Way:
    """One rule that lets the packet in. `number` counts from 0; `peer` None: the rule names nobody, so everybody."""

    policy: Policy
    side: Side
    number: int
    peer: int | None

    @property
    def rule(self) -> Rule:
        """The rule itself."""
        return (self.policy.rules(self.side) or ())[self.number]


@dataclass(frozen=True, slots=True)
class Ruling:
    """What one side says: the policies that select its pod, and every way through them."""

    side: Side
    pod: Pod
    policies: tuple[Policy, ...] = ()
    ways: tuple[Way, ...] = ()

    @property
    def open(self) -> bool:
        """Let through: because nobody forbids, or because somebody allows."""
        return not self.policies or bool(self.ways)


@dataclass(frozen=True, slots=True)
class Reading:
    """Both sides of one packet."""

    packet: Packet
    egress: Ruling
    ingress: Ruling

    @property
    def open(self) -> bool:
        """Whether the packet may cross, by these policies."""
        return self.egress.open and self.ingress.open

    @property
    def blockers(self) -> tuple[Policy, ...]:
        """The policies that should block it; empty when it may cross."""
        return tuple(policy for side in (self.egress, self.ingress) if not side.open for policy in side.policies)


def read(packet: Packet, policies: Iterable[Policy], namespaces: Mapping[str, Labels]) -> Reading:
    """Both sides. `namespaces`: the labels of the two pods' namespaces by name."""
    known = tuple(policies)
    return Reading(packet, *(_ruling(side, packet, known, namespaces) for side in Side))


def accepts(selector: Selector, labels: Labels) -> bool:
    """Whether all requirements hold: an empty selector selects everything."""
    return all(needed.accepts(labels) for needed in selector)


def _ruling(side: Side, packet: Packet, policies: tuple[Policy, ...], namespaces: Mapping[str, Labels]) -> Ruling:
    pod, other = (packet.asker, packet.target) if side is Side.EGRESS else (packet.target, packet.asker)
    selecting = tuple(policy for policy in policies if policy.selects(pod, side))
    space = namespaces.get(other.namespace, {})
    ways = (way for policy in selecting for way in _ways(policy, side, packet, other, space))
    return Ruling(side, pod, selecting, tuple(ways))


def _ways(policy: Policy, side: Side, packet: Packet, other: Pod, space: Labels) -> Iterator[Way]:
    for number, rule in enumerate(policy.rules(side) or ()):
        if rule.ports and not any(port.has(packet) for port in rule.ports):
            continue
        if not rule.peers:
            yield Way(policy, side, number, None)
        for at, peer in enumerate(rule.peers):
            if peer.means(other, policy.namespace, space, packet.family):
                yield Way(policy, side, number, at)


def _within(address: str, block: str) -> bool:
    try:
        return ip_address(address) in ip_network(block, strict=False)
    except ValueError:
        return False
