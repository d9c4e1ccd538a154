"""A wire between two processes, which can be cut: whoever is behind it is dead to those before it, and to nobody else.

with Pipe("127.0.0.1", 8443) as pipe:
    pipe.cut()            # nobody listens any more
    pipe.hush()           # taken, and never answered
    pipe.mend()
"""

import contextlib
import socket
import threading
from types import TracebackType
from typing import Self

LOOK = 0.05
"""Seconds between two looks whether it is still wanted."""
PIECE = 65536


class Pipe:
    """Passes bytes on, both ways, from its own `port` to another while the `with` block lasts."""

    def __init__(self, host: str, port: int) -> None:
        self._behind = host, port
        self._listener: socket.socket | None = None
        self._ends: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._acceptor: threading.Thread
        self._silent = False
        self.port = 0

    def __enter__(self) -> Self:
        self.mend()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.cut()

    @property
    def address(self) -> str:
        """The same before and after a cut."""
        return f"127.0.0.1:{self.port}"

    def mend(self) -> None:
        """Whole, whatever was done to it."""
        self.cut()
        self._silent = False
        self._listen()

    def hush(self) -> None:
        """Connections are taken, and nothing is ever said on them; the ones that are open end."""
        self.cut()
        self._silent = True
        self._listen()

    def cut(self) -> None:
        """Refuses connections, and ends those that are open."""
        listener, self._listener = self._listener, None
        if listener is not None:
            self._acceptor.join()
            listener.close()
        for end in self._ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for end in self._ends:
            end.close()
        self._ends.clear()
        self._threads.clear()

    def _listen(self) -> None:
        listener = socket.create_server(("127.0.0.1", self.port))
        listener.settimeout(LOOK)
        self.port = listener.getsockname()[1]
        self._listener = listener
        self._acceptor = threading.Thread(target=self._accept, args=(listener,), name="pipe")
        self._acceptor.start()

    def _accept(self, listener: socket.socket) -> None:
        while self._listener is listener:
            with contextlib.suppress(TimeoutError):
                self._join(listener.accept()[0])

    def _join(self, near: socket.socket) -> None:
        self._ends.append(near)
        if self._silent:
            return
        try:
            far = socket.create_connection(self._behind, timeout=5.0)
        except OSError:
            near.shutdown(socket.SHUT_RDWR)
            return
        far.settimeout(None)
        self._ends.append(far)
        for pair in ((near, far), (far, near)):
            thread = threading.Thread(target=_pass, args=pair, name="pipe")
            self._threads.append(thread)
            thread.start()


def _pass(one: socket.socket, other: socket.socket) -> None:
    """Until one of them has nothing more to say; then neither has."""
    with contextlib.suppress(OSError):
        while data := one.recv(PIECE):
            other.sendall(data)
    for end in (one, other):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
