"""The dial beside the loop: a thread for each batch, which tells the loop of every socket as it ends.

A batch that is cancelled stops at once, and no socket outlives it.
"""

import asyncio
import threading
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self, TypeVar

from sentinel.clients.clock import Clock
from sentinel.clients.dial import CAP, dial
from sentinel.clients.kept import Kept, Place
from sentinel.core.net.landing import Attempt, Landing

MOST_BATCHES = 12
"""At the same time: the round's three, one for kept connections, and young pods' four seconds of one each."""

T = TypeVar("T")


class Dialer:
    """`kinds.Dial`, used as `async with`. `cap`: sockets at the same time in one batch."""

    def __init__(self, cap: int = CAP, clock: Clock | None = None) -> None:
        """No thread yet."""
        self._cap, self._clock = cap, clock
        self._pool = ThreadPoolExecutor(MOST_BATCHES, thread_name_prefix="network")
        self._stops: set[threading.Event] = set()

    async def __aenter__(self) -> Self:
        """Threads are started when there is something to ask."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop what is under way, and wait until it has: it takes a twentieth of a second."""
        for stop in self._stops:
            stop.set()
        await asyncio.to_thread(self._pool.shutdown, cancel_futures=True)

    async def __call__(
        self, attempts: Sequence[Attempt], seconds: float, landed: Callable[[int, Landing], None]
    ) -> list[Landing]:
        """As `kinds.Dial`; `landed` is called in the loop."""
        loop = asyncio.get_running_loop()

        def tell(index: int, landing: Landing) -> None:
            # A silence can wait for the end of the batch; what came must not.
            if landing.reply or landing.connected:
                loop.call_soon_threadsafe(landed, index, landing)

        return await self.beside(
            lambda stop: dial(attempts, seconds, cap=self._cap, stop=stop, clock=self._clock, landed=tell)
        )

    async def beside(self, work: Callable[[threading.Event], T]) -> T:
        """Do something that blocks in one of the threads; it is told to stop when we are cancelled."""
        stop = threading.Event()
        self._stops.add(stop)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work, stop)
        finally:
            stop.set()
            self._stops.discard(stop)


class KeptLines:
    """`kinds.Lines`, in the same threads. It lives as long as the process, since its connections do."""

    def __init__(self, clock: Clock | None = None) -> None:
        """None yet."""
        self._kept = Kept(clock)
        self._turn = asyncio.Lock()
        self.dialer: Dialer | None = None

    def places(self) -> frozenset[Place]:
        """Where one is held."""
        return self._kept.places()

    def keep_only(self, places: Collection[Place]) -> None:
        """Close those to everywhere else."""
        if not self._turn.locked():
            self._kept.keep_only(places)

    async def open(self, attempts: Sequence[Attempt], seconds: float) -> list[Landing]:
        """As `kinds.Lines`."""
        return await self._do(lambda stop: self._kept.open(attempts, seconds, stop))

    async def ask(self, attempts: Sequence[Attempt], seconds: float) -> list[Landing]:
        """As `kinds.Lines`."""
        return await self._do(lambda stop: self._kept.ask(attempts, seconds, stop))

    def close(self) -> None:
        """All of them."""
        self._kept.close()

    async def _do(self, work: Callable[[threading.Event], list[Landing]]) -> list[Landing]:
        assert self.dialer is not None, "asked only while there is a network to ask"
        async with self._turn:
            return await self.dialer.beside(work)
