"""The settings turned into lookouts: what is asked of what surrounds every pod. Nothing unless it is switched on."""

from typing import Any

from sentinel.clients.clock import Clock
from sentinel.clients.peek import Peek
from sentinel.core.net import enumeration, kubelet, metadata
from sentinel.core.net.crossing import Family
from sentinel.core.net.roster import Roster
from sentinel.engine.net_round import NetRound
from sentinel.engine.surroundings import Egress
from sentinel.joins.world import net_targets_of
from sentinel.kinds import Lookout
from sentinel.probes.cloud import CloudProbe
from sentinel.probes.node import NodeProbe
from sentinel.settings import Settings

SURROUNDING = (kubelet.CHECK, metadata.CHECK, enumeration.CHECK)
"""The classes of promise that lookouts ask about."""
NOT_PRIVATE = "network.dns.private"
"""The key by which it is no breach that names can be found."""


def lookouts_of(settings: Settings, network: NetRound, clock: Clock) -> tuple[Lookout[Any], ...]:
    """Those of these settings, in the order in which they look."""
    around = _Around(network)
    peek, egress = Peek(settings.network.timeout.total_seconds(), clock), Egress(network)
    found: list[Lookout[Any]] = []
    if settings.network.node.enabled:
        found.append(NodeProbe(peek, around.roster, egress, settings.tenant, around.node))
    if settings.network.cloud is not None:
        found.append(CloudProbe(settings.network.cloud, peek, egress, around.families))
    if settings.network.dns.enabled:
        found += _dns(settings, around, clock)
    return tuple(found)


class _Around:
    """What the roster says of where we are."""

    def __init__(self, network: NetRound) -> None:
        self._network = network

    def roster(self) -> Roster:
        """The roster that is still good; nothing when there is none."""
        return self._network.usable or Roster()

    def node(self) -> str:
        """The node that we run on."""
        own = self._network.own
        return own.node if own is not None else ""

    def families(self) -> tuple[Family, ...]:
        """The families of our own addresses; both while they are not known, so that nothing is left out."""
        own = self._network.own
        if own is None:
            return tuple(Family)
        six = [":" in address for address in own.addresses]
        return tuple(family for family, there in ((Family.V4, False in six), (Family.V6, True in six)) if there)

    def address(self) -> str:
        """Our own address, of IPv4 if there is one."""
        own = self._network.own
        return min(own.addresses, key=lambda address: ":" in address, default="") if own is not None else ""


def _dns(settings: Settings, around: _Around, clock: Clock) -> list[Lookout[Any]]:
    from sentinel.clients import resolver  # noqa: PLC0415  # who asks for names pays for the library
    from sentinel.probes.dns import DnsProbe  # noqa: PLC0415

    dns = settings.network.dns
    # Without a line in resolv.conf(5) it is the machine itself.
    server = dns.server or resolver.configured() or "127.0.0.1"
    probe = DnsProbe(
        resolver.Resolver(server, settings.network.timeout.total_seconds(), clock),
        around.roster,
        dns.zone,
        settings.targets,
        net_targets_of(settings),
        tuple(settings.own.namespaces),
        dns.control or enumeration.control_of(dns.zone),
        around.address,
        allowed="" if dns.private else NOT_PRIVATE,
    )
    return [probe]
