"""The page drill: a breach that is none, sent down both ways that a page goes, and timed.

    a number on /metrics --scrape--> rule --> Prometheus --\\
                                                            +--> each Alertmanager --> receiver
    the witness's pager ------------------------- push ----/     `alertmanager`        `receiver`

Each run has a number of its own, drawn at random, which travels in the alert: what comes of an earlier run, or of
somebody who guesses, is not this one. Two runs in a row that fail make a way broken: one may fall into the restart of
what is on it. One that arrives mends it.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, NamedTuple

from sentinel.core.page import Alert
from sentinel.core.paging.formula import Path

LABEL, NAME = "drill", "page-path"
"""A label that a drill has, and no page."""
NUMBER = "drill_run"
"""The annotation with the run's number. The rule has it from the gauge, as its value."""
LARGEST = 2**48
"""Numbers are below: Prometheus keeps them as floats, which are exact up to 2^53."""
ENOUGH = 2
"""Runs in a row that fail, until a way is called broken."""


class Stage(StrEnum):
    """How far it has come."""

    ALERTMANAGER = "alertmanager"  # every Alertmanager shows it, as one that it would tell
    RECEIVER = "receiver"  # Alertmanager has posted it to the receiver of the drill's route, which is the witness


class Result(StrEnum):
    """How a run ended."""

    ARRIVED = "arrived"  # everywhere, in time
    LATE = "late"  # everywhere, and some of it after `within`
    LOST = "lost"  # somewhere it was never seen


class Place(NamedTuple):
    """Where it should be seen."""

    stage: Stage
    name: str


RECEIVER = Place(Stage.RECEIVER, "the receiver of the drill's route")


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds. After `within` it is late, after `patience` it is lost."""

    within: float
    patience: float


@dataclass(frozen=True, slots=True)
class Run:
    """One drill of one way. `began` and the times in `seen` are monotonic seconds."""

    path: Path
    number: int
    began: float
    places: frozenset[Place]
    seen: Mapping[Place, float] = field(default_factory=dict)

    @property
    def missing(self) -> tuple[Place, ...]:
        """Where it was not seen yet."""
        return tuple(sorted(self.places - self.seen.keys()))

    def arrived(self, place: Place, at: float) -> "Run":
        """The same, seen there. The first time counts."""
        if place not in self.places or place in self.seen:
            return self
        return replace(self, seen={**self.seen, place: at})

    def is_over(self, now: float, limits: Limits) -> bool:
        """Whether nothing is waited for any more."""
        return not self.missing or now - self.began >= limits.patience

    def result(self, limits: Limits) -> Result:
        """How it ended; what is missing when it is over is lost."""
        if self.missing:
            return Result.LOST
        return Result.LATE if any(at - self.began > limits.within for at in self.seen.values()) else Result.ARRIVED

    def seconds(self, stage: Stage) -> float:
        """Until the last place of this stage had seen it; infinite where one never did, NaN where there is none."""
        places = [place for place in self.places if place.stage is stage]
        if not places:
            return math.nan
        return max(self.seen.get(place, math.inf) for place in places) - self.began


@dataclass(frozen=True, slots=True)
class Health:
    """What the last runs say of one way. `since`: when the first of those that fail began, wall seconds."""

    failures: int = 0
    since: float | None = None

    @property
    def is_broken(self) -> bool:
        """Whether somebody has to be told."""
        return self.failures >= ENOUGH

    def after(self, result: Result, began: float) -> "Health":
        """With one more run, which began at this wall second."""
        if result is Result.ARRIVED:
            return Health()
        return Health(self.failures + 1, began if self.since is None else self.since)


def told(said: Any) -> Iterator[tuple[Path, int]]:
    """The drills that stand in what an Alertmanager lists, or in what it posts to a webhook: by which way, and number.

    Whoever wrote it may have written anything; what makes no sense is left out. What is silenced or inhibited is
    shown and would be told nobody, so it is left out, too.
    """
    rows = said.get("alerts") if isinstance(said, dict) else said
    for row in rows if isinstance(rows, list) else ():
        if not isinstance(row, dict) or not _stands(row.get("status")):
            continue
        labels, annotations = row.get("labels"), row.get("annotations")
        if not isinstance(labels, dict) or not isinstance(annotations, dict):
            continue
        path, number = labels.get("path"), str(annotations.get(NUMBER))
        ours = labels.get("alertname") == Alert.DRILL and labels.get(LABEL) == NAME
        if ours and path in set(Path) and number.isascii() and number.isdigit():
            yield Path(str(path)), int(number[:20])


def _stands(status: Any) -> bool:
    """A list says `{"state": "active"}`, a webhook's message "firing"."""
    return (status.get("state") in ("active", "unprocessed")) if isinstance(status, dict) else status == "firing"
