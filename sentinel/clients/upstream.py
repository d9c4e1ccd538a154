"""The way on to a provider, for the proxy that drills break: what goes through is not touched, kept or told.

The names of a connection's own headers end here, as they must in every proxy; all others, and every byte
of both bodies, go on as they came, in the pieces in which they came.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from sentinel.clients.completions import trust
from sentinel.clients.session import Session
from sentinel.errors import ClientError, Unreachable

_OF_THE_CONNECTION = frozenset(
    (
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    )
)
_ADDED_BY_AIOHTTP = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")
_READ_BUFFER = 64 * 1024


class BrokenOff(ClientError):
    """The provider's answer ended in the middle."""


@dataclass(frozen=True, slots=True)
class Passed:
    """An answer that is being passed on."""

    status: int
    reason: str
    headers: CIMultiDict[str]
    _response: aiohttp.ClientResponse

    async def pieces(self) -> AsyncIterator[bytes]:
        """Its body, as it comes. Raises BrokenOff."""
        try:
            async for piece in self._response.content.iter_any():
                yield piece
        except (aiohttp.ClientError, OSError) as error:
            raise BrokenOff(type(error).__name__) from error


class Upstream(Session):
    """A session to one provider, used as `async with`."""

    def __init__(self, url: str, ca: Path | None = None) -> None:
        """`url`: its path comes before every request's. Raises OwnFault for a CA that is none."""
        self._base = URL(url)
        self._tls = trust(ca)

    def _options(self) -> dict[str, Any]:
        return {
            "connector": aiohttp.TCPConnector(limit=0, ssl=self._tls or True),
            "timeout": aiohttp.ClientTimeout(total=None, sock_connect=30.0),
            "auto_decompress": False,
            "skip_auto_headers": _ADDED_BY_AIOHTTP,
            "read_bufsize": _READ_BUFFER,
            "max_line_size": _READ_BUFFER,
            "max_field_size": _READ_BUFFER,
        }

    @asynccontextmanager
    async def send(
        self, method: str, path: str, headers: Mapping[str, str], body: AsyncIterator[bytes] | None
    ) -> AsyncIterator[Passed]:
        """The answer, once its headers are there. `path`: raw, with its query. Raises Unreachable."""
        assert self._session is not None, "send is called inside `async with`"
        url = URL(f"{self._base.origin()}{self._base.raw_path.rstrip('/')}{path}", encoded=True)
        try:
            response = await self._session.request(
                method, url, headers=_passed(headers, "host"), data=body, allow_redirects=False
            )
        except (aiohttp.ClientError, OSError) as error:
            raise Unreachable(type(error).__name__) from error
        try:
            yield Passed(response.status, response.reason or "", _passed(response.headers), response)
        finally:
            response.close()


def _passed(headers: Mapping[str, str], *also: str) -> CIMultiDict[str]:
    """All but those of the connection, of the same name several times if they came so."""
    named = {name.strip().lower() for name in headers.get("Connection", "").split(",")}
    ended = _OF_THE_CONNECTION | named | set(also)
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in ended)
