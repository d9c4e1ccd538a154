"""Our own disturbances: a loop that slept, a clock that jumped. Meanwhile nothing is known about anybody else.

A stalled loop makes every answer look late and every silence long. `engine.gateway` asks, of each
probe that ended badly, whether one of them lay in between, and then it says nothing of the gateway.
"""

import asyncio
from collections import deque
from collections.abc import Callable

from sentinel.clients.clock import Clock
from sentinel.core.gateway.completion import Trouble

TICK = 0.25
"""Seconds between two looks at the clocks."""
MOST_LAG = 1.0
"""Seconds by which the loop may be late before it counts: a busy machine has a tenth of it."""
MOST_JUMP = 1.0
"""Seconds by which the two clocks may part between two looks; NTP slews by half a millisecond a second."""
_KEPT = 64

Heed = Callable[[float, float], None]


class Disturbances:
    """Keeps the last ones. Times are monotonic seconds."""

    def __init__(self, clock: Clock) -> None:
        """All is well so far."""
        self._clock = clock
        self._known: deque[tuple[float, float, Trouble]] = deque(maxlen=_KEPT)
        self._looked = clock.monotonic()
        self._apart = clock.wall() - self._looked
        self._heeds: list[Heed] = []

    def heed(self, heed: Heed) -> None:
        """Call this with the begin and the end of each."""
        self._heeds.append(heed)

    async def watch(self) -> None:
        """For ever: look at the clocks."""
        while True:
            await asyncio.sleep(TICK)
            self._look()

    def during(self, start: float) -> Trouble | None:
        """What disturbed us between `start` and now, None when nothing did."""
        self._look()
        return next((trouble for _, end, trouble in self._known if end > start), None)

    def _look(self) -> None:
        now = self._clock.monotonic()
        apart = self._clock.wall() - now
        before, self._looked = self._looked, now
        jumped, self._apart = abs(apart - self._apart) > MOST_JUMP, apart
        if now - before > TICK + MOST_LAG:
            self._tell(before, now, Trouble.LAG)
        elif jumped:
            self._tell(before, now, Trouble.CLOCK)

    def _tell(self, begin: float, end: float, trouble: Trouble) -> None:
        self._known.append((begin, end, trouble))
        for heed in self._heeds:
            heed(begin, end)
