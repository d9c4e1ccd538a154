"""A gateway with two providers, whose primary dies when the test says so, and which needs a set time to switch."""

import asyncio
import time
from dataclasses import dataclass, field

from sentinel.core.gateway import canary
from tests.core.gateway import recorded as r
from tests.core.gateway.recorded import DONE, ROLE, STOP, chat, chunk
from tests.support.rawserver import Asked, Peer


@dataclass
class Stub:
    """A gateway that sends all to the backup `switch` seconds after its primary died."""

    dies: float = 1e18
    switch: float = 0.0
    takes: float = 0.0
    mixes: str = ""  # the tenant whose answers everybody is given; empty: nobody's
    headers: list[dict[str, str]] = field(default_factory=list)
    bodies: list[str] = field(default_factory=list)

    async def behave(self, peer: Peer, asked: Asked) -> None:
        self.headers.append(asked.headers)
        now = time.monotonic()
        direct = "/direct" in asked.line
        if self.dies <= now and (direct or now < self.dies + self.switch):
            body = r.PORTKEY_BOTH_DEAD
            await peer.send(f"HTTP/1.1 500 X\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
            return
        name = "openai" if now < self.dies else "backup"
        nonce = asked.headers["x-request-id"].removeprefix("tenant-sentinel-")
        song = canary.Canary(canary.nonce(canary.tag(self.mixes), nonce[6:14]) if self.mixes else nonce).song
        streamed = asked.headers["accept"] == "text/event-stream"
        body = ROLE + chunk(song) + STOP + DONE if streamed else chat(song)
        await asyncio.sleep(self.takes)
        kind = "text/event-stream" if streamed else "application/json"
        head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nx-litellm-model-id: {name}\r\nContent-Length: {len(body)}\r\n\r\n"
        await peer.send((head + body).encode())
