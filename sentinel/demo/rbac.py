"""Who may do what: Kubernetes' role-based access control, as a function of the objects.

Permissions only add up: the first rule that matches allows, nothing forbids. The order
(cluster-wide bindings first, then those of the namespace) is not for the decision but for
its reason, which names the binding that let somebody in, and for the list of rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Manifest = Mapping[str, Any]

MASTERS = "system:masters"
_ACCOUNT = "system:serviceaccount:{}:{}"


@dataclass(frozen=True, slots=True)
class User:
    """Who asks: what authentication found out."""

    name: str
    groups: tuple[str, ...]
    uid: str = ""
    extra: Mapping[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Act:
    """What is asked for. `path` is set for what is no resource, and then alone with the verb."""

    verb: str
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""

    @property
    def kind(self) -> str:
        """The resource as rules write it: `pods`, `pods/log`."""
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether it is allowed. The reason names the binding, or the roles that are missing."""

    allowed: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Grants:
    """What the bindings give one user in one namespace ("" is cluster scope).

    `rules` are (source, rule); `missing` are the roles that bindings name and nobody made.
    """

    rules: tuple[tuple[str, Manifest], ...]
    missing: tuple[str, ...]

    @property
    def complaint(self) -> str:
        """The missing roles as one text, as Go's error aggregate writes it; "" if there are none."""
        unique = list(dict.fromkeys(self.missing))
        return unique[0] if len(unique) == 1 else f"[{', '.join(unique)}]" if unique else ""


class Access:
    """Decides from manifests of Roles, ClusterRoles and their bindings; it never changes."""

    def __init__(self, manifests: Iterable[Manifest]) -> None:
        self._objects = {_key(m): m for m in manifests}

    def decide(self, user: User, act: Act) -> Decision:
        """Whether `user` may do `act`."""
        if MASTERS in user.groups:
            return Decision(True, "")
        grants = self.grants(user, act.namespace)
        for source, rule in grants.rules:
            if _allows(rule, act):
                return Decision(True, f"RBAC: allowed by {source}")
        return Decision(False, f"RBAC: {grants.complaint}" if grants.missing else "")

    def grants(self, user: User, namespace: str) -> Grants:
        """All rules that hold for `user` in `namespace`, cluster-wide ones included."""
        rules: list[tuple[str, Manifest]] = []
        missing: list[str] = []
        for binding in self._bindings(namespace):
            subject = _applies(user, binding)
            if subject is None:
                continue
            role = self._role(binding)
            if role is None:
                missing.append(_absent(binding["roleRef"]))
            else:
                source = _source(binding, subject)
                rules += [(source, rule) for rule in role.get("rules") or ()]
        return Grants(tuple(rules), tuple(missing))

    def _bindings(self, namespace: str) -> Iterator[Manifest]:
        yield from (o for k, o in self._objects.items() if k[0] == "ClusterRoleBinding")
        if namespace:
            wanted = ("RoleBinding", namespace)
            yield from (o for k, o in self._objects.items() if k[:2] == wanted)

    def _role(self, binding: Manifest) -> Manifest | None:
        ref = binding["roleRef"]
        space = binding["metadata"].get("namespace", "") if ref["kind"] == "Role" else ""
        return self._objects.get((ref["kind"], space, ref["name"]))


def _key(manifest: Manifest) -> tuple[str, str, str]:
    meta = manifest["metadata"]
    return manifest["kind"], meta.get("namespace", ""), meta["name"]


def _applies(user: User, binding: Manifest) -> Manifest | None:
    space = binding["metadata"].get("namespace", "")
    return next((s for s in binding.get("subjects") or () if _is(user, s, space)), None)


def _is(user: User, subject: Manifest, space: str) -> bool:
    match subject["kind"]:
        case "User":
            return user.name == str(subject["name"])
        case "Group":
            return subject["name"] in user.groups
        case "ServiceAccount":
            return user.name == _ACCOUNT.format(subject.get("namespace") or space, subject["name"])
    return False


def _allows(rule: Manifest, act: Act) -> bool:
    if not _has(rule, "verbs", act.verb):
        return False
    if act.path:
        return any(_path_matches(url, act.path) for url in rule.get("nonResourceURLs") or ())
    names = rule.get("resourceNames") or ()
    return (
        _has(rule, "apiGroups", act.group)
        and (_has(rule, "resources", act.kind) or _any_parent(rule, act))
        and (not names or act.name in names)
    )


def _has(rule: Manifest, key: str, wanted: str) -> bool:
    values = rule.get(key) or ()
    return "*" in values or wanted in values


def _any_parent(rule: Manifest, act: Act) -> bool:
    return bool(act.subresource) and f"*/{act.subresource}" in (rule.get("resources") or ())


def _path_matches(url: str, path: str) -> bool:
    return url in ("*", path) or (url.endswith("*") and path.startswith(url.rstrip("*")))


def _absent(ref: Manifest) -> str:
    return f'{ref["kind"].lower()}.rbac.authorization.k8s.io "{ref["name"]}" not found'


def _source(binding: Manifest, subject: Manifest) -> str:
    meta, ref = binding["metadata"], binding["roleRef"]
    space = meta.get("namespace", "")
    name = f"{meta['name']}/{space}" if space else meta["name"]
    who = subject["name"]
    if subject["kind"] == "ServiceAccount":
        who = f"{who}/{subject.get('namespace') or space}"
    return f'{binding["kind"]} "{name}" of {ref["kind"]} "{ref["name"]}" to {subject["kind"]} "{who}"'
