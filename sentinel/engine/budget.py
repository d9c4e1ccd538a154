"""What may be spent out of turn: a bucket that fills at the budget's rate, and a queue before it.

Whoever can make news (a binding that names others' accounts, made and removed in a loop) could make
us ask without end. So news waits its turn here, and never costs more than the rate.
"""

import asyncio
from dataclasses import dataclass, field

from sentinel.clients.clock import Clock

BURST_SECONDS = 10.0
"""How much of the rate may be spent at once: one round's worth at the usual period."""


@dataclass
class Budget:
    """Requests per second for what comes out of turn."""

    rate: float
    clock: Clock
    _free_at: float = field(default=float("-inf"), init=False)

    async def spend(self, requests: float) -> None:
        """Return when so many requests may be sent; in the order of asking."""
        now = self.clock.monotonic()
        begin = max(self._free_at, now - BURST_SECONDS)
        self._free_at = begin + requests / self.rate
        await asyncio.sleep(max(0.0, self._free_at - now))
