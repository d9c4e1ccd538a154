"""A TLS server that sends exactly the bytes a test wants, well-formed or not, in the packets it wants."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.support.authority import Authority


@dataclass
class Asked:
    """One request as it came in. Header names are lower case."""

    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def nonce(self) -> str:
        return self.headers.get("audit-id", "")


@dataclass
class Peer:
    """One connection, from the server's side."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, *packets: bytes) -> None:
        """Each in a packet of its own."""
        for packet in packets:
            self.writer.write(packet)
            await self.writer.drain()
            if len(packets) > 1:
                await asyncio.sleep(0.01)  # else the kernel makes one packet of them

    def abort(self) -> None:
        self.writer.transport.abort()


Behaviour = Callable[[Peer, Asked], Awaitable[None]]


@dataclass
class RawServer:
    """Listens on loopback; `connections` counts, `asked` keeps every request."""

    url: str
    asked: list[Asked] = field(default_factory=list)
    connections: int = 0


@asynccontextmanager
async def raw_server(authority: Authority | None, behave: Behaviour) -> AsyncIterator[RawServer]:
    """Serves until the block ends. `behave` is called for each request until the connection ends."""
    server_ = RawServer("")
    talks: set[asyncio.Task[None]] = set()
    writers: list[asyncio.StreamWriter] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_.connections += 1
        try:
            while (request := await _request(reader)) is not None:
                server_.asked.append(request)
                await behave(Peer(reader, writer), request)
        except (ConnectionError, ssl.SSLError, asyncio.IncompleteReadError):
            pass

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(talk(reader, writer))
        talks.add(task)
        task.add_done_callback(talks.discard)
        task.add_done_callback(lambda _: writer.close())  # also when it was cancelled before its first step
        writers.append(writer)

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=_context(authority))
    scheme = "https" if authority else "http"
    server_.url = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield server_
    finally:
        server.close()
        while talks:
            for task in talks:
                task.cancel()
            await asyncio.gather(*talks, return_exceptions=True)
        for writer in writers:
            writer.transport.abort()  # closing waits for who will not read what was sent
        await asyncio.sleep(0)
        while any("_accept_connection" in repr(task) for task in asyncio.all_tasks()):
            await asyncio.sleep(0)  # asyncio's own, of a handshake that the client gave up


def _context(authority: Authority | None) -> ssl.SSLContext | None:
    if authority is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(str(authority.certificate_file), str(authority.key_file))
    return context


async def _request(reader: asyncio.StreamReader) -> Asked | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    line, *rows = head.strip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (row.partition(":") for row in rows)}
    return Asked(line, headers, await reader.readexactly(int(headers.get("content-length", "0"))))
