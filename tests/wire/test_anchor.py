"""The place outside that is told of the journal's head: what it answers, and what becomes of it."""

import asyncio
import contextlib
import json
from typing import Self

import pytest
from aiohttp import web

from sentinel.clients.anchor import AnchorClient
from sentinel.errors import BadReply, Refused, TimedOut, Unreachable
from tests.support.ports import free_port

HEAD = {"chain": "0123456789ab", "sequence": 7, "hash": "0" * 64}


class Place:
    """A small server that keeps what it is told, and says what it is told to say."""

    def __init__(self, status: int = 204, delay: float = 0.0) -> None:
        self.heads: list[bytes] = []
        self.paths: list[str] = []
        self._status, self._delay = status, delay
        self._ends = asyncio.Event()
        self.port = free_port()

    async def _take(self, request: web.Request) -> web.Response:
        self.heads.append(await request.read())
        self.paths.append(request.path)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._ends.wait(), self._delay)
        return web.Response(status=self._status, headers={"Location": "/elsewhere"})

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_route("*", "/{any:.*}", self._take)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._ends.set()
        await self._runner.cleanup()


@pytest.mark.parametrize(
    ("status", "wrong"), [(200, None), (204, None), (302, BadReply), (403, Refused), (429, Refused), (500, BadReply)]
)
async def test_any_2xx_is_a_yes_and_nothing_else_is_and_nobody_is_followed(status, wrong):
    async with Place(status) as place, AnchorClient(f"http://127.0.0.1:{place.port}/heads?key=s3cret") as client:
        if wrong is None:
            await client.post(HEAD)
        else:
            with pytest.raises(wrong) as told:
                await client.post(HEAD)
            assert "s3cret" not in str(told.value)

    assert [json.loads(head) for head in place.heads] == [HEAD]
    assert place.paths == ["/heads"]


async def test_nobody_there_is_unreachable_and_one_who_does_not_answer_is_late():
    async with AnchorClient(f"http://127.0.0.1:{free_port()}/") as client:
        with pytest.raises(Unreachable):
            await client.post(HEAD)
    async with Place(delay=30.0) as place, AnchorClient(f"http://127.0.0.1:{place.port}/", timeout=0.2) as client:
        with pytest.raises(TimedOut):
            await client.post(HEAD)
