"""`sentinel visit`: the process that looks at chat pages in a browser, and does nothing else.

It has no token, no key and no right of any kind: a page is somebody else's program, and should one
break out of the browser, it finds nothing here. So it runs in a pod of its own.
"""

import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.process_collector import ProcessCollector

from sentinel.clients.clock import Clock
from sentinel.joins import pages
from sentinel.joins.reload import Configured
from sentinel.settings import Settings
from sentinel.sinks.page_log import PageLog
from sentinel.sinks.page_metrics import PageMetrics
from sentinel.web.app import Health
from sentinel.web.beside import Beside
from sentinel.web.listener import listening

_log = structlog.get_logger()


@dataclass
class VisitorPod:
    """The process. `run` returns when it is told to stop."""

    path: Path
    environ: Mapping[str, str]
    first: Settings
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        """What lasts over a reload."""
        self.registry = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=self.registry)
        self.metrics, self.lines = PageMetrics(self.registry), PageLog()
        self.configured = Configured(self.path, self.environ, self.first, lambda _taken, _hash: None)

    async def run(self) -> None:
        """Until stopped. Raises OwnFault for a port that cannot be had."""
        self.configured.listen_to_signals()
        _log.info("visitor.started", pages=len(pages.chosen(self.first)))
        while not self.configured.stop.is_set():
            async with self._generation():
                await self.configured.until_stopped_or_changed()
        _log.info("visitor.stopped")

    @contextlib.asynccontextmanager
    async def _generation(self) -> AsyncIterator[None]:
        """Everything that follows from the settings."""
        settings = self.configured.settings
        self.metrics.expect([gateway.name for gateway, _ in pages.chosen(settings)])
        with Beside() as beside:
            health = Health(self.registry, lambda: (True, "visits"), lambda: (), beside, settings.web.readyz_always_200)
            async with (
                listening(health.app(), settings.web.listen, "web.listen"),
                pages.visiting(settings, self.clock, (self.metrics, self.lines)),
            ):
                yield
