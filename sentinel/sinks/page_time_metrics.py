"""How long a page takes at worst, as series: worked out by the witness from what runs, never measured.

`+Inf` is a page that may never come. `NaN` is one of which nothing is known, as all are until the first look.
"""

import math

from prometheus_client import CollectorRegistry, Gauge

from sentinel.clients.clock import Clock
from sentinel.core.paging import ours
from sentinel.core.paging.formula import Path
from sentinel.core.paging.inspection import Inspection, Row


class PageTimeMetrics:
    """The rows. Seconds, times in wall seconds."""

    def __init__(self, registry: CollectorRegistry, clock: Clock) -> None:
        """What everybody has is there at once, unknown."""
        self._clock = clock
        worst = "From the series to somebody who is told, at worst; +Inf: it may never come, NaN: not known."
        self.worst = Gauge("sentinel_page_worst_case_seconds", worst, ("alert", "path"), registry=registry)
        self.promise = Gauge("sentinel_page_promise_seconds", "paging.promise.", registry=registry)
        verified = "When all that a page goes through was read last; the start of the process: never."
        self.verified = Gauge("sentinel_page_verified_timestamp_seconds", verified, registry=registry)
        self.verified.set(clock.wall())
        self._known = set(_EVERYBODYS)
        for name, path in self._known:
            self.worst.labels(name, path.value).set(math.nan)

    def show(self, seen: Inspection) -> None:
        """What was worked out, in place of what was before."""
        # What was there stays, unknown, while not everything could be read.
        rows = dict.fromkeys(self._known if seen.unknown else _EVERYBODYS, math.nan)
        for row in seen.rows:
            if row.pages:
                rows[row.alert, row.path] = _worse(rows.get((row.alert, row.path), math.nan), _seconds(row))
        for name, path in self._known - set(rows):
            self.worst.remove(name, path.value)
        for (name, path), seconds in rows.items():
            self.worst.labels(name, path.value).set(seconds)
        self._known = set(rows)
        self.promise.set(seen.promise)
        if not seen.unknown:
            self.verified.set(self._clock.wall())


_EVERYBODYS = (*((name, Path.RULE) for name in ours.ALWAYS), *((name, Path.PUSH) for name in ours.PUSHED))


def _seconds(row: Row) -> float:
    if row.obstacles:
        return math.inf
    return math.nan if row.unjudged else row.worst


def _worse(one: float, other: float) -> float:
    """The larger of those that are known."""
    return other if math.isnan(one) else one if math.isnan(other) else max(one, other)
