"""The only place where everything is built and joined: start order, reload, stop order.

    settings -> World -> plan, probe -> Book <-> RoundRunner <- Scheduler
                    \\-> Networking -> Crossings <-> NetRound <- Scheduler
                                         \\-> Planes -> metrics, log, history, pager, journal -> web
    settings -> Gateways -> metrics, log, and Crossings of their own -> Planes

What lasts over a reload (what is believed, the metrics, the history) is built once; what follows
from the file is a `generation`, built again as a whole when a new file is right, and never before.
"""

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from sentinel.clients.clock import Clock
from sentinel.clients.kube import allowed_by
from sentinel.clients.lease import LeaseClient
from sentinel.core.api.plan import Plan, glance_cost
from sentinel.core.api.question import ACCOUNT, CLUSTER
from sentinel.core.asked import CROSSTALK, GATEWAY
from sentinel.core.labels import GATEWAY_REASONS
from sentinel.core.record import Round
from sentinel.core.schedule import spread
from sentinel.engine import planes, scheduler, tasks
from sentinel.engine.apart import TIER as GATEWAYS
from sentinel.engine.book import Book
from sentinel.engine.budget import Budget
from sentinel.engine.crossings import TIER, Crossings
from sentinel.engine.follow import Follower
from sentinel.engine.planes import Planes
from sentinel.engine.round import RoundRunner
from sentinel.engine.scheduler import Scheduler
from sentinel.engine.tenure import Tenure
from sentinel.joins.journaling import Journaling, paged_to, tasks_of
from sentinel.joins.paging import FLUSH_SECONDS, pager_to
from sentinel.joins.reload import Configured
from sentinel.joins.sharing import Shared, name_of_pod
from sentinel.joins.world import World, plan_of, unnamed
from sentinel.kinds import Sink
from sentinel.settings import SELF, Settings
from sentinel.settings.identities import OWN_ACCOUNT
from sentinel.sinks.history import History
from sentinel.sinks.journal import Journal
from sentinel.sinks.log import LogSink
from sentinel.sinks.metrics import Metrics
from sentinel.sinks.pager import Client, Pager
from sentinel.web import app as web

if TYPE_CHECKING:
    from sentinel.clients.relay import RelayClient
    from sentinel.joins.gateways import Gateways
    from sentinel.joins.networking import Networking

_FIRST_ROUND_SECONDS = 10.0
"""Over which the first rounds of all sentinels are spread, however long their periods are."""

_LEFT_SECONDS = 10.0
"""How often it is seen whether what was open over the network has ended, after it is not asked any more."""

_log = structlog.get_logger()


@dataclass
class Daemon:
    """One sentinel. `run` returns when it is told to stop."""

    path: Path
    environ: Mapping[str, str]
    first: Settings
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        """What lasts over a reload."""
        self.metrics = Metrics()
        self.history = History(self.first.tenant)
        self.log = LogSink()
        self._network_rounds: Scheduler | None = None
        self.configured = Configured(self.path, self.environ, self.first, self.metrics.note_config)
        lasting: tuple[Sink, ...] = (self.metrics, self.log, self.history)
        self._lasting = lasting
        # The pages and the journal of the first generation come when it does.
        self.planes = Planes(lasting)
        self.book = Book(plan_of(self.first), self.clock.wall(), (self.planes.plane(planes.LEAD),))
        self.crossings = Crossings(self.clock.wall(), (self.planes.plane(TIER),))
        self.hearings = Crossings(self.clock.wall(), (self.planes.plane(GATEWAYS),), tier=GATEWAYS)
        self._network: Networking | None = None
        self._gateways: Gateways | None = None
        self._journaling = Journaling(self.first.tenant, self.metrics, self.clock)
        self._asks = True
        self._turned = asyncio.Event()
        self.tenure: Tenure | None = None

    async def run(self) -> None:
        """Until stopped. Raises ConfigError for an identity that must not run."""
        self.configured.listen_to_signals()
        _log.info("sentinel.started", tenant=self.first.tenant, cluster=self.first.cluster)
        async with self._elected():
            while not self.configured.stop.is_set():
                self._turned.clear()
                self._take_turn(asks=self.tenure is None or self.tenure.since > 0)
                async with self._generation():
                    await self._until_stopped_or_changed()
        if self._network is not None:
            self._network.close()
        _log.info("sentinel.stopped", tenant=self.first.tenant)

    @contextlib.asynccontextmanager
    async def _elected(self) -> AsyncIterator[None]:
        """Where a Lease is shared: stand for it as long as we run, and leave it to the next one at the end."""
        name = self.first.isolation.lease
        if name is None:
            yield
            return
        shared = Shared(World(self.first, self.environ, self.clock), LeaseClient(self.first.home, name, self.clock))
        self.tenure = Tenure(name_of_pod(self.environ), shared, self.clock, self._turned.set)
        async with tasks.running() as start:
            start("lease", self.tenure.run)
            yield
        await self.tenure.release()

    async def _until_stopped_or_changed(self) -> None:
        """Until there are new settings, it is over, or the API server is ours or another pod's to ask."""
        news = (self.configured.until_stopped_or_changed(), self._turned.wait())
        waits = [asyncio.ensure_future(wait) for wait in news]
        try:
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for wait in done:
                wait.result()
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    def _take_turn(self, *, asks: bool) -> None:
        """What one holder believed of the API is nobody else's, nor its own later: each begins unproven."""
        self.metrics.lease_since.set(self.tenure.since if self.tenure is not None else 0.0)
        if asks is self._asks:
            return
        self._asks = asks
        self.planes.lead(ours=asks)
        self.metrics.stand_by()
        self.history.stand_by()
        plan = plan_of(self.configured.settings)
        self.book = Book(plan, self.clock.wall(), (self.planes.plane(planes.LEAD),))

    @contextlib.asynccontextmanager
    async def _generation(self) -> AsyncIterator[None]:
        """Everything that follows from the settings, running; stopped in reverse order."""
        settings = self.configured.settings
        plan = plan_of(settings)
        world = World(settings, self.environ, self.clock)
        world.unnamed = lambda: unnamed(self.book)
        probe = world.probe(plan)
        self.book.replan(plan)
        self.book.expiry = lambda: world.expiry(probe)
        self.book.replanned = self._expect
        if self._asks:
            self._expect(self.book.plan)
            self.metrics.show_proofs(self.book.beliefs().oldest_proofs())
        runner = RoundRunner(probe, self.book, self.clock)
        rounds = self._scheduler(runner)
        async with AsyncExitStack() as stack:
            relay = await self._relay(settings, stack)
            stops = self.configured.stop.is_set
            journal = await stack.enter_async_context(self._journaling.generation(settings, stops=stops))
            pager = (*await self._pager(settings, journal, stack), *self._relayed(settings, relay, journal, stack))
            self.planes.sinks = (*self._lasting, *pager, *(kept.of(settings.tenant) for kept in journal))
            if self.tenure is not None and self._asks:
                stack.enter_context(allowed_by(self.tenure.holds))
            served = web.serve(
                settings.web,
                registry=self.metrics.registry,
                progress=lambda: self._progress(rounds),
                ready=self._readiness,
                history=self.history,
                gateways=lambda: self._gateways.courses() if self._gateways is not None else {},
            )
            await stack.enter_async_context(served)
            if world.found is None:
                # Outside a pod it is decided here whether we may run at all.
                await world.prepare()
            network = await self._ask_network(settings, relay, stack)
            await self._ask_gateways(settings, journal, stack)
            start = await stack.enter_async_context(tasks.running())
            if self._asks:
                start("kubeconfig and requested tokens", world.keep)
                start("rounds", rounds.run)
            start("loop lag", self._measure_lag)
            if relay is not None and self._asks:
                start("hints", self._follower(relay, runner).run)
            for name, task in network.items():
                start(name, task)
            for sender in pager:
                start("pages", sender.run)
            for kept in journal:
                for name, task in tasks_of(kept).items():
                    start(name, task)
            # What was built stays: a full collection would look through all of it, for 27 ms at 100 tenants.
            gc.collect()
            gc.freeze()
            yield

    async def _ask_network(
        self, settings: Settings, relay: "RelayClient | None", stack: AsyncExitStack
    ) -> Mapping[str, Callable[[], Awaitable[None]]]:
        """The tasks of the network, where it is asked; else what was believed of it ends as it must."""
        self._network_rounds = None
        if not settings.network.enabled:
            return {"network: what is left": self._let_go}
        if self._network is None:
            from sentinel.joins.networking import Networking  # noqa: PLC0415  # who asks the network pays for cryptography

            self._network = Networking(self.metrics, self.crossings, self.clock)
        found = await stack.enter_async_context(self._network.generation(settings, relay))
        self.planes.open(TIER, self.clock.wall(), found.rounds.every())
        self._network_rounds = found.rounds
        return found.tasks

    async def _ask_gateways(self, settings: Settings, journal: tuple[Journal, ...], stack: AsyncExitStack) -> None:
        """One pod of a tenant's does, where there are several: the one that asks the API server."""
        if self._gateways is None and settings.gateways:
            from sentinel.joins.gateways import Gateways  # noqa: PLC0415  # who asks a gateway pays for its dialects

            self._gateways = Gateways(self.metrics.registry, self.clock, self.hearings, self.configured.stop.is_set)
        if self._gateways is None:
            return
        if self._asks:
            targets = [f"{GATEWAY}{gateway.name}" for gateway in settings.gateways]
            self.metrics.expect_beside(CROSSTALK, SELF, targets, GATEWAY_REASONS)
            self.hearings.user = ACCOUNT.format(settings.home, OWN_ACCOUNT)
        else:
            self.planes.close(GATEWAYS)
        await stack.enter_async_context(self._gateways.generation(settings, asks=self._asks, listens=journal))

    async def _let_go(self) -> None:
        """For ever, where the network is not asked any more."""
        if self._network is not None:
            self._network.close()
        self.crossings.unplan(self.clock.wall())
        while True:
            if self.crossings.standings:
                self.crossings.end(self.clock.wall(), 0.0, 0)
            if not self.crossings.standings:
                self.planes.close(TIER)
            await asyncio.sleep(_LEFT_SECONDS)

    def _progress(self, rounds: Scheduler) -> tuple[bool, str]:
        """Of the API's rounds, and of the network's where there are any."""
        ours = rounds.progress() if self._asks else (True, "another pod asks the API server")
        if self._network_rounds is None or not ours[0]:
            return ours
        fine, detail = self._network_rounds.progress()
        return ours if fine else (False, f"network: {detail}")

    def _expect(self, plan: Plan) -> None:
        self.metrics.expect(plan)
        self.history.expect(plan)

    def _scheduler(self, runner: RoundRunner) -> Scheduler:
        return Scheduler(
            round_=runner.run,
            every=lambda: self.book.plan.every,
            offset=spread(self.configured.settings.tenant, min(self.book.plan.every, _FIRST_ROUND_SECONDS)),
            clock=self.clock,
            skipped=self.metrics.count_skipped,
            late=self.metrics.schedule_lag.observe,
            failed=self.metrics.count_failed_round,
        )

    async def _pager(
        self, settings: Settings, journal: tuple[Journal, ...], stack: AsyncExitStack
    ) -> tuple[Pager, ...]:
        """One, if Alertmanagers may be reached directly."""
        if not settings.paging.direct:
            return ()
        from sentinel.clients.alertmanager import Alertmanagers  # noqa: PLC0415  # who pages pays

        client = await stack.enter_async_context(Alertmanagers())
        return (self._pager_to(tuple(map(str, settings.paging.direct)), client, settings, journal, stack),)

    async def _relay(self, settings: Settings, stack: AsyncExitStack) -> "RelayClient | None":
        """The way to the witness, where there is one."""
        if settings.paging.relay is None:
            return None
        from sentinel.joins.relaying import client_of  # noqa: PLC0415  # who has a witness pays

        return await stack.enter_async_context(client_of(settings))

    def _relayed(
        self, settings: Settings, relay: "RelayClient | None", journal: tuple[Journal, ...], stack: AsyncExitStack
    ) -> tuple[Pager, ...]:
        if relay is None or settings.paging.relay is None:
            return ()
        return (self._pager_to((settings.paging.relay,), relay, settings, journal, stack),)

    def _pager_to(
        self,
        urls: tuple[str, ...],
        client: Client,
        settings: Settings,
        journal: tuple[Journal, ...],
        stack: AsyncExitStack,
    ) -> Pager:
        count, delay = self.metrics.count_push, self.metrics.page_delay.observe
        pager = pager_to(urls, client, settings, self.clock, count=count, delay=delay)
        pager.paged = paged_to(journal, settings.tenant)
        stack.push_async_callback(pager.flush, FLUSH_SECONDS)
        return pager

    def _follower(self, relay: "RelayClient", runner: RoundRunner) -> Follower:
        scope = self.book.plan.scope
        targets = frozenset({*scope.targets, CLUSTER})
        budget = Budget(scope.share, self.clock)
        return Follower(relay.hints, runner.glance, lambda count: glance_cost(scope, count), targets, budget)

    def _readiness(self) -> tuple[str, ...]:
        """Why we are not ready; empty when we are."""
        report: Round | None = self.history.round
        if report is None and not self._asks:
            return ()
        return ("no round has ended yet",) if report is None else report.reasons

    async def _measure_lag(self) -> None:
        await scheduler.measure_lag(self.clock, self.metrics.loop_lag.observe)
