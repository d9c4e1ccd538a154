"""The first ten seconds of a pod: it may be up before its policies are. It is tried five times a second.

Only what gets through counts; a silence here proves nothing, as the controls are the round's. Our own
first seconds are tried as well: to us everybody is new then.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from sentinel.clients.clock import Clock
from sentinel.core.answer import Mark
from sentinel.core.net import net_plan
from sentinel.core.net.landing import Landing
from sentinel.core.net.net_plan import YOUNG_SECONDS
from sentinel.core.net.roster import Beacon, Roster
from sentinel.core.verdict import GREEN
from sentinel.engine import voice
from sentinel.engine.net_round import NetRound

STRETCH = 1.0
"""Seconds of one batch."""
MOST_YOUNG = 20
"""Pods tried at the same time: 200 connects a second at most, where all are new, as at our own start."""


@dataclass
class Young:
    """Watches the roster for pods that are new. `see` is told of every roster."""

    round: NetRound
    clock: Clock
    _seen: dict[str, float] = field(default_factory=dict, init=False)  # uid -> when first, monotonic
    _news: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _turn: int = field(default=0, init=False)

    def see(self, roster: Roster) -> None:
        """Note who is new; only one that has an address can be tried."""
        now, there = self.clock.monotonic(), {beacon.uid for beacon in roster.beacons if beacon.addresses}
        self._seen = {uid: self._seen.get(uid, now) for uid in there}
        if self._young(roster):
            self._news.set()

    async def run(self) -> None:
        """For ever."""
        async with asyncio.TaskGroup() as group:
            while True:
                await self._news.wait()
                roster, own = self.round.usable, self.round.own
                beacons = self._young(roster) if roster is not None and own is not None else []
                if roster is not None and own is not None and beacons:
                    group.create_task(self._try(self._some(beacons), own, roster), name="network: young pods")
                elif roster is None or own is not None:
                    self._news.clear()
                await asyncio.sleep(STRETCH)

    def _young(self, roster: Roster) -> list[Beacon]:
        now, own = self.clock.monotonic(), self.round.own
        tenant = own.tenant if own is not None else ""
        others = (beacon for beacon in roster.beacons if beacon.tenant != tenant)
        return [one for one in others if now - self._seen.get(one.uid, now) < YOUNG_SECONDS]

    def _some(self, beacons: Sequence[Beacon]) -> list[Beacon]:
        """As many as we try at once, in turn."""
        first = self._turn % len(beacons)
        self._turn += MOST_YOUNG
        return [*beacons[first:], *beacons[:first]][:MOST_YOUNG]

    async def _try(self, beacons: Sequence[Beacon], own: Beacon, roster: Roster) -> None:
        shots = net_plan.young(beacons, STRETCH, self.round.terms)
        said, timeout = self.round.voice.say(shots, own), self.round.terms.timeout

        def landed(index: int, landing: Landing) -> None:
            one = said[index]
            who = voice.who(one, landing, self.round.roster or roster) if landing.reply else None
            if who is not None and one.shot.crossing is not None and who.target == one.shot.crossing.target:
                seen = replace(voice.observe(one, landing, who, timeout, live=True), mark=Mark.LATE)
                self.round.book.take(one.shot.crossing, seen, GREEN, self.round.number)

        await self.round.dial([one.attempt for one in said], timeout, landed)
