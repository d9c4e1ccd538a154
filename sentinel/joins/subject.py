"""One tenant as the witness sees it: its accounts, its people, what is believed, and who is told.

    watch, relay --news--> Lane --glance--> RoundRunner --> Book --> metrics, log, journal
                                                             \\-> Desk --> Pager

It is the same engine as a tenant's own sentinel, with the tokens of that tenant's accounts by
TokenRequest, and an authority besides: nobody in the tenant can edit, stop or imitate it. Its
people, whose tokens nobody has, are in a lane of their own: what they may is the API server's word.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from sentinel.clients.clock import Clock
from sentinel.core.api import rules
from sentinel.core.api.affected import Affected
from sentinel.core.api.plan import Plan, Scope, glance_cost
from sentinel.core.api.plan import make as make_plan
from sentinel.core.api.question import CLUSTER, Question
from sentinel.core.api.resources import Resource
from sentinel.core.evidence import GROUP
from sentinel.core.record import Series
from sentinel.core.schedule import spread
from sentinel.engine.book import Book
from sentinel.engine.budget import Budget
from sentinel.engine.desk import Desk
from sentinel.engine.round import RoundRunner
from sentinel.engine.scheduler import Scheduler
from sentinel.joins.world import World, scope_of
from sentinel.kinds import Probe
from sentinel.settings import ANONYMOUS, SELF, Identity, Settings, Tenant
from sentinel.settings.identities import OWN_ACCOUNT
from sentinel.sinks.journal import OfTenant

PEOPLE = "/people"
"""Behind a tenant's name: the lane of its groups."""
MOST_NEWS = 500
"""Questions that wait to be asked out of turn; the rest is found by the rounds."""
PEOPLES_PART = 0.25
"""Of a tenant's part of the witness's budget, where it has groups: a review is one request and needs no token."""


def as_subject(settings: Settings, tenant: Tenant) -> Settings:
    """The witness's settings, seen from one tenant: its accounts are the identities."""
    accounts = [_identity(SELF, OWN_ACCOUNT), *(_identity(name, name) for name in tenant.accounts)]
    identities = (*accounts, Identity(name=ANONYMOUS, token="none"))
    return settings.model_copy(update={"tenant": tenant.name, "identities": identities})


def _identity(name: str, account: str) -> Identity:
    # Not validated: the label of an account in another namespace has a slash, which no name in a file may have.
    return Identity.model_construct(name=name, token="request", service_account=account, expect=None)


def plans_of(settings: Settings, tenant: Tenant) -> tuple[Plan, Plan | None]:
    """What is asked as this tenant's accounts, and of its people, where it has groups."""
    scope = scope_of(as_subject(settings, tenant))
    if not tenant.groups:
        return make_plan(scope), None
    accounts = replace(scope, part=scope.part * (1 - PEOPLES_PART))
    return make_plan(accounts), make_plan(_of_people(scope, tenant))


def lanes_of(settings: Settings) -> dict[str, Plan]:
    """The plan of every lane, by its name."""
    found: dict[str, Plan] = {}
    for tenant in settings.tenants:
        accounts, people = plans_of(settings, tenant)
        found |= {tenant.name: accounts} | ({f"{tenant.name}{PEOPLE}": people} if people is not None else {})
    return found


def _of_people(scope: Scope, tenant: Tenant) -> Scope:
    groups = tuple(f"{GROUP}{name}" for name in tenant.groups)
    return replace(scope, accounts=groups, anonymous=(), part=scope.part * PEOPLES_PART)


@dataclass
class News:
    """What should be looked at now, gathered until there is time."""

    targets: set[str] = field(default_factory=set)
    questions: dict[Question, None] = field(default_factory=dict)

    def add(self, targets: Iterable[str], questions: Iterable[Question]) -> None:
        """Gather; what is too much is left to the rounds."""
        self.targets.update(targets)
        room = MOST_NEWS - len(self.questions)
        self.questions.update(dict.fromkeys([*questions][:room]))

    def take(self) -> tuple[Collection[str], Collection[Question]]:
        """All of it; nothing is left."""
        taken = (frozenset(self.targets), tuple(self.questions))
        self.targets, self.questions = set(), {}
        return taken


@dataclass
class Lane:
    """A book and its rounds, those in turn and those out of it. `glanced` is told of each of the latter."""

    name: str
    book: Book
    probe: Probe
    clock: Clock
    budget: Budget
    glanced: Callable[[], None]
    news: News = field(default_factory=News)
    _rung: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        """Its rounds begin where its name's hash says."""
        self.runner = RoundRunner(self.probe, self.book, self.clock)
        self.rounds = Scheduler(
            round_=self.runner.run,
            every=lambda: self.book.plan.every,
            # Over the whole period: a hundred first rounds at once would be a burst of twenty thousand requests.
            offset=spread(f"witness/{self.name}", self.book.plan.every),
            clock=self.clock,
            skipped=lambda _: None,
            late=lambda _: None,
            failed=lambda: None,
        )

    def tell(self, targets: Iterable[str], questions: Iterable[Question] = ()) -> None:
        """Something may have changed there: have it looked at as soon as the budget allows."""
        self.news.add(targets, questions)
        self._rung.set()

    async def look(self) -> None:
        """For ever: a short round whenever there is news. Whatever comes meanwhile waits for the next one."""
        while True:
            await self._rung.wait()
            self._rung.clear()
            targets, questions = self.news.take()
            await self.budget.spend(glance_cost(self.book.plan.scope, len(targets)) + len(questions))
            await self.runner.glance(targets, questions)
            self.glanced()


@dataclass
class Subject:
    """One tenant under the witness's eyes. `types`: what is served, None while that is not known."""

    tenant: Tenant
    world: World
    accounts: Lane
    types: Callable[[], Mapping[str, Resource] | None]
    people: Lane | None = None
    desk: Desk = field(init=False)
    kept: tuple[OfTenant, ...] = ()  # the journal's sink for its accounts, where there is a journal

    @property
    def lanes(self) -> Iterator[Lane]:
        """That of its accounts, and that of its people where it has one."""
        yield self.accounts
        if self.people is not None:
            yield self.people

    def hear(self, row: Affected) -> None:
        """A role or binding changed. What an account may, its own review says; of nobody's there is none."""
        if row.identity.startswith(GROUP):
            if self.people is not None:
                self.people.tell([row.target])
        else:
            self.accounts.tell([row.target], self._of_nobody(row) if row.identity == ANONYMOUS else ())

    def contested(self, series: Series, questions: tuple[Question, ...]) -> None:
        """The tenant said something of this series: it is asked about at once."""
        self.accounts.tell([series.target], questions)

    def _of_nobody(self, row: Affected) -> tuple[Question, ...]:
        grants = row.grants - rules.BASELINE
        served = (self.types() or {}).values()
        if row.target == CLUSTER:
            return rules.wide_suspects(grants, row.identity, served).questions
        return rules.suspects(grants, row.identity, row.target, served).questions
