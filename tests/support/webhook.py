"""The pager's end: a loopback receiver that keeps what arrives, and when.

It answers what it is told to: 200, an error, or nothing for some seconds.
"""

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.support.threaded import Threaded


@dataclass(frozen=True)
class Delivery:
    """One POST. `monotonic` is for measuring, `wall` (seconds since 1970) for reading."""

    monotonic: float
    wall: float
    path: str
    body: Any

    @property
    def status(self) -> str:
        """Of the whole group: `firing` or `resolved`."""
        return str(self.body.get("status", ""))

    def alerts(self, **labels: str) -> list[Mapping[str, Any]]:
        """The alerts in it that have these labels."""
        found = self.body.get("alerts", []) if isinstance(self.body, dict) else self.body
        return [alert for alert in found if labels.items() <= alert["labels"].items()]


class Webhook(Threaded):
    """Receives as soon as the `with` block begins, at `url`.

    `answer` is the status it gives, `delay` the seconds it takes for it; set them any time.
    """

    def __init__(self, *, answer: int = 200, delay: float = 0.0) -> None:
        self.answer = answer
        self.delay = delay
        self._deliveries: list[Delivery] = []
        self._arrived = threading.Condition()
        super().__init__(ThreadingHTTPServer(("127.0.0.1", 0), self._handler()), "webhook")
        self.url = f"http://{self.address}/page"

    @property
    def deliveries(self) -> list[Delivery]:
        """All so far, in order of arrival, whatever was answered."""
        with self._arrived:
            return list(self._deliveries)

    def clear(self) -> None:
        with self._arrived:
            self._deliveries.clear()

    def wait_for(self, wanted: Callable[[Delivery], object], within: float) -> Delivery:
        """The first delivery that is `wanted`, earlier ones too; TimeoutError tells what came."""
        until = time.monotonic() + within
        with self._arrived:
            while True:
                for delivery in self._deliveries:
                    if wanted(delivery):
                        return delivery
                if not self._arrived.wait(until - time.monotonic()) and time.monotonic() > until:
                    raise TimeoutError(f"no such delivery within {within:g} s; there were {self.summary()}")

    def wait_for_alert(self, status: str, within: float, **labels: str) -> Delivery:
        """The first delivery with an alert of this status (`firing`, `resolved`) and labels."""

        def wanted(delivery: Delivery) -> bool:
            return any(alert["status"] == status for alert in delivery.alerts(**labels))

        return self.wait_for(wanted, within)

    def summary(self) -> list[tuple[str, list[str]]]:
        """Status and alert names of each delivery, for messages."""
        return [
            (found.status, [alert["labels"].get("alertname", "?") for alert in found.alerts()])
            for found in self._deliveries
        ]

    def _receive(self, path: str, text: bytes) -> int:
        body = json.loads(text) if text else None
        with self._arrived:
            self._deliveries.append(Delivery(time.monotonic(), time.time(), path, body))
            self._arrived.notify_all()
        self.closing.wait(self.delay)
        return self.answer

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receive = self._receive

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                status = receive(self.path, self.rfile.read(length))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *values: object) -> None:
                pass

        return Handler
