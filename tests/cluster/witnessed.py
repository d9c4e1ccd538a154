"""A witness as its pod would have it, beside the chart's objects: its account, its file, its certificate."""

import zlib
from collections.abc import Mapping, Sequence

import yaml

from tests.cluster.town import discovered, resident
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
    cluster: ControlPlane,
    objects: Sequence[chart.Object],
    tenant: str,
    witness: Witness,
    server: Server | None = None,
    relay: str = "",
) -> Sentinel:
    """A tenant's sentinel that hands its pages to this witness, with the token that its pod would have.

    relay: another address by which it is reached.
    """
    token = cluster.token_for(tenant, audiences=["tenant-sentinel"])
    file = witness.folder / f"relay-token-{tenant}"
    file.write_text(token)
    env = {
        "SENTINEL__PAGING__RELAY": f"https://{relay or witness.relay}",
        "SENTINEL__PAGING__RELAY_TOKEN": str(file),
        "SENTINEL__PAGING__RELAY_CA": str(witness.authority.ca_file),
    }
    return resident(cluster, objects, tenant, server, env)


def jobs(objects: Sequence[chart.Object], tenants: Mapping[str, str], witness: Witness) -> list[chart.Object]:
    """The shipped ones, with these addresses in place of their discovery."""
    text = chart.one(objects, "ConfigMap", "sentinel-scrape")["data"]["sentinel.scrape.yaml"]
    pods = {
        "sentinel": [(address, discovered(tenant)) for tenant, address in tenants.items()],
        "sentinel-witness": [(witness.address, discovered(RELEASE))],
    }
    made = []
    for job in yaml.safe_load(text)["scrape_configs"]:
        del job["kubernetes_sd_configs"]
        job["scrape_timeout"] = job["scrape_interval"]
        found = [{"targets": [address], "labels": labels} for address, labels in pods[job["job_name"]]]
        made.append(job | {"static_configs": found})
    return made
