"""The wire to LLM gateways: one POST, on a connection of its own, and the bytes as they come.

A new connection for each, since a kept one is pinned to one replica of the gateway and would see
only that one's health. No redirects (the key would go with them), no proxies from the environment,
no cookies, no retries, no decompression, small buffers: a probe must see what is there, and nothing
that the far side sends may cost more than it is worth. Used by `probes.completion`.
"""

import asyncio
import errno
import functools
import socket
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp.abc import ResolveResult
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ConnectionKey
from aiohttp.tracing import Trace
from yarl import URL

from sentinel import __version__
from sentinel.clients.clock import Clock
from sentinel.core.gateway.completion import Trouble
from sentinel.core.gateway.transcript import MOST_STREAM
from sentinel.errors import ClientError, OwnFault

USER_AGENT = f"tenant-sentinel/{__version__}"
_READ_BUFFER = 16 * 1024
_MOST_HEADER = 8190
_MOST_HEADERS = 100
_MOST_KEPT = 1000
_MOST_RECEIVED = 2 * MOST_STREAM
"""Bytes of one connection. An answer is 20 KiB; what has more around it is no HTTP that anybody needs."""


class Broken(ClientError):
    """There was no answer, or it did not come to its end. `trouble` says why."""

    def __init__(self, trouble: Trouble) -> None:
        """No word of the far side's is in the message."""
        self.trouble = trouble
        super().__init__(trouble.value)


@dataclass
class _Mark:
    """What is noted of one connection while aiohttp makes it."""

    timeout: float
    clock: Clock
    resolving: bool = False
    connected: float | None = None
    protocol: ResponseHandler | None = None


_MARK: ContextVar[_Mark] = ContextVar("mark")


class _Bounded(ResponseHandler):
    """Hangs up on headers and chunks that never become an answer: each byte is free to send, and not to read."""

    _received = 0

    def data_received(self, data: bytes) -> None:
        self._received += len(data)
        if self._received <= _MOST_RECEIVED:
            super().data_received(data)
        elif self.transport is not None:
            self.set_exception(aiohttp.ClientPayloadError("more than an answer can be"))
            self.transport.abort()


class _Connector(aiohttp.TCPConnector):
    """Notes when it resolves and when it is connected; aiohttp's own tracing costs five times as much."""

    def __init__(self, tls: ssl.SSLContext | bool) -> None:  # noqa: FBT001 - as aiohttp has it: True for the system's
        super().__init__(limit=0, ssl=tls, force_close=True, use_dns_cache=False)
        handler: type[ResponseHandler] = _Bounded
        self._factory = functools.partial(handler, loop=self._loop)

    async def _create_connection(  # aiohttp's own signature
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109
    ) -> ResponseHandler:
        mark = _MARK.get()
        async with asyncio.timeout(mark.timeout):
            protocol = await super()._create_connection(req, traces, timeout)
        mark.connected, mark.protocol = mark.clock.monotonic(), protocol
        return protocol

    async def _resolve_host(self, host: str, port: int, traces: Sequence[Trace] | None = None) -> list[ResolveResult]:
        mark = _MARK.get()
        mark.resolving = True
        found = await super()._resolve_host(host, port, traces)
        mark.resolving = False
        return found

    def _release(self, key: ConnectionKey, protocol: ResponseHandler, *, should_close: bool = False) -> None:
        # Closing politely, TLS reads on for half a minute what a server without end still sends.
        protocol.abort()
        super()._release(key, protocol, should_close=should_close or protocol.should_close)


@dataclass
class Answer:
    """An answer whose headers are there. Names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    connected: float | None
    _response: aiohttp.ClientResponse

    async def read(self) -> bytes:
        """The next bytes, empty at the end. Raises Broken."""
        try:
            return await self._response.content.readany()
        except (aiohttp.ClientError, OSError) as error:
            if isinstance(error, TimeoutError):
                raise
            raise Broken(Trouble.ABORT) from error


class Completions:
    """The session that all probes of one trust share. Connections are not shared, ever."""

    def __init__(self, tls: ssl.SSLContext | None = None, clock: Clock | None = None) -> None:
        """Nothing is opened yet. `tls`: whom to trust; None: whom the system trusts."""
        self._tls = tls
        self._clock = clock or Clock()
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Open the session."""
        connector = _Connector(self._tls or True)
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            read_bufsize=_READ_BUFFER,
            max_field_size=_MOST_HEADER,
            max_line_size=_MOST_HEADER,
            headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close what is open."""
        if self._session is not None:
            await self._session.close()

    @asynccontextmanager
    async def post(
        self, url: str, headers: Mapping[str, str], body: bytes, *, connect: float, until: float
    ) -> AsyncIterator[Answer]:
        """The answer, once its headers are there. Raises Broken.

        `connect`: seconds for name, connection and TLS; `until`: on the loop's clock, for the headers.
        """
        assert self._session is not None, "post is called inside `async with`"
        mark = _Mark(connect, self._clock)
        token = _MARK.set(mark)
        try:
            async with asyncio.timeout_at(until):
                response = await self._session.post(
                    URL(url, encoded=True), data=body, headers=headers, allow_redirects=False
                )
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise Broken(_trouble(error, mark)) from error
        finally:
            _MARK.reset(token)
        _wake_when_lost(mark.protocol, response.content)
        try:
            yield Answer(response.status, _kept(response.headers), mark.connected, response)
        finally:
            response.close()


def trust(ca_file: Path | None) -> ssl.SSLContext | None:
    """Whom to trust: this file's authorities alone, or None for the system's. Raises OwnFault."""
    if ca_file is None:
        return None
    try:
        return ssl.create_default_context(cafile=str(ca_file))
    except (OSError, ssl.SSLError) as error:
        raise OwnFault(f"CA file {ca_file}: {type(error).__name__}, expected PEM certificates") from error


def _wake_when_lost(protocol: ResponseHandler | None, content: aiohttp.StreamReader) -> None:
    """After a chunk size that is none, aiohttp closes the connection and lets the reader wait for ever."""

    def lost(closed: asyncio.Future[None] | None) -> None:
        if closed is not None and not closed.cancelled():
            closed.exception()  # looked at, else asyncio complains
        if not content.is_eof() and content.exception() is None:
            content.set_exception(aiohttp.ClientPayloadError("the connection ended in the middle"))

    assert protocol is not None, "an answer came over a connection"
    if protocol.closed is None:
        lost(None)
    else:
        protocol.closed.add_done_callback(lost)


def _kept(headers: Mapping[str, str]) -> dict[str, str]:
    """The first hundred, each cut: what says who answered is short."""
    pairs = list(headers.items())[:_MOST_HEADERS]
    return {name.lower(): value[:_MOST_KEPT] for name, value in pairs}


def _trouble(error: Exception, mark: _Mark) -> Trouble:
    if isinstance(error, TimeoutError):
        if mark.connected is not None:
            return Trouble.LATE_HEADERS
        # No resolver answers: that would look the same for any gateway.
        return Trouble.RESOLVER if mark.resolving else Trouble.CONNECT
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        known = error.os_error.errno in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", None))
        return Trouble.DNS if known else Trouble.RESOLVER
    return next((trouble for kind, trouble in _TROUBLES if isinstance(error, kind)), _of_errno(error))


def _of_errno(error: Exception) -> Trouble:
    return _ERRNOS.get(getattr(error, "errno", None), Trouble.RESOURCES)


_TROUBLES: tuple[tuple[type[BaseException], Trouble], ...] = (
    (aiohttp.ClientSSLError, Trouble.TLS),
    (ssl.SSLError, Trouble.TLS),
    (aiohttp.ServerDisconnectedError, Trouble.RESET),
    (aiohttp.ClientPayloadError, Trouble.PROTOCOL),
    (aiohttp.ClientResponseError, Trouble.PROTOCOL),
    (ValueError, Trouble.BUG),
)
_ERRNOS: Mapping[int | None, Trouble] = {
    errno.ECONNREFUSED: Trouble.REFUSED,
    errno.ECONNRESET: Trouble.RESET,
    errno.EPIPE: Trouble.RESET,
    errno.EHOSTUNREACH: Trouble.UNROUTED,
    errno.ETIMEDOUT: Trouble.CONNECT,
    None: Trouble.UNROUTED,  # several addresses, each with a reason of its own
}
"""What else the system says (no route at all, no descriptors, not permitted) is about us."""
