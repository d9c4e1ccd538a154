"""Watches that lie: a fault for the Proxy that passes a watch on line by line, as it is told.

streams = Streams(cluster)
front.fault = streams
streams.swallow = lambda line: b"DELETED" in line
streams.freeze()                    # not a byte more, and the connection stays
streams.say(b"nonsense\n")          # to every watch that is open
streams.end()                       # in good order, before its time
"""

import contextlib
import http.client
import queue
import ssl
import threading
from collections.abc import Callable, Iterator
from typing import Self

from tests.support import proxy
from tests.support.controlplane import ControlPlane
from tests.support.proxy import Answer, Fault, Forward, Request

END = None
LAST_CHUNK = b"0\r\n\r\n"


class Streams:
    """A `Fault`. What is no watch goes to `lists`, which is honest."""

    def __init__(self, cluster: ControlPlane) -> None:
        self.swallow: Callable[[bytes], bool] = lambda _: False
        self.lists: Fault = proxy.passes
        self.watches: Fault | None = None
        self._upstream = cluster.host, cluster.port
        self._trust = ssl.create_default_context(cafile=str(cluster.ca_file))
        self._frozen = threading.Event()
        self._open: list[queue.Queue[bytes | None]] = []
        self.opened = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._frozen.clear()
        self.end()

    def __call__(self, request: Request, forward: Forward) -> Answer:
        if "watch=1" not in request.path:
            return self.lists(request, forward)
        if self.watches is not None:
            return self.watches(request, forward)
        self.opened += 1
        return Answer(raw=self._pass(request), hang_up=True)

    def freeze(self) -> None:
        self._frozen.set()

    def say(self, line: bytes) -> None:
        for lines in list(self._open):
            lines.put(line)

    def end(self) -> None:
        for lines in list(self._open):
            lines.put(END)

    def mend(self) -> None:
        """Honest again, by new watches."""
        self.swallow, self.watches = lambda _: False, None
        self._frozen.clear()
        self.end()

    def _pass(self, request: Request) -> Iterator[bytes]:
        api = http.client.HTTPSConnection(*self._upstream, timeout=600, context=self._trust)
        lines: queue.Queue[bytes | None] = queue.Queue()
        try:
            api.request(request.method, request.path, headers=dict(request.headers))
            answer = api.getresponse()
            yield f"HTTP/1.1 {answer.status} x\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
            self._open.append(lines)
            threading.Thread(target=read_lines, args=(answer, lines), daemon=True).start()
            while (line := lines.get()) is not END:
                if not self.swallow(line) and not self._frozen.is_set():
                    yield b"%x\r\n%s\r\n" % (len(line), line)
            if not self._frozen.is_set():
                yield LAST_CHUNK
        finally:
            with contextlib.suppress(ValueError):
                self._open.remove(lines)
            if api.sock is not None:
                with contextlib.suppress(OSError):
                    api.sock.shutdown(2)
            api.close()


def read_lines(answer: http.client.HTTPResponse, lines: "queue.Queue[bytes | None]") -> None:
    with contextlib.suppress(OSError, http.client.HTTPException, ValueError, AttributeError):
        while line := answer.readline():
            lines.put(line)
    lines.put(END)
