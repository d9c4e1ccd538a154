"""The rehearsal's cluster: three tenants, two system namespaces, sentinel installed in it.

The objects are those the chart creates for such a cluster (doors, beacons, decoys, each
sentinel's own Role), plus what Kubernetes itself gives every account from the start.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sentinel.core.api.resources import BEACON, DECOY, DECOY_CLOSED

Manifest = dict[str, Any]

TENANTS = ("team-a", "team-b", "team-c")
RELEASE = "sentinel-system"
SYSTEM = ("kube-system", RELEASE)
DOOR = "sentinel-door"
ACCOUNT = "sentinel"

_RBAC_GROUP = "rbac.authorization.k8s.io"
_RBAC = f"{_RBAC_GROUP}/v1"
_EVERYBODY = ("system:authenticated", "system:unauthenticated")


def defaults() -> list[Manifest]:
    """What every cluster has: the roles that let an account see itself and the API's map."""
    health = ["/healthz", "/livez", "/readyz", "/version", "/version/"]
    api = ["/api", "/api/*", "/apis", "/apis/*", "/healthz", "/livez"]
    api += ["/openapi", "/openapi/*", "/readyz", "/version", "/version/"]
    keys = [f"{path}{end}" for path in _ISSUER_PATHS for end in ("", "/")]
    return [
        *_for_groups("system:basic-user", _BASIC_USER, _EVERYBODY[:1]),
        *_for_groups("system:discovery", [_paths(api)], _EVERYBODY[:1]),
        *_for_groups("system:public-info-viewer", [_paths(health)], _EVERYBODY),
        *_for_groups("system:service-account-issuer-discovery", [_paths(keys)], ["system:serviceaccounts"]),
    ]


def installed(tenants: Iterable[str] = TENANTS) -> list[Manifest]:
    """The namespaces of `tenants` and of the system, with what the chart puts into them."""
    names = list(tenants)
    sentinels = [of_account(name) for name in names]
    objects = [_namespace(name) for name in (*names, *SYSTEM)]
    for name in names:
        objects += _tenant(name)
    for name in (*names, *SYSTEM):
        objects += _granted(name, DOOR, sentinels, rule("get", "namespaces", names=[name]))
    objects += [_secret(RELEASE, DECOY), _secret(RELEASE, DECOY_CLOSED)]
    objects += _granted(RELEASE, DECOY, sentinels, rule("get", "secrets", names=[DECOY]))
    return objects


def hole(reader: str, victim: str) -> list[Manifest]:
    """A Role and RoleBinding that let the tenant `reader` read all secrets of `victim`."""
    return _granted(victim, "read-secrets", [of_account(reader)], rule("get,list", "secrets"))


def of_account(namespace: str, name: str = ACCOUNT) -> Manifest:
    """A ServiceAccount, as the subject of a binding."""
    return {"kind": "ServiceAccount", "namespace": namespace, "name": name}


def rule(verbs: str, resources: str, group: str = "", names: Iterable[str] = ()) -> Manifest:
    """A rule; `verbs` and `resources` are separated by commas."""
    made = {"apiGroups": [group], "resources": resources.split(","), "verbs": verbs.split(",")}
    return made | ({"resourceNames": list(names)} if names else {})


def binding(kind: str, namespace: str, name: str, role: tuple[str, str], subjects: list[Manifest]) -> Manifest:
    """A RoleBinding or ClusterRoleBinding to `role`, which is (kind, name)."""
    ref = {"apiGroup": _RBAC_GROUP, "kind": role[0], "name": role[1]}
    return _object(_RBAC, kind, namespace, name) | {"roleRef": ref, "subjects": subjects}


def _tenant(name: str) -> list[Manifest]:
    own = rule("get", "secrets,configmaps", names=[BEACON])
    return [
        _object("v1", "ServiceAccount", name, ACCOUNT),
        _secret(name, BEACON),
        _object("v1", "ConfigMap", name, BEACON) | {"data": {"worth": "nothing"}},
        *_granted(name, ACCOUNT, [of_account(name)], own),
    ]


def _granted(namespace: str, name: str, subjects: list[Manifest], *rules: Manifest) -> list[Manifest]:
    role = _object(_RBAC, "Role", namespace, name) | {"rules": list(rules)}
    return [role, binding("RoleBinding", namespace, name, ("Role", name), subjects)]


def _for_groups(name: str, rules: list[Manifest], groups: Iterable[str]) -> list[Manifest]:
    subjects = [{"apiGroup": _RBAC_GROUP, "kind": "Group", "name": group} for group in groups]
    role = _object(_RBAC, "ClusterRole", "", name) | {"rules": rules}
    return [role, binding("ClusterRoleBinding", "", name, ("ClusterRole", name), subjects)]


def _paths(urls: list[str]) -> Manifest:
    return {"nonResourceURLs": urls, "verbs": ["get"]}


def _namespace(name: str) -> Manifest:
    made = _object("v1", "Namespace", "", name)
    made["metadata"]["labels"] = {"kubernetes.io/metadata.name": name}
    return made | {"spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}}


def _secret(namespace: str, name: str) -> Manifest:
    data = {"worth": "bm90aGluZw=="}
    return _object("v1", "Secret", namespace, name) | {"data": data, "type": "Opaque"}


def _object(version: str, kind: str, namespace: str, name: str) -> Manifest:
    place = {"namespace": namespace} if namespace else {}
    return {"kind": kind, "apiVersion": version, "metadata": {"name": name} | place}


_ISSUER_PATHS = ("/.well-known/openid-configuration", "/openid/v1/jwks")
_BASIC_USER = [
    rule("create", "selfsubjectaccessreviews,selfsubjectrulesreviews", "authorization.k8s.io"),
    rule("create", "selfsubjectreviews", "authentication.k8s.io"),
]
