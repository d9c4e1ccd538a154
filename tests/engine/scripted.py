"""A far side that does what a test tells it: the contract `Vantage` on a clock that a test moves."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from sentinel.clients.clock import Clock
from sentinel.core.answer import Answer, Observation
from sentinel.core.api.discovery import Catalog
from sentinel.core.api.gates import OWN_GATES, Gate, Light, Lights
from sentinel.core.api.plan import Plan, Scope, make
from sentinel.core.api.question import CLUSTER, Question
from sentinel.core.api.resources import FURTHER, RESOURCES, VIRTUAL
from sentinel.core.api.rules import Grant, suspects, wide_suspects
from sentinel.core.record import Record, Round
from sentinel.engine.book import Book
from sentinel.engine.round import RoundRunner
from sentinel.kinds import Confirmation, Suspicion

UP = Light(up=True)
DOWN = Light(up=False, detail="as the test says")
TYPES = frozenset(resource.label for resource in (*RESOURCES, *FURTHER, *VIRTUAL))
CODES = {Answer.SERVED: 406, Answer.DENIED: 403, Answer.LIMITED: 429, Answer.BROKEN: 500}


class Hand(Clock):
    """A clock that is moved by hand; both faces show the same seconds."""

    def __init__(self, now: float = 1_000_000.0) -> None:
        self.now = now

    def wall(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now


@dataclass
class Ledger:
    """A sink that keeps all it is told."""

    records: list[Record] = field(default_factory=list)
    rounds: list[Round] = field(default_factory=list)

    def put(self, record: Record) -> None:
        self.records.append(record)

    def end_round(self, report: Round) -> None:
        self.rounds.append(report)


@dataclass
class FarSide:
    """What the API server will do; a test changes it between rounds. Seconds where it says so."""

    plan: Plan
    clock: Hand
    answers: dict[Question, Answer] = field(default_factory=dict)
    default: Answer = Answer.DENIED
    red: set[tuple[str, Gate]] = field(default_factory=set)  # ("before" | "after", gate)
    somebody_else: bool = False  # whoami positively names another user
    not_ready: str = ""
    cannot_connect: Exception | None = None
    grants: dict[str, frozenset[Grant]] = field(default_factory=dict)  # target -> rules beyond the baseline
    review_fails: bool = False
    breaks_after: int | None = None  # questions asked before the connection is silently another one
    seconds_each: float = 0.0
    cause: str = ""
    asked: dict[Question, None] = field(default_factory=dict)  # in this round, in their order
    doors: list[str] = field(default_factory=list)
    confirmed: list[Question] = field(default_factory=list)
    bug_at: Question | None = None
    hangs: bool = False  # the reviews never come back
    wait: float = 0.0  # seconds, with every 429
    catalog: Catalog | None = None  # what discovery says

    def answer(self, question: Question) -> Answer:
        return self.answers.get(question, self.default)

    @asynccontextmanager
    async def connect(self) -> AsyncIterator["Scripted"]:
        if self.cannot_connect is not None:
            raise self.cannot_connect
        self.asked, self.doors, self.confirmed = {}, [], []
        yield Scripted(self)


@dataclass
class Scripted:
    """One round's connection to the far side."""

    far: FarSide
    side: str = "before"
    opened: set[str] = field(default_factory=set)

    @property
    def intact(self) -> bool:
        return self.far.breaks_after is None or len(self.far.asked) <= self.far.breaks_after

    async def open(self, targets: Collection[str]) -> str:
        self.opened |= set(targets)
        return self.far.not_ready

    async def suspect(self, only: Collection[str] | None = None) -> list[Suspicion]:
        if self.far.hangs:
            await asyncio.sleep(1e6)
        scope, far = self.far.plan.scope, self.far
        rows = [
            (who, target)
            for who in scope.accounts
            for target in (CLUSTER, *scope.targets)
            if only is None or target in (CLUSTER, *only)
        ]
        if far.review_fails:
            return [Suspicion(who, target, known=False) for who, target in rows]
        return [self._review(who, target) for who, target in rows]

    def _review(self, who: str, target: str) -> Suspicion:
        listed = self.far.grants.get(target, frozenset())
        exceptions, now = self.far.plan.scope.exceptions, self.far.clock.wall()
        grants, wanted = exceptions.split(listed, who, target, now)
        if target == CLUSTER:
            found = wide_suspects(grants, who, RESOURCES)
            return Suspicion(who, target, found.questions, found.review_only, not grants, grants=grants, wanted=wanted)
        found = suspects(grants, who, target, RESOURCES)
        return Suspicion(who, target, found.questions, found.review_only, not grants, wanted=wanted)

    async def doors(self, targets: Collection[str]) -> None:
        self.opened |= set(targets)

    def lights(self) -> Mapping[str, Lights]:
        scope = self.far.plan.scope
        wires = dict.fromkeys(scope.targets, self._light(Gate.TRIPWIRE))
        own = {gate: self._light(gate) for gate in OWN_GATES}
        if self.far.somebody_else:
            own[Gate.WHOAMI] = Light(up=False, detail="another", identity=True)
        if self.far.not_ready:
            own = {Gate.READY: DOWN}
        doors = dict.fromkeys(self.opened, self._light(Gate.DOOR))
        installed = self.far.catalog.types.keys() if self.far.catalog is not None else ()
        types = None if self._light(Gate.TYPE) is DOWN else TYPES.union(installed)
        return {who: Lights(own, doors, wires, types) for who in (*scope.accounts, *scope.anonymous)}

    def _light(self, gate: Gate) -> Light:
        return DOWN if (self.side, gate) in self.far.red else UP

    async def ask(self, question: Question) -> Observation:
        far = self.far
        assert question.target in self.opened or question.target == CLUSTER, f"no door for {question}"
        assert question not in far.asked, f"asked twice in one round: {question}"
        if question == far.bug_at:
            raise RuntimeError("our own bug")
        far.asked[question] = None
        far.clock.now += far.seconds_each
        found = far.answer(question)
        wait = far.wait if found is Answer.LIMITED else 0.0
        audit_id = f"a-{len(far.asked)}"
        return Observation(found, far.clock.now, far.seconds_each, CODES.get(found), audit_id=audit_id, wait=wait)

    async def confirm(self, question: Question) -> Confirmation:
        self.far.confirmed.append(question)
        return Confirmation(self.far.somebody_else, self.far.cause)

    def catalog(self) -> Catalog | None:
        return self.far.catalog

    async def close(self) -> None:
        self.side = "after"

    def user(self, identity: str) -> str:
        return f"user-of-{identity}"


@dataclass
class Watch:
    """One sentinel's engine over a far side: rounds are run one by one."""

    plan: Plan
    clock: Hand = field(default_factory=Hand)
    far: FarSide = field(init=False)
    book: Book = field(init=False)
    ledger: Ledger = field(default_factory=Ledger)
    slot: int = 0

    def __post_init__(self) -> None:
        self.far = FarSide(self.plan, self.clock)
        self.book = Book(self.plan, self.clock.wall(), (self.ledger,))
        self.runner = RoundRunner(self.far, self.book, self.clock)

    @property
    def last(self) -> Round:
        return self.ledger.rounds[-1]

    async def rounds(self, count: int = 1, *, skip: int = 0) -> list[Record]:
        """Run so many rounds in consecutive slots; gives the records of the last."""
        first = len(self.ledger.records)
        for _ in range(count):
            first = len(self.ledger.records)
            self.slot += 1 + skip
            self.clock.now += self.book.plan.every * (1 + skip)
            await self.runner.run(self.slot)
        return self.ledger.records[first:]

    async def until_all_held(self) -> None:
        """Every planned question proven twice: the quiet state of a sentinel that runs for a while."""
        for _ in range(400):
            await self.rounds()
            known = self.book.standings
            if all(question in known and known[question].streak >= 2 for question in self.plan.questions):
                return
        raise AssertionError("not all was proven in 400 rounds")

    def take(self, plan: Plan) -> None:
        """Another configuration."""
        self.plan = self.far.plan = plan
        self.book.replan(plan)


def ample(scope: Scope, **changes: Any) -> Plan:
    """A plan whose budget never keeps a question waiting, with tiers of a few rounds."""
    settings = {"every": 10.0, "within": 30.0, "sweep": 60.0, "qps": 100_000.0, **changes}
    return make(replace(scope, **settings))
