"""A tenant's status page: what is open comes first, then what cannot be proven, then what is held.

It is made from a `Snapshot` and the time, and from nothing else; the words are in `templates/`.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from markupsafe import Markup

from sentinel.core.record import GateRow, Installed, Record, Round
from sentinel.core.standing import Turn
from sentinel.core.verdict import Reason
from sentinel.sinks.history import Snapshot
from sentinel.web import breaches
from sentinel.web.breaches import MOST_CARDS
from sentinel.web.headlines import View, headlines
from sentinel.web.layout import POLICY, laid_out
from sentinel.web.rendering import listed, place
from sentinel.web.tally import Line, gaps
from sentinel.web.wish import AS_IT_IS, Wish
from sentinel.web.words import GATES, REASONS, count, percent, span

__all__ = ["MOST_CARDS", "POLICY", "page"]

MOST_ROWS = 30
MOST_LINES = 100
"""Targets in the table; a filter finds the others."""
FEW = 12
"""Targets that are a table, also when all is proven; of more, the proven ones are folded."""
FAILURES, SUCCESSES = 12, 5
"""The last answers of either kind."""
_TOGETHER_SECONDS = 60.0
_MOODS = {"held": "ok", "breached": "bad", "inconclusive": "warn"}
_ENDINGS = {
    "closed": "proof",
    "allowed": "an exception that wants it",
    "forgotten": "no longer configured: not proven",
}


def page(snapshot: Snapshot, now: float, wish: Wish = AS_IT_IS, sections: Sequence[Markup] = ()) -> str:
    """The whole page. `sections`: what is told of gateways and paging, where there is anything to tell."""
    view = View.of(snapshot, now)
    report = view.round
    return laid_out(
        "status.html",
        tops=headlines(view),
        whose=view.tenant,
        wish=wish,
        now=now,
        witness=False,
        reasons=snapshot.reasons if report is not None else (),
        figures=_figures(view),
        last_round=None if report is None else report.ended,
        more_sections=sections,
        **breaches.shown(view.open, len(view.standing)),
        gaps=gaps((place(line.name), line) for line in view.lines),
        meanings=REASONS,
        **_targets(view.lines, wish),
        gates=_gates(report.gates if report is not None else ()),
        **_past(snapshot),
    )


def _figures(view: View) -> list[tuple[str, str]]:
    report = view.round
    rows = [("Held", f"{view.held} of {view.total}")]
    rows.append(("Coverage", percent(report.coverage if report is not None else 0.0)))
    if report is None:
        return rows
    if report.installed.asked or report.installed.uncovered:
        rows.append(("Installed types", _covered(report.installed)))
    rows.append(("Asked every", _periods(report)))
    if "network" in report.periods:
        rows.append(("Network asked every", span(report.periods["network"])))
    if report.not_applicable:
        rows.append(("Not there to be asked", _not_there(report.not_applicable)))
    return rows


def _periods(report: Round) -> str:
    return " · ".join(span(report.periods[tier]) for tier in sorted(t for t in report.periods if isinstance(t, int)))


def _not_there(found: Mapping[str, Sequence[str]]) -> str:
    """Ways that one of the two sides does not have."""
    return listed([f"{target}: {', '.join(ways)}" for target, ways in sorted(found.items())])


def _covered(installed: Installed) -> str:
    """How many types beyond our own are asked about, and which of them not all yet."""
    told = [str(installed.asked)]
    if installed.uncovered:
        told.append(f"not yet covered: {listed(installed.uncovered)}")
    if installed.left_out:
        told.append(f"{installed.left_out} more only by the trip-wire")
    if installed.stale:
        told.append(f"no answer from {listed(installed.stale)}")
    return "; ".join(told)


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    value: Callable[[Line], Any]
    mood: str = ""
    always: bool = True


_COLUMNS = (
    _Column("Held", lambda line: line.held, "ok"),
    _Column("Breached", lambda line: line.breached, "bad"),
    _Column("Inconclusive", lambda line: line.blind, "warn"),
    _Column("Not asked yet", lambda line: line.unasked, "calm", always=False),
    _Column("Oldest proof", lambda line: line.oldest),
    _Column("Why not proven", lambda line: line.reasons, always=False),
)


def _targets(lines: Sequence[Line], wish: Wish) -> dict[str, Any]:
    """A table with trouble first; where there are many, what is proven is folded into a list."""
    matched = [line for line in lines if wish.find in line.name]
    folds = len(matched) > FEW
    listed_ = [line for line in matched if line.mood != "ok"] if folds else matched
    shown = listed_[:MOST_LINES]
    return {
        "matched": len(matched),
        "searchable": len(lines) > FEW or wish.find,
        "find": wish.find,
        "tenant": wish.tenant,
        "all": f"/?{urlencode({'tenant': wish.tenant})}" if wish.tenant else "/",
        "sums": _sums(matched),
        "shown": shown,
        "unshown": len(listed_) - len(shown),
        "folded": sorted((line for line in matched if line.mood == "ok"), key=_by_name) if folds else [],
        # A column in which nothing stands says nothing.
        "columns": [column for column in _COLUMNS if column.always or any(map(column.value, shown))],
    }


def _by_name(line: Line) -> str:
    return line.name


def _sums(lines: Sequence[Line]) -> str:
    """`2 of 40 targets are open, 38 are closed`."""
    words = {"bad": "open", "warn": "not all proven", "calm": "not all asked yet", "ok": "proven closed"}
    numbers = {mood: sum(line.mood == mood for line in lines) for mood in words}
    told = [f"{number} {words[mood]}" for mood, number in numbers.items() if number]
    return f"Of {count(len(lines), 'target')}: {', '.join(told)}."


@dataclass(frozen=True, slots=True)
class _Gate:
    """One line: a gate that is red for one identity, or green for several."""

    name: str
    who: Sequence[str]
    state: str
    mood: str
    since: float
    shows: Sequence[str]


def _gates(rows: Iterable[GateRow]) -> list[_Gate]:
    groups: dict[tuple[str, str], list[GateRow]] = defaultdict(list)
    for row in rows:
        groups[row.gate.value, row.identity].append(row)
    red = [_red(found) for found in groups.values() if not all(row.light.up for row in found)]
    green: dict[str, list[GateRow]] = defaultdict(list)
    for (gate, _), found in groups.items():
        if all(row.light.up for row in found):
            green[gate] += found
    return red + [_green(green[gate]) for gate in GATES if gate in green]


def _red(rows: Sequence[GateRow]) -> _Gate:
    """One gate of one identity: which targets, and what was seen there."""
    red = [row for row in rows if not row.light.up]
    many = f" at {len(red)} of {len(rows)}" if len(rows) > 1 else ""
    told = [f"{row.target}: {row.light.detail}" if row.target else row.light.detail for row in red]
    return _Gate(rows[0].gate.value, [rows[0].identity], f"red{many}", "warn", min(row.since for row in red), told)


def _green(rows: Sequence[GateRow]) -> _Gate:
    """One gate that is green for these identities, at all their targets."""
    who = list(dict.fromkeys(row.identity for row in rows))
    return _Gate(rows[0].gate.value, who, "green", "ok", max(row.since for row in rows), [GATES[rows[0].gate]])


def _past(snapshot: Snapshot) -> dict[str, Any]:
    ended = [row for row in snapshot.breaches() if not row["active"]]
    return {
        "exceptions": _wanted(snapshot.summary()["exceptions"]),
        "turns": [_turn(rows) for rows in _together(snapshot.turns_)[:MOST_ROWS]],
        "records": [*snapshot.records(limit=FAILURES, held=False), *snapshot.records(limit=SUCCESSES, held=True)],
        "moods": _MOODS,
        "ended": ended[:MOST_ROWS],
        "ended_in_all": len(ended),
        "endings": _ENDINGS,
    }


def _wanted(rows: Iterable[dict[str, Any]]) -> list[tuple[dict[str, Any], str, str]]:
    """Exceptions, those that should go first, with a mood and a word for each."""
    ordered = sorted(rows, key=lambda row: (not row["expired"], not row["unused"]))
    return [(row, *_exception_state(row)) for row in ordered]


def _exception_state(row: dict[str, Any]) -> tuple[str, str]:
    if row["expired"]:
        return "bad", "ran out: a breach again"
    if row["unused"]:
        return "warn", "not needed: all of it was denied for two sweeps"
    if row["in_use"]:
        return "calm", f"lets in {count(row['in_use'], 'question')}"
    return "calm", "allowed, not seen to be granted"


@dataclass(frozen=True, slots=True)
class _Turned:
    """Questions of one target whose belief turned alike, within a minute."""

    at: float
    target: str
    mood: str
    text: str


def _together(records: Sequence[Record]) -> list[list[Record]]:
    """Changes of the same kind, of one target, within a minute; newest first."""
    groups: list[list[Record]] = []
    latest: dict[tuple[Turn, str, Reason], list[Record]] = {}
    for record in reversed(records):
        turn, reason, at = _kind_of(record)
        key = (turn, record.question.target, reason)
        known = latest.get(key)
        if known is not None and _kind_of(known[-1])[2] - at < _TOGETHER_SECONDS:
            known.append(record)
        else:
            latest[key] = [record]
            groups.append(latest[key])
    return groups


def _kind_of(record: Record) -> tuple[Turn, Reason, float]:
    """What turned, what is or was in the way, and when."""
    change = record.change
    assert change is not None, "only turns are kept"
    return change.turn, (change.before if change.turn is Turn.PROVEN else change.after).reason, change.at


def _turn(records: Sequence[Record]) -> _Turned:
    turn, reason, at = _kind_of(records[0])
    questions, meaning = count(len(records), "question"), REASONS[reason]
    target = records[0].question.target
    if turn is Turn.PROVEN:
        return _Turned(at, target, "ok", f"{questions} proven; before: {meaning}")
    return _Turned(at, target, "warn", f"{questions} no longer proven: {meaning}")
