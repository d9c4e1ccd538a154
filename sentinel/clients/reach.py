"""Whether somebody is there at all: a connection that says nothing, and the time by somebody else's clock."""

import asyncio
import contextlib
import errno
import socket
import ssl
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import StrEnum

import aiohttp

from sentinel import __version__


class Reach(StrEnum):
    """How a try to connect ended."""

    OPEN = "open"  # somebody took the connection
    SHUT = "shut"  # refused, filtered, no such name: not for us
    UNTRIED = "untried"  # we could not even try: no resolver, no route, no descriptor


LOOK_UP_SECONDS = 10.0
"""For a name. Resolvers are asked with every search domain, and give up after 5 s each."""
_NO_SUCH_NAME = frozenset({socket.EAI_NONAME, socket.EAI_NODATA})
_NOT_LET_OUT = frozenset({errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.EACCES, errno.ECONNRESET, errno.ETIMEDOUT})


async def look_up(host: str) -> Reach:
    """Whether a name has an address: OPEN, SHUT where there is none, UNTRIED where nobody could be asked."""
    try:
        async with asyncio.timeout(LOOK_UP_SECONDS):
            await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        return Reach.SHUT if error.errno in _NO_SUCH_NAME else Reach.UNTRIED
    except (OSError, UnicodeError, TimeoutError):
        return Reach.UNTRIED
    return Reach.OPEN


async def connect(host: str, port: int, within: float) -> Reach:
    """Open a connection to each address of a host, and close it without a word. `within` in seconds, for each."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(LOOK_UP_SECONDS):
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        return Reach.SHUT if error.errno in _NO_SUCH_NAME else Reach.UNTRIED
    except (OSError, UnicodeError, TimeoutError):
        return Reach.UNTRIED
    tried = [await _connect(str(address[0]), port, within) for *_, address in found]
    return next((how for how in (Reach.OPEN, Reach.SHUT) if how in tried), Reach.UNTRIED)


async def _connect(address: str, port: int, within: float) -> Reach:
    try:
        async with asyncio.timeout(within):
            _, writer = await asyncio.open_connection(address, port)
    except TimeoutError:
        return Reach.SHUT
    except OSError as error:
        return Reach.SHUT if error.errno in _NOT_LET_OUT else Reach.UNTRIED
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return Reach.OPEN


async def date_of(url: str, tls: ssl.SSLContext | None, within: float) -> float | None:
    """Wall seconds by the server's own clock, None when it does not say; to the second. No token is sent."""
    headers = {"User-Agent": f"tenant-sentinel/{__version__}"}
    timeout = aiohttp.ClientTimeout(total=within)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, headers=headers, cookie_jar=aiohttp.DummyCookieJar()) as session,
            session.get(url, ssl=tls or True, allow_redirects=False) as response,
        ):
            return seconds_of(response.headers.get("Date", ""))
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
        return None


def seconds_of(date: str) -> float | None:
    """Wall seconds of an HTTP date, None for what is none."""
    try:
        at = parsedate_to_datetime(date)
    except (ValueError, TypeError):
        return None
    return at.replace(tzinfo=at.tzinfo or UTC).timestamp()
