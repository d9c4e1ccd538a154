"""Sentinel's own proxy: without a fault it is not there, and with one it breaks what it should and nothing for longer."""

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import aiohttp
import pytest

from sentinel.clients.clock import Clock
from sentinel.clients.control import Control
from sentinel.clients.tokens import FileToken
from sentinel.clients.upstream import Upstream
from sentinel.core.drill.fault import Fault, Variant
from sentinel.errors import OwnFault, Refused
from sentinel.settings.words import Address
from sentinel.web.fault_proxy import FaultProxy, serve
from tests.support.ports import free_port
from tests.support.rawserver import RawServer, raw_server

pytestmark = pytest.mark.asyncio

BODY = bytes(range(256)) * 40


@dataclass
class Between:
    """The proxy, its provider, and a client of it."""

    url: str
    provider: RawServer
    client: aiohttp.ClientSession
    control: Control

    async def break_it(self, variant, seconds=60.0, **more):
        body = {"run": "a", "seconds": seconds, "fault": Fault(variant, **more).as_json()}
        await self.control.call("PUT", "/fault", body)

    async def heal(self):
        await self.control.call("DELETE", "/fault/a")

    async def ask(self):
        async with self.client.post(f"{self.url}/v1/x", data=BODY) as reply:
            return reply.status, reply.headers, await reply.read()


@asynccontextmanager
async def between(behave, token=None):
    async with AsyncExitStack() as stack:
        provider = await stack.enter_async_context(raw_server(None, behave))
        upstream = await stack.enter_async_context(Upstream(provider.url))
        listen, control = Address("127.0.0.1", free_port()), Address("127.0.0.1", free_port())
        await stack.enter_async_context(serve(FaultProxy(upstream, Clock(), token), listen, control))
        client = await stack.enter_async_context(aiohttp.ClientSession(auto_decompress=False))
        speaks = await stack.enter_async_context(Control(f"http://{control}", token))
        yield Between(f"http://{listen}", provider, client, speaks)


async def whole(peer, asked):
    head = f"HTTP/1.1 201 Made\r\nContent-Length: {len(BODY)}\r\nX-A: 1\r\nX-A: 2\r\nContent-Encoding: br\r\n"
    await peer.send(f"{head}Content-Type: a/b\r\nServer: them\r\nSet-Cookie: c=1\r\n\r\n".encode() + BODY)


async def test_what_goes_through_without_a_fault_is_not_touched():
    async with between(whole) as made:
        headers = {"X-B": "3", "Authorization": "Bearer k", "Accept-Encoding": "br", "User-Agent": "u"}
        path = f"{made.url}/v1/a%2Fb?q=%20x&y"
        async with made.client.put(path, data=BODY, headers=headers, skip_auto_headers=["Accept"]) as reply:
            got = reply.status, reply.reason, reply.headers, await reply.read()

    (asked,) = made.provider.asked
    assert asked.line == "PUT /v1/a%2Fb?q=%20x&y HTTP/1.1"
    assert asked.headers["content-length"] == str(len(BODY))
    assert {name: asked.headers[name.lower()] for name in headers} == headers
    assert "accept" not in asked.headers, "nothing is added"
    assert asked.headers["host"] == made.provider.url.removeprefix("http://")
    status, reason, said, body = got
    assert (status, reason, body) == (201, "Made", BODY)
    assert said.getall("X-A") == ["1", "2"]
    assert (said["Content-Encoding"], said["Content-Type"], said["Server"]) == ("br", "a/b", "them")
    assert said["Set-Cookie"] == "c=1"


async def test_a_stream_is_passed_on_piece_by_piece_while_the_provider_still_writes():
    go_on = asyncio.Event()

    async def halves(peer, asked):
        await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
        await go_on.wait()
        await peer.send(b"3\r\ntwo\r\n0\r\n\r\n")

    async with between(halves) as made, made.client.get(made.url) as reply:
        first = await reply.content.readany()
        go_on.set()
        rest = await reply.content.read()

    assert (first, rest) == (b"one", b"two")


async def test_a_provider_that_breaks_off_looks_the_same_through_it():
    async def breaks(peer, asked):
        await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
        peer.abort()

    async with between(breaks) as made:
        with pytest.raises(aiohttp.ClientError):
            await made.ask()


@pytest.mark.parametrize(
    ("variant", "more", "status"), [(Variant.ERROR, {"status": 502}, 502), (Variant.LIMITED, {"retry_after": 9}, 429)]
)
async def test_an_error_is_told_in_the_providers_words_and_the_provider_is_not_asked(variant, more, status):
    async with between(whole) as made:
        await made.break_it(variant, **more)
        said, headers, body = await made.ask()

    assert said == status and b'"error"' in body and made.provider.asked == []
    assert headers.get("Retry-After") == ("9" if status == 429 else None)


async def test_a_killed_provider_breaks_every_connection_and_after_the_undo_all_is_as_before():
    async with between(whole) as made:
        await made.break_it(Variant.KILL)
        for _ in range(3):
            with pytest.raises(aiohttp.ClientError):
                await made.ask()
        bitten = (await made.control.call("GET", "/fault"))["bitten"]
        await made.heal()

        assert bitten >= 3  # aiohttp itself asks again on a connection that it had kept
        assert (await made.ask())[0] == 201


async def test_a_truncated_answer_breaks_off_after_so_many_bytes():
    async with between(whole) as made:
        await made.break_it(Variant.TRUNCATED, after_bytes=10)
        async with made.client.get(made.url) as reply:
            got = b""
            with pytest.raises(aiohttp.ClientError):
                while piece := await reply.content.readany():
                    got += piece

    assert got == BODY[:10]


async def test_a_slow_answer_is_whole_and_late():
    async with between(whole) as made:
        await made.break_it(Variant.SLOW, latency=0.3)
        begun = asyncio.get_running_loop().time()
        got = await made.ask()

    assert got[2] == BODY and asyncio.get_running_loop().time() - begun >= 0.3


@pytest.mark.parametrize("variant", [Variant.KILL, Variant.TIMEOUT])
async def test_who_is_being_answered_when_the_provider_dies_gets_nothing_more(variant):
    async def for_ever(peer, asked):
        await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            await peer.send(b"3\r\none\r\n")
            await asyncio.sleep(0.01)

    async with between(for_ever) as made, made.client.get(made.url) as reply:
        await reply.content.readany()
        await made.break_it(variant)
        if variant is Variant.TIMEOUT:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.5):
                    while await reply.content.readany():
                        pass
            await made.heal()
        with pytest.raises(aiohttp.ClientError):
            while await reply.content.readany():
                pass


async def test_a_gateway_that_goes_in_the_middle_leaves_nothing_behind():
    """conftest looks for the tasks."""
    waits, gone = asyncio.Event(), asyncio.Event()

    async def silent(peer, asked):
        await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
        waits.set()
        await peer.reader.read()
        gone.set()

    async with between(silent) as made:
        async with made.client.get(made.url) as reply:
            await reply.content.readany()
            await waits.wait()
        async with asyncio.timeout(30):
            await gone.wait()  # the provider is let go, too


async def test_a_fault_ends_by_itself_also_for_who_waits():
    async with between(whole) as made:
        await made.break_it(Variant.TIMEOUT, seconds=0.3)
        async with asyncio.timeout(30):
            with pytest.raises(aiohttp.ClientError):
                await made.ask()  # as if the provider had been started again

            assert (await made.ask())[0] == 201


async def test_control_wants_the_token_that_it_was_given(tmp_path):
    (tmp_path / "token").write_text("abc")
    (tmp_path / "other").write_text("abd")
    async with between(whole, FileToken(tmp_path / "token")) as made:
        assert (await made.control.call("GET", "/fault"))["run"] is None
        async with Control(made.control._url, FileToken(tmp_path / "other")) as stranger:
            with pytest.raises(Refused, match="401"):
                await stranger.call("GET", "/fault")


async def test_control_that_others_could_reach_is_refused_without_a_token():
    async with Upstream("http://127.0.0.1:9") as upstream:
        with pytest.raises(OwnFault, match="set a token"):
            async with serve(FaultProxy(upstream, Clock()), Address("127.0.0.1", free_port()), Address("0.0.0.0", 1)):
                pass
