"""Waiting for a condition with a deadline, in place of a sleep that hopes."""

import time
from collections.abc import Callable
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
