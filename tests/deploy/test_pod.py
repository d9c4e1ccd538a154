"""The whole of it: the image, run as the chart's pods, with the chart's objects at a real API server, becomes ready."""

import base64
import contextlib
import os
import re
import signal
import socket
import ssl
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy import chart, image
from tests.deploy.conftest import chosen
from tests.deploy.exposed import MEASURED, WITNESSED
from tests.support.child import Child
from tests.support.controlplane import ControlPlane
from tests.support.eventually import eventually
from tests.support.ports import free_port
from tests.support.sentinels import fetch

ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"


def account_folder(cluster: ControlPlane, folder: Path, namespace: str, name: str) -> Path:
    """The three files that the pod's projected volume holds."""
    folder.mkdir()
    (folder / "token").write_text(cluster.token_for(namespace, name))
    (folder / "ca.crt").write_bytes(cluster.ca_file.read_bytes())
    (folder / "namespace").write_text(namespace)
    return folder


@pytest.fixture
def address() -> str:
    return f"127.0.0.1:{free_port()}"


@pytest.fixture
def objects(address: str) -> list[chart.Object]:
    web = {"listen": address, "console": f"127.0.0.1:{free_port()}"}
    witness = {"relay": {"port": free_port()}}
    return chart.render(chosen() | {"config": {"web": web}, "timeScale": 0.2, "witness": witness})


@pytest.fixture
def pod(built: image.Stage, installed: ControlPlane, objects: list[chart.Object], tmp_path: Path) -> Iterator[Child]:
    """The sentinel of team-2."""
    config = tmp_path / "config"
    (config / "relay").mkdir(parents=True)
    given = chart.one(objects, "ConfigMap", "sentinel", "team-2")["data"]
    (config / "sentinel.yaml").write_text(given["sentinel.yaml"])
    (config / "relay" / "ca.crt").write_text(given["ca.crt"])
    relay = tmp_path / "relay"
    relay.mkdir()
    (relay / "token").write_text(installed.token_for("team-2", audiences=["tenant-sentinel"]))
    mounts = {
        ACCOUNT: account_folder(installed, tmp_path / "account", "team-2", "sentinel"),
        "/etc/sentinel": config,
        "/var/run/secrets/tenant-sentinel": relay,
    }
    with running(built, installed, mounts, chart.one(objects, "Deployment", "sentinel", "team-2")) as child:
        yield child


@pytest.fixture
def witness(
    built: image.Stage, installed: ControlPlane, objects: list[chart.Object], tmp_path: Path
) -> Iterator[Child]:
    config = tmp_path / "config"
    (config / "tls").mkdir(parents=True)
    given = chart.one(objects, "ConfigMap", "sentinel-witness")["data"]["witness.yaml"]
    (config / "witness.yaml").write_text(given)
    for key, value in chart.one(objects, "Secret", "sentinel-witness-tls")["data"].items():
        (config / "tls" / key).write_bytes(base64.b64decode(value))
    mounts = {
        ACCOUNT: account_folder(installed, tmp_path / "account", "sentinel-system", "sentinel-witness"),
        "/etc/sentinel": config,
    }
    with running(built, installed, mounts, chart.one(objects, "Deployment", "sentinel-witness")) as child:
        yield child


@contextlib.contextmanager
def running(
    built: image.Stage, cluster: ControlPlane, mounts: dict[str, Path], deployment: chart.Object
) -> Iterator[Child]:
    """The image with the arguments that the Deployment has."""
    words = [*built.entrypoint, *deployment["spec"]["template"]["spec"]["containers"][0]["args"]]
    env = {"KUBERNETES_SERVICE_HOST": cluster.host, "KUBERNETES_SERVICE_PORT": str(cluster.port)}
    command = image.pod_command(built, words, mounts=mounts, env=env, network=True)
    with tempfile.TemporaryDirectory(prefix="sentinel-pod-") as folder:
        child = Child(command, Path(folder) / "log")
        try:
            yield child
        finally:
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


def test_the_witness_becomes_ready_proves_denials_of_every_tenant_and_opens_its_relay(
    witness: Child, address: str, objects: list[chart.Object]
) -> None:
    def ready() -> bool:
        witness.must_run()
        return fetch(f"http://{address}/readyz")[0] == 200

    def proven() -> set[str]:
        page = fetch(f"http://{address}/metrics")[1]
        rounds = re.findall(r'^sentinel_witness_round_timestamp_seconds{subject="([^"]+)"} (\S+)', page, re.MULTILINE)
        return {subject for subject, when in rounds if float(when) > 0}

    eventually(ready, 90, lambda: f"/readyz says 200\n{fetch(f'http://{address}/readyz')}\n{witness.log_tail()}")
    eventually(lambda: proven() == {"team-1", "team-2"}, 60, lambda: f"a round of each\n{witness.log_tail()}")
    shown = families(fetch(f"http://{address}/metrics")[1])
    assert {name.removesuffix("_total") for name in WITNESSED} <= {name.removesuffix("_total") for name in shown}
    config = chart.one(objects, "ConfigMap", "sentinel", "team-1")["data"]
    assert answers(config["ca.crt"], relay_of(config["sentinel.yaml"]))


def relay_of(configuration: str) -> tuple[str, int]:
    """Host and port of the relay, as a tenant is told of it."""
    found = re.search(r"relay: https://([^:\s]+):([0-9]+)", configuration)
    assert found
    return found[1], int(found[2])


def answers(authority: str, relay: tuple[str, int]) -> bool:
    """Whether who listens at that port has a certificate for that name, of that authority."""
    context = ssl.create_default_context(cadata=authority)
    plain = socket.create_connection(("127.0.0.1", relay[1]), timeout=10)
    with context.wrap_socket(plain, server_hostname=relay[0]) as secured:
        return secured.version() is not None
