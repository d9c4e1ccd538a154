"""The round over real sockets of the loopback: real beacons, real keys, the real dial; only the witness is played."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace

import pytest
from prometheus_client import CollectorRegistry

from sentinel.clients.clock import Clock
from sentinel.clients.dialer import Dialer, KeptLines
from sentinel.core.net import challenge
from sentinel.core.net.net_plan import Terms
from sentinel.core.net.roster import Arrival, Beacon, Roster
from sentinel.core.record import Series
from sentinel.core.verdict import Reason, State
from sentinel.engine.crossings import Crossings
from sentinel.engine.net_kept import Outliving
from sentinel.engine.net_round import NetRound
from sentinel.engine.voice import Voice
from sentinel.joins.beaconing import OwnBeacon
from sentinel.sinks.beacon import BeaconMetrics
from tests.engine.scripted import Ledger
from tests.support.ports import free_port

TERMS = Terms(("team-b",), every=2.0, timeout=0.5, report=0.1)
TCP = Series("net/tcp", "self", "team-b")
ADDRESSES = {"team-a": "127.0.0.11", "team-b": "127.0.0.12", "sentinel-system": "127.0.0.13"}


@dataclass
class Hub:
    """The witness, played: who registered, what they report. `address` is where each is on the loopback."""

    port: int
    beacons: dict[str, Beacon] = field(default_factory=dict)
    heard: dict[str, int] = field(default_factory=dict)
    arrived: list[Arrival] = field(default_factory=list)
    number: int = 1

    def roster_now(self) -> Roster:
        everybody = dict(self.beacons)
        lighthouse = everybody.pop("sentinel-system", None)
        return Roster(self.number, tuple(everybody.values()), lighthouse, dict(self.heard), tuple(self.arrived))


@dataclass
class Way:
    """One pod's way to the hub."""

    hub: Hub
    name: str

    async def register(self, key: bytes, port: int) -> None:
        uid = f"{self.name}-1"
        address = ADDRESSES[self.name]
        self.hub.beacons[self.name] = Beacon(
            self.name, self.name, uid, port, (address,), (), key, ready=True, since=1.0, born=1.0
        )
        self.hub.number += 1

    async def roster(self, known: Roster | None = None, *, wait: bool = False) -> Roster:
        await asyncio.sleep(0.02 if wait else 0)
        return self.hub.roster_now()

    async def arrivals(self, challenges: Sequence[bytes]) -> bool:
        uid = f"{self.name}-1"
        for raw in challenges:
            found = challenge.challenge_in(raw)
            assert found is not None
            self.hub.arrived.append(Arrival(self.name, uid, found.nonce, found.protocol.value))
        self.hub.heard[uid] = self.hub.heard.get(uid, 0) + 1
        return True


@dataclass
class Town:
    hub: Hub
    own: OwnBeacon
    other: OwnBeacon
    round: NetRound
    book: Crossings
    ledger: Ledger
    lines: KeptLines
    shut: contextlib.AsyncExitStack

    async def rounds(self, count: int = 1):
        first = 0
        for _ in range(count):
            first = len(self.ledger.records)
            await self.round.run()
        return self.ledger.records[first:]

    async def close_team_b(self) -> None:
        """Nobody listens there any more, and the kubelet does not know it yet."""
        await self.shut.aclose()


@contextlib.asynccontextmanager
async def listening(hub: Hub, name: str) -> AsyncIterator[OwnBeacon]:
    """A beacon of this tenant, which registers and reports every tenth of a second."""
    own = OwnBeacon(name, f"{name}-1", BeaconMetrics(CollectorRegistry()))
    way = Way(hub, name)
    async with own.serve(hub.port, ADDRESSES[name]) as port:
        await way.register(own.signer.public, port)
        tasks = [asyncio.create_task(own.directory.keep(way)), asyncio.create_task(own.keep_reporting(way, port))]
        try:
            yield own
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture
async def town(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Town]:
    monkeypatch.setattr("sentinel.joins.beaconing.REPORT_SECONDS", 0.1)
    monkeypatch.setattr("sentinel.joins.beaconing.FIRST_PAUSE", 0.05)
    hub = Hub(free_port())
    async with contextlib.AsyncExitStack() as stack:
        own = await stack.enter_async_context(listening(hub, "team-a"))
        await stack.enter_async_context(listening(hub, "sentinel-system"))
        shut = await stack.enter_async_context(contextlib.AsyncExitStack())
        other = await shut.enter_async_context(listening(hub, "team-b"))
        dialer = await stack.enter_async_context(Dialer(64))
        clock, ledger, lines = Clock(), Ledger(), KeptLines()
        lines.dialer = dialer
        stack.callback(lines.close)
        book = Crossings(clock.wall(), (ledger,))
        voice = Voice(own.signer, clock, random.SystemRandom())
        terms = replace(TERMS, port=hub.port)
        kept = Outliving(lines, book, voice, clock, terms.timeout)
        round_ = NetRound(terms, book, Way(hub, "team-a"), dialer, voice, clock, kept=kept)
        yield Town(hub, own, other, round_, book, ledger, lines, shut)


async def until(town: Town, wanted, rounds: int = 20):
    """The records of the first round of which this is so: a busy machine may spoil some."""
    for _ in range(rounds):
        records = await town.rounds()
        if wanted(records):
            return records
    raise AssertionError([(r.question.text, r.verdict, r.observation) for r in town.ledger.records[-9:]])


async def test_an_open_network_is_a_breach_on_every_protocol_with_the_pod_that_answered(town: Town):
    records = await until(town, lambda found: {r.verdict.state for r in found} == {State.BREACHED})

    assert {r.question.check for r in records} == {"net/tcp", "net/udp", "net/http"}
    assert {r.verdict.reason for r in records} == {Reason.SERVED}
    assert {r.observation.place for r in records} == {f"127.0.0.12:{town.hub.port}, pod team-b-1"}
    assert town.lines.places() == {("127.0.0.12", town.hub.port)}


async def test_what_is_refused_while_the_target_reports_is_held(town: Town):
    # Its listener is gone, and everything that says that it lives goes on: a policy that rejects looks like this.
    way = Way(town.hub, "team-b")
    await town.close_team_b()

    async def report() -> None:
        while True:
            await way.arrivals([])
            await asyncio.sleep(0.1)

    reporting = asyncio.create_task(report())
    try:
        records = await until(town, lambda found: {r.verdict.state for r in found} == {State.HELD})
    finally:
        reporting.cancel()
        await asyncio.gather(reporting, return_exceptions=True)

    assert {r.question.check for r in records} == {"net/tcp", "net/udp", "net/http"}
    assert {r.observation.detail for r in records} == {"ECONNREFUSED"}


async def test_a_target_that_does_not_report_is_not_held_however_closed_it_is(town: Town):
    await town.close_team_b()
    records = await town.rounds(2)

    assert {r.verdict.state for r in records} == {State.INCONCLUSIVE}
    assert {r.verdict.reason for r in records} <= {Reason.ARRIVALS, Reason.BEACON, Reason.LIGHTHOUSE, Reason.UNASKED}


async def test_the_gates_are_green_over_real_sockets(town: Town):
    await until(town, lambda _: all(row.light.up for row in town.ledger.rounds[-1].gates))

    assert {row.gate.value for row in town.ledger.rounds[-1].gates} == {
        *("roster", "beacon", "lighthouse", "live", "neutral", "proxied", "arrivals")
    }
