"""The forbidden connections. The section is read and checked, and nothing asks by it yet."""

from __future__ import annotations

from datetime import timedelta

from sentinel.settings.duration import Duration
from sentinel.settings.section import Section
from sentinel.settings.surroundings import Cloud, Dns, Node
from sentinel.settings.words import Port


class Beacon(Section):
    """The listener in each tenant that others try to reach."""

    port: Port = 7462
    """Above the privileged ports, assigned to nobody, and outside of the range of NodePorts."""


class Network(Section):
    """Connections between tenants. Nothing reads this section yet; `sentinel check` says so."""

    every: Duration = timedelta(seconds=10)
    """As often as the API is asked, so that one number says how fresh both are."""

    timeout: Duration = timedelta(seconds=2)
    """Within a cluster a connection takes a millisecond; two seconds outlast one lost SYN (resent
    after one second) and not two."""

    beacon: Beacon = Beacon()
    """The same for all tenants, since they must find each other's."""

    node: Node = Node()
    """The kubelets of the nodes that have a beacon."""

    cloud: Cloud | None = None
    """Whose metadata service must be out of reach. `None`: not asked. Where there is none, nothing
    answers and that proves nothing, so it has to be declared."""

    dns: Dns = Dns()
    """Whether names of other tenants can be listed."""
