"""A dead man's switch as somebody outside would run it: it is told by GET, and knows for how long it was not."""

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self


class Switch:
    """Listens at `url` while the `with` block lasts, and answers `answer`. `beats`: monotonic seconds of each."""

    def __init__(self, *, answer: int = 200) -> None:
        self.answer = answer
        self.beats: list[float] = []
        self.paths: set[str] = set()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="switch")
        self.url = f"http://127.0.0.1:{self._server.server_port}/ping/7c1f-secret"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        switch = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                switch.beats.append(time.monotonic())
                switch.paths.add(self.path)
                self.send_response(switch.answer)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *values: object) -> None:
                pass

        return Handler
