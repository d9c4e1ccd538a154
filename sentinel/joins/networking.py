"""The network as the settings describe it: our own beacon, what we ask of the others, and what we believe.

    relay <--key, reports-- OwnBeacon <--challenges-- others
      \\--roster--> NetRound <-> Crossings --> sinks
                     \\--> Young

The key, what is believed and the connections that are kept live as long as the process; the rest follows
from the settings and is built anew with them.
"""

import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

import structlog
from prometheus_client import CollectorRegistry

from sentinel.clients.clock import Clock
from sentinel.clients.dialer import Dialer, KeptLines
from sentinel.clients.relay import RelayClient
from sentinel.core.api.question import ACCOUNT
from sentinel.core.net import net_plan
from sentinel.core.net.challenge import Signer
from sentinel.core.net.roster import Roster
from sentinel.core.schedule import spread
from sentinel.engine.crossings import Crossings
from sentinel.engine.net_kept import Outliving
from sentinel.engine.net_round import NetRound
from sentinel.engine.net_young import Young
from sentinel.engine.scheduler import Scheduler
from sentinel.engine.surroundings import Surroundings
from sentinel.engine.voice import Voice
from sentinel.errors import ClientError, OwnFault
from sentinel.joins.beaconing import OwnBeacon
from sentinel.joins.lookouts import SURROUNDING, lookouts_of
from sentinel.joins.relaying import pod_uid
from sentinel.joins.world import net_checks_of, net_targets_of, net_terms_of
from sentinel.kinds import Directory
from sentinel.settings import SELF, Settings
from sentinel.settings.identities import OWN_ACCOUNT
from sentinel.sinks.beacon import BeaconMetrics
from sentinel.sinks.metrics import Metrics

Task = Callable[[], Awaitable[None]]
"""Something to be run for ever."""

_log = structlog.get_logger()


def user_of(settings: Settings) -> str:
    """Whose account we are, for the command in a page."""
    return ACCOUNT.format(settings.home, OWN_ACCOUNT)


@dataclass(frozen=True)
class Generation:
    """What follows from one reading of the settings: `tasks`, by name, are to be run for ever."""

    rounds: Scheduler
    tasks: Mapping[str, Task]


@dataclass
class Networking:
    """One sentinel's network. `metrics` has the registry for the beacon's own."""

    metrics: Metrics
    book: Crossings
    clock: Clock
    lines: KeptLines = field(init=False)
    own: OwnBeacon | None = field(default=None, init=False)
    _trouble: str = field(default="", init=False)

    def __post_init__(self) -> None:
        """Nothing is kept yet."""
        self.lines = KeptLines(self.clock)

    @contextlib.asynccontextmanager
    async def generation(self, settings: Settings, relay: RelayClient | None) -> AsyncIterator[Generation]:
        """What follows from these settings. Raises OwnFault when the beacon's port cannot be had.

        Its tasks have to be over when the block ends: the sockets that they ask with end with it.
        """
        own = self._own_beacon(settings, self.metrics.registry)
        async with contextlib.AsyncExitStack() as stack:
            dialer = await stack.enter_async_context(Dialer(settings.network.sockets, self.clock))
            self.lines.dialer = dialer
            self.book.user = user_of(settings)
            way = relay if own is not None and relay is not None else _Nobody(self._why(relay))
            round_ = self._round(settings, way, dialer, own)
            rounds = self._scheduler(settings, round_)
            self._expect(settings, round_)
            young = Young(round_, self.clock)
            round_.news = young.see
            tasks: dict[str, Task] = {"network: rounds": rounds.run, "network: young pods": young.run}
            if own is not None:
                port = await stack.enter_async_context(own.serve(settings.network.beacon.port))
                if relay is not None:
                    tasks["network: roster"] = partial(own.directory.keep, _Heard(relay, round_))
                    tasks["network: reports"] = partial(own.keep_reporting, relay, port)
            tasks |= self._look_around(settings, round_)
            yield Generation(rounds, tasks)

    def close(self) -> None:
        """At the end of the process."""
        self.lines.close()

    def _own_beacon(self, settings: Settings, registry: CollectorRegistry) -> OwnBeacon | None:
        """Made once; without a pod of our own there is none, and nothing can be proven over the network."""
        if self.own is None:
            try:
                uid = pod_uid(settings)
            except ClientError as error:
                self._trouble = str(error)
                _log.error("network.unproven", detail=str(error))
                return None
            self.own = OwnBeacon(settings.tenant, uid, BeaconMetrics(registry), clock=self.clock)
        return self.own

    def _why(self, relay: RelayClient | None) -> str:
        return self._trouble if relay is not None else "paging.relay: no witness, so nobody says where the beacons are"

    def _round(self, settings: Settings, way: Directory, dialer: Dialer, own: OwnBeacon | None) -> NetRound:
        rng = random.SystemRandom()
        signer = own.signer if own is not None else Signer(rng.randbytes(32))
        voice = Voice(signer, self.clock, rng)
        terms = net_terms_of(settings)
        kept = Outliving(self.lines, self.book, voice, self.clock, terms.timeout)
        return NetRound(terms, self.book, way, dialer, voice, self.clock, kept=kept)

    def _scheduler(self, settings: Settings, round_: NetRound) -> Scheduler:
        checks = net_checks_of(settings)
        return Scheduler(
            round_=round_.run,
            every=lambda: round_.period,
            offset=spread(f"network/{settings.tenant}", min(round_.period, 10.0)),
            clock=self.clock,
            skipped=lambda slots: self.metrics.count_skipped(slots, checks),
            late=self.metrics.schedule_lag.observe,
            failed=lambda: self.metrics.count_failed_round(checks),
        )

    def _look_around(self, settings: Settings, round_: NetRound) -> dict[str, Task]:
        """What has no beacon, where it is switched on; what is not any more is let go."""
        every = net_plan.ROUNDS_BETWEEN * round_.terms.every
        around = Surroundings(lookouts_of(settings, round_, self.clock), self.book, self.clock, every)
        checks = tuple(lookout.check for lookout in around.lookouts)
        for gone in set(SURROUNDING) - set(checks):
            self.book.plan(gone, (), every, self.clock.wall())
        looks = Scheduler(
            round_=around.run,
            every=lambda: every,
            offset=spread(f"around/{settings.tenant}", every),
            clock=self.clock,
            skipped=lambda slots: self.metrics.count_skipped(slots, checks),
            late=self.metrics.schedule_lag.observe,
            failed=lambda: self.metrics.count_failed_round(checks),
        )
        return {"network: surroundings": looks.run} if checks else {}

    def _expect(self, settings: Settings, round_: NetRound) -> None:
        self.metrics.expect_network(net_checks_of(settings), net_targets_of(settings), SELF, round_.period)


@dataclass(frozen=True)
class _Heard:
    """The roster as the beacon waits for it: the round hears of it as well, and of the pods that are new."""

    relay: RelayClient
    round: NetRound

    async def roster(self, known: Roster | None = None, *, wait: bool = False) -> Roster:
        """As the relay's."""
        found = await self.relay.roster(known, wait=wait)
        self.round.hear(found)
        return found


@dataclass(frozen=True)
class _Nobody:
    """Where there is no witness, or no pod of ours: nobody says which beacons there are."""

    why: str

    async def roster(self, known: Roster | None = None, *, wait: bool = False) -> Roster:
        """Raises OwnFault, always."""
        del known, wait
        raise OwnFault(self.why)
