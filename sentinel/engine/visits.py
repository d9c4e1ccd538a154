"""Goes to one page, again and again, and tells what each visit was worth.

    slot -> visit -> judged -> a picture, if it was a breach -> Visited

A visit that takes longer than its slot lets slots go by: nobody is at one page twice at once.
"""

import asyncio
from dataclasses import dataclass, field, replace
from typing import Protocol

import structlog

from sentinel.clients.clock import Clock
from sentinel.core.gateway import chat_page
from sentinel.core.gateway.canary import Canary
from sentinel.core.gateway.chat_page import Expected, Judged, Mishap, Visit, Visited
from sentinel.engine.disturbance import Disturbances
from sentinel.errors import OwnFault

_log = structlog.get_logger()


class Goes(Protocol):
    """Visits a page; whatever is seen is a `Visit`."""

    async def visit(self, canary: Canary) -> Visit:
        """Go there once. Raises OwnFault."""
        ...


class Listens(Protocol):
    """A place that news of pages go to."""

    def put(self, news: Visited) -> None:
        """Take it; must not block."""
        ...


class Keeps(Protocol):
    """A place for pictures."""

    def keep(self, gateway: str, judged: Judged, at: float, picture: bytes) -> str:
        """The name of the file, empty where it could not be kept."""
        ...


class Nonce(Protocol):
    """Makes a nonce, with our own tag."""

    def __call__(self) -> str:
        """A new one each time."""
        ...


@dataclass(frozen=True)
class Plan:
    """Which page, how often, in seconds, and where its pictures go."""

    gateway: str
    goes: Goes
    expected: Expected
    every: float
    offset: float = 0.0
    album: Keeps | None = None


@dataclass
class Visitor:
    """Visits one page."""

    plan: Plan
    clock: Clock
    nonce: Nonce
    listens: tuple[Listens, ...]
    disturbances: Disturbances
    _row: int = 0
    _why: str = field(default="", repr=False)

    async def run(self) -> None:
        """For ever."""
        slot = self.clock.monotonic() + self.plan.offset
        while True:
            await asyncio.sleep(max(0.0, slot - self.clock.monotonic()))
            await self.go()
            over = max(0, int((self.clock.monotonic() - slot) // self.plan.every))
            slot += (over + 1) * self.plan.every

    async def go(self) -> None:
        """One visit, told to everybody."""
        canary = Canary(self.nonce())
        visit = self._excused(await self._visited(canary), canary)
        judged = chat_page.judge(visit, canary, self.plan.expected)
        self._row = chat_page.in_a_row(self._row, judged)
        picture = ""
        if visit.picture is not None and self.plan.album is not None:
            picture = self.plan.album.keep(self.plan.gateway, judged, visit.at, visit.picture)
        for place in self.listens:
            place.put(Visited(self.plan.gateway, visit.at, judged, canary.nonce, self._row, picture))

    async def _visited(self, canary: Canary) -> Visit:
        start, at = self.clock.monotonic(), self.clock.wall()
        try:
            visit = await self.plan.goes.visit(canary)
        except OwnFault as error:
            if str(error) != self._why:  # once, and not each minute
                _log.error("page.unseen", gateway=self.plan.gateway, why=str(error))
            self._why, mishap = str(error), Mishap.BROWSER
        except Exception:  # noqa: BLE001
            # Our bug: this visit is lost, and seen; the next one is made all the same.
            _log.exception("page.visit_failed", gateway=self.plan.gateway)
            mishap = Mishap.BUG
        else:
            self._why = ""
            return visit
        return Visit(start, at, self.clock.monotonic() - start, mishap=mishap)

    def _excused(self, visit: Visit, canary: Canary) -> Visit:
        """One that ended badly while we were disturbed ourselves is our own affair; nothing is kept of it."""
        if not chat_page.judge(visit, canary, self.plan.expected).breach:
            return visit
        if self.disturbances.during(visit.start) is None:
            return visit
        return replace(visit, mishap=Mishap.LAG, picture=None)
