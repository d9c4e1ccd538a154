"""What is believed of each gateway's keeping answers apart, as its probes end.

    Probed --observe--> answer --judge, advance--> Crossings --> Record, Round --> sinks

It is the book that the network has, for another kind of question. A *round* is a span of time, since the
witness asks twice a second while something is wrong: two clean answers are proof only when a round lies
between them, and both began after the last one that was not clean had ended. So what was open is open
for at least as long as a scrape needs to see it.
"""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from sentinel.clients.clock import Clock
from sentinel.core.answer import Answer
from sentinel.core.gateway import apart
from sentinel.core.gateway.apart import Apart
from sentinel.core.gateway.news import News, Probed
from sentinel.core.verdict import GREEN
from sentinel.engine.crossings import Crossings

TIER = "gateway"
"""The tier of `sentinel_period_seconds`, and the plane."""
_SOURCE = "gateways"
_LEAST_BETWEEN, _MOST_BETWEEN = 1.0, 60.0
"""Seconds between two reports."""


@dataclass(frozen=True, slots=True)
class _Now:
    """The round of one gateway. Wall seconds."""

    number: int = 1
    began: float = 0.0
    unclean: float = 0.0  # the end of the last answer that was not clean


@dataclass
class Keeping:
    """Listens to the gateways' news. `span`: seconds of a round; `names`: whose the marks are."""

    book: Crossings
    clock: Clock
    span: float = 20.0
    names: Mapping[str, str] = field(default_factory=dict)
    _period: float = _MOST_BETWEEN
    _now: dict[str, _Now] = field(default_factory=dict)

    def expect(self, gateways: Collection[str], period: float) -> None:
        """These are asked from now on, once in `period` seconds; what stands open of others is kept for a while."""
        self._period = period
        self.book.plan(_SOURCE, map(Apart, gateways), period, self.clock.wall())

    def put(self, news: News) -> None:
        """Take an answer of a gateway; what turns by it is told at once."""
        if not isinstance(news, Probed) or news.target or Apart(news.gateway) not in self.book.planned:
            return
        seen = apart.observe(news, self.names)
        now = self._now.get(news.gateway, _Now())
        if seen.answer is not Answer.DENIED:
            now = _Now(now.number + 1, seen.at, seen.at)
        elif news.at < now.unclean:
            # It was under way while another one was not clean: it says nothing of the time after that.
            seen = replace(
                seen, answer=Answer.BROKEN, detail="it began before the last one that was not clean had ended"
            )
        elif seen.at - now.began >= self.span:
            now = replace(now, number=now.number + 1, began=seen.at)
        self._now[news.gateway] = now
        record = self.book.take(Apart(news.gateway), seen, GREEN, now.number, silence_counts=False)
        if record.change is not None:
            self.tell(seen.took, 1)

    def stand_by(self) -> None:
        """Another pod asks now: what we believed is no longer ours to tell."""
        self.book.unplan(self.clock.wall())
        self.book.standings.clear()
        self._now.clear()

    async def keep(self) -> None:
        """For ever: say what is believed, also while nothing comes, and let go of what nobody asks any more."""
        while True:
            self.tell()
            await asyncio.sleep(min(max(_LEAST_BETWEEN, self._period), _MOST_BETWEEN))

    def tell(self, took: float = 0.0, asked: int = 0) -> None:
        """Say what is believed. `took`: seconds of what was `asked` since."""
        self.book.end(self.clock.wall(), took, asked)
