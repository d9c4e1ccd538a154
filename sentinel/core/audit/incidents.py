"""Incidents: holes as they were seen, from the first evidence to the proof that they are shut, and who was told when.

Ten questions let in through one binding are one incident: those of one tenant, check, identity and
target that stand open at the same time. Where the tenant's sentinel and the witness both keep a
journal, what they saw at the same time is one incident, too.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from sentinel.core.audit.pairs import moment

MOST = 5000
"""Incidents, and pages, that are kept; the rest is counted."""
LEAD_SECONDS = 10.0
"""By which the witness may page, on a tenant's word, before it has seen the hole itself."""
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
    to_page: float | None = None  # seconds from the first evidence to the first page accepted; None: no push was

    @property
    def to_detect(self) -> float | None:
        """Seconds it may have stood unseen, at most; None where it was never proven shut before."""
        return None if self.closed_before is None else max(0.0, self.since - self.closed_before)


class _Page(NamedTuple):
    """A page that was accepted for the first time, so many seconds after its first evidence."""

    at: float
    seconds: float


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
    _pages: dict[Subject, list[_Page]] = field(default_factory=lambda: defaultdict(list))
    _paged: int = 0

    def take(self, journal: str, at: float, row: Mapping[str, Any]) -> None:
        """A line about a question's breach, or about a page."""
        event, subject = str(row.get("event")), Subject(*(str(row.get(name, "")) for name in Subject._fields))
        if event == "paged":
            self._paged += 1
            if self._paged <= MOST:
                self._pages[subject].append(_Page(at, float(row.get("seconds", 0.0))))
        elif event == _OPENED and not row.get("subsumed"):
            self._begin(journal, subject, at, row)
        elif event in ENDED:
            self._end((journal, subject), at, row)

    def close(self, since: float, until: float) -> tuple[Incident, ...]:
        """Those that stood in this time, the oldest first."""
        seen = [*self._ended, *(one.found for one in self._open.values())]
        within = (one for one in seen if one.since <= until and (one.ended is None or one.ended >= since))
        pages = {subject: sorted(found) for subject, found in self._pages.items()}
        return tuple(_with_page(one, pages.get(one.subject, [])) for one in _merged(within))

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


def _with_page(one: Incident, pages: list[_Page]) -> Incident:
    """The first page about it; one that is before it, and was taken by none before, is of somebody else's word."""
    ends = float("inf") if one.ended is None else one.ended
    mine = [page for page in pages if one.since - LEAD_SECONDS <= page.at <= ends]
    pages[:] = [page for page in pages if page.at > ends]
    return replace(one, to_page=mine[0].seconds) if mine else one


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
