"""Looks at many histories: each is counted anew only where belief turned or a round ended since the last look.

    take   on the loop: copies of those that are another by now
    views  beside it: counts these, and lets the copies go

A witness of a hundred tenants believes something of 700,000 questions; a look at all of it costs what changed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from sentinel.sinks.history import History, Snapshot

if TYPE_CHECKING:
    from sentinel.web.headlines import View


class Key(NamedTuple):
    """What a history was when it was looked at."""

    turned: int
    ended: float


@dataclass
class Looks:
    """What is known of each, by name."""

    _known: "dict[str, tuple[Key, View]]" = field(default_factory=dict, init=False)

    def take(self, histories: Mapping[str, History]) -> dict[str, tuple[Key, Snapshot | None]]:
        """All of them, with a copy only where the last look is not of now."""
        taken: dict[str, tuple[Key, Snapshot | None]] = {}
        for name, history in histories.items():
            key = Key(history.turned, history.round.ended if history.round is not None else 0.0)
            known = self._known.get(name)
            taken[name] = (key, None if known is not None and known[0] == key else history.snapshot())
        return taken

    def views(self, taken: Mapping[str, tuple[Key, Snapshot | None]], now: float) -> "dict[str, View]":
        """As of `now`, wall seconds."""
        from sentinel.web.headlines import View  # noqa: PLC0415  # paid for by who looks

        for name, (key, snapshot) in taken.items():
            if snapshot is not None:
                seen = View.of(snapshot, now)
                bare = replace(snapshot, planned=(), latest={}, records_=(), turns_=())
                self._known[name] = (key, replace(seen, snapshot=bare))
        return {name: replace(self._known[name][1], now=now) for name in taken}
