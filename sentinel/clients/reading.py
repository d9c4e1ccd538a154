"""What a server of the Prometheus family tells, as JSON: read once, bounded, errors translated.

Whoever puts a login before such a server answers 401, 403, a redirect, or a page with status 200. Each is said as
what it is, since a number made of it would be wrong.
"""

import json
from typing import Any

import aiohttp

from sentinel import __version__
from sentinel.clients.session import Session
from sentinel.core.api.reply import clean
from sentinel.errors import BadReply, Refused, Throttled, TimedOut, Unreachable

TIMEOUT = 20.0
"""Seconds for one answer. A Prometheus with ten thousand targets lists them in two."""
MOST_BYTES = 64 * 1024 * 1024
_LOGIN = "is it behind a login? Ask the server itself, e.g. through kubectl port-forward"
_HEADERS = {"User-Agent": f"tenant-sentinel/{__version__}", "Accept": "application/json"}


class Reader(Session):
    """A session to such servers, used as `async with`."""

    def __init__(self, timeout: float = TIMEOUT) -> None:
        """`timeout` in seconds, for each answer."""
        self._timeout = timeout

    def _options(self) -> dict[str, Any]:
        return {
            "timeout": aiohttp.ClientTimeout(total=self._timeout),
            "headers": _HEADERS,
        }

    async def get(self, url: str, headers: dict[str, str] | None = None, tls: str | None = None) -> Any:
        """The JSON there. Raises Unreachable, TimedOut, Refused, Throttled or BadReply, each with a sentence."""
        data = await self._answered(url, headers, tls)
        try:
            return json.loads(data)
        except (ValueError, RecursionError) as error:
            raise BadReply(f"{url}: found no JSON, expected that of Prometheus or Alertmanager") from error

    async def text(self, url: str, headers: dict[str, str] | None = None, tls: str | None = None) -> str:
        """The text there. Raises as `get` does."""
        return (await self._answered(url, headers, tls)).decode(errors="replace")

    async def _answered(self, url: str, headers: dict[str, str] | None, tls: str | None) -> bytes:
        try:
            status, data = await self._fetched(url, headers, tls)
        except TimeoutError as error:
            raise TimedOut(f"{url}: no answer within {self._timeout:g} s") from error
        except (aiohttp.ClientConnectionError, OSError) as error:
            raise Unreachable(f"{url}: {type(error).__name__}: {clean(str(error))}") from error
        except (aiohttp.ClientError, ValueError) as error:
            raise BadReply(f"{url}: {type(error).__name__}: {clean(str(error))}") from error
        _judge(url, status, data)
        return data

    async def _fetched(self, url: str, headers: dict[str, str] | None, tls: str | None) -> tuple[int, bytes]:
        assert self._session is not None, "get is called inside `async with`"
        async with self._session.get(url, headers=headers, server_hostname=tls, allow_redirects=False) as response:
            found = bytearray()
            async for chunk in response.content.iter_any():
                found += chunk
                if len(found) > MOST_BYTES:
                    raise BadReply(f"{url}: more than {MOST_BYTES // 2**20} MiB, which is more than we read")
            return response.status, bytes(found)


def _judge(url: str, status: int, data: bytes) -> None:
    """What is no answer of theirs."""
    if status in (401, 403, 407):
        raise Refused(f"{url}: answered {status}: {_LOGIN}")
    if status == 429:
        raise Throttled(f"{url}: answered 429, too many requests")
    if 300 <= status < 400:
        raise BadReply(f"{url}: redirects ({status}): {_LOGIN}")
    if data.lstrip()[:1] == b"<":
        raise BadReply(f"{url}: answered {status} with a page, which its API never does: {_LOGIN}")
    if status == 404:
        raise BadReply(f"{url}: answered 404: is this the right address, with its path prefix, and new enough?")
    if not 200 <= status < 300:
        raise BadReply(f"{url}: answered {status}: {clean(data[:200].decode('latin-1'))}")
