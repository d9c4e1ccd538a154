"""The place outside where heads of the journal's chain are posted to: a small JSON, and any 2xx is a yes."""

import json
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from sentinel import __version__
from sentinel.clients.session import Session
from sentinel.errors import BadReply, Refused, TimedOut, Unreachable

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
