"""Presence: when somebody was looking, by the lines of one journal, and when nobody was and why.

started ...lines... stopped    started ...lines... (nothing)   started ...
                   |----------| stopped           |-----------| ended without a word
"""

from dataclasses import dataclass, field
from enum import StrEnum

SILENT_SECONDS = 900.0
"""Without any line: a round is at most 8 minutes long, and each has one."""


class Why(StrEnum):
    """Why nobody was looking, or why nothing is known of it."""

    BEFORE = "before the journal begins"
    STOPPED = "stopped"  # as it was told to
    DIED = "ended without a word"  # killed, or the machine went
    SILENT = "no line"  # alive perhaps, and nothing written: a disk, a clock, a loop that stood still
    LOST = "lines lost"  # the disk did not take them; there was somebody
    AFTER = "after the last line"


@dataclass(frozen=True, slots=True)
class Gap:
    """Nobody was looking. Wall seconds. `journal`: whose."""

    journal: str
    since: float
    until: float
    why: Why

    @property
    def seconds(self) -> float:
        """How long."""
        return self.until - self.since


@dataclass
class Presence:
    """One journal while its lines are taken in their order. `until`: the end of the time that is looked at."""

    journal: str
    since: float
    until: float
    last: float | None = None  # the last line
    started: float = 0.0  # the last start of a process
    gaps: list[Gap] = field(default_factory=list)
    starts: int = 0
    reloads: int = 0
    _stopped: bool = False

    def take(self, at: float, event: str, turn: str = "") -> bool:
        """A line; True where nobody was looking right before it."""
        before, self.last = self.last, at if self.last is None else max(self.last, at)
        begins = event == "process" and turn == "started"
        inside = self.since <= at <= self.until
        self.starts += begins and inside
        self.reloads += turn == "reloaded" and inside
        why = self._why(at, before, event, begins=begins)
        if begins:
            self.started = at
        self._stopped = turn == "stopped"
        if why is not None:
            self._add(self.since if before is None else before, at, why)
        return why is not None

    def close(self) -> tuple[Gap, ...]:
        """All of them, with the one that has not ended."""
        if self.last is None:
            self._add(self.since, self.until, Why.BEFORE)
        elif self._stopped or self.until - self.last > SILENT_SECONDS:
            self._add(self.last, self.until, Why.STOPPED if self._stopped else Why.AFTER)
        return tuple(self.gaps)

    def _why(self, at: float, before: float | None, event: str, *, begins: bool) -> Why | None:
        if before is None:
            return Why.BEFORE
        if begins:
            return Why.STOPPED if self._stopped else Why.DIED
        if event == "lost":
            return Why.LOST
        return Why.SILENT if at - before > SILENT_SECONDS else None

    def _add(self, since: float, until: float, why: Why) -> None:
        begin, end = max(since, self.since), min(until, self.until)
        if end > begin:
            self.gaps.append(Gap(self.journal, begin, end, why))
