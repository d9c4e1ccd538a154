"""What a drill's answers come to: before the fault, while it stood, and after it.

    answers + Progress  --stage of each-->  baseline | during | post  --measure-->  Measured

Shares are of answers, in percent; times are seconds. Of answers that ended, ours and those that refused
us left out, as in the ruling. A figure of nothing is None, never 0.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from sentinel.core.drill.progress import Phase, Progress
from sentinel.core.gateway.outcome import EXCLUDED, Judged, Level, Outcome


class Stage(StrEnum):
    """When a question was asked, as seen from the fault."""

    BASELINE = "baseline"  # it was over before the fault was asked for
    DURING = "during"  # it may have met the fault
    POST = "post"  # it was asked after the undo


class Worth(StrEnum):
    """What somebody who asks has of the answer."""

    PRIMARY = "primary"  # an answer, of whom it usually is
    ELSEWHERE = "elsewhere"  # an answer, of somebody else or of nobody knows whom
    GRACEFUL = "graceful"  # the agreed message
    BAD = "bad"  # neither


@dataclass(frozen=True, slots=True)
class Seen:
    """One answer, on the clock of the drill's moments."""

    start: float
    end: float
    worth: Worth


@dataclass(frozen=True, slots=True)
class Answers:
    """The figures of one stage. Latencies are those of whole answers: how long an error takes is no quality of it."""

    answers: int
    availability_percent: float | None  # whole answers
    error_rate_percent: float | None  # neither an answer nor the agreed message
    elsewhere_percent: float | None  # answered, by somebody else
    latency_p50: float | None
    latency_p95: float | None
    latency_max: float | None


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What two stages may differ by without being called different. Seconds; points of a percentage."""

    latency: float = 0.5
    percent: float = 5.0


@dataclass(frozen=True, slots=True)
class Change:
    """One figure, twice. `delta` is None where one of them is nothing; then `within` says that nothing is known."""

    before: float | None
    after: float | None
    delta: float | None
    tolerance: float
    within: bool | None


@dataclass(frozen=True, slots=True)
class Measured:
    """All of one drill."""

    baseline: Answers
    during: Answers
    post: Answers
    mttr: float | None  # from asking for the fault to the first answer of a row of good ones, whoever gave it
    recovery: float | None  # from asking for the undo to the end of the primary's first answer
    latency_degradation: float | None  # of the 95th percentile, while the fault stood

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        stages = {stage.value: _rounded(asdict(getattr(self, stage.value))) for stage in Stage}
        figures = {"mttr": self.mttr, "recovery": self.recovery, "latency_degradation": self.latency_degradation}
        return stages | _rounded(figures) | {"delta": as_json(changes(self.baseline, self.post))}


NOTHING = Answers(0, None, None, None, None, None, None)


def worth(judged: Judged) -> Worth | None:
    """What it is worth; None for what says nothing about the gateway."""
    if judged.outcome in EXCLUDED:
        return None
    if judged.good:
        return Worth.PRIMARY if judged.outcome is Outcome.SERVED_PRIMARY else Worth.ELSEWHERE
    return Worth.GRACEFUL if judged.level is Level.GRACEFUL else Worth.BAD


def stage(progress: Progress, start: float, end: float) -> Stage:
    """The stage of what was asked at `start` and over at `end`, by what is known of the drill now."""
    if progress.reverted is not None and progress.injected is not None and start >= progress.reverted.asked:
        return Stage.POST
    if progress.injected is not None:
        return Stage.DURING if end > progress.injected.asked else Stage.BASELINE
    # While the fault is being put there, nobody knows yet from when on it stands.
    return Stage.DURING if progress.phase is Phase.ARMING else Stage.BASELINE


def measure(seen: Sequence[Seen], progress: Progress) -> Measured:
    """The figures of a drill that is over."""
    by_stage: dict[Stage, list[Seen]] = {each: [] for each in Stage}
    for one in seen:
        by_stage[stage(progress, one.start, one.end)].append(one)
    baseline, during, post = (answers(by_stage[each]) for each in Stage)
    return Measured(
        baseline=baseline,
        during=during,
        post=post,
        mttr=_mttr(progress),
        recovery=_between(progress.reverted.asked if progress.reverted is not None else None, progress.back),
        latency_degradation=_between(baseline.latency_p95, during.latency_p95),
    )


def answers(seen: Sequence[Seen]) -> Answers:
    """The figures of these answers."""
    if not seen:
        return NOTHING
    whole = sorted(one.end - one.start for one in seen if one.worth in (Worth.PRIMARY, Worth.ELSEWHERE))

    def percent(*worths: Worth) -> float:
        return 100.0 * sum(one.worth in worths for one in seen) / len(seen)

    return Answers(
        answers=len(seen),
        availability_percent=percent(Worth.PRIMARY, Worth.ELSEWHERE),
        error_rate_percent=percent(Worth.BAD),
        elsewhere_percent=percent(Worth.ELSEWHERE),
        latency_p50=_quantile(whole, 0.5),
        latency_p95=_quantile(whole, 0.95),
        latency_max=_quantile(whole, 1.0),
    )


_COMPARED = ("latency_p50", "latency_p95", "availability_percent", "error_rate_percent", "elsewhere_percent")


def changes(before: Answers, after: Answers, tolerance: Tolerance = Tolerance()) -> dict[str, Change]:
    """Each figure of two stages beside each other. `within`: whether they are as good as the same."""
    found = {}
    for name in _COMPARED:
        allowed = tolerance.latency if name.startswith("latency") else tolerance.percent
        one, other = getattr(before, name), getattr(after, name)
        delta = _between(one, other)
        within = None if delta is None else abs(delta) <= allowed
        found[name] = Change(one, other, delta, allowed, within)
    return found


def compared(
    one: Mapping[Stage, Answers], other: Mapping[Stage, Answers], tolerance: Tolerance
) -> dict[Stage, dict[str, Change]]:
    """Two drills beside each other, stage by stage."""
    return {each: changes(one[each], other[each], tolerance) for each in Stage}


def alike(found: Iterable[Change]) -> bool | None:
    """Whether all of these are as good as the same; None where one has no figure and the other has."""
    rows = [change for change in found if change.before is not None or change.after is not None]
    if any(change.within is False for change in rows):
        return False
    return True if all(change.within for change in rows) else None


def read(doc: Mapping[str, Any]) -> dict[Stage, Answers]:
    """The stages in a result that `as_json` wrote. Raises ValueError for anything else."""
    try:
        return {each: Answers(**doc["figures"][each.value]) for each in Stage}
    except (LookupError, TypeError) as error:
        raise ValueError(f"no figures of a drill: {error}") from error


def as_json(found: Mapping[str, Change]) -> dict[str, Any]:
    """For programs."""
    return {name: _rounded(asdict(change)) for name, change in found.items()}


def _mttr(progress: Progress) -> float | None:
    if progress.injected is None:
        return None
    ended = progress.back if progress.episode is None else progress.episode.ended
    return _between(progress.injected.asked, ended)


def _between(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else after - before


def _quantile(ordered: Sequence[float], share: float) -> float | None:
    """The smallest that this share of them does not exceed: one that was seen, never one between two."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else None


def _rounded(figures: dict[str, Any]) -> dict[str, Any]:
    return {name: round(value, 3) if isinstance(value, float) else value for name, value in figures.items()}
