"""The open-loop scheduler: slots from a start point; a slow round skips slots and never drifts.

It knows whether it makes progress: the age of its last completed round is what `/healthz` shows.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog

from sentinel.clients.clock import Clock
from sentinel.core.schedule import Slots

STALLED_PERIODS = 3.0
"""Without a completed round for this many periods, the scheduler has stalled."""
_GRACE_SECONDS = 30.0
_log = structlog.get_logger()


@dataclass
class Scheduler:
    """Runs `round_` in every slot. `every` gives the period in seconds, asked before each slot."""

    round_: Callable[[int], Awaitable[None]]
    every: Callable[[], float]
    offset: float
    clock: Clock
    skipped: Callable[[int], None]
    late: Callable[[float], None]
    failed: Callable[[], None]
    last: float = field(init=False)

    def __post_init__(self) -> None:
        """The clock of progress starts now."""
        self.last = self.clock.monotonic()

    async def run(self) -> None:
        """For ever. A change of period begins a new count of slots, one new period after the last."""
        number, begin = 0, self.clock.monotonic() + self.offset
        while True:
            every, slot = self.every(), -1
            slots = Slots(begin, every)
            while every == self.every():
                upcoming = max(slots.next(self.clock.monotonic()), slot + 1)
                self.skipped(upcoming - slot - 1)
                number, slot = number + upcoming - slot, upcoming
                await self._at(slots.at(slot))
                await self._round(number)
            begin = slots.at(slot) + self.every()

    def progress(self) -> tuple[bool, str]:
        """Whether a round was completed lately, and how long ago in words."""
        age = self.clock.monotonic() - self.last
        fine = age < STALLED_PERIODS * self.every() + _GRACE_SECONDS
        return fine, f"last round completed {age:.1f} s ago"

    async def _at(self, when: float) -> None:
        await asyncio.sleep(max(0.0, when - self.clock.monotonic()))
        self.late(max(0.0, self.clock.monotonic() - when))

    async def _round(self, number: int) -> None:
        try:
            await self.round_(number)
        except Exception:  # noqa: BLE001
            # Our bug: one round is lost, and seen; the next one is tried all the same.
            _log.exception("round.failed", round=number)
            self.failed()
        else:
            self.last = self.clock.monotonic()


async def measure_lag(clock: Clock, note: Callable[[float], None], every: float = 0.5) -> None:
    """For ever: how late our own loop is, seconds. A stalled loop makes every answer look late."""
    while True:
        due = clock.monotonic() + every
        await asyncio.sleep(every)
        note(max(0.0, clock.monotonic() - due))
