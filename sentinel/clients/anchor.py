"""The place outside where heads of the journal's chain are posted to: a small JSON, and any 2xx is a yes."""

import json
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import aiohttp

from sentinel import __version__
from sentinel.errors import BadReply, Refused, TimedOut, Unreachable

TIMEOUT = 5.0
"""Seconds for a post."""
_HEADERS = {"User-Agent": f"tenant-sentinel/{__version__}", "Content-Type": "application/json"}


class AnchorClient:
    """A session to it, used as `async with`."""

    def __init__(self, url: str, timeout: float = TIMEOUT) -> None:
        """`timeout` in seconds, for each post."""
        self._url = url
        # Whatever else stands in the URL may be a secret, and errors are logged.
        self._name = urlsplit(url).hostname or ""
        self._timeout = timeout
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Open the session; connections are made when there is something to send."""
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=self._timeout),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            headers=_HEADERS,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def post(self, head: dict[str, Any]) -> None:
        """Hand over a head. Raises Unreachable, TimedOut, Refused (4xx), or BadReply (anything else that is no 2xx)."""
        assert self._session is not None, "post is called inside `async with`"
        try:
            data = json.dumps(head).encode()
            async with self._session.post(self._url, data=data, allow_redirects=False) as response:
                status = response.status
                # What it says is nobody's business.
                response.close()
        except TimeoutError as error:
            raise TimedOut(f"{self._name}: no answer within {self._timeout:g} s") from error
        except (aiohttp.ClientConnectionError, OSError) as error:
            raise Unreachable(f"{self._name}: {type(error).__name__}") from error
        except (aiohttp.ClientError, ValueError) as error:
            raise BadReply(f"{self._name}: {type(error).__name__}") from error
        if not 200 <= status < 300:
            raise (Refused if 400 <= status < 500 else BadReply)(f"{self._name}: answered {status}")
