"""Who is proven closed to whom: tenants down, targets across, and the age of the oldest proof in each cell.

A matrix of a hundred by a hundred is read by nobody. What is drawn is a corner of it: the rows and columns
with trouble first; and a sentence counts what is not drawn, so that nothing bad is ever left out unsaid.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sentinel.web.tally import Line
from sentinel.web.words import count

MOST_ROWS = 25
MOST_COLUMNS = 16
_MOODS = ("bad", "warn", "calm", "ok")


@dataclass(frozen=True, slots=True)
class Row:
    """One tenant; a cell is None where it does not ask, as about its own namespaces."""

    name: str
    cells: Sequence[Line | None]


@dataclass(frozen=True, slots=True)
class Matrix:
    """What is drawn, and what is said of all of it."""

    columns: Sequence[str]
    rows: Sequence[Row]
    told: str


def matrix(lines: Mapping[str, Sequence[Line]]) -> Matrix:
    """Of each tenant's lines."""
    by_name = {tenant: {line.name: line for line in row} for tenant, row in lines.items()}
    everything = [line for row in lines.values() for line in row]
    tenants = sorted(by_name, key=lambda tenant: (_worst(by_name[tenant].values()), tenant))
    columns = _columns(everything)
    rows = [
        Row(tenant, [by_name[tenant].get(name) for name in columns[:MOST_COLUMNS]]) for tenant in tenants[:MOST_ROWS]
    ]
    return Matrix(columns[:MOST_COLUMNS], rows, _told(everything, len(tenants), len(columns)))


def _worst(lines: Iterable[Line]) -> int:
    return min((_MOODS.index(line.mood) for line in lines), default=len(_MOODS))


def _columns(lines: Iterable[Line]) -> list[str]:
    """Targets, trouble first."""
    worst: dict[str, int] = {}
    for line in lines:
        worst[line.name] = min(worst.get(line.name, len(_MOODS)), _MOODS.index(line.mood))
    return sorted(worst, key=lambda name: (worst[name], name))


def _told(lines: Sequence[Line], tenants: int, targets: int) -> str:
    numbers = {mood: sum(line.mood == mood for line in lines) for mood in _MOODS}
    words = {"bad": "open", "warn": "not proven", "calm": "not asked yet", "ok": "closed"}
    told = ", ".join(f"{numbers[mood]} {words[mood]}" for mood in _MOODS if numbers[mood])
    text = f"Of {count(len(lines), 'pair')}: {told}."
    if tenants > MOST_ROWS or targets > MOST_COLUMNS:
        drawn = f"{min(tenants, MOST_ROWS)} of {tenants} tenants by {min(targets, MOST_COLUMNS)} of {targets} targets"
        text += f" Shown are {drawn}, trouble first; a tenant's own page has all of its targets."
    return text
