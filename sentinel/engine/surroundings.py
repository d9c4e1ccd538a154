"""Rounds of what surrounds every pod and is no tenant's: kubelets, the cloud's metadata, DNS.

    controls | ask ask ask ... | controls again -> judge
                 \\_ served: published at once

One lookout after the other, once in six rounds of the network: what is open there is open for longer
than that, and every address we knock at is a line in somebody's log.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sentinel.clients.clock import Clock
from sentinel.core.answer import Answer, Observation
from sentinel.core.asked import Asked
from sentinel.core.net import net_plan
from sentinel.core.net.crossing import Family, Path, Protocol
from sentinel.core.net.net_gates import Way
from sentinel.core.net.net_plan import Role
from sentinel.core.verdict import GREEN, Bracket, Reason
from sentinel.engine import voice
from sentinel.engine.book import FORGET_SECONDS
from sentinel.engine.crossings import Crossings
from sentinel.engine.net_round import NetRound
from sentinel.kinds import Lookout

AT_ONCE = 8
"""Questions on their way at the same time."""


@dataclass
class Surroundings:
    """Drives the lookouts. What is believed is in the network's book."""

    lookouts: tuple[Lookout[Any], ...]
    book: Crossings
    clock: Clock
    every: float = 60.0
    number: int = field(default=0, init=False)

    async def run(self, slot: int = 0) -> None:
        """The round of a slot. What it finds is told at once; the network's own rounds sum it up.

        They alone do: else these would hide that those stand still.
        """
        del slot
        self.number += 1
        for lookout in self.lookouts:
            await self._look(lookout)

    async def _look(self, lookout: Lookout[Any]) -> None:
        questions = [*lookout.questions()]
        questions += self._lingering(lookout.check, questions)
        self.book.plan(lookout.check, questions, self.every, self.clock.wall())
        before = await lookout.controls(questions)
        turn = asyncio.Semaphore(AT_ONCE)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._ask(lookout, question, turn)) for question in questions]
        after = await lookout.controls(questions)
        for question, task in zip(questions, tasks, strict=True):
            seen = task.result()
            if seen.answer is not Answer.SERVED:
                self._take(lookout, question, seen, _bracket(question, seen, before, after))

    def _lingering(self, check: str, planned: Iterable[Asked]) -> list[Asked]:
        """What stood open until lately and nobody plans any more, such as a node whose last beacon moved away.

        It is asked as long as it lets us in; when it is gone for good the book forgets it.
        """
        horizon, known = self.clock.wall() - FORGET_SECONDS, frozenset(planned)
        found = []
        for asked, seen in self.book.standings.items():
            gone = asked.check == check and asked not in known
            if gone and seen.breach is not None and seen.breach.last > horizon:
                found.append(asked)
        return found

    async def _ask(self, lookout: Lookout[Any], question: Asked, turn: asyncio.Semaphore) -> Observation:
        async with turn:
            seen = await lookout.ask(question)
        if seen.answer is Answer.SERVED:
            self._take(lookout, question, seen, GREEN)
        return seen

    def _take(self, lookout: Lookout[Any], question: Asked, seen: Observation, bracket: Bracket) -> None:
        silent, allowed = lookout.silence_counts, lookout.allowed
        self.book.take(question, seen, bracket, self.number, silence_counts=silent, allowed=allowed)


def _bracket(question: Asked, seen: Observation, before: Mapping[Any, Reason], after: Mapping[Any, Reason]) -> Bracket:
    around = Bracket(before.get(question), after.get(question))
    if around.red is None and seen.answer is Answer.UNASKED:
        # Not `unasked`, by which it is known that nothing at all could be asked of the API server.
        return Bracket(Reason.WAY)
    return around


@dataclass(frozen=True)
class Egress:
    """Whether what we send leaves us, by one family: the lighthouse, which everybody may reach, answers it."""

    network: NetRound

    async def __call__(self, family: Family) -> Reason | None:
        """The reason why it may not; None when the lighthouse answered just now."""
        roster, own = self.network.usable, self.network.own
        if roster is None or own is None:
            return Reason.ROSTER
        controls = net_plan.controls(roster, own, [Way(Protocol.TCP, family, Path.POD)])
        shots = [shot for shot in controls if shot.role is Role.LIGHTHOUSE]
        said = self.network.voice.say(shots, own)
        landings = await self.network.dial([one.attempt for one in said], self.network.terms.timeout, _ignore)
        who = (voice.who(one, landing, roster) for one, landing in zip(said, landings, strict=True))
        return None if any(found is not None and found == roster.lighthouse for found in who) else Reason.LIGHTHOUSE


def _ignore(index: int, landing: object) -> None:
    del index, landing
