"""One tenant as the witness sees it: its accounts, its questions, what is believed, and who is told.

    watch, relay --news--> Subject --glance--> RoundRunner --> Book --> metrics, log, journal
                                                                   \\-> Desk --> Pager

It is the same engine as a tenant's own sentinel, with the tokens of that tenant's accounts by
TokenRequest, and an authority besides: nobody in the tenant can edit, stop or imitate it.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

from sentinel.core import rules
from sentinel.core.affected import Affected
from sentinel.core.plan import glance_cost
from sentinel.core.question import CLUSTER, Question
from sentinel.core.record import Series
from sentinel.engine.book import Book
from sentinel.engine.budget import Budget
from sentinel.engine.desk import Desk
from sentinel.engine.round import RoundRunner
from sentinel.engine.scheduler import Scheduler
from sentinel.probes.kube_read import KubeRead
from sentinel.settings import ANONYMOUS, SELF, Identity, Settings, Tenant
from sentinel.settings.identities import OWN_ACCOUNT
from sentinel.world import World

MOST_NEWS = 500
"""Questions that wait to be asked out of turn; the rest is found by the rounds."""


def as_subject(settings: Settings, tenant: Tenant) -> Settings:
    """The witness's settings, seen from one tenant: its accounts are the identities."""
    accounts = [_identity(SELF, OWN_ACCOUNT), *(_identity(name, name) for name in tenant.accounts)]
    identities = (*accounts, Identity(name=ANONYMOUS, token="none"))
    return settings.model_copy(update={"tenant": tenant.name, "identities": identities})


def _identity(name: str, account: str) -> Identity:
    # Not validated: the label of an account in another namespace has a slash, which no name in a file may have.
    return Identity.model_construct(name=name, token="request", service_account=account, expect=None)


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
class Subject:
    """One tenant under the witness's eyes."""

    tenant: Tenant
    world: World
    book: Book
    runner: RoundRunner
    rounds: Scheduler
    budget: Budget
    probe: KubeRead
    glanced: Callable[[], None]
    desk: Desk = field(init=False)
    news: News = field(default_factory=News)
    _rung: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self, targets: Iterable[str], questions: Iterable[Question] = ()) -> None:
        """Something may have changed there: have it looked at as soon as the budget allows."""
        self.news.add(targets, questions)
        self._rung.set()

    def hear(self, row: Affected) -> None:
        """A role or binding changed. What an account may, its own review says; of nobody's there is none."""
        self.tell([row.target], self._of_nobody(row) if row.identity == ANONYMOUS else ())

    def _of_nobody(self, row: Affected) -> tuple[Question, ...]:
        grants = row.grants - rules.BASELINE
        served = (self.probe.types or {}).values()
        if row.target == CLUSTER:
            return rules.wide_suspects(grants, row.identity, served).questions
        return rules.suspects(grants, row.identity, row.target, served).questions

    def contested(self, series: Series, questions: tuple[Question, ...]) -> None:
        """The tenant said something of this series: it is asked about at once."""
        self.tell([series.target], questions)

    async def look(self) -> None:
        """For ever: a short round whenever there is news. Whatever comes meanwhile waits for the next one."""
        while True:
            await self._rung.wait()
            self._rung.clear()
            targets, questions = self.news.take()
            cost = glance_cost(self.book.plan.scope, len(targets)) + len(questions)
            await self.budget.spend(cost)
            await self.runner.glance(targets, questions)
            self.glanced()
