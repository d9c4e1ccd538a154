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

from sentinel.core.answer import Answer, Mark


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
    ROSTER = "roster"  # network: the witness does not say, or not lately, which beacons there are
    LIVE = "live"  # network: the target's beacon is not ready, or another pod than before
    BEACON = "beacon"  # network: our own beacon does not answer us; our own side may be deaf
    LIGHTHOUSE = "lighthouse"  # network: the witness's, which all may reach, does not; we may be cut off
    NEUTRAL = "neutral"  # network: a policy of ours selects one of the two; we would prove our own doing
    PROXIED = "proxied"  # network: even an address of nobody is connected, as behind a mesh's proxy
    ARRIVALS = "arrivals"  # network: the other end did not report whether it arrived
    MOVED = "moved"  # network: somebody else signed the answer; the address is not the target's any more
    RESOLVER = "resolver"  # network: DNS does not resolve what all may, or resolves what is not there
    WAY = "way"  # network, nodes, metadata, DNS: we had no way to send it; no route, no descriptor
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
    UNATTRIBUTED = "unattributed"  # breached: the packet got through to somebody, who did not say who it is
    ARRIVED = "arrived"  # breached: the packet got through, and only its answer was cut: one way is open
    LATE = "late"  # breached: in the first 10 s of a pod; its policy comes late
    KEPT = "kept"  # breached: a connection from before outlived the policy that denies new ones
    FOREIGN = "foreign"  # breached: a gateway gave us what bears somebody else's mark
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
    mark: Mark | None = None,
) -> Verdict:
    """The verdict on one answer.

    `somebody_else`: whoami positively named another user. `silence_counts`: a dropped packet is a
    denial here (network questions; an API server that is silent proves nothing). `review`: a rules
    engine's word, not a request. `allowed`: the exception that wants us let in. `mark`: what is special
    about an answer of the network; for an unattributed one the bracket is that of the gates which say
    who is there, since nothing in it says so itself.
    """
    if expect is Expect.SERVED:
        return _judge_service(answer)
    match answer:
        case Answer.SERVED if somebody_else:
            return Verdict(State.INCONCLUSIVE, Reason.IDENTITY)
        case Answer.SERVED if _is_the_target(mark, bracket):
            # At once, whatever the gates say: what let us in is open.
            return _judge_opening(allowed, mark, admission=admission, review=review)
        case Answer.DENIED:
            return _judge_denial(bracket)
        case Answer.SILENT if silence_counts:
            return _judge_denial(bracket)
        case _:
            return Verdict(State.INCONCLUSIVE, bracket.red or (Reason(mark.value) if mark else reason_of(answer)))


def _is_the_target(mark: Mark | None, bracket: Bracket) -> bool:
    """Whether it was the target that let us in; what does not say who it is, the gates must say."""
    return mark is not Mark.MOVED and (mark is not Mark.UNATTRIBUTED or bracket.red is None)


def _judge_opening(allowed: str, mark: Mark | None, *, admission: bool, review: bool) -> Verdict:
    if allowed:
        return Verdict(State.HELD, Reason.ALLOWED, allowed)
    if mark is not None:
        return Verdict(State.BREACHED, Reason(mark.value))
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
