"""What is open as cards: all that one identity is let in to at one target, with the evidence of the first."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from sentinel.core.asked import CROSSTALK, is_network
from sentinel.core.verdict import Reason
from sentinel.web.words import REASONS

MOST_CARDS = 20
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Card:
    """One hole, as far as one identity sees it. Times are wall seconds."""

    first: Row
    questions: tuple[str, ...]
    places: tuple[str, ...]
    cause: str
    checks: str
    last: float

    @property
    def kind(self) -> str:
        """What it is told as: `api`, `network` or `crosstalk`."""
        return _kind(self.first["check"])

    @property
    def id(self) -> str:
        """Its name on the page: the same as long as it stands, so that a reader keeps their place."""
        row = self.first
        return "-".join(("breach", self.kind, row["tenant"], row["identity"], row["target"])).replace(" ", "_")

    @property
    def meaning(self) -> str:
        """What was seen, in words."""
        return REASONS[Reason(self.first["reason"])]

    @property
    def proof(self) -> str:
        """What must be seen twice until it is closed."""
        return _PROOFS[self.kind]


_PROOFS = {
    "api": "the same question denied",
    "network": "nothing gets through any more",
    "crosstalk": "answers of our own only",
}


def cards(rows: Iterable[Row]) -> list[Card]:
    """In the order of the rows, newest first."""
    groups: dict[tuple[str, str, str, str], list[Row]] = defaultdict(list)
    for row in rows:
        groups[row["tenant"], row["target"], row["identity"], _kind(row["check"])].append(row)
    return [_card(sorted(group, key=lambda row: float(row["since"]))) for group in groups.values()]


def shown(rows: Collection[Row], standing: int) -> dict[str, Any]:
    """For `breaches.html`: these rows as cards, of so many that stand; the others are explained by wider ones."""
    found = cards(rows)
    return {
        "cards": found[:MOST_CARDS],
        "more": max(0, len(found) - MOST_CARDS),
        "standing": len(rows),
        "explained": standing - len(rows),
    }


def _kind(check: str) -> str:
    if is_network(check):
        return "network"
    return "crosstalk" if check == CROSSTALK else "api"


def _card(rows: list[Row]) -> Card:
    """`rows`: the oldest first."""
    return Card(
        first=rows[0],
        questions=tuple(dict.fromkeys(row["question"] for row in rows)),
        places=tuple(dict.fromkeys(row["place"] for row in rows if row["place"])),
        cause=next((row["cause"] for row in rows if row["cause"]), ""),
        checks=", ".join(sorted({row["check"] for row in rows})),
        last=max(row["last"] for row in rows),
    )
