"""A node's agent for tests: it asks a pod's listener whether it is ready, and writes the pod's status.

    with Kubelet(lab.hub, publish) as kubelet:
        kubelet.run(manifest, pod)       # Running, and Ready as soon as its readinessProbe says so

Like the real one it asks from the node, where no policy stands between, by the pod's own address; and
nobody but the kubelet says which addresses a pod has. `publish` gets the whole object whenever it
changed: `to_api` patches it into a real API server.
"""

import contextlib
import http.client
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from tests.support.apiclient import MERGE, ApiClient
from tests.support.netns import HUB, POD4, POD6, Pod, Space

Dict = dict[str, Any]
Publish = Callable[[Dict], object]

PERIOD = 0.2
"""Seconds between two probes of a pod; a real one takes whole seconds."""
PATIENCE = 1.0
"""Seconds that a listener gets to answer."""


@dataclass
class Watched:
    """One pod of this node."""

    manifest: Dict
    pod: Pod
    born: str
    ready: bool = False
    since: str = ""
    restarts: int = 0
    frozen: bool = False


@dataclass
class Kubelet:
    """Of one node, which stands in `node`."""

    node: Space
    publish: Publish
    every: float = PERIOD
    _pods: dict[str, Watched] = field(default_factory=dict)
    _over: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._probe_all, name="kubelet")
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    def run(self, manifest: Dict, pod: Pod) -> None:
        """This pod is on our node from now on; its manifest has a uid."""
        now = stamp()
        watched = Watched(manifest, pod, now, since=now)
        with self._lock:
            self._pods[manifest["metadata"]["uid"]] = watched
        self.publish(seen(watched))

    def stop(self, uid: str) -> None:
        """Not on this node any more; who wants it gone from the API server deletes it there."""
        with self._lock:
            self._pods.pop(uid, None)

    def restarted(self, uid: str) -> None:
        """Its container was started again: nobody is ready before the first probe."""
        with self._lock:
            watched = self._pods[uid]
            watched.restarts += 1
        self._change(watched, ready=False, always=True)

    def freeze(self, uid: str, *, frozen: bool = True) -> None:
        """Nobody looks at this pod any more: its status stays as it is, as while a node is cut off."""
        with self._lock:
            self._pods[uid].frozen = frozen

    def is_ready(self, uid: str) -> bool:
        with self._lock:
            return self._pods[uid].ready

    def _probe_all(self) -> None:
        while not self._over.wait(self.every):
            with self._lock:
                pods = [watched for watched in self._pods.values() if not watched.frozen]
            for watched in pods:
                # An API server that is away is told when it is back.
                with contextlib.suppress(OSError):
                    self._change(watched, ready=self.node.do(answers, watched))

    def _change(self, watched: Watched, *, ready: bool, always: bool = False) -> None:
        with self._lock:
            known = self._pods.get(watched.manifest["metadata"]["uid"]) is watched
            if not known or watched.frozen or (watched.ready == ready and not always):
                return
            before = watched.ready, watched.since
            watched.ready, watched.since = ready, stamp()
        try:
            self.publish(seen(watched))
        except OSError:
            watched.ready, watched.since = before
            raise


def answers(watched: Watched) -> bool:
    """Whether every container's probe gets a 2xx or 3xx, as a kubelet sees it."""
    return all(
        probe(watched.pod.v4, asked["port"], asked["path"])
        for container in watched.manifest["spec"]["containers"]
        if (asked := container.get("readinessProbe", {}).get("httpGet"))
    )


def probe(host: str, port: int, path: str) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=PATIENCE)
    try:
        connection.request("GET", path, headers={"User-Agent": "kube-probe/1.36", "Connection": "close"})
        return 200 <= connection.getresponse().status < 400
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def seen(watched: Watched) -> Dict:
    """The object with the status that a kubelet writes."""
    pod, ready = watched.pod, str(watched.ready)
    containers = [
        {
            "name": container["name"],
            "image": container["image"],
            "imageID": "",
            "ready": watched.ready,
            "restartCount": watched.restarts,
            "state": {"running": {"startedAt": watched.born}},
        }
        for container in watched.manifest["spec"]["containers"]
    ]
    kinds = {"PodReadyToStartContainers": "True", "Initialized": "True", "ContainersReady": ready, "Ready": ready}
    conditions = [
        {
            "type": kind,
            "status": status,
            "lastTransitionTime": watched.since if kind in ("Ready", "ContainersReady") else watched.born,
        }
        for kind, status in kinds.items()
    ]
    status = {
        "phase": "Running",
        "startTime": watched.born,
        "hostIP": POD4.format(HUB),
        "hostIPs": [{"ip": POD4.format(HUB)}, {"ip": POD6.format(HUB)}],
        "podIP": pod.v4,
        "podIPs": [{"ip": pod.v4}, {"ip": pod.v6}],
        "conditions": conditions,
        "containerStatuses": containers,
    }
    return watched.manifest | {"status": status}


def to_api(admin: ApiClient) -> Publish:
    """Patches the status into an API server."""

    def publish(pod: Dict) -> None:
        path = f"{admin.path_of(pod)}/status"
        admin.must("PATCH", path, {"status": pod["status"]}, headers={"Content-Type": MERGE})

    return publish


def stamp() -> str:
    """Now, to the second, as Kubernetes writes it."""
    return datetime.fromtimestamp(time.time(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
