"""What Prometheus and Alertmanager have in common: a port, a folder, a plain HTTP API."""

import json
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests import parts
from tests.support.child import Child
from tests.support.eventually import eventually
from tests.support.ports import free_port

START = 30.0
"""Seconds to become ready; half a second is usual."""


class MonitoringServer:
    """One server of the Prometheus family; `url` stays the same over restarts."""

    def __init__(self, binary: str) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix=f"sentinel-{binary}-")
        self.folder = Path(self._temporary.name)
        self._binary = binary
        self.address = f"127.0.0.1:{free_port()}"
        self.url = f"http://{self.address}"
        self.child: Child | None = None

    def flags(self) -> Sequence[str]:
        """Everything on the command line but the address."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()
        self._temporary.cleanup()

    def start(self) -> None:
        """With the same address and data as before; returns when it is ready."""
        listen = f"--web.listen-address={self.address}"
        self.child = Child([parts.find(self._binary), listen, *self.flags()], self.folder / "log", cwd=self.folder)
        eventually(self._is_ready, START, lambda: f"{self._binary} is ready\n{self.log_tail()}")

    def stop(self) -> None:
        """SIGTERM, and waits for its end."""
        if self.child:
            self.child.terminate()

    def kill(self) -> None:
        """SIGKILL."""
        if self.child:
            self.child.kill()

    def log_tail(self) -> str:
        return self.child.log_tail() if self.child else ""

    def get(self, path: str, **query: str) -> Any:
        """The JSON that `path` answers; raises OSError when it does not answer 2xx."""
        return self._ask(urllib.request.Request(f"{self.url}{path}{encoded(query)}"))

    def post(self, path: str, body: object = None) -> Any:
        request = urllib.request.Request(
            f"{self.url}{path}",
            data=json.dumps(body).encode() if body is not None else b"",
            headers={"Content-Type": "application/json"},
        )
        return self._ask(request)

    def _ask(self, request: urllib.request.Request) -> Any:
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                text = answer.read()
        except urllib.error.HTTPError as refused:
            said = refused.read().decode(errors="replace")
            raise OSError(f"{request.full_url}: {refused.code} {said}") from None
        return json.loads(text) if text.startswith((b"{", b"[", b'"')) else text.decode()

    def _is_ready(self) -> bool:
        if self.child:
            self.child.must_run()
        self.get("/-/ready")
        return True


def encoded(query: dict[str, str]) -> str:
    return f"?{urllib.parse.urlencode(query)}" if query else ""
