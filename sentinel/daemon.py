"""The only place where everything is built and joined: start order, reload, stop order.

    settings -> World -> plan, probe -> Book <-> RoundRunner <- Scheduler
                                         \\-> metrics, log, history, pager, journal -> web

What lasts over a reload (what is believed, the metrics, the history) is built once; what follows
from the file is a `generation`, built again as a whole when a new file is right, and never before.
"""

import asyncio
import contextlib
import gc
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from sentinel import logs
from sentinel.clients.clock import Clock
from sentinel.core.page import Party, Sender
from sentinel.core.record import Round
from sentinel.core.schedule import spread
from sentinel.engine import scheduler, tasks
from sentinel.engine.book import Book
from sentinel.engine.round import RoundRunner
from sentinel.engine.scheduler import Scheduler
from sentinel.kinds import Sink
from sentinel.settings import Settings, config_hash, examine
from sentinel.sinks.history import History
from sentinel.sinks.journal import Journal
from sentinel.sinks.log import LogSink
from sentinel.sinks.metrics import Metrics
from sentinel.sinks.pager import Pager
from sentinel.web import app as web
from sentinel.world import World, plan_of

FLUSH_SECONDS = 1.5
"""For the last records of the journal, and for the last pages: with the rest it stays under five."""
_LOOK_SECONDS = 2.0
"""How often the configuration file is looked at: a ConfigMap arrives by exchange of a link."""
_FIRST_ROUND_SECONDS = 10.0
"""Over which the first rounds of all sentinels are spread, however long their periods are."""

_log = structlog.get_logger()


@dataclass
class Daemon:
    """One sentinel. `run` returns when it is told to stop."""

    path: Path
    environ: Mapping[str, str]
    settings: Settings
    clock: Clock = field(default_factory=Clock)
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        """What lasts over a reload."""
        self.metrics = Metrics()
        self.history = History(self.settings.tenant)
        self.log = LogSink()
        self.hup = asyncio.Event()
        self._seen = self._mark()
        self.metrics.config_hash.set(self._seen)
        self.metrics.reload_ok.set(1)
        lasting: tuple[Sink, ...] = (self.metrics, self.log, self.history)
        self._lasting = lasting
        self.book = Book(plan_of(self.settings), self.clock.wall(), lasting)

    async def run(self) -> None:
        """Until stopped. Raises ConfigError for an identity that must not run."""
        self._listen_to_signals()
        _log.info("sentinel.started", tenant=self.settings.tenant, cluster=self.settings.cluster)
        while not self.stop.is_set():
            async with self._generation():
                await self._until_stopped_or_reloaded()
        _log.info("sentinel.stopped", tenant=self.settings.tenant)

    @contextlib.asynccontextmanager
    async def _generation(self) -> AsyncIterator[None]:
        """Everything that follows from the settings, running; stopped in reverse order."""
        settings, plan = self.settings, plan_of(self.settings)
        world = World(settings, self.environ, self.clock)
        probe = world.probe(plan)
        self.book.replan(plan)
        self.book.expiry = lambda: world.expiry(probe)
        self.metrics.expect(plan)
        self.metrics.show_proofs(self.book.beliefs().oldest_proofs())
        self.history.expect(plan)
        runner = RoundRunner(probe, self.book, self.clock)
        rounds = self._scheduler(runner)
        async with AsyncExitStack() as stack:
            pager = await self._pager(settings, stack)
            journal = self._journal(settings, stack)
            self.book.sinks = (*self._lasting, *pager, *journal)
            served = web.serve(
                settings.web,
                registry=self.metrics.registry,
                progress=rounds.progress,
                ready=self._readiness,
                history=self.history,
            )
            await stack.enter_async_context(served)
            if world.found is None:
                # Outside a pod it is decided here whether we may run at all.
                await world.prepare()
            start = await stack.enter_async_context(tasks.running())
            start("kubeconfig and requested tokens", world.keep)
            start("rounds", rounds.run)
            start("loop lag", self._measure_lag)
            for sender in pager:
                start("pages", sender.run)
            for writer in journal:
                start("journal", writer.run)
            # What was built stays: a full collection would look through all of it, for 27 ms at 100 tenants.
            gc.collect()
            gc.freeze()
            yield

    async def _until_stopped_or_reloaded(self) -> None:
        while not self.stop.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_SECONDS):
                    await self.hup.wait()
            if not self.stop.is_set() and self._take_new_settings(forced=self.hup.is_set()):
                return

    def _take_new_settings(self, *, forced: bool) -> bool:
        """Validate first, swap whole; keep the old one when the new one is wrong, and say so once."""
        self.hup.clear()
        if self._mark() == self._seen and not forced:
            return False
        self._seen = self._mark()
        examined = examine(self.path, self.environ)
        if examined.settings is None:
            self.metrics.reload_ok.set(0)
            _log.error("config.refused", path=str(self.path), problems=[str(one) for one in examined.problems])
            return False
        self.settings = examined.settings
        logs.configure(self.settings.log.level, self.settings.log.format)
        self.metrics.config_hash.set(examined.hash)
        self.metrics.reload_ok.set(1)
        _log.info("config.taken", path=str(self.path), hash=examined.hash)
        return True

    def _mark(self) -> int:
        """What tells one state of the file from another; 0 while it cannot be read."""
        try:
            return config_hash(self.path)
        except OSError:
            return 0

    def _scheduler(self, runner: RoundRunner) -> Scheduler:
        return Scheduler(
            round_=runner.run,
            every=lambda: self.book.plan.every,
            offset=spread(self.settings.tenant, min(self.book.plan.every, _FIRST_ROUND_SECONDS)),
            clock=self.clock,
            skipped=self.metrics.count_skipped,
            late=self.metrics.schedule_lag.observe,
            failed=self.metrics.count_failed_round,
        )

    async def _pager(self, settings: Settings, stack: AsyncExitStack) -> tuple[Pager, ...]:
        """One, if Alertmanagers may be reached directly."""
        if not settings.paging.direct:
            return ()
        from sentinel.clients.alertmanager import Alertmanagers  # noqa: PLC0415  # who pages pays

        client = await stack.enter_async_context(Alertmanagers())
        pager = Pager(
            map(str, settings.paging.direct),
            sender_of(settings),
            client,
            self.clock,
            count=self.metrics.count_push,
            delay=self.metrics.page_delay.observe,
            repeat=settings.paging.repeat.total_seconds(),
            resolved_for=10 * settings.paging.repeat.total_seconds(),
        )
        stack.push_async_callback(pager.flush, FLUSH_SECONDS)
        return (pager,)

    def _journal(self, settings: Settings, stack: AsyncExitStack) -> tuple[Journal, ...]:
        if settings.journal.path is None:
            return ()
        path, keep = Path(settings.journal.path), settings.journal.keep.total_seconds()
        journal = Journal(path, keep, lost=self.metrics.count_lost)
        stack.push_async_callback(journal.flush, FLUSH_SECONDS)
        return (journal,)

    def _readiness(self) -> tuple[str, ...]:
        """Why we are not ready; empty when we are."""
        report: Round | None = self.history.round
        return ("no round has ended yet",) if report is None else report.reasons

    async def _measure_lag(self) -> None:
        await scheduler.measure_lag(self.clock, self.metrics.loop_lag.observe)

    def _listen_to_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        loop.add_signal_handler(signal.SIGHUP, self.hup.set)

    def _stop(self) -> None:
        self.stop.set()
        self.hup.set()


def sender_of(settings: Settings) -> Sender:
    """Who pages, as the pages name it."""
    return Sender(
        cluster=settings.cluster,
        namespace=settings.isolation.release,
        tenant=settings.tenant,
        parties=tuple(
            Party(tenant.name, tuple(tenant.namespaces), tenant.owner or "", tenant.contact or "")
            for tenant in settings.tenants
        ),
        shadow=settings.paging.mode == "shadow",
        runbooks=settings.paging.runbooks,
        dashboards=settings.paging.dashboards,
    )
