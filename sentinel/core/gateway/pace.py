"""What is usual for one gateway, and when something is wrong: how fast to ask.

    calm  --no first token in time, a bad answer, another provider-->  alert  --10 s of good ones-->  calm

Alert, a gateway is asked twice a second, so that the moment it recovers is known to half a second;
but not for longer than ten minutes, since an outage of hours is no better known by asking more.
Used by `engine.gateway`.
"""

from dataclasses import dataclass, replace
from statistics import median

from sentinel.core.gateway.failover import Kind, Sample
from sentinel.core.gateway.provider import UNKNOWN

KEPT = 51
"""Answers that a median is of."""
SUSPICION = 3.0
"""Times the usual: a first token that takes longer is suspicious."""
LEAST_SUSPICION = 0.5
"""Seconds, since between two fast probes nothing is known anyway."""
CALM_SECONDS = 10.0
MOST_ALERT_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Usual:
    """What answers of the primary usually take, seconds."""

    streamed: tuple[float, ...] = ()
    whole: tuple[float, ...] = ()
    first_tokens: tuple[float, ...] = ()

    def with_(self, took: float, first_token: float | None, *, stream: bool) -> "Usual":
        """With one more answer of the primary."""
        tokens = self.first_tokens
        if stream and first_token is not None:
            tokens = (*tokens, first_token)[-KEPT:]
        if stream:
            return Usual((*self.streamed, took)[-KEPT:], self.whole, tokens)
        return Usual(self.streamed, (*self.whole, took)[-KEPT:], tokens)

    def penalty(self, took: float, *, stream: bool) -> float | None:
        """What an answer from elsewhere took beyond the usual; None while nothing is usual yet."""
        kept = self.streamed if stream else self.whole
        return max(0.0, took - median(kept)) if kept else None

    def suspicious(self, *, stream: bool) -> float | None:
        """Seconds after which a probe without a first token is suspicious; of one in one piece, without its end."""
        kept = self.first_tokens if stream else self.whole
        return max(LEAST_SUSPICION, SUSPICION * median(kept)) if kept else None


@dataclass(frozen=True, slots=True)
class Pace:
    """Whether something is wrong. Seconds of the clock of the samples."""

    alert_since: float | None = None
    calm_since: float | None = None  # the first of the good answers in a row
    provider: str = UNKNOWN  # who gave the last of them
    exhausted: bool = False  # alert for so long that it is no use any more

    @property
    def fast(self) -> bool:
        """Whether to ask fast."""
        return self.alert_since is not None and not self.exhausted


def suspect(pace: Pace, now: float) -> Pace:
    """A probe waits for longer than usual."""
    return _alert(pace, now)


def heard(pace: Pace, sample: Sample) -> Pace:
    """A probe ended, in whatever order."""
    if sample.kind is Kind.OURS:
        return pace
    if sample.kind is Kind.BAD:
        # One that hung since before all was well again is no news.
        old = pace.calm_since is not None and sample.start < pace.calm_since
        return pace if old and pace.alert_since is not None else _alert(pace, sample.end)
    known = sample.provider != UNKNOWN
    if known and pace.provider not in (UNKNOWN, sample.provider):
        return replace(_alert(pace, sample.end), provider=sample.provider, calm_since=sample.start)
    return _good(replace(pace, provider=sample.provider if known else pace.provider), sample)


def _alert(pace: Pace, now: float) -> Pace:
    since = now if pace.alert_since is None else pace.alert_since
    return replace(pace, alert_since=since, calm_since=None, exhausted=now - since > MOST_ALERT_SECONDS)


def _good(pace: Pace, sample: Sample) -> Pace:
    if pace.alert_since is None:
        return pace
    since = sample.start if pace.calm_since is None else min(pace.calm_since, sample.start)
    if sample.end - since >= CALM_SECONDS:
        return Pace(provider=pace.provider)
    return replace(pace, calm_since=since)
