"""Joins the gateways of the configuration with who asks them: settings in, running drivers out.

    settings -> CompletionProbe (a session for each CA) -> engine.gateway.Driver -> whoever listens

`asked` is all that `witness.py` (`fast=True`: every two seconds, and faster when something is wrong)
and `daemon.py` (`fast=False`: once a minute) will need; neither calls it yet.
"""

import contextlib
import re
import secrets
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from sentinel.clients.clock import Clock
from sentinel.clients.completions import Completions, trust
from sentinel.clients.tokens import FileToken, NoToken, Source
from sentinel.core import canary
from sentinel.core.allowance import Allowance, Price
from sentinel.core.completion import Deadlines
from sentinel.core.dialect import Dialect, Terminator
from sentinel.core.news import News
from sentinel.core.outcome import Expected, Message
from sentinel.core.provider import PRESETS, Place, Provider, Sign
from sentinel.core.schedule import spread
from sentinel.engine import tasks
from sentinel.engine.disturbance import Disturbances
from sentinel.engine.gateway import Direct, Driver, Listens, Plan
from sentinel.probes.completion import CompletionProbe
from sentinel.settings import gateways as written

WITNESS = "witness"
"""Whose tag the witness's nonces have; no tenant can be called so."""


@dataclass(frozen=True)
class Asker:
    """Who asks: a tenant, or the witness. `others` are all the other tenants, and the witness."""

    name: str
    others: tuple[str, ...]
    fast: bool

    def nonce(self) -> str:
        """A new one, with our tag."""
        return canary.tag(self.name) + secrets.token_hex(canary.CHANCE_LENGTH // 2)


@dataclass(frozen=True)
class All:
    """Several places that news go to."""

    places: tuple[Listens, ...]

    def put(self, news: News) -> None:
        """To each."""
        for place in self.places:
            place.put(news)


@contextlib.asynccontextmanager
async def asked(
    gateways: Sequence[written.Gateway], asker: Asker, clock: Clock, listens: Sequence[Listens]
) -> AsyncIterator[tuple[Driver, ...]]:
    """The drivers, running until the block ends; the connections are closed after them.

    Raises OwnFault for a CA file that is none.
    """
    if not gateways:
        yield ()
        return
    async with contextlib.AsyncExitStack() as stack:
        sessions: dict[Path | None, Completions] = {}
        for ca in dict.fromkeys([None, *(gateway.ca for gateway in gateways)]):
            sessions[ca] = await stack.enter_async_context(Completions(trust(ca), clock))
        disturbances = Disturbances(clock)
        drivers = tuple(
            Driver(plan_of(gateway, asker, sessions, clock), clock, asker.nonce, All(tuple(listens)), disturbances)
            for gateway in gateways
        )
        start = await stack.enter_async_context(tasks.running())
        start("our own disturbances", disturbances.watch)
        for driver in drivers:
            start(f"gateway {driver.plan.name}", driver.run)
        yield drivers


def plan_of(gateway: written.Gateway, asker: Asker, sessions: dict[Path | None, Completions], clock: Clock) -> Plan:
    """How this gateway is asked by us. `sessions`: one for each CA, with None for the system's."""
    every = (gateway.baseline if asker.fast else gateway.every).total_seconds()
    return Plan(
        name=gateway.name,
        asks=probe_of(gateway, sessions[gateway.ca], clock),
        expected=expected_of(gateway, asker.others),
        every=every,
        burst=gateway.burst.total_seconds() if asker.fast else None,
        offset=spread(f"{asker.name}/{gateway.name}", every),
        within=gateway.failover.within.total_seconds(),
        longest=gateway.patience.total.total_seconds(),
        streamed=gateway.streamed,
        allowance=_allowance(gateway.budget),
        # Once per cluster, like the fast baseline: a tenant has no business with a provider's own key.
        direct=tuple(_directs(gateway, sessions, clock)) if asker.fast else (),
    )


def probe_of(gateway: written.Gateway, session: Completions, clock: Clock) -> CompletionProbe:
    """What is asked of this gateway. `once_gateway` asks it a single time."""
    return CompletionProbe(
        url=gateway.url,
        dialect=Dialect(gateway.dialect),
        model=gateway.model,
        completions=session,
        clock=clock,
        key=_source(gateway.key),
        headers={row.name: row.value for row in gateway.headers if row.value is not None},
        secret_headers={row.name: FileToken(row.file) for row in gateway.headers if row.file is not None},
        deadlines=_deadlines(gateway.patience),
    )


def expected_of(gateway: written.Gateway, others: Collection[str]) -> Expected:
    """What is known in advance about this gateway, from its section of the configuration."""
    return Expected(
        primary=gateway.first,
        providers=tuple(Provider(row.name, tuple(map(_sign, row.match))) for row in gateway.providers),
        preset=PRESETS[gateway.preset],
        dialect=Dialect(gateway.dialect),
        terminator=Terminator(gateway.terminator),
        others=frozenset(map(canary.tag, others)),
        slow=gateway.slow.total_seconds(),
        grace=gateway.grace.total_seconds(),
        messages=tuple(
            Message(re.compile(row.regex), row.pointer or "", frozenset(row.status)) for row in gateway.graceful
        ),
        leaks=tuple(map(re.compile, gateway.leaks.extra)),
        no_leaks=frozenset(gateway.leaks.disable),
    )


def _directs(gateway: written.Gateway, sessions: dict[Path | None, Completions], clock: Clock) -> list[Direct]:
    found = []
    for row in gateway.providers:
        if row.direct is None:
            continue
        probe = CompletionProbe(
            url=row.direct.url,
            dialect=Dialect(row.direct.dialect),
            model=row.direct.model,
            completions=sessions[None],
            clock=clock,
            key=_source(row.direct.key),
            deadlines=_deadlines(gateway.patience),
        )
        itself = Expected(row.name, (Provider(row.name),), PRESETS["plain"], Dialect(row.direct.dialect))
        every = row.direct.every.total_seconds()
        found.append(Direct(row.name, probe, itself, every, _allowance(gateway.budget)))
    return found


def _source(key: written.KeyFile | None) -> Source:
    return NoToken() if key is None else FileToken(key.file)


def _sign(match: written.Match) -> Sign:
    return Sign(Place(match.where), match.key or "", re.compile(match.regex))


def _deadlines(patience: written.Patience) -> Deadlines:
    return Deadlines(
        connect=patience.connect.total_seconds(),
        first_token=patience.first_token.total_seconds(),
        idle=patience.idle.total_seconds(),
        total=patience.total.total_seconds(),
    )


def _allowance(budget: written.Budget) -> Allowance:
    return Allowance(budget.tokens, budget.money, Price(budget.price.input, budget.price.output))
