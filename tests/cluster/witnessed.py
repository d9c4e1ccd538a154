"""A witness as its pod would have it, beside the chart's objects: its account, its file, its certificate."""

import base64
import zlib
from collections.abc import Sequence

import yaml

from tests.deploy import chart
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
        self._env |= {"SENTINEL__RELAY__LISTEN": self.relay} | self._certificate(objects)

    def _certificate(self, objects: Sequence[chart.Object]) -> dict[str, str]:
        found = chart.one(objects, "Secret", "sentinel-witness-tls")["data"]
        paths = {name: self.folder / f"tls.{name}" for name in ("crt", "key")}
        for name, path in paths.items():
            path.write_bytes(base64.b64decode(found[f"tls.{name}"]))
        return {"SENTINEL__RELAY__CERT": str(paths["crt"]), "SENTINEL__RELAY__KEY": str(paths["key"])}

    @property
    def config_hash(self) -> int:
        return zlib.adler32(self.config_file.read_bytes())
