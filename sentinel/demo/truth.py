"""One failover, from outside and from inside: what sentinel measured, beside what the gateway itself knows."""

from __future__ import annotations

from dataclasses import dataclass

from sentinel.core.gateway.course import Course


@dataclass(frozen=True, slots=True)
class Truth:
    """What happened, seconds of the gateway's clock: nobody was answered in between."""

    died: float
    switched: float

    @property
    def outage(self) -> float:
        """For how long nobody was answered."""
        return self.switched - self.died


@dataclass(frozen=True, slots=True)
class Measured:
    """Both."""

    course: Course
    truth: Truth

    @property
    def holds(self) -> bool:
        """Whether the truth lies between the bounds."""
        bounds = self.course.episode.stable
        return bounds is not None and bounds.lower <= self.truth.outage <= bounds.upper
