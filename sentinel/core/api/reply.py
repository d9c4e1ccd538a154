"""What an API server's reply proves: the classification, and nothing else.

A status alone proves little. A dead token, a proxy, admission and the authorizer all say 403; so a
denial counts only when its message names us, the verb, the type, the group, the namespace and the
name as asked, with the headers that only the authorizer's refusal has, from the flow schema that
our own whoami was sorted into. Measured on kube-apiserver 1.36 (README, "What proves a denial").
"""

import json
import re
from dataclasses import dataclass, replace
from enum import StrEnum

from sentinel.core.answer import Answer, Observation
from sentinel.core.api.question import Form, Question
from sentinel.core.api.wire import LONG_RUNNING_ERRORS, attributes

BODY_LIMIT = 4096
"""Bytes of an error that are read; the authorizer's is about 400."""
ANONYMOUS = "system:anonymous"

_DENIAL = re.compile(
    r'^(?:\S+ (?:"(?P<name>(?:[^"\\]|\\.)*)" )?is )?forbidden: User "(?P<user>(?:[^"\\]|\\.)*)" '
    r'cannot (?P<verb>\S*) resource "(?P<resource>[^"]*)" in API group "(?P<group>[^"]*)" '
    r'(?:in the namespace "(?P<namespace>[^"]*)"|at the cluster scope)(?:: (?P<why>.*))?$',
    re.DOTALL,
)
# Every refusal of the authorizer says so, and none of admission's does.
_BY_THE_AUTHORIZER = 'forbidden: User "'
_LATENT = re.compile(r"^RBAC: .*not found", re.DOTALL)
# Given only after authorization, when the flow-schema header stands beside them.
_AFTER_AUTHORIZATION = frozenset({400, 404, 405, 406, 409, 410, 413, 415, 422, 503})
# The same of a long-running request, when the API server itself wrote the text.
_PAST_THE_AUTHORIZER = LONG_RUNNING_ERRORS - {403}
_WHOAMI = ("selfsubjectreviews", "authentication.k8s.io")


class Fault(StrEnum):
    """Why there is no reply."""

    TIMEOUT = "timeout"  # nothing came in the time allowed
    REFUSED = "refused"  # nobody listens there
    RESET = "reset"  # the connection ended in the middle
    TLS = "tls"  # not the cluster's certificate
    DNS = "dns"  # our own resolver
    PROTOCOL = "protocol"  # not HTTP, or headers without end
    OWN = "own"  # our token, our file, our bug


@dataclass(frozen=True, slots=True)
class Reply:
    """What came over the wire. `nonce` is the Audit-ID we sent; body is cut at `BODY_LIMIT`."""

    at: float
    took: float = 0.0
    status: int = 0
    audit_id: str = ""
    nonce: str = ""
    flow: str = ""
    nosniff: bool = False
    warning: bool = False
    body: bytes = b""
    retry_after: float = 0.0  # seconds, as the server asks for
    fault: Fault | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom the API server takes us for, by its own word in this round.

    `flow` is the flow schema's UID beside that word. An anonymous caller has no token. `reviews`: in
    this round a review of what we were given on purpose said so.
    """

    user: str
    flow: str
    anonymous: bool = False
    reviews: bool = False


def classify(question: Question, reply: Reply, caller: Caller) -> Observation:
    """What this reply to this question is worth."""
    if reply.fault is not None:
        return _observe(reply, _FAULTS[reply.fault], reply.detail or reply.fault.value)
    if reply.warning:
        return _observe(reply, Answer.UNASKED, "the server warned about our own request")
    if reply.status == 401:
        return _unauthenticated(reply, caller)
    if reply.status == 429:
        return replace(_observe(reply, Answer.LIMITED, "429"), wait=reply.retry_after)
    return _BY_FORM[question.form](question, reply, caller)


def _requested(question: Question, reply: Reply, caller: Caller) -> Observation:
    return _forbidden(question, reply, caller) if reply.status == 403 else _other(reply)


def _streamed(question: Question, reply: Reply, caller: Caller) -> Observation:
    """A long-running request, at a name that nothing has: whoever answers is the API server."""
    status = reply.status
    if status == 403:
        return _forbidden(question, reply, caller)
    if status == 406 and question.subresource == "log" and _echoed(reply):
        return _observe(reply, Answer.SERVED, "406 after authorization")
    if status in _PAST_THE_AUTHORIZER and _echoed(reply) and _status(reply) is not None:
        return _observe(reply, Answer.SERVED, f"{status} after authorization")
    return _other(reply)


def _impersonated(question: Question, reply: Reply, caller: Caller) -> Observation:
    if not _echoed(reply):
        return _observe(reply, Answer.BROKEN, f"{reply.status} without our Audit-Id")
    if reply.status == 403:
        return _kept_from_impersonating(question, reply, caller)
    user = _named(reply) if reply.status == 201 else ""
    if user == question.impersonated:
        return _observe(reply, Answer.SERVED, "taken for the other")
    if user:
        return _observe(reply, Answer.BROKEN, "asked in another name, and taken for a third", user=clean(user))
    return _observe(reply, Answer.BROKEN, str(reply.status))


def _kept_from_impersonating(question: Question, reply: Reply, caller: Caller) -> Observation:
    match = _DENIAL.match(_message(reply) or "")
    if match is None or not reply.nosniff:
        return _observe(reply, Answer.BROKEN, "a 403 of unknown form")
    on_whoami = (match["resource"], match["group"], match["namespace"]) == (*_WHOAMI, None)
    if match["user"] == question.impersonated and match["verb"] == "create" and on_whoami:
        return _observe(reply, Answer.SERVED, "taken for the other, who was denied")
    if match["user"] != caller.user or not caller.user:
        return _observe(reply, Answer.BROKEN, "a 403 about another user", user=clean(match["user"]))
    constrained = match["verb"].startswith("impersonate-on:") and match["verb"].endswith(":create")
    if (constrained and on_whoami) or not _mismatch(question, match):
        return _observe(reply, Answer.DENIED, "403")
    return _observe(reply, Answer.BROKEN, "a 403 about another question")


def reviewed(question: Question, reply: Reply, caller: Caller) -> Observation:
    """What a review of this question is worth: a yes by itself, a no only beside a yes that must be."""
    found = _review(question, reply)
    if found is None:
        return _observe(reply, Answer.BROKEN, f"{reply.status}, no review of this question")
    allowed, reason, error = found
    if allowed:
        return replace(_observe(reply, Answer.SERVED, "allowed"), review=True)
    if error:
        return _observe(reply, Answer.BROKEN, "the authorizer failed")
    if not caller.flow or reply.flow != caller.flow:
        return _observe(reply, Answer.BROKEN, "a review from another flow schema than our whoami")
    if not caller.reviews:
        return _observe(reply, Answer.BROKEN, "reviews do not know what we were given")
    return _observe(reply, Answer.DENIED, "not allowed", latent=_LATENT.match(reason) is not None)


def _review(question: Question, reply: Reply) -> tuple[bool, str, str] | None:
    """Whether it is allowed, why, and what went wrong; None for anything but a review of just this."""
    found = _json(reply.body)
    spec, status = _dict(found.get("spec")), _dict(found.get("status"))
    about = spec.get("resourceAttributes") == attributes(question)
    allowed = status.get("allowed")
    whole = reply.status == 201 and _echoed(reply) and found.get("kind") == "SelfSubjectAccessReview"
    if not whole or not about or not isinstance(allowed, bool):
        return None
    return allowed, str(status.get("reason", "")), str(status.get("evaluationError", ""))


def _named(reply: Reply) -> str:
    found = _json(reply.body)
    user = _dict(_dict(found.get("status")).get("userInfo")).get("username")
    return user if found.get("kind") == "SelfSubjectReview" and isinstance(user, str) else ""


def _other(reply: Reply) -> Observation:
    status = reply.status
    if status == 101:
        return _observe(reply, Answer.SERVED, "upgraded")
    if not _echoed(reply):
        return _observe(reply, Answer.BROKEN, f"{status} without our Audit-Id")
    if 200 <= status < 300:
        return _observe(reply, Answer.SERVED, str(status))
    if status in _AFTER_AUTHORIZATION and reply.flow:
        return _observe(reply, Answer.SERVED, f"{status} after authorization")
    return _observe(reply, Answer.BROKEN, str(status))


def _unauthenticated(reply: Reply, caller: Caller) -> Observation:
    if caller.anonymous and _echoed(reply):
        return _observe(reply, Answer.DENIED, "anonymous requests are off")
    return _observe(reply, Answer.UNASKED, "401: our own token was not accepted")


def _forbidden(question: Question, reply: Reply, caller: Caller) -> Observation:
    message = _message(reply)
    if message is None or not _echoed(reply):
        return _observe(reply, Answer.BROKEN, "a 403 that is not the API server's")
    if not reply.nosniff and _BY_THE_AUTHORIZER not in message:
        half = message.endswith(" is forbidden: ")
        detail = "get is granted, create is not" if half else "stopped by admission, after authorization"
        return _observe(reply, Answer.SERVED, detail, admission=True)
    match = _DENIAL.match(message)
    if match is None or not reply.nosniff:
        return _observe(reply, Answer.BROKEN, "a 403 of unknown form")
    return _denied(question, reply, caller, match)


def _denied(question: Question, reply: Reply, caller: Caller, match: re.Match[str]) -> Observation:
    if match["user"] != caller.user:
        user = clean(match["user"])
        return _observe(reply, Answer.BROKEN, "a 403 about another user", user=user)
    mismatch = _mismatch(question, match)
    if mismatch:
        return _observe(reply, Answer.BROKEN, f"a 403 about another {mismatch}")
    # A long-running request is sorted into none, and has no such header.
    sorted_as = ("", caller.flow) if question.form is Form.LONG else (caller.flow,)
    if not caller.flow or reply.flow not in sorted_as:
        return _observe(reply, Answer.BROKEN, "a 403 from another flow schema than our whoami")
    latent = _LATENT.match(match["why"] or "") is not None
    return _observe(reply, Answer.DENIED, "403", latent=latent)


def _mismatch(question: Question, match: re.Match[str]) -> str:
    kind = question.resource.plural
    asked = {
        "verb": question.verb,
        "resource": f"{kind}/{question.subresource}" if question.subresource else kind,
        "group": question.resource.group,
        "namespace": question.asked_namespace,
        "name": question.asked_name or None,
    }
    return next((what for what, wanted in asked.items() if match[what] != wanted), "")


def _message(reply: Reply) -> str | None:
    """The message of a `Status` that says Forbidden, None for anything else."""
    status = _status(reply)
    if status is None or status.get("reason") != "Forbidden":
        return None
    message = status.get("message")
    return message if isinstance(message, str) else None


def _status(reply: Reply) -> dict[str, object] | None:
    """The body as a `Status`, None when it is none or was cut."""
    found = _json(reply.body) if len(reply.body) < BODY_LIMIT else {}
    return found if found.get("kind") == "Status" else None


def _json(body: bytes) -> dict[str, object]:
    try:
        return _dict(json.loads(body))
    except (ValueError, RecursionError):
        return {}


def _dict(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _echoed(reply: Reply) -> bool:
    return bool(reply.audit_id) and reply.audit_id == reply.nonce


_BY_FORM = {
    Form.REQUEST: _requested,
    Form.LONG: _streamed,
    Form.IMPERSONATE: _impersonated,
    Form.REVIEW: reviewed,
}
_FAULTS = {
    Fault.TIMEOUT: Answer.SILENT,
    Fault.REFUSED: Answer.ABSENT,
    Fault.RESET: Answer.BROKEN,
    Fault.TLS: Answer.BROKEN,
    Fault.DNS: Answer.UNASKED,
    Fault.PROTOCOL: Answer.BROKEN,
    Fault.OWN: Answer.UNASKED,
}


def _observe(
    reply: Reply,
    answer: Answer,
    detail: str,
    *,
    admission: bool = False,
    latent: bool = False,
    user: str = "",
) -> Observation:
    code = reply.status or None
    return Observation(answer, reply.at, reply.took, code, detail, reply.nonce, admission, latent, user)


def clean(text: str, limit: int = 200) -> str:
    """Text from outside, fit for a log line: printable ASCII, cut."""
    return "".join(char if " " <= char <= "~" else "?" for char in text[:limit])
