"""The stand-in API server: a `Cluster` behind TLS, on loopback, at a port of its own.

    async with StandIn(clock.wall) as server:
        server.cluster.apply(*world.installed())
        ... server.url, server.ca_file(path), server.cluster.token("team-a")

Certificates are made on the spot (trustme) and die with the process.
"""

from __future__ import annotations

import ssl
import uuid
from collections.abc import Callable
from types import TracebackType
from typing import Self

import trustme
from aiohttp import web

from sentinel.demo import loopback
from sentinel.demo.answers import Reply
from sentinel.demo.cluster import Call, Cluster

_NO_CACHE = "no-cache, private"


class StandIn:
    """Serves `cluster` from `async with` on; `url` and the CA are there inside it.

    `answered` counts the replies, by status.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        """`now` gives epoch seconds; nothing listens yet."""
        self.cluster = Cluster(now)
        self.answered: dict[int, int] = {}
        self._authority = trustme.CA()
        self._runner = web.AppRunner(self._app(), access_log=None, shutdown_timeout=1)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"https://{self.cluster.address}"

    @property
    def ca_pem(self) -> bytes:
        """The certificate of the authority that signed ours."""
        return self._authority.cert_pem.bytes()

    async def __aenter__(self) -> Self:
        """Starts to listen, on a free port."""
        self.cluster.address = await loopback.listen(self._runner, self._tls())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Closes the port and all connections."""
        await self._runner.cleanup()

    def _app(self) -> web.Application:
        app = web.Application()
        app.on_response_prepare.append(_unsigned)
        app.router.add_route("*", "/{path:.*}", self._serve)
        return app

    def _tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._authority.issue_cert(loopback.HOST, "localhost").configure_cert(context)
        return context

    async def _serve(self, request: web.Request) -> web.Response:
        reply = self.cluster.answer(
            Call(
                method=request.method,
                path=request.rel_url.raw_path,
                query=dict(request.rel_url.query),
                headers={name.lower(): value for name, value in request.headers.items()},
                body=await request.read(),
            )
        )
        self.answered[reply.status] = self.answered.get(reply.status, 0) + 1
        return _response(reply, request.headers.get("Audit-ID") or str(uuid.uuid4()))


async def _unsigned(_: web.Request, response: web.StreamResponse) -> None:
    """Kubernetes' answers do not name the software that made them."""
    response.headers.pop("Server", None)


def _response(reply: Reply, audit_id: str) -> web.Response:
    headers = {"Audit-Id": audit_id, "Cache-Control": _NO_CACHE, **reply.headers}
    headers["Content-Type"] = reply.content_type
    return web.Response(status=reply.status, body=reply.body, headers=headers)
