"""The beacon's port on loopback: who asks rightly is answered rightly, whatever everybody else does meanwhile."""

import asyncio
import contextlib
import dataclasses
import os
from collections import Counter

import pytest

from sentinel.clients.dial import dial
from sentinel.core import carried, challenge
from sentinel.core.challenge import Challenge, Signer
from sentinel.core.crossing import Family, Path, Protocol
from sentinel.core.landing import Attempt, Landing
from sentinel.core.roster import Beacon
from sentinel.web.beacon import Listener
from sentinel.web.respondent import Respondent

LONG = 20.0
"""Seconds, on a machine that is busy."""
ASKER, OTHER, BEACON = (Signer(bytes([number]) * 32) for number in (1, 2, 3))
ROSTER = {
    "uid-a": Beacon("team-a", "team-a", "uid-a", 7462, key=ASKER.public),
    "uid-b": Beacon("team-b", "team-b", "uid-b", 7462, key=BEACON.public),
    "uid-b2": Beacon("team-b", "team-b", "uid-b2", 7462, key=OTHER.public),
    "uid-new": Beacon("team-c", "team-c", "uid-new", 7462),
}
ADDRESS = {Family.V4: "127.0.0.1", Family.V6: "::1"}


@dataclasses.dataclass
class Lit:
    """A beacon that burns, and what it has seen."""

    roster: dict[str, Beacon] = dataclasses.field(default_factory=lambda: dict(ROSTER))
    arrived: list[bytes] = dataclasses.field(default_factory=list)
    answers: Counter[str] = dataclasses.field(default_factory=Counter)
    refusals: Counter[str] = dataclasses.field(default_factory=Counter)
    connections: int = 0
    port: int = 0

    def find(self, uid):
        return self.roster.get(uid)

    def note_connections(self, number):
        self.connections = number

    @contextlib.asynccontextmanager
    async def burning(self, host=""):
        respondent = Respondent(
            "team-b",
            "uid-b",
            BEACON,
            self.find,
            arrived=self.arrived.append,
            answered=lambda protocol: self.answers.update([protocol]),
            refused=lambda why: self.refusals.update([why]),
        )
        listener = Listener(respondent.reply, lambda why: self.refusals.update([why]), self.note_connections)
        async with listener.serve(0, host) as self.port:
            yield self


@pytest.fixture
async def lit():
    async with Lit().burning() as burning:
        yield burning


def asked(uid="uid-a", beacon="uid-b", protocol=Protocol.TCP, signer=ASKER, family=Family.V4):
    tenant = "team-a"
    return challenge.asked(Challenge(os.urandom(16), tenant, uid, beacon, protocol, family, Path.POD), signer)


async def told(lit, raw, protocol=Protocol.TCP, host="127.0.0.1", timeout=LONG) -> Landing:
    """How it ended, from a thread of its own."""
    payload = carried.payload(protocol, raw, host, lit.port)
    (landing,) = await asyncio.to_thread(dial, [Attempt(host, lit.port, protocol, payload)], timeout)
    return landing


def is_right(landing, raw, protocol=Protocol.TCP):
    return challenge.is_answer(carried.answer(protocol, landing.reply), raw, BEACON.public)


async def until(look, what=""):
    """Wait for a condition of this very loop."""
    async with asyncio.timeout(LONG):
        while not look():
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("protocol", Protocol)
@pytest.mark.parametrize("host", ["127.0.0.1", "127.33.4.5", "::1"])
async def test_who_asks_rightly_is_answered_by_each_protocol_at_each_address(lit, protocol, host):
    raw = asked(protocol=protocol)
    landing = await told(lit, raw, protocol, host)

    assert is_right(landing, raw, protocol), landing
    assert lit.arrived == [raw]
    assert lit.answers == {protocol: 1}
    assert not lit.refusals


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_on_one_address_it_listens_there(host):
    async with Lit().burning(host) as lit:
        for protocol in Protocol:
            raw = asked(protocol=protocol)
            assert is_right(await told(lit, raw, protocol, host), raw, protocol)
