"""A front before the API server that lies, stalls or hangs up as it is told.

    with Proxy(cluster) as front:
        front.fault = only("selfsubjectrulesreviews", answers(429))
        front.fault = passes          # honest again

It is trusted (its certificate is of the cluster's own CA), which is what makes it
worth asking whether the product believes it. A fault is a function of the request
and of `forward`, which asks the real API server.
"""

import contextlib
import http.client
import json
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from tests.support.controlplane import ControlPlane

Headers = Sequence[tuple[str, str]]

HOP_BY_HOP = {"connection", "transfer-encoding", "keep-alive"}


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: Headers
    body: bytes
    connection: int
    """Counts the client's connections, from 1."""


@dataclass(frozen=True)
class Answer:
    """What the client gets. `raw` (bytes as they go onto the wire) replaces all the rest."""

    status: int = 200
    headers: Headers = ()
    body: bytes = b""
    raw: Iterable[bytes] | None = None
    hang_up: bool = False
    """Close the connection afterwards, without a word about it in the headers."""


Forward = Callable[[Request], Answer]
Fault = Callable[[Request, Forward], Answer]


class Proxy:
    """Listens with TLS at `url` while the `with` block lasts."""

    def __init__(self, cluster: ControlPlane) -> None:
        self.fault: Fault = passes
        self._upstream = cluster.host, cluster.port
        self._trust = ssl.create_default_context(cafile=str(cluster.ca_file))
        self._requests: list[Request] = []
        self._connections: list[socket.socket] = []
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._server = Front(self._handler(), cluster)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="proxy")
        self.host, self.port = "127.0.0.1", self._server.server_port
        self.url = f"https://{self.host}:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closing.set()
        self._server.shutdown()
        self.drop_connections()
        self._server.server_close()
        self._thread.join()

    @property
    def requests(self) -> list[Request]:
        """All that came, in order."""
        with self._lock:
            return list(self._requests)

    def clear(self) -> None:
        with self._lock:
            self._requests.clear()

    def drop_connections(self) -> None:
        """Closes every client's connection now, as a load balancer does that goes away."""
        with self._lock:
            for connection in self._connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            self._connections.clear()

    def _opened(self, connection: socket.socket) -> int:
        with self._lock:
            self._connections.append(connection)
            self._count = getattr(self, "_count", 0) + 1
            return self._count

    def _answer(self, request: Request, forward: Forward) -> Answer:
        with self._lock:
            self._requests.append(request)
        try:
            return self.fault(request, forward)
        except Silence:
            # Until the test is over, or the client gives up and its connection ends.
            self._closing.wait()
            return Answer(hang_up=True, raw=())

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                self._number = proxy._opened(self.connection)
                self._api = http.client.HTTPSConnection(*proxy._upstream, timeout=30, context=proxy._trust)

            def finish(self) -> None:
                self._api.close()
                with contextlib.suppress(OSError):
                    super().finish()

            def handle(self) -> None:
                with contextlib.suppress(OSError):
                    super().handle()

            def _serve(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                request = Request(
                    self.command,
                    self.path,
                    list(self.headers.items()),
                    self.rfile.read(length),
                    self._number,
                )
                self._send(proxy._answer(request, self._forward))

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve

            def _forward(self, request: Request) -> Answer:
                self._api.putrequest(request.method, request.path, skip_host=True, skip_accept_encoding=True)
                for name, value in request.headers:
                    self._api.putheader(name, value)
                self._api.endheaders(request.body)
                answer = self._api.getresponse()
                kept = [(n, v) for n, v in answer.getheaders() if n.lower() not in HOP_BY_HOP]
                return Answer(answer.status, kept, answer.read())

            def _send(self, answer: Answer) -> None:
                for piece in on_the_wire(answer) if answer.raw is None else answer.raw:
                    self.wfile.write(piece)
                    if proxy._closing.is_set():
                        break
                self.close_connection = self.close_connection or answer.hang_up

            def log_message(self, format: str, *values: object) -> None:
                pass

        return Handler


class Front(ThreadingHTTPServer):
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


def on_the_wire(answer: Answer) -> Iterable[bytes]:
    reason = http.client.responses.get(answer.status, "")
    headers = [(name, value) for name, value in answer.headers if name.lower() != "content-length"]
    headers.append(("Content-Length", str(len(answer.body))))
    lines = [f"HTTP/1.1 {answer.status} {reason}", *(f"{n}: {v}" for n, v in headers), "", ""]
    yield "\r\n".join(lines).encode() + answer.body


class Silence(Exception):
    """No answer at all."""


# Faults, from the honest to the rude.


def passes(request: Request, forward: Forward) -> Answer:
    """Says what the API server says."""
    return forward(request)


def answers(status: int, body: bytes = b"", *headers: tuple[str, str]) -> Fault:
    """Always this."""
    return lambda request, forward: Answer(status, headers, body)


def says_html(status: int = 403) -> Fault:
    """What a corporate proxy or a login page says."""
    page = b"<!doctype html><html><body><h1>Forbidden</h1></body></html>"
    return answers(status, page, ("Content-Type", "text/html; charset=utf-8"))


def says_status(status: int, reason: str, message: str) -> Fault:
    """A JSON Status as Kubernetes writes it, with none of its headers but the type."""
    body = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": status,
    }
    return answers(status, json.dumps(body).encode(), ("Content-Type", "application/json"))


def unauthorized() -> Fault:
    return says_status(401, "Unauthorized", "Unauthorized")


def throttles() -> Fault:
    text = b"Too many requests, please try again later.\n"
    return answers(429, text, ("Content-Type", "text/plain"), ("Retry-After", "1"))


def redirects(location: str) -> Fault:
    return answers(302, b"", ("Location", location))


def denies_somebody_else(user: str = "system:serviceaccount:elsewhere:other") -> Fault:
    """The API server's own 403, all its headers included, but about another user."""

    def fault(request: Request, forward: Forward) -> Answer:
        answer = forward(request)
        if answer.status != 403:
            return answer
        body = re.sub(rb'User \\"[^"\\]*\\"', f'User \\\\"{user}\\\\"'.encode(), answer.body)
        return replace(answer, body=body)

    return fault


def rewrites(change: Callable[[Any], Any]) -> Fault:
    """The API server's answer with its JSON changed, e.g. `incomplete` set to true."""

    def fault(request: Request, forward: Forward) -> Answer:
        answer = forward(request)
        return replace(answer, body=json.dumps(change(json.loads(answer.body))).encode())

    return fault


def incomplete() -> Fault:
    """A rules review as a webhook authorizer in the chain makes it."""

    def change(review: Any) -> Any:
        review["status"]["incomplete"] = True
        review["status"]["evaluationError"] = "webhook authorizer does not support user rule resolution"
        return review

    return rewrites(change)


def silent() -> Fault:
    """Takes the request and never answers."""

    def fault(request: Request, forward: Forward) -> Answer:
        raise Silence

    return fault


def hangs_up() -> Fault:
    """Closes without an answer."""
    return lambda request, forward: Answer(raw=(), hang_up=True)


def sends(pieces: Iterable[bytes]) -> Fault:
    """These bytes, whatever they are (they may never end), then closes."""
    return lambda request, forward: Answer(raw=pieces, hang_up=True)


def only(part: str, fault: Fault) -> Fault:
    """`fault` for requests whose path contains `part`, honest for the rest."""

    def chosen(request: Request, forward: Forward) -> Answer:
        return fault(request, forward) if part in request.path else forward(request)

    return chosen


@dataclass
class Reconnects:
    """Honest, but closes the connection after `after` of its requests, without saying so.

    The client's next request then goes over a new connection, which HTTP clients
    open silently. `times` bounds how often.
    """

    after: int
    times: int = 1
    _seen: dict[int, int] = field(default_factory=dict)

    def __call__(self, request: Request, forward: Forward) -> Answer:
        answer = forward(request)
        seen = self._seen[request.connection] = self._seen.get(request.connection, 0) + 1
        if seen < self.after or self.times <= 0:
            return answer
        self.times -= 1
        return replace(answer, hang_up=True)
