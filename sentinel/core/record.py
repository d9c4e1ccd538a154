"""Record: one row of truth, as every sink gets it; Round: what is believed when a round ends."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from sentinel.core.answer import Answer, Observation
from sentinel.core.api.allowed import Allowance
from sentinel.core.api.gates import Gate, Light
from sentinel.core.asked import Asked
from sentinel.core.net.net_gates import NetGate
from sentinel.core.standing import Change, Standing, Turn
from sentinel.core.verdict import Reason, Verdict


class Series(NamedTuple):
    """What a page is about: one class of promise, as one identity sees it, at one target.

    These are the identity labels of `sentinel_breach_since_timestamp_seconds` and of the alert.
    """

    check: str
    identity: str
    target: str


def series_of(question: Asked) -> Series:
    """The series that a question belongs to."""
    return Series(question.check, question.identity, question.target)


@dataclass(frozen=True, slots=True)
class Record:
    """One question, asked, judged and believed.

    `subsumed` says that a wider breach (target `*`) already stands for it: recorded, not published.
    `asked` is False for what was due and could not be asked. `user` is the identity's user name, by
    whoami's word.
    """

    question: Asked
    observation: Observation
    verdict: Verdict
    standing: Standing
    change: Change | None = None
    subsumed: bool = False
    asked: bool = True
    user: str = ""


@dataclass(frozen=True, slots=True)
class GateRow:
    """One gate of one identity as the last round saw it; `since` in wall seconds."""

    gate: Gate | NetGate
    identity: str
    light: Light
    since: float
    target: str = ""  # for the gates that each target has: `door`, `tripwire`, `live`, `neutral`, `arrivals`


@dataclass(frozen=True, slots=True)
class ExceptionRow:
    """An exception of the configuration as it stands: how many questions it lets in, and whether it should go.

    `unused`: for two sweeps all it covers was really denied, and no review listed it.
    """

    allowance: Allowance
    in_use: int
    expired: bool
    unused: bool


@dataclass(frozen=True, slots=True)
class Installed:
    """Types beyond our own list. `uncovered`: of which not every question was answered yet.

    `read`: when discovery was last read, wall seconds; None when it never was.
    """

    read: float | None = None
    asked: int = 0
    left_out: int = 0
    uncovered: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()  # groups whose backend does not answer


@dataclass(frozen=True, slots=True)
class Round:
    """What is believed after a round. Times are wall seconds, periods seconds.

    `breach_since` has a value only where there is proof: the time of the first evidence while a
    breach stands, 0 once every question of the series was held in two consecutive rounds.
    """

    number: int
    ended: float
    took: float
    questions: int
    coverage: float
    periods: Mapping[int | str, float]  # by tier, and of the network by that word
    gates: tuple[GateRow, ...] = ()
    breach_since: Mapping[Series, float] = field(default_factory=dict)
    oldest_proof: Mapping[str, float] = field(default_factory=dict)  # target -> time
    inconclusive: Mapping[str, frozenset[Reason]] = field(default_factory=dict)  # by target
    latent: frozenset[str] = frozenset()  # targets where a missing role is bound to us
    review_only: frozenset[str] = frozenset()  # targets with grants that cannot be asked for
    incomplete: frozenset[str] = frozenset()  # targets whose review an authorizer cuts short
    wrong_identity: frozenset[str] = frozenset()  # identities that are somebody else
    expiry: Mapping[str, float] = field(default_factory=dict)  # identity -> end of its token
    reasons: tuple[str, ...] = ()  # why not ready, for people
    exceptions: tuple[ExceptionRow, ...] = ()  # those of the configuration that concern us
    installed: Installed = field(default_factory=Installed)
    planned: int = 0  # questions of which the coverage is a share
    unattributed: Mapping[tuple[str, str], float] = field(default_factory=dict)  # (check, target) -> as `breach_since`
    not_applicable: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # target -> ways that it does not have
    oldest_end: float | None = None  # end of the last round of whoever lags most, where several work


def forgotten(asked: Asked, seen: Standing, now: float) -> Record:
    """A breach ends since nobody is to ask any more: it is logged as that, and is no proof."""
    assert seen.breach is not None, "what is not open is dropped without a word"
    nothing = Standing()
    change = Change(Turn.FORGOTTEN, now, seen, nothing, replace(seen.breach, ended=now))
    gone = Observation(Answer.UNASKED, now, detail="no longer configured")
    return Record(asked, gone, seen.verdict, nothing, change, asked=False)
