"""A provider that the test controls: the answer to each request is the fault that the test says."""

import asyncio
from dataclasses import dataclass

from tests.core.gateway import recorded as r
from tests.support.rawserver import Asked, Peer

_ERROR = '{"error":{"message":"The server had an error","type":"server_error","param":null,"code":null}}'
_KEY = '{"error":{"message":"Incorrect API key","type":"invalid_request_error","code":"invalid_api_key"}}'
WHOLE = {
    "500": ("500 Internal Server Error", "application/json", _ERROR, ()),
    "429": ("429 Too Many Requests", "application/json", r.OPENAI_429, ("Retry-After: 1",)),
    "401": ("401 Unauthorized", "application/json", _KEY, ()),
    "html": ("502 Bad Gateway", "text/html", r.NGINX_502, ()),
}
"""Errors, streamed or not."""
STREAMS = {
    "ok": (r.ROLE, *r.words(13), r.STOP, r.DONE),
    "empty": (r.ROLE, r.STOP, r.DONE),
    "dies-at-once": (),
    "abort": (r.ROLE, *r.words(4)),
    "clean-end": (r.ROLE, *r.words(4)),
    "error-inside": (r.ROLE, *r.words(4), r.event(r.BUSY)),
    "stall": (r.ROLE, *r.words(4)),
    "fabricated": (r.ROLE, *r.words(4), r.STOP, r.DONE),
    "twice": (r.ROLE, *r.words(4), *r.words(13), r.STOP, r.DONE),
}
"""The events of each, before the connection ends in the way of its name."""


@dataclass
class Provider:
    """One provider; `hits` counts the requests that came."""

    mode: str = "ok"
    streams: bool = True  # what is asked for: gateways do not say it in a header
    hits: int = 0

    async def behave(self, peer: Peer, asked: Asked) -> None:
        self.hits += 1
        if self.mode in WHOLE:
            status, kind, body, more = WHOLE[self.mode]
            await _whole(peer, status, kind, body, *more)
        elif self.mode == "reset":
            peer.abort()
        elif self.mode == "hang":
            await peer.reader.read()
        elif self.streams:
            await self._stream(peer)
        else:
            await _whole(peer, "200 OK", "application/json", r.chat("" if self.mode == "empty" else r.ASKED.song))

    async def _stream(self, peer: Peer) -> None:
        head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        await peer.send(head.encode(), *(f"{len(part):x}\r\n{part}\r\n".encode() for part in STREAMS[self.mode]))
        if self.mode in ("abort", "dies-at-once"):
            await asyncio.sleep(0.05)  # what was sent has arrived before the end does
            peer.abort()
        elif self.mode == "stall":
            await peer.reader.read()
        else:
            await peer.send(b"0\r\n\r\n")


async def _whole(peer: Peer, status: str, kind: str, body: str, *more: str) -> None:
    head = "\r\n".join((f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(body)}", *more, "", ""))
    await peer.send((head + body).encode())
