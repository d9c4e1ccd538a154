"""The lighthouse: the witness's own beacon, which everybody on the roster may reach, and must.

A sentinel that gets no answer from here, by the same protocol and over the same family, has lost its own
way out: then its silence about others proves nothing. It is found at the addresses of the witness's pod, as
the kubelet tells them (status.podIPs in the environment), and behind the witness's Service.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry

from sentinel.clients.clock import Clock
from sentinel.core.net import address
from sentinel.core.net.address import Address
from sentinel.core.net.roster import Beacon
from sentinel.joins.beaconing import OwnBeacon
from sentinel.sinks.beacon import BeaconMetrics

NAME = "witness"
"""What it calls itself; no tenant may be called so."""
SERVICE = "sentinel-witness"
"""In the release's namespace, as the chart makes it."""
ADDRESSES = "POD_IPS"
"""In the environment: addresses with commas between them."""
NODE = "NODE_NAME"


@dataclass
class Lighthouse:
    """One process's. `home`: the release's namespace; `uid`: of the pod we are in."""

    home: str
    uid: str
    port: int
    environ: Mapping[str, str]
    registry: CollectorRegistry
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        """Its key is made now, and lasts as long as the process."""
        self.born = self.clock.wall()
        self.own = OwnBeacon(NAME, self.uid, BeaconMetrics(self.registry), clock=self.clock)

    def beacon(self, services: Iterable[str], api_servers: frozenset[Address]) -> Beacon:
        """As it stands on the roster; what may not stand there is left out, here as everywhere."""
        told = self.environ.get(ADDRESSES, "").split(",")

        def allowed(texts: Iterable[str]) -> tuple[str, ...]:
            return tuple(text for text in texts if address.refusal(text, api_servers=api_servers) is None)

        return Beacon(
            target=self.home,
            tenant=NAME,
            uid=self.uid,
            port=self.port,
            addresses=allowed(told),
            services=allowed(services),
            key=self.own.signer.public,
            # It is alive where it says so.
            ready=True,
            since=self.born,
            born=self.born,
            node=self.environ.get(NODE, ""),
        )
