"""A real Alertmanager on loopback, alone or as one of several that gossip.

Alertmanager 0.34 unless told `binary="alertmanager025"`, which is Debian's 0.25.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from tests.support.monitoring import MonitoringServer
from tests.support.ports import free_port


class Alertmanager(MonitoringServer):
    """`config` as a dict or text; `peers`: Alertmanagers made with `gossip=True`; `more`: further flags."""

    def __init__(
        self,
        config: Mapping[str, Any] | str,
        *,
        gossip: bool = False,
        peers: Sequence["Alertmanager"] = (),
        peer_timeout: str = "15s",
        binary: str = "alertmanager",
        more: Sequence[str] = (),
    ) -> None:
        super().__init__(binary)
        self._peer_timeout = peer_timeout
        self._more = more
        text = config if isinstance(config, str) else yaml.safe_dump(dict(config))
        (self.folder / "alertmanager.yml").write_text(text)
        # An empty address turns clustering off, and with it the settling at the start.
        self.gossip_address = f"127.0.0.1:{free_port()}" if gossip or peers else ""
        self._peers = [peer.gossip_address for peer in peers]

    def flags(self) -> Sequence[str]:
        return (
            "--config.file=alertmanager.yml",
            "--storage.path=data",
            f"--cluster.listen-address={self.gossip_address}",
            f"--cluster.peer-timeout={self._peer_timeout}",
            # It counts the peers every ten of these until they stay the same: 15 s with the default of 200 ms.
            "--cluster.gossip-interval=20ms",
            *(f"--cluster.peer={peer}" for peer in self._peers),
            *self._more,
        )

    def alerts(self, **labels: str) -> list[Mapping[str, Any]]:
        """Alerts that have these labels: labels, annotations, startsAt, endsAt, status."""
        found: list[Mapping[str, Any]] = self.get("/api/v2/alerts")
        return [alert for alert in found if labels.items() <= alert["labels"].items()]

    def groups(self) -> list[Mapping[str, Any]]:
        found: list[Mapping[str, Any]] = self.get("/api/v2/alerts/groups")
        return found

    def send(self, *alerts: Mapping[str, Any]) -> None:
        """Posts alerts as Prometheus would."""
        self.post("/api/v2/alerts", list(alerts))


def config(webhook: str, **route: Any) -> dict[str, Any]:
    """Everything to one webhook; `route` are its settings, e.g. group_wait="0s"."""
    receiver = {"name": "tests", "webhook_configs": [{"url": webhook, "send_resolved": True}]}
    return {"route": {"receiver": "tests"} | route, "receivers": [receiver]}
