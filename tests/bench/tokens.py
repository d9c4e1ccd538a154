"""A gateway that streams sixty tokens over TLS, in a process of its own: `python -m tests.bench.tokens FOLDER PAUSE`.

It answers with the canary that was asked for, each token in a packet of its own and PAUSE seconds after the one
before. The last document says when the first token left, on the machine's monotonic clock. FOLDER has the
certificate; the port is the one line that is printed.
"""

import asyncio
import ssl
import sys
import time
from pathlib import Path

import uvloop

from sentinel.core.gateway.canary import Canary

TOKENS = 60
"""As many as the probe allows, or nearly."""
_HEAD = (
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n"
    "Cache-Control: no-cache\r\nX-Request-Id: req_0123456789abcdef\r\nx-litellm-model-id: primary\r\n\r\n"
)


def pieces(nonce: str) -> list[str]:
    """The canary's song in sixty tokens."""
    letters = list(Canary(nonce).song.replace(" ", ", "))
    return [*letters, *" " * (TOKENS - len(letters))]


def chunk(nonce: str, delta: str, finish: str = "null", more: str = "") -> bytes:
    """One event as OpenAI writes it, in one chunk of HTTP. No JSON is made: the gateway must not be what is slow."""
    return framed(
        f'data: {{"id":"chatcmpl-{nonce}","object":"chat.completion.chunk","created":1795860000,'
        '"model":"gpt-4o-mini-2024-07-18","service_tier":"default","system_fingerprint":"fp_0123456789",'
        f'"choices":[{{"index":0,"delta":{{{delta}}},"logprobs":null,"finish_reason":{finish}}}]{more}}}\n\n'
    )


def framed(text: str) -> bytes:
    return f"{len(text):x}\r\n{text}\r\n".encode()


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, pause: float) -> None:
    """One request, and the stream."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    nonce = head.partition("x-request-id: tenant-sentinel-")[2].split("\r\n")[0]
    writer.write(_HEAD.encode() + chunk(nonce, '"role":"assistant","content":""'))
    tokens = [chunk(nonce, f'"content":"{piece}"') for piece in pieces(nonce)]
    first = 0.0
    for token in tokens:
        await asyncio.sleep(pause)
        if writer.is_closing():
            return
        first = first or time.monotonic()
        writer.write(token)
    writer.write(chunk(nonce, "", '"stop"', f',"first":{first!r}') + framed("data: [DONE]\n\n") + b"0\r\n\r\n")
    await writer.drain()


async def serve(folder: Path, pause: float) -> None:
    """Until it is ended."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await answer(reader, writer, pause)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client left
        finally:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=context, backlog=500)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(Path(sys.argv[1]), float(sys.argv[2])))
