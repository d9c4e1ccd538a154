"""How a page gets to a person, as the witness tells Prometheus: what its drills took, and the worst case computed.

It is read from the metrics themselves, so that the page and the dashboards cannot say two things; where there
is none of them (a tenant's sentinel drills no page), there is no section.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from markupsafe import Markup
from prometheus_client import CollectorRegistry

from sentinel.web.rendering import render
from sentinel.web.words import span

TAKES = "sentinel_page_path_seconds"
ARRIVED = "sentinel_page_path_last_success_timestamp_seconds"
RUNS = "sentinel_page_path_runs_total"
BROKEN = "sentinel_page_path_broken"
WORST = "sentinel_page_worst_case_seconds"
PROMISE = "sentinel_page_promise_seconds"
VERIFIED = "sentinel_page_verified_timestamp_seconds"
BEAT = "sentinel_heartbeat_last_success_timestamp_seconds"
BEATS = "sentinel_heartbeat_beats_total"
_NAMES = (TAKES, ARRIVED, RUNS, BROKEN, WORST, PROMISE, VERIFIED, BEAT, BEATS)
_PATHS = {"rule": "rule: Prometheus finds it", "push": "push: the witness tells Alertmanager"}

_Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Way:
    """One path. Words for people; `arrived` in wall seconds, None for never."""

    name: str
    alertmanager: str
    receiver: str
    arrived: float | None
    broken: bool
    runs: str
    worst: str
    mood: str


def section(registry: CollectorRegistry, now: float) -> Markup:
    """What is known; empty where nobody looks. `now`: wall seconds."""
    known = _Known(registry)
    if not any(known.of(name) for name in (TAKES, RUNS, WORST)):
        return Markup()
    promise = known.one(PROMISE)
    return render(
        "page_path.html",
        now=now,
        ways=[_way(known, path, promise) for path in _PATHS],
        promise=promise,
        # Until then these three are the start of the process.
        verified=known.one(VERIFIED) if known.one(WORST) else None,
        beats=known.of(BEATS),
        heartbeat=known.one(BEAT) if known.one(BEATS, result="accepted") else None,
    )


class _Known:
    """The samples, by name."""

    def __init__(self, registry: CollectorRegistry) -> None:
        families = registry.restricted_registry(_NAMES).collect()
        self._samples: dict[str, list[tuple[_Labels, float]]] = {}
        for sample in (sample for family in families for sample in family.samples):
            self._samples.setdefault(sample.name, []).append((sample.labels, sample.value))

    def of(self, name: str, **labels: str) -> list[tuple[_Labels, float]]:
        """With these labels, and whichever others."""
        rows = self._samples.get(name, [])
        return [(found, value) for found, value in rows if labels.items() <= found.items()]

    def one(self, name: str, **labels: str) -> float | None:
        """The value, where there is one that is not nothing."""
        return next((value for _, value in self.of(name, **labels) if value and not math.isnan(value)), None)


def _way(known: _Known, path: str, promise: float | None) -> Way:
    worst, told = _worst(known, path)
    late = promise is not None and worst is not None and worst > promise
    runs = {found["result"]: value for found, value in known.of(RUNS, path=path)}
    return Way(
        name=_PATHS[path],
        alertmanager=_seconds(known.one(TAKES, path=path, stage="alertmanager")),
        receiver=_seconds(known.one(TAKES, path=path, stage="receiver")),
        arrived=known.one(ARRIVED, path=path) if runs.get("arrived") else None,
        broken=bool(known.one(BROKEN, path=path)),
        runs=", ".join(_counted(runs)) or "none yet",
        worst=told,
        mood="faint" if worst is None else "bad" if late else "ok",
    )


def _counted(runs: Mapping[str, float]) -> Iterator[str]:
    for result in ("arrived", "late", "lost"):
        if runs.get(result):
            yield f"{runs[result]:.0f} {result}"


def _worst(known: _Known, path: str) -> tuple[float | None, str]:
    """The slowest alert of this path; what is not known counts for nothing, and is said."""
    rows = [(value, found["alert"]) for found, value in known.of(WORST, path=path)]
    judged = [row for row in rows if not math.isnan(row[0])]
    if not judged:
        return None, "not known"
    seconds, alert = max(judged)
    unknown = len(rows) - len(judged)
    more = f"; {unknown} not known" if unknown else ""
    return seconds, f"{'it may never come' if math.isinf(seconds) else span(seconds)} ({alert}){more}"


def _seconds(value: float | None) -> str:
    if value is not None and math.isinf(value):
        return "lost"
    return "not measured" if value is None else f"{value:.3f} s" if value < 1 else f"{value:.1f} s"
