"""The witness looks every five minutes how long a page takes as things run, and says so when that changes."""

import asyncio
from dataclasses import dataclass, field

import structlog

from sentinel.core.paging.inspection import Inspection, Wishes
from sentinel.joins.verify_alerting import Places, verify
from sentinel.reports import page_time
from sentinel.settings import Settings
from sentinel.sinks.page_time_metrics import PageTimeMetrics

_log = structlog.get_logger()


@dataclass
class PageTimes:
    """One look after another. Seconds."""

    places: Places
    wishes: Wishes
    every: float
    metrics: PageTimeMetrics
    _told: tuple[str, ...] = field(default=(), init=False)

    async def run(self) -> None:
        """For ever."""
        while True:
            await self.look()
            await asyncio.sleep(self.every)

    async def look(self) -> None:
        """Once."""
        seen = await verify(self.places, self.wishes)
        self.metrics.show(seen)
        self._tell(seen)

    def _tell(self, seen: Inspection) -> None:
        """A line when the answer is another one, and none while it stays."""
        verdict = str(page_time.as_json(seen)["verdict"])
        late = tuple(sorted({f"{row.alert} by {row.path.value}" for row in seen.broken}))
        told = (verdict, *late, *seen.unknown)
        if told == self._told:
            return
        self._told = told
        worst = seen.slowest.worst if seen.slowest is not None else None
        say = _log.info if verdict == "kept" else _log.warning
        say("pages.verified", verdict=verdict, late=late[:10], unknown=seen.unknown[:5], worst_seconds=worst)


def page_times_of(settings: Settings, metrics: PageTimeMetrics) -> PageTimes:
    """As the settings say, which name a Prometheus."""
    chosen, paging = settings.alerting, settings.paging
    assert chosen.prometheus is not None, "asked for only then"
    promise = paging.promise.total_seconds()
    metrics.promise.set(promise)
    return PageTimes(
        Places(chosen.prometheus, paging.direct),
        Wishes(promise, None, chosen.peer_timeout.total_seconds(), chosen.pager),
        chosen.every.total_seconds(),
        metrics,
    )
