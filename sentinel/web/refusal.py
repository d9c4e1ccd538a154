"""How the relay says no, and how it reads what strangers send: bounded in size and in time."""

import asyncio
import json
import math
from collections import Counter
from contextlib import AbstractContextManager

from aiohttp import web

from sentinel.core.claim import Result

MOST_BODY = 256 * 1024
"""Bytes. A page has about two thousand."""
BODY_SECONDS = 5.0
"""For a body, from its first byte to its last."""
SOON = 1.0
"""Seconds to wait where nobody knows better."""

_STATUS = {
    Result.MALFORMED: 400,
    Result.UNKNOWN_TOKEN: 401,
    Result.FOREIGN: 403,
    Result.STRANGER: 403,
    Result.NOT_FOUND: 404,
    Result.SLOW: 408,
    Result.CONFLICT: 409,
    Result.TOO_LARGE: 413,
    Result.THROTTLED: 429,
    Result.UNAVAILABLE: 503,
}
_MAY_STAY = (Result.THROTTLED, Result.MALFORMED, Result.STRANGER, Result.CONFLICT)


class TurnedAway(Exception):  # not an error of ours
    """A request is refused: how, a sentence, and for how many seconds it should wait."""

    def __init__(self, result: Result, why: str, after: float = 0.0) -> None:
        """`why` is told."""
        super().__init__(why)
        self.result = result
        self.after = after


class OneOf(AbstractContextManager[None]):
    """One of the few requests of this kind that somebody may have under way; `busy` counts them. Raises TurnedAway."""

    def __init__(self, busy: Counter[str], kind: str, most: int) -> None:
        """Nothing is counted yet."""
        self._busy, self._kind, self._most = busy, kind, most

    def __enter__(self) -> None:
        """Count one, or refuse it."""
        if self._busy[self._kind] >= self._most:
            raise TurnedAway(Result.THROTTLED, f"more than {self._most} requests at the same time", SOON)
        self._busy[self._kind] += 1

    def __exit__(self, *_: object) -> None:
        """It is over; whoever has none under way costs no memory."""
        self._busy[self._kind] -= 1
        if not self._busy[self._kind]:
            del self._busy[self._kind]


async def body_of(request: web.BaseRequest) -> bytes:
    """All of it. Raises TurnedAway."""
    chunks, size = [], 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.content.iter_any():
                size += len(chunk)
                if size > MOST_BODY:
                    raise too_large()
                chunks.append(chunk)
    except TimeoutError:
        raise TurnedAway(Result.SLOW, f"the body took longer than {BODY_SECONDS:g} s") from None
    except web.RequestPayloadError:
        raise TurnedAway(Result.MALFORMED, "the body is not what its headers say") from None
    return b"".join(chunks)


def too_large() -> TurnedAway:
    """What is said of a body that is."""
    return TurnedAway(Result.TOO_LARGE, f"more than {MOST_BODY // 1024} KiB")


def refusal(error: TurnedAway) -> web.Response:
    """The response that says so."""
    response = granted({"error": str(error)}, _STATUS[error.result])
    if error.after:
        response.headers["Retry-After"] = str(math.ceil(error.after))
    if error.result not in _MAY_STAY:
        # The next try costs whoever makes it a handshake.
        response.force_close()
    return response


def granted(found: object, status: int = 200) -> web.Response:
    """An answer in JSON."""
    headers = {
        "Content-Type": "application/json",
        "Server": "tenant-sentinel",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }
    return web.Response(status=status, body=json.dumps(found).encode(), headers=headers)
