"""A dead man's switch as somebody outside would run it: it is told by GET, and knows for how long it was not."""

import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.support.threaded import Threaded


class Switch(Threaded):
    """Listens at `url` while the `with` block lasts, and answers `answer`. `beats`: monotonic seconds of each."""

    def __init__(self, *, answer: int = 200) -> None:
        self.answer = answer
        self.beats: list[float] = []
        self.paths: set[str] = set()
        super().__init__(ThreadingHTTPServer(("127.0.0.1", 0), self._handler()), "switch")
        self.url = f"http://{self.address}/ping/7c1f-secret"

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
