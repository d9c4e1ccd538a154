"""What stands above all else on a page: what is open, and how far we can see, unless that is all of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sentinel.core.record import Round
from sentinel.sinks.history import Incident, Snapshot
from sentinel.web.rendering import listed, place
from sentinel.web.tally import Line, tally
from sentinel.web.words import count, span

STALLED_PERIODS = 3.0
_GRACE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Headline:
    """The one thing to know: a mood (`bad`, `warn`, `ok`, `calm`), a word for the tab, a sentence."""

    mood: str
    word: str
    text: str


@dataclass(frozen=True, slots=True)
class View:
    """A history as people look at it, at the moment `now`, wall seconds."""

    now: float
    snapshot: Snapshot
    lines: Sequence[Line]

    @classmethod
    def of(cls, snapshot: Snapshot, now: float) -> "View":
        """Counted by target."""
        return cls(now, snapshot, tally(snapshot))

    @property
    def tenant(self) -> str:
        """Whose sentinel it is."""
        return self.snapshot.tenant

    @property
    def round(self) -> Round | None:
        """The last that ended."""
        return self.snapshot.round

    @property
    def held(self) -> int:
        """Questions that are."""
        return sum(line.held for line in self.lines)

    @property
    def total(self) -> int:
        """All questions."""
        return sum(line.total for line in self.lines)

    @property
    def standing(self) -> list[Incident]:
        """Breaches that stand, newest first."""
        open_ = [incident for incident in self.snapshot.incidents if incident.ending is None]
        return sorted(open_, key=lambda incident: incident.breach.since, reverse=True)

    @property
    def open(self) -> list[dict[str, Any]]:
        """Of these, what no wider one explains; all, where the wider one is gone."""
        standing = self.standing
        shown = [incident for incident in standing if not incident.subsumed] or standing
        return [incident.as_json(self.tenant) for incident in shown]


def headlines(view: View) -> list[Headline]:
    """The worst first; one or two."""
    if not (open_ := view.open):
        return [_sight(view)]
    where = listed(sorted({place(row["target"]) for row in open_}))
    breach = Headline("bad", "BREACH", f"{view.tenant} is let in where it must be denied: {where}.")
    sight = _sight(view)
    return [breach, sight] if sight.mood == "warn" else [breach]


def _sight(view: View) -> Headline:
    report = view.round
    if report is None:
        return Headline("calm", "Starting", "No round has ended yet. Nothing is known.")
    age = view.now - (report.ended if report.oldest_end is None else report.oldest_end)
    if age > STALLED_PERIODS * report.periods.get(1, 0.0) + _GRACE_SECONDS:
        return Headline("warn", "Stalled", f"No round has ended for {span(age)}. Below is what was believed then.")
    if view.snapshot.reasons:
        return Headline("warn", "Blind", "Nothing can be proven now. That is not the same as nothing being open.")
    return _proven(view)


def _proven(view: View) -> Headline:
    held, total = view.held, view.total
    if blind := sum(line.blind for line in view.lines):
        return Headline("warn", "Unproven", f"{count(blind, 'question')} of {total} cannot be proven now.")
    if not total or any(line.unasked for line in view.lines):
        return Headline("calm", "Proving", f"{held} of {total} questions are held; the others are not asked yet.")
    allowed = sum(line.allowed for line in view.lines)
    every = f"every question of {total} is held" + (f", {allowed} by exceptions" if allowed else "")
    return Headline("ok", "Held", f"{view.tenant} is denied all that it must be denied: {every}.")
