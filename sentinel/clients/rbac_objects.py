"""Roles, bindings and decisions, read with a person's own rights.

What may not be read is named and left out; the rest is still worth something.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import quote

from sentinel.clients.kube import JSON, Connection, Request
from sentinel.clients.listing import listed, object_of, why
from sentinel.core.api.question import Question
from sentinel.core.api.rbac import Binding, Rbac, Role, Who
from sentinel.core.api.rbac_object import parse
from sentinel.core.api.reply import clean
from sentinel.errors import BadReply

_GROUP = "/apis/rbac.authorization.k8s.io/v1"
_REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
_SMALL = 64 * 1024
_WIDE = {"clusterroles": "ClusterRole", "clusterrolebindings": "ClusterRoleBinding"}
_INSIDE = {"roles": "Role", "rolebindings": "RoleBinding"}


@dataclass(frozen=True, slots=True)
class Picture:
    """What could be read. `missing`: what could not, and why, for people."""

    rbac: Rbac = field(default_factory=Rbac)
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """The API server's word on one question. `allowed` None: it did not say, and `reason` tells why."""

    allowed: bool | None
    reason: str = ""


async def picture(connection: Connection, bearer: str | None, namespaces: Iterable[str]) -> Picture:
    """The cluster-wide objects, and those of these namespaces."""
    paths = {f"{_GROUP}/{plural}": kind for plural, kind in _WIDE.items()}
    for namespace in sorted(set(namespaces)):
        paths |= {f"{_GROUP}/namespaces/{quote(namespace)}/{plural}": kind for plural, kind in _INSIDE.items()}
    found: list[Role | Binding] = []
    missing: list[str] = []
    for path, kind in paths.items():
        try:
            items = await listed(connection, bearer, path)
        except BadReply as error:
            missing.append(str(error))
        else:
            found += [parsed for item in items if (parsed := parse(item, kind)) is not None]
    return Picture(Rbac.of(found), tuple(missing))


async def decide(connection: Connection, bearer: str | None, who: Who, question: Question) -> Decision:
    """A SubjectAccessReview: all authorizers of the API server, not only RBAC."""
    attributes = {
        "namespace": question.asked_namespace or "",
        "verb": question.verb,
        "group": question.resource.group,
        "version": question.resource.version,
        "resource": question.resource.plural,
        "subresource": question.subresource,
        "name": question.asked_name,
    }
    spec = {"user": who.user, "groups": [*who.groups], "resourceAttributes": attributes}
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
    asked = Request("POST", _REVIEWS, bearer, JSON, json.dumps(body).encode(), _SMALL)
    reply = await connection.ask(asked)
    status = object_of(reply).get("status") if reply.status == 201 else None
    if not isinstance(status, dict) or not isinstance(status.get("allowed"), bool):
        return Decision(None, f"create subjectaccessreviews.authorization.k8s.io: {why(reply)}")
    error = status.get("evaluationError")
    if not status["allowed"] and error:
        return Decision(None, f"an authorizer could not decide: {clean(str(error), 300)}")
    return Decision(status["allowed"], clean(str(status.get("reason") or ""), 400))
