"""One request and its answer, on a connection of its own; each byte keeps the time at which it came.

    bytes, with their times -> gathered -> Answer -> Ear: connected, answered, heard, heard, ..., ended

Nothing is woken for a token but this: it notes the time. While the ear is in a hurry all is read at once,
and later every 0.2 s, since sixty tokens read together cost a fifth of what they cost one by one, each with
cold caches. Nobody's times are the worse for it. Opened by `clients.completions`; `probes.completion` hears.
"""

import asyncio
import ssl
from collections.abc import Mapping
from typing import Protocol, cast

from sentinel.clients.answer import Answer
from sentinel.clients.clock import Clock
from sentinel.core.gateway.completion import Trouble
from sentinel.core.gateway.transcript import MOST_STREAM

GATHER_SECONDS = 0.2
MOST_GATHERED = 64 * 1024
"""Bytes that are not left lying about."""
MOST_RECEIVED = 2 * MOST_STREAM
"""Bytes of one connection. An answer is 20 KiB; what has more around it is no HTTP that anybody needs."""
_MOST_HEADERS = 100
_MOST_KEPT = 1000


class Ear(Protocol):
    """Who hears an answer. `at` is monotonic: when it came, which may be a little ago. Nothing comes after `ended`."""

    @property
    def hurry(self) -> bool:
        """Whether what comes must be heard at once."""
        ...

    def connected(self, at: float) -> None:
        """The connection is there, and TLS with it; the request goes out now."""
        ...

    def answered(self, status: int, headers: Mapping[str, str], at: float) -> None:
        """The headers are there. Names are in lower case."""
        ...

    def heard(self, chunk: bytes, at: float) -> bool:
        """Some more of the body; False when that is enough."""
        ...

    def ended(self, why: Trouble | Exception | None, at: float) -> None:
        """It came to its end, or did not; an exception is a bug of the ear's."""
        ...


class Exchange(asyncio.Protocol):
    """The connection's protocol: writes the request, reads the answer, and leaves when it is over."""

    def __init__(self, answer: Answer, ear: Ear, clock: Clock) -> None:
        """The answer that is to come, whose request goes out first."""
        self._answer, self._ear, self._clock = answer, ear, clock
        self._told = False
        self._over = False
        self._gathered: list[tuple[bytes, float]] = []
        self._size = 0  # of what is gathered
        self._received = 0
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The request goes out in one packet."""
        self._transport = cast("asyncio.Transport", transport)
        self._ear.connected(self._clock.monotonic())
        self._transport.write(self._answer.request)

    def data_received(self, data: bytes) -> None:
        """Some bytes came."""
        self._gathered.append((data, self._clock.monotonic()))
        self._size += len(data)
        self._received += len(data)
        if self._ear.hurry or self._size > MOST_GATHERED:
            self.catch_up()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(GATHER_SECONDS, self.catch_up)

    def catch_up(self) -> None:
        """Read what was gathered."""
        self._stop_timer()
        gathered, self._gathered, self._size = self._gathered, [], 0
        for data, at in gathered:
            if self._over:
                return
            try:
                self._read(data, at)
            except Exception as error:  # noqa: BLE001  # else the loop would call it a broken connection
                self._end(error, at)

    def connection_lost(self, exc: Exception | None) -> None:
        """It ended, well or not: whether the answer is whole is for what came to say."""
        self.catch_up()
        at = self._clock.monotonic()
        if self._told:
            self._end(None if exc is None and self._answer.end() else Trouble.ABORT, at)
        else:
            self._end(Trouble.TLS if isinstance(exc, ssl.SSLError) else Trouble.RESET, at)

    def leave(self) -> None:
        """Without a farewell: closing politely, TLS reads on for half a minute what a server still sends."""
        self._over = True
        self._stop_timer()
        if self._transport is not None:
            self._transport.abort()

    def _read(self, data: bytes, at: float) -> None:
        body = self._answer.feed(data)
        head = self._answer.head
        if head is not None and not self._told:
            self._told = True
            self._ear.answered(head.status, _kept(head.headers), at)
        wanted = not body or self._ear.heard(body, at)
        if self._answer.over or not wanted:
            self._end(None, at)
        elif self._answer.broken or self._received > MOST_RECEIVED:
            self._end(Trouble.ABORT if self._told else Trouble.PROTOCOL, at)

    def _end(self, why: Trouble | Exception | None, at: float) -> None:
        if not self._over:
            self.leave()
            self._ear.ended(why, at)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _kept(headers: Mapping[str, str]) -> dict[str, str]:
    """The first hundred, each cut: what says who answered is short."""
    pairs = list(headers.items())[:_MOST_HEADERS]
    return {name: value[:_MOST_KEPT] for name, value in pairs}
