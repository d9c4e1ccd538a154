"""What is served, and where.

    web.listen    /metrics /healthz /readyz                for the cluster
    web.console   / and what `console` lists                 on loopback only

Anything that takes longer than a moment is made in one thread beside the loop, so that neither a
scrape nor a look makes a question late.
"""

import asyncio
import contextlib
import gzip
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from aiohttp import web
from prometheus_client import CollectorRegistry

from sentinel.clients import exposition
from sentinel.clients.clock import Clock
from sentinel.settings.web import Web
from sentinel.settings.words import Address
from sentinel.sinks.history import History
from sentinel.web.beside import Beside
from sentinel.web.console import Console, Courses
from sentinel.web.listener import application, listening

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Served:
    """Where it is really served; the ports, where 0 was asked for."""

    listen: Address
    console: Address


@contextlib.asynccontextmanager
async def serve(
    where: Web,
    *,
    registry: CollectorRegistry,
    progress: Callable[[], tuple[bool, str]],
    ready: Callable[[], tuple[str, ...]],
    history: History | Mapping[str, History],
    gateways: Callable[[], Courses] = dict,
    clock: Clock | None = None,
) -> AsyncIterator[Served]:
    """Serve until the block ends.

    `progress` says whether the scheduler goes on, and how it knows; `ready` says why we are not.
    A witness has a history for each tenant, and shows the one that is asked for by `?tenant=`.
    `gateways` gives each gateway's last episodes.
    Raises OwnFault when one of the addresses cannot be had.
    """
    with Beside() as beside:
        health = Health(registry, progress, ready, beside, always_200=where.readyz_always_200)
        console = Console(history, clock or Clock(), beside, gateways, registry)
        async with (
            listening(health.app(), where.listen, "web.listen") as first,
            listening(console.app(), where.console, "web.console") as second,
        ):
            yield Served(first, second)


@dataclass
class Health:
    """What the cluster sees of us: numbers, and whether we work. Nothing of what we found."""

    registry: CollectorRegistry
    progress: Callable[[], tuple[bool, str]]
    ready: Callable[[], tuple[str, ...]]
    beside: Beside
    always_200: bool
    _rendering: asyncio.Future[bytes] | None = field(default=None, init=False)

    def app(self) -> web.Application:
        """Its routes."""
        app = application()
        app.router.add_get("/metrics", self.metrics)
        app.router.add_get("/healthz", self.healthz)
        app.router.add_get("/readyz", self.readyz)
        return app

    async def metrics(self, request: web.Request) -> web.Response:
        """All metrics; however many scrape at once, they are rendered once. Packed, ten MiB are a third of one."""
        if self._rendering is None or self._rendering.done():
            self._rendering = self.beside.start(lambda: exposition.page(self.registry))
        body = await asyncio.shield(self._rendering)
        headers = {"Content-Type": METRICS_TYPE}
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            body = await self.beside.start(partial(gzip.compress, body, 1))
            headers["Content-Encoding"] = "gzip"
        return web.Response(body=body, headers=headers)

    async def healthz(self, _: web.Request) -> web.Response:
        """Whether it would help to start us anew. What we watch has no part in it."""
        fine, detail = self.progress()
        return web.Response(text=f"{'ok' if fine else 'stalled'}: {detail}\n", status=200 if fine else 503)

    async def readyz(self, _: web.Request) -> web.Response:
        """Whether we can prove anything now, and what keeps us from it."""
        reasons = self.ready()
        status = "not ready" if reasons else "ready"
        code = 503 if reasons and not self.always_200 else 200
        return web.json_response({"status": status, "reasons": list(reasons)}, status=code)
