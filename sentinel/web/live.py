"""Tells whoever looks that there is something new: server-sent events, each of which only says "look again".

    turned        a breach, blindness, proof      at once, twice a second at most
    fresh         a round ended, all as before    every five seconds at most
    beat          nothing                         every five seconds: the way to us is open

An event carries nothing, so who reads slowly holds nothing: what they fetch then is of then. While
nobody looks, nothing here runs.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from aiohttp import web

MOST = 16
"""Streams. Further ones are refused; their page asks again by itself every few seconds."""
LOOK_SECONDS = 0.1
APART_SECONDS = 0.5
"""Between two events of what turned."""
BEAT_SECONDS = 5.0
"""Between two of what is merely fresh; and how long a stream is silent at most."""
_PATIENCE_SECONDS = 10.0
"""For somebody who does not read a few bytes."""
_MOST_WAITING = 1024
"""Bytes that wait for one of them."""
_HEADERS = {"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"}
_FROM_HERE = ("same-origin", "none")


@dataclass(frozen=True, slots=True)
class Mark:
    """Where things stand. Two that differ in `turned` are another page; in `fresh` only, the same with later times."""

    turned: int
    fresh: float


@dataclass(eq=False, slots=True)
class _Reader:
    """Somebody who looks, and whether there is something new to them."""

    request: web.Request
    news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def gone(self) -> bool:
        transport = self.request.transport
        return transport is None or transport.is_closing()

    def drop(self) -> None:
        """Without waiting for who does not read."""
        if self.request.transport is not None:
            self.request.transport.abort()


@dataclass
class Live:
    """`mark` says where things stand now."""

    mark: Callable[[], Mark]
    most: int = MOST
    _looking: set[_Reader] = field(default_factory=set, init=False)
    _over: bool = field(default=False, init=False)
    _watch: "asyncio.Task[None] | None" = field(default=None, init=False)

    @property
    def looking(self) -> int:
        """How many look now."""
        return len(self._looking)

    async def events(self, request: web.Request) -> web.StreamResponse:
        """The stream, until they go, or we do."""
        if request.headers.get("Sec-Fetch-Site", "none") not in _FROM_HERE:
            return web.Response(status=403, text="Another site's page is told nothing.\n")
        self._forget_the_gone()
        if self._over or len(self._looking) >= self.most:
            headers = {"Retry-After": "5"}
            return web.Response(status=503, headers=headers, text=f"{self.most} look already; try again later.\n")
        response, reader = web.StreamResponse(headers=_HEADERS), _Reader(request)
        self._looking.add(reader)
        try:
            await self._tell(reader, response)
        except (ConnectionError, TimeoutError):
            reader.drop()
        finally:
            self._looking.discard(reader)
        return response

    async def close(self) -> None:
        """Every stream ends, so that nobody is waited for."""
        self._over = True
        self._wake()
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)

    async def _tell(self, reader: _Reader, response: web.StreamResponse) -> None:
        await response.prepare(reader.request)
        if reader.request.transport is not None:
            reader.request.transport.set_write_buffer_limits(high=_MOST_WAITING)
        if self._watch is None or self._watch.done():
            self._watch = asyncio.create_task(self._keep_watch(), name="looks for what is new to those who look")
        said = b"retry: 1000\nevent: look\ndata: 1\n\n"  # what was missed on the way here
        while not (self._over or reader.gone):
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await response.write(said)
            said = _LOOK if await _within(reader.news, BEAT_SECONDS) else _BEAT

    async def _keep_watch(self) -> None:
        loop = asyncio.get_running_loop()
        told, at = self.mark(), loop.time()
        while self._looking:
            await asyncio.sleep(LOOK_SECONDS)
            now, mark = loop.time(), self.mark()
            apart = APART_SECONDS if mark.turned != told.turned else BEAT_SECONDS
            if mark != told and now - at >= apart:
                told, at = mark, now
                self._wake()

    def _wake(self) -> None:
        for reader in self._looking:
            reader.news.set()

    def _forget_the_gone(self) -> None:
        """Who went is noticed at the next event; who comes must not wait for that."""
        for reader in [reader for reader in self._looking if reader.gone]:
            reader.news.set()
            self._looking.discard(reader)


_LOOK = b"event: look\ndata: 1\n\n"
_BEAT = b"event: beat\ndata: 1\n\n"


async def _within(news: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await news.wait()
    except TimeoutError:
        return False
    news.clear()
    return True
