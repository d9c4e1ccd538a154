"""Waiting for a condition with a deadline, in place of a sleep that hopes."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

PAUSE = 0.02
"""Seconds between two looks: short beside any server's start, long beside a look's cost."""


def eventually(look: Callable[[], T], within: float, what: str | Callable[[], str] = "") -> T:
    """What `look` gives once it is true; TimeoutError after `within` seconds.

    An OSError (a server that does not listen yet) is a "not yet", and is told
    when the time is up. `what` completes the sentence "not within 5 s: …".
    """
    until = time.monotonic() + within
    last: OSError | None = None
    while True:
        try:
            if found := look():
                return found
        except OSError as error:
            last = error
        if time.monotonic() > until:
            text = what() if callable(what) else what or getattr(look, "__qualname__", "it")
            raise TimeoutError(f"not within {within:g} s: {text}{f' ({last!r})' if last else ''}")
        time.sleep(PAUSE)


async def eventually_async(
    look: Callable[[], Awaitable[object] | object], what: str = "", within: float = 60.0
) -> None:
    """The same for what lives in our own loop; `look` may be a coroutine. The limit is for a machine that is busy."""
    try:
        async with asyncio.timeout(within):
            while True:
                found = look()
                if await found if inspect.isawaitable(found) else found:
                    return
                await asyncio.sleep(PAUSE)
    except TimeoutError:
        raise TimeoutError(f"not within {within:g} s: {what or getattr(look, '__qualname__', 'it')}") from None
