"""A beacon of ours: its key, its port, the roster it goes by, and its reports to the witness.

    start --> key --> listens --> registers the key --> reports each second what has arrived
                                       ^-- the witness does not know it (any more) --/

The same in a tenant's sentinel, in a pod that is nothing but a beacon, and in the witness's lighthouse,
which knows its roster itself and reports to nobody. The key is made here and never leaves the process.
"""

import asyncio
import contextlib
import os
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from sentinel.clients.clock import Clock
from sentinel.core.net.challenge import SEED_BYTES, Signer
from sentinel.core.net.roster import Beacon, Roster
from sentinel.errors import ClientError, Throttled
from sentinel.kinds import Directory as Teller
from sentinel.sinks.beacon import BeaconMetrics
from sentinel.web.beacon import Listener
from sentinel.web.respondent import Respondent

REPORT_SECONDS = 1.0
"""Between two reports. A question is over when two more of its target have come."""
MOST_REPORTED = 500
"""Challenges in one report: 150 KB of the 256 that the relay takes."""
MOST_WAITING = 5000
"""Challenges that wait to be reported; the oldest give way. Whoever asked those has given up: a
question waits for less than the ten seconds in which so many can come."""
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 5.0
"""Seconds after a failure, doubled with each."""

_log = structlog.get_logger()


class Way(Protocol):
    """The way to the witness; `clients.relay.RelayClient` is the real one. All raise ClientError."""

    async def register(self, key: bytes, port: int) -> None:
        """By this key our pod answers."""
        ...

    async def roster(self, known: Roster | None = None, *, wait: bool = False) -> Roster:
        """Which beacons there are."""
        ...

    async def arrivals(self, challenges: Sequence[bytes]) -> bool:
        """What has arrived; False when our key is not known."""
        ...


@dataclass
class Directory:
    """The last roster, by uid."""

    roster: Roster = field(default_factory=Roster)
    _by_uid: dict[str, Beacon] = field(default_factory=dict)

    def take(self, roster: Roster) -> None:
        """From now on it is this one."""
        if roster.beacons is not self.roster.beacons or roster.lighthouse is not self.roster.lighthouse:
            lighthouse = (roster.lighthouse,) if roster.lighthouse else ()
            self._by_uid = {beacon.uid: beacon for beacon in (*roster.askers, *roster.beacons, *lighthouse)}
        self.roster = roster

    def find(self, uid: str) -> Beacon | None:
        """The beacon of this pod."""
        return self._by_uid.get(uid)

    async def keep(self, way: Teller) -> None:
        """For ever: ask for the next one as soon as it is there."""
        pause = _Pause("roster")
        while True:
            try:
                self.take(await way.roster(self.roster, wait=True))
            except ClientError as error:
                await pause.after(error)
            else:
                pause.over()
                # An answer that comes at once, again and again, must not keep us busy.
                await asyncio.sleep(FIRST_PAUSE)


@dataclass
class OwnBeacon:
    """One process's. `uid`: of the pod we are in; `tenant`: what we call ourselves."""

    tenant: str
    uid: str
    metrics: BeaconMetrics
    directory: Directory = field(default_factory=Directory)
    clock: Clock = field(default_factory=Clock)
    signer: Signer = field(default_factory=lambda: Signer(os.urandom(SEED_BYTES)))
    registered: bool = False
    listens: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        """Nobody can reach it yet."""
        self._waiting: deque[bytes] = deque(maxlen=MOST_WAITING)
        self.arrived = self._waiting.append
        respondent = Respondent(
            self.tenant,
            self.uid,
            self.signer,
            self.directory.find,
            arrived=self.arrived,
            answered=self.metrics.answered,
            refused=self.metrics.refused,
        )
        self._listener = Listener(
            respondent.reply, refused=self.metrics.refused, connections=self.metrics.connections, clock=self.clock
        )

    @contextlib.asynccontextmanager
    async def serve(self, port: int, host: str = "") -> AsyncIterator[int]:
        """Answer until the block ends; gives the real port, where 0 was asked for. Raises OwnFault."""
        async with self._listener.serve(port, host) as real:
            self.listens = True
            try:
                yield real
            finally:
                self.listens = False

    async def keep_reporting(self, way: Way, port: int) -> None:
        """For ever: hand over the key, then one report after the other, also of nothing: it says that we listen."""
        pause = _Pause("reports")
        while True:
            if not self.listens:
                # Nothing arrives where nobody listens: said of that, "nothing arrived" would prove a denial.
                await asyncio.sleep(REPORT_SECONDS)
                continue
            try:
                if not self.registered:
                    await way.register(self.signer.public, port)
                    self.registered = True
                await self._report(way)
            except ClientError as error:
                await pause.after(error)
                continue
            pause.over()
            await asyncio.sleep(REPORT_SECONDS)

    async def _report(self, way: Way) -> None:
        """What fails is told again with the next one: the witness knows each challenge once."""
        batch = [self._waiting[index] for index in range(min(MOST_REPORTED, len(self._waiting)))]
        self.registered = await way.arrivals(batch)
        if self.registered:
            for raw in batch:
                # More may have come meanwhile, and pushed these out.
                if self._waiting and self._waiting[0] is raw:
                    self._waiting.popleft()


@dataclass
class _Pause:
    """How long to wait after failures, which are told once."""

    what: str
    seconds: float = 0.0

    async def after(self, error: ClientError) -> None:
        """Longer each time, or as long as we were told."""
        if not self.seconds:
            _log.warning("beacon.unheard", what=self.what, detail=str(error))
        self.seconds = min(LONGEST_PAUSE, 2 * self.seconds or FIRST_PAUSE)
        told = error.after if isinstance(error, Throttled) else 0.0
        await asyncio.sleep(max(self.seconds, min(told, LONGEST_PAUSE)))

    def over(self) -> None:
        """It works (again)."""
        if self.seconds:
            _log.info("beacon.heard", what=self.what)
        self.seconds = 0.0
