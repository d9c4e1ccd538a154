"""When to ask: slots from a start point, spread by hash, and a rotation that forgets nothing.

    start + offset      |----- every -----|----- every -----|
    slot                0                 1                 2

A slot is a number, not a moment kept in a variable: a slow round skips slots and never drifts.
"""

import math
import zlib
from dataclasses import dataclass


def spread(key: str, every: float) -> float:
    """The offset in seconds of this key within a period: from its hash, so restarts keep it."""
    return every * (zlib.crc32(key.encode()) % 10_000) / 10_000


@dataclass(frozen=True, slots=True)
class Slots:
    """Slots of `every` seconds from `start` (seconds of the caller's clock)."""

    start: float
    every: float

    def at(self, slot: int) -> float:
        """When this slot begins."""
        return self.start + slot * self.every

    def next(self, now: float) -> int:
        """The first slot that has not begun at `now`."""
        return max(0, math.ceil((now - self.start) / self.every - 1e-9))


def quota(slot: int, items: int, slots: int) -> int:
    """How many of `items` are due in this slot, so that all are within any `slots` slots.

    Bresenham's line: the sum over k slots is floor(k * items / slots), never off by more than one.
    """
    return (slot + 1) * items // slots - slot * items // slots


def quota_between(last: int, slot: int, items: int, slots: int) -> int:
    """What is due in `slot` when `last` was the one served before: skipped slots are owed.

    At most twice a slot's share, so that a stall is not followed by a burst.
    """
    owed = (slot + 1) * items // slots - (last + 1) * items // slots
    return min(owed, items, 2 * math.ceil(items / slots))
