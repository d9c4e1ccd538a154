"""Where Alertmanager posts the page drill: one path, one method, and nothing that is said here is believed for more.

POST /page-drill    a webhook's message; 200, or 4xx with a sentence, after which Alertmanager gives up
"""

import asyncio
import hmac
import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from sentinel.clients.tokens import FileToken
from sentinel.errors import OwnFault
from sentinel.settings.words import Address
from sentinel.web.listener import application, listening

PATH = "/page-drill"
MOST_BODY = 64 * 1024
"""Bytes. A message about one drill has some 1,500."""
BODY_SECONDS = 5.0
"""For a body, from its first byte to its last."""


@dataclass(frozen=True)
class DrillDoor:
    """One path. `take` is handed what was posted, as JSON that nobody has looked at. `token`: None, none is needed."""

    take: Callable[[Any], None]
    token: FileToken | None = None

    def serve(self, where: Address) -> AbstractAsyncContextManager[Address]:
        """Serve until the block ends. Raises OwnFault when the address cannot be had."""
        app = application(most_body=MOST_BODY)
        app.router.add_post(PATH, self.posted)
        return listening(app, where, "paging.drill.listen")

    async def posted(self, request: web.Request) -> web.Response:
        """One message."""
        if not self._may(request):
            return web.Response(status=401, text="paging.drill.token: expected the bearer token in that file\n")
        try:
            async with asyncio.timeout(BODY_SECONDS):
                said = json.loads(await request.read())
        except TimeoutError:
            return web.Response(status=408, text=f"no whole body within {BODY_SECONDS:g} s\n")
        except (ValueError, RecursionError):
            return web.Response(status=400, text="found no JSON, expected the message of Alertmanager's webhook\n")
        self.take(said)
        return web.Response(text="ok\n")

    def _may(self, request: web.Request) -> bool:
        if self.token is None:
            return True
        try:
            wanted = f"Bearer {self.token.read().text}"
        except OwnFault:
            # A token that is not there opens nothing.
            return False
        return hmac.compare_digest(request.headers.get("Authorization", "").encode(), wanted.encode())
