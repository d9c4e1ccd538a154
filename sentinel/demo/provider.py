"""A stand-in for an LLM provider: it can count, it speaks OpenAI's chat dialect, and it can be killed."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from sentinel.demo import loopback

_WANTED = re.compile(r"Count from (\d+) to (\d+) separated by spaces, then write (\S+?)\.")
_TOKEN_SECONDS = 0.02
DONE = "data: [DONE]\n\n"


class Provider:
    """Listens inside `async with`, until it is killed. `now` gives seconds of any clock."""

    def __init__(self, name: str, now: Callable[[], float]) -> None:
        """Nothing listens yet."""
        self.name = name
        self.url = ""
        self.died = 0.0
        self._now = now
        self._talking: set[asyncio.Transport] = set()

    async def __aenter__(self) -> Self:
        """Starts to listen."""
        await self.live()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ends it, if it lives."""
        await self._runner.cleanup()

    async def live(self) -> None:
        """Listens, after a death at another port."""
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self._complete)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        self.url = f"http://{await loopback.listen(self._runner)}/v1/chat/completions"

    async def kill(self) -> None:
        """As SIGKILL does: connections break in the middle, and nobody listens any more."""
        self.died = self._now()
        for transport in self._talking:
            transport.abort()
        await self._runner.cleanup()

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        transport = request.transport
        if transport is None:  # gone already
            return web.Response()
        self._talking.add(transport)
        try:
            return await self._answer(request, await request.json())
        except ConnectionError:  # who asked is gone, or we are killed
            return web.Response()
        finally:
            self._talking.discard(transport)

    async def _answer(self, request: web.Request, asked: dict[str, Any]) -> web.StreamResponse:
        words = _obey(asked["messages"][-1]["content"])
        if not asked.get("stream"):
            await asyncio.sleep(_TOKEN_SECONDS * len(words))
            message = {"role": "assistant", "content": "".join(words)}
            return web.json_response(_document({"message": message, "finish_reason": "stop"}))
        reply = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await reply.prepare(request)
        for event in _events(words):
            await reply.write(event.encode())
            await asyncio.sleep(_TOKEN_SECONDS)
        return reply


def _obey(prompt: str) -> list[str]:
    """The answer, word by word; each but the last with the blank behind it."""
    found = _WANTED.search(prompt)
    if found is None:
        return ["I can only count."]
    first, last, end = found.groups()
    return [*(f"{number} " for number in range(int(first), int(last) + 1)), end]


def _events(words: list[str]) -> Iterator[str]:
    yield _event({"role": "assistant"})
    for word in words:
        yield _event({"content": word})
    yield _event({}, finish="stop")
    yield DONE


def _event(delta: dict[str, str], finish: str | None = None) -> str:
    return f"data: {json.dumps(_document({'delta': delta, 'finish_reason': finish}))}\n\n"


def _document(choice: dict[str, Any]) -> dict[str, Any]:
    return {"id": "chatcmpl-demo", "model": "counts", "choices": [{"index": 0, **choice}]}
