"""One HTTP request, as Kubernetes reads it: from method, path and query to the act asked for.

It follows the API server's own reading step by step, oddities included (an empty namespace
means cluster scope; a field selector on metadata.name becomes the name asked for), because
the 403 repeats this reading and sentinel compares it with what it meant to ask.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sentinel.demo.rbac import Act

_VERBS = {
    "POST": "create", "GET": "get", "HEAD": "get",
    "PUT": "update", "PATCH": "patch", "DELETE": "delete",
}  # fmt: skip
_PREFIX_VERBS = ("proxy", "watch")
# What follows a namespace's name without being a resource inside it.
_OF_NAMESPACES = ("status", "finalize")
# Streams: priority and fairness does not account for them, so their answers carry no marks of it.
_STREAMS = ("attach", "exec", "log", "portforward", "proxy")


@dataclass(frozen=True, slots=True)
class Asked:
    """The act, and where it was asked: group and version, or none for a plain path."""

    act: Act
    version: str = ""

    @property
    def is_resource(self) -> bool:
        """Whether this asks for an object or a collection rather than for a path."""
        return not self.act.path

    @property
    def is_stream(self) -> bool:
        """Whether it is long-running in the sense of priority and fairness."""
        return self.act.subresource in _STREAMS


def read(method: str, path: str, query: Mapping[str, str]) -> Asked:
    """What `method` on `path` (without its query) asks for."""
    parts = path.strip("/").split("/")
    prefix, rest = parts[0], parts[1:]
    if prefix not in ("api", "apis") or len(rest) < (2 if prefix == "api" else 3):
        return Asked(Act(verb=method.lower(), path=path))
    group = ""
    if prefix == "apis":
        group, rest = rest[0], rest[1:]
    version, rest = rest[0], rest[1:]
    verb = _VERBS.get(method, "")
    if rest[0] in _PREFIX_VERBS and len(rest) > 1:
        verb, rest = rest[0], rest[1:]
    namespace, rest = _space(rest)
    resource, name, subresource = (*rest, "", "")[:3] if len(rest) < 4 else rest[:3]
    verb, name = _collective(verb, name, query)
    return Asked(Act(verb, group, resource, subresource, namespace, name), version)


def _space(parts: list[str]) -> tuple[str, list[str]]:
    if parts[0] != "namespaces" or len(parts) < 2:
        return "", parts
    inside = len(parts) > 2 and parts[2] not in _OF_NAMESPACES
    return parts[1], parts[2:] if inside else parts


def _collective(verb: str, name: str, query: Mapping[str, str]) -> tuple[str, str]:
    if name or verb not in ("get", "delete"):
        return verb, name
    if verb == "delete":
        return "deletecollection", name
    verb = "list" if query.get("watch", "0").lower() in ("false", "0", "f") else "watch"
    field, _, value = query.get("fieldSelector", "").partition("=")
    return verb, value.lstrip("=") if field == "metadata.name" else name
