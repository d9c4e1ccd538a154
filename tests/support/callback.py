"""Servers that the API server itself calls, over TLS: webhooks and aggregated APIs.

    with Callback(cluster, lambda call: Answer(200, {"kind": "..."})) as server:
        ... clientConfig: {url: server.url, caBundle: server.ca_bundle}

Its certificate is of the cluster's own authority. An answer may be a delay: it is waited for no
longer than the `with` block lasts.
"""

import base64
import contextlib
import json
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.support.controlplane import ControlPlane
from tests.support.threaded import Threaded


@dataclass(frozen=True)
class Call:
    """One request. Header names are lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Answer:
    """`body` goes out as JSON unless it is bytes. `delay` in seconds, before anything is said."""

    status: int = 200
    body: object = b""
    headers: tuple[tuple[str, str], ...] = ()
    delay: float = 0.0


Answerer = Callable[[Call], Answer]


class Callback(Threaded):
    """Answers while the `with` block lasts; `answer` may be changed any time."""

    def __init__(self, cluster: ControlPlane, answer: Answerer) -> None:
        self.answer = answer
        self.ca_bundle = base64.b64encode(cluster.ca_file.read_bytes()).decode()
        self.ca_text = cluster.ca_file.read_text()
        self._calls: list[Call] = []
        self._lock = threading.Lock()
        server = _Listener(self._handler(), cluster)
        super().__init__(server, "callback")
        self.port = int(server.server_port)
        self.url = f"https://127.0.0.1:{self.port}/"

    @property
    def calls(self) -> list[Call]:
        """All that came, in order."""
        with self._lock:
            return list(self._calls)

    def clear(self) -> None:
        with self._lock:
            self._calls.clear()

    def _take(self, call: Call) -> Answer:
        with self._lock:
            self._calls.append(call)
        answer = self.answer(call)
        if answer.delay:
            self.closing.wait(answer.delay)
        return answer

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        callback = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _serve(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                answer = callback._take(Call(self.command, self.path, headers, self.rfile.read(length)))
                body = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
                self.send_response(answer.status)
                said = dict(answer.headers)
                said.setdefault("Content-Type", "application/json")
                for name, value in (said | {"Content-Length": str(len(body))}).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve

            def handle(self) -> None:
                with contextlib.suppress(OSError):
                    super().handle()

            def log_message(self, format: str, *values: object) -> None:
                pass

        return Handler


class _Listener(ThreadingHTTPServer):
    """TLS is spoken in each connection's own thread: a client that stalls delays nobody."""

    daemon_threads = True

    def __init__(self, handler: type[BaseHTTPRequestHandler], cluster: ControlPlane) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(cluster.authority.certificate_file, cluster.authority.key_file)

    def finish_request(self, request: Any, client_address: Any) -> None:
        try:
            encrypted = self._tls.wrap_socket(request, server_side=True)
        except OSError:
            return
        with encrypted:
            super().finish_request(encrypted, client_address)
