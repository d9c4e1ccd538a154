"""Manifests that tests write again and again, as plain dicts."""

from collections.abc import Sequence
from typing import Any

Dict = dict[str, Any]

RBAC = "rbac.authorization.k8s.io/v1"


def namespace(name: str, **labels: str) -> Dict:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def account(namespace: str, name: str = "sentinel") -> Dict:
    metadata = {"namespace": namespace, "name": name}
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}


def secret(namespace: str, name: str, **data: str) -> Dict:
    metadata = {"namespace": namespace, "name": name}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data}


def config_map(namespace: str, name: str, **data: str) -> Dict:
    metadata = {"namespace": namespace, "name": name}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def rule(
    verbs: Sequence[str],
    resources: Sequence[str],
    names: Sequence[str] = (),
    groups: Sequence[str] = ("",),
) -> Dict:
    """One RBAC rule; without names it is for all of them."""
    made: Dict = {"apiGroups": [*groups], "resources": [*resources], "verbs": [*verbs]}
    return made | ({"resourceNames": [*names]} if names else {})


def role(namespace: str, name: str, *rules: Dict) -> Dict:
    metadata = {"namespace": namespace, "name": name}
    return {"apiVersion": RBAC, "kind": "Role", "metadata": metadata, "rules": [*rules]}


def cluster_role(name: str, *rules: Dict) -> Dict:
    metadata = {"name": name}
    return {"apiVersion": RBAC, "kind": "ClusterRole", "metadata": metadata, "rules": [*rules]}


def role_binding(namespace: str, name: str, *subjects: Dict, role: str = "", kind: str = "Role") -> Dict:
    """To the Role (or ClusterRole) `role`, which is called as the binding unless said."""
    return {
        "apiVersion": RBAC,
        "kind": "RoleBinding",
        "metadata": {"namespace": namespace, "name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role or name},
        "subjects": [*subjects],
    }


def cluster_role_binding(name: str, *subjects: Dict, role: str = "") -> Dict:
    return {
        "apiVersion": RBAC,
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": role or name,
        },
        "subjects": [*subjects],
    }


def of_account(namespace: str, name: str = "sentinel") -> Dict:
    """The subject that is a ServiceAccount."""
    return {"kind": "ServiceAccount", "namespace": namespace, "name": name}


def of_group(name: str) -> Dict:
    return {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": name}


def of_user(name: str) -> Dict:
    return {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": name}


def grant(namespace: str, name: str, subject: Dict, *rules: Dict) -> list[Dict]:
    """A Role and its binding: a hole in `namespace`, when the subject lives elsewhere."""
    return [role(namespace, name, *rules), role_binding(namespace, name, subject)]
