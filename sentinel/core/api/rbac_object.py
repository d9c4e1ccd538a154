"""Roles and bindings out of the API server's JSON. A tenant wrote them, so anything may stand there.

What is no object at all is refused; of one that is, the parts that make no sense are left out, as
the authorizer, which compares texts, would match nothing with them either.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from itertools import islice
from typing import Any

from sentinel.core.api.rbac import DEFAULTING, Binding, Made, Requirement, Role, Rule, Selector, Subject
from sentinel.core.api.reply import clean

Json = Mapping[str, Any]

MOST_WORDS = 10_000
"""Of one list of a rule; what is longer counts as `*`. etcd takes 1.5 MB."""
MOST_ITEMS = 50_000
"""Rules of a role, or subjects of a binding: more than fit into 1.5 MB."""
ROLES = ("Role", "ClusterRole")
BINDINGS = ("RoleBinding", "ClusterRoleBinding")


def parse(obj: Json, kind: str = "") -> Role | Binding | None:
    """Whichever it is; items of a list lack their kind, so it can be given. None for anything else."""
    kind = kind or str(_dict(obj).get("kind"))
    try:
        if kind in ROLES:
            return role(obj, kind)
        return binding(obj, kind) if kind in BINDINGS else None
    except ValueError:
        return None


def role(obj: Json, kind: str) -> Role:
    """A Role or ClusterRole. Raises ValueError for what is no object with a name."""
    namespace, name, meta = _named(obj, kind == "Role")
    selectors = _items(_dict(obj.get("aggregationRule")).get("clusterRoleSelectors"))
    return Role(
        kind,
        namespace,
        name,
        tuple(_rule(found) for found in _items(obj.get("rules"))),
        tuple(selector(found) for found in selectors) if kind == "ClusterRole" else (),
        frozenset((key, value) for key, value in _dict(meta.get("labels")).items() if isinstance(value, str)),
        _made(meta, "f:rules"),
        _defaulted(meta),
    )


def binding(obj: Json, kind: str) -> Binding:
    """A RoleBinding or ClusterRoleBinding. Raises ValueError for what is no object with a name."""
    namespace, name, meta = _named(obj, kind == "RoleBinding")
    ref = _dict(obj.get("roleRef"))
    return Binding(
        kind,
        namespace,
        name,
        _text(ref.get("kind")),
        _text(ref.get("name")),
        tuple(_subject(found) for found in _items(obj.get("subjects"))),
        _made(meta, "f:subjects"),
        _defaulted(meta),
    )


def _named(obj: Json, namespaced: bool) -> tuple[str, str, Json]:  # noqa: FBT001  # private, and read at once
    meta = _dict(_dict(obj).get("metadata"))
    namespace, name = _text(meta.get("namespace")), _text(meta.get("name"))
    if not name or bool(namespace) is not namespaced:
        raise ValueError("no name, or a namespace where none belongs")
    return namespace, name, meta


def _rule(found: Json) -> Rule:
    keys = ("verbs", "apiGroups", "resources")
    verbs, groups, resources = (_words(found.get(key), "*") for key in keys)
    names = tuple(_texts(found.get("resourceNames")))
    # Too many names are every name, which is how an empty list reads.
    return Rule(verbs, groups, resources, names if len(names) <= MOST_WORDS else ())


def _words(value: Any, instead: str) -> tuple[str, ...]:
    words = tuple(_texts(value))
    return words if len(words) <= MOST_WORDS else (instead,)


def _texts(value: Any) -> Iterator[str]:
    found = (word for word in value if isinstance(word, str)) if isinstance(value, list) else ()
    return islice(found, MOST_WORDS + 1)


def _subject(found: Json) -> Subject:
    kind, name, namespace = (_text(found.get(key)) for key in ("kind", "name", "namespace"))
    return Subject(kind, name, namespace)


def selector(found: Json) -> Selector:
    """A label selector, as roles that aggregate and policies have one."""
    labels = _dict(found.get("matchLabels")).items()
    exact = (Requirement(key, "In", frozenset({value})) for key, value in labels if isinstance(value, str))
    further = (
        Requirement(_text(one.get("key")), _text(one.get("operator")), frozenset(_texts(one.get("values"))))
        for one in _items(found.get("matchExpressions"))
    )
    return (*exact, *further)


def _made(meta: Json, part: str) -> Made:
    """Who wrote this part last; its owners, if several set the same, are all in there."""
    owners = [entry for entry in _items(meta.get("managedFields")) if part in _dict(entry.get("fieldsV1"))]
    last = max(owners, key=lambda entry: _text(entry.get("time")), default={})
    created, changed = _moment(meta.get("creationTimestamp")), _moment(last.get("time"))
    return Made(created, clean(_text(last.get("manager")), 128), changed)


def _defaulted(meta: Json) -> bool:
    return _dict(meta.get("annotations")).get(DEFAULTING) == "true"


def _moment(value: Any) -> float | None:
    try:
        return datetime.fromisoformat(value).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None


def _items(value: Any) -> Iterable[Json]:
    found = (item for item in value if isinstance(item, dict)) if isinstance(value, list) else ()
    return islice(found, MOST_ITEMS)


def _dict(value: Any) -> Json:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
