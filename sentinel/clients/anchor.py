"""The place outside where heads of the journal's chain are posted to: a small JSON, and any 2xx is a yes."""

import json
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from sentinel import __version__
from sentinel.clients import outside
from sentinel.clients.session import Session

TIMEOUT = 5.0
"""Seconds for a post."""
_HEADERS = {"User-Agent": f"tenant-sentinel/{__version__}", "Content-Type": "application/json"}


class AnchorClient(Session):
    """A session to it, used as `async with`."""

    def __init__(self, url: str, timeout: float = TIMEOUT) -> None:
        """`timeout` in seconds, for each post."""
        self._url = url
        # Whatever else stands in the URL may be a secret, and errors are logged.
        self._name = urlsplit(url).hostname or ""
        self._timeout = timeout

    def _options(self) -> dict[str, Any]:
        return {
            "timeout": aiohttp.ClientTimeout(total=self._timeout),
            "headers": _HEADERS,
        }

    async def post(self, head: dict[str, Any]) -> None:
        """Hand over a head. Raises Unreachable, TimedOut, Refused (4xx), or BadReply (anything else that is no 2xx)."""
        assert self._session is not None, "post is called inside `async with`"
        data = json.dumps(head).encode()
        asked = self._session.post(self._url, data=data, allow_redirects=False)
        await outside.tell(asked, self._name, self._timeout)
