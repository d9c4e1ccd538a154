"""Two listeners: metrics and health for the cluster, the console for whoever is in the pod.

A scrape is rendered in a thread, so that it never stalls the loop that asks the questions.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest

from sentinel import __version__
from sentinel.settings import Web
from sentinel.settings.words import Address
from sentinel.sinks.history import History

_TEXT = "text/plain; version=0.0.4; charset=utf-8"
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:",
    "Referrer-Policy": "no-referrer",
}
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
_MOST_RECORDS = 1_000
_SWITCH_SECONDS = 0.0005
"""How long a scrape's thread may hold the interpreter before the loop gets it back."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Shown:
    """What is shown: where it comes from."""

    registry: CollectorRegistry
    progress: Callable[[], tuple[bool, str]]
    ready: Callable[[], tuple[str, ...]]
    history: History
    always_200: bool = False


@asynccontextmanager
async def serve(
    settings: Web,
    *,
    registry: CollectorRegistry,
    progress: Callable[[], tuple[bool, str]],
    ready: Callable[[], tuple[str, ...]],
    history: History,
) -> AsyncIterator[None]:
    """Serve both while the block runs. Raises OSError when an address is taken."""
    sys.setswitchinterval(_SWITCH_SECONDS)
    shown = Shown(registry, progress, ready, history, settings.readyz_always_200)
    runners = []
    try:
        for application, address in ((public(shown), settings.listen), (console(shown), settings.console)):
            runner = web.AppRunner(application, access_log=None, handle_signals=False)
            runners.append(runner)
            await _listen(runner, address)
        yield
    finally:
        for runner in runners:
            await runner.cleanup()


async def _listen(runner: web.AppRunner, address: Address) -> None:
    await runner.setup()
    await web.TCPSite(runner, address.host, address.port, shutdown_timeout=1.0).start()


def public(shown: Shown) -> web.Application:
    """Metrics and health."""

    async def metrics(_: web.Request) -> web.Response:
        body = await asyncio.to_thread(generate_latest, shown.registry)
        return web.Response(body=body, headers={"Content-Type": _TEXT})

    async def healthz(_: web.Request) -> web.Response:
        fine, detail = shown.progress()
        return web.json_response({"status": "ok" if fine else "stalled", "detail": detail}, status=200 if fine else 503)

    async def readyz(_: web.Request) -> web.Response:
        reasons = shown.ready()
        status = 200 if shown.always_200 or not reasons else 503
        body = {"status": "not ready" if reasons else "ready", "reasons": list(reasons)}
        return web.json_response(body, status=status)

    application = web.Application(middlewares=[_guarded], client_max_size=1024)
    application.add_routes(
        [web.get("/metrics", metrics), web.get("/healthz", healthz), web.get("/readyz", readyz)]
    )
    return application


def console(shown: Shown) -> web.Application:
    """What a tenant's neighbours must not read: on loopback only."""

    async def status(_: web.Request) -> web.Response:
        reasons = list(shown.ready())
        whole = {"version": __version__, "ready": not reasons, "reasons": reasons, **shown.history.status()}
        return web.json_response(whole)

    async def breaches(_: web.Request) -> web.Response:
        return web.json_response(shown.history.breaches())

    async def records(request: web.Request) -> web.Response:
        text = request.query.get("limit", "100")
        if not text.isascii() or not text.isdigit() or not 0 < int(text) <= _MOST_RECORDS:
            raise web.HTTPBadRequest(text=f"limit: found {text[:20]!r}, expected 1 to {_MOST_RECORDS}")
        found = shown.history.records(request.query.get("check", ""), request.query.get("target", ""), int(text))
        return web.json_response(found)

    async def page(_: web.Request) -> web.Response:
        from sentinel.web import pages  # noqa: PLC0415  # who looks pays for it

        return web.Response(text=pages.status(shown.history, shown.ready()), content_type="text/html")

    application = web.Application(middlewares=[_guarded, _local], client_max_size=1024)
    application.add_routes(
        [
            web.get("/", page),
            web.get("/api/v1/status", status),
            web.get("/api/v1/breaches", breaches),
            web.get("/api/v1/records", records),
        ]
    )
    return application


@web.middleware
async def _guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
    response = await handler(request)
    response.headers.update(_HEADERS)
    return response


@web.middleware
async def _local(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Against names that are made to point at loopback: the browser says what it asked for."""
    host = request.host.rsplit(":", 1)[0] if not request.host.endswith("]") else request.host
    if host not in _LOOPBACK:
        raise web.HTTPForbidden(text="the console answers to localhost only")
    return await handler(request)
