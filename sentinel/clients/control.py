"""JSON over HTTP to whoever can break things for a drill: small, bounded, and with every error in our words."""

import json
from collections.abc import Mapping
from typing import Any

import aiohttp

from sentinel import __version__
from sentinel.clients.session import Session
from sentinel.clients.tokens import NoToken, Source
from sentinel.core.api.reply import clean
from sentinel.errors import BadReply, Refused, TimedOut, Unreachable

TIMEOUT = 10.0
"""Seconds for a whole call: a healthy one takes milliseconds, and a wound must not wait for its undo."""
_MOST_REPLY = 256 * 1024
_SAID = 200


class Missing(Refused):
    """There is no such thing there: 404."""


class Taken(Refused):
    """Somebody else's stands there already: 409."""


class Control(Session):
    """A session to one control address, used as `async with`."""

    def __init__(self, url: str, token: Source | None = None, timeout: float = TIMEOUT) -> None:
        """`token`: what it asks for, if it does; `timeout` in seconds."""
        self._url = url.rstrip("/")
        self._token = token or NoToken()
        self._timeout = timeout

    def _options(self) -> dict[str, Any]:
        return {
            "connector": aiohttp.TCPConnector(force_close=True),
            "timeout": aiohttp.ClientTimeout(total=self._timeout),
            "headers": {"User-Agent": f"tenant-sentinel/{__version__}"},
        }

    async def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The reply's JSON object; empty where there is no content.

        Raises Unreachable, TimedOut, Missing (404), Taken (409), Refused (other 4xx), BadReply, OwnFault.
        """
        where = f"{method} {self._url}{path}"
        try:
            status, said = await self._said(method, path, body)
        except TimeoutError as error:
            raise TimedOut(f"{where}: no answer within {self._timeout:g} s") from error
        except (aiohttp.ClientConnectionError, OSError) as error:
            raise Unreachable(f"{where}: {type(error).__name__}") from error
        except (aiohttp.ClientError, ValueError) as error:
            raise BadReply(f"{where}: {type(error).__name__}") from error
        if not 200 <= status < 300:
            words = clean(said[:_SAID].decode("latin-1"), _SAID).strip()
            raise _kind(status)(f"{where}: answered {status}{f': {words}' if words else ''}")
        return _object(said, where)

    async def _said(self, method: str, path: str, body: Mapping[str, Any] | None) -> tuple[int, bytes]:
        assert self._session is not None, "call is called inside `async with`"
        token = self._token.read()
        headers = {} if token is None else {"Authorization": f"Bearer {token.text}"}
        data = None if body is None else json.dumps(body).encode()
        if data is not None:
            headers["Content-Type"] = "application/json"
        async with self._session.request(
            method, self._url + path, data=data, headers=headers, allow_redirects=False
        ) as response:
            return response.status, await response.content.read(_MOST_REPLY)


def _kind(status: int) -> type[Refused | BadReply]:
    known: dict[int, type[Refused]] = {404: Missing, 409: Taken}
    return known.get(status) or (Refused if 400 <= status < 500 else BadReply)


def _object(said: bytes, where: str) -> dict[str, Any]:
    try:
        doc = json.loads(said) if said.strip() else {}
    except ValueError as error:
        raise BadReply(f"{where}: answered with something that is no JSON") from error
    if not isinstance(doc, dict):
        raise BadReply(f"{where}: answered with JSON that is no object")
    return doc
