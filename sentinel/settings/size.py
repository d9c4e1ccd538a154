"""Sizes as Kubernetes writes them for volumes: `200Mi`, `5Gi`. Inside, a number of bytes."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from sentinel.settings.section import wrong

UNITS = {"Gi": 2**30, "Mi": 2**20}
"""Bytes of each unit, the largest first."""
SMALLEST = 2**20
LARGEST = 1024 * 2**30
_WRITTEN = re.compile(r"([0-9]{1,7})(Mi|Gi)")


def parse(text: object) -> int:
    """Read a size; raises a pydantic error that says what one looks like."""
    if isinstance(text, int) and not isinstance(text, bool) and text >= SMALLEST:
        return text  # our own default
    match = _WRITTEN.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise wrong("a size such as 200Mi or 5Gi")
    size = int(match[1]) * UNITS[match[2]]
    if not SMALLEST <= size <= LARGEST:
        raise wrong("a size from 1Mi to 1024Gi")
    return size


def written(size: int) -> str:
    """Give the form that `parse` reads back."""
    unit = next((unit for unit, number in UNITS.items() if size % number == 0), "Mi")
    return f"{size // UNITS[unit]}{unit}"


Size = Annotated[
    int,
    BeforeValidator(parse),
    PlainSerializer(written, return_type=str),
    WithJsonSchema({"type": "string", "pattern": "^[0-9]+(Mi|Gi)$", "examples": ["200Mi"]}),
]
"""Bytes, written with a unit."""
