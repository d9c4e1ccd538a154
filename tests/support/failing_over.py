"""A small LLM gateway with two providers behind it: it really fails over, really cools down, and can be told not to.

sentinel --> Gateway --> (whatever stands in between) --> Provider "openai"
                +---------------------------------------> Provider "backup"
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.typedefs import Handler

from sentinel.core.gateway.canary import Canary
from tests.core.gateway import recorded as r


@dataclass
class Provider:
    """Answers every question rightly, a stream in four pieces."""

    name: str
    hits: int = 0

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self.answer)
        return app

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.hits += 1
        await request.read()
        song = Canary(request.headers["x-request-id"].removeprefix("tenant-sentinel-")).song
        if request.headers["accept"] != "text/event-stream":
            return web.Response(text=r.chat(song), content_type="application/json")
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for part in (r.ROLE, r.chunk(song[:12]), r.chunk(song[12:]), r.STOP + r.DONE):
            await response.write(part.encode())
            await asyncio.sleep(0.01)
        return response


@dataclass
class Gateway:
    """Asks the first provider that does not cool down. Seconds."""

    providers: dict[str, str]
    patience: float = 1.5
    cooldown: float = 3.0
    fails_over: bool = True
    failed: dict[str, float] = field(default_factory=dict)

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self.answer)
        return app

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        for name, url in self.candidates():
            try:
                return await self.passed(request, body, name, url)
            except (aiohttp.ClientError, OSError):
                self.failed[name] = time.monotonic()
                if request.get("began"):
                    assert request.transport is not None
                    request.transport.abort()  # after the first token nobody fails over
                    return web.Response()
        return web.Response(status=503, text=r.BUSY, content_type="application/json", headers={"Retry-After": "1"})

    async def passed(self, request: web.Request, body: bytes, name: str, url: str) -> web.StreamResponse:
        async with (
            asyncio.timeout(self.patience) as limit,
            aiohttp.ClientSession(raise_for_status=True) as session,
            session.post(f"{url}/v1/chat/completions", data=body, headers=asked(request)) as reply,
        ):
            if reply.content_type == "application/json":
                return web.Response(body=await reply.read(), headers=shown(name, reply))
            piece = await reply.content.readany()
            limit.reschedule(None)
            response = web.StreamResponse(headers=shown(name, reply))
            await response.prepare(request)
            request["began"] = True
            while piece:
                await response.write(piece)
                piece = await reply.content.readany()
            return response

    def candidates(self) -> list[tuple[str, str]]:
        rows = list(self.providers.items())
        if not self.fails_over:
            return rows[:1]
        now = time.monotonic()
        return [row for row in rows if now - self.failed.get(row[0], -1e9) >= self.cooldown]


def asked(request: web.Request) -> dict[str, str]:
    return {name: request.headers[name] for name in ("x-request-id", "accept", "content-type")}


def shown(name: str, reply: aiohttp.ClientResponse) -> dict[str, str]:
    return {"x-litellm-model-id": name, "Content-Type": reply.headers["Content-Type"]}


@asynccontextmanager
async def served(app: web.Application) -> AsyncIterator[str]:
    """Its URL, on loopback, until the block ends; nobody is being answered any more then."""
    talks: set[asyncio.Task[Any]] = set()

    @web.middleware
    async def noted(request: web.Request, handler: Handler) -> web.StreamResponse:
        task = asyncio.current_task()
        assert task is not None
        talks.add(task)
        task.add_done_callback(talks.discard)
        return await handler(request)

    app.middlewares.append(noted)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
        left = list(talks)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        for _ in range(10):
            await asyncio.sleep(0)  # aiohttp's own task of each connection ends some turns later
