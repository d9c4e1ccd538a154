"""One round in which every question is asked: the same round, the same judge, no memory before it."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from sentinel.clients.clock import Clock
from sentinel.core.agenda import Agenda
from sentinel.core.api.question import Question
from sentinel.core.record import Record, Round
from sentinel.engine.book import Book
from sentinel.engine.round import RoundRunner
from sentinel.joins.world import World, plan_of
from sentinel.reports.baseline import Seen
from sentinel.reports.outcome import Outcome
from sentinel.settings import Settings

_FURTHER_ROUNDS = 2
_PATIENCE_SECONDS = 600.0
"""One round of everything may take longer than a round of the daemon."""


@dataclass
class _Listener:
    """The sink that keeps what was seen."""

    records: dict[object, Record] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()

    def put(self, record: Record) -> None:
        self.records[record.question] = record

    def end_round(self, report: Round) -> None:
        self.reasons = report.reasons


async def ask_everything(settings: Settings, environ: Mapping[str, str], check: str) -> Outcome:
    """Ask each question of one check, or of all when `check` is empty."""
    listener = _Listener()
    runner = await _runner(settings, environ, Clock(), listener)
    allowed = runner.book.plan.scope.allow
    await _everything(runner, check)
    shown = (row for row in listener.records.values() if not check or row.question.check == check)
    return Outcome(tuple(shown), listener.reasons, allowed)


async def _runner(settings: Settings, environ: Mapping[str, str], clock: Clock, listener: _Listener) -> RoundRunner:
    """Knows nothing yet, and tells the listener alone."""
    plan = plan_of(settings)
    world = World(settings, environ, clock)
    await world.prepare()
    return RoundRunner(world.probe(plan), Book(plan, clock.wall(), (listener,)), clock)


async def _everything(runner: RoundRunner, check: str = "") -> None:
    """Each planned question once; what discovery finds in that round is asked in one more."""
    asked: set[Question] = set()
    for _ in range(2):
        planned = (q for q in runner.book.plan.questions if not check or q.check == check)
        wanted = tuple(question for question in planned if question not in asked)
        if wanted or not asked:
            # As a tier's turn: what is open or overdue would be cut to the budget of a round.
            await runner.run_agenda(Agenda((), (), wanted, (), ()), _PATIENCE_SECONDS)
        asked.update(wanted)


async def find_open(settings: Settings, environ: Mapping[str, str], seconds: float) -> tuple[list[Seen], Outcome]:
    """What we are let in to, after one round of everything and further ones for so many seconds.

    Two rounds at least follow the first: what the trip-wire suspects does not fit into one.
    """
    clock, listener = Clock(), _Listener()
    runner = await _runner(settings, environ, clock, listener)
    book, anonymous = runner.book, runner.book.plan.scope.anonymous
    end = clock.monotonic() + seconds
    await _everything(runner)
    slot = 0
    while slot < _FURTHER_ROUNDS or clock.monotonic() < end:
        if seconds:
            await asyncio.sleep(min(book.plan.every, max(0.0, end - clock.monotonic())))
        await runner.run(slot)
        slot += 1
    rows = ((q, seen.breach) for q, seen in book.standings.items() if not book.is_subsumed(q))
    found = [Seen("anonymous" if q.identity in anonymous else settings.tenant, q, b) for q, b in rows if b is not None]
    return found, Outcome(tuple(listener.records.values()), listener.reasons)
