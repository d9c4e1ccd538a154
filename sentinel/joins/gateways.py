r"""Joins the gateways of the configuration with who asks them: settings in, running drivers out.

    settings -> CompletionProbe (one way for each CA) -> engine.gateway.Driver -> metrics, log, courses
                                                               \-> Keeping: are answers kept apart?

The witness asks every two seconds, and faster when something is wrong; a tenant asks once a minute,
with its own key and nonce. `Gateways` is all that either needs.
"""

import contextlib
import re
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog
from prometheus_client import CollectorRegistry

from sentinel.clients.clock import Clock
from sentinel.clients.completions import Completions, trust
from sentinel.clients.tokens import FileToken, HeldToken, NoToken, Source
from sentinel.core.gateway import canary, foreign
from sentinel.core.gateway.allowance import Allowance, Price
from sentinel.core.gateway.completion import Deadlines
from sentinel.core.gateway.course import Course
from sentinel.core.gateway.dialect import Dialect, Terminator
from sentinel.core.gateway.news import News
from sentinel.core.gateway.outcome import Expected, Message
from sentinel.core.gateway.provider import PRESETS, Place, Provider, Sign
from sentinel.core.page import WITNESS
from sentinel.core.schedule import spread
from sentinel.engine import tasks
from sentinel.engine.alarms import Alarms, Asked, Pages
from sentinel.engine.apart import Keeping
from sentinel.engine.crossings import Crossings
from sentinel.engine.disturbance import Disturbances
from sentinel.engine.gateway import Direct, Driver, Listens, Plan
from sentinel.engine.known import spent
from sentinel.errors import OwnFault
from sentinel.probes.completion import CompletionProbe
from sentinel.settings import Settings
from sentinel.settings import gateways as written
from sentinel.sinks.gateway_courses import GatewayCourses
from sentinel.sinks.gateway_log import GatewayLog
from sentinel.sinks.gateway_metrics import GatewayMetrics
from sentinel.sinks.pager import REPEAT

_SPAN_ROUNDS = 2.0
"""In rounds of the API: between two answers that prove a breach shut. So long that two scrapes see it."""

_log = structlog.get_logger()


@dataclass(frozen=True)
class Asker:
    """Who asks: a tenant, or the witness."""

    name: str
    fast: bool

    def nonce(self) -> str:
        """A new one, with our tag."""
        return canary.nonce(canary.tag(self.name), secrets.token_hex(canary.CHANCE_LENGTH // 2))


def asker_of(settings: Settings) -> Asker:
    """Whoever runs with these settings: a tenant, or the witness."""
    name = WITNESS if settings.is_witness else settings.tenant
    return Asker(name, fast=settings.is_witness)


@dataclass(frozen=True)
class Way:
    """What the gateways of one CA are asked by; with a `fault` none of them can be: each probe is our own error."""

    completions: Completions
    fault: str = ""


@dataclass(frozen=True)
class All:
    """Several places that news go to."""

    places: tuple[Listens, ...]

    def put(self, news: News) -> None:
        """To each."""
        for place in self.places:
            place.put(news)


@dataclass
class Before:
    """The drivers of the last generation, for what they knew. `ends`: whether there will be no other."""

    ends: Callable[[], bool] = lambda: True
    drivers: tuple[Driver, ...] = ()

    def hand_over(self, drivers: tuple[Driver, ...], listens: Listens) -> None:
        """What is known of the same gateways goes on; of others that were asked it is told how they ended."""
        old = {driver.plan.name: driver for driver in self.drivers}
        for driver in drivers:
            last = old.get(driver.plan.name)
            if last is None:
                continue
            if driver.plan.is_of_the_same(last.plan):
                driver.known = last.known.under(driver.plan.within, driver.plan.budgets)
                del old[driver.plan.name]
            else:
                driver.known.allowances = spent(driver.plan.budgets, last.known.allowances)
        for gone in old.values():
            gone.listens = listens
            gone.close()
        self.drivers = drivers


class Gateways:
    """What lasts over a reload: what was counted, and what was told last."""

    def __init__(
        self, registry: CollectorRegistry, clock: Clock, book: Crossings, ends: Callable[[], bool] = lambda: True
    ) -> None:
        """Once per process, since the names are registered.

        `book`: of whether answers are kept apart; `ends`: whether the process is about to, when a generation does.
        """
        self._metrics, self._log, self._clock = GatewayMetrics(registry), GatewayLog(), clock
        self._keeping = Keeping(book, clock)
        self._courses = GatewayCourses()
        self._alarms = Alarms(clock)
        self._before = Before(ends)

    def courses(self) -> Mapping[str, tuple[Course, ...]]:
        """The last episodes of each gateway with their probes, the latest last."""
        return self._courses.told()

    @contextlib.asynccontextmanager
    async def generation(
        self, settings: Settings, *, asks: bool = True, listens: Sequence[Listens] = (), pages: Pages | None = None
    ) -> AsyncIterator[None]:
        """They are asked until the block ends; with `asks` false another pod does it, and nothing is shown of them.

        `listens`: who else is told; `pages`: who pages about gateways, if we do.
        """
        chosen = settings.gateways if asks else ()
        self._metrics.forget_others([gateway.name for gateway in chosen])
        self._courses.expect(gateway.name for gateway in chosen)
        places: tuple[Listens, ...] = (self._metrics, self._log, self._courses, self._keeping, self._alarms, *listens)
        drivers_of = asked(chosen, asker_of(settings), self._clock, places, self._before)
        async with self._kept_apart(settings, asks=asks), drivers_of as drivers:
            # Before anything else is waited for: the first news must find their names.
            for driver in drivers:
                plan = driver.plan
                providers = [provider.name for provider in plan.expected.providers]
                self._metrics.expect(plan.name, providers, [row.name for row in plan.direct], driver.stand)
            async with self._alarmed(settings, drivers, pages):
                yield

    @contextlib.asynccontextmanager
    async def _alarmed(self, settings: Settings, drivers: Sequence[Driver], pages: Pages | None) -> AsyncIterator[None]:
        """Whoever pages about gateways is told, while the block lasts."""
        if pages is None:
            yield
            return
        # Everything that pages is as long as the repeats are, in tests as well.
        self._alarms.unit = settings.paging.repeat.total_seconds() / REPEAT
        self._alarms.expect({row.plan.name: Asked(row.stand, row.plan.within) for row in drivers})
        self._alarms.tell(pages)
        async with tasks.running() as start:
            start("gateways paged", self._alarms.keep)
            yield

    @contextlib.asynccontextmanager
    async def _kept_apart(self, settings: Settings, *, asks: bool) -> AsyncIterator[None]:
        """Whether answers are kept apart is believed, and said, while the block lasts."""
        if not asks:
            self._keeping.stand_by()
            yield
            return
        self._keeping.names = foreign.whose(tenant.name for tenant in settings.tenants)
        self._keeping.span = _SPAN_ROUNDS * settings.isolation.every.total_seconds()
        self._keeping.expect([gateway.name for gateway in settings.gateways], period_of(settings))
        async with tasks.running() as start:
            start("gateways kept apart", self._keeping.keep)
            yield


def period_of(settings: Settings) -> float:
    """In which each gateway is asked once, seconds."""
    periods = (row.baseline if settings.is_witness else row.every for row in settings.gateways)
    return max((period.total_seconds() for period in periods), default=0.0)


@contextlib.asynccontextmanager
async def asked(
    gateways: Sequence[written.Gateway],
    asker: Asker,
    clock: Clock,
    listens: Sequence[Listens],
    before: Before | None = None,
) -> AsyncIterator[tuple[Driver, ...]]:
    """The drivers, running until the block ends. `before`: what earlier ones knew, and the next ones will."""
    before = before if before is not None else Before()
    if not gateways:
        before.hand_over((), All(tuple(listens)))
        yield ()
        return
    ways = {ca: _way(ca, clock) for ca in dict.fromkeys([None, *(row.ca for row in gateways)])}
    disturbances = Disturbances(clock)
    drivers = tuple(
        Driver(plan_of(gateway, asker, ways, clock), clock, asker.nonce, All(tuple(listens)), disturbances)
        for gateway in gateways
    )
    before.hand_over(drivers, All(tuple(listens)))
    try:
        async with tasks.running() as start:
            start("our own disturbances", disturbances.watch)
            for driver in drivers:
                start(f"gateway {driver.plan.name}", driver.run)
            yield drivers
    finally:
        if before.ends():
            before.hand_over((), All(tuple(listens)))


def _way(ca: Path | None, clock: Clock) -> Way:
    """A file that is none must not end a process that has isolation to prove."""
    tls, fault = None, ""
    try:
        tls = trust(ca)
    except OwnFault as error:
        fault = str(error)
        _log.error("gateway.unasked", why=fault)
    return Way(Completions(tls, clock), fault)


def plan_of(gateway: written.Gateway, asker: Asker, ways: Mapping[Path | None, Way], clock: Clock) -> Plan:
    """How this gateway is asked by us. `ways`: one for each CA, with None for the system's."""
    every = (gateway.baseline if asker.fast else gateway.every).total_seconds()
    return Plan(
        name=gateway.name,
        asks=probe_of(gateway, ways[gateway.ca], clock),
        expected=expected_of(gateway, asker.name),
        every=every,
        burst=gateway.burst.total_seconds() if asker.fast else None,
        offset=spread(f"{asker.name}/{gateway.name}", every),
        within=gateway.failover.within.total_seconds(),
        longest=gateway.patience.total.total_seconds(),
        streamed=gateway.streamed,
        allowance=_allowance(gateway.budget),
        # Once per cluster, like the fast baseline: a tenant has no business with a provider's own key.
        direct=tuple(_directs(gateway, ways[None], clock)) if asker.fast else (),
        place=gateway.url,
    )


def probe_of(gateway: written.Gateway, way: Way, clock: Clock) -> CompletionProbe:
    """What is asked of this gateway. `once_gateway` asks it a single time."""
    return CompletionProbe(
        url=gateway.url,
        dialect=Dialect(gateway.dialect),
        model=gateway.model,
        completions=way.completions,
        clock=clock,
        key=HeldToken(way.fault) if way.fault else _source(gateway.key),
        headers={row.name: row.value for row in gateway.headers if row.value is not None},
        secret_headers={row.name: FileToken(row.file, spaces=True) for row in gateway.headers if row.file is not None},
        deadlines=_deadlines(gateway.patience),
    )


def expected_of(gateway: written.Gateway, asker: str) -> Expected:
    """What is known in advance about this gateway, from its section of the configuration. `asker`: who asks it."""
    return Expected(
        primary=gateway.first,
        providers=tuple(Provider(row.name, tuple(map(_sign, row.match))) for row in gateway.providers),
        preset=PRESETS[gateway.preset],
        dialect=Dialect(gateway.dialect),
        terminator=Terminator(gateway.terminator),
        ours=tuple(_sign_of_ours(row, asker) for row in gateway.ours),
        slow=gateway.slow.total_seconds(),
        grace=gateway.grace.total_seconds(),
        messages=tuple(
            Message(re.compile(row.regex), row.pointer or "", frozenset(row.status)) for row in gateway.graceful
        ),
        leaks=tuple(map(re.compile, gateway.leaks.extra)),
        no_leaks=frozenset(gateway.leaks.disable),
    )


def _directs(gateway: written.Gateway, way: Way, clock: Clock) -> list[Direct]:
    found = []
    for row in gateway.providers:
        if row.direct is None:
            continue
        probe = CompletionProbe(
            url=row.direct.url,
            dialect=Dialect(row.direct.dialect),
            model=row.direct.model,
            completions=way.completions,
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


def _sign_of_ours(row: written.Ours, asker: str) -> Sign:
    return Sign(Place(row.where), row.key or "", re.compile(row.regex.replace("TENANT", re.escape(asker))))


def _deadlines(patience: written.Patience) -> Deadlines:
    return Deadlines(
        connect=patience.connect.total_seconds(),
        first_token=patience.first_token.total_seconds(),
        idle=patience.idle.total_seconds(),
        total=patience.total.total_seconds(),
    )


def _allowance(budget: written.Budget) -> Allowance:
    return Allowance(budget.tokens, budget.money, Price(budget.price.input, budget.price.output))
