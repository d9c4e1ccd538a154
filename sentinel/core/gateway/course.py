"""The course of one failover: an episode with the probes it was seen by, for whoever wants to look at it.

    Probed, Probed, ... Ended  ->  Course  ->  reports.failover_svg, console, demo

Times are seconds from the first probe of the outage (`Episode.began`), so 0 is there, and what came
before it is negative. Kept by `sinks.gateway_courses`; written and read by `course_json`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from sentinel.core.gateway.failover import Episode
from sentinel.core.gateway.news import Ended, Probed
from sentinel.core.gateway.outcome import EXCLUDED, GOOD, Outcome

LEAD = 5.0
"""Seconds before the outage that belong to its course, besides the last good answer."""
MOST_PROBES = 600
"""Of one gateway that are kept: five minutes at the fastest pace."""


@dataclass(frozen=True, slots=True)
class Trace:
    """One probe of the gateway, as much of it as a picture needs."""

    start: float
    end: float
    outcome: Outcome
    provider: str

    @property
    def good(self) -> bool:
        """Whether the user had an answer."""
        return self.outcome in GOOD

    @property
    def ours(self) -> bool:
        """Whether it says nothing about the gateway's providers."""
        return self.outcome in EXCLUDED


@dataclass(frozen=True, slots=True)
class Course:
    """One episode. `at`: the wall time of 0; `within`: what was promised, seconds."""

    gateway: str
    at: float
    within: float
    episode: Episode
    pages: bool
    traces: tuple[Trace, ...]  # in the order in which they began

    @property
    def alive(self) -> float:
        """Until when the one who answered before is known to have been well: where F_upper begins."""
        bounds = self.episode.stable
        return self.episode.began if bounds is None else self.episode.ended - bounds.upper

    @property
    def undisputed(self) -> tuple[float, float] | None:
        """F_lower as a stretch of time, from the first bad end to the last bad start. None without a figure."""
        bad = [trace.start for trace in self.traces if not trace.good and not trace.ours]
        inside = [start for start in bad if self.episode.began <= start <= self.episode.ended]
        if self.episode.stable is None or not inside:
            return None
        return inside[-1] - self.episode.stable.lower, inside[-1]


def trace_of(probed: Probed) -> Trace:
    """What is kept of a probe, on the clock of the episodes."""
    judged = probed.judged
    return Trace(probed.start, probed.start + judged.took, judged.outcome, judged.served.provider)


def course(ended: Ended, apart: float, traces: Iterable[Trace]) -> Course:
    """The course of an episode, from all probes of its gateway that are known.

    `apart`: what the wall clock is ahead of the clock of the episodes, seconds.
    """
    episode = ended.episode
    begun = episode.began if episode.stable is None else min(episode.began, episode.ended - episode.stable.upper)
    chosen = sorted(
        (trace for trace in traces if trace.end >= begun - LEAD),
        key=lambda trace: trace.start,
    )
    zero = episode.began
    return Course(
        gateway=ended.gateway,
        at=zero + apart,
        within=ended.within,
        episode=replace(episode, began=0.0, ended=episode.ended - zero),
        pages=ended.pages,
        traces=tuple(replace(trace, start=trace.start - zero, end=trace.end - zero) for trace in chosen),
    )
