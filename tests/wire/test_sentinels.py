"""What stands around a sentinel process: its account's files, its environment, its end.

The process here is a stand-in of thirty lines, so that what fails is the harness;
tests/cluster has the real one.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import manifests, sentinels
from tests.support.child import Child
from tests.support.controlplane import ControlPlane
from tests.support.sentinels import Metrics, Sentinel

STAND_IN = f"""#!{sys.executable}
import json, os, pathlib, sys, yaml
from http.server import BaseHTTPRequestHandler, HTTPServer

config = yaml.safe_load(pathlib.Path(sys.argv[3]).read_text())
account = pathlib.Path(os.environ["SENTINEL_SERVICE_ACCOUNT_DIR"])

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        ready = (account / "ready").exists()
        body = 'seen{{place="here"}} 7\\n' if self.path == "/metrics" else json.dumps(dict(os.environ))
        self.send_response(503 if self.path == "/readyz" and not ready else 200)
        self.end_headers()
        self.wfile.write(body.encode())
    def log_message(self, *values):
        pass

print("not JSON")
print(json.dumps({{"event": "started", "command": sys.argv[1:3]}}), flush=True)
host, _, port = config["web"]["listen"].partition(":")
HTTPServer((host, int(port)), Handler).serve_forever()
"""


@pytest.fixture
def sentinel(cluster: ControlPlane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sentinel]:
    command = tmp_path / "sentinel"
    command.write_text(STAND_IN)
    command.chmod(0o755)
    monkeypatch.setattr(sentinels, "COMMAND", command)
    monkeypatch.setenv("SENTINEL__LOG__LEVEL", "debug")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    cluster.admin.apply(manifests.namespace("harness"), manifests.account("harness"))
    with Sentinel(cluster, {"tenant": "harness"}, namespace="harness") as started:
        yield started


def test_it_has_its_accounts_files_as_a_pod_has_them(cluster: ControlPlane, sentinel: Sentinel) -> None:
    whoami = cluster.client(sentinel.token_file.read_text()).whoami()

    assert whoami == "system:serviceaccount:harness:sentinel"
    assert sentinel.ca_file.read_bytes() == cluster.ca_file.read_bytes()
    assert (sentinel.account_folder / "namespace").read_text() == "harness"


def test_nothing_of_the_machines_own_environment_gets_in(cluster: ControlPlane, sentinel: Sentinel) -> None:
    sentinel.wait_up()
    _, environment = sentinel.get("/environment")

    assert f'"KUBERNETES_SERVICE_PORT": "{cluster.port}"' in environment
    assert "PROXY" not in environment
    assert "SENTINEL__" not in environment


def test_ready_is_what_readyz_says(sentinel: Sentinel) -> None:
    sentinel.wait_up()
    with pytest.raises(TimeoutError, match="/readyz"):
        sentinel.wait_ready(within=0.2)

    (sentinel.account_folder / "ready").touch()

    assert sentinel.wait_ready(within=5) < 5


def test_metrics_and_log_lines_are_read(sentinel: Sentinel) -> None:
    sentinel.wait_up()

    assert sentinel.metrics().value("seen", place="here") == 7
    assert sentinel.log_lines(event="started")[0]["command"] == ["run", "--config"]
    assert len(sentinel.log_lines()) == 1


def test_it_ends_and_starts_again_at_the_same_address(sentinel: Sentinel) -> None:
    sentinel.wait_up()
    sentinel.stop()
    stopped = sentinel.process.exit_code

    sentinel.start()
    sentinel.wait_up()
    sentinel.kill()

    assert (stopped, sentinel.process.exit_code) == (-15, -9)
    assert len(sentinel.log_lines(event="started")) == 2


def test_one_that_dies_at_once_says_why_instead_of_timing_out(tmp_path: Path) -> None:
    child = Child([sys.executable, "-c", "raise SystemExit('no such key')"], tmp_path / "log")
    child.wait(10)

    with pytest.raises(RuntimeError, match="ended with 1:\nno such key"):
        child.must_run()


def test_a_series_is_asked_for_by_some_of_its_labels() -> None:
    metrics = Metrics(
        {
            ("up", frozenset({("a", "1"), ("b", "1")})): 1.0,
            ("up", frozenset({("a", "1"), ("b", "2")})): 2.0,
        }
    )

    assert metrics.value("up", b="2") == 2.0
    assert metrics.sum("up", a="1") == 3.0
    with pytest.raises(ValueError, match="2 series up"):
        metrics.value("up", a="1")
    with pytest.raises(KeyError, match="no series down"):
        metrics.value("down")
