"""A TLS listener that tenants may reach, and that none of them can take away from the others.

    accept -> stranger --handshake, request, token--> guest of a tenant --> closed
                 |                                        |
          a few, from each address               a few, of each tenant

Who connects is a stranger until its token is known. There is room for so many strangers at once:
when it is full, the address with the most of them loses its oldest one, so that a flood from one
pod is at its own cost, and where nobody has more than a fair share the next one waits a moment
in the kernel's queue. Each step has its time: handshake, headers, body.
"""

import asyncio
import contextlib
import socket
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog
from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from sentinel.errors import OwnFault
from sentinel.settings.words import Address

MOST_STRANGERS = 128
"""Connections whose token is not known yet, from all addresses."""
FAIR_SHARE = 16
"""Of them, from one address, that are not disturbed while there are others with more."""
PATIENCE_SECONDS = 1.0
"""For which a stranger may not be pushed aside where all behave."""
MOST_OF_A_TENANT = 8
"""Two pods of it during a roll-out, two connections each, twice."""
HANDSHAKE_SECONDS = 5.0
IDLE_SECONDS = 10.0
"""For the headers of a request, and between two requests."""
_GOODBYE_SECONDS = 0.2
_LINGER_SECONDS = 0.5  # for a body that nobody reads
_MOST_LINE = 4096
_MOST_FIELD = 16 * 1024  # a token
_MOST_HEADERS = 32
_BACKLOG = 512
_BREATH_SECONDS = 0.1  # without descriptors there is nothing to accept with

_log = structlog.get_logger(__name__)


class Certificate:
    """The serving certificate and its key; read again when one of the files changes."""

    def __init__(self, cert: Path, key: Path) -> None:
        """Nothing is read yet."""
        self._cert = cert
        self._key = key
        self._seen: tuple[tuple[int, int], ...] = ()
        self._context: ssl.SSLContext | None = None

    def context(self) -> ssl.SSLContext:
        """For the next handshake. While new files do not fit, the old ones are used.

        Raises OwnFault when there are none at all.
        """
        try:
            marks = tuple((stat.st_mtime_ns, stat.st_ino) for stat in (self._cert.stat(), self._key.stat()))
            if self._context is None or marks != self._seen:
                self._seen = marks
                self._context = _context(self._cert, self._key)
        except (OSError, ssl.SSLError) as error:
            fault = OwnFault(f"relay.cert {self._cert}, relay.key {self._key}: {type(error).__name__}: {error}")
            if self._context is None:
                raise fault from error
            _log.error("certificate not taken", detail=str(fault))
        return self._context


def _context(cert: Path, key: Path) -> ssl.SSLContext:
    made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    made.load_cert_chain(cert, key)
    made.options |= ssl.OP_NO_RENEGOTIATION
    return made


@dataclass(eq=False)
class Guest:
    """One connection. `tenant` is empty for a stranger, `since` in the loop's seconds."""

    address: str
    since: float
    protocol: RequestHandler
    tenant: str = ""
    begun: bool = False
    transport: asyncio.Transport | None = None
    opening: "asyncio.Task[None] | None" = None

    def drop(self) -> None:
        """End it now, with what still waits to be sent on it."""
        if self.transport is not None:
            self.protocol.force_close()
            self.transport.abort()
        elif self.opening is not None:
            self.opening.cancel()


@dataclass
class Doorkeeper:
    """Accepts connections, and keeps them few. `dropped` is called for each that is pushed aside."""

    protocol: Callable[["Doorkeeper"], RequestHandler]
    certificate: Certificate
    dropped: Callable[[], None]
    guests: dict[RequestHandler, Guest] = field(default_factory=dict)
    _room: asyncio.Event = field(default_factory=asyncio.Event)

    async def accept(self, listener: socket.socket) -> None:
        """For ever: one connection after the other, as there is room."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, peer = await loop.sock_accept(listener)
            except OSError:
                await asyncio.sleep(_BREATH_SECONDS)
                continue
            try:
                await self._make_room()
            except asyncio.CancelledError:
                connection.close()
                raise
            self._admit(connection, peer[0])

    def vouch(self, protocol: RequestHandler, tenant: str) -> None:
        """A connection has brought a good token of this tenant, whose oldest ones give way."""
        guest = self.guests.get(protocol)
        if guest is None:
            return
        # The newest comes last.
        self.guests[protocol] = self.guests.pop(protocol)
        guest.tenant = tenant
        self._room.set()
        theirs = [other for other in self.guests.values() if other.tenant == tenant]
        for other in theirs[: max(0, len(theirs) - MOST_OF_A_TENANT)]:
            self._drop(other)

    def forget(self, protocol: RequestHandler) -> None:
        """The connection has ended."""
        self.guests.pop(protocol, None)
        self._room.set()

    async def close(self) -> None:
        """End them all."""
        openings = [guest.opening for guest in self.guests.values() if guest.opening is not None]
        for guest in [*self.guests.values()]:
            guest.drop()
        await asyncio.gather(*openings, return_exceptions=True)

    def _admit(self, connection: socket.socket, address: str) -> None:
        protocol = self.protocol(self)
        guest = Guest(address, asyncio.get_running_loop().time(), protocol)
        self.guests[protocol] = guest
        guest.opening = asyncio.create_task(self._open(guest, connection), name=f"handshake with {address}")
        # One that is dropped before its first step has nobody else to close it.
        guest.opening.add_done_callback(lambda _: None if guest.begun else connection.close())

    async def _open(self, guest: Guest, connection: socket.socket) -> None:
        try:
            trust = self.certificate.context()
            guest.begun = True
            transport, _ = await asyncio.get_running_loop().connect_accepted_socket(
                lambda: guest.protocol,
                connection,
                ssl=trust,
                ssl_handshake_timeout=HANDSHAKE_SECONDS,
                ssl_shutdown_timeout=_GOODBYE_SECONDS,
            )
        except (OSError, ssl.SSLError, TimeoutError, OwnFault, asyncio.CancelledError):
            self.forget(guest.protocol)
        else:
            guest.transport = transport
        finally:
            guest.opening = None

    async def _make_room(self) -> None:
        while True:
            strangers = [guest for guest in self.guests.values() if not guest.tenant]
            if len(strangers) < MOST_STRANGERS:
                return
            greedy, most = Counter(guest.address for guest in strangers).most_common(1)[0]
            oldest = next(guest for guest in strangers if guest.address == greedy)
            age = asyncio.get_running_loop().time() - oldest.since
            if most > FAIR_SHARE or age >= PATIENCE_SECONDS:
                self._drop(oldest)
                return
            self._room.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE_SECONDS - age):
                    await self._room.wait()

    def _drop(self, guest: Guest) -> None:
        self.guests.pop(guest.protocol, None)
        guest.drop()
        self.dropped()


class _Protocol(RequestHandler):
    """aiohttp's, which tells us what it refuses by itself, and when it ends."""

    __slots__ = ("_keeper", "_malformed")

    def __init__(self, server: web.Server, keeper: Doorkeeper, malformed: Callable[[], None], **limits: Any) -> None:
        super().__init__(server, loop=asyncio.get_running_loop(), **limits)
        self._keeper = keeper
        self._malformed = malformed

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        if status >= 500:
            return super().handle_error(request, status, exc, message)
        # aiohttp's own answer would say what we are made of, and its log would be the stranger's to fill.
        self._malformed()
        response = web.Response(status=status, headers={"Server": "tenant-sentinel"})
        response.force_close()
        return response

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        self._keeper.forget(self)


@contextlib.asynccontextmanager
async def listening(
    answer: Callable[[Doorkeeper, web.BaseRequest], Any],
    where: Address,
    certificate: Certificate,
    *,
    malformed: Callable[[], None],
    dropped: Callable[[], None],
) -> AsyncIterator[Address]:
    """Serve `answer` until the block ends; gives the real address, where port 0 was asked for.

    `malformed` is called for what is no HTTP, `dropped` for a connection that is pushed aside. Raises
    OwnFault when nobody can listen there, or there is no certificate.
    """
    certificate.context()
    limits = {
        "access_log": None,
        "keepalive_timeout": IDLE_SECONDS,
        "lingering_time": _LINGER_SECONDS,
        "max_line_size": _MOST_LINE,
        "max_field_size": _MOST_FIELD,
        "max_headers": _MOST_HEADERS,
        "auto_decompress": False,
    }
    keeper: Doorkeeper
    # Who hangs up waits no longer, and makes room for another request.
    server = web.Server(lambda request: answer(keeper, request), handler_cancellation=True)
    keeper = Doorkeeper(lambda known: _Protocol(server, known, malformed, **limits), certificate, dropped)
    with _bound(where) as listener:
        accepting = asyncio.create_task(keeper.accept(listener), name="relay")
        try:
            host, port = listener.getsockname()[:2]
            yield Address(host, port)
        finally:
            accepting.cancel()
            await asyncio.gather(accepting, return_exceptions=True)
            await keeper.close()
            await _settled(server)
            await server.shutdown(_GOODBYE_SECONDS)


async def _settled(server: web.Server) -> None:
    """Whoever was sent away while it still wrote is read for a moment longer."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(2 * _LINGER_SECONDS):
            while server.connections:  # noqa: ASYNC110  # aiohttp tells nobody
                await asyncio.sleep(_GOODBYE_SECONDS / 10)


def _bound(where: Address) -> socket.socket:
    try:
        found = socket.getaddrinfo(where.host, where.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        made = socket.socket(family, kind, protocol)
        try:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.setblocking(False)
            made.bind(address)
            made.listen(_BACKLOG)
        except OSError:
            made.close()
            raise
    except OSError as error:
        why = error.strerror or str(error)
        raise OwnFault(f"relay.listen: cannot listen on {where}: {why}; choose another address") from error
    return made
