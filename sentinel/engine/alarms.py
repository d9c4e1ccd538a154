"""The push about gateways: what `core.gateway.alarm` decides is paged at once, and ended by an answer only.

    news of a probe, of an episode --> Watch --advance, each second--> opens, ends --> Pages
                      Stand (an outage that lasts) ----^

The rules decide the same a scrape and an evaluation later. Who asks each gateway every two seconds pushes, and
nobody else: a page about a gateway is nobody's in particular, and a tenant speaks of itself only.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from sentinel.clients.clock import Clock
from sentinel.core.gateway import alarm
from sentinel.core.gateway.alarm import Watch
from sentinel.core.gateway.news import Ended, News, Probed, Stand
from sentinel.core.page import Alert

_EVERY = 1.0


class Pages(Protocol):
    """Whoever pages about gateways."""

    def open(self, alert: Alert, gateway: str, since: float, within: float) -> None:
        """It stands, until `over`. `since` in wall seconds; `within`: seconds that a failover may take."""
        ...

    def over(self, alert: Alert, gateway: str, at: float) -> None:
        """It ended at this moment, by an answer."""
        ...


@dataclass(frozen=True)
class Asked:
    """One gateway that is asked: how it stands, and the seconds that a failover may take."""

    stand: Callable[[], Stand]
    within: float


@dataclass
class Alarms:
    """All gateways of one process. `unit`: how long a second is, in tests less."""

    clock: Clock
    unit: float = 1.0
    watches: dict[str, Watch] = field(default_factory=dict)
    _asked: Mapping[str, Asked] = field(default_factory=dict)
    _pages: Pages | None = None
    _told: set[tuple[str, Alert]] = field(default_factory=set)

    def tell(self, pages: Pages) -> None:
        """Whom to tell from now on; it is told all that stands."""
        self._pages = pages
        self._told.clear()

    def expect(self, asked: Mapping[str, Asked]) -> None:
        """These are asked from now on; what was known of them is kept."""
        self._asked = asked
        self.watches = {
            name: replace(self.watches.get(name, Watch()), within=row.within, unit=self.unit)
            for name, row in asked.items()
        }

    def put(self, news: News) -> None:
        """Take what a gateway did."""
        watch = self.watches.get(news.gateway)
        if watch is None:
            return
        match news:
            case Probed(target=""):
                self.watches[news.gateway] = alarm.heard(watch, news.judged, news.at + news.judged.took)
            case Ended():
                self.watches[news.gateway] = alarm.ended(watch, self.clock.wall(), pages=news.pages)
            case _:
                return
        self.look(news.gateway)

    async def keep(self) -> None:
        """For ever: an outage grows while nothing is heard."""
        while True:
            for gateway in self._asked:
                self.look(gateway)
            await asyncio.sleep(_EVERY * min(1.0, self.unit))

    def look(self, gateway: str) -> None:
        """Decide what stands now, and tell what turned."""
        now, before = self.clock.wall(), self.watches[gateway]
        after = self.watches[gateway] = alarm.advance(before, self._asked[gateway].stand().live, now)
        if self._pages is None:
            return
        for alert, since in after.open.items():
            if (gateway, alert) not in self._told:
                self._told.add((gateway, alert))
                self._pages.open(alert, gateway, since, after.within)
        for alert in before.open.keys() - after.open.keys():
            self._told.discard((gateway, alert))
            self._pages.over(alert, gateway, now)
