"""A provider that a test controls: the path of each request says how it is answered, so that many can be at once.

http://127.0.0.1:PORT/stall/stream/v1    four words of a stream, and then silence
http://127.0.0.1:PORT/429/whole/v1       an error, as an answer in one piece

What was asked for, a stream or not, is in the path too: gateways do not say it in a header.
"""

import asyncio
from collections.abc import Sequence

from tests.core.gateway import recorded as r
from tests.support.rawserver import Asked, Peer

_ERROR = '{"error":{"message":"The server had an error","type":"server_error","param":null,"code":null}}'
_KEY = '{"error":{"message":"Incorrect API key","type":"invalid_request_error","code":"invalid_api_key"}}'
_MODEL = '{"error":{"message":"The model `m` does not exist","type":"invalid_request_error","code":"model_not_found"}}'
ERRORS = {
    "500": ("500 Internal Server Error", "application/json", _ERROR, ()),
    "429": ("429 Too Many Requests", "application/json", r.OPENAI_429, ("Retry-After: 1",)),
    "401": ("401 Unauthorized", "application/json", _KEY, ()),
    "404": ("404 Not Found", "application/json", _MODEL, ()),
    "html": ("502 Bad Gateway", "text/html", r.NGINX_502, ()),
}
"""Streamed or not."""
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
    "spliced": (r.ROLE, *r.words(4), *(r.chunk(word, model="x") for word in r.WORDS[4:]), r.STOP, r.DONE),
    "other-model": tuple(part.replace('"m"', '"x"') for part in (r.ROLE, *r.words(13), r.STOP, r.DONE)),
}
"""The events of each, before the connection ends in the way of its name."""
_HALF = r.chat(r.ASKED.song)[:100]
PIECES = {
    "ok": (r.chat(r.ASKED.song),),
    "empty": (r.chat(""),),
    "dies-at-once": (),
    "abort": (_HALF,),
    "clean-end": (_HALF,),
    "error-inside": (r.BUSY,),
    "stall": (_HALF,),
    "fabricated": (r.chat("1 2 3 4 "),),
    "twice": (r.chat("1 2 3 4 " + r.ASKED.song),),
    "spliced": (r.chat("1 2 3 4 I cannot count"),),
    "other-model": (r.chat(r.ASKED.song, model="x"),),
}
"""The same of an answer in one piece."""


async def provider(peer: Peer, asked: Asked) -> None:
    """A behaviour for `raw_server`."""
    mode, how = asked.line.split("/")[1:3]
    if mode in ERRORS:
        await _error(peer, *ERRORS[mode])
    elif mode == "reset":
        peer.abort()
    elif mode == "hang":
        await peer.reader.read()
    elif how == "stream":
        await _answer(peer, mode, "text/event-stream", [_echo(part, asked) for part in STREAMS[mode]])
    else:
        await _answer(peer, mode, "application/json", [_echo(part, asked) for part in PIECES[mode]])


def _echo(part: str, asked: Asked) -> str:
    """With the nonce of the question in place of the recorded one."""
    return part.replace(r.ASKED.nonce, asked.body.partition(b"END-")[2].partition(b".")[0].decode())


async def _answer(peer: Peer, mode: str, kind: str, parts: Sequence[str]) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n"
    await peer.send(head.encode(), *(f"{len(part):x}\r\n{part}\r\n".encode() for part in parts))
    if mode in ("abort", "dies-at-once"):
        await asyncio.sleep(0.05)  # what was sent has arrived before the end does
        peer.abort()
    elif mode == "stall":
        await peer.reader.read()
    else:
        await peer.send(b"0\r\n\r\n")


async def _error(peer: Peer, status: str, kind: str, body: str, more: Sequence[str]) -> None:
    head = "\r\n".join((f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(body)}", *more, "", ""))
    await peer.send((head + body).encode())
