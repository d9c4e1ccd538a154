"""Pairs: of each tenant and each target, for how long it was proven shut, open, not proven, or not looked at.

round ---------- round ---------- round        what one line says holds until the next one of that tenant,
  held             open             held       and no longer than somebody was looking
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from sentinel.core.audit.presence import SILENT_SECONDS
from sentinel.core.verdict import Reason


class State(StrEnum):
    """What is believed of one pair."""

    HELD = "held"  # every question of the fast tiers was denied, proven, since the process began
    OPEN = "open"  # a breach stands
    UNPROVEN = "unproven"  # something could not be proven, or was not yet


class Key(NamedTuple):
    """Who is kept out of what, by whose journal."""

    journal: str
    tenant: str
    target: str


@dataclass(frozen=True, slots=True)
class Pair:
    """One pair over the time that is looked at, seconds. What is missing to the whole nobody looked at."""

    journal: str
    tenant: str
    target: str
    held: float
    open: float
    unproven: float
    proofs: int  # denials that were proven
    last: State  # what was believed at the end

    @property
    def looked(self) -> float:
        """For how long somebody was looking."""
        return self.held + self.open + self.unproven


@dataclass(frozen=True, slots=True)
class Blind:
    """Why a pair was not proven, and for how long: seconds altogether, how often, and the longest in one piece."""

    journal: str
    tenant: str
    target: str
    reason: str
    seconds: float
    times: int
    longest: float


@dataclass
class _Sum:
    seconds: dict[State, float] = field(default_factory=lambda: dict.fromkeys(State, 0.0))
    proofs: int = 0
    last: State = State.UNPROVEN


@dataclass
class _Run:
    seconds: float = 0.0
    times: int = 0
    longest: float = 0.0
    now: float = 0.0


@dataclass(frozen=True, slots=True)
class _Said:
    """What the last line of one tenant said."""

    at: float
    states: Mapping[str, State]
    reasons: Mapping[str, frozenset[str]]


@dataclass
class Pairs:
    """All of them, while lines are taken; between `since` and `until`, wall seconds."""

    since: float
    until: float
    _sums: dict[Key, _Sum] = field(default_factory=dict)
    _runs: dict[tuple[Key, str], _Run] = field(default_factory=dict)
    _said: dict[tuple[str, str], _Said] = field(default_factory=dict)

    def take(self, journal: str, at: float, row: Mapping[str, Any], started: float) -> None:
        """A line about a round. `started`: when the process began; what is proven before it is of another one."""
        tenant = str(row.get("tenant", ""))
        self._spend(journal, tenant, at)
        said = _read(at, row, started)
        before = self._said.get((journal, tenant))
        self._said[journal, tenant] = said
        for target, state in said.states.items():
            self._sum(Key(journal, tenant, target)).last = state
        for target, reasons in said.reasons.items():
            known = before.reasons.get(target, frozenset()) if before is not None else frozenset()
            for reason in reasons:
                self._begin(Key(journal, tenant, target), reason, fresh=reason not in known)
        if self.since <= at <= self.until:
            for target, count in row.get("proofs", {}).items():
                self._sum(Key(journal, tenant, target)).proofs += int(count)

    def cut(self, journal: str, last: float) -> None:
        """Nobody was looking any more since `last`: what was said until then holds no longer."""
        for one, tenant in [key for key in self._said if key[0] == journal]:
            self._spend(one, tenant, last)
            del self._said[one, tenant]

    def close(self, last: Mapping[str, float]) -> tuple[tuple[Pair, ...], tuple[Blind, ...]]:
        """The sums. `last`: of each journal the time of its last line."""
        for journal, at in last.items():
            self.cut(journal, at)
        pairs = tuple(
            Pair(
                *key,
                held=found.seconds[State.HELD],
                open=found.seconds[State.OPEN],
                unproven=found.seconds[State.UNPROVEN],
                proofs=found.proofs,
                last=found.last,
            )
            for key, found in sorted(self._sums.items())
        )
        blinds = (
            Blind(*key, reason, run.seconds, run.times, run.longest)
            for (key, reason), run in sorted(self._runs.items())
            if run.seconds
        )
        return pairs, tuple(blinds)

    def _spend(self, journal: str, tenant: str, until: float) -> None:
        said = self._said.get((journal, tenant))
        if said is None:
            return
        seconds = min(until, self.until, said.at + SILENT_SECONDS) - max(said.at, self.since)
        if seconds <= 0:
            return
        for target, state in said.states.items():
            self._sum(Key(journal, tenant, target)).seconds[state] += seconds
        for target, reasons in said.reasons.items():
            for reason in reasons:
                run = self._runs[Key(journal, tenant, target), reason]
                run.seconds += seconds
                run.now += seconds
                run.longest = max(run.longest, run.now)

    def _begin(self, key: Key, reason: str, *, fresh: bool) -> None:
        run = self._runs.setdefault((key, reason), _Run())
        if fresh:
            run.times += 1
            run.now = 0.0

    def _sum(self, key: Key) -> _Sum:
        return self._sums.setdefault(key, _Sum())


def _read(at: float, row: Mapping[str, Any], started: float) -> _Said:
    """What a round's line says of each target."""
    proofs = {target: moment(found) for target, found in row.get("oldest_proof", {}).items()}
    waiting = {target for target, proven in proofs.items() if proven is None or proven < started}
    reasons: dict[str, frozenset[str]] = {
        target: frozenset(map(str, found)) for target, found in row.get("inconclusive", {}).items() if found
    }
    for target in waiting - reasons.keys():
        reasons[target] = frozenset((Reason.UNPROVEN.value,))
    open_ = {str(found["target"]) for found in row.get("breaches", ())}
    states = dict.fromkeys(proofs, State.HELD)
    states |= dict.fromkeys(reasons, State.UNPROVEN) | dict.fromkeys(open_, State.OPEN)
    return _Said(at, states, reasons)


def moment(text: Any) -> float | None:
    """A time as the journal writes it, in wall seconds."""
    try:
        return datetime.fromisoformat(str(text)).timestamp()
    except ValueError:
        return None


def least_proven(pairs: Iterable[Pair]) -> list[Pair]:
    """In the order of reading: what was proven shut for the shortest time comes first."""
    return sorted(pairs, key=lambda pair: (pair.held, pair.tenant, pair.target, pair.journal))


def share(pairs: Iterable[Pair], whole: float) -> float:
    """Of the time of all pairs together, that in which they were proven shut."""
    found = [*pairs]
    return sum(pair.held for pair in found) / (whole * len(found)) if found and whole > 0 else 0.0
