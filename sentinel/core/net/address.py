"""Which addresses a roster may hold: those that can be a pod's or a Service's, and no others.

A sentinel connects to whatever stands there, so nobody may use it to knock at what is not a tenant's:
the node, the API server, the cloud's metadata, itself. The kubelet and the API server tell the
addresses, no tenant does; these rules hold also for the day on which one of them is wrong.
"""

import ipaddress
from collections.abc import Callable, Container
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address

Address = IPv4Address | IPv6Address


class Refusal(StrEnum):
    """Why an address is on no roster: a closed set, since it is a label."""

    NONSENSE = "nonsense"  # no address at all, or one with a zone
    LOOPBACK = "loopback"  # whoever asks would ask itself
    LINK_LOCAL = "link_local"  # another thing on every node, 169.254.169.254 among them
    METADATA = "metadata"  # the cloud's own, outside of the link-local range
    MULTICAST = "multicast"
    UNSPECIFIED = "unspecified"  # 0.0.0.0/8 and ::, which mean "here"
    BROADCAST = "broadcast"
    DOCUMENTATION = "documentation"  # nobody's: our control against proxies connects there
    MAPPED = "mapped"  # IPv6 that stands for an IPv4 address: mapped, NAT64, 6to4, Teredo
    HOST = "host"  # the node's, as a pod's in the host's network is: policies do not hold for it
    API_SERVER = "api_server"
    SHARED = "shared"  # another pod has it as well: who would answer is not known
    SELECTOR = "selector"  # a Service that selects other pods than the chart's
    MANY = "many"  # more addresses than a pod or Service can have


MOST = 4
"""Of one pod or Service; there is one of each family."""

_METADATA = frozenset(
    map(
        ipaddress.ip_address,
        (
            "168.63.129.16",  # Azure
            "100.100.100.200",  # Alibaba Cloud
            "192.0.0.192",  # Oracle Cloud, classic
            "fd00:ec2::254",  # AWS
            "fd20:ce::254",  # Google Cloud
            "fd00:42::42",  # Scaleway
        ),
    )
)
_DOCUMENTATION = tuple(
    map(
        ipaddress.ip_network,
        ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "3fff::/20"),  # RFC 5737, 3849, 9637
    )
)
_HERE = ipaddress.ip_network("0.0.0.0/8")  # RFC 1122
_EMBEDDING = tuple(
    map(
        ipaddress.ip_network,
        ("::ffff:0:0/96", "::/96", "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32"),
    )
)
_BROADCAST = ipaddress.ip_address("255.255.255.255")


def parsed(text: str) -> Address | None:
    """The address, None for what is none. One with a zone is of one machine, and so none here."""
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    return None if isinstance(found, IPv6Address) and found.scope_id is not None else found


def refusal(
    text: str, *, hosts: Container[Address] = frozenset(), api_servers: Container[Address] = frozenset()
) -> Refusal | None:
    """Why this address is refused, None when it is not. `hosts`: addresses of nodes."""
    found = parsed(text)
    if found is None:
        return Refusal.NONSENSE
    kind = _kind(found)
    if kind is None and found in api_servers:
        return Refusal.API_SERVER
    return Refusal.HOST if kind is None and found in hosts else kind


def _kind(found: Address) -> Refusal | None:
    """By what the address itself says. The order is that of what it says most."""
    return next((why for why, holds in _KINDS if holds(found)), None)


_KINDS: tuple[tuple[Refusal, Callable[[Address], bool]], ...] = (
    (Refusal.UNSPECIFIED, lambda found: found.is_unspecified or found in _HERE),
    (Refusal.LOOPBACK, lambda found: found.is_loopback),
    (Refusal.LINK_LOCAL, lambda found: found.is_link_local),
    (Refusal.MULTICAST, lambda found: found.is_multicast),
    (Refusal.BROADCAST, lambda found: found == _BROADCAST),
    (Refusal.METADATA, lambda found: found in _METADATA),
    (Refusal.DOCUMENTATION, lambda found: any(found in block for block in _DOCUMENTATION)),
    (Refusal.MAPPED, lambda found: any(found in block for block in _EMBEDDING)),
)
