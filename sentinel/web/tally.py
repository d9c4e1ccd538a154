"""How the questions of each target stand, counted in one walk over what is believed.

A hundred thousand standings are a row for each only where a program asks for them; a person is told by target.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from sentinel.core.verdict import Reason, State
from sentinel.sinks.history import Snapshot


@dataclass(slots=True)
class Line:
    """One target. `oldest`: of the proofs of what is not open, wall seconds; None when there is none."""

    name: str
    held: int = 0
    allowed: int = 0  # of these, by an exception
    breached: int = 0
    blind: int = 0
    unasked: int = 0
    oldest: float | None = None
    why: Counter[Reason] = field(default_factory=Counter)
    since: dict[Reason, float] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """All its questions."""
        return self.held + self.breached + self.blind + self.unasked

    @property
    def mood(self) -> str:
        """The worst of it."""
        return "bad" if self.breached else "warn" if self.blind else "calm" if self.unasked else "ok"

    @property
    def word(self) -> str:
        """The same for who sees no colour."""
        return _WORDS[self.mood]

    @property
    def order(self) -> tuple[int, int, int, str]:
        """Trouble first."""
        return -self.breached, -self.blind, -self.unasked, self.name

    @property
    def reasons(self) -> list[str]:
        """In a word each, the most frequent first."""
        return [f"{reason} ×{times}" for reason, times in self.why.most_common()]

    def unproven(self, reason: Reason, since: float | None) -> None:
        """One question more that is neither held nor open."""
        if reason is Reason.UNPROVEN:
            self.unasked += 1
            return
        self.blind += 1
        self.why[reason] += 1
        if since is not None and since < self.since.get(reason, since + 1):
            self.since[reason] = since


_WORDS = {"bad": "open", "warn": "not proven", "calm": "not asked yet", "ok": "closed"}


def tally(snapshot: Snapshot) -> tuple[Line, ...]:
    """A line for each target, trouble first."""
    lines: dict[str, Line] = {}
    for question, standing in snapshot.latest.items():
        if (line := lines.get(question.target)) is None:
            line = lines[question.target] = Line(question.target)
        if standing.breach is not None:
            line.breached += 1
            continue
        proven = standing.last_proven
        if proven is not None and (line.oldest is None or proven < line.oldest):
            line.oldest = proven
        verdict = standing.verdict
        if verdict.state is not _HELD:
            line.unproven(verdict.reason, standing.since)
            continue
        line.held += 1
        if verdict.reason is _ALLOWED:
            line.allowed += 1
    for question in snapshot.planned:
        if question not in snapshot.latest:
            lines.setdefault(question.target, Line(question.target)).unasked += 1
    return tuple(sorted(lines.values(), key=lambda line: line.order))


# An enum's member is looked up in 60 ns, and here it is for each question.
_HELD, _ALLOWED = State.HELD, Reason.ALLOWED


@dataclass(frozen=True, slots=True)
class Gap:
    """Why something is not proven, of whom, and since when."""

    reason: Reason
    questions: int
    since: float | None
    targets: tuple[str, ...]  # most questions first


def gaps(named: Iterable[tuple[str, Line]]) -> list[Gap]:
    """One for each reason, the most frequent first; each line with the name it is told by."""
    by_reason: dict[Reason, list[tuple[str, Line]]] = {}
    for name, line in named:
        for reason in line.why:
            by_reason.setdefault(reason, []).append((name, line))
    return sorted((_gap(reason, rows) for reason, rows in by_reason.items()), key=lambda gap: -gap.questions)


def _gap(reason: Reason, rows: list[tuple[str, Line]]) -> Gap:
    rows = sorted(rows, key=lambda row: (-row[1].why[reason], row[0]))
    since = min((line.since[reason] for _, line in rows if reason in line.since), default=None)
    return Gap(reason, sum(line.why[reason] for _, line in rows), since, tuple(name for name, _ in rows))
