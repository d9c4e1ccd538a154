"""Who may have a signature checked now: it costs 0.15 ms, and whoever can send a packet can ask for one.

Each address has a bucket of its own, and all addresses one together. Those that have proven once who
they are have another one than the rest, so that a flood from addresses nobody knows (they can be
invented, over UDP) takes nothing from the askers on the roster. Memory is bounded: the address that was
quiet for longest is forgotten first.
"""

from collections import OrderedDict
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Rates:
    """Challenges per second; the burst is two seconds' worth of each."""

    source: float = 100.0
    """Of one address. An asker sends up to 4 a second, and 25 may stand behind one address."""
    known: float = 500.0
    """Of all that have proven who they are: 100 tenants ask 360 a second together, three per question; a
    repeated one costs a tenth. Spent as a whole this is 8 % of a core."""
    strangers: float = 100.0
    """Of all others: each asker is one of them once."""


@dataclass(slots=True)
class _Level:
    level: float
    at: float


@dataclass(slots=True)
class Turnstile:
    """`most`: addresses that are remembered, of either kind. Times in monotonic seconds."""

    rates: Rates = field(default_factory=Rates)
    most: int = 1024
    _known: OrderedDict[str, _Level] = field(default_factory=OrderedDict)
    _strangers: OrderedDict[str, _Level] = field(default_factory=OrderedDict)
    _all: dict[bool, _Level] = field(default_factory=dict)

    def admits(self, source: str, now: float, cost: float = 1.0) -> bool:
        """Whether this much may be spent on them now; if so it is spent."""
        is_known = source in self._known
        own = self._level(source, self._known if is_known else self._strangers, now)
        shared = self._all.setdefault(is_known, _Level(self._rate(is_known) * _BURST_SECONDS, now))
        _fill(own, self.rates.source, now)
        _fill(shared, self._rate(is_known), now)
        if own.level < cost or shared.level < cost:
            return False
        own.level -= cost
        shared.level -= cost
        return True

    def vouch(self, source: str) -> None:
        """They have proven who they are."""
        level = self._strangers.pop(source, None)
        if level is not None:
            _remember(self._known, source, level, self.most)

    def _level(self, source: str, among: OrderedDict[str, _Level], now: float) -> _Level:
        found = among.get(source)
        if found is None:
            found = _Level(self.rates.source * _BURST_SECONDS, now)
            _remember(among, source, found, self.most)
        else:
            among.move_to_end(source)
        return found

    def _rate(self, is_known: bool) -> float:  # noqa: FBT001  # a key of `_all`
        return self.rates.known if is_known else self.rates.strangers


_BURST_SECONDS = 2.0


def _fill(level: _Level, rate: float, now: float) -> None:
    level.level = min(rate * _BURST_SECONDS, level.level + rate * max(0.0, now - level.at))
    level.at = now


def _remember(among: OrderedDict[str, _Level], source: str, level: _Level, most: int) -> None:
    among[source] = level
    while len(among) > most:
        among.popitem(last=False)
