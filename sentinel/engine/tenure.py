"""The Lease, kept or waited for: whether this pod is the one of its tenant's that asks the API server.

    look --free, or not renewed for long--> take --every 2 s--> renew --refused, or too late--> look

The question is put to `holds` before each request that goes out, not once a round: a process that was
paused in the middle of a round wakes up with its tenure over.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from sentinel.clients.clock import Clock
from sentinel.core import lease
from sentinel.core.lease import Lease, Sighting
from sentinel.core.page import rfc3339
from sentinel.errors import ClientError

_log = structlog.get_logger()


class Shared(Protocol):
    """Where the Lease is."""

    async def read(self) -> Lease:
        """As it stands. Raises ClientError."""
        ...

    async def write(self, lease: Lease, /) -> Lease | None:
        """Over the one that was read last; None when somebody else was faster. Raises ClientError."""
        ...


@dataclass
class Tenure:
    """One pod's part in it. `me` is of this process alone. `turned` is told when it changes hands for us."""

    me: str
    shared: Shared
    clock: Clock
    turned: Callable[[], None] = lambda: None
    since: float = 0.0
    """When we began to hold it, wall seconds; 0 while we do not."""
    _until: float = field(default=float("-inf"), init=False)
    _seen: Sighting | None = field(default=None, init=False)

    def holds(self) -> bool:
        """Whether we may ask, at this moment."""
        return self.clock.monotonic() < self._until

    async def run(self) -> None:
        """For ever: take it when it may be taken, keep it while it can be kept."""
        while True:
            try:
                async with asyncio.timeout(lease.STOPS):
                    await self._look()
            except (ClientError, TimeoutError) as error:
                _log.warning("lease.unreachable", error=str(error) or type(error).__name__, holds=self.holds())
            self._tell()
            await self._pause()

    async def release(self) -> None:
        """Leave it to the next one at once, if it is ours."""
        if not self.holds() or self._seen is None:
            return
        self._until = float("-inf")
        with contextlib.suppress(ClientError, TimeoutError):
            async with asyncio.timeout(lease.RETRY):
                await self.shared.write(lease.released(self._seen.lease))

    async def _look(self) -> None:
        seen = self._seen = lease.see(self._seen, await self.shared.read(), self.clock.monotonic())
        if seen.lease.holder != self.me:
            # Somebody has it, or nobody: in either case not we.
            self._until = float("-inf")
        asked = self.clock.monotonic()
        if not lease.may_take(seen, self.me, asked):
            return
        written = await self.shared.write(lease.taken(seen.lease, self.me, self._moment()))
        if written is not None:
            self._seen = lease.see(seen, written, asked)
            self._until = lease.held_until(asked)

    def _moment(self) -> str:
        """Now, in the six digits that a Lease wants."""
        return f"{rfc3339(self.clock.wall()).removesuffix('Z')}000Z"

    async def _pause(self) -> None:
        """Until the next look; no longer than our tenure, so that its end is told when it comes."""
        left = self._until - self.clock.monotonic()
        await asyncio.sleep(min(lease.RETRY, left) if left > 0 else lease.RETRY)
        self._tell()

    def _tell(self) -> None:
        holds = self.holds()
        if holds is (self.since > 0):
            return
        self.since = self.clock.wall() if holds else 0.0
        _log.info("lease.taken" if holds else "lease.lost", me=self.me)
        self.turned()
