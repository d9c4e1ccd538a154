"""Account: what a time's journals say, as one value; every form of the report is written from it.

    rows, in the order of each journal --take--> Accounting --close--> Account

What is kept while reading grows with tenants, targets and incidents, never with the number of lines.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sentinel.core.audit import drilled
from sentinel.core.audit import pairs as pairs_
from sentinel.core.audit.chain import Head
from sentinel.core.audit.drilled import Drilled
from sentinel.core.audit.incidents import ENDED, Incident, Incidents
from sentinel.core.audit.pairs import Blind, Pair, Pairs, moment
from sentinel.core.audit.presence import Gap, Presence
from sentinel.core.audit.verified import Standing, Verified
from sentinel.core.drill.ruling import Verdict as Ruled
from sentinel.core.gateway import course_json
from sentinel.core.gateway.course import Course
from sentinel.core.gateway.failover import Verdict

MOST_OUTAGES = 5000
MOST_DRAWN = 20
"""Outages of which the probes are kept, the worst."""
LEAST = 0.95
"""Of the time of all pairs that must be proven, or the report is no proof."""
_OF_THE_FILE = ("file", "torn")
_NEWS = ("opened", "paged", *ENDED)


@dataclass(frozen=True, slots=True)
class Outage:
    """Users of a gateway were without an answer. Of most the course has no probes any more, see `MOST_DRAWN`."""

    course: Course
    journal: str

    @property
    def began(self) -> float:
        """Wall seconds."""
        return self.course.at

    @property
    def ended(self) -> float:
        """Wall seconds."""
        return self.course.at + self.course.episode.ended

    @property
    def verdict(self) -> Verdict:
        """What it means for the promise."""
        return self.course.episode.verdict

    @property
    def weight(self) -> tuple[bool, float]:
        """What is worse is more."""
        bounds = self.course.episode.stable
        return self.verdict is Verdict.VIOLATION, bounds.upper if bounds is not None else 0.0


@dataclass(frozen=True, slots=True)
class Uncovered:
    """What was not proven, in words of a closed list; `last`: whether it still was so at the end."""

    tenant: str
    what: str  # see `_UNCOVERED`
    which: tuple[str, ...]
    last: bool


@dataclass(frozen=True, slots=True)
class Source:
    """One journal that was read."""

    name: str
    by: str  # `witness`, or the tenant's name
    version: str
    lines: int
    starts: int
    reloads: int
    verified: Verified


@dataclass(frozen=True, slots=True)
class Account:
    """What is known of a time, from `since` to `until`, wall seconds."""

    cluster: str
    since: float
    until: float
    sources: tuple[Source, ...]
    pairs: tuple[Pair, ...]
    blinds: tuple[Blind, ...]
    incidents: tuple[Incident, ...]
    outages: tuple[Outage, ...]
    gaps: tuple[Gap, ...]
    uncovered: tuple[Uncovered, ...]
    requests: int
    left_out: int
    lost: tuple[Head, ...] = ()  # heads that were told of journals that are not here
    drills: tuple[Drilled, ...] = ()  # of which a result was given, or is in a journal

    @property
    def seconds(self) -> float:
        """How long the time is."""
        return self.until - self.since

    @property
    def proven(self) -> float:
        """Of the time of all pairs, the share in which they were proven shut."""
        return pairs_.share(self.pairs, self.seconds)

    @property
    def proofs(self) -> int:
        """Denials that were proven."""
        return sum(pair.proofs for pair in self.pairs)

    @property
    def broken(self) -> bool:
        """Whether a journal is not what was written, or is gone."""
        return bool(self.lost) or any(source.verified.standing is Standing.BROKEN for source in self.sources)

    @property
    def exit_code(self) -> int:
        """0 proven; 1 a breach, an outage beyond the promise, a failed drill, a tampered journal; 3 not proven."""
        violated = any(outage.verdict is Verdict.VIOLATION for outage in self.outages)
        failed = any(drill.verdict is Ruled.FAIL or drill.unhealed for drill in self.drills)
        if self.broken or self.incidents or violated or failed:
            return 1
        return 0 if self.pairs and self.proven >= LEAST else 3


_UNCOVERED = ("uncovered", "left_out", "review_only", "incomplete", "wrong_identity", "not_applicable", "unwatched")


@dataclass
class Accounting:
    """All journals while they are read; one after the other, or in turns."""

    since: float
    until: float
    cluster: str = ""

    def __post_init__(self) -> None:
        """Nothing is known yet."""
        self._presences: dict[str, Presence] = {}
        self._pairs = Pairs(self.since, self.until)
        self._incidents = Incidents()
        self._outages: list[Outage] = []
        self._drawn: list[int] = []
        self._uncovered: dict[tuple[str, str], tuple[tuple[str, ...], bool]] = {}
        self._lines: Counter[str] = Counter()
        self._about: dict[str, tuple[str, str]] = {}
        self._drills: dict[str, Drilled] = {}
        self._drilled: set[str] = set()  # the journals that tell of them
        self._left_out = self._requests = 0

    def presence(self, journal: str) -> Presence:
        """Of one journal."""
        return self._presences.setdefault(journal, Presence(journal, self.since, self.until))

    def touch(self, journal: str, at: float) -> None:
        """A line of which only its time counts."""
        self._see(journal, at, "", "")

    def take(self, journal: str, row: Mapping[str, Any]) -> None:
        """A line."""
        at, event = moment(row.get("at")), str(row.get("event"))
        if at is None:
            return
        if event == "drilled":
            self._drill(journal, row)
            return
        presence = self._see(journal, at, event, str(row.get("turn", "")))
        if at > self.until:
            return
        match event:
            case "process":
                self._about[journal] = (str(row.get("by", "")), str(row.get("version", "")))
            case "round":
                self._pairs.take(journal, at, row, presence.started)
                self._requests += int(row.get("questions", 0)) if at >= self.since else 0
                self._cover(at, row)
            case "episode":
                self._break_off(journal, row)
            case _ if event in _NEWS:
                self._incidents.take(journal, at, row)

    def close(self, verified: Mapping[str, Verified]) -> Account:
        """What is known. `verified`: of each journal how far it can be believed."""
        last = {name: presence.last for name, presence in self._presences.items() if presence.last is not None}
        pairs, blinds = self._pairs.close(last)
        # A journal of drills alone says of no time that somebody was looking, nor that nobody was.
        looking = [name for name in verified if self.presence(name).last is not None or name not in self._drilled]
        gaps = [gap for name in looking or verified for gap in self.presence(name).close()]
        return Account(
            cluster=self.cluster,
            since=self.since,
            until=self.until,
            sources=tuple(self._source(name, found) for name, found in verified.items()),
            pairs=pairs,
            blinds=blinds,
            incidents=self._incidents.close(self.since, self.until),
            outages=tuple(sorted(self._outages, key=lambda one: one.began)),
            gaps=tuple(sorted(gaps, key=lambda gap: gap.since)),
            uncovered=tuple(Uncovered(*key, *found) for key, found in sorted(self._uncovered.items())),
            requests=self._requests,
            left_out=self._left_out + self._incidents.left_out,
            drills=tuple(sorted(self._drills.values(), key=lambda one: one.started)),
        )

    def _see(self, journal: str, at: float, event: str, turn: str) -> Presence:
        presence = self.presence(journal)
        before = presence.last
        self._lines[journal] += 1
        if event in _OF_THE_FILE:
            # They are written with the line after them, which says itself when somebody was back.
            return presence
        if presence.take(at, event, turn) and before is not None:
            self._pairs.cut(journal, before)
        return presence

    def _drill(self, journal: str, row: Mapping[str, Any]) -> None:
        self._lines[journal] += 1
        self._drilled.add(journal)
        try:
            one = drilled.read(row)
        except ValueError:
            return
        if self.since <= one.started <= self.until:
            self._drills[one.run] = one

    def _source(self, name: str, verified: Verified) -> Source:
        by, version = self._about.get(name, ("", ""))
        presence = self.presence(name)
        return Source(name, by, version, self._lines[name], presence.starts, presence.reloads, verified)

    def _cover(self, at: float, row: Mapping[str, Any]) -> None:
        """What a round says is not covered is remembered, and that it came to be."""
        tenant = str(row.get("tenant", ""))
        for what in _UNCOVERED:
            which = _words(row.get(what))
            key = (tenant, what)
            if which and at >= self.since:
                self._uncovered[key] = (which, True)
            elif key in self._uncovered:
                self._uncovered[key] = (self._uncovered[key][0], False)

    def _break_off(self, journal: str, row: Mapping[str, Any]) -> None:
        try:
            outage = Outage(course_json.read(row.get("course") or {}), journal)
        except ValueError:
            return
        if not (outage.began <= self.until and outage.ended >= self.since):
            return
        if len(self._outages) >= MOST_OUTAGES:
            self._left_out += 1
            return
        self._outages.append(outage)
        self._drawn.append(len(self._outages) - 1)
        if len(self._drawn) > MOST_DRAWN:
            mildest = min(self._drawn, key=lambda at: self._outages[at].weight)
            self._drawn.remove(mildest)
            mild = self._outages[mildest]
            self._outages[mildest] = replace(mild, course=replace(mild.course, traces=()))


def _words(found: Any) -> tuple[str, ...]:
    """A list, a mapping of lists, or a number, in words."""
    match found:
        case None | 0 | [] | {}:
            return ()
        case dict():
            return tuple(f"{key}: {', '.join(map(str, value))}" for key, value in sorted(found.items()))
        case list():
            return tuple(map(str, found))
        case _:
            return (str(found),)
