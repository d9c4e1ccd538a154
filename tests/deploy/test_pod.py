"""The whole of it: the image, run as the chart's pod, with the chart's objects at a real API server, becomes ready."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy import chart, image
from tests.deploy.conftest import chosen
from tests.deploy.test_dashboard import MEASURED
from tests.support.child import Child
from tests.support.controlplane import ControlPlane
from tests.support.eventually import eventually
from tests.support.ports import free_port
from tests.support.sentinels import fetch

ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"


@pytest.fixture
def account_folder(installed: ControlPlane, tmp_path: Path) -> Path:
    """The three files that the pod's projected volume holds."""
    folder = tmp_path / "account"
    folder.mkdir()
    (folder / "token").write_text(installed.token_for("team-2"))
    (folder / "ca.crt").write_bytes(installed.ca_file.read_bytes())
    (folder / "namespace").write_text("team-2")
    return folder


@pytest.fixture
def address() -> str:
    return f"127.0.0.1:{free_port()}"


@pytest.fixture
def config_folder(tmp_path: Path, address: str) -> Path:
    folder = tmp_path / "config"
    folder.mkdir()
    web = {"listen": address, "console": f"127.0.0.1:{free_port()}"}
    objects = chart.render(chosen() | {"config": {"web": web}, "timeScale": 0.2})
    (folder / "sentinel.yaml").write_text(chart.configuration(objects, "team-2"))
    return folder


@pytest.fixture
def pod(
    built: image.Stage, installed: ControlPlane, account_folder: Path, config_folder: Path, tmp_path: Path
) -> Iterator[Child]:
    command = image.pod_command(
        built,
        [*built.entrypoint, *built.command],
        mounts={ACCOUNT: account_folder, "/etc/sentinel": config_folder},
        env={"KUBERNETES_SERVICE_HOST": installed.host, "KUBERNETES_SERVICE_PORT": str(installed.port)},
        network=True,
    )
    child = Child(command, tmp_path / "log")
    yield child
    child.kill()


def test_it_ends_within_its_grace_when_the_kubelet_says_so(pod: Child, address: str) -> None:
    def up() -> bool:
        pod.must_run()
        return fetch(f"http://{address}/healthz")[0] == 200

    eventually(up, 60, lambda: f"/healthz says 200\n{pod.log_tail()}")
    (inside,) = children_of(pod.pid)

    os.kill(inside, signal.SIGTERM)

    eventually(lambda: pod.exit_code is not None, 5, lambda: f"it ended within 5 s\n{pod.log_tail()}")
    assert pod.exit_code == 0, pod.log_tail()


def children_of(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_it_becomes_ready_and_proves_denials(pod: Child, address: str) -> None:
    def ready() -> bool:
        pod.must_run()
        return fetch(f"http://{address}/readyz")[0] == 200

    def proven() -> float:
        lines = fetch(f"http://{address}/metrics")[1].splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith("sentinel_denials_total{"))

    eventually(ready, 60, lambda: f"/readyz says 200\n{fetch(f'http://{address}/readyz')}\n{pod.log_tail()}")
    eventually(lambda: proven() > 0, 60, lambda: f"a denial was proven\n{pod.log_tail()}")
    assert fetch(f"http://{address}/healthz")[0] == 200
    assert {name.removesuffix("_bucket") for name in MEASURED} <= families(fetch(f"http://{address}/metrics")[1])


def families(text: str) -> set[str]:
    """The names that an exposition declares, with or without series."""
    return {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE ")}
