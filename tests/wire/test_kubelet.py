"""The node's agent of the tests says what a real one would, and a doorway leads where it should."""

import contextlib
import http.server
import socket
import threading
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import manifests
from tests.support.controlplane import ControlPlane
from tests.support.doorway import doorway
from tests.support.eventually import eventually
from tests.support.kubelet import Kubelet, to_api
from tests.support.netns import Lab, Space
from tests.support.policies import shut
from tests.support.ports import free_port

PORT = 7462
SPACE = "kubelet-test"


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab() as made:
        yield made


@contextlib.contextmanager
def listener(space: Space) -> Iterator[None]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *values: object) -> None:
            pass

    server = space.do(http.server.ThreadingHTTPServer, ("", PORT), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def manifest() -> dict[str, Any]:
    probe = {"httpGet": {"path": "/readyz", "port": PORT}}
    container = {"name": "sentinel", "image": "none", "readinessProbe": probe}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "namespace": SPACE},
        "spec": {"nodeName": "node-1", "containers": [container], "automountServiceAccountToken": False},
    }


def test_a_pod_is_ready_by_its_own_listeners_word_whatever_the_policy(lab: Lab, cluster: ControlPlane) -> None:
    cluster.admin.apply(manifests.namespace(SPACE), manifests.account(SPACE, "default"))
    made = cluster.admin.create(manifest())
    pod = lab.pod("p")
    lab.policy(*shut(None, pod))

    def ready() -> str:
        conditions = cluster.admin.get(made)["status"]["conditions"]
        return next(str(row["status"]) for row in conditions if row["type"] == "Ready")

    with Kubelet(lab.hub, to_api(cluster.admin)) as kubelet:
        kubelet.run(made, pod)
        status = cluster.admin.get(made)["status"]
        assert (status["podIPs"], ready()) == ([{"ip": pod.v4}, {"ip": pod.v6}], "False")

        with listener(pod):
            eventually(lambda: ready() == "True", 20, "ready")
            kubelet.freeze(made["metadata"]["uid"])
        assert ready() == "True"
        kubelet.freeze(made["metadata"]["uid"], frozen=False)
        eventually(lambda: ready() == "False", 20, "not ready")

        kubelet.restarted(made["metadata"]["uid"])
        assert cluster.admin.get(made)["status"]["containerStatuses"][0]["restartCount"] == 1
    cluster.admin.delete(manifests.namespace(SPACE))


def test_a_doorway_leads_from_a_pods_loopback_to_the_machines(lab: Lab) -> None:
    pod, port = lab.pod("q"), free_port()
    with contextlib.closing(socket.create_server(("127.0.0.1", port))) as server:
        with doorway(pod, port), pod.do(socket.create_connection, ("127.0.0.1", port)) as asking:
            talk, _ = server.accept()
            with talk:
                asking.send(b"hello")
                assert talk.recv(10) == b"hello"
                talk.send(b"there")
                assert asking.recv(10) == b"there"
            assert asking.recv(10) == b""
        with pytest.raises(ConnectionRefusedError):
            pod.do(socket.create_connection, ("127.0.0.1", port))


def test_through_a_doorway_the_api_server_is_who_it_was(lab: Lab, cluster: ControlPlane) -> None:
    pod = lab.pod("r")

    with doorway(pod, cluster.port):
        assert pod.do(cluster.admin.whoami) == "admin"
    with pytest.raises(OSError):
        pod.do(urllib.request.urlopen, cluster.url, timeout=5)
