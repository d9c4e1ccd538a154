"""What is around every pod and no tenant's: kubelets, the cloud's metadata, the cluster's DNS. All of it opt-in."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Literal

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from sentinel.settings.section import Section, wrong
from sentinel.settings.words import DNS_SUBDOMAIN, Flag, matching, one_of

CLOUDS = ("aws", "azure", "gcp", "openstack", "alibaba", "oracle", "digitalocean", "hetzner")
"""Whose metadata we know how to ask for without asking for a credential."""


def _server(value: object) -> str:
    try:
        return str(ipaddress.ip_address(value if isinstance(value, str) else ""))
    except ValueError:
        raise wrong("the IP address of a DNS server, such as 10.96.0.10") from None


Server = Annotated[
    str, BeforeValidator(_server), PlainSerializer(str, return_type=str), WithJsonSchema({"type": "string"})
]
"""A DNS server. An address: a name would have to be resolved by the one we ask about."""

Domain = Annotated[str, BeforeValidator(matching(rf"(?=.{{1,200}}$){DNS_SUBDOMAIN}", "a domain such as cluster.local"))]
"""A domain without the last dot."""

Cloud = Annotated[
    Literal["aws", "azure", "gcp", "openstack", "alibaba", "oracle", "digitalocean", "hetzner"],
    BeforeValidator(one_of(*CLOUDS)),
]
"""Whose machines the nodes are."""


class Node(Section):
    """The kubelets."""

    enabled: Flag = False
    """Off: it connects to addresses of nodes, which an intrusion detection will see."""


class Dns(Section):
    """What the cluster's DNS tells about other tenants."""

    enabled: Flag = False
    """Off: where names are no secret (most clusters), there is no promise to prove."""

    private: Flag = False
    """Whether that a name can be found is a breach. False: it is shown and pages nobody, since a
    Kubernetes DNS answers everybody."""

    zone: Domain = "cluster.local"
    """The cluster's domain, as the kubelets have it."""

    server: Server | None = None
    """`None`: the first of the pod's own /etc/resolv.conf, which is what a tenant would ask."""

    control: Domain | None = None
    """A name that everybody may resolve. `None`: the API server's Service, which every cluster has."""
