"""Alertmanager's API v2, as far as we need it: find every replica, and hand it alerts.

Each replica is spoken to by itself. Behind one address that picks a replica, an alert would wait
for that one's peers (15 s for each that is dead) or be lost with it.
"""

import asyncio
import json
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, urlsplit, urlunsplit

import aiohttp

from sentinel import __version__
from sentinel.clients.session import Session
from sentinel.core.api.reply import clean
from sentinel.errors import BadReply, OwnFault, Refused, Throttled, TimedOut, Unreachable

TIMEOUT = 5.0
"""Seconds for a post; a live Alertmanager takes 1 to 4 milliseconds."""
_ALERTS = "/api/v2/alerts"
_DNS = "dns+"
_SAID = 200
_HEADERS = {
    "User-Agent": f"tenant-sentinel/{__version__}",
    "Content-Type": "application/json",
    "Accept-Encoding": "identity",
}


@dataclass(frozen=True, slots=True)
class Receiver:
    """One Alertmanager. `name` is the host it was found by, which TLS and proxies want to hear."""

    url: str
    name: str = field(default="", compare=False)

    def __str__(self) -> str:
        """The address, for log lines."""
        return self.url

    @property
    def headers(self) -> dict[str, str] | None:
        """What a proxy before one of several replicas wants to hear."""
        if not self.name:
            return None
        port = urlsplit(self.url).port
        return {"Host": f"{self.name}:{port}" if port else self.name}

    @property
    def tls(self) -> str | None:
        """The name that its certificate has to bear, where that is not the URL's host."""
        return self.name if self.name and self.url.startswith("https") else None


class Alertmanagers(Session):
    """A session to all of them, used as `async with`."""

    def __init__(self, timeout: float = TIMEOUT) -> None:
        """`timeout` in seconds, for each post and each look-up."""
        self._timeout = timeout

    def _options(self) -> dict[str, Any]:
        return {
            "connector": aiohttp.TCPConnector(limit=0, limit_per_host=2, ttl_dns_cache=10),
            "timeout": aiohttp.ClientTimeout(total=self._timeout),
            "auto_decompress": False,
            "headers": _HEADERS,
        }

    async def post(self, receiver: Receiver, alerts: Sequence[Mapping[str, Any]]) -> None:
        """Hand over alerts, all or none.

        Raises Unreachable, TimedOut, Refused (4xx), Throttled (429), or BadReply (5xx and others).
        """
        try:
            status, said = await self._send(receiver, json.dumps(alerts).encode())
        except TimeoutError as error:
            raise TimedOut(f"{receiver}: no answer within {self._timeout:g} s") from error
        except (aiohttp.ClientConnectionError, OSError) as error:
            raise Unreachable(f"{receiver}: {type(error).__name__}") from error
        except (aiohttp.ClientError, ValueError) as error:
            raise BadReply(f"{receiver}: {type(error).__name__}") from error
        if not 200 <= status < 300:
            raise _kind(status)(f"{receiver}: answered {status}{f': {said}' if said else ''}")
        if said.startswith("<"):
            # A login page is served with 200, and behind it nobody is paged.
            raise BadReply(f"{receiver}: answered with a page, which Alertmanager never does")

    async def resolve(self, url: str) -> tuple[Receiver, ...]:
        """The receivers behind a URL: every address of `dns+http://host`, others as they are.

        Raises OwnFault when the name is not found.
        """
        if not url.startswith(_DNS):
            return (Receiver(url.rstrip("/")),)
        parts = urlsplit(url.removeprefix(_DNS))
        host = parts.hostname or ""
        try:
            async with asyncio.timeout(self._timeout):
                loop = asyncio.get_running_loop()
                found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError, TimeoutError) as error:
            raise OwnFault(f"{url}: {host} is not found: {type(error).__name__}") from error
        addresses = sorted({str(address[0]) for *_, address in found})
        return tuple(_at(address, parts) for address in addresses)

    async def _send(self, receiver: Receiver, data: bytes) -> tuple[int, str]:
        assert self._session is not None, "post is called inside `async with`"
        async with self._session.post(
            receiver.url + _ALERTS,
            data=data,
            headers=receiver.headers,
            server_hostname=receiver.tls,
            allow_redirects=False,
        ) as response:
            said = await response.content.read(_SAID)
            if not response.content.at_eof():
                response.close()
            return response.status, clean(said.decode("latin-1"), _SAID).strip()


def _at(address: str, parts: SplitResult) -> Receiver:
    host = f"[{address}]" if ":" in address else address
    where = f"{host}:{parts.port}" if parts.port else host
    url = urlunsplit((parts.scheme, where, parts.path.rstrip("/"), "", ""))
    return Receiver(url, parts.hostname or "")


def _kind(status: int) -> type[Refused | Throttled | BadReply]:
    if status == 429:
        return Throttled
    return Refused if 400 <= status < 500 else BadReply
