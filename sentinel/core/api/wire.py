"""What is sent for a question: method, path, body, headers, and how much of the reply is read.

A request that could touch something carries several locks, each of which alone would do: an Accept
that no type has (refused before storage is reached), `dryRun=All`, and a precondition on the uid that
no object has. Decided here, in one place, so that a test can try each lock by itself.
"""

import json
from dataclasses import dataclass

from sentinel.core.api.question import REVIEW_PATH, Form, Question

NO_DATA = "image/png"
"""No type has this form: a granted request is answered 406, and nothing is read from storage."""
JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
NO_UID = "00000000-0000-0000-0000-000000000000"
"""An object's uid is random, and never this."""
TOO_SHORT = 599
"""Seconds for which a token is asked: the API server gives none for less than 600."""
OWN_REPLY = 16 * 1024
"""Bytes that are read of a reply about ourselves."""
FORBIDDEN = frozenset({403})
"""The one error whose text is evidence, as a rule."""
LONG_RUNNING_ERRORS = frozenset({400, 403, 404, 405, 409, 410, 413, 415, 422, 500})
"""Of these the text says whether the API server itself wrote them, past its authorizer: admission may
choose its own."""

# With a body the API server reads no `dryRun` from the query of a DELETE: it has to be in both.
_NEVER = {"metadata": {"uid": NO_UID}}
_DELETE = {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": NO_UID}, "dryRun": ["All"]}


@dataclass(frozen=True, slots=True)
class Wire:
    """One request without its credentials. `keep`: bytes read of a success; `errors`: statuses whose text is."""

    method: str
    path: str
    body: bytes | None = None
    content_type: str = JSON
    accept: str = NO_DATA
    impersonate: str = ""
    keep: int = 0
    errors: frozenset[int] = FORBIDDEN


def wire_of(question: Question) -> Wire:
    """The request that this question is."""
    match question.form:
        case Form.REVIEW:
            return review_of(question)
        case Form.IMPERSONATE:
            user = question.impersonated
            return Wire("POST", question.path, b"{}", accept=JSON, impersonate=user, keep=OWN_REPLY)
        case Form.LONG:
            return Wire(question.method, question.path, errors=LONG_RUNNING_ERRORS)
    method = question.method
    content_type = MERGE_PATCH if method == "PATCH" else JSON
    return Wire(method, question.path, _body(question, method), content_type)


def review_of(question: Question) -> Wire:
    """The same question, put to the authorizer."""
    body = json.dumps({"spec": {"resourceAttributes": attributes(question)}}).encode()
    return Wire("POST", REVIEW_PATH, body, accept=JSON, keep=OWN_REPLY)


def attributes(question: Question) -> dict[str, str]:
    """The question as the authorizer reads it; what is empty is left out."""
    found = {
        "namespace": question.asked_namespace or "",
        "verb": question.verb,
        "group": question.resource.group,
        "resource": question.resource.plural,
        "subresource": question.subresource,
        "name": question.asked_name,
    }
    return {key: value for key, value in found.items() if value}


def _body(question: Question, method: str) -> bytes | None:
    match method:
        case "POST":
            return _created(question)
        case "PUT":
            return _json({"metadata": {"name": question.name, "uid": NO_UID}})
        case "PATCH":
            return _PATCH
        case "DELETE":
            return _DELETED
    return None


def _created(question: Question) -> bytes:
    match question.subresource:
        case "token":
            return _TOKEN
        case "eviction":
            return _json({"metadata": {"name": question.name}, "deleteOptions": _DELETE})
    return b"{}"


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


_PATCH = _json(_NEVER)
_DELETED = _json(_DELETE)
_TOKEN = _json({"spec": {"expirationSeconds": TOO_SHORT}})
