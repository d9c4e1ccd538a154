"""What we found, for whoever may forward a port of our pod: pages for people, JSON for programs.

    /   /events   /live.js   /api/v1/{status,breaches,records,gateways}   /gateways/NAME/MOMENT.svg

On loopback only, and only under its names.
"""

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from aiohttp import web
from aiohttp.typedefs import Handler
from multidict import MultiDict
from prometheus_client import CollectorRegistry

from sentinel.clients.clock import Clock
from sentinel.core.api import resources
from sentinel.core.net import crossing
from sentinel.sinks.history import History
from sentinel.web.beside import Beside
from sentinel.web.listener import application
from sentinel.web.live import APART_SECONDS, Live, Mark
from sentinel.web.looks import Looks
from sentinel.web.wish import Wish

if TYPE_CHECKING:
    from markupsafe import Markup

    from sentinel.core.gateway.course import Course

RECORDS = 100
"""Records given when no limit is named."""
MOST_RECORDS = 1000
MOST_FIND = 80
"""Characters of a name that somebody looks for."""

_CHECKS = (*resources.CHECKS, *crossing.CHECKS)
_LOOPBACK = re.compile(r"(?i)(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?")
_TARGET = re.compile(r"\*|[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_SCRIPT = Path(__file__).parent / "live.js"

Courses: TypeAlias = "Mapping[str, tuple[Course, ...]]"
Page: TypeAlias = tuple[str, str]
"""The text, and the policy that a browser is given with it."""


@dataclass
class Console:
    """A witness has a history for each tenant; `registry` is where its metrics say how long a page takes."""

    history: History | Mapping[str, History]
    clock: Clock
    beside: Beside
    gateways: Callable[[], Courses]
    registry: CollectorRegistry
    _shared: "dict[tuple[Wish, bool], _Shared]" = field(default_factory=dict, init=False)
    _looks: Looks = field(default_factory=Looks, init=False)

    def app(self) -> web.Application:
        """Its routes."""
        app = application(only_by_loopback_names)
        live = Live(self.mark)
        app.on_shutdown.append(lambda _: live.close())
        app.router.add_get("/", self.page)
        app.router.add_get("/events", live.events)
        app.router.add_get("/live.js", script)
        app.router.add_get("/api/v1/status", self.status)
        app.router.add_get("/api/v1/breaches", self.breaches)
        app.router.add_get("/api/v1/records", self.records)
        app.router.add_get("/api/v1/gateways", self.episodes)
        app.router.add_get("/gateways/{name}/{moment}.svg", self.picture)
        return app

    def mark(self) -> Mark:
        """Where things stand: what turned, and when a round ended last."""
        histories = [self.history] if isinstance(self.history, History) else self.history.values()
        failovers = sum(len(courses) + int(courses[-1].at) for courses in self.gateways().values() if courses)
        turned = failovers + sum(history.turned for history in histories)
        return Mark(turned, max((known.round.ended for known in histories if known.round is not None), default=0.0))

    async def page(self, request: web.Request) -> web.Response:
        """The status page; with `?still=1` it does not refresh itself. Of a witness: all tenants, or `?tenant=`.

        However many look at once, it is made once: nobody's page is older than the last event.
        """
        wish = _wish(request.query)
        everybody = not isinstance(self.history, History) and "tenant" not in request.query
        history = None if everybody else self._history(request)
        key, now = (wish, everybody), self.clock.monotonic()
        self._shared = {asked: made for asked, made in self._shared.items() if now - made.at < APART_SECONDS}
        mark = self.mark()
        if (made := self._shared.get(key)) is None or made.mark != mark:
            page = self._overview(Wish(wish.still)) if history is None else self._of(history, wish)
            made = self._shared[key] = _Shared(now, mark, self.beside.start(page))
        text, policy = await asyncio.shield(made.page)
        headers = {"Content-Security-Policy": policy}
        return web.Response(text=text, content_type="text/html", headers=headers)

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

    def _overview(self, wish: Wish) -> Callable[[], Page]:
        assert not isinstance(self.history, History), "a witness's"
        taken = self._looks.take(self.history)
        now, courses, registry = self.clock.wall(), self.gateways(), self.registry

        def make() -> Page:
            from sentinel.web import layout, overview  # noqa: PLC0415  # paid for by who looks

            views, sections = self._looks.views(taken, now), _sections(courses, registry, now)
            return overview.page(views, now, wish, sections), layout.POLICY

        return make

    def _of(self, history: History, wish: Wish) -> Callable[[], Page]:
        snapshot, now, courses, registry = history.snapshot(), self.clock.wall(), self.gateways(), self.registry

        def make() -> Page:
            from sentinel.web import layout, pages  # noqa: PLC0415  # paid for by who looks

            return pages.page(snapshot, now, wish, _sections(courses, registry, now)), layout.POLICY

        return make

    def _history(self, request: web.Request) -> History:
        if isinstance(self.history, History):
            return self.history
        tenant = request.query.get("tenant", "")
        if tenant not in self.history:
            raise _wrong(f"tenant: {tenant!r:.80} is no tenant, expected one of {', '.join(self.history):.2000}")
        return self.history[tenant]

    async def _json(self, make: Callable[[], Any]) -> web.Response:
        body = await self.beside.start(lambda: json.dumps(make()))
        return web.Response(text=body, content_type="application/json")


@dataclass(frozen=True, slots=True)
class _Shared:
    """A page that is being made, or was a moment ago, for whoever else asks for it."""

    at: float
    mark: Mark
    page: "asyncio.Future[Page]"


def _sections(courses: Courses, registry: CollectorRegistry, now: float) -> "list[Markup]":
    from sentinel.web import page_path  # noqa: PLC0415  # paid for by who looks

    told = [page_path.section(registry, now)]
    if courses:
        from sentinel.web import failovers  # noqa: PLC0415  # paid for by who asks a gateway

        told.insert(0, failovers.section(courses, now))
    return told


async def script(_: web.Request) -> web.Response:
    """The only script, a file of ours."""
    return web.Response(text=_read(), content_type="text/javascript", charset="utf-8")


@cache
def _read() -> str:
    return _SCRIPT.read_text()


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


def _wish(query: Mapping[str, str]) -> Wish:
    return Wish("still" in query, query.get("tenant", ""), query.get("find", "")[:MOST_FIND].strip())


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
