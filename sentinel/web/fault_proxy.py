"""Sentinel's own proxy between a gateway and a provider: it passes everything on, until a drill breaks it.

    gateway --> listen --(no fault)--> provider          every byte untouched, in its own piece
                   |
                   +----(a fault stands)--> broken, in one of six ways
                   ^
    drill  --> control   GET /fault   PUT /fault   DELETE /fault/RUN

Nothing of a request or an answer is logged or kept. A fault begins at once, also for who is being
answered, has an owner, and ends by itself. Control listens on loopback, or wants a token.
"""

import asyncio
import contextlib
import hmac
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from aiohttp import web

from sentinel.clients.clock import Clock
from sentinel.clients.tokens import Source
from sentinel.clients.upstream import Passed, Upstream
from sentinel.core.drill import held
from sentinel.core.drill.fault import Fault, Variant
from sentinel.core.drill.held import Held
from sentinel.errors import ClientError, OwnFault
from sentinel.settings.words import Address
from sentinel.web.listener import application, listening

T = TypeVar("T")

_MOST_BODY = 64 * 1024 * 1024
"""Of a request to a provider: images are sent to them, too."""
_ERROR = {"message": "The server had an error while processing your request", "type": "server_error", "code": None}
_LIMIT = {"message": "Rate limit reached for requests", "type": "requests", "code": "rate_limit_exceeded"}


class _CutError(Exception):
    """The gateway's connection is to be broken here."""


@dataclass
class FaultProxy:
    """Both sides of it. `token`: what control asks for, None when it asks for nothing."""

    upstream: Upstream
    clock: Clock
    token: Source | None = None
    _held: Held | None = None
    _turned: asyncio.Event = field(default_factory=asyncio.Event)

    # What drills say.

    def control(self) -> web.Application:
        """The routes of control."""
        app = application(self._known)
        app.router.add_get("/fault", self._told)
        app.router.add_put("/fault", self._set)
        app.router.add_delete("/fault/{run}", self._end)
        return app

    @web.middleware
    async def _known(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if self.token is not None:
            token = self.token.read()
            assert token is not None, "a file has one, or raises"
            said = request.headers.get("Authorization", "").encode()
            if not hmac.compare_digest(said, f"Bearer {token.text}".encode()):
                raise web.HTTPUnauthorized
        return await handler(request)

    async def _told(self, _: web.Request) -> web.Response:
        now = self.clock.monotonic()
        return web.json_response(held.as_json(self._standing(), now))

    async def _set(self, request: web.Request) -> web.Response:
        try:
            doc = await request.json()
            run, fault, seconds = str(doc["run"]), Fault.of_json(doc["fault"]), float(doc["seconds"])
        except (ValueError, TypeError, KeyError):
            raise web.HTTPBadRequest(text="expected run, fault and seconds") from None
        if not run or not 0 < seconds <= held.LONGEST:
            raise web.HTTPBadRequest(text=f"expected a run, and seconds of at most {held.LONGEST:.0f}")
        standing = self._standing()
        if standing is not None and standing.run != run:
            raise web.HTTPConflict(text=f"the fault of run {standing.run} stands")
        self._turn(Held(run, fault, self.clock.monotonic() + seconds))
        return await self._told(request)

    async def _end(self, request: web.Request) -> web.Response:
        standing = self._standing()
        if standing is not None and standing.run == request.match_info["run"]:
            self._turn(None)
        return await self._told(request)

    def _standing(self) -> Held | None:
        return held.standing(self._held, self.clock.monotonic())

    def _turn(self, fault: Held | None) -> None:
        """From now on; whoever waits or is being answered looks again."""
        self._held = fault
        self._turned.set()
        self._turned = asyncio.Event()

    # What the gateway asks.

    def data(self) -> web.Application:
        """Every method and path goes on to the provider."""
        app = web.Application(client_max_size=_MOST_BODY)
        app.router.add_route("*", "/{path:.*}", self._pass)
        return app

    async def _pass(self, request: web.Request) -> web.StreamResponse:
        fault = self._bite()
        try:
            said = None if fault is None else await self._broken(request, fault)
            return said or await self._passed(request, fault)
        except (ClientError, _CutError, ConnectionError):
            # The provider broke off, a fault does, or the gateway went: no answer of ours in the provider's place.
            if request.transport is not None:
                request.transport.abort()
        await asyncio.Event().wait()  # aiohttp ends us with the connection
        raise AssertionError

    def _bite(self) -> Fault | None:
        standing = self._standing()
        if standing is None:
            return None
        self._held = standing.met()
        return standing.fault

    async def _broken(self, request: web.Request, fault: Fault) -> web.Response | None:
        """The answer in place of the provider's; None when the provider is to be asked."""
        match fault.variant:
            case Variant.KILL:
                raise _CutError
            case Variant.ERROR:
                await request.read()
                return web.json_response({"error": _ERROR}, status=fault.status)
            case Variant.LIMITED:
                await request.read()
                headers = {"Retry-After": f"{fault.retry_after:.0f}"}
                return web.json_response({"error": _LIMIT}, status=429, headers=headers)
            case Variant.TIMEOUT:
                await self._until_it_ends()
                raise _CutError
            case _:
                return None

    async def _passed(self, request: web.Request, fault: Fault | None) -> web.StreamResponse:
        body = request.content.iter_any() if request.body_exists else None
        if fault is not None and fault.variant is Variant.SLOW:
            await asyncio.sleep(fault.latency)
        async with self.upstream.send(request.method, request.raw_path, request.headers, body) as passed:
            response = web.StreamResponse(status=passed.status, reason=passed.reason, headers=passed.headers)
            await self._or_wounded(response.prepare(request))
            left = fault.after_bytes if fault is not None and fault.variant is Variant.TRUNCATED else None
            async for piece in self._pieces(passed):
                if left is not None and len(piece) > left:
                    await response.write(piece[:left])
                    raise _CutError
                left = None if left is None else left - len(piece)
                await response.write(piece)
                if fault is not None and fault.kilobytes_per_second is not None:
                    await asyncio.sleep(len(piece) / 1000 / fault.kilobytes_per_second)
            await response.write_eof()
            return response

    async def _pieces(self, passed: Passed) -> AsyncIterator[bytes]:
        pieces = passed.pieces()
        with contextlib.suppress(StopAsyncIteration):
            while True:
                yield await self._or_wounded(anext(pieces))

    async def _or_wounded(self, work: Awaitable[T]) -> T:
        """The work's result, unless a fault that begins meanwhile breaks or silences who is being answered."""
        task = asyncio.ensure_future(work)
        turned = asyncio.ensure_future(self._turned.wait())
        try:
            while True:
                await asyncio.wait({task, turned}, return_when=asyncio.FIRST_COMPLETED)
                standing = self._standing()
                if standing is not None and standing.fault.variant in (Variant.KILL, Variant.TIMEOUT):
                    self._bite()
                    await self._until_it_ends()
                    raise _CutError
                if task.done():
                    return await task
                turned = asyncio.ensure_future(self._turned.wait())
        finally:
            task.cancel()
            turned.cancel()

    async def _until_it_ends(self) -> None:
        while (standing := self._standing()) is not None and standing.fault.variant is Variant.TIMEOUT:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(standing.until - self.clock.monotonic()):
                    await self._turned.wait()


@contextlib.asynccontextmanager
async def serve(proxy: FaultProxy, listen: Address, control: Address) -> AsyncIterator[tuple[Address, Address]]:
    """Serve until the block ends; gives the real addresses. Raises OwnFault when one cannot be had."""
    if not control.is_loopback and proxy.token is None:
        raise OwnFault(
            f"control: {control} is not loopback, and whoever reaches it can break the provider: set a token"
        )
    runner = web.AppRunner(
        proxy.data(), access_log=None, handler_cancellation=True, auto_decompress=False, shutdown_timeout=1.0
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, listen.host, listen.port)
        try:
            await site.start()
        except OSError as error:
            raise OwnFault(f"listen: cannot listen on {listen}: {error.strerror or error}") from error
        host, port = runner.addresses[0][:2]
        async with listening(proxy.control(), control, "control") as second:
            yield Address(host, port), second
    finally:
        await runner.cleanup()
