"""Two tenants and a witness in namespaces of their own, each process and each packet a real one.

    machine: kube-apiserver <---doorways--- team-a   team-b   witness      <--- kubelet (probes, pod status)
                                               \\_______|________/ '--pages--> Alertmanager's stub
                                                 hub: the policy

The objects are the chart's own; only nodes are missing, so the test's kubelet gives
them their addresses, and calls them ready by their own listener's word.
"""

import contextlib
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from tests.cluster.town import resident
from tests.cluster.witnessed import RELEASE, Witness
from tests.deploy import chart
from tests.support import manifests
from tests.support.controlplane import CONTROLLERS, ControlPlane
from tests.support.doorway import doorway
from tests.support.kubelet import Kubelet, to_api
from tests.support.netns import SERVICE4, SERVICE6, Lab, Pod
from tests.support.sentinels import Metrics, Sentinel
from tests.support.webhook import Webhook

Dict = dict[str, Any]

TENANTS = ("team-a", "team-b")
PORT = 7462
SCALE = 0.2
"""Rounds of two seconds; those of the network take four, since reports of arrivals come once a second."""
RANGES = f"{SERVICE4.format(0)}/24,{SERVICE6.format(0)}/112"


class NetTown:
    """All of it, running while the `with` block lasts."""

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            self._build(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def _build(self, stack: contextlib.ExitStack) -> None:
        self.lab = stack.enter_context(Lab())
        flags = {"service-cluster-ip-range": RANGES}
        self.cluster = stack.enter_context(ControlPlane(controllers=CONTROLLERS, flags=flags))
        self.pages = stack.enter_context(Webhook())
        pager = urlsplit(self.pages.url).port
        assert pager is not None
        self.objects = chart.render(values(f"http://127.0.0.1:{pager}"))
        self.cluster.admin.apply(*(manifests.namespace(name) for name in (RELEASE, *TENANTS)))
        self.cluster.admin.apply(*(found for found in self.objects if found["kind"] != "Service"))
        self.kubelet = stack.enter_context(Kubelet(self.lab.hub, to_api(self.cluster.admin)))
        self.pods = {name: self.lab.pod(name) for name in (*TENANTS, "witness")}
        for pod in self.pods.values():
            stack.enter_context(doorway(pod, self.cluster.port))
        stack.enter_context(doorway(self.pods["witness"], pager))
        self.witness = stack.enter_context(contextlib.closing(_Closing(self._witness())))
        relay = int(self.witness.one.relay.rpartition(":")[2])
        for name in TENANTS:
            stack.enter_context(doorway(self.pods[name], relay, to=self.pods["witness"]))
        self.sentinels = {name: self._tenant(stack, name) for name in TENANTS}

    def _witness(self) -> Witness:
        pod = self.pods["witness"]
        self._serve(RELEASE, "sentinel-witness", pod)
        made = Witness(self.cluster, self.objects)
        made._env |= {"POD_IPS": f"{pod.v4},{pod.v6}"}
        pod.do(made.start)
        return made

    def _tenant(self, stack: contextlib.ExitStack, name: str) -> Sentinel:
        pod = self.pods[name]
        self._serve(name, "sentinel", pod)
        manifest = self._pod(name)
        self.kubelet.run(manifest, pod)
        token = self.witness.one.folder / f"relay-token-{name}"
        token.write_text(self.cluster.token_for(name, audiences=["tenant-sentinel"], pod=manifest))
        env = {
            "SENTINEL__PAGING__RELAY": f"https://{self.witness.one.relay}",
            "SENTINEL__PAGING__RELAY_TOKEN": str(token),
            "SENTINEL__PAGING__RELAY_CA": str(self.witness.one.authority.ca_file),
        }
        made = resident(self.cluster, self.objects, name, env=env)
        stack.enter_context(contextlib.closing(_Closing(made)))
        pod.do(made.start)
        return made

    def _serve(self, namespace: str, name: str, pod: Pod) -> None:
        """The chart's Service, at an address that the lab has for it."""
        made = self.lab.service(f"{namespace}/{name}", PORT, pod)
        found = chart.one(self.objects, "Service", name, namespace)
        addresses = {"clusterIP": made.v4, "clusterIPs": [made.v4, made.v6], "ipFamilyPolicy": "RequireDualStack"}
        self.cluster.admin.apply(found | {"spec": found["spec"] | addresses})

    def _pod(self, namespace: str) -> Dict:
        """As a Deployment's controller would make it, on the only node there is."""
        template = chart.one(self.objects, "Deployment", "sentinel", namespace)["spec"]["template"]
        metadata = template["metadata"] | {"name": "sentinel-0", "namespace": namespace}
        made = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}
        return dict(self.cluster.admin.create(made | {"spec": template["spec"] | {"nodeName": "node-1"}}))

    def metrics(self, name: str) -> Metrics:
        """What this tenant's sentinel says of itself."""
        sentinel = self.sentinels[name]
        sentinel.process.must_run()
        return self.pods[name].do(sentinel.metrics)


class _Closing:
    """A daemon that was started elsewhere than it is ended."""

    def __init__(self, one: Any) -> None:
        self.one = one

    def close(self) -> None:
        self.one.__exit__(None, None, None)


def values(alertmanager: str) -> chart.Object:
    tenants = [{"name": name, "namespaces": [name]} for name in TENANTS]
    more = {"tenants": tenants, "timeScale": SCALE, "monitor": {"enabled": False}, "alertmanagers": [alertmanager]}
    return chart.witnessed() | more | {"network": {"enabled": True}}
