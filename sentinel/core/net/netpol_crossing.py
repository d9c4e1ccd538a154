"""From a question to the network to the packets it consists of, and what the policies say of each.

Crossing x pods that ask x pods that answer --> Packet --read--> Reading
"""

from collections.abc import Iterable, Iterator, Mapping

from sentinel.core.net.crossing import Crossing, Family, Path, Protocol
from sentinel.core.net.netpol import ContainerPort, Labels, Packet, Pod, Policy, Reading, read

BEACON = "beacon"
"""What the chart calls the port of a container that answers."""
PORT = 7462
"""Where no container says: the configuration's default."""
_SPOKEN = {Protocol.TCP: "TCP", Protocol.HTTP: "TCP", Protocol.UDP: "UDP"}


def crossings_of(check: str, identity: str, target: str) -> tuple[Crossing, ...]:
    """What a check asks of a target by plan, over both families; none of a check that has no protocol here."""
    spoken = check.removeprefix("net/")
    if spoken not in set(Protocol):
        return ()
    return tuple(Crossing(identity, target, Protocol(spoken), family, Path.POD) for family in Family)


def readings(
    crossings: Iterable[Crossing],
    pods: Iterable[Pod],
    asker: str,
    policies: Iterable[Policy],
    namespaces: Mapping[str, Labels],
) -> tuple[Reading, ...]:
    """Of every packet that these questions mean, each once: from pods in namespace `asker` to those of the target."""
    known, there = tuple(policies), tuple(pods)
    found: dict[tuple[object, ...], Packet] = {}
    for crossing in crossings:
        for packet in _packets(crossing, there, asker):
            words = (packet.asker.text, packet.target.text, packet.port, packet.protocol, packet.family)
            found.setdefault(words, packet)
    return tuple(read(packet, known, namespaces) for packet in found.values())


def _packets(crossing: Crossing, pods: tuple[Pod, ...], asker: str) -> Iterator[Packet]:
    protocol = _SPOKEN[crossing.protocol]
    for source in (pod for pod in pods if pod.namespace == asker):
        for target in (pod for pod in pods if pod.namespace == crossing.target and pod != source):
            if _speaks(source, crossing.family) and _speaks(target, crossing.family):
                yield Packet(source, target, _port(target, protocol), protocol, crossing.family)


def _speaks(pod: Pod, family: Family) -> bool:
    """Whether it has an address of this family; one whose addresses nobody knows yet may have any."""
    return not pod.addresses or bool(pod.of_family(family))


def _port(pod: Pod, protocol: str) -> int:
    named = (port for port in pod.ports if port.name.startswith(BEACON) and port.protocol == protocol)
    return next(named, ContainerPort(BEACON, PORT, protocol)).number
