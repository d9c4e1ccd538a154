"""A Lease among pods, on virtual time: who asks, when it changes, and that never two do."""

import asyncio
import itertools
from dataclasses import replace

import pytest

from sentinel.clients.clock import Clock
from sentinel.core.lease import LASTS, RETRY, STOPS, Lease
from sentinel.engine.tenure import Tenure
from sentinel.errors import BadReply


class LoopClock(Clock):
    """The loop's virtual time."""

    def wall(self) -> float:
        return 1_000_000 + self.monotonic()

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()


class Server:
    """One Lease, as an API server keeps it."""

    def __init__(self) -> None:
        self.lease = Lease(version="0")
        self.versions = itertools.count(1)
        self.down = False


class Way:
    """One pod's way to it. `cut`: nothing gets through."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.cut = False

    async def read(self) -> Lease:
        self._there()
        return self.server.lease

    async def write(self, lease: Lease, /) -> Lease | None:
        self._there()
        if lease.version != self.server.lease.version:
            return None
        self.server.lease = replace(lease, version=str(next(self.server.versions)))
        return self.server.lease

    def _there(self) -> None:
        if self.cut or self.server.down:
            raise BadReply("no answer")


class Pods:
    def __init__(self, count: int) -> None:
        self.server = Server()
        self.ways = [Way(self.server) for _ in range(count)]
        self.turns: list[str] = []
        self.pods = [self._pod(number, way) for number, way in enumerate(self.ways)]
        self.tasks = [asyncio.create_task(pod.run()) for pod in self.pods]
        self.watch = asyncio.create_task(self._watch())
        self.most = 0

    def _pod(self, number: int, way: Way) -> Tenure:
        me = f"pod-{number}"
        return Tenure(me, way, LoopClock(), lambda: self.turns.append(me))

    async def _watch(self) -> None:
        while True:
            self.most = max(self.most, len(self.holders()))
            await asyncio.sleep(0.05)

    def holders(self) -> list[str]:
        return [pod.me for pod in self.pods if pod.holds()]

    async def end(self) -> None:
        for task in (*self.tasks, self.watch):
            task.cancel()
        await asyncio.gather(*self.tasks, self.watch, return_exceptions=True)


@pytest.mark.looptime
async def test_of_three_one_holds_it_and_keeps_it() -> None:
    pods = Pods(3)
    await asyncio.sleep(1)
    first = pods.holders()

    await asyncio.sleep(600)

    assert len(first) == 1 and pods.holders() == first and pods.most == 1
    assert pods.turns == first
    assert pods.server.lease.transitions == 1
    await pods.end()


@pytest.mark.looptime
async def test_when_the_holder_dies_another_begins_within_the_lease_and_a_look() -> None:
    pods = Pods(3)
    await asyncio.sleep(60)
    (first,) = pods.holders()
    dead = next(number for number, pod in enumerate(pods.pods) if pod.me == first)
    pods.tasks[dead].cancel()

    await asyncio.sleep(LASTS - RETRY - 0.1)
    assert set(pods.holders()) <= {first}
    await asyncio.sleep(2 * RETRY + 0.2)

    (second,) = pods.holders()
    assert second != first and pods.most == 1
    await pods.end()


@pytest.mark.looptime
async def test_a_holder_that_cannot_renew_stops_before_another_begins_and_says_so() -> None:
    pods = Pods(2)
    await asyncio.sleep(60)
    (first,) = pods.holders()
    cut = next(number for number, pod in enumerate(pods.pods) if pod.me == first)
    pods.ways[cut].cut = True

    await asyncio.sleep(STOPS + 0.1)
    assert pods.holders() == []
    assert pods.turns == [first, first]
    assert pods.pods[cut].since == 0
    await asyncio.sleep(LASTS)

    assert len(pods.holders()) == 1 and pods.holders() != [first]
    assert pods.most == 1
    await pods.end()


@pytest.mark.looptime
async def test_an_api_server_that_is_away_ends_every_tenure_and_begins_one_when_it_is_back() -> None:
    pods = Pods(3)
    await asyncio.sleep(60)
    pods.server.down = True
    await asyncio.sleep(STOPS + RETRY)
    assert pods.holders() == []

    pods.server.down = False
    await asyncio.sleep(LASTS + 2 * RETRY)

    assert len(pods.holders()) == 1 and pods.most == 1
    await pods.end()


@pytest.mark.looptime
async def test_who_leaves_it_makes_the_next_one_wait_for_a_look_only() -> None:
    pods = Pods(2)
    await asyncio.sleep(60)
    (first,) = pods.holders()
    leaves = next(number for number, pod in enumerate(pods.pods) if pod.me == first)
    pods.tasks[leaves].cancel()
    await pods.pods[leaves].release()
    assert pods.holders() == []

    await asyncio.sleep(RETRY + 0.1)

    assert len(pods.holders()) == 1 and pods.most == 1
    await pods.end()


@pytest.mark.looptime
async def test_who_writes_somebody_else_in_takes_it_away_at_the_next_look() -> None:
    """A tenant may edit its own Lease: then nobody asks, which is an alert about that tenant."""
    pods = Pods(2)
    await asyncio.sleep(60)
    pods.server.lease = replace(pods.server.lease, holder="nobody", version="edited")

    await asyncio.sleep(RETRY + 0.1)

    assert pods.holders() == []
    await pods.end()
