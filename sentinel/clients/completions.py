"""The wire to LLM gateways: one POST, on a connection of its own, and the bytes as they come.

A new connection for each, since a kept one is pinned to one replica of the gateway and would see
only that one's health. No redirects (the key would go with them), no proxies from the environment,
no cookies, no retries, no decompression, small buffers: a probe must see what is there, and nothing
that the far side sends may cost more than it is worth. Used by `probes.completion`.
"""

import asyncio
import errno
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import aiohappyeyeballs
from yarl import URL

from sentinel import __version__
from sentinel.clients.answer import Answer, NotALine
from sentinel.clients.clock import Clock
from sentinel.clients.exchange import Ear, Exchange
from sentinel.core.gateway.completion import Trouble
from sentinel.errors import ClientError, OwnFault

USER_AGENT = f"tenant-sentinel/{__version__}"
_SECOND_ADDRESS = 0.25  # seconds after which the next address is tried as well: RFC 8305, section 5
_Addresses = Sequence[tuple[int, int, int, str, tuple[Any, ...]]]


class Broken(ClientError):
    """There was no connection. `trouble` says why."""

    def __init__(self, trouble: Trouble) -> None:
        """No word of the far side's is in the message."""
        self.trouble = trouble
        super().__init__(trouble.value)


class Completions:
    """What all probes of one trust share. Connections are not shared, ever."""

    def __init__(self, tls: ssl.SSLContext | None = None, clock: Clock | None = None) -> None:
        """`tls`: whom to trust; None: whom the system trusts."""
        self._given = tls
        self._clock = clock or Clock()

    @asynccontextmanager
    async def post(
        self, url: str, headers: Mapping[str, str], body: bytes, ear: Ear, *, until: float
    ) -> AsyncIterator[Exchange]:
        """Connected and asked; the ear hears the rest until the block ends. Raises Broken.

        `until`: on the loop's clock, for the name, the connection and TLS.
        """
        where = URL(url, encoded=True)
        exchange = Exchange(_answer(where, headers, body), ear, self._clock)
        try:
            await self._connected(where, exchange, until)
            yield exchange
        finally:
            exchange.leave()

    async def _connected(self, where: URL, exchange: Exchange, until: float) -> None:
        host, port = where.raw_host or "", where.port or 0
        # No resolver answers: that would look the same for any gateway.
        late = Trouble.RESOLVER
        try:
            async with asyncio.timeout_at(until):
                found = await _addresses(host, port)
                late = Trouble.CONNECT
                await self._connect(found, exchange, host if where.scheme == "https" else None)
        except TimeoutError as error:
            raise Broken(late if error.errno is None else _trouble(error)) from error
        except (OSError, ValueError) as error:
            raise Broken(_trouble(error)) from error

    async def _connect(self, found: _Addresses, exchange: Exchange, name: str | None) -> None:
        loop = asyncio.get_running_loop()
        sock = await aiohappyeyeballs.start_connection(found, happy_eyeballs_delay=_SECOND_ADDRESS)
        try:
            if name is None:
                await loop.create_connection(lambda: exchange, sock=sock)
            else:
                await loop.create_connection(
                    lambda: exchange, sock=sock, ssl=self._tls, server_hostname=name.rstrip(".")
                )
        except BaseException:
            sock.close()
            raise

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return self._given or ssl.create_default_context()


async def _addresses(host: str, port: int) -> _Addresses:
    """A name's addresses; an address is its own, and no thread is woken to find that out."""
    try:
        version = ipaddress.ip_address(host).version
    except ValueError:
        loop = asyncio.get_running_loop()
        return await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    return [(family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port))]


def _answer(where: URL, headers: Mapping[str, str], body: bytes) -> Answer:
    """What will come back for this. Raises Broken where something in it cannot be sent."""
    host = where.host_subcomponent or ""
    ours = {
        "Host": host if where.is_default_port() else f"{host}:{where.port}",
        "User-Agent": USER_AGENT,
        "Accept-Encoding": "identity",
        "Content-Length": str(len(body)),
    }
    given = {name.lower() for name in headers}
    fields = {name: value for name, value in ours.items() if name.lower() not in given} | dict(headers)
    try:
        return Answer(where.raw_path_qs, fields, body)
    except NotALine as error:
        raise Broken(Trouble.BUG) from error


def trust(ca_file: Path | None) -> ssl.SSLContext | None:
    """Whom to trust: this file's authorities alone, or None for the system's. Raises OwnFault."""
    if ca_file is None:
        return None
    try:
        return ssl.create_default_context(cafile=str(ca_file))
    except (OSError, ssl.SSLError) as error:
        raise OwnFault(f"CA file {ca_file}: {type(error).__name__}, expected PEM certificates") from error


def _trouble(error: OSError | ValueError) -> Trouble:
    if isinstance(error, socket.gaierror):
        known = error.errno in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", None))
        return Trouble.DNS if known else Trouble.RESOLVER
    if isinstance(error, ssl.SSLError):
        return Trouble.TLS
    if isinstance(error, ConnectionError) and error.errno is None:
        return Trouble.RESET  # in the middle of the handshake, as asyncio tells it
    if isinstance(error, OSError):
        return _ERRNOS.get(error.errno, Trouble.RESOURCES)
    return Trouble.BUG


_ERRNOS: Mapping[int | None, Trouble] = {
    errno.ECONNREFUSED: Trouble.REFUSED,
    errno.ECONNRESET: Trouble.RESET,
    errno.EPIPE: Trouble.RESET,
    errno.EHOSTUNREACH: Trouble.UNROUTED,
    errno.ETIMEDOUT: Trouble.CONNECT,
    None: Trouble.UNROUTED,  # several addresses, each with a reason of its own
}
"""What else the system says (no route at all, no descriptors, not permitted) is about us."""
