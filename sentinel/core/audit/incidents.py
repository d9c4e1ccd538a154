"""Incidents: holes as they were seen, from the first evidence to the proof that they are shut, and who was told when.

Ten questions let in through one binding are one incident: those of one tenant, check, identity and
target that stand open at the same time. Where the tenant's sentinel and the witness both keep a
journal, what they saw at the same time is one incident, too.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from sentinel.core.audit.pairs import moment

MOST = 5000
"""Incidents, and pages, that are kept; the rest is counted."""
_OPENED = "opened"
ENDED = ("closed", "allowed", "forgotten")


class Subject(NamedTuple):
    """What an incident is about."""

    tenant: str
    check: str
    identity: str
    target: str


@dataclass(frozen=True, slots=True)
class Incident:
    """One hole. Wall seconds; `ended` is None while it stands. `seen_by`: whose journals have it."""

    subject: Subject
    seen_by: tuple[str, ...]
    since: float
    closed_before: float | None  # last proven shut before it: the hole opened after this
    ended: float | None = None
    ending: str = ""  # closed by proof, allowed by an exception, forgotten with its configuration
    questions: int = 1
    cause: str = ""
    audit_id: str = ""
    paged: float | None = None  # when a page was first accepted

    @property
    def to_detect(self) -> float | None:
        """Seconds it may have stood unseen, at most; None where it was never proven shut before."""
        return None if self.closed_before is None else max(0.0, self.since - self.closed_before)

    @property
    def to_page(self) -> float | None:
        """Seconds from the first evidence to the first page accepted; None where no push was."""
        return None if self.paged is None else max(0.0, self.paged - self.since)


@dataclass
class _Open:
    found: Incident
    questions: set[str]


@dataclass
class Incidents:
    """All of them, while lines are taken."""

    left_out: int = 0
    _open: dict[tuple[str, Subject], _Open] = field(default_factory=dict)
    _ended: list[Incident] = field(default_factory=list)
    _pages: list[tuple[Subject, float, float]] = field(default_factory=list)

    def take(self, journal: str, at: float, row: Mapping[str, Any]) -> None:
        """A line about a question's breach, or about a page."""
        event, subject = str(row.get("event")), Subject(*(str(row.get(name, "")) for name in Subject._fields))
        if event == "paged":
            if len(self._pages) < MOST:
                self._pages.append((subject, moment(row.get("since")) or at, at))
        elif event == _OPENED and not row.get("subsumed"):
            self._begin(journal, subject, at, row)
        elif event in ENDED:
            self._end((journal, subject), at, row)

    def close(self, since: float, until: float) -> tuple[Incident, ...]:
        """Those that stood in this time, the oldest first."""
        seen = [*self._ended, *(one.found for one in self._open.values())]
        within = (one for one in seen if one.since <= until and (one.ended is None or one.ended >= since))
        return tuple(self._with_page(one) for one in _merged(within))

    def _begin(self, journal: str, subject: Subject, at: float, row: Mapping[str, Any]) -> None:
        breach = row.get("breach") or {}
        since = moment(breach.get("since")) or at
        question, known = str(row.get("question")), self._open.get((journal, subject))
        if known is not None:
            known.questions.add(question)
            known.found = replace(
                known.found,
                since=min(known.found.since, since),
                questions=known.found.questions + 1,
                cause=known.found.cause or str(breach.get("cause") or ""),
            )
            return
        found = Incident(
            subject,
            (journal,),
            since,
            moment(breach.get("closed_before")),
            cause=str(breach.get("cause") or ""),
            audit_id=str(breach.get("audit_id") or ""),
        )
        self._open[journal, subject] = _Open(found, {question})

    def _end(self, key: tuple[str, Subject], at: float, row: Mapping[str, Any]) -> None:
        known = self._open.get(key)
        if known is None:
            return
        known.questions.discard(str(row.get("question")))
        if known.questions:
            return
        del self._open[key]
        if len(self._ended) >= MOST:
            self.left_out += 1
            return
        ended = moment((row.get("breach") or {}).get("ended")) or at
        self._ended.append(replace(known.found, ended=ended, ending=str(row["event"])))

    def _with_page(self, one: Incident) -> Incident:
        ends = float("inf") if one.ended is None else one.ended
        pages = [at for subject, since, at in self._pages if subject == one.subject and one.since <= at <= ends]
        return replace(one, paged=min(pages, default=None))


def _merged(seen: Iterable[Incident]) -> list[Incident]:
    """What two saw of one hole at the same time, as one."""
    found: list[Incident] = []
    latest: dict[Subject, int] = {}
    for one in sorted(seen, key=lambda one: one.since):
        at = latest.get(one.subject)
        before = found[at] if at is not None else None
        if at is None or before is None or (before.ended is not None and before.ended < one.since):
            latest[one.subject] = len(found)
            found.append(one)
            continue
        found[at] = _both(before, one)
    return found


def _both(first: Incident, second: Incident) -> Incident:
    stands = first.ended is None or second.ended is None
    last = max((first, second), key=lambda one: one.ended or 0.0)
    return replace(
        first,
        seen_by=tuple(sorted({*first.seen_by, *second.seen_by})),
        ended=None if stands else last.ended,
        ending="" if stands else last.ending,
        questions=max(first.questions, second.questions),
        cause=first.cause or second.cause,
    )
