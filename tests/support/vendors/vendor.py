"""A vendor's end on loopback: it keeps what comes, judges it by the vendor's published schema, and fails when told to.

Alertmanager --POST--> Vendor --judge--> problems        what a vendor refuses is answered as the vendor would
                             `--> answers, in turn       503, 429, …, or silence
"""

import json
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.support.threaded import Threaded


@dataclass(frozen=True)
class Received:
    """One request. `answered`: the status it got, 0 for none at all; `problems`: what the vendor would refuse it for."""

    at: float
    method: str
    path: str
    headers: dict[str, str]
    body: Any
    size: int
    problems: tuple[str, ...]
    answered: int


@dataclass(frozen=True)
class Answer:
    """`status` 0: silence until the other side gives up."""

    status: int
    content_type: str = "application/json"
    text: str = ""


Judge = Callable[[str, str, dict[str, str], Any, int], list[str]]
"""Method, path, headers, body and its size in bytes, to what is wrong with it."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever hangs up in the middle is no news here."""


class Vendor(Threaded):
    """Receives as soon as the `with` block begins. `accepted` and `refused` are how this vendor says yes and no."""

    def __init__(self, judge: Judge, accepted: Answer, refused: Answer) -> None:
        self._judge, self._accepted, self._refused = judge, accepted, refused
        self._next: deque[Answer] = deque()
        self._received: list[Received] = []
        self._arrived = threading.Condition()
        super().__init__(_Server(("127.0.0.1", 0), self._handler()), "vendor")
        self.url = f"http://{self.address}"

    def then(self, *answers: Answer | int) -> None:
        """What the next requests are answered, one each, whatever is in them; a bare number is a status."""
        self._next.extend(answer if isinstance(answer, Answer) else Answer(answer) for answer in answers)

    @property
    def received(self) -> list[Received]:
        """All so far, in order of arrival, also what was refused."""
        with self._arrived:
            return list(self._received)

    @property
    def problems(self) -> list[str]:
        return [problem for one in self.received for problem in one.problems]

    def clear(self) -> None:
        with self._arrived:
            self._received.clear()
            self._next.clear()

    def wait_for(self, wanted: Callable[[Received], object], within: float = 30.0) -> Received:
        """The first request that is `wanted`, earlier ones too; TimeoutError tells what came."""
        until = time.monotonic() + within
        with self._arrived:
            while True:
                for one in self._received:
                    if wanted(one):
                        return one
                if not self._arrived.wait(until - time.monotonic()) and time.monotonic() > until:
                    came = [(one.answered, one.body) for one in self._received]
                    raise TimeoutError(f"no such request within {within:g} s; there were {came}")

    def _receive(self, method: str, path: str, headers: dict[str, str], text: bytes) -> Answer:
        try:
            body = json.loads(text)
            problems = self._judge(method, path, headers, body, len(text))
        except ValueError:
            body, problems = text.decode(errors="replace"), ["no JSON"]
        with self._arrived:
            usual = self._refused if problems else self._accepted
            answer = self._next.popleft() if self._next else usual
            one = Received(time.monotonic(), method, path, headers, body, len(text), tuple(problems), answer.status)
            self._received.append(one)
            self._arrived.notify_all()
        return answer

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        vendor = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                answer = vendor._receive(self.command, self.path, headers, self.rfile.read(length))
                if not answer.status:
                    vendor.closing.wait(120)
                    self.close_connection = True
                    return
                self.send_response(answer.status)
                self.send_header("Content-Type", answer.content_type)
                self.send_header("Content-Length", str(len(answer.text)))
                self.end_headers()
                self.wfile.write(answer.text.encode())

            do_PUT = do_POST

            def log_message(self, format: str, *values: object) -> None:
                pass

        return Handler


def unknown(found: dict[str, Any], known: set[str], where: str) -> list[str]:
    """Keys that the vendor's documentation does not have."""
    return [f"{where}: unknown {key}" for key in sorted(set(found) - known)]


def too_long(found: dict[str, Any], limits: dict[str, int], where: str) -> list[str]:
    """Texts longer than the vendor keeps, in characters."""
    return [
        f"{where}.{key}: {len(str(found[key]))} characters, at most {most}"
        for key, most in limits.items()
        if len(str(found.get(key, ""))) > most
    ]


def is_url(text: object) -> bool:
    """An address that a person can open."""
    return isinstance(text, str) and text.startswith(("http://", "https://")) and not set(text) & set(" \n<>|\"'`")
