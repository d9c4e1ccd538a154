"""What came back, without judgement: one of seven answers, the same for every probe."""

from dataclasses import dataclass
from enum import StrEnum


class Answer(StrEnum):
    """The seven things that can come back when we ask."""

    SERVED = "served"  # we were let in
    DENIED = "denied"  # someone with authority said no, to us, to this very question
    LIMITED = "limited"  # 429 and the like: ask less, or later
    ABSENT = "absent"  # nothing there to ask
    SILENT = "silent"  # no reply in time
    BROKEN = "broken"  # a reply that makes no sense here
    UNASKED = "unasked"  # we could not ask: our token, our DNS, our bug


class Mark(StrEnum):
    """What is special about an answer of the network or of a gateway; each is a `Reason` of the same name."""

    UNATTRIBUTED = "unattributed"  # somebody took the connection, and did not prove to be the target
    ARRIVED = "arrived"  # it was received over there, and nothing came back to us
    LATE = "late"  # only while the pod was so young that its policy may not have been there yet
    KEPT = "kept"  # by a connection that was open before, and by no new one
    MOVED = "moved"  # somebody else is at that address now
    FOREIGN = "foreign"  # of a gateway: the answer bears the mark of somebody else


@dataclass(frozen=True, slots=True)
class Observation:
    """What came back to one question.

    `at` is wall time in seconds since the epoch, `took` is seconds. `detail` is ours and short:
    text from outside was cut and cleaned before it got here. `code` is the HTTP status, None
    when there was no reply.
    """

    answer: Answer
    at: float
    took: float = 0.0
    code: int | None = None
    detail: str = ""
    audit_id: str = ""
    admission: bool = False  # let in, then stopped by quota, policy or Pod Security
    latent: bool = False  # denied, but a binding names us whose role is missing
    user: str = ""  # whom the reply named, when that is not whom we should be
    wait: float = 0.0  # seconds to ask nothing, when we were told to
    review: bool = False  # the API server's word on what may be done; nothing was really tried
    mark: Mark | None = None  # of the network: what is special about it
    place: str = ""  # of the network: the address and the pod that it is about


def code_class(code: int | None) -> str:
    """The closed set of labels that a status code is counted under."""
    if code is None:
        return "none"
    if code in (401, 403, 404, 429):
        return str(code)
    family = code // 100
    return f"{family}xx" if family in (2, 3, 4, 5) else "none"


CODE_CLASSES = ("2xx", "3xx", "401", "403", "404", "4xx", "429", "5xx", "none")
