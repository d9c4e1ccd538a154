"""The one who asks: the real round of the network, its sockets in the asker's namespace, its clock ours."""

import asyncio
import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from sentinel.clients.clock import Clock
from sentinel.clients.dialer import MOST_BATCHES, Dialer, KeptLines
from sentinel.core.net.crossing import Crossing
from sentinel.core.net.net_plan import Terms
from sentinel.core.record import Record, Round
from sentinel.core.standing import Standing
from sentinel.core.verdict import State
from sentinel.engine.crossings import Crossings
from sentinel.engine.net_kept import Outliving
from sentinel.engine.net_round import NetRound
from sentinel.engine.net_young import Young
from sentinel.engine.voice import Voice
from tests.cluster.netmatrix.beacons import PORT, Host
from tests.support import netns

TIMEOUT = 1.2
"""Seconds: an ICMPv6 that refuses is heard after one (`tests/wire/test_netns.py`)."""
EVERY = 2.2
REPORT = 0.15


@dataclass
class JumpyClock(Clock):
    """Wall time is what the test says; the other one goes on."""

    ahead: float = 0.0

    def wall(self) -> float:
        return super().wall() + self.ahead


def dialer_in(name: str) -> Dialer:
    """The real one, its threads standing in a namespace."""
    dialer = Dialer()
    dialer._pool = ThreadPoolExecutor(MOST_BATCHES, "dial", initializer=netns.enter, initargs=(name,))
    return dialer


@dataclass
class Kept:
    """A sink that keeps what it is told."""

    records: list[Record] = field(default_factory=list)
    rounds: list[Round] = field(default_factory=list)

    def put(self, record: Record) -> None:
        self.records.append(record)

    def end_round(self, report: Round) -> None:
        self.rounds.append(report)


class Asker:
    """One sentinel's questions to the network, round by round as the test wants them."""

    def __init__(self, host: Host, expected: Sequence[str], seed: int = 1) -> None:
        self.host = host
        self.clock = JumpyClock()
        self.sink = Kept()
        self.book = Crossings(self.clock.wall(), (self.sink,))
        self.dial = dialer_in(host.pod.name)
        voice = Voice(host.beacon.signer, self.clock, random.Random(seed))
        self.lines = KeptLines()
        self.lines.dialer = self.dial
        self.net = NetRound(
            Terms(tuple(expected), every=EVERY, timeout=TIMEOUT, report=REPORT, port=PORT),
            self.book,
            host.wire,
            self.dial,
            voice,
            self.clock,
            kept=Outliving(self.lines, self.book, voice, self.clock, TIMEOUT),
        )
        self.young = Young(self.net, self.clock)
        self.net.news = self.young.see
        self._task = asyncio.create_task(self.young.run(), name="young pods")

    async def round(self) -> list[Record]:
        """What one round says of each question, the last word."""
        known = len(self.sink.records)
        await self.net.run()
        last = {record.question: record for record in self.sink.records[known:]}
        return list(last.values())

    def standings(self) -> dict[Crossing, Standing]:
        return {asked: seen for asked, seen in self.book.standings.items() if isinstance(asked, Crossing)}

    def open(self) -> dict[Crossing, Standing]:
        return {asked: seen for asked, seen in self.standings().items() if seen.breach is not None}

    def not_held(self) -> list[str]:
        """For people: what is not proven now, and why."""
        return [told(asked, seen) for asked, seen in self.standings().items() if seen.verdict.state is not State.HELD]

    async def end(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self.lines.close()
        await self.dial.__aexit__(None, None, None)


def told(asked: Crossing, seen: Standing) -> str:
    return f"{asked.target} {asked.text}: {seen.verdict.state.value} ({seen.verdict.reason.value})"
