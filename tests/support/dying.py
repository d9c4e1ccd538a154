"""Gateways whose primary dies, in a process of their own: their clock tells the truth, however busy the test is.

python -m tests.support.dying PORT
POST /NAME/v1/chat/completions    one small completion, of the primary, of the backup, or of nobody
POST /NAME/die                    {fault, after, switch}: in `after` seconds; `switch` seconds later the backup answers
GET  /deaths                      of each that died: when, and when the backup took over, by our clock

`fault`: `refuse`, the provider's connections break at once, and so do those of who is being answered; `hang`,
nobody hears anything any more.
"""

import asyncio
import random
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field

from aiohttp import web

from sentinel.core.gateway.canary import Canary
from tests.core.gateway import recorded as r

PRIMARY, BACKUP = "openai", "backup"
TAKES = (0.2, 0.4)
"""Seconds of an answer."""
_PARTS = 4


@dataclass
class Gateway:
    """One gateway. Times are monotonic seconds; None: not yet."""

    fault: str = ""
    switch: float = 0.0
    died: float | None = None
    switched: float | None = None
    answering: set[asyncio.Transport] = field(default_factory=set)

    @property
    def provider(self) -> str | None:
        if self.died is None:
            return PRIMARY
        return None if self.switched is None else BACKUP

    def die(self) -> None:
        self.died = time.monotonic()
        if self.fault == "refuse":
            for transport in self.answering:
                transport.abort()
        if self.switch:
            asyncio.get_running_loop().call_later(self.switch, self.take_over)
        else:
            self.switched = self.died

    def take_over(self) -> None:
        self.switched = time.monotonic()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        await request.read()
        provider = self.provider
        if provider is None:
            return await self.fail()
        assert request.transport is not None
        if provider == PRIMARY:
            self.answering.add(request.transport)
        try:
            return await self.say(request, provider)
        finally:
            self.answering.discard(request.transport)

    async def fail(self) -> web.Response:
        if self.fault == "hang":
            await asyncio.Event().wait()  # until the client goes
        return web.Response(status=500, text=r.PORTKEY_BOTH_DEAD, content_type="application/json")

    async def say(self, request: web.Request, provider: str) -> web.StreamResponse:
        song = Canary(request.headers["x-request-id"].removeprefix("tenant-sentinel-")).song
        headers = {"x-litellm-model-id": provider}
        pause = random.uniform(*TAKES) / _PARTS
        if request.headers["accept"] != "text/event-stream":
            await self.pause(provider, pause * _PARTS)
            return web.Response(text=r.chat(song), content_type="application/json", headers=headers)
        response = web.StreamResponse(headers=headers | {"Content-Type": "text/event-stream"})
        await self.pause(provider, pause)
        await response.prepare(request)
        for part in (r.ROLE + r.chunk(song[:12]), r.chunk(song[12:24]), r.chunk(song[24:]) + r.STOP + r.DONE):
            await self.pause(provider, pause)
            await response.write(part.encode())
        return response

    async def pause(self, provider: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        if provider == PRIMARY and self.died is not None:
            await asyncio.Event().wait()  # until the client goes; of `refuse` the connection is gone already


GATEWAYS: defaultdict[str, Gateway] = defaultdict(Gateway)


async def complete(request: web.Request) -> web.StreamResponse:
    return await GATEWAYS[request.match_info["name"]].answer(request)


async def die(request: web.Request) -> web.Response:
    gateway, said = GATEWAYS[request.match_info["name"]], await request.json()
    gateway.fault, gateway.switch = said["fault"], said["switch"]
    asyncio.get_running_loop().call_later(said["after"], gateway.die)
    return web.Response()


async def deaths(_: web.Request) -> web.Response:
    return web.json_response({name: [g.died, g.switched] for name, g in GATEWAYS.items() if g.switched is not None})


def application() -> web.Application:
    app = web.Application()
    app.add_routes(
        [
            web.post("/{name}/v1/chat/completions", complete),
            web.post("/{name}/die", die),
            web.get("/deaths", deaths),
        ]
    )
    return app


if __name__ == "__main__":
    web.run_app(
        application(), host="127.0.0.1", port=int(sys.argv[1]), access_log=None, handler_cancellation=True, print=None
    )
