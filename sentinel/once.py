"""One round in which every question is asked: the same round, the same judge, no memory before it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sentinel.clients.clock import Clock
from sentinel.core.agenda import Agenda
from sentinel.core.record import Record, Round
from sentinel.engine.book import Book
from sentinel.engine.round import RoundRunner
from sentinel.reports.outcome import Outcome
from sentinel.settings import Settings
from sentinel.world import World, plan_of

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
    clock, plan = Clock(), plan_of(settings)
    world = World(settings, environ, clock)
    await world.prepare()
    listener = _Listener()
    book = Book(plan, clock.wall(), (listener,))
    runner = RoundRunner(world.probe(plan), book, clock)
    wanted = tuple(q for q in plan.questions if not check or q.check == check)
    # As a tier's turn: what is open or overdue would be cut to the budget of a round.
    await runner.run_agenda(Agenda((), (), wanted, (), ()), _PATIENCE_SECONDS)
    shown = (row for row in listener.records.values() if not check or row.question.check == check)
    return Outcome(tuple(shown), listener.reasons)
