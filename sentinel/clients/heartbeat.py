"""The dead man's switch outside: a URL that is asked for, and any 2xx is a yes.

The URL is a secret, so it comes from a file, is read again when that changes, and of it only the host is ever said.
"""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from sentinel import __version__
from sentinel.clients import outside
from sentinel.clients.session import Session
from sentinel.clients.tokens import FileToken
from sentinel.errors import OwnFault

TIMEOUT = 10.0
"""Seconds for a beat; it goes out to the Internet as a rule."""
_HEADERS = {"User-Agent": f"tenant-sentinel/{__version__}", "Cache-Control": "no-cache"}


class HeartbeatClient(Session):
    """A session to it, used as `async with`."""

    def __init__(self, path: Path, timeout: float = TIMEOUT) -> None:
        """`timeout` in seconds, for each beat. Nothing is read yet."""
        self._file = FileToken(path)
        self._path = path
        self._timeout = timeout

    def _options(self) -> dict[str, Any]:
        return {"timeout": aiohttp.ClientTimeout(total=self._timeout), "headers": _HEADERS}

    async def beat(self) -> None:
        """Ask for it. Raises OwnFault (no such URL), Unreachable, TimedOut, Refused (4xx), or BadReply (no 2xx)."""
        assert self._session is not None, "beat is called inside `async with`"
        url = self._file.read().text
        # A GET, since not every switch takes a POST. It must not be led elsewhere: another host's 200 is no yes.
        name = self._host(url)
        await outside.tell(self._session.get(url, allow_redirects=False), name, self._timeout)

    def _host(self, url: str) -> str:
        try:
            parts = urlsplit(url)
            _ = parts.port
        except ValueError:
            parts = urlsplit("")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise OwnFault(f"{self._path}: found no URL that begins with https:// or http://")
        return parts.hostname
