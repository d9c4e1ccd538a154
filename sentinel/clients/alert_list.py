"""Alerts as somebody hands them over: a file, or the URL of Alertmanager's list. Read once, bounded."""

import json
from pathlib import Path
from typing import Any

import aiohttp

from sentinel.core.api.reply import clean
from sentinel.errors import BadReply, OwnFault, Unreachable

_MOST_BYTES = 16 * 1024 * 1024
_SECONDS = 20.0


async def read(source: str) -> Any:
    """The JSON of a file, or of what this URL gives. Raises ClientError."""
    is_url = source.startswith(("http://", "https://"))
    data = await _fetched(source) if is_url else _file(source)
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BadReply(f"{source}: found no JSON, expected a list of alerts or a webhook's message") from error


def _file(path: str) -> bytes:
    try:
        with Path(path).open("rb") as handle:
            return handle.read(_MOST_BYTES)
    except OSError as error:
        raise OwnFault(f"{path}: {error.strerror or type(error).__name__}") from error


async def _fetched(url: str) -> bytes:
    timeout = aiohttp.ClientTimeout(total=_SECONDS)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(url, headers={"Accept": "application/json"}) as response,
        ):
            if response.status != 200:
                raise BadReply(f"{url}: {response.status}, expected 200")
            found = bytearray()
            async for chunk in response.content.iter_any():
                found += chunk
                if len(found) > _MOST_BYTES:
                    raise BadReply(f"{url}: more than {_MOST_BYTES} bytes")
            return bytes(found)
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
        raise Unreachable(f"{url}: {type(error).__name__}: {clean(str(error))}") from error
