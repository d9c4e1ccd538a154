"""Durations as people write them and as Prometheus does: `10s`, `5m`, `500ms`, `1h30m`, `7d`.

A bare number is refused: nobody can see whether `10` means seconds or milliseconds, and the same
value is copied into alerting rules, where it would mean something else. Inside, a duration is a
`timedelta` of whole milliseconds.
"""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from sentinel.settings.section import wrong

UNITS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
"""Milliseconds of each unit, the largest first: the order in which they may be written."""

LONGEST = timedelta(days=365)
"""A year: longer is a slip of the hand, and far from where `timedelta` overflows."""

_NUMBER = r"[0-9]{1,12}(?:\.[0-9]{1,6})?"
_WRITTEN = re.compile("".join(rf"(?:(?P<{unit}>{_NUMBER}){unit})?" for unit in UNITS))


def parse(text: object) -> timedelta:
    """Read a duration; raises a pydantic error that says what a duration looks like."""
    if isinstance(text, timedelta):
        return text
    expected = "a duration such as 10s, 5m or 500ms"
    if isinstance(text, str) and text.startswith("-"):
        raise wrong("a duration longer than zero")
    match = _WRITTEN.fullmatch(text) if isinstance(text, str) and text else None
    if match is None:
        raise wrong(expected, "units, largest first: d h m s ms" if isinstance(text, str) else "")
    return _checked(sum(Decimal(match[unit] or 0) * size for unit, size in UNITS.items()))


def _checked(milliseconds: Decimal | int) -> timedelta:
    if milliseconds != int(milliseconds):
        raise wrong("a duration in whole milliseconds")
    if not milliseconds:
        raise wrong("a duration longer than zero")
    if milliseconds > LONGEST // timedelta(milliseconds=1):
        raise wrong("a duration of at most 365d")
    return timedelta(milliseconds=int(milliseconds))


def written(duration: timedelta) -> str:
    """Give the shortest form that `parse` reads back as the same duration: `90s` becomes `1m30s`."""
    rest = duration // timedelta(milliseconds=1)
    parts = []
    for unit, size in UNITS.items():
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)


Duration = Annotated[
    timedelta,
    BeforeValidator(parse),
    PlainSerializer(written, return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^([0-9]+(\.[0-9]+)?(d|h|m|s|ms))+$", "examples": ["10s"]}),
]
"""A `timedelta` longer than zero, written with units."""
