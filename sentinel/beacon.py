"""`sentinel beacon`: a pod that is nothing but a beacon, so that others can try to reach pods like it.

It carries labels of the tenant's own, asks nothing, and has the same file, account and token as the
tenant's sentinel. What is proven of it holds for pods with its labels, in its namespace, on its node.
"""

import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.process_collector import ProcessCollector

from sentinel.clients.clock import Clock
from sentinel.engine import tasks
from sentinel.joins.beaconing import OwnBeacon
from sentinel.joins.relaying import client_of, pod_uid
from sentinel.joins.reload import Configured
from sentinel.settings import Settings
from sentinel.sinks.beacon import BeaconMetrics
from sentinel.web.app import Health
from sentinel.web.beside import Beside
from sentinel.web.listener import listening

_log = structlog.get_logger()


@dataclass
class BeaconPod:
    """The process. `run` returns when it is told to stop."""

    path: Path
    environ: Mapping[str, str]
    first: Settings
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        """What lasts over a reload."""
        self.registry = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=self.registry)
        self.metrics = BeaconMetrics(self.registry)
        self.configured = Configured(self.path, self.environ, self.first, lambda _taken, _hash: None)

    async def run(self) -> None:
        """Until stopped. Raises OwnFault for a token that names no pod, or a port that cannot be had."""
        self.configured.listen_to_signals()
        own = OwnBeacon(self.first.tenant, pod_uid(self.first), self.metrics, clock=self.clock)
        _log.info("beacon.started", tenant=self.first.tenant, uid=own.uid)
        while not self.configured.stop.is_set():
            async with self._generation(own):
                await self.configured.until_stopped_or_changed()
        _log.info("beacon.stopped", tenant=self.first.tenant)

    @contextlib.asynccontextmanager
    async def _generation(self, own: OwnBeacon) -> AsyncIterator[None]:
        """Everything that follows from the settings; the key lasts as long as the process."""
        settings = self.configured.settings
        with Beside() as beside:
            health = Health(
                self.registry,
                lambda: (True, "listens"),
                lambda: () if own.registered else ("the witness does not know our key yet",),
                beside,
                settings.web.readyz_always_200,
            )
            async with (
                own.serve(settings.network.beacon.port) as port,
                listening(health.app(), settings.web.listen, "web.listen"),
                client_of(settings) as way,
                tasks.running() as start,
            ):
                start("roster", lambda: own.directory.keep(way))
                start("reports", lambda: own.keep_reporting(way, port))
                yield
