"""Hints: which targets a tenant's sentinel should look at now, as the witness learns of changes.

    watch --tell--> Hints --wait--> GET /api/v1/hints?after=N

A hint is no news and no order: it names a target that this tenant asks about anyway, and costs a
look. So it may be lost, told twice, or told to somebody who has no use for it; the rounds find
everything without it.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

from sentinel.core.net.hint import Hint

MOST_TARGETS = 500
"""Remembered for each tenant; what is older is found by the rounds."""


@dataclass
class _Told:
    """What one tenant was told, oldest first: target -> number."""

    number: int
    targets: dict[str, int] = field(default_factory=dict)
    rung: asyncio.Event = field(default_factory=asyncio.Event)


class Hints:
    """One sequence for each tenant; a target that is told again is told once, with the newer number."""

    def __init__(self, begin: int) -> None:
        """`begin`: above all numbers of our earlier lives; wall seconds will do."""
        self._begin = begin
        self._told: dict[str, _Told] = {}

    def tell(self, tenant: str, targets: Iterable[str]) -> None:
        """Something may have changed there; wakes whoever waits. Tenants come from the configuration."""
        told, fresh = self._of(tenant), [*targets]
        if not fresh:
            return
        told.number += 1
        for target in fresh:
            told.targets.pop(target, None)
            told.targets[target] = told.number
        for target in [*told.targets][: max(0, len(told.targets) - MOST_TARGETS)]:
            del told.targets[target]
        # Who waits now has this event; who comes later gets a new one.
        told.rung.set()
        told.rung = asyncio.Event()

    async def wait(self, tenant: str, after: int, timeout: float) -> Hint:  # noqa: ASYNC109  # an empty hint is no error
        """What was told since `after`, at once if there is any, else for at most `timeout` seconds.

        A number from the future is of another life: it is given everything.
        """
        told = self._of(tenant)
        seen = after if after <= told.number else 0
        if seen >= told.number:
            try:
                async with asyncio.timeout(timeout):
                    await told.rung.wait()
            except TimeoutError:
                return Hint(told.number, frozenset())
        return Hint(told.number, frozenset(target for target, number in told.targets.items() if number > seen))

    def _of(self, tenant: str) -> _Told:
        return self._told.setdefault(tenant, _Told(self._begin))
