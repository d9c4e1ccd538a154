"""The real Toxiproxy, on loopback, until the block ends."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sentinel.clients.control import Control
from tests.parts import find
from tests.support.child import Child
from tests.support.listening import listening
from tests.support.ports import free_port


@dataclass
class Toxiproxy:
    """Its API's address."""

    url: str

    async def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        async with Control(self.url) as control:
            return await control.call(method, path, body)

    async def proxy(self, name: str, upstream: str) -> str:
        """A new proxy to this URL; its own."""
        listen = f"127.0.0.1:{free_port()}"
        row = {"name": name, "listen": listen, "upstream": upstream.removeprefix("http://"), "enabled": True}
        await self.call("POST", "/proxies", row)
        return f"http://{listen}"

    async def poison(self, name: str, kind: str, attributes: dict[str, int]) -> None:
        """From now on, for the connections that are open too."""
        await self.call("POST", f"/proxies/{name}/toxics", {"type": kind, "attributes": attributes})

    async def cut(self, name: str) -> None:
        """Nobody listens there any more, and what was open is closed."""
        await self.call("PATCH", f"/proxies/{name}", {"enabled": False})

    async def toxics(self, name: str) -> list[str]:
        return [row["name"] for row in (await self.call("GET", f"/proxies/{name}"))["toxics"]]


@asynccontextmanager
async def toxiproxy(folder: Path) -> AsyncIterator[Toxiproxy]:
    port = free_port()
    words: list[str | Path] = [find("toxiproxy-server"), "-host", "127.0.0.1", "-port", str(port)]
    child = Child(words, folder / "toxiproxy.log")
    try:
        listening(port, child)
        yield Toxiproxy(f"http://127.0.0.1:{port}")
    finally:
        child.terminate()
