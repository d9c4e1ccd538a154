"""A way from a pod's own loopback to a server on the machine's: the same port, the other namespace.

    with doorway(pod, cluster.port):      # https://127.0.0.1:<port> in the pod is the API server

What a sentinel says to the API server and to the witness goes this way, past every policy of the lab, so
that a test cuts only what it means to cut; addresses and certificates stay those of every other test.
"""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator

from tests.support.netns import Space, enter

_CHUNK = 65536


@contextlib.contextmanager
def doorway(space: Space, *ports: int, to: Space | None = None) -> Iterator[None]:
    """Open while the block lasts. `to`: the pod that it leads to, in place of the machine."""
    listening = [space.do(_listen, port) for port in ports]
    loop = asyncio.new_event_loop()
    over = asyncio.Event()

    def run() -> None:
        if to is not None:
            enter(to.name)
        loop.run_until_complete(_serve(listening, over))

    thread = threading.Thread(target=run, name="doorway")
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()
        loop.close()


def _listen(port: int) -> socket.socket:
    return socket.create_server(("127.0.0.1", port), backlog=100)


async def _serve(listening: list[socket.socket], over: asyncio.Event) -> None:
    talks: set[asyncio.Task[None]] = set()

    async def welcome(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        talks.add(task)
        task.add_done_callback(talks.discard)
        port = writer.get_extra_info("sockname")[1]
        # Python 3.11 takes a talk that was cancelled for one that failed.
        with contextlib.suppress(asyncio.CancelledError):
            await _join(reader, writer, port)

    async with contextlib.AsyncExitStack() as stack:
        for one in listening:
            await stack.enter_async_context(await asyncio.start_server(welcome, sock=one))
        await over.wait()
        for task in list(talks):
            task.cancel()
        await asyncio.gather(*talks, return_exceptions=True)


async def _join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
    """Both ways until either side is through."""
    with contextlib.closing(writer):
        try:
            there, back = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return
        with contextlib.closing(back):
            ways = [asyncio.ensure_future(_pour(reader, back)), asyncio.ensure_future(_pour(there, writer))]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)


async def _pour(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(_CHUNK):
            sink.write(data)
            await sink.drain()
