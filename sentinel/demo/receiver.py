"""Where pages arrive: an Alertmanager that only writes down, and the webhook of a real one.

Without an Alertmanager on this machine sentinel pushes to the first, so that what is shown is
what its pager really sent. With one, it notifies the second, as it would notify a phone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from sentinel.demo import loopback
from sentinel.demo.reviews import seconds_of


@dataclass(frozen=True, slots=True)
class Page:
    """One alert as it came in. `at` is epoch seconds; `via` is `push` or `webhook`."""

    at: float
    via: str
    resolved: bool
    labels: Mapping[str, str]
    annotations: Mapping[str, str]


class Receiver:
    """Listens inside `async with`; calls `arrived` for every alert of every message."""

    def __init__(self, now: Callable[[], float], arrived: Callable[[Page], None]) -> None:
        """`now` gives epoch seconds; nothing listens yet."""
        self._now = now
        self._arrived = arrived
        self._runner = web.AppRunner(self._app(), access_log=None, shutdown_timeout=1)
        self.url = ""

    async def __aenter__(self) -> Self:
        """Starts to listen, on a free port."""
        self.url = f"http://{await loopback.listen(self._runner)}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Closes the port."""
        await self._runner.cleanup()

    def _app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/api/v2/alerts", self._pushed)
        app.router.add_post("/webhook", self._notified)
        return app

    async def _pushed(self, request: web.Request) -> web.Response:
        for alert in await request.json():
            ends = alert.get("endsAt")
            self._take("push", alert, resolved=bool(ends) and seconds_of(ends) <= self._now())
        return web.json_response({})

    async def _notified(self, request: web.Request) -> web.Response:
        for alert in (await request.json())["alerts"]:
            self._take("webhook", alert, resolved=alert["status"] == "resolved")
        return web.json_response({})

    def _take(self, via: str, alert: Mapping[str, Any], *, resolved: bool) -> None:
        labels, annotations = alert.get("labels", {}), alert.get("annotations", {})
        self._arrived(Page(self._now(), via, resolved, labels, annotations))
