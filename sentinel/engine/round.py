"""One round on one connection: controls, trip-wire, questions, controls again, judgement.

    open  suspect | ask ask ask ... | close -> judge
                     \\ served: confirmed and published at once

A denial is judged only when the closing controls are in. If the connection changed in between,
what was asked on it proves nothing, and is asked again in the next round.
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from sentinel.clients.clock import Clock
from sentinel.core import agenda
from sentinel.core.agenda import Agenda
from sentinel.core.answer import Answer, Observation
from sentinel.core.api.gates import Lights, dimmest
from sentinel.core.api.question import Question, widened
from sentinel.core.verdict import Bracket, Reason
from sentinel.engine.book import Book
from sentinel.errors import OwnFault
from sentinel.kinds import Probe, Vantage

_GRACE_SECONDS = 20.0
"""A round ends before the scheduler looks stalled (three periods and 30 s): a slow API server is
not our own fault, and a restart would not make it faster."""

Pending = dict[Question, Observation | None]
"""What waits for the closing controls; None for what was due and not asked."""
_OURS = (Reason.TOKEN, Reason.IDENTITY, Reason.WHOAMI, Reason.READY)
"""Reasons nearer than a connection that changed: what was red before anything could be asked."""


@dataclass
class RoundRunner:
    """Drives the rounds of one probe. What it believes is in the book."""

    probe: Probe
    book: Book
    clock: Clock
    number: int = 0
    ended: str = field(default="no round yet", init=False)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)
    _quiet_until: float = field(default=float("-inf"), init=False)

    async def run(self, slot: int) -> None:
        """The round of this slot; whatever happens in it ends in the book."""
        agenda_ = self.book.agenda(slot, self.clock.wall())
        await self.run_agenda(agenda_, self.book.plan.every)

    async def glance(self, targets: Collection[str], questions: Collection[Question] = ()) -> None:
        """A short round out of turn: the trip-wire of these targets, these questions, and what stands open there.

        For news that came by itself, such as a binding that was just made.
        """
        async with self._turn:
            await self._round(self.book.glance(targets, questions), self.book.plan.every, targets)

    async def run_agenda(self, agenda_: Agenda, patience: float) -> None:
        """One round of these questions; what was not asked after `patience` seconds is left."""
        async with self._turn:
            await self._round(agenda_, patience)
        # What is answered with data costs us the connection, and with it all that was asked on it.
        if costly := tuple(question for question in agenda_.questions if self.book.costs_the_connection(question)):
            async with self._turn:
                await self._round(Agenda(costly, (), (), (), ()), patience, (), apart=True)

    async def _round(
        self, agenda_: Agenda, patience: float, only: Collection[str] | None = None, *, apart: bool = False
    ) -> None:
        self.number += 1
        start = self.clock.monotonic()
        asked = 0
        if start < self._quiet_until:
            self.ended = f"told to wait for {self._quiet_until - start:.0f} s more"
            self._give_up(agenda_.questions, Reason.LIMITED)
            self.book.end(self.number, self.clock.wall(), 0.0, 0, self.ended)
            return
        limit = 2 * patience + _GRACE_SECONDS
        try:
            async with asyncio.timeout(limit), self.probe.connect() as vantage:
                asked = await self._on(vantage, agenda_, start + patience, only, apart=apart)
        except TimeoutError:
            self.ended = f"the controls alone took longer than {limit:.0f} s"
            self._give_up(agenda_.questions, Reason.SILENT)
        except OwnFault as error:
            self.ended = str(error)
            self.book.cut_off(self.ended, self.clock.wall())
            self._give_up(agenda_.questions, Reason.READY)
        now = self.clock.wall()
        self.book.end(self.number, now, self.clock.monotonic() - start, asked, self.ended)

    def _is_due(self, question: Question, *, apart: bool) -> bool:
        return self.book.costs_the_connection(question) == apart

    async def _on(
        self, vantage: Vantage, plan: Agenda, deadline: float, only: Collection[str] | None, *, apart: bool
    ) -> int:
        due = plan.questions
        self.ended = await vantage.open(agenda.targets(due))
        if self.ended:
            self.book.see(vantage.lights(), self.clock.wall())
            self._give_up(due, self._reason(vantage))
            return 0
        self._learn_users(vantage, due)
        plan = self.book.suspect(await vantage.suspect(only), plan, self.clock.wall())
        # What a wider breach stands for is left out.
        questions = [q for q in plan.questions if not self.book.is_subsumed(q) and self._is_due(q, apart=apart)]
        await vantage.doors(agenda.targets(questions))
        before = vantage.lights()
        pending, asked = await self._ask(vantage, questions, deadline)
        await vantage.close()
        after = vantage.lights()
        self.book.see({who: dimmest(before[who], after[who]) for who in before}, self.clock.wall())
        self._judge(pending, before, after, intact=vantage.intact)
        self.book.learn(vantage.catalog())
        return asked

    async def _ask(self, vantage: Vantage, questions: Iterable[Question], deadline: float) -> tuple[Pending, int]:
        """Ask in order; what was served is judged at once, the rest is handed back, with the number asked."""
        pending: Pending = {}
        asked: set[Question] = set()
        hushed = False
        for question in questions:
            if question in asked or self.book.is_subsumed(question):
                continue
            if not vantage.intact or self.clock.monotonic() > deadline or hushed:
                pending[question] = None
                continue
            asked.add(question)
            seen = await vantage.ask(question)
            if seen.answer is Answer.SERVED:
                pending |= await self._look_wider(vantage, question, asked)
                second = await vantage.confirm(question)
                self.book.breached(question, seen, second, self.number)
            else:
                pending[question] = seen
            if seen.wait:
                # More of the same would be more of what they have too much of.
                hushed, self._quiet_until = True, self.clock.monotonic() + seen.wait
        return pending, len(asked)

    async def _look_wider(self, vantage: Vantage, question: Question, asked: set[Question]) -> Pending:
        """Before a new breach in one namespace is told: a hole in the whole cluster is one page, not a hundred.

        Its rule may have come after its own review. Each is asked once in a round, and any other
        answer than served is handed back: it may be due in this round anyhow.
        """
        wide = widened(question)
        if wide in asked or not self.book.may_be_wider(question, self.clock.wall()):
            return {}
        asked.add(wide)
        seen = await vantage.ask(wide)
        if seen.answer is not Answer.SERVED:
            return {wide: seen}
        self.book.breached(wide, seen, await vantage.confirm(wide), self.number)
        return {}

    def _judge(
        self,
        pending: Pending,
        before: Mapping[str, Lights],
        after: Mapping[str, Lights],
        *,
        intact: bool,
    ) -> None:
        brackets: dict[tuple[str, str, str], Bracket] = {}
        for question, seen in pending.items():
            key = (question.identity, question.target, question.resource.label)
            bracket = brackets.get(key)
            if bracket is None:
                bracket = brackets[key] = self.book.bracket(question, before, after)
            if not intact:
                # It may have ended the opening, too; what was not asked then is not the cause.
                bracket = Bracket(bracket.before if bracket.before in _OURS else None, Reason.RECONNECT)
            if seen is None:
                hushed = self.clock.monotonic() < self._quiet_until
                reason = bracket.red or (Reason.LIMITED if hushed else Reason.UNASKED)
                self.book.unasked(question, reason, self.clock.wall(), self.number)
            else:
                self.book.judged(question, seen, bracket, self.number)

    def _give_up(self, questions: Iterable[Question], reason: Reason) -> None:
        now = self.clock.wall()
        for question in questions:
            if not self.book.is_subsumed(question):
                self.book.unasked(question, reason, now, self.number)

    def _reason(self, vantage: Vantage) -> Reason:
        """Why a round ended at its opening: our own token first, else the server."""
        lights = next(iter(vantage.lights().values()))
        token = self.book.bracket_of_token(lights)
        return token or Reason.READY

    def _learn_users(self, vantage: Vantage, due: Iterable[Question]) -> None:
        for identity in dict.fromkeys(question.identity for question in due):
            self.book.users[identity] = vantage.user(identity)
