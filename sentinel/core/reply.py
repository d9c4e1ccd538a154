"""What an API server's reply proves: the classification, and nothing else.

A status alone proves little. A dead token, a proxy, admission and the authorizer all say 403; so a
denial counts only when its message names us, the verb, the type, the group, the namespace and the
name as asked, with the headers that only the authorizer's refusal has, from the flow schema that
our own whoami was sorted into. Measured on kube-apiserver 1.36 (README, "What proves a denial").
"""

import json
import re
from dataclasses import dataclass
from enum import StrEnum

from sentinel.core.answer import Answer, Observation
from sentinel.core.question import Question

BODY_LIMIT = 4096
"""Bytes of a 403 that are read; the authorizer's is about 400."""
ANONYMOUS = "system:anonymous"

_DENIAL = re.compile(
    r'^(?:\S+ (?:"(?P<name>(?:[^"\\]|\\.)*)" )?is )?forbidden: User "(?P<user>(?:[^"\\]|\\.)*)" '
    r'cannot (?P<verb>\S*) resource "(?P<resource>[^"]*)" in API group "(?P<group>[^"]*)" '
    r'(?:in the namespace "(?P<namespace>[^"]*)"|at the cluster scope)(?:: (?P<why>.*))?$',
    re.DOTALL,
)
_LATENT = re.compile(r"^RBAC: .*not found", re.DOTALL)
# Given only after authorization, when the flow-schema header stands beside them.
_AFTER_AUTHORIZATION = frozenset({400, 404, 405, 406, 409, 410, 413, 415, 422, 503})


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
    fault: Fault | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom the API server takes us for, by its own word in this round.

    `flow` is the flow schema's UID beside that word. An anonymous caller has no token.
    """

    user: str
    flow: str
    anonymous: bool = False


def classify(question: Question, reply: Reply, caller: Caller) -> Observation:
    """What this reply to this question is worth."""
    if reply.fault is not None:
        return _observe(reply, _FAULTS[reply.fault], reply.detail or reply.fault.value)
    if reply.warning:
        return _observe(reply, Answer.UNASKED, "the server warned about our own request")
    if reply.status == 403:
        return _forbidden(question, reply, caller)
    if reply.status == 401:
        return _unauthenticated(reply, caller)
    if reply.status == 429:
        return _observe(reply, Answer.LIMITED, "429")
    return _other(reply)


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
    if not reply.nosniff and "cannot" not in message:
        detail = "stopped by admission, after authorization"
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
    if not reply.flow or reply.flow != caller.flow:
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
    if len(reply.body) >= BODY_LIMIT:
        return None
    try:
        status = json.loads(reply.body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(status, dict) or status.get("kind") != "Status":
        return None
    message = status.get("message")
    forbidden = status.get("reason") == "Forbidden" and isinstance(message, str)
    return message if forbidden else None


def _echoed(reply: Reply) -> bool:
    return bool(reply.audit_id) and reply.audit_id == reply.nonce


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
