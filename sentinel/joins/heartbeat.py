"""The witness's heartbeat: it looks whether a page would come, and only then tells somebody outside that it is well."""

import asyncio
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

import structlog

from sentinel.clients import alertmanager_alerts, prometheus
from sentinel.clients.alertmanager import Alertmanagers, Receiver
from sentinel.clients.heartbeat import HeartbeatClient
from sentinel.clients.reading import Reader
from sentinel.core.paging import heartbeat
from sentinel.core.paging.formula import Path
from sentinel.core.paging.heartbeat import FRESH, Lack, Pulse
from sentinel.errors import ClientError
from sentinel.settings import Settings
from sentinel.sinks.heartbeat_metrics import HeartbeatMetrics

_LOOK_SECONDS = 5.0
"""For Prometheus, and for an Alertmanager; both are asked at the same time."""

_log = structlog.get_logger()


@dataclass
class Heartbeat:
    """One beat after another. Seconds. `works`: whether our own rounds go on; `broken`: what the page drill says."""

    prometheus: str
    alertmanagers: tuple[str, ...]
    cluster: str
    client: HeartbeatClient
    every: float
    metrics: HeartbeatMetrics
    works: Callable[[], bool]
    broken: Callable[[], AbstractSet[Path]]
    fresh: float = FRESH
    _told: tuple[Lack | str, ...] | None = field(default=None, init=False)

    async def run(self) -> None:
        """For ever."""
        async with self.client:
            while True:
                await self.beat()
                await asyncio.sleep(self.every)

    async def beat(self) -> None:
        """Look, and beat if nothing is lacking."""
        lacks = heartbeat.lacking(await self.pulse(), self.fresh)
        self.metrics.show(lacks)
        if lacks:
            self._tell(lacks)
            return
        try:
            await self.client.beat()
        except ClientError as error:
            self.metrics.count(taken=False)
            self._tell((str(error),))
        else:
            self.metrics.count(taken=True)
            self._tell(())

    async def pulse(self) -> Pulse:
        """What is seen now."""
        async with Reader(_LOOK_SECONDS) as reader:
            evaluated, showing = await asyncio.gather(self._evaluated(reader), self._showing(reader))
        return Pulse(self.works(), evaluated, showing, self.broken())

    async def _evaluated(self, reader: Reader) -> float | None:
        try:
            said = await prometheus.asked(reader, self.prometheus, heartbeat.question(self.cluster))
        except ClientError:
            return None
        return heartbeat.evaluated(said)

    async def _showing(self, reader: Reader) -> int:
        async with Alertmanagers(_LOOK_SECONDS) as names:
            found = await asyncio.gather(*(self._found(names, url) for url in self.alertmanagers))
        receivers = [receiver for several in found for receiver in several]
        return sum(await asyncio.gather(*(self._shows(reader, receiver) for receiver in receivers)))

    async def _found(self, names: Alertmanagers, url: str) -> tuple[Receiver, ...]:
        try:
            return await names.resolve(url)
        except ClientError:
            return ()

    async def _shows(self, reader: Reader, receiver: Receiver) -> bool:
        wanted = {"alertname": heartbeat.WATCHDOG, "cluster": self.cluster}
        try:
            said = await alertmanager_alerts.standing(reader, receiver, **wanted)
        except ClientError:
            return False
        return heartbeat.shown(said)

    def _tell(self, why: tuple[Lack | str, ...]) -> None:
        """A line when it is held back for another reason, and when it goes on; none while it stays."""
        if why == self._told:
            return
        self._told = why
        if why:
            _log.error("heartbeat.held", why=list(map(str, why)))
        else:
            _log.info("heartbeat.taken")


def heartbeat_of(
    settings: Settings, metrics: HeartbeatMetrics, works: Callable[[], bool], broken: Callable[[], AbstractSet[Path]]
) -> Heartbeat:
    """As the settings of a witness say, which name a file, a Prometheus and Alertmanagers."""
    chosen, seen = settings.paging.heartbeat, settings.alerting.prometheus
    assert chosen.file is not None and seen is not None, "asked for only then"  # noqa: PT018
    return Heartbeat(
        seen.rstrip("/"),
        tuple(map(str, settings.paging.direct)),
        settings.cluster,
        HeartbeatClient(chosen.file),
        chosen.every.total_seconds(),
        metrics,
        works,
        broken,
    )
