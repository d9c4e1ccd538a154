"""The cloud's metadata service: whoever reaches it may fetch the node's own credentials. We never do.

Any HTTP reply says that it is reached, a 401 that wants a session token first as well as a 200. What is
asked for is a version or an id, and the body is not read.
"""

import ipaddress
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from sentinel.core import http_reply
from sentinel.core.answer import Answer, Observation
from sentinel.core.api.question import CLUSTER
from sentinel.core.net.crossing import Family
from sentinel.core.net.landing import Landing

CHECK = "net/cloud"
PORT = 80


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address of a cloud, the harmless path there and the header without which it does not answer."""

    address: str
    path: str
    header: str = ""
    what: str = "metadata"

    @property
    def family(self) -> Family:
        """Of the address."""
        return Family.V6 if ipaddress.ip_address(self.address).version == 6 else Family.V4


_LINK_LOCAL = "169.254.169.254"

CLOUDS: Mapping[str, tuple[Endpoint, ...]] = MappingProxyType(
    {
        "aws": (Endpoint(_LINK_LOCAL, "/latest/meta-data/"), Endpoint("fd00:ec2::254", "/latest/meta-data/")),
        "azure": (
            Endpoint(_LINK_LOCAL, "/metadata/versions", "Metadata: true"),
            # Behind it lie the extensions' settings, with secrets in them.
            Endpoint("168.63.129.16", "/?comp=versions", what="wireserver"),
        ),
        "gcp": (
            Endpoint(_LINK_LOCAL, "/computeMetadata/v1/instance/id", "Metadata-Flavor: Google"),
            Endpoint("fd20:ce::254", "/computeMetadata/v1/instance/id", "Metadata-Flavor: Google"),
        ),
        "openstack": (Endpoint(_LINK_LOCAL, "/openstack"),),
        "alibaba": (Endpoint("100.100.100.200", "/latest/meta-data/"),),
        "oracle": (
            Endpoint(_LINK_LOCAL, "/opc/v2/instance/id", "Authorization: Bearer Oracle"),
            Endpoint("fd00:c1::a9fe:a9fe", "/opc/v2/instance/id", "Authorization: Bearer Oracle"),
        ),
        "digitalocean": (Endpoint(_LINK_LOCAL, "/metadata/v1/id"),),
        "hetzner": (Endpoint(_LINK_LOCAL, "/hetzner/v1/metadata/instance-id"),),
    }
)
"""Where each cloud's metadata is, by its own documentation. Oracle's header is a constant, no credential."""


@dataclass(frozen=True, slots=True)
class CloudQuestion:
    """One address of the cloud's that we should not reach."""

    identity: str
    cloud: str
    endpoint: Endpoint

    @property
    def check(self) -> str:
        """The class of promise, a closed label."""
        return CHECK

    @property
    def target(self) -> str:
        """The node's credentials are good for every tenant's pods there."""
        return CLUSTER

    @property
    def family(self) -> Family:
        """By which it is reached."""
        return self.endpoint.family

    @property
    def text(self) -> str:
        """For people: `reach metadata of aws at 169.254.169.254`."""
        return f"reach {self.endpoint.what} of {self.cloud} at {self.endpoint.address}"

    @property
    def chosen(self) -> tuple[str, ...]:
        """None: every word is ours."""
        return ()

    def reproduce(self, user: str, groups: tuple[str, ...] = ()) -> str:
        """The same connection, for a shell in a pod of the tenant."""
        del user, groups
        return shlex.join(["nc", "-vz", "-w", "2", self.endpoint.address, str(PORT)])


def observe(landing: Landing) -> Observation:
    """What came back to the request."""
    code = http_reply.status_of(landing)
    if code is None:
        return http_reply.unanswered(landing)
    return Observation(Answer.SERVED, landing.began, landing.took, code)
