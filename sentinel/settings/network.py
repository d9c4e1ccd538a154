"""The forbidden connections: what is asked over the network, of whom, and how often."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import WithJsonSchema

from sentinel.settings.duration import Duration
from sentinel.settings.section import Section
from sentinel.settings.surroundings import Cloud, Dns, Node
from sentinel.settings.words import Flag, Label, Port, count


class Beacon(Section):
    """The listener in each tenant that others try to reach."""

    port: Port = 7462
    """Above the privileged ports, assigned to nobody, and outside of the range of NodePorts."""

    labels: tuple[Label, ...] = ()
    """What further beacon pods carry, written `key=value`. None: the sentinel's own pod is the only
    beacon, and what is proven of a policy that selects by label holds for that pod."""


class Network(Section):
    """Connections between tenants: every other tenant's beacon is tried, from where this tenant's pods are."""

    enabled: Flag = False
    """Off: it needs the witness, which says where the beacons are, and a port that others can reach."""

    every: Duration = timedelta(seconds=10)
    """As often as the API is asked, so that one number says how fresh both are."""

    timeout: Duration = timedelta(seconds=2)
    """Within a cluster a connection takes a millisecond; two seconds outlast one lost SYN (resent
    after one second) and not two."""

    attempts: Annotated[int, count(1, 10), WithJsonSchema({"type": "integer", "minimum": 1, "maximum": 10})] = 3
    """Fresh sockets for each question and beacon, spread over half a round: a hole that is open for a
    part of the time, or for one of several ways through a balancer, is met soon."""

    sockets: Annotated[int, count(16, 4096), WithJsonSchema({"type": "integer", "minimum": 16, "maximum": 4096})] = 512
    """Open at the same time. Where policies drop, each is there for `timeout`: 512 of two seconds are
    2500 in a round of ten, and 100 tenants with both families and three protocols need 1800. With
    those of our own beacon they fit into the usual limit of 1024 files."""

    beacon: Beacon = Beacon()
    """The same for all tenants, since they must find each other's."""

    node: Node = Node()
    """The kubelets of the nodes that have a beacon."""

    cloud: Cloud | None = None
    """Whose metadata service must be out of reach. `None`: not asked. Where there is none, nothing
    answers and that proves nothing, so it has to be declared."""

    dns: Dns = Dns()
    """Whether names of other tenants can be listed."""
