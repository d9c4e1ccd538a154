"""Something at a server's address that answers what it is told to, path by path."""

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import yaml

from tests.support.threaded import Threaded

DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
"""Megabytes are written, too."""


@dataclass(frozen=True)
class Said:
    """One answer; a body that is no text is sent as JSON."""

    status: int = 200
    body: Any = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0


class Impostor(Threaded):
    """Listens while the `with` block lasts. `says` maps paths, `""` is every other path."""

    def __init__(self, says: Mapping[str, Said]) -> None:
        self.says = dict(says)
        super().__init__(ThreadingHTTPServer(("127.0.0.1", 0), self._handler()), "impostor")
        self.url = f"http://{self.address}"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        impostor = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                said = impostor.says.get(urlsplit(self.path).path) or impostor.says[""]
                impostor.closing.wait(said.delay)
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
