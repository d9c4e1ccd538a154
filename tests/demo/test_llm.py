"""The demo's gateway and its providers: what they answer, how one dies, and that the truth told is what happened."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest

from sentinel.clients.clock import Clock
from sentinel.clients.completions import Completions
from sentinel.core.gateway.canary import Canary
from sentinel.core.gateway.dialect import Dialect
from sentinel.core.gateway.outcome import Expected, Judged, Outcome, judge
from sentinel.core.gateway.provider import PRESETS
from sentinel.demo import loopback
from sentinel.demo.gateway import SERVED_BY, Gateway
from sentinel.demo.provider import Provider
from sentinel.probes.completion import CompletionProbe

pytestmark = pytest.mark.asyncio
ASKED = Canary("96c288" + "0123abcd")


@dataclass
class Moment:
    """A clock that stands still."""

    now: float = 1000.0


@dataclass
class World:
    gateway: Gateway
    moment: Moment
    begun: asyncio.Event = field(default_factory=asyncio.Event)

    async def ask(self, *, stream: bool = True) -> tuple[Judged, str]:
        """As sentinel asks, and by whom it was answered."""
        probe = CompletionProbe(self.gateway.url, Dialect.OPENAI_CHAT, "counts", Completions(), Clock())
        heard = await probe.ask(ASKED, stream=stream, on_token=self.begun.set)
        judged = judge(heard, ASKED, Expected("north", (), PRESETS["plain"]))
        return judged, heard.headers.get(SERVED_BY.lower(), "")


@asynccontextmanager
async def world(patience: float = 5.0) -> AsyncIterator[World]:
    moment = Moment()
    north, south = (Provider(name, lambda: moment.now) for name in ("north", "south"))
    async with north, south, Gateway(north, south, patience, lambda: moment.now) as gateway:
        yield World(gateway, moment)


@pytest.mark.parametrize("stream", [True, False])
async def test_the_canary_is_answered_whole_by_the_first_provider(stream):
    async with world() as one:
        judged, who = await one.ask(stream=stream)

    assert (judged.outcome, who) == (Outcome.SERVED_UNKNOWN, "north")
    assert one.gateway.answered == 1
    assert one.gateway.truth is None


async def test_when_the_first_one_is_dead_nobody_answers_until_the_switch_and_that_is_the_truth():
    async with world(patience=5.0) as one:
        await one.gateway.first.kill()
        one.moment.now += 0.25
        refused, _ = await one.ask()
        one.moment.now += 4.99
        still, _ = await one.ask()
        one.moment.now += 0.01
        judged, who = await one.ask()

    assert (refused.outcome, refused.status, still.outcome) == (
        Outcome.STRUCTURED_ERROR,
        503,
        Outcome.STRUCTURED_ERROR,
    )
    assert (judged.good, who) == (True, "south")
    assert one.gateway.truth is not None
    assert one.gateway.truth.outage == pytest.approx(5.25)
    assert one.gateway.answered == 0


async def test_it_dies_in_the_middle_of_a_word_and_the_gateway_says_so_in_the_stream():
    async with world() as one:
        asking = asyncio.create_task(one.ask())
        await one.begun.wait()
        await one.gateway.first.kill()
        judged, _ = await asking

    assert judged.outcome is Outcome.ERROR_IN_STREAM
    assert 0 < judged.tokens_before < 5, "at once, and not when it is done"
    assert one.gateway.truth is not None
    assert one.gateway.truth.outage == 5.0
    assert one.gateway.answered == 0


async def test_a_dead_one_refuses_connections_and_one_that_was_mended_answers_first_again():
    async with world() as one:
        url = one.gateway.first.url
        await one.gateway.first.kill()
        await one.ask()
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.ClientConnectorError):
                await session.post(url)
        await one.gateway.mend()
        judged, who = await one.ask()

    assert (judged.good, who) == (True, "north")
    assert one.gateway.truth is None


class Silent(Provider):
    """It takes a request and says nothing, until it dies; the next life has another address."""

    def __init__(self, name: str) -> None:
        super().__init__(name, lambda: 0.0)
        self.lives: list[asyncio.Server] = []

    async def live(self) -> None:
        self.asked, self.dies = asyncio.Event(), asyncio.Event()
        self.lives.append(await asyncio.start_server(self._hold, loopback.HOST, 0))
        self.url = f"http://{loopback.HOST}:{self.lives[-1].sockets[0].getsockname()[1]}/"

    async def _hold(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        dies = self.dies
        self.asked.set()
        await dies.wait()
        writer.close()

    async def __aexit__(self, *_: object) -> None:
        for server in self.lives:
            server.close()


async def test_a_failure_that_comes_late_from_a_life_before_is_no_news():
    moment = Moment()
    north, south = Silent("north"), Provider("south", lambda: moment.now)
    async with north, south, Gateway(north, south, 5.0, lambda: moment.now) as gateway:
        asking = asyncio.create_task(World(gateway, moment).ask())
        await north.asked.wait()
        before = north.dies
        await gateway.mend()
        before.set()
        judged, _ = await asking

    assert judged.outcome is Outcome.STRUCTURED_ERROR
    assert gateway.truth is None


async def test_who_goes_away_in_the_middle_is_no_failure_of_a_provider(caplog):
    async with world() as one:
        asking = asyncio.create_task(one.ask())
        await one.begun.wait()
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        judged, who = await one.ask()

    assert (judged.good, who, one.gateway.truth) == (True, "north", None)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_what_it_cannot_do_it_says():
    body: dict[str, Any] = {"messages": [{"role": "user", "content": "Write a poem."}]}
    async with world() as one, aiohttp.ClientSession() as session, session.post(one.gateway.url, json=body) as reply:
        told = await reply.json()

    assert told["choices"][0]["message"]["content"] == "I can only count."
