"""Visits a chat page as a user would: open it, write, send, and look at what comes.

    open -> look until there is a field -> fill, send -> look until it is enough -> Visit (+ a picture of a breach)

It waits as long as a user would and no longer, and says what was seen: `core.gateway.chat_page`
judges it. `engine.visits` decides when to go.
"""

import asyncio
from dataclasses import dataclass, field

from sentinel.clients.browser import Browser, Gone, Look, Tab, origin
from sentinel.clients.clock import Clock
from sentinel.core.gateway import chat_page
from sentinel.core.gateway.canary import Canary
from sentinel.core.gateway.chat_page import Expected, Mishap, Sight, Visit

PAUSE = 0.05
"""Seconds between two looks: times are known to this precision."""
STUCK = 5.0
"""Seconds in which a page that still does something can be looked at."""
MOST_PICTURE = 512 * 1024
"""Bytes."""
PICTURE = 5.0
"""Seconds in which it must be taken."""
_SHOW_NOTHING = (Mishap.STUCK, Mishap.CRASHED, Mishap.HEAVY)


@dataclass
class _Progress:
    """How far one visit has come. Moments are of the caller's monotonic clock."""

    status: int | None = None
    opened: float | None = None
    sent: float | None = None
    first: float | None = None
    message: float | None = None
    before: str = ""
    known: tuple[str, ...] = ()
    sight: Sight = field(default_factory=Sight)


@dataclass(frozen=True)
class PageProbe:
    """Which page, and how it is used. `timeout`: seconds that a user waits for all of it."""

    url: str
    prompt: str
    send: str | None
    answer: str
    expected: Expected = field(repr=False)
    browser: Browser = field(repr=False)
    clock: Clock = field(repr=False)
    timeout: float = 25.0
    pictures: bool = False

    async def visit(self, canary: Canary) -> Visit:
        """Go there once. Whatever is seen, or is not, is a `Visit`. Raises NoBrowser."""
        async with self.browser.tab() as tab:
            # Only now, since a user's browser runs already.
            start, at = self.clock.monotonic(), self.clock.wall()
            progress = _Progress()
            mishap = await self._used(tab, canary, progress, start + self.timeout)
            visit = _visit(progress, start, at, self.clock.monotonic(), mishap)
            shows = self.pictures and mishap not in _SHOW_NOTHING
            if shows and chat_page.judge(visit, canary, self.expected).breach:
                picture = await tab.picture(MOST_PICTURE, asyncio.get_running_loop().time() + PICTURE)
                visit = _visit(progress, start, at, start + visit.took, mishap, picture)
            return visit

    async def _used(self, tab: Tab, canary: Canary, progress: _Progress, end: float) -> Mishap | None:
        try:
            progress.status = await tab.open(self.url, self._on_loop(end))
            if await self._found(tab, progress, end):
                await self._sent(tab, canary, progress, end)
                await self._answered(tab, canary, progress, end)
        except Gone as gone:
            return gone.mishap
        except TimeoutError:
            return await self._late(tab, progress)
        return None

    async def _late(self, tab: Tab, progress: _Progress) -> Mishap | None:
        """Why nothing could be sent in time."""
        if progress.sent is not None:
            return None
        if progress.status is None:
            return Mishap.LATE
        try:
            await self._look(tab)
        except Gone as gone:
            return gone.mishap
        return Mishap.NO_PROMPT

    async def _found(self, tab: Tab, progress: _Progress, end: float) -> bool:
        """Whether there is a field to write in; False where the page says already what it has to say."""
        while True:
            late = self.clock.monotonic() >= end
            look = await self._look(tab)
            progress.sight = Sight(look.text)
            if chat_page.agreed(look.text, self.expected):
                progress.message = self.clock.monotonic()
                return False
            if chat_page.given_away(look.text, self.expected) or (progress.status or 0) >= 400:
                return False
            if look.writable:
                progress.opened = self.clock.monotonic()
                progress.before, progress.known = look.text, look.answers
                return True
            await self._pause(late=late)

    async def _sent(self, tab: Tab, canary: Canary, progress: _Progress, end: float) -> None:
        until = self._on_loop(end)
        await tab.fill(self.prompt, canary.prompt, until)
        begun = self.clock.monotonic()
        if self.send is None:
            await tab.enter(self.prompt, until)
        else:
            await tab.click(self.send, until)
        progress.sent = begun

    async def _answered(self, tab: Tab, canary: Canary, progress: _Progress, end: float) -> None:
        while True:
            late = self.clock.monotonic() >= end
            look = await self._look(tab)
            now = self.clock.monotonic()
            sight = Sight(look.text, chat_page.answer_of(look.answers, progress.known))
            progress.sight = sight
            if progress.first is None and chat_page.begun(sight, canary):
                progress.first = now
            if chat_page.agreed(sight.text, self.expected):
                progress.message = now
            if chat_page.enough(sight, canary, self.expected):
                return
            await self._pause(late=late)

    async def _pause(self, *, late: bool) -> None:
        """Until the next look; TimeoutError if the last one began when the time was up."""
        if late:
            raise TimeoutError
        await asyncio.sleep(PAUSE)

    async def _look(self, tab: Tab) -> Look:
        """One look. Raises Gone also for a page that has left its host."""
        try:
            look = await tab.look(self.prompt, self.answer, self._on_loop(self.clock.monotonic() + STUCK))
        except TimeoutError:
            raise Gone(Mishap.STUCK) from None
        if tab.origin != origin(self.url):
            raise Gone(Mishap.ELSEWHERE)
        return look

    def _on_loop(self, at: float) -> float:
        """The same moment on the loop's clock, which need not be ours."""
        return asyncio.get_running_loop().time() + at - self.clock.monotonic()


def _visit(
    progress: _Progress, start: float, at: float, end: float, mishap: Mishap | None, picture: bytes | None = None
) -> Visit:
    def since(moment: float | None) -> float | None:
        return None if moment is None else moment - start

    return Visit(
        start=start,
        at=at,
        took=end - start,
        status=progress.status,
        opened=since(progress.opened),
        sent=since(progress.sent),
        before=progress.before,
        first=since(progress.first),
        message=since(progress.message),
        sight=progress.sight,
        mishap=mishap,
        picture=picture,
    )
