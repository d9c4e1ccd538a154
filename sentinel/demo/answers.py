"""The exact bytes of an answer.

Kubernetes writes JSON as Go does (no blanks, `<`, `>` and `&` escaped, a newline at the end),
and indented without that newline where the client's Accept is none it could satisfy. A
`Status` says what went wrong; its fields come in a fixed order, empty ones not at all.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sentinel.demo.rbac import Act, User

JSON = "application/json"
TEXT = "text/plain; charset=utf-8"
NOSNIFF = {"X-Content-Type-Options": "nosniff"}

_MEDIA = (JSON, "application/yaml", "application/vnd.kubernetes.protobuf")
_STREAMED = (f"{JSON};stream=watch", f"{_MEDIA[2]};stream=watch")
_MARKUP = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_GO_ESCAPES = {"&": "\\u0026", "<": "\\u003c", ">": "\\u003e", "\u2028": "\\u2028", "\u2029": "\\u2029"}


@dataclass(frozen=True, slots=True)
class Reply:
    """A status, a body and the headers that are this answer's own."""

    status: int
    body: bytes
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)


def compact(status: int, value: Any) -> Reply:
    """`value` as JSON, as for a client that takes JSON."""
    return Reply(status, (_go_json(value, separators=(",", ":")) + "\n").encode())


def indented(status: int, value: Any) -> Reply:
    """`value` as JSON, as where nothing was negotiated."""
    return Reply(status, _go_json(value, indent=2).encode())


def text(status: int, body: str, headers: Mapping[str, str] = NOSNIFF) -> Reply:
    """Plain text."""
    return Reply(status, body.encode(), TEXT, headers)


def takes_json(accept: str) -> bool:
    """Whether the API server would answer this Accept with an object in JSON.

    The stand-in speaks JSON only; YAML and protobuf are refused like a picture.
    """
    kinds = [part.partition(";")[0].strip() for part in accept.split(",")] if accept else ["*/*"]
    return any(kind in (JSON, "*/*") for kind in kinds)


def failure(code: int, reason: str, message: str, details: Mapping[str, Any] | None, accept: str) -> Reply:
    """A `Status` that says no, in the form `accept` gets."""
    status: dict[str, Any] = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
    status |= {"message": message, "reason": reason}
    if details is not None:
        status["details"] = {key: value for key, value in details.items() if value}
    status["code"] = code
    return (compact if takes_any(accept) else indented)(code, status)


def takes_any(accept: str) -> bool:
    """Whether errors are negotiated with this Accept: here `application/*` counts too."""
    return takes_json(accept) or "application/*" in accept


def unauthorized(accept: str) -> Reply:
    """Nobody we know: the same whatever is wrong with the token."""
    return failure(401, "Unauthorized", "Unauthorized", None, accept)


def forbidden(user: User, act: Act, reason: str, accept: str) -> Reply:
    """The authorizer's no, which repeats who asked for what."""
    what = f"{act.resource}.{act.group}" if act.group else act.resource
    said = "".join(_MARKUP.get(c, c) for c in _sentence(user, act)) + (f": {reason}" if reason else "")
    subject = f'{what} "{act.name}" is ' if act.name else f"{what} is " if what else ""
    details = {"name": act.name, "group": act.group, "kind": act.resource}
    reply = failure(403, "Forbidden", f"{subject}forbidden: {said}", details, accept)
    return replace(reply, headers=NOSNIFF)


def _sentence(user: User, act: Act) -> str:
    if act.path:
        return f'User "{user.name}" cannot {act.verb} path "{act.path}"'
    where = f'in the namespace "{act.namespace}"' if act.namespace else "at the cluster scope"
    return f'User "{user.name}" cannot {act.verb} resource "{act.kind}" in API group "{act.group}" {where}'


def half_granted(act: Act, accept: str) -> Reply:
    """Get of exec is granted, create is not: a second check refuses without a word."""
    details = {"name": act.name, "kind": act.resource}
    return failure(403, "Forbidden", f'{act.resource} "{act.name}" is forbidden: ', details, accept)


def not_found(act: Act, accept: str) -> Reply:
    """No object of this name."""
    what = f"{act.resource}.{act.group}" if act.group else act.resource
    details = {"name": act.name, "group": act.group, "kind": act.resource}
    return failure(404, "NotFound", f'{what} "{act.name}" not found', details, accept)


def no_such_path() -> Reply:
    """Nothing is served here, and no API group either."""
    return text(404, "404 page not found\n")


def no_such_resource(accept: str) -> Reply:
    """The group is served, this resource is not."""
    message = "the server could not find the requested resource"
    return failure(404, "NotFound", message, {}, accept)


def no_such_method(accept: str) -> Reply:
    """The resource is served, but not to this method."""
    message = "the server does not allow this method on the requested resource"
    return failure(405, "MethodNotAllowed", message, {}, accept)


def not_acceptable(act: Act, accept: str, offered: tuple[str, ...] = ()) -> Reply:
    """Let in, but none of the forms `offered` (by default those of objects) is one the client takes."""
    forms = offered or ((*_MEDIA, *_STREAMED) if act.verb in ("list", "watch") else _MEDIA)
    if act.kind == "pods/log":
        forms = ("text/plain", *forms)
    message = f"406: Not Acceptable\n\nAvailable representations: {', '.join(forms)}"
    return failure(406, "NotAcceptable", message, {}, accept)


def unsupported(accept: str) -> Reply:
    """A patch whose Content-Type is no kind of patch."""
    return failure(415, "UnsupportedMediaType", "415: Unsupported Media Type", {}, accept)


def bad_request(message: str, accept: str) -> Reply:
    """The body makes no sense."""
    return failure(400, "BadRequest", message, None, accept)


def invalid(group: str, kind: str, field: str, reason: str, accept: str) -> Reply:
    """The body is readable, and a field of it is wrong."""
    cause = {"reason": "FieldValueInvalid", "message": reason, "field": field}
    details = {"group": group, "kind": kind, "causes": [cause]}
    message = f'{kind}.{group} "" is invalid: {field}: {reason}'
    return failure(422, "Invalid", message, details, accept)


def not_played(what: str, accept: str) -> Reply:
    """The stand-in's own limit: said aloud rather than answered wrongly."""
    message = f"the stand-in API server does not {what}"
    return failure(501, "NotImplemented", message, None, accept)


def _go_json(value: Any, **form: Any) -> str:
    raw = json.dumps(value, ensure_ascii=False, **form)
    return "".join(_GO_ESCAPES.get(c, c) for c in raw)
