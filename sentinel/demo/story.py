"""What has happened so far, and when: the plot of the show, without a terminal.

    proven -> opened -> evidence -> confirmed -> page -> closed -> proven closed -> resolved
           -> killed -> nobody answers -> an answer again -> measured

Every moment is wall time, taken where the thing happened: evidence is the sentinel's own word,
a page is when it arrived.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from sentinel.demo.receiver import Page
from sentinel.demo.truth import Measured
from sentinel.demo.view import Scene
from sentinel.errors import OwnFault

ALERT = "SentinelIsolationBreach"


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the story; `after` is seconds since the step `since`."""

    at: float
    text: str
    after: float | None = None
    since: str = ""
    mood: str = "plain"  # plain, good, bad


@dataclass
class Story:
    """Grows as things happen; `tell` is called with every new event."""

    now: Callable[[], float]
    reader: str
    victim: str
    tell: Callable[[Event], None]
    events: list[Event] = field(default_factory=list)
    pages: list[Page] = field(default_factory=list)
    scene: Scene | None = None
    opened: float = 0.0
    closed: float = 0.0
    killed: float = 0.0
    measured: Measured | None = None

    def __post_init__(self) -> None:
        """Nothing has happened yet."""
        self.began = self.now()
        self._news = asyncio.Event()

    def happened(self, text: str, *, at: float = 0.0, since: str = "", mood: str = "plain") -> None:
        """Adds a line, `at` the given moment (default: now), measured from "opening", "closing" or "killing"."""
        moment = at or self.now()
        start = {"opening": self.opened, "closing": self.closed, "killing": self.killed}.get(since)
        event = Event(moment - self.began, text, None if start is None else moment - start, since, mood)
        self.events.append(event)
        self.tell(event)

    def see(self, scene: Scene) -> None:
        """Takes a new look at the console."""
        self.scene = scene
        self._news.set()

    def arrived(self, page: Page) -> None:
        """Takes a page, if it is about our hole."""
        if page.labels.get("alertname") == ALERT and page.labels.get("target") == self.victim:
            self.pages.append(page)
            self._news.set()

    def page(self, via: str) -> Page | None:
        """The first page that came this way after the opening."""
        return next((p for p in self.pages if p.via == via and not p.resolved and p.at >= self.opened > 0), None)

    def all_clear(self, via: str) -> Page | None:
        """The page that ended it: since the closing, the last word on every path is that it is resolved.

        Where the push is resolved a moment before the rule, the rule's alert comes through once more.
        """
        last = {p.labels.get("path"): p for p in self.pages if p.via == via}
        ended = all(p.resolved and p.at >= self.closed > 0 for p in last.values())
        return max(last.values(), key=lambda p: p.at) if last and ended else None

    async def until(self, what: str, true: Callable[[Scene], bool], seconds: float) -> Scene:
        """Waits until `true` of what was seen last. Raises OwnFault after `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                while self.scene is None or not true(self.scene):
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise OwnFault(f"not within {seconds:.0f} s: {what}{self._reasons()}") from None
        return self.scene

    def _reasons(self) -> str:
        if self.scene is None:
            return "; its console does not answer"
        return f"; {'; '.join(self.scene.reasons)}" if self.scene.reasons else ""
