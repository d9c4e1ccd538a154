"""A pod of ours as the API server tells it, and the policies of ours that could stand in its way.

A tenant may make pods with our labels, and writes all of them but the status, which is the kubelet's. So
an address, a node and whether it is ready are taken from the status alone; and ready counts for a port only
where the kubelet's probe goes through that very port. Nothing else of a pod is kept: neither its
environment nor its image.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

from sentinel.core.api import rbac_object
from sentinel.core.api.rbac import Selector
from sentinel.core.api.reply import clean

Json = Mapping[str, Any]

BEACON = ("tenant-sentinel/beacon", "true")
"""On every pod that answers challenges. A label of our own: a tenant's pods may carry any of the usual ones,
and `network.beacon.labels` makes pods that carry them, too."""
OURS = {"app.kubernetes.io/name": "sentinel"}
"""What the chart's Services select by, among others."""
CHART = ("app.kubernetes.io/part-of", "tenant-sentinel")
"""On every object that the chart makes."""
READY_PATH = "/readyz"
"""Where the kubelet asks the listener itself."""
_MOST = 64
"""Labels, containers, addresses or conditions that are looked at; ours have a handful."""
_MOST_NAME = 253


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod. `born` and `since` in wall seconds of whoever told them; `since`: of being ready, or not.

    `live`: it runs, and may answer. `ready` by the kubelet's word, which is about `probed`: ports on which
    a readiness probe asks /readyz. `restarts` of all its containers: with each a listener has a new key.
    `hosts`: the node's own addresses, the first is its main one.
    """

    namespace: str
    name: str
    uid: str
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    born: float = 0.0
    node: str = ""
    hosts: tuple[str, ...] = ()
    in_host: bool = False
    addresses: tuple[str, ...] = ()
    live: bool = False
    ready: bool = False
    since: float = 0.0
    probed: frozenset[int] = frozenset()
    restarts: int = 0


@dataclass(frozen=True, slots=True)
class Service:
    """A Service in front of pods of ours: its cluster addresses, and whom it selects."""

    addresses: tuple[str, ...] = ()
    selector: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def is_ours(self) -> bool:
        """Whether it selects pods of ours and no others: whoever may edit it may send us anywhere else."""
        return OURS.items() <= self.selector.items()

    def selects(self, pod: Pod) -> bool:
        """Whether this pod is behind it."""
        return self.is_ours and self.selector.items() <= pod.labels.items()


@dataclass(frozen=True, slots=True)
class Policy:
    """A NetworkPolicy, as far as it matters here: whether it is ours, and whom it selects."""

    namespace: str
    name: str
    version: str
    ours: bool = False
    pods: Selector = ()

    def selects(self, pod: Pod) -> bool:
        """Whether it is ours and says anything about this pod, in either direction."""
        at_home = self.ours and self.namespace == pod.namespace
        return at_home and all(needed.accepts(pod.labels) for needed in self.pods)


def pod(item: Json) -> Pod:
    """A pod. Raises ValueError for what is no object with a name and a uid."""
    meta, spec, status = (_dict(item.get(key)) for key in ("metadata", "spec", "status"))
    namespace, name, uid = (_text(meta.get(key)) for key in ("namespace", "name", "uid"))
    if not (namespace and name and uid):
        raise ValueError("no pod: it lacks a namespace, a name or a uid")
    ready = _condition(status, "Ready")
    hosts = (_text(status.get("hostIP")), *_addresses(status, "hostIPs"))
    leaving = meta.get("deletionTimestamp") is not None
    return Pod(
        namespace,
        name,
        uid,
        labels_of(meta),
        _born(meta, status),
        _text(spec.get("nodeName")),
        tuple(dict.fromkeys(host for host in hosts if host)),
        spec.get("hostNetwork") is True,
        _addresses(status, "podIPs"),
        status.get("phase") == "Running",
        ready.get("status") == "True" and not leaving,
        _seconds(ready.get("lastTransitionTime")),
        frozenset(_probed(spec)),
        sum(_count(row.get("restartCount")) for row in _dicts(status.get("containerStatuses"))),
    )


def service(item: Json) -> Service:
    """A Service. Raises ValueError for what is no object with a name."""
    meta, spec = _dict(item.get("metadata")), _dict(item.get("spec"))
    if not _text(meta.get("name")):
        raise ValueError("no Service: it lacks a name")
    found = spec.get("clusterIPs")
    addresses = [_text(one) for one in islice(found, _MOST)] if isinstance(found, list) else []
    chosen = {key: value for key, value in _dict(spec.get("selector")).items() if isinstance(value, str)}
    return Service(tuple(one for one in addresses if one and one != "None"), chosen)


def policy(item: Json) -> Policy:
    """A NetworkPolicy. Raises ValueError for what is no object with a name."""
    meta, spec = _dict(item.get("metadata")), _dict(item.get("spec"))
    namespace, name = _text(meta.get("namespace")), _text(meta.get("name"))
    if not (namespace and name):
        raise ValueError("no policy: it lacks a namespace or a name")
    key, value = CHART
    ours = labels_of(meta).get(key) == value
    chosen = rbac_object.selector(_dict(spec.get("podSelector"))) if ours else ()
    return Policy(namespace, name, str(meta.get("resourceVersion") or ""), ours, chosen)


def labels_of(meta: Json) -> dict[str, str]:
    """The labels of an object with this metadata."""
    found = islice(_dict(meta.get("labels")).items(), _MOST)
    return {key: value for key, value in found if isinstance(value, str)}


def _born(meta: Json, status: Json) -> float:
    """When it had a network, as near as anybody says: policies may come later than that."""
    networked = _condition(status, "PodReadyToStartContainers")
    at = networked.get("lastTransitionTime") if networked.get("status") == "True" else None
    return _seconds(at) or _seconds(status.get("startTime")) or _seconds(meta.get("creationTimestamp"))


def _probed(spec: Json) -> Iterator[int]:
    for container in _dicts(spec.get("containers")):
        asked = _dict(_dict(container.get("readinessProbe")).get("httpGet"))
        # With a host of its own, a probe asks somebody else.
        if asked.get("path") == READY_PATH and not asked.get("host") and asked.get("scheme") in (None, "HTTP"):
            port = asked.get("port")
            numbers = (row.get("containerPort") for row in _dicts(container.get("ports")) if row.get("name") == port)
            yield from (number for number in (port, *numbers) if type(number) is int)


def _addresses(status: Json, key: str) -> tuple[str, ...]:
    return tuple(_text(row.get("ip")) for row in _dicts(status.get(key)) if row.get("ip"))


def _condition(status: Json, kind: str) -> Json:
    return next((row for row in _dicts(status.get("conditions")) if row.get("type") == kind), {})


def _seconds(value: Any) -> float:
    """Wall seconds of RFC 3339; 0 for what is no time."""
    try:
        return datetime.fromisoformat(value).timestamp()
    except (TypeError, ValueError, OverflowError):
        return 0.0


def _count(value: Any) -> int:
    return value if type(value) is int and 0 <= value < 2**31 else 0


def _dicts(value: Any) -> Iterator[Json]:
    return (row for row in islice(value, _MOST) if isinstance(row, dict)) if isinstance(value, list) else iter(())


def _dict(value: Any) -> Json:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return clean(value, _MOST_NAME) if isinstance(value, str) else ""
