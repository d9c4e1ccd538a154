"""What an answer means. This is the page to read first.

    A denial counts only when it is proven. What cannot be proven is inconclusive: never held,
    never breached, always shown.

`judge` is the whole law for one answer, and `worst` for several. The gates on both sides of the
question come in as `Bracket`: a side is None when every gate was green, else the reason why not.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from sentinel.core.answer import Answer


class Expect(StrEnum):
    """What should come back."""

    DENIED = "denied"  # isolation: the far side must say no
    SERVED = "served"  # availability: the far side must answer


class State(StrEnum):
    """What we may claim."""

    HELD = "held"  # proven: the promise was kept
    BREACHED = "breached"  # seen: the promise was broken
    INCONCLUSIVE = "inconclusive"  # neither could be proven


class Reason(StrEnum):
    """Why; a closed set, since it is a label. The first eight are the gates that were red."""

    TOKEN = "token"  # our token is missing, stale or not ours
    WHOAMI = "whoami"  # the API server did not say who we are
    READY = "ready"  # the API server is starting, stopping or away
    TYPE = "type"  # the type asked about is not served here
    TRIPWIRE = "tripwire"  # the rules review of the target failed three times
    CANARY = "canary"  # what we may read was not granted: RBAC is not loaded, or our Role is gone
    DOOR = "door"  # the target's door is shut: its namespace is gone, or the Role
    DECOY = "decoy"  # the decoys were judged wrong: we would not see a breach
    IDENTITY = "identity"  # whoami positively names somebody else
    RECONNECT = "reconnect"  # the connection changed between the controls
    LIMITED = "limited"  # 429
    ABSENT = "absent"  # nobody answers there
    SILENT = "silent"  # no reply in time
    BROKEN = "broken"  # a reply that makes no sense
    UNASKED = "unasked"  # we could not ask
    REVIEW_ONLY = "review-only"  # a review says granted, and it cannot be asked for real
    UNPROVEN = "unproven"  # not asked yet
    DENIED = "denied"  # held: every gate green, and a real denial
    ALLOWED = "allowed"  # held: we were let in, and an exception wants it so
    SERVED = "served"  # breached: we were let in
    ADMISSION = "admission"  # breached: authorised, then stopped by admission
    REVIEW = "review"  # breached: the API server says so of somebody whose token nobody has
    REFUSED = "refused"  # breached: denied what should have been served
    FAILED = "failed"  # breached: not served for longer than the check's patience


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one question's answer means. `by` names the exception by which it is allowed."""

    state: State
    reason: Reason
    by: str = ""


@dataclass(frozen=True, slots=True)
class Bracket:
    """The gates around a question; None on a side says that all were green there."""

    before: Reason | None = None
    after: Reason | None = None

    @property
    def red(self) -> Reason | None:
        """The reason why nothing can be proven, None when everything can."""
        return self.before or self.after


GREEN = Bracket()


def judge(
    answer: Answer,
    expect: Expect,
    bracket: Bracket,
    *,
    somebody_else: bool = False,
    silence_counts: bool = False,
    admission: bool = False,
    review: bool = False,
    allowed: str = "",
) -> Verdict:
    """The verdict on one answer.

    `somebody_else`: whoami positively named another user. `silence_counts`: a dropped packet is a
    denial here (network questions; an API server that is silent proves nothing). `review`: a rules
    engine's word, not a request. `allowed`: the exception that wants us let in.
    """
    if expect is Expect.SERVED:
        return _judge_service(answer)
    match answer:
        case Answer.SERVED if somebody_else:
            return Verdict(State.INCONCLUSIVE, Reason.IDENTITY)
        case Answer.SERVED:
            # At once, whatever the gates say: what let us in is open.
            return _judge_opening(allowed, admission=admission, review=review)
        case Answer.DENIED:
            return _judge_denial(bracket)
        case Answer.SILENT if silence_counts:
            return _judge_denial(bracket)
        case _:
            return Verdict(State.INCONCLUSIVE, bracket.red or reason_of(answer))


def _judge_opening(allowed: str, *, admission: bool, review: bool) -> Verdict:
    if allowed:
        return Verdict(State.HELD, Reason.ALLOWED, allowed)
    if review:
        return Verdict(State.BREACHED, Reason.REVIEW)
    return Verdict(State.BREACHED, Reason.ADMISSION if admission else Reason.SERVED)


def _judge_denial(bracket: Bracket) -> Verdict:
    if bracket.red is not None:
        return Verdict(State.INCONCLUSIVE, bracket.red)
    return Verdict(State.HELD, Reason.DENIED)


def _judge_service(answer: Answer) -> Verdict:
    match answer:
        case Answer.SERVED:
            return Verdict(State.HELD, Reason.SERVED)
        case Answer.UNASKED:
            return Verdict(State.INCONCLUSIVE, Reason.UNASKED)
        case Answer.DENIED:
            return Verdict(State.BREACHED, Reason.REFUSED)
        case Answer.LIMITED | Answer.ABSENT | Answer.SILENT | Answer.BROKEN:
            return Verdict(State.BREACHED, Reason.FAILED)
        case _:
            assert_never(answer)


def reason_of(answer: Answer) -> Reason:
    """The reason by which an answer, taken alone, is known."""
    return Reason(answer.value)


_GRAVITY = {State.HELD: 0, State.INCONCLUSIVE: 1, State.BREACHED: 2}


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Several attempts at one question: breached beats inconclusive beats held.

    One success is a breach: never a majority, never a retry until it fits. No attempt at all is
    `unproven`.
    """
    none = Verdict(State.INCONCLUSIVE, Reason.UNPROVEN)
    return max(verdicts, key=lambda verdict: _GRAVITY[verdict.state], default=none)
