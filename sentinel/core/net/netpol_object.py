"""NetworkPolicies and pods out of the API server's JSON. A tenant wrote them, so anything may stand there.

What is missing and what is empty are two things here, and the defaults are those of the API server: it
fills them in when it stores an object, and a manifest on a desk has them not yet.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import islice
from typing import Any

from sentinel.core.api.rbac import Made, Requirement, Selector
from sentinel.core.api.reply import clean
from sentinel.core.net.netpol import ContainerPort, Labels, Peer, Pod, Policy, PortRule, Rule

Json = Mapping[str, Any]
MOST = 20_000
"""Rules, peers or ports of one object: more than fit into the 1.5 MB that etcd takes."""


def policy(obj: Json) -> Policy | None:
    """A NetworkPolicy; None for what is no object with a name and a namespace."""
    meta, spec = _dict(_dict(obj).get("metadata")), _dict(_dict(obj).get("spec"))
    namespace, name = _text(meta.get("namespace")), _text(meta.get("name"))
    if not namespace or not name:
        return None
    types = [word for word in _list(spec.get("policyTypes")) if isinstance(word, str)]
    # As the API server has it: ingress always, egress where a rule of it stands.
    types = types or ["Ingress", *(["Egress"] if _list(spec.get("egress")) else [])]
    return Policy(
        namespace,
        name,
        _selector(_dict(spec.get("podSelector"))),
        tuple(_rules(spec.get("ingress"), "from")) if "Ingress" in types else None,
        tuple(_rules(spec.get("egress"), "to")) if "Egress" in types else None,
        _made(meta),
        _text(meta.get("resourceVersion")),
    )


def pod(obj: Json) -> Pod | None:
    """A pod that has not ended; None for one that has, or for no pod."""
    meta, spec, status = (_dict(_dict(obj).get(key)) for key in ("metadata", "spec", "status"))
    namespace, name = _text(meta.get("namespace")), _text(meta.get("name"))
    if not namespace or not name or status.get("phase") in ("Succeeded", "Failed"):
        return None
    containers = (*_list(spec.get("containers")), *_list(spec.get("initContainers")))
    return Pod(
        namespace,
        name,
        labels(obj),
        tuple(_text(row.get("ip")) for row in _dicts(status.get("podIPs")) if _text(row.get("ip"))),
        tuple(_port(row) for one in containers for row in _dicts(_dict(one).get("ports"))),
        spec.get("hostNetwork") is True,
    )


def labels(obj: Json) -> Labels:
    """The labels of any object."""
    found = _dict(_dict(_dict(obj).get("metadata")).get("labels"))
    return {key: value for key, value in found.items() if isinstance(value, str)}


def _rules(value: Any, side: str) -> Iterator[Rule]:
    for found in _dicts(value):
        yield Rule(
            tuple(_peer(one) for one in _dicts(found.get(side))),
            tuple(_port_rule(one) for one in _dicts(found.get("ports"))),
        )


def _peer(found: Json) -> Peer:
    block = _dict(found.get("ipBlock"))
    return Peer(
        _given(found, "podSelector"),
        _given(found, "namespaceSelector"),
        _text(block.get("cidr")),
        tuple(one for one in _list(block.get("except")) if isinstance(one, str)),
    )


def _given(found: Json, key: str) -> Selector | None:
    value = found.get(key)
    return None if value is None else _selector(_dict(value))


def _selector(found: Json) -> Selector:
    exact = _dict(found.get("matchLabels")).items()
    return (
        *(Requirement(key, "In", frozenset({value})) for key, value in exact if isinstance(value, str)),
        *(_requirement(one) for one in _dicts(found.get("matchExpressions"))),
    )


def _requirement(found: Json) -> Requirement:
    values = frozenset(word for word in _list(found.get("values")) if isinstance(word, str))
    return Requirement(_text(found.get("key")), _text(found.get("operator")), values)


def _port_rule(found: Json) -> PortRule:
    port, last = found.get("port"), found.get("endPort")
    return PortRule(
        _text(found.get("protocol")) or "TCP",
        port if isinstance(port, int | str) and not isinstance(port, bool) else None,
        last if isinstance(last, int) else None,
    )


def _port(found: Json) -> ContainerPort:
    number = found.get("containerPort")
    return ContainerPort(
        _text(found.get("name")), number if isinstance(number, int) else 0, _text(found.get("protocol")) or "TCP"
    )


def _made(meta: Json) -> Made:
    writers = [entry for entry in _dicts(meta.get("managedFields")) if "f:spec" in _dict(entry.get("fieldsV1"))]
    last = max(writers, key=lambda entry: _text(entry.get("time")), default={})
    manager = clean(_text(last.get("manager")), 128)
    return Made(_moment(meta.get("creationTimestamp")), manager, _moment(last.get("time")))


def _moment(value: Any) -> float | None:
    try:
        return datetime.fromisoformat(value).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None


def _dicts(value: Any) -> Iterator[Json]:
    # What is no object counts as an empty one: left out, a list of nobody would become a list of everybody.
    return (_dict(item) for item in _list(value))


def _list(value: Any) -> list[Any]:
    return list(islice(value, MOST)) if isinstance(value, list) else []


def _dict(value: Any) -> Json:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
