"""The reviews an account may ask for about itself, and the tokens it may ask for about others.

Each takes the body that was sent and gives the object that comes back, or says what is wrong
with the body.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from sentinel.demo.rbac import Access, Act, Grants, User

Body = Mapping[str, Any]

_RESOURCE_FIELDS = ("namespace", "verb", "group", "version", "resource", "subresource", "name")
_PATH_FIELDS = ("path", "verb")


class InvalidError(Exception):
    """The body is readable and wrong: 422, with the field at fault, the value found, the reason."""

    def __init__(self, group: str, kind: str, field: str, value: str, reason: str) -> None:
        super().__init__(f"{field}: Invalid value: {value}: {reason}")
        self.group, self.kind, self.field = group, kind, field
        self.reason = f"Invalid value: {value}: {reason}"


class MalformedError(Exception):
    """The body makes no sense: 400."""


def stamp(now: float) -> str:
    """`now` (epoch seconds) as Kubernetes writes times."""
    return datetime.fromtimestamp(int(now), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds_of(text: str) -> float:
    """Epoch seconds of a time as Kubernetes and Prometheus write it."""
    return datetime.fromisoformat(text).timestamp()


def whoami(user: User, now: float) -> dict[str, Any]:
    """SelfSubjectReview: who the server takes us for."""
    info: dict[str, Any] = {"username": user.name, "uid": user.uid, "groups": list(user.groups)}
    info = {key: value for key, value in info.items() if value}
    if user.extra:
        info["extra"] = dict(user.extra)
    return {
        "kind": "SelfSubjectReview",
        "apiVersion": "authentication.k8s.io/v1",
        "metadata": {"creationTimestamp": stamp(now)},
        "status": {"userInfo": info},
    }


def rules(access: Access, user: User, body: Body) -> dict[str, Any]:
    """SelfSubjectRulesReview. The answer's spec is empty: it does not repeat the namespace."""
    namespace = (body.get("spec") or {}).get("namespace") or ""
    if not namespace:
        raise MalformedError("no namespace on request")
    grants = access.grants(user, namespace)
    status = {
        "resourceRules": _rules(grants, "resources", ("apiGroups", "resources", "resourceNames")),
        "nonResourceRules": _rules(grants, "nonResourceURLs", ("nonResourceURLs",)),
        "incomplete": False,
    }
    if grants.missing:
        status["evaluationError"] = grants.complaint
    return {
        "kind": "SelfSubjectRulesReview",
        "apiVersion": "authorization.k8s.io/v1",
        "metadata": {},
        "spec": {},
        "status": status,
    }


def access_review(access: Access, user: User, body: Body, now: float, manager: str) -> dict[str, Any]:
    """SelfSubjectAccessReview: one question, and the binding that says yes to it."""
    spec = body.get("spec") or {}
    resource, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if resource is None and path is None:
        field = "spec.resourceAttributes"
        reason = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        raise InvalidError("authorization.k8s.io", "", field, "null", reason)
    act, told = _act(resource, path)
    decision = access.decide(user, act)
    status: dict[str, Any] = {"allowed": decision.allowed}
    if decision.reason:
        status["reason"] = decision.reason
    version = "authorization.k8s.io/v1"
    return {
        "kind": "SelfSubjectAccessReview",
        "apiVersion": version,
        "metadata": {"managedFields": _managed(told, version, now, manager)},
        "spec": told,
        "status": status,
    }


def token_request(
    account: Mapping[str, Any], body: Body, issue: Callable[[int, list[str]], str],
    audience: str, now: float, manager: str,
) -> dict[str, Any]:  # fmt: skip
    """TokenRequest: `issue` makes the token from its life in seconds and its audiences."""
    version, meta = "authentication.k8s.io/v1", account["metadata"]
    sent = body.get("spec") or {}
    seconds = sent.get("expirationSeconds") or 3600
    if seconds < 600:
        reason = "may not specify a duration less than 10 minutes"
        raise InvalidError("authentication.k8s.io", "TokenRequest", "spec.expirationSeconds", str(seconds), reason)
    audiences = list(sent.get("audiences") or [audience])
    asked = {"audiences": sent.get("audiences"), "expirationSeconds": seconds}
    managed = _managed({k: v for k, v in asked.items() if v}, version, now, manager)
    return {
        "kind": "TokenRequest",
        "apiVersion": version,
        "metadata": {
            "name": meta["name"],
            "namespace": meta["namespace"],
            "uid": meta["uid"],
            "creationTimestamp": stamp(now),
            "managedFields": [managed[0] | {"subresource": "token"}],
        },
        "spec": {"audiences": audiences, "expirationSeconds": seconds, "boundObjectRef": None},
        "status": {
            "token": issue(seconds, audiences),
            "expirationTimestamp": stamp(now + seconds),
        },
    }


def _act(resource: Body | None, path: Body | None) -> tuple[Act, dict[str, Any]]:
    if resource is None:
        told = _present(path or {}, _PATH_FIELDS)
        act = Act(verb=told.get("verb", ""), path=told.get("path", ""))
        return act, {"nonResourceAttributes": told}
    told = _present(resource, _RESOURCE_FIELDS)
    asked = {key: value for key, value in told.items() if key != "version"}
    return Act(**({"verb": ""} | asked)), {"resourceAttributes": told}


def _present(attributes: Body, fields: tuple[str, ...]) -> dict[str, Any]:
    return {key: attributes[key] for key in fields if attributes.get(key)}


def _rules(grants: Grants, wanted: str, fields: tuple[str, ...]) -> list[dict[str, Any]]:
    return [
        {"verbs": rule["verbs"]} | {key: rule[key] for key in fields if rule.get(key)}
        for _, rule in grants.rules
        if rule.get(wanted)
    ]


def _managed(spec: Body, version: str, now: float, manager: str) -> list[dict[str, Any]]:
    """Who set which field: the server keeps such books even of what it never stores."""
    return [
        {
            "manager": manager,
            "operation": "Update",
            "apiVersion": version,
            "time": stamp(now),
            "fieldsType": "FieldsV1",
            "fieldsV1": {"f:spec": {f"f:{key}": _fields(spec[key]) for key in sorted(spec)}},
        }
    ]


def _fields(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        return {}
    return {".": {}} | {f"f:{key}": _fields(value[key]) for key in sorted(value)}
