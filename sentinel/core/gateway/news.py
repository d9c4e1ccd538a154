"""What is told of a gateway: each probe as it ends, each episode, each thing that was not done, and why.

`engine.gateway` tells, sinks listen. Everything here has closed words and numbers; what a gateway
said is not in it.
"""

from dataclasses import dataclass

from sentinel.core.gateway.failover import Episode, Live
from sentinel.core.gateway.outcome import Judged

SKIPPED = ("late", "capacity", "budget")
"""Why a slot was not used: our loop was late; too many probes wait already; the day's budget is used up."""


@dataclass(frozen=True, slots=True)
class Probed:
    """A probe ended. `target`: a provider that was asked directly; empty: the gateway itself."""

    gateway: str
    at: float  # wall clock, of its beginning
    judged: Judged
    nonce: str  # to find it again in the gateway's own log
    target: str = ""
    penalty: float | None = None  # seconds that an answer from elsewhere took beyond the usual
    promises_kept: int = 0  # `Retry-After`s that ran out, and it was good, or not
    promises_broken: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    start: float = 0.0  # its beginning on the clock of the episodes


@dataclass(frozen=True, slots=True)
class Skipped:
    """Slots that were not used: the bounds are wider for it."""

    gateway: str
    reason: str  # of SKIPPED
    slots: int = 1
    target: str = ""


@dataclass(frozen=True, slots=True)
class Ended:
    """An episode is over. `pages`: whether somebody is to be woken for it; `within`: the promise, seconds."""

    gateway: str
    episode: Episode
    pages: bool
    within: float


@dataclass(frozen=True, slots=True)
class CameBack:
    """The primary answers again: seconds since it was well by direct probes, None when that is unknown."""

    gateway: str
    source: str
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Tail:
    """Somebody could have answered for so many seconds before the gateway did."""

    gateway: str
    seconds: float


News = Probed | Skipped | Ended | CameBack | Tail


@dataclass(frozen=True, slots=True)
class Stand:
    """How a gateway stands now."""

    steady: str | None  # who answers; None before anybody did
    live: Live | None  # an outage that lasts
    fast: bool  # something is wrong, or was ten seconds ago
    waiting: int  # probes under way
    period: float | None  # seconds between probes; None: the budget is used up
    spent: float  # share of the day's budget
    spent_tokens: int
    spent_money: float
