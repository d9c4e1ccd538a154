"""Whoever looks is told when to look again: at once, not too often, and nobody can make it cost much."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from sentinel import logs
from sentinel.settings.words import Address
from sentinel.sinks.history import History
from sentinel.web import console, listener, live
from tests.support.breaches import GET, LIST, Belief, a_round
from tests.support.eventually import eventually_async
from tests.wire.test_web import NOON, World, asking

LOOK, BEAT = "event: look", "event: beat"
WATCH = "looks for what is new to those who look"
PLENTY = 30.0


@pytest.fixture
def world():
    made = World()
    logs.configure("error", "json", made.log)
    return made


class Stream:
    """One who looks."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def status(self) -> int:
        async with asyncio.timeout(PLENTY):
            head = await self.reader.readuntil(b"\r\n\r\n")
        self.head = head.decode()
        return int(self.head.split(" ")[1])

    async def event(self) -> str:
        """The next one's name; empty at the end."""
        async with asyncio.timeout(PLENTY):
            while line := await self.reader.readline():
                if line.startswith(b"event:"):
                    return line.decode().strip()
        return ""

    async def until(self, name: str) -> None:
        while (event := await self.event()) != name:
            assert event, "it ended"


@contextlib.asynccontextmanager
async def stream(at: Address, *more: str) -> AsyncIterator[Stream]:
    reader, writer = await asyncio.open_connection(*at)
    writer.write("\r\n".join(("GET /events HTTP/1.1", f"Host: {at}", *more, "", "")).encode())
    try:
        yield Stream(reader, writer)
    finally:
        writer.close()


def watching() -> bool:
    return any(task.get_name() == WATCH for task in asyncio.all_tasks())


async def test_who_comes_is_told_to_look_at_once_and_then_whenever_belief_turns(world):
    async with world.serve() as served, stream(served.console) as one:
        assert await one.status() == 200
        assert "text/event-stream" in one.head and "default-src 'none'" in one.head
        first = await one.event()

        world.history.put(Belief(LIST).served(NOON))
        await one.until(LOOK)

    assert first == LOOK


@pytest.mark.parametrize("what", ["a breach opens", "it closes", "blindness", "not ready", "another pod asks"])
async def test_each_turn_is_an_event_and_another_proof_of_the_same_is_none(world, monkeypatch, what):
    monkeypatch.setattr(live, "BEAT_SECONDS", PLENTY)
    belief, kept = Belief(LIST), world.history
    kept.put(belief.held(NOON))
    kept.end_round(a_round(NOON))
    if what == "it closes":
        kept.put(belief.served(NOON + 1))
        kept.put(belief.held(NOON + 2))
    async with world.serve() as served, stream(served.console) as one:
        assert await one.event() == LOOK
        await eventually_async(watching)
        again = asyncio.ensure_future(one.event())
        if what != "it closes":
            for number in range(10):
                kept.put(belief.held(NOON + 3 + number))
        await asyncio.wait([again], timeout=0.4)
        assert not again.done(), "nothing turned"

        match what:
            case "a breach opens":
                kept.put(belief.served(NOON + 20))
            case "it closes":
                kept.put(belief.held(NOON + 20))
            case "blindness":
                kept.put(belief.blind(NOON + 20))
            case "not ready":
                kept.end_round(replace(a_round(NOON + 20), reasons=("no token",)))
            case "another pod asks":
                kept.stand_by()

        assert await again == LOOK


async def test_a_round_that_ended_as_all_before_is_an_event_in_its_turn(world, monkeypatch):
    monkeypatch.setattr(live, "BEAT_SECONDS", 0.6)
    world.history.end_round(a_round(NOON))
    async with world.serve() as served, stream(served.console) as one:
        assert await one.event() == LOOK
        assert await one.event() == BEAT, "nothing happened"

        world.history.end_round(a_round(NOON + 10))

        await one.until(LOOK)


async def test_rounds_that_end_often_are_no_reason_to_look_often(world, monkeypatch):
    monkeypatch.setattr(live, "BEAT_SECONDS", PLENTY)
    async with world.serve() as served, stream(served.console) as one:
        assert await one.event() == LOOK
        world.history.end_round(a_round(NOON))
        assert await one.event() == LOOK, "the first one is another page"
        again = asyncio.ensure_future(one.event())
        for number in range(1, 9):
            world.history.end_round(a_round(NOON + number))
            await asyncio.wait([again], timeout=live.APART_SECONDS / 5)

        assert not again.done()
        again.cancel()


async def test_a_storm_of_changes_is_few_events(world):
    async with world.serve() as served, stream(served.console) as one:
        assert await one.event() == LOOK
        counted, beliefs = 0, [Belief(replace(GET, target=f"team-{n}", namespace=f"team-{n}")) for n in range(50)]
        loop = asyncio.get_running_loop()
        began = loop.time()

        async def storm() -> None:
            number = 0
            while loop.time() - began < 2.0:
                number += 1
                belief = beliefs[number % len(beliefs)]
                world.history.put(belief.blind(NOON + number) if number % 100 < 50 else belief.held(NOON + number))
                await asyncio.sleep(0.001)

        storming = asyncio.create_task(storm())
        while not storming.done():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.5):
                    counted += await one.event() == LOOK
        took = loop.time() - began

    assert 1 <= counted <= 1 + took / live.APART_SECONDS


async def test_of_a_witness_any_tenant_s_turn_is_an_event(world):
    world.history = {"team-a": History("team-a"), "team-b": History("team-b")}
    async with world.serve() as served, stream(served.console) as one:
        assert await one.event() == LOOK

        world.history["team-b"].put(Belief(LIST).served(NOON))

        await one.until(LOOK)


async def test_nothing_runs_while_nobody_looks(world, monkeypatch):
    monkeypatch.setattr(live, "BEAT_SECONDS", 0.1)
    async with asking(world) as client:
        assert not watching()
        async with stream(client.served.console) as one:
            assert await one.event() == LOOK
            assert watching()
        await eventually_async(lambda: not watching())
        async with stream(client.served.console) as one:
            assert await one.event() == LOOK
            await eventually_async(watching)


async def test_only_so_many_may_look_and_a_place_is_free_when_one_goes(world):
    async with asking(world) as client, contextlib.AsyncExitStack() as stack:
        at = client.served.console
        there = [await stack.enter_async_context(stream(at)) for _ in range(live.MOST)]
        assert {await one.status() for one in there} == {200}

        async with stream(at) as late:
            assert (await late.status(), "Retry-After: 5" in late.head) == (503, True)
        assert (await client.console("/")).status == 200, "the page itself is there for everybody"
        there[0].writer.close()

        async def admitted() -> bool:
            async with stream(at) as next_:
                return await next_.status() == 200

        await eventually_async(admitted)


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_another_site_s_page_takes_nobody_s_place(world, site):
    async with world.serve() as served, stream(served.console, f"Sec-Fetch-Site: {site}") as one:
        assert await one.status() == 403


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example"])
async def test_events_are_for_the_names_of_loopback(world, host):
    async with asking(world) as client:
        for path in ("/events", "/live.js"):
            assert (await client.console(path, headers={"Host": host})).status == 403


async def test_who_does_not_read_is_dropped_and_holds_nothing(world, monkeypatch):
    monkeypatch.setattr(live, "BEAT_SECONDS", 0.01)
    monkeypatch.setattr(live, "_PATIENCE_SECONDS", 0.5)
    monkeypatch.setattr(live, "_BEAT", b": " + b"x" * (1 << 20) + b"\n\n")  # what small events would be after days
    async with world.serve() as served, stream(served.console):
        await eventually_async(watching)

        await eventually_async(lambda: not watching())
    assert world.log.getvalue() == "", "and nobody is told: it is their fault"


async def test_closing_waits_for_nobody_who_looks(world, monkeypatch):
    monkeypatch.setattr(listener, "_GOODBYE_SECONDS", 10 * PLENTY)
    async with contextlib.AsyncExitStack() as stack:
        served = await stack.enter_async_context(world.serve())
        async with stream(served.console) as one, stream(served.console) as other:
            assert [await one.event(), await other.event()] == [LOOK, LOOK]

            async with asyncio.timeout(PLENTY):
                await stack.aclose()

            assert [await one.event(), await other.event()] == ["", ""]
            assert not watching()


async def test_however_many_look_at_once_the_page_is_made_once(world, monkeypatch):
    made, original = [], console.Console._of

    def counted(*args: Any) -> Any:
        made.append(args)
        return original(*args)

    monkeypatch.setattr(console.Console, "_of", counted)
    world.history.put(Belief(LIST).held(NOON))
    async with asking(world) as client:
        pages = await asyncio.gather(*(client.console("/") for _ in range(10)))
        before = len(made)
        world.history.put(Belief(LIST).served(NOON))
        after = await client.console("/")

    assert before <= 2, "as quick as they can be answered: one, or two where a half second lay between"
    assert {page.status for page in pages} == {200}
    assert "BREACH" not in pages[0].text and "BREACH" in after.text, "and never an old one after something turned"


async def test_the_script_is_a_file_of_ours_and_nothing_is_loaded_from_elsewhere(world):
    async with asking(world) as client:
        script = await client.console("/live.js")

    assert script.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert (
        "http" not in script.text.replace("HTTP ${", "")
        and "eval" not in script.text
        and "innerHTML" not in script.text
    )
