"""What is served, and where.

    web.listen    /metrics /healthz /readyz                     for the cluster
    web.console   / /api/v1/{status,breaches,records,gateways} /gateways/NAME/MOMENT.svg   on loopback only

Anything that takes longer than a moment is made in one thread beside the loop, so that neither a
scrape nor a look makes a question late.
"""

import asyncio
import contextlib
import gc
import json
import re
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self, TypeAlias, TypeVar

from aiohttp import web
from aiohttp.typedefs import Handler
from multidict import MultiDict
from prometheus_client import CollectorRegistry, generate_latest

from sentinel.clients.clock import Clock
from sentinel.core.api import resources
from sentinel.core.net import crossing
from sentinel.settings.web import Web
from sentinel.settings.words import Address
from sentinel.sinks.history import History
from sentinel.web.html import Html
from sentinel.web.listener import application, listening

if TYPE_CHECKING:
    from sentinel.core.gateway.course import Course

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
RECORDS = 100
"""Records given when no limit is named."""
MOST_RECORDS = 1000
SWITCH_SECONDS = 0.0005
"""While the thread works, the loop gets the interpreter back after this; by default after 5 ms."""

_CHECKS = (*resources.CHECKS, *crossing.CHECKS)
_LOOPBACK = re.compile(r"(?i)(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?")
_TARGET = re.compile(r"\*|[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")

T = TypeVar("T")
Courses: TypeAlias = "Mapping[str, tuple[Course, ...]]"


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
        console = Console(history, clock or Clock(), beside, gateways)
        async with (
            listening(health.app(), where.listen, "web.listen") as first,
            listening(console.app(), where.console, "web.console") as second,
        ):
            yield Served(first, second)


class Beside:
    """One thread beside the loop, and short turns for it: see `SWITCH_SECONDS`."""

    def __enter__(self) -> Self:
        """Start it, with the first work."""
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="web")
        return self

    def __exit__(self, *_: object) -> None:
        """End it when its work is done; what waits is left."""
        self._pool.shutdown(cancel_futures=True)

    def start(self, make: Callable[[], T]) -> asyncio.Future[T]:
        """Have something made."""
        return asyncio.get_running_loop().run_in_executor(self._pool, _politely, make)


def _politely(make: Callable[[], T]) -> T:
    """Make it in short turns, and without the collector: a full collection stops all threads.

    Measured with 5000 samples: the loop waits 1.5 ms at most, 5 with turns as they are by default,
    and 27 when the samples set off a collection.
    """
    before, collecting = sys.getswitchinterval(), gc.isenabled()
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.disable()
    try:
        return make()
    finally:
        sys.setswitchinterval(before)
        if collecting:
            gc.enable()


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

    async def metrics(self, _: web.Request) -> web.Response:
        """All metrics; however many scrape at once, they are rendered once."""
        if self._rendering is None or self._rendering.done():
            self._rendering = self.beside.start(lambda: generate_latest(self.registry))
        body = await asyncio.shield(self._rendering)
        return web.Response(body=body, headers={"Content-Type": METRICS_TYPE})

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


@dataclass(frozen=True)
class Console:
    """What we found, for whoever may forward a port of our pod."""

    history: History | Mapping[str, History]
    clock: Clock
    beside: Beside
    gateways: Callable[[], Courses] = dict

    def app(self) -> web.Application:
        """Its routes."""
        app = application(only_by_loopback_names)
        app.router.add_get("/", self.page)
        app.router.add_get("/api/v1/status", self.status)
        app.router.add_get("/api/v1/breaches", self.breaches)
        app.router.add_get("/api/v1/records", self.records)
        app.router.add_get("/api/v1/gateways", self.episodes)
        app.router.add_get("/gateways/{name}/{moment}.svg", self.picture)
        return app

    async def page(self, request: web.Request) -> web.Response:
        """The status page; with `?still=1` it does not refresh itself. Of a witness: all tenants."""
        now, still = self.clock.wall(), "still" in request.query
        if not isinstance(self.history, History) and "tenant" not in request.query:
            return await self._overview(self.history, now, still=still)
        snapshot, courses = self._history(request).snapshot(), self.gateways()

        def make() -> tuple[str, str]:
            from sentinel.web import pages  # noqa: PLC0415  # paid for by who looks

            return pages.page(snapshot, now, still=still, gateways=_section(courses, now)), pages.POLICY

        return await self._html(make)

    async def status(self, request: web.Request) -> web.Response:
        """What is believed of every question."""
        return await self._json(self._history(request).snapshot().status)

    async def breaches(self, request: web.Request) -> web.Response:
        """Open breaches, and the last that ended."""
        return await self._json(self._history(request).snapshot().breaches)

    async def records(self, request: web.Request) -> web.Response:
        """The last answers, for whoever wants to see how we know."""
        several = not isinstance(self.history, History)
        query = MultiDict((name, value) for name, value in request.query.items() if not (several and name == "tenant"))
        check, target, limit = wanted(query)
        snapshot = self._history(request).snapshot()
        return await self._json(lambda: snapshot.records(check, target, limit))

    async def episodes(self, _: web.Request) -> web.Response:
        """The last failovers of each gateway, with the probes they were seen by."""
        known = self.gateways()

        def make() -> list[dict[str, Any]]:
            from sentinel.core.gateway import course_json  # noqa: PLC0415  # who asks no gateway pays for none

            return [{"name": name, "episodes": [*map(course_json.written, rows)]} for name, rows in known.items()]

        return await self._json(make)

    async def picture(self, request: web.Request) -> web.Response:
        """One failover, drawn."""
        known, name, moment = self.gateways(), request.match_info["name"], request.match_info["moment"]

        def make() -> tuple[str | None, str]:
            from sentinel.web import failovers  # noqa: PLC0415  # paid for by who looks

            return failovers.picture(known, name, moment), failovers.POLICY

        drawn, policy = await self.beside.start(make)
        if drawn is None:
            raise web.HTTPNotFound(text="This failover is not kept, or no longer.\n")
        headers = {"Content-Security-Policy": policy}
        return web.Response(text=drawn, content_type="image/svg+xml", headers=headers)

    async def _overview(self, histories: Mapping[str, History], now: float, *, still: bool) -> web.Response:
        snapshots, courses = {name: history.snapshot() for name, history in histories.items()}, self.gateways()

        def make() -> tuple[str, str]:
            from sentinel.web import overview, pages  # noqa: PLC0415  # paid for by who looks

            return overview.page(snapshots, now, still=still, gateways=_section(courses, now)), pages.POLICY

        return await self._html(make)

    def _history(self, request: web.Request) -> History:
        if isinstance(self.history, History):
            return self.history
        tenant = request.query.get("tenant", "")
        if tenant not in self.history:
            raise _wrong(f"tenant: {tenant!r:.80} is no tenant, expected one of {', '.join(self.history):.2000}")
        return self.history[tenant]

    async def _html(self, make: Callable[[], tuple[str, str]]) -> web.Response:
        text, policy = await self.beside.start(make)
        headers = {"Content-Security-Policy": policy}
        return web.Response(text=text, content_type="text/html", headers=headers)

    async def _json(self, make: Callable[[], Any]) -> web.Response:
        body = await self.beside.start(lambda: json.dumps(make()))
        return web.Response(text=body, content_type="application/json")


def _section(courses: Courses, now: float) -> Html:
    if not courses:
        return Html()
    from sentinel.web import failovers  # noqa: PLC0415  # paid for by who asks a gateway

    return failovers.section(courses, now)


@web.middleware
async def only_by_loopback_names(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse a browser that was led here under another name (DNS rebinding).

    A page of a stranger, whose name is made to point at 127.0.0.1, could read all of this otherwise.
    """
    hosts = request.headers.getall("Host", [])
    if len(hosts) == 1 and _LOOPBACK.fullmatch(hosts[0]):
        return await handler(request)
    text = "The console is served under the names localhost, 127.0.0.1 and [::1] only.\n"
    return web.Response(status=403, text=text)


def wanted(query: Mapping[str, str]) -> tuple[str, str, int]:
    """Check, target and limit; a 400 with a sentence for what makes no sense."""
    if unknown := [name for name in query if name not in ("check", "target", "limit")]:
        raise _wrong(f"{unknown[0]!r:.80} is no parameter, expected check, target or limit")
    if len(query) != len(set(query)):
        raise _wrong("each of check, target and limit can be given once")
    check, target, limit = (query.get(name, "") for name in ("check", "target", "limit"))
    if check and check not in _CHECKS:
        raise _wrong(f"check: {check!r:.80} is no check, expected one of {', '.join(_CHECKS)}")
    if target and not _TARGET.fullmatch(target):
        raise _wrong(f"target: {target!r:.80} is no namespace, expected its name, or * for cluster scope")
    return check, target, _limit(limit)


def _limit(text: str) -> int:
    if not text:
        return RECORDS
    if not re.fullmatch(r"[0-9]{1,6}", text) or not 1 <= int(text) <= MOST_RECORDS:
        raise _wrong(f"limit: {text!r:.80} is no count, expected 1 to {MOST_RECORDS}")
    return int(text)


def _wrong(sentence: str) -> web.HTTPBadRequest:
    return web.HTTPBadRequest(text=json.dumps({"error": sentence}), content_type="application/json")
