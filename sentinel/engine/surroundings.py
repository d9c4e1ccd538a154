"""Rounds of what surrounds every pod and is no tenant's: kubelets, the cloud's metadata, DNS.

    controls | ask ask ask ... | controls again -> judge
                 \\_ served: published at once

One lookout after the other, once a minute: nobody's policy for these changes by the second, and every
address we knock at is one more line in somebody's log.
"""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from sentinel.clients.clock import Clock
from sentinel.core.answer import Answer, Observation
from sentinel.core.verdict import GREEN, Bracket, Reason
from sentinel.kinds import Lookout

EVERY_SECONDS = 60.0
"""Between two rounds."""
AT_ONCE = 8
"""Questions on their way at the same time."""


class Believer(Protocol):
    """Where what was seen is judged and believed."""

    def take(self, asked: Any, seen: Observation, bracket: Bracket, *, silence_counts: bool, allowed: str) -> None:
        """One answer, with the gates around its question."""
        ...

    def opened(self, asked: type[Any]) -> Collection[Any]:
        """What stands open of this kind."""
        ...


@dataclass
class Surroundings:
    """Drives the lookouts. What it believes is in the book."""

    lookouts: tuple[Lookout[Any], ...]
    book: Believer
    clock: Clock
    number: int = field(default=0, init=False)

    async def run(self, slot: int) -> None:
        """The round of this slot."""
        del slot
        self.number += 1
        for lookout in self.lookouts:
            await self._look(lookout)

    async def _look(self, lookout: Lookout[Any]) -> None:
        questions = lookout.questions()
        before = await lookout.controls(questions)
        turn = asyncio.Semaphore(AT_ONCE)
        async with asyncio.TaskGroup() as group:
            asked = {q: group.create_task(self._ask(lookout, q, turn)) for q in questions}
        seen = {question: task.result() for question, task in asked.items()}
        after = await lookout.controls(questions)
        for question, found in seen.items():
            if found.answer is not Answer.SERVED:
                self._take(lookout, question, found, _bracket(question, found, before, after))

    async def _ask(self, lookout: Lookout[Any], question: Any, turn: asyncio.Semaphore) -> Observation:
        async with turn:
            seen = await lookout.ask(question)
        if seen.answer is Answer.SERVED:
            self._take(lookout, question, seen, GREEN)
        return seen

    def _take(self, lookout: Lookout[Any], question: Any, seen: Observation, bracket: Bracket) -> None:
        self.book.take(question, seen, bracket, silence_counts=lookout.silence_counts, allowed=lookout.allowed)


def _bracket(question: Any, seen: Observation, before: Mapping[Any, Reason], after: Mapping[Any, Reason]) -> Bracket:
    red = Bracket(before.get(question), after.get(question))
    if red.red is None and seen.answer is Answer.UNASKED:
        # Not `unasked`, which is about whole rounds at the API server.
        return Bracket(Reason.WAY)
    return red
