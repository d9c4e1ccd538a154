"""The alarm bell, tried: the page drill and the heartbeat of a witness, as its settings want them."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry

from sentinel.clients.clock import Clock
from sentinel.core.paging.formula import Path
from sentinel.core.paging.page_drill import Health
from sentinel.joins.heartbeat import heartbeat_of
from sentinel.joins.page_drill import door_of, page_drill_of
from sentinel.settings import Settings
from sentinel.sinks.heartbeat_metrics import HeartbeatMetrics
from sentinel.sinks.page_path_metrics import PagePathMetrics
from sentinel.sinks.pager import Pager

Task = Callable[[], Awaitable[None]]


@dataclass
class AlarmBell:
    """What outlives a reload: the series, and what is known of the two ways."""

    registry: CollectorRegistry
    clock: Clock
    _healths: dict[Path, Health] = field(default_factory=lambda: dict.fromkeys(Path, Health()), init=False)
    _drill: PagePathMetrics | None = field(default=None, init=False)
    _beats: HeartbeatMetrics | None = field(default=None, init=False)

    async def generation(
        self, settings: Settings, pager: Callable[[], Pager], works: Callable[[], bool], stack: AsyncExitStack
    ) -> Mapping[str, Task]:
        """What has to run, by name, for settings that name a Prometheus and Alertmanagers. Raises OwnFault.

        `pager` makes one of our own. `works`: whether our own rounds go on.
        """
        tasks: dict[str, Task] = {}
        if settings.paging.drill.every is not None:
            self._drill = self._drill or PagePathMetrics(self.registry, self.clock)
            own = pager()
            drill = page_drill_of(settings, own, self._drill, self.clock, self._healths)
            await stack.enter_async_context(door_of(settings, drill))
            tasks |= {"page drill": drill.run, "pages about the page path": own.run}
        if settings.paging.heartbeat.file is not None:
            self._beats = self._beats or HeartbeatMetrics(self.registry, self.clock)
            tasks["heartbeat"] = heartbeat_of(settings, self._beats, works, self._broken).run
        return tasks

    def _broken(self) -> frozenset[Path]:
        return frozenset(path for path, health in self._healths.items() if health.is_broken)
