"""A real `sentinel run` as its tenant's pod would have it, without the pod.

The account's token, the cluster's CA and the namespace lie in a folder as the
kubelet lays them; the address comes through the same two environment variables.
A test may change any of these files while it runs.
"""

import json
import os
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.support.child import Child
from tests.support.controlplane import ControlPlane
from tests.support.eventually import eventually
from tests.support.ports import free_port

COMMAND = Path(sys.executable).parent / "sentinel"


class Server(Protocol):
    """Where to ask: the control plane itself, or a proxy in front of it."""

    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...


@dataclass(frozen=True)
class Metrics:
    """One scrape: (name, labels) to value."""

    samples: Mapping[tuple[str, frozenset[tuple[str, str]]], float]

    def all(self, name: str, **labels: str) -> dict[frozenset[tuple[str, str]], float]:
        """The series of this name that have these labels."""
        return {
            found: value
            for (series, found), value in self.samples.items()
            if series == name and labels.items() <= found
        }

    def value(self, name: str, **labels: str) -> float:
        """The only one of them; KeyError without, ValueError with several."""
        match list(self.all(name, **labels).values()):
            case [value]:
                return value
            case []:
                raise KeyError(f"no series {name} with {labels}")
            case several:
                raise ValueError(f"{len(several)} series {name} with {labels}")

    def sum(self, name: str, **labels: str) -> float:
        return sum(self.all(name, **labels).values())


class Sentinel:
    """One daemon of one tenant; started by `with` or by `start`, which returns at once.

    config: the content of sentinel.yaml; listen addresses are filled in where it has none.
    namespace, account: whose token it gets; `token` replaces it.
    server: a Proxy in place of the control plane.
    command: `witness` for the other kind of daemon.
    """

    def __init__(
        self,
        cluster: ControlPlane,
        config: Mapping[str, Any] | str,
        *,
        namespace: str,
        account: str = "sentinel",
        token: str | None = None,
        server: Server | None = None,
        env: Mapping[str, str] | None = None,
        command: str = "run",
    ) -> None:
        self._command = command
        self._temporary = tempfile.TemporaryDirectory(prefix=f"sentinel-of-{namespace}-")
        self.folder = Path(self._temporary.name)
        self.config_file = self.folder / "sentinel.yaml"
        self.account_folder = self.folder / "serviceaccount"
        self.token_file = self.account_folder / "token"
        self.ca_file = self.account_folder / "ca.crt"
        self.child: Child | None = None
        self._server: Server = server or cluster
        self._env = dict(env or {})
        self._write_config(config)
        self._write_account(cluster, namespace, token or cluster.token_for(namespace, account))

    def _write_config(self, config: Mapping[str, Any] | str) -> None:
        content = yaml.safe_load(config) if isinstance(config, str) else dict(config)
        web = dict(content.get("web") or {})
        web.setdefault("listen", f"127.0.0.1:{free_port()}")
        web.setdefault("console", f"127.0.0.1:{free_port()}")
        self.address, self.console_address = web["listen"], web["console"]
        self.config_file.write_text(yaml.safe_dump(content | {"web": web}, sort_keys=False))

    def _write_account(self, cluster: ControlPlane, namespace: str, token: str) -> None:
        self.account_folder.mkdir()
        self.write_token(token)
        self.ca_file.write_bytes(cluster.ca_file.read_bytes())
        (self.account_folder / "namespace").write_text(namespace)

    def write_token(self, token: str) -> None:
        """As the kubelet does it: a new file that replaces the old one at once."""
        fresh = self.account_folder / "..token"
        fresh.write_text(token)
        fresh.replace(self.token_file)

    def __enter__(self) -> Self:
        self.start()
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
        """`sentinel run` or `witness`, with the same files and addresses as before."""
        self.child = Child(
            [COMMAND, self._command, "--config", self.config_file],
            self.folder / "log",
            env=self._environment(),
            cwd=self.folder,
        )

    def _environment(self) -> dict[str, str]:
        # Nothing of the machine's own cluster, proxies or settings may leak in.
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        return (
            kept
            | {
                "KUBERNETES_SERVICE_HOST": self._server.host,
                "KUBERNETES_SERVICE_PORT": str(self._server.port),
                "SENTINEL_SERVICE_ACCOUNT_DIR": str(self.account_folder),
            }
            | self._env
        )

    @property
    def process(self) -> Child:
        if self.child is None:
            raise RuntimeError("this sentinel was never started")
        return self.child

    def wait_up(self, within: float = 30.0) -> float:
        """Until it answers at all, ready or not; the seconds that took."""
        started = time.monotonic()
        eventually(self._is_up, within, lambda: f"/healthz answers\n{self.process.log_tail()}")
        return time.monotonic() - started

    def _is_up(self) -> bool:
        self.process.must_run()
        return self.get("/healthz")[0] > 0

    def wait_ready(self, within: float = 30.0) -> float:
        """Until /readyz says 200; the seconds that took."""
        started = time.monotonic()
        eventually(self.is_ready, within, lambda: f"/readyz\n{self.process.log_tail()}")
        return time.monotonic() - started

    def is_ready(self) -> bool:
        self.process.must_run()
        status, _ = self.get("/readyz")
        return status == 200

    def get(self, path: str) -> tuple[int, str]:
        """Status and text of a path on `web.listen`."""
        return fetch(f"http://{self.address}{path}")

    def console(self, path: str) -> Any:
        """The JSON of a path on `web.console`, e.g. `/api/v1/status`."""
        status, text = fetch(f"http://{self.console_address}{path}")
        if status != 200:
            raise OSError(f"{path}: {status} {text[:200]}")
        return json.loads(text)

    def metrics(self) -> Metrics:
        status, text = self.get("/metrics")
        if status != 200:
            raise OSError(f"/metrics: {status} {text[:200]}")
        return Metrics(
            {
                (sample.name, frozenset(sample.labels.items())): sample.value
                for family in text_string_to_metric_families(text)
                for sample in family.samples
            }
        )

    def log_lines(self, **fields: object) -> list[dict[str, Any]]:
        """Its JSON log lines that have these fields; what is not JSON is left out."""
        found = []
        for line in self.process.log.read_text(errors="replace").splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if isinstance(entry, dict) and fields.items() <= entry.items():
                found.append(entry)
        return found

    def stop(self, within: float = 20.0) -> float:
        """SIGTERM; the seconds it took to end."""
        return self.process.terminate(within)

    def kill(self) -> None:
        """SIGKILL."""
        if self.child:
            self.child.kill()


def fetch(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode(errors="replace")
