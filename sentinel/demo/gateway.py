"""A small LLM gateway: two providers, and a switch to the second when the first has failed for a while.

    fine --the first one fails--> failing: 503 to everybody --`patience` seconds--> switched: the second answers

Many gateways do so, with retries and cooldowns in place of our one timer. What it does is known here to
the moment, and so the demo can show the truth beside what sentinel says from outside.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp import web

from sentinel.demo import loopback
from sentinel.demo.provider import Provider
from sentinel.demo.truth import Truth

SERVED_BY = "X-Served-By"
_ERROR = {"error": {"message": "The model does not answer. Please try again.", "type": "unavailable", "code": "503"}}
_TIMEOUT = aiohttp.ClientTimeout(total=20)


class Gateway:
    """Listens inside `async with`; `patience`: seconds from the first failure to the switch."""

    def __init__(self, first: Provider, second: Provider, patience: float, now: Callable[[], float]) -> None:
        """Nothing listens yet."""
        self.first, self.second, self.patience = first, second, patience
        self._now = now
        self.answered = 0  # whole answers of the first provider since it lives
        self._failed: float | None = None
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self._complete)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        self.url = ""

    async def __aenter__(self) -> Self:
        """Starts to listen, on a free port."""
        self._session = aiohttp.ClientSession(timeout=_TIMEOUT)
        self.url = f"http://{await loopback.listen(self._runner)}/v1/chat/completions"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Closes the port, then what it asked with."""
        await self._runner.cleanup()
        await self._session.close()

    @property
    def truth(self) -> Truth | None:
        """The outage, once there was one."""
        return None if self._failed is None else Truth(self.first.died, self._failed + self.patience)

    async def mend(self) -> None:
        """The first provider lives again, and is asked again."""
        await self.first.live()
        self._failed, self.answered = None, 0

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        chosen, body = self._chosen(), await request.read()
        url = chosen.url
        try:
            answer = await self._session.post(url, data=body)
        except aiohttp.ClientConnectionError:
            self._note(url)
            return web.json_response(_ERROR, status=503)
        async with answer:
            headers = {"Content-Type": answer.headers["Content-Type"], SERVED_BY: chosen.name}
            reply = web.StreamResponse(headers=headers)
            with contextlib.suppress(ConnectionError):  # who asked is gone
                await reply.prepare(request)
                async for chunk in self._chunks(answer, url):
                    await reply.write(chunk)
                self.answered += self._failed is None
        return reply

    def _chosen(self) -> Provider:
        over = self._failed is not None and self._now() >= self._failed + self.patience
        return self.second if over else self.first

    def _note(self, url: str) -> None:
        """A provider failed; what comes late from a life before is no news."""
        if self._failed is None and url == self.first.url:
            self._failed = self._now()

    async def _chunks(self, answer: aiohttp.ClientResponse, url: str) -> AsyncIterator[bytes]:
        try:
            async for chunk in answer.content.iter_any():
                yield chunk
        except aiohttp.ClientError:
            # The first words are out: too late for the other provider, as with every gateway that was measured.
            self._note(url)
            yield f"data: {json.dumps(_ERROR)}\n\n".encode()
