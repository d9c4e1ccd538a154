"""A tenant's side of the hints: ask the witness where to look, and look there at once, within the budget.

It only makes rounds earlier that would come anyway. So a witness that is away costs nothing but the
haste, and one that lies makes us ask what we are asked to, at a rate that is our own.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field

import structlog

from sentinel.core.net.hint import Hint
from sentinel.engine.budget import Budget
from sentinel.errors import ClientError

FIRST_PAUSE = 1.0
"""Seconds after the first failure; doubled with each, up to `LONGEST_PAUSE`."""
LONGEST_PAUSE = 30.0

_log = structlog.get_logger()


@dataclass
class Follower:
    """`ask` gives what was told since a number; `glance` looks; `cost` is its requests for so many targets."""

    ask: Callable[[int], Awaitable[Hint]]
    glance: Callable[[Collection[str]], Awaitable[None]]
    cost: Callable[[int], float]
    targets: frozenset[str]
    budget: Budget
    _pause: float = field(default=0.0, init=False)

    async def run(self) -> None:
        """For ever."""
        after: int | None = None
        while True:
            hint = await self._next(after or 0)
            # What was told before we came, the first round looks at.
            known, after = after, (hint.next if hint is not None else after)
            # Names that are not ours to ask about come from nobody honest.
            wanted = hint.targets & self.targets if hint is not None and known is not None else frozenset()
            if wanted:
                await self.budget.spend(self.cost(len(wanted)))
                await self.glance(wanted)

    async def _next(self, after: int) -> Hint | None:
        try:
            hint = await self.ask(after)
        except ClientError as error:
            if not self._pause:
                _log.warning("hints.lost", detail=str(error))
            self._pause = min(LONGEST_PAUSE, 2 * self._pause or FIRST_PAUSE)
            await asyncio.sleep(self._pause)
            return None
        if self._pause:
            _log.info("hints.back")
        self._pause = 0.0
        return hint
