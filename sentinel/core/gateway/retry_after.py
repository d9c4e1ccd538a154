"""When to come back, as an error says it, and whether that was true.

A gateway that says `Retry-After: 10` and is still down after ten seconds sends its users away for
nothing. `Pledge` is such a word; the first probe that begins after it has run out is its test.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

MOST_SECONDS = 86_400.0
"""A day: what is longer says no more than that."""


def seconds(headers: Mapping[str, str], wall: float) -> float | None:
    """The wait in seconds, None when none is told. `headers` in lower case; `wall` is now, for dates.

    `retry-after-ms` (Azure) is the finer word. RFC 9110, 10.2.3 knows seconds and dates.
    """
    exact = _number(headers.get("retry-after-ms", ""))
    if exact is not None:
        return min(exact / 1000, MOST_SECONDS)
    told = headers.get("retry-after", "").strip()
    number = _number(told)
    if number is not None:
        return min(number, MOST_SECONDS)
    return _until(told, wall) if told else None


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None


def _until(text: str, wall: float) -> float | None:
    try:
        date = parsedate_to_datetime(text)
        moment = date.replace(tzinfo=date.tzinfo or UTC).timestamp()
    except (ValueError, OverflowError):
        return None
    return min(max(0.0, moment - wall), MOST_SECONDS)


@dataclass(frozen=True, slots=True)
class Pledge:
    """Somebody said to come back at `due` (seconds of the caller's clock)."""

    due: float


def kept(pledges: tuple[Pledge, ...], start: float, *, good: bool) -> tuple[tuple[Pledge, ...], int, int]:
    """What is left of the pledges after a probe that began at `start`, how many it kept, how many it broke."""
    tested = sum(pledge.due <= start for pledge in pledges)
    left = tuple(pledge for pledge in pledges if pledge.due > start)
    return (left, tested, 0) if good else (left, 0, tested)
