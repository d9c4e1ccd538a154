"""What the API server says when asked about ourselves: whoami, the rules review, the cause, types.

These replies are about us, so their bodies are read, up to a bound.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from sentinel.clients.kube import Connection, Request, request_of
from sentinel.core.api import rules
from sentinel.core.api.question import Question
from sentinel.core.api.reply import Reply, clean
from sentinel.core.api.resources import Resource, check_of
from sentinel.core.api.rules import Review
from sentinel.core.api.wire import JSON, OWN_REPLY, review_of

_LARGE = 4 * 1024 * 1024
_AUTHENTICATION = "/apis/authentication.k8s.io/v1"
_AUTHORIZATION = "/apis/authorization.k8s.io/v1"


@dataclass(frozen=True, slots=True)
class WhoAmI:
    """The user the API server takes us for, empty when it did not say; and its reply."""

    user: str
    groups: tuple[str, ...]
    reply: Reply


async def whoami(connection: Connection, token: str | None) -> WhoAmI:
    """A SelfSubjectReview: 201 and a name, or nothing positive."""
    reply = await _post(connection, f"{_AUTHENTICATION}/selfsubjectreviews", token, {}, OWN_REPLY)
    info = _dig(reply, "status", "userInfo") if reply.status == 201 else None
    if not isinstance(info, dict) or not isinstance(info.get("username"), str):
        return WhoAmI("", (), reply)
    groups = tuple(str(group) for group in info.get("groups") or ())
    return WhoAmI(clean(info["username"]), groups, reply)


async def review(connection: Connection, token: str, namespace: str) -> Review | str:
    """The rules of this account in a namespace, or why there is no review."""
    body = {"spec": {"namespace": namespace}}
    path = f"{_AUTHORIZATION}/selfsubjectrulesreviews"
    reply = await _post(connection, path, token, body, _LARGE)
    if reply.status != 201:
        return f"rules review of {namespace}: {said(reply)}"
    found = rules.parse(reply.body)
    return found if found is not None else f"rules review of {namespace}: not understood"


async def version(connection: Connection, token: str | None) -> str | None:
    """Its gitVersion, e.g. v1.36.3, None when it does not say."""
    reply = await connection.ask(Request("GET", "/version", token, JSON, keep=OWN_REPLY))
    found = _dig(reply, "gitVersion") if reply.status == 200 else None
    return clean(found, 40) if isinstance(found, str) else None


async def may(
    connection: Connection, token: str | None, verb: str, label: str, namespace: str = "", account: str = ""
) -> bool | str:
    """Whether this account may do so, or why that is not known.

    `label`: `pods`, `roles.rbac.authorization.k8s.io`, or `serviceaccounts/token`, which is asked of `sentinel`.
    `account`: another ServiceAccount than our own, by its user name; only who may review others is told of it.
    """
    plural, _, group = label.partition(".")
    resource, _, below = plural.partition("/")
    asked = {"verb": verb, "group": group, "resource": resource, "subresource": below, "namespace": namespace}
    if below:
        asked["name"] = "sentinel"
    who: dict[str, object] = {"user": account, "groups": _groups_of(account)} if account else {}
    kind = "subjectaccessreviews" if account else "selfsubjectaccessreviews"
    body = {"spec": {"resourceAttributes": asked} | who}
    reply = await _post(connection, f"{_AUTHORIZATION}/{kind}", token, body, OWN_REPLY)
    allowed = _dig(reply, "status", "allowed") if reply.status == 201 else None
    return allowed if isinstance(allowed, bool) else said(reply)


def _groups_of(account: str) -> list[str]:
    """Those that the API server puts every ServiceAccount of that namespace into."""
    everybody = "system:serviceaccounts"
    return [everybody, f"{everybody}:{account.split(':')[2]}", "system:authenticated"]


async def cause(connection: Connection, token: str, question: Question) -> str:
    """The binding that lets us in, in the API server's words; empty when it names none."""
    reply = await connection.ask(request_of(review_of(question), token))
    status = _dig(reply, "status") if reply.status == 201 else None
    if not isinstance(status, dict) or status.get("allowed") is not True:
        return ""
    return clean(str(status.get("reason", "")), 400)


async def served_types(connection: Connection, token: str | None, roots: frozenset[str]) -> dict[str, Resource] | None:
    """The types served under these roots, by label; None when a list could not be read."""
    found: dict[str, Resource] = {}
    for root in sorted(roots):
        reply = await connection.ask(Request("GET", root, token, JSON, keep=_LARGE))
        if reply.status == 404:
            continue
        rows = _dig(reply, "resources") if reply.status == 200 else None
        if not isinstance(rows, list):
            return None
        group, version = _group_version(root)
        for row in rows:
            name = str(row.get("name", ""))
            if name and "/" not in name:
                check = check_of(name, group)
                served = Resource(name, group, version, check, bool(row.get("namespaced")))
                found[served.label] = served
    return found


async def group_roots(connection: Connection, token: str | None) -> frozenset[str] | None:
    """The root of every API group in its preferred version, None when they could not be read."""
    reply = await connection.ask(Request("GET", "/apis", token, JSON, keep=_LARGE))
    groups = _dig(reply, "groups") if reply.status == 200 else None
    if not isinstance(groups, list):
        return None
    preferred = (group.get("preferredVersion", {}).get("groupVersion") for group in groups)
    return frozenset({"/api/v1", *(f"/apis/{version}" for version in preferred if version)})


def said(reply: Reply) -> str:
    """A reply in two words, for a gate's detail."""
    return reply.detail or str(reply.status)


async def _post(connection: Connection, path: str, token: str | None, body: Mapping[str, object], keep: int) -> Reply:
    data = json.dumps(body).encode()
    return await connection.ask(Request("POST", path, token, JSON, data, keep))


def _dig(reply: Reply, *keys: str) -> object:
    try:
        value = json.loads(reply.body)
        for key in keys:
            value = value[key]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return value


def _group_version(root: str) -> tuple[str, str]:
    parts = root.strip("/").split("/")
    return (parts[1], parts[2]) if parts[0] == "apis" else ("", parts[1])
