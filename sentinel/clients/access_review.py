"""A SubjectAccessReview: what the authorizer says of somebody whose token nobody has, a group of people.

It is the API server's word and not a request, so it is told as such. Bare `allowed: false` is the
authorizer's no; beside an error of its own it is none.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sentinel.clients.kube import Connection, Request
from sentinel.core.answer import Answer
from sentinel.core.api.question import Question
from sentinel.core.api.rbac import Who
from sentinel.core.api.reply import Fault, Reply, clean
from sentinel.core.api.wire import JSON, OWN_REPLY, attributes

PATH = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
_LATENT = re.compile(r"RBAC: .*not found", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Word:
    """What was said. `reason` is from outside, cut and cleaned: at a grant it names the binding.

    `latent`: denied, but a binding names them whose role is missing.
    """

    answer: Answer
    detail: str
    reason: str
    reply: Reply
    latent: bool = False


async def review(connection: Connection, bearer: str, flow: str, who: Who, question: Question) -> Word:
    """Whether `who` may do what is asked. `flow`: the flow schema's UID beside our own whoami."""
    body = json.dumps(_body(who, question)).encode()
    reply = await connection.ask(Request("POST", PATH, bearer, JSON, body, OWN_REPLY))
    if reply.fault is not None:
        return Word(_FAULTS[reply.fault], reply.detail or reply.fault.value, "", reply)
    if reply.warning:
        return Word(Answer.UNASKED, "the server warned about our own request", "", reply)
    if reply.status in _STATUSES:
        return Word(_STATUSES[reply.status], f"review: {reply.status}", "", reply)
    if reply.status != 201 or not reply.audit_id or reply.audit_id != reply.nonce or reply.flow != flow:
        return Word(Answer.BROKEN, f"review: a {reply.status} that is not the API server's", "", reply)
    return _said(reply)


def _said(reply: Reply) -> Word:
    status = _status(reply.body)
    if status is None:
        return Word(Answer.BROKEN, "review: not understood", "", reply)
    reason = clean(str(status.get("reason") or ""), 400)
    allowed, troubled = status.get("allowed"), bool(status.get("evaluationError"))
    if allowed is True:
        return Word(Answer.SERVED, "review says", reason, reply)
    if allowed is not False or troubled:
        return Word(Answer.BROKEN, "review: the authorizer had an error", reason, reply)
    return Word(Answer.DENIED, "review says", reason, reply, latent=_LATENT.match(reason) is not None)


def _status(body: bytes) -> Mapping[str, Any] | None:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict) or said.get("kind") != "SubjectAccessReview":
        return None
    status = said.get("status")
    return status if isinstance(status, dict) else None


def _body(who: Who, question: Question) -> dict[str, Any]:
    spec = {"user": who.user, "groups": [*who.groups], "resourceAttributes": attributes(question)}
    return {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}


# 403 is about us: we may not ask, which says nothing of them.
_STATUSES = {401: Answer.UNASKED, 403: Answer.UNASKED, 429: Answer.LIMITED}
_FAULTS = {
    Fault.TIMEOUT: Answer.SILENT,
    Fault.REFUSED: Answer.ABSENT,
    Fault.RESET: Answer.BROKEN,
    Fault.TLS: Answer.BROKEN,
    Fault.DNS: Answer.UNASKED,
    Fault.PROTOCOL: Answer.BROKEN,
    Fault.OWN: Answer.UNASKED,
}
