"""Two books, one report: what the API and the network each end their rounds with, as the sinks get it.

    book of the API     --put, end_round--> Plane --\\
                                                     merged --> metrics, log, history, pager, journal
    book of the network --put, end_round--> Plane --/

Records go through as they are. A report is joined with the last one of the other plane, so that neither
a proof nor a blind spot of either is ever missing from what is published.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from sentinel.core.record import Record, Round
from sentinel.core.verdict import Reason
from sentinel.kinds import Sink

LEAD = "api"
"""The plane that is always there, and says whether we are ready."""
_ROUND = {LEAD: 1}
"""Whose tier is asked in every round."""


def merged(now: float, took: float, rounds: Mapping[str, Round]) -> Round:
    """The last report of each plane, by its name, as one. Times in wall seconds, `took` in seconds.

    What concerns the API alone (whether we are ready, wanted grants, installed types) is the lead's.
    `oldest_end` is that of the plane which lags, by its own measure: one that stands still is seen.
    """
    all_ = list(rounds.values())
    total = sum(each.planned for each in all_)
    return replace(
        rounds[LEAD],
        ended=now,
        took=took,
        questions=sum(each.questions for each in all_),
        coverage=sum(each.coverage * each.planned for each in all_) / total if total else 0.0,
        periods={tier: period for each in all_ for tier, period in each.periods.items()},
        gates=tuple(row for each in all_ for row in each.gates),
        breach_since={series: since for each in all_ for series, since in each.breach_since.items()},
        oldest_proof=_oldest(each.oldest_proof for each in all_),
        inconclusive=_union(each.inconclusive for each in all_),
        unattributed={key: since for each in all_ for key, since in each.unattributed.items()},
        not_applicable={target: ways for each in all_ for target, ways in each.not_applicable.items()},
        planned=total,
        oldest_end=_oldest_end(rounds),
    )


def _oldest_end(rounds: Mapping[str, Round]) -> float:
    """Who reads it knows the lead's period: a plane that is slower on purpose does not lag for it."""
    lead = _round_period(LEAD, rounds[LEAD])
    return min(each.ended + max(0.0, _round_period(name, each) - lead) for name, each in rounds.items())


def _round_period(name: str, report: Round) -> float:
    return report.periods.get(_ROUND.get(name, name), 0.0)


def _oldest(rows: Iterable[Mapping[str, float]]) -> dict[str, float]:
    found: dict[str, float] = {}
    for row in rows:
        for target, at in row.items():
            found[target] = min(found.get(target, at), at)
    return found


def _union(rows: Iterable[Mapping[str, frozenset[Reason]]]) -> dict[str, frozenset[Reason]]:
    found: dict[str, frozenset[Reason]] = {}
    for row in rows:
        for target, reasons in row.items():
            found[target] = found.get(target, frozenset()) | reasons
    return found


@dataclass
class Planes:
    """What all planes together believe, and whom it is told."""

    sinks: tuple[Sink, ...] = ()
    _last: dict[str, Round] = field(default_factory=dict, init=False)
    _led: bool = field(default=True, init=False)

    def lead(self, *, ours: bool) -> None:
        """Whether the lead is asked here. Where another pod does, the others speak for themselves."""
        self._led = ours
        self.close(LEAD)

    def plane(self, name: str) -> "Plane":
        """The sink of one plane."""
        return Plane(name, self)

    def open(self, name: str, now: float, period: float) -> None:
        """A plane begins: until its first round has ended it is as old as this. `period` in seconds."""
        self._last.setdefault(name, Round(0, now, 0.0, 0, 0.0, {name: period}))

    def close(self, name: str) -> None:
        """A plane is not configured any more: what it said last is not said again."""
        self._last.pop(name, None)

    def put(self, record: Record) -> None:
        """A record of any plane."""
        for sink in self.sinks:
            sink.put(record)

    def end_round(self, name: str, report: Round) -> None:
        """A report of one plane. Nothing is told before the lead has said whether we are ready at all."""
        self._last[name] = report
        if LEAD in self._last or not self._led:
            alone = len(self._last) == 1 or not self._led
            whole = report if alone else merged(report.ended, report.took, self._last)
            for sink in self.sinks:
                sink.end_round(whole)


@dataclass(frozen=True)
class Plane:
    """One plane's sink."""

    name: str
    planes: Planes

    def put(self, record: Record) -> None:
        """Pass it on."""
        self.planes.put(record)

    def end_round(self, report: Round) -> None:
        """Pass it on with what the others know."""
        self.planes.end_round(self.name, report)
