"""The one process that no tenant controls: where it is built and joined.

    relay --claim--> Desk --> Pager --> every Alertmanager
      ^               ^
    tenants         Book <-> RoundRunner      one of each per tenant: its accounts, its questions
      |               ^
    hints <-- news -- watch of RBAC objects
      |
    roll <-- muster of beacons, where the network is proven too; the lighthouse answers them all
    gateways, every two seconds: once per cluster

Nothing in it lasts but what is believed, and that is asked anew: it needs no database.
"""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from sentinel.clients.alertmanager import Alertmanagers
from sentinel.clients.clock import Clock
from sentinel.clients.endpoint import Endpoint
from sentinel.clients.token_review import TokenReviews
from sentinel.core import page
from sentinel.core.api.affected import Affected
from sentinel.core.api.plan import Plan
from sentinel.core.api.question import ACCOUNT as ACCOUNT_OF
from sentinel.core.api.rbac import who_of_account
from sentinel.core.asked import CROSSTALK
from sentinel.core.claim import Claim
from sentinel.core.gateway.foreign import named, whose
from sentinel.core.net.roster import Roster
from sentinel.core.page import WITNESS, Page
from sentinel.engine import scheduler, tasks
from sentinel.engine.apart import TIER as GATEWAYS
from sentinel.engine.book import Book
from sentinel.engine.budget import Budget
from sentinel.engine.crossings import Crossings
from sentinel.engine.desk import Desk
from sentinel.engine.hints import Hints
from sentinel.engine.roll import Roll
from sentinel.errors import OwnFault
from sentinel.joins.census import Census
from sentinel.joins.journaling import Journaling, paged_to, tasks_of
from sentinel.joins.lighthouse import Lighthouse
from sentinel.joins.muster import Muster
from sentinel.joins.paging import FLUSH_SECONDS, GatewayPages, pager_to, sender_of
from sentinel.joins.relaying import homes_of, ids_of, relay_of
from sentinel.joins.reload import Configured
from sentinel.joins.subject import PEOPLE, Lane, Subject, as_subject, plans_of
from sentinel.joins.watching import OwnToken, Watching, people_of
from sentinel.joins.world import World, unnamed
from sentinel.kinds import Probe, Sink
from sentinel.probes.group_review import GroupReview
from sentinel.settings import Settings, Tenant
from sentinel.settings.identities import OWN_ACCOUNT
from sentinel.sinks.history import History
from sentinel.sinks.journal import Journal
from sentinel.sinks.log import LogSink
from sentinel.sinks.pager import Pager
from sentinel.sinks.witness_metrics import BreachMetrics, WitnessMetrics
from sentinel.web import app as web
from sentinel.web.tls import Certificate

if TYPE_CHECKING:
    from sentinel.joins.alarm_bell import AlarmBell
    from sentinel.joins.gateways import Gateways
    from sentinel.joins.page_times import PageTimes
    from sentinel.sinks.page_time_metrics import PageTimeMetrics

ACCOUNT = "sentinel-witness"
"""Our own ServiceAccount, as the chart makes it."""
_LEAST_SHARE = 0.01
"""Of the budget for what comes out of turn: a share of zero would let nothing through."""
_SILENT_REPEATS = 3.0
"""In repeats: a tenant that has not repeated its word for so long is taken to have ended it."""

_log = structlog.get_logger()


@dataclass
class Witness:
    """The process. `run` returns when it is told to stop."""

    path: Path
    environ: Mapping[str, str]
    first: Settings
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        """What lasts over a reload."""
        self.metrics = WitnessMetrics()
        self.configured = Configured(self.path, self.environ, self.first, self.metrics.note_config)
        self.histories: dict[str, History] = {}
        self.subjects: dict[str, Subject] = {}
        self._books: dict[str, Book] = {}
        self.roll: Roll | None = None
        self.lighthouse: Lighthouse | None = None
        self._gateways: Gateways | None = None
        self._page_metrics: PageTimeMetrics | None = None
        self._alarm_bell: AlarmBell | None = None
        self._journaling = Journaling("witness", self.metrics, self.clock)
        # What it hears itself, with a key of its own: it is no tenant's, and told beside them.
        self.hearings = Crossings(self.clock.wall(), tier=GATEWAYS)
        self._gateway_pages: GatewayPages | None = None

    async def run(self) -> None:
        """Until stopped."""
        self.configured.listen_to_signals()
        _log.info("witness.started", cluster=self.first.cluster, tenants=len(self.first.tenants))
        while not self.configured.stop.is_set():
            async with self._generation():
                await self.configured.until_stopped_or_changed()
        _log.info("witness.stopped")

    @contextlib.asynccontextmanager
    async def _generation(self) -> AsyncIterator[None]:
        """Everything that follows from the settings, running; stopped in reverse order."""
        settings = self.configured.settings
        async with AsyncExitStack() as stack:
            stops = self.configured.stop.is_set
            journal = await stack.enter_async_context(self._journaling.generation(settings, stops=stops))
            alertmanagers = await stack.enter_async_context(Alertmanagers())
            pagers = self._build(settings, alertmanagers, journal, stack)
            muster = await self._muster(settings, stack)
            self.watching = self._watching(settings)
            served = web.serve(
                settings.web,
                registry=self.metrics.registry,
                progress=self._progress,
                ready=self._readiness,
                history=self.histories,
                gateways=lambda: self._gateways.courses() if self._gateways is not None else {},
            )
            await stack.enter_async_context(served)
            await self._open_relay(settings, stack)
            await self._ask_gateways(settings, journal, stack)
            bell = await self._ring(settings, alertmanagers, stack)
            start = await stack.enter_async_context(tasks.running())
            for watch in self.watching.watches():
                start(f"watch of {watch.health.kind}", watch.run)
            if muster is not None:
                start("roll", partial(muster.roll.keep, self._called))
                start("muster", muster.keep)
                for pods in muster.watches():
                    start("watch of pods", pods.run)
            for name, subject in self.subjects.items():
                start(f"tokens of {name}", subject.world.keep)
                start(f"census of {name}", self._census(subject).run)
                for lane in subject.lanes:
                    start(f"rounds of {lane.name}", lane.rounds.run)
                    start(f"news of {lane.name}", lane.look)
            for name, task in bell.items():
                start(name, task)
            start("loop lag", self._measure_lag)
            for name, pager in pagers.items():
                start(f"pages about {name}", pager.run)
            for kept in journal:
                for name, task in tasks_of(kept).items():
                    start(name, task)
            yield

    def _build(
        self, settings: Settings, client: Alertmanagers, journal: tuple[Journal, ...], stack: AsyncExitStack
    ) -> dict[str, Pager]:
        """All subjects of these settings, in place of those before; what is believed of them is kept."""
        self.subjects, pagers = {}, {}
        self.metrics.forget_others([*(tenant.name for tenant in settings.tenants), WITNESS])
        budget = Budget(settings.isolation.qps * max(settings.isolation.witness_share, _LEAST_SHARE), self.clock)
        for tenant in settings.tenants:
            seen, name = as_subject(settings, tenant), tenant.name
            accounts, people = plans_of(settings, tenant)
            subject = self.subjects[name] = self._subject(seen, tenant, accounts, budget)
            pager = pagers[name] = self._pager(seen, client, stack)
            pager.paged = paged_to(journal, name)
            subject.desk = self._desk(seen, subject, pager)
            kept = subject.kept = tuple(row.of(name) for row in journal)
            self._expect(subject.accounts, (self.metrics.of(name, accounts), subject.desk, *kept))
            if people is not None:
                subject.people = self._people(subject, people, budget)
                pager = pagers[subject.people.name] = self._pager(seen, client, stack)
                pager.paged = paged_to(journal, subject.people.name)
                reviewed = (row.of(subject.people.name) for row in journal)
                self._expect(subject.people, (self.metrics.of_groups(name, people), pager, *reviewed))
        lanes = {lane.name for subject in self.subjects.values() for lane in subject.lanes}
        if settings.gateways:
            pagers[WITNESS] = self._hear_ourselves(settings, client, journal, stack)
            lanes.add(WITNESS)
        self.histories = {name: history for name, history in self.histories.items() if name in lanes}
        return pagers

    def _hear_ourselves(
        self, settings: Settings, client: Alertmanagers, journal: tuple[Journal, ...], stack: AsyncExitStack
    ) -> Pager:
        """Who is told when a gateway gives us what it answered a tenant."""
        pager = self._pager(settings.model_copy(update={"tenant": WITNESS}), client, stack)
        every = settings.isolation.every.total_seconds()
        history = self.histories.setdefault(WITNESS, History(WITNESS))
        self.hearings.user = ACCOUNT_OF.format(settings.isolation.release, ACCOUNT)
        told = BreachMetrics(self.metrics, WITNESS, every)
        pager.paged = paged_to(journal, WITNESS)
        self._gateway_pages = GatewayPages(pager, sender_of(settings))
        kept = (row.of(WITNESS) for row in journal)
        self.hearings.sinks = (told, LogSink(subject=WITNESS), history, pager, *kept)
        return pager

    def _subject(self, settings: Settings, tenant: Tenant, plan: Plan, budget: Budget) -> Subject:
        world = World(settings, self.environ, self.clock)
        book = self._book(tenant.name, plan)
        world.unnamed = lambda: unnamed(book)
        probe = world.probe(plan)
        book.expiry = lambda: world.expiry(probe)
        return Subject(tenant, world, self._lane(tenant.name, book, probe, budget), lambda: probe.types)

    def _people(self, subject: Subject, plan: Plan, budget: Budget) -> Lane:
        name = f"{subject.tenant.name}{PEOPLE}"
        settings = subject.world.settings
        probe = GroupReview(
            endpoint=subject.world.endpoint,
            source=OwnToken(subject.world.endpoint),
            expect=f"system:serviceaccount:{settings.isolation.release}:{ACCOUNT}",
            identities=plan.scope.accounts,
            sentinel=who_of_account(settings.home, OWN_ACCOUNT),
            own_namespace=settings.home,
            home=settings.isolation.release,
            targets=plan.scope.targets,
            timeout=plan.scope.timeout,
            every=plan.every,
            clock=self.clock,
            rbac=lambda: self.watching.rbac,
            fresh=lambda: self.watching.is_fresh,
            exceptions=plan.scope.exceptions,
        )
        return self._lane(name, self._book(name, plan), probe, budget)

    def _book(self, name: str, plan: Plan) -> Book:
        book = self._books.setdefault(name, Book(plan, self.clock.wall()))
        book.replan(plan)
        return book

    def _lane(self, name: str, book: Book, probe: Probe, budget: Budget) -> Lane:
        glanced = self.metrics.glances.labels(name.partition("/")[0]).inc
        return Lane(name, book, probe, self.clock, budget, glanced)

    def _expect(self, lane: Lane, sinks: tuple[Sink, ...]) -> None:
        history = self.histories.setdefault(lane.name, History(lane.name))
        lane.book.replanned = history.expect
        history.expect(lane.book.plan)
        lane.book.sinks = (*sinks, LogSink(subject=lane.name), history)

    def _watching(self, settings: Settings) -> Watching:
        world = next(iter(self.subjects.values())).world
        people, home = people_of(settings), settings.isolation.release
        watching = Watching(world.endpoint, self.clock, self.metrics, people, home, self._hear)
        if self.roll is not None:
            watching.policies = self.roll.take_policies
        return watching

    async def _muster(self, settings: Settings, stack: AsyncExitStack) -> Muster | None:
        """What the roll is called with, and our own beacon listening; None where the network is not proven."""
        if not settings.network.enabled:
            self.roll = None
            return None
        endpoint = next(iter(self.subjects.values())).world.endpoint
        port, homes = settings.network.beacon.port, homes_of(settings)
        self.lighthouse = self.lighthouse or self._lighthouse(settings, endpoint)
        self.lighthouse.port = port
        self.roll = self.roll or self._roll()
        self.roll.expect(homes, port, ids_of(settings))
        self.metrics.expect_beacons(homes.values())
        await stack.enter_async_context(self.lighthouse.own.serve(port))
        timeout = settings.isolation.timeout.total_seconds()
        return Muster(self.roll, endpoint, self.clock, self.metrics, timeout, self.lighthouse)

    def _lighthouse(self, settings: Settings, endpoint: Callable[[], Endpoint]) -> Lighthouse:
        uid = ""
        with contextlib.suppress(OwnFault):
            held = endpoint().own.read()
            uid = held.claims.pod if held is not None and held.claims is not None else ""
        home, port = settings.isolation.release, settings.network.beacon.port
        # Outside of a pod nobody looks for us by it.
        return Lighthouse(home, uid or ACCOUNT, port, self.environ, self.metrics.registry, self.clock)

    def _roll(self) -> Roll:
        assert self.lighthouse is not None, "made before"
        return Roll(
            {},
            self.lighthouse.port,
            {},
            self.clock,
            int(self.clock.wall()),
            self.lighthouse.own.signer.public.hex()[:16],
            lambda why: self.metrics.roster_refused.labels(why).inc(),
            lambda tenant, result: self.metrics.arrivals.labels(tenant, result).inc(),
        )

    def _called(self, roster: Roster) -> None:
        """The roll is another one: our own beacon goes by it, too."""
        assert self.roll is not None and self.lighthouse is not None, "kept while there is one"  # noqa: PT018
        self.metrics.show_beacons(self.roll.counts())
        self.lighthouse.own.directory.take(roster)

    async def _ask_gateways(self, settings: Settings, journal: tuple[Journal, ...], stack: AsyncExitStack) -> None:
        if self._gateways is None and settings.gateways:
            from sentinel.joins.gateways import Gateways  # noqa: PLC0415  # who asks a gateway pays for its dialects

            self._gateways = Gateways(self.metrics.registry, self.clock, self.hearings, self.configured.stop.is_set)
        if self._gateways is not None:
            await stack.enter_async_context(
                self._gateways.generation(settings, listens=journal, pages=self._gateway_pages)
            )

    def _page_times(self, settings: Settings) -> "PageTimes | None":
        if settings.alerting.prometheus is None:
            return None
        from sentinel.joins.page_times import page_times_of  # noqa: PLC0415  # who looks at no Prometheus pays for none
        from sentinel.sinks.page_time_metrics import PageTimeMetrics  # noqa: PLC0415  # the same

        self._page_metrics = self._page_metrics or PageTimeMetrics(self.metrics.registry, self.clock)
        return page_times_of(settings, self._page_metrics)

    async def _ring(
        self, settings: Settings, client: Alertmanagers, stack: AsyncExitStack
    ) -> Mapping[str, Callable[[], Awaitable[None]]]:
        """The tasks that see whether pages arrive, and how soon; none where there is no way to see it."""
        page_times = self._page_times(settings)
        if page_times is None:
            return {}
        tasks: dict[str, Callable[[], Awaitable[None]]] = {"page times": page_times.run}
        if not settings.paging.direct:
            return tasks
        from sentinel.joins.alarm_bell import AlarmBell  # noqa: PLC0415  # who looks at no Prometheus pays for none

        self._alarm_bell = self._alarm_bell or AlarmBell(self.metrics.registry, self.clock)
        pager = partial(self._pager, settings, client, stack, delay=lambda _: None)
        return tasks | dict(await self._alarm_bell.generation(settings, pager, lambda: self._progress()[0], stack))

    async def _open_relay(self, settings: Settings, stack: AsyncExitStack) -> None:
        where = settings.relay
        assert where is not None, "the settings of a witness"
        endpoint = next(iter(self.subjects.values())).world.endpoint
        timeout = settings.isolation.timeout.total_seconds()
        reviews = TokenReviews(endpoint, where.audience, self.clock, timeout)
        await stack.enter_async_context(reviews)
        self.hints = Hints(int(self.clock.wall()))
        relay = relay_of(
            settings,
            reviews,
            self._claim,
            self.hints,
            self.clock,
            count=lambda result: self.metrics.relay_requests.labels(result).inc(),
            count_alerts=lambda name, result, number: self.metrics.relay_alerts.labels(name, result).inc(number),
            count_hint=lambda name: self.metrics.hints.labels(name).inc(),
            roll=self.roll,
        )
        await stack.enter_async_context(relay.serve(where.listen, Certificate(where.cert, where.key)))

    def _claim(self, tenant: str, claim: Claim) -> bool:
        taken = self.subjects[tenant].desk.take(claim)
        self.metrics.claims.labels(tenant).set(len(self.subjects[tenant].desk.words))
        return taken

    def _hear(self, news: Collection[Affected]) -> None:
        """What a watch told: the tenants look themselves, and so do we."""
        for row in news:
            subject = self.subjects.get(row.subject)
            if subject is not None:
                subject.hear(row)
                self.hints.tell(row.subject, [row.target])

    def _census(self, subject: Subject) -> Census:
        name = subject.tenant.name
        return Census(
            subject.tenant,
            subject.world.endpoint,
            subject.accounts.book.plan.scope.timeout,
            self.clock,
            partial(self._show_unwatched, subject),
            partial(self.metrics.show_match, name),
        )

    def _desk(self, settings: Settings, subject: Subject, pager: Pager) -> Desk:
        patience = _SILENT_REPEATS * settings.paging.repeat.total_seconds()
        sender, name, names = (
            sender_of(settings),
            subject.tenant.name,
            whose(tenant.name for tenant in settings.tenants),
        )

        def page_of(claim: Claim) -> Page:
            told = claim.annotations.get("description", "")
            members = subject.accounts.book.members(claim.series)
            marked = claim.series.check == CROSSTALK
            cause = named(told, names) if marked else self.watching.cause(name, claim.series.identity, members)
            return page.passed_on(sender, claim.alert, claim.series, told, claim.since, cause)

        return Desk(subject.accounts.book, pager, subject.contested, page_of, self.clock, patience)

    def _pager(
        self,
        settings: Settings,
        client: Alertmanagers,
        stack: AsyncExitStack,
        delay: Callable[[float], None] | None = None,
    ) -> Pager:
        """`delay` is told how long the first push of a page took, in place of the metrics."""
        urls = tuple(map(str, settings.paging.direct))
        count, observe = self.metrics.count_push, delay or self.metrics.page_delay.observe
        pager = pager_to(urls, client, settings, self.clock, count=count, delay=observe)
        stack.push_async_callback(pager.flush, FLUSH_SECONDS)
        return pager

    def _show_unwatched(self, subject: Subject, accounts: float) -> None:
        self.metrics.unwatched.labels(subject.tenant.name).set(accounts)
        for kept in subject.kept:
            kept.note_unwatched(accounts)

    async def _measure_lag(self) -> None:
        await scheduler.measure_lag(self.clock, self.metrics.loop_lag.observe)

    def _progress(self) -> tuple[bool, str]:
        """As of the subject that is worst off."""
        lanes = [lane for subject in self.subjects.values() for lane in subject.lanes]
        return min((lane.rounds.progress() for lane in lanes), default=(True, "no subjects"))

    def _readiness(self) -> tuple[str, ...]:
        """Why we are not ready; one tenant that takes its own accounts away is that tenant's alert, not ours."""
        told = [(name, history.round) for name, history in self.histories.items() if name != WITNESS]
        waiting = [name for name, report in told if report is None]
        if waiting:
            return tuple(f"{name}: no round has ended yet" for name in waiting)
        reasons = {name: report.reasons for name, report in told if report is not None}
        ready = any(not found for found in reasons.values())
        return () if ready else tuple(f"{name}: {why}" for name, found in reasons.items() for why in found)
