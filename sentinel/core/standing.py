"""Standing: what we believe of one question, since when, and when it was last proven.

    unproven --held--> held --served--> breached --held, held--> held
                         \\--gate red--> inconclusive (a breach stays a breach)

A breach, once seen, is closed only by proof: the same question judged `held` in two consecutive
rounds. No timer, no blindness and no restart closes it; `advance` has no other way to write it.
What an exception allows is held too, and is no proof that anything is shut.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

from sentinel.core.answer import Observation
from sentinel.core.verdict import Reason, State, Verdict

PROOFS_TO_CLOSE = 2
"""Consecutive rounds that must be held before a breach ends."""


UNPROVEN = Verdict(State.INCONCLUSIVE, Reason.UNPROVEN)
"""Of a question that was never asked."""


@dataclass(frozen=True, slots=True)
class Breach:
    """An open hole, or one that was closed: its evidence. Times are wall seconds."""

    since: float  # the first evidence
    last: float  # the latest evidence
    closed_before: float | None  # last proven shut before it, None when never: the exposure window
    code: int | None
    audit_id: str
    reason: Reason
    cause: str = ""  # what the API server names as the binding that lets us in
    ended: float | None = None  # when it was closed by proof
    place: str = ""  # of the network: the address and the pod that we got through to

    @property
    def is_attributed(self) -> bool:
        """Whether it is known that it was the target; what merely took a connection has not said so."""
        return self.reason is not Reason.UNATTRIBUTED


@dataclass(frozen=True, slots=True)
class Standing:
    """What we believe of one question. Times are wall seconds, rounds are counted from 1."""

    verdict: Verdict = UNPROVEN
    since: float | None = None
    last_asked: float | None = None
    last_proven: float | None = None  # last denied, with all gates green
    last_conclusive: float | None = None  # last held or breached: not blind
    streak: int = 0  # consecutive rounds held, up to PROOFS_TO_CLOSE
    round: int = 0  # the round of the last verdict
    latent: int = 0  # consecutive rounds in which a missing role was named
    breach: Breach | None = None

    @property
    def state(self) -> State:
        """Breached while a breach stands, whatever the last answer was."""
        return State.BREACHED if self.breach is not None else self.verdict.state

    @property
    def reason(self) -> Reason:
        """The breach's reason while it stands, else the last verdict's."""
        return self.breach.reason if self.breach is not None else self.verdict.reason


class Turn(StrEnum):
    """The changes of belief that are worth a line in the log."""

    OPENED = "opened"  # a breach begins
    CLOSED = "closed"  # a breach ends, by proof
    ALLOWED = "allowed"  # a breach ends, since an exception now wants it
    BLINDED = "blinded"  # what was proven no longer is
    PROVEN = "proven"  # what was not proven now is
    FORGOTTEN = "forgotten"  # no longer configured, so nobody can prove it any more


@dataclass(frozen=True, slots=True)
class Change:
    """Belief turned. `breach` is the one that opened or closed."""

    turn: Turn
    at: float
    before: Standing
    after: Standing
    breach: Breach | None = None


def advance(
    standing: Standing, verdict: Verdict, observation: Observation, round_: int
) -> tuple[Standing, Change | None]:
    """The next standing, and the change if belief turned."""
    now = observation.at
    match verdict.state:
        case State.BREACHED:
            after = _breached(standing, verdict, observation)
        case State.HELD:
            after = _held(standing, verdict, now, round_)
        case State.INCONCLUSIVE:
            after = _Draft(0, standing.last_proven, standing.last_conclusive, standing.breach)
    state = State.BREACHED if after.breach is not None else verdict.state
    turned = state is not standing.state or standing.since is None
    next_ = Standing(
        verdict=verdict,
        since=now if turned else standing.since,
        last_asked=now,
        last_proven=after.last_proven,
        last_conclusive=after.last_conclusive,
        streak=after.streak,
        round=round_,
        latent=standing.latent + 1 if observation.latent else 0,
        breach=after.breach,
    )
    return next_, _change(standing, next_, now)


class _Draft(NamedTuple):
    """What a verdict does to a standing; the rest follows."""

    streak: int
    last_proven: float | None
    last_conclusive: float | None
    breach: Breach | None


_MILDER = (Reason.LATE, Reason.ARRIVED)
"""What was open for a moment or in one direction may turn out to be open altogether."""


def _breached(standing: Standing, verdict: Verdict, observation: Observation) -> _Draft:
    now = observation.at
    seen = Breach(
        since=now,
        last=now,
        closed_before=standing.last_proven,
        code=observation.code,
        audit_id=observation.audit_id,
        reason=verdict.reason,
        place=observation.place,
    )
    breach = standing.breach or seen
    if seen.is_attributed and not breach.is_attributed:
        # Now we know who it is. The hole is as old as what was seen of it first.
        breach = replace(seen, since=breach.since, closed_before=breach.closed_before)
    if breach.reason in _MILDER and seen.is_attributed:
        breach = replace(breach, reason=seen.reason, place=seen.place, audit_id=seen.audit_id)
    return _Draft(0, standing.last_proven, now, replace(breach, last=now))


def _held(standing: Standing, verdict: Verdict, now: float, round_: int) -> _Draft:
    # Asked twice in one round is proven once.
    fresh = round_ != standing.round or standing.verdict.state is not State.HELD
    streak = min(standing.streak + 1, PROOFS_TO_CLOSE) if fresh else standing.streak
    proven = standing.last_proven if verdict.reason is Reason.ALLOWED else now
    return _Draft(streak, proven, now, None if streak >= PROOFS_TO_CLOSE else standing.breach)


def _change(before: Standing, after: Standing, now: float) -> Change | None:
    match before.breach, after.breach:
        case None, Breach() as breach:
            return Change(Turn.OPENED, now, before, after, breach)
        case Breach() as unknown, Breach() as breach if breach.is_attributed and not unknown.is_attributed:
            return Change(Turn.OPENED, now, before, after, breach)
        case Breach() as breach, None:
            allowed = after.verdict.reason is Reason.ALLOWED
            turn = Turn.ALLOWED if allowed else Turn.CLOSED
            return Change(turn, now, before, after, replace(breach, ended=now))
    if before.state is after.state:
        return None
    if after.state is State.HELD:
        return Change(Turn.PROVEN, now, before, after)
    # A question that was never proven is not blinded: it is what it was.
    blinded = before.state is State.HELD
    return Change(Turn.BLINDED, now, before, after) if blinded else None
