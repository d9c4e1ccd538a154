"""A witness as its pod would have it, beside the chart's objects: its account, its file, its certificate."""

import zlib
from collections.abc import Sequence

import yaml

from tests.cluster.town import resident
from tests.deploy import chart
from tests.support.authority import Authority
from tests.support.controlplane import ControlPlane
from tests.support.ports import free_port
from tests.support.sentinels import Sentinel, Server

RELEASE = "sentinel-system"
ACCOUNT = "sentinel-witness"


class Witness(Sentinel):
    """One `sentinel witness`; `relay` is where tenants would reach it."""

    def __init__(self, cluster: ControlPlane, objects: Sequence[chart.Object], server: Server | None = None) -> None:
        text = chart.one(objects, "ConfigMap", ACCOUNT)["data"]["witness.yaml"]
        self.relay = f"127.0.0.1:{free_port()}"
        addresses = {name: f"127.0.0.1:{free_port()}" for name in ("listen", "console")}
        env = {f"SENTINEL__WEB__{name.upper()}": address for name, address in addresses.items()}
        super().__init__(
            cluster,
            yaml.safe_load(text) | {"web": addresses},
            namespace=RELEASE,
            account=ACCOUNT,
            server=server,
            env=env,
            command="witness",
        )
        self.config_file.write_text(text)
        # The chart's certificate is for the Service's names; this one is for loopback.
        self.authority = Authority(self.folder)
        self._env |= {
            "SENTINEL__RELAY__LISTEN": self.relay,
            "SENTINEL__RELAY__CERT": str(self.authority.certificate_file),
            "SENTINEL__RELAY__KEY": str(self.authority.key_file),
        }

    @property
    def config_hash(self) -> int:
        return zlib.adler32(self.config_file.read_bytes())


def under_witness(
    cluster: ControlPlane, objects: Sequence[chart.Object], tenant: str, witness: Witness, server: Server | None = None
) -> Sentinel:
    """A tenant's sentinel that hands its pages to this witness, with the token that its pod would have."""
    token = cluster.token_for(tenant, audiences=["tenant-sentinel"])
    file = witness.folder / f"relay-token-{tenant}"
    file.write_text(token)
    env = {
        "SENTINEL__PAGING__RELAY": f"https://{witness.relay}",
        "SENTINEL__PAGING__RELAY_TOKEN": str(file),
        "SENTINEL__PAGING__RELAY_CA": str(witness.authority.ca_file),
    }
    return resident(cluster, objects, tenant, server, env)
