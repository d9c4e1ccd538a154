"""A listener that strangers may reach: bounded in connections, in what it reads and in what it waits.

Anybody in the cluster can connect to the port of the metrics. Whoever opens connections without end
takes the place of the oldest one, so that the kubelet and Prometheus, which are quick, always get in.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Middleware
from aiohttp.web_protocol import RequestHandler

from sentinel.errors import OwnFault
from sentinel.settings.words import Address

MOST_CONNECTIONS = 32
"""Two Prometheus servers, a kubelet and a browser are ten."""
_MOST_LINE = 4096  # bytes of a request's first line, and of one header
_MOST_HEADERS = 48
_MOST_BODY = 1024  # nobody has a reason to send one
_KEEPALIVE_SECONDS = 75.0  # longer than a scrape interval
_LINGER_SECONDS = 0.5  # for a body that nobody reads
_GOODBYE_SECONDS = 1.0

_log = logging.getLogger(__name__)


def _is_ours(record: logging.LogRecord) -> bool:
    """Whether it is our mistake. A stranger's nonsense is answered, and would fill the log."""
    error = record.exc_info[1] if record.exc_info else None
    return not (isinstance(error, HttpProcessingError) and error.code < 500)


_log.addFilter(_is_ours)


def application(*middlewares: Middleware, most_body: int = _MOST_BODY) -> web.Application:
    """An empty one, with the headers that every reply has, errors too. `most_body` in bytes."""
    app = web.Application(middlewares=middlewares, client_max_size=most_body)
    app.on_response_prepare.append(_harden)
    return app


@contextlib.asynccontextmanager
async def listening(app: web.Application, where: Address, key: str) -> AsyncIterator[Address]:
    """Serve on this address; gives the real one, where port 0 was asked for.

    Raises OwnFault, with the name of the setting `key`, when nobody can listen there.
    """
    runner = web.AppRunner(
        app,
        access_log=None,
        logger=_log,
        shutdown_timeout=_GOODBYE_SECONDS,
        keepalive_timeout=_KEEPALIVE_SECONDS,
        lingering_time=_LINGER_SECONDS,
        max_line_size=_MOST_LINE,
        max_field_size=_MOST_LINE,
        max_headers=_MOST_HEADERS,
        auto_decompress=False,
    )
    await runner.setup()
    try:
        server = await _bind(runner, where, key)
        try:
            host, port = server.sockets[0].getsockname()[:2]
            yield Address(host, port)
        finally:
            server.close()
    finally:
        await runner.cleanup()


async def _bind(runner: web.AppRunner, where: Address, key: str) -> asyncio.Server:
    protocol = runner.server
    assert protocol is not None, "set up before"

    def connected() -> RequestHandler:
        _make_room(protocol)
        return protocol()

    loop = asyncio.get_running_loop()
    try:
        return await loop.create_server(connected, where.host, where.port)
    except OSError as error:
        why = error.strerror or str(error)
        raise OwnFault(f"{key}: cannot listen on {where}: {why}; choose another address") from error


def _make_room(server: web.Server) -> None:
    """Drop the oldest connections beyond the limit, with what still waits to be sent on them."""
    there = server.connections
    for connection in there[: max(0, len(there) - MOST_CONNECTIONS + 1)]:
        transport = connection.transport
        connection.force_close()
        # Not asked whether it can be written to: uvloop's are no asyncio.WriteTransport, and can.
        if transport is not None:
            transport.abort()


async def _harden(_: web.Request, response: web.StreamResponse) -> None:
    headers = response.headers
    headers["Server"] = "tenant-sentinel"
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Cache-Control"] = "no-store"
    headers["X-Frame-Options"] = "DENY"
    headers["Referrer-Policy"] = "no-referrer"
    headers["Cross-Origin-Resource-Policy"] = "same-origin"
    headers["Cross-Origin-Opener-Policy"] = "same-origin"
    headers.setdefault("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
