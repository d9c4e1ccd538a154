"""What is read later keeps the time at which it came, and what somebody waits for is read at once."""

import asyncio
from dataclasses import dataclass, field

import pytest

from sentinel.clients import exchange
from sentinel.clients.answer import Answer
from sentinel.clients.exchange import MOST_GATHERED, Exchange
from sentinel.core.gateway.completion import Trouble

pytestmark = pytest.mark.asyncio
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"


@dataclass
class Hands:
    """A clock that is turned by hand."""

    now: float = 0.0

    def monotonic(self):
        return self.now


@dataclass
class Heard:
    """An ear that writes down what it is told."""

    hurry: bool = True
    told: list[object] = field(default_factory=list)
    fault: Exception | None = None
    enough: bool = False
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def connected(self, at):
        self.told.append(("connected", at))

    def answered(self, status, headers, at):
        self.told.append((status, at))

    def heard(self, chunk, at):
        if self.fault is not None:
            raise self.fault
        self.told.append((chunk, at))
        return not self.enough

    def ended(self, why, at):
        self.told.append((why, at))
        self.over.set()


@pytest.fixture
def ear():
    return Heard()


@pytest.fixture
def clock():
    return Hands()


@pytest.fixture
def wire(ear, clock):
    return Exchange(Answer("/", {"Host": "a", "Content-Length": "0"}, b""), ear, clock)


def came(wire, clock, *packets):
    """Each a second after the one before."""
    for packet in packets:
        clock.now += 1
        wire.data_received(packet)


async def test_while_somebody_waits_each_packet_is_heard_at_once(wire, ear, clock):
    came(wire, clock, HEAD, b"ab")

    assert ear.told == [(200, 1.0), (b"ab", 2.0)]


async def test_later_each_is_heard_with_the_time_at_which_it_came(wire, ear, clock):
    came(wire, clock, HEAD)
    ear.hurry = False
    came(wire, clock, b"ab", b"cd", b"efghij")
    before = list(ear.told)

    await asyncio.wait_for(ear.over.wait(), 60)

    assert before == [(200, 1.0)]
    assert ear.told[1:] == [(b"ab", 2.0), (b"cd", 3.0), (b"efghij", 4.0), (None, 4.0)]


async def test_what_was_gathered_is_heard_before_the_connection_is_lost(wire, ear, clock):
    came(wire, clock, HEAD)
    ear.hurry = False
    came(wire, clock, b"ab")
    clock.now = 9.0

    wire.connection_lost(None)

    assert ear.told[1:] == [(b"ab", 2.0), (Trouble.ABORT, 9.0)]


async def test_no_more_is_gathered_than_is_good(wire, ear, clock, monkeypatch):
    monkeypatch.setattr(exchange, "GATHER_SECONDS", 1000.0)
    came(wire, clock, b"HTTP/1.1 200 OK\r\n\r\n")
    ear.hurry = False

    came(wire, clock, b"x" * MOST_GATHERED, b"y")

    assert len(ear.told) == 3


async def test_a_bug_of_the_ear_is_told_as_such_and_not_as_a_broken_connection(wire, ear, clock):
    ear.fault = KeyError("x")

    came(wire, clock, HEAD + b"ab")

    assert ear.told == [(200, 1.0), (ear.fault, 1.0)]


async def test_what_ends_with_its_connection_is_whole_unless_that_was_broken(ear, clock):
    for error, why in ((None, None), (ConnectionResetError(), Trouble.ABORT)):
        wire = Exchange(Answer("/", {"Host": "a", "Content-Length": "0"}, b""), ear, clock)
        wire.data_received(b"HTTP/1.1 200 OK\r\n\r\nab")

        wire.connection_lost(error)

        assert ear.told[-1] == (why, clock.now)


async def test_after_enough_nothing_more_is_heard(wire, ear, clock):
    came(wire, clock, HEAD)
    ear.hurry, ear.enough = False, True

    came(wire, clock, b"ab", b"cd")
    wire.catch_up()

    assert ear.told[1:] == [(b"ab", 2.0), (None, 2.0)]


async def test_nothing_is_heard_after_the_end(wire, ear, clock):
    came(wire, clock, HEAD + b"0123456789")
    ended = list(ear.told)

    came(wire, clock, b"more")
    wire.connection_lost(ConnectionResetError())

    assert ear.told == ended
