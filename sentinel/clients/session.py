"""What our sessions to HTTP servers have in common: no cookies, no proxies from the environment, and an end."""

from types import TracebackType
from typing import Any, Self

import aiohttp


class Session:
    """The base of our clients, used as `async with`. `_session` is there between both ends."""

    _session: aiohttp.ClientSession | None = None

    def _options(self) -> dict[str, Any]:
        """What this one's session is made with besides. Called on the loop that it will run on."""
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        """Open the session; connections are made when there is something to send."""
        self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), trust_env=False, **self._options())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
