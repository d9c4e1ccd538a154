"""A small server on loopback, in a thread of its own while a `with` block lasts."""

import socketserver
import threading
from types import TracebackType
from typing import Self


class Threaded:
    """Listens from the start, and answers as soon as the `with` block begins. `closing` ends what its answers wait for."""

    def __init__(self, server: socketserver.TCPServer, name: str) -> None:
        self.closing = threading.Event()
        self._server = server
        self._thread = threading.Thread(target=server.serve_forever, args=(0.05,), name=name)
        self.address = f"127.0.0.1:{server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
