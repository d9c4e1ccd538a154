"""Something at a server's address that answers what it is told to, path by path."""

import contextlib
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import yaml

DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
"""Megabytes are written, too."""


@dataclass(frozen=True)
class Said:
    """One answer; a body that is no text is sent as JSON."""

    status: int = 200
    body: Any = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0


class Impostor:
    """Listens while the `with` block lasts. `says` maps paths, `""` is every other path."""

    def __init__(self, says: Mapping[str, Said]) -> None:
        self.says = dict(says)
        self._closing = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="impostor")
        self.address = f"127.0.0.1:{self._server.server_port}"
        self.url = f"http://{self.address}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        impostor = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                said = impostor.says.get(urlsplit(self.path).path) or impostor.says[""]
                impostor._closing.wait(said.delay)
                body = said.body if isinstance(said.body, str) else json.dumps(said.body)
                self.send_response(said.status)
                for name, value in said.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body.encode())))
                self.end_headers()
                with contextlib.suppress(OSError):  # who asked may have heard enough
                    self.wfile.write(body.encode())

            def log_message(self, format: str, *values: object) -> None:
                pass

        return Handler


def prometheus(stack: Any) -> dict[str, Said]:
    """What a Prometheus would say that is as this `Stack` of the core's tests."""
    data = {
        "status/config": {"yaml": yaml.dump(stack.config, Dumper=DUMPER)},
        "status/flags": stack.flags,
        "status/buildinfo": {"version": "3.15.0"},
        "rules": {"groups": stack.groups},
        "targets": {"activeTargets": stack.targets},
        "alertmanagers": {"activeAlertmanagers": [{"url": url} for url in stack.told]},
    }
    return {f"/api/v1/{path}": Said(body={"status": "success", "data": value}) for path, value in data.items()}


def alertmanager(stack: Any) -> dict[str, Said]:
    """The same of an Alertmanager."""
    config = {"route": stack.route, "receivers": stack.receivers, "inhibit_rules": stack.inhibit_rules}
    status = {
        "cluster": {"status": "ready", "peers": stack.peers},
        "versionInfo": {"version": "0.34.2"},
        "config": {"original": yaml.dump(config, Dumper=DUMPER)},
    }
    return {"/api/v2/status": Said(body=status), "/api/v2/silences": Said(body=stack.silences)}
