"""The Prometheus names of a drill, for the time that its process lives, or in a file that stays.

    sentinel_drill_*   what is done, second by second           chaos_*   what it came to, once it is over

Moments are timestamps, so that whoever reads two processes, or a file that was left behind, can tell which
word is the later one: a wound stands where it is later than the last proof that it is healed. A figure that
nobody knows yet is NaN. Labels are closed: one drill, its variants, its verdicts.
"""

import math

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

from sentinel.clients.clock import Clock
from sentinel.core.drill.fault import Receipt, Variant
from sentinel.core.drill.figures import Seen, Stage, Worth
from sentinel.core.drill.progress import Phase, Progress
from sentinel.core.drill.result import Result, Setting
from sentinel.core.drill.ruling import Verdict

SECONDS = (0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 15, 20, 25, 30, 60)
FIGURES = {
    "mttr_seconds": "From the fault to the first answer of a row of good ones, whoever gave it.",
    "error_rate_percent": "Of the answers while the fault stood, those that were neither one nor the agreed message.",
    "availability_percent": "Of the answers while the fault stood, the whole ones.",
    "latency_degradation_ms": "Of the 95th percentile of whole answers, while the fault stood.",
    "recovery_time_seconds": "From the undo to the primary's first answer.",
    "slo_passed": "1 passed, 0 failed; NaN: nothing is proven.",
    "slo_violations_count": "Promises that were seen to be broken.",
}
"""The names that people who come from chaos engineering look for, without their `chaos_`."""


class DrillMetrics:
    """One drill's. All times in seconds, moments by the wall clock."""

    def __init__(self, registry: CollectorRegistry, drill: str, variant: Variant, clock: Clock) -> None:
        """Every child, at 0."""
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the library is typed but for this
        self._registry, self._drill, self._clock = registry, drill, clock
        self._wall = clock.wall() - clock.monotonic()
        active = Gauge("sentinel_drill_active", "1 while it is run.", ("drill", "fault"), registry=registry)
        self._active = {each: active.labels(drill, each.value) for each in Variant}[variant]
        runs = Counter("sentinel_drill_runs", "Drills that are over.", ("drill", "verdict"), registry=registry)
        self._runs = {each: runs.labels(drill, each.value) for each in Verdict}
        self._waits: tuple[float, float | None] | None = None  # for the primary: since when, and until when
        recovery = self._gauge("recovery_seconds", "From the undo to the primary's first answer, or until now.")
        recovery.set_function(self._waited)
        self._unreverted = self._gauge("unreverted", "Receipts of wounds that may stand.")
        self._wounded = self._gauge("wounded_timestamp_seconds", "When a receipt was written last, before its wound.")
        self._overdue = self._gauge("overdue_timestamp_seconds", "By when that wound has to be healed at the latest.")
        self._healed = self._gauge("healed_timestamp_seconds", "When the undo of a wound was proved last.")
        self._recovering = self._gauge("recovering_timestamp_seconds", "Since when the primary is waited for, after.")
        self._well = self._gauge(
            "well_timestamp_seconds", "When the primary was seen to answer last: before, or after."
        )
        self._describe_answers()

    def show_standing(self, receipts: int, last: Receipt | None) -> None:
        """How many receipts there are whose wounds may stand, and the last of them."""
        self._unreverted.set(receipts)
        if last is not None:
            self._wounded.set(last.written)
            self._overdue.set(last.written + last.seconds)

    def show_healed(self, at: float, standing: int) -> None:
        """The undo was proved."""
        self._healed.set(at)
        self._unreverted.set(standing)

    def show(self, progress: Progress) -> None:
        """A new phase."""
        self._active.set(progress.phase is not Phase.JUDGED)
        if progress.phase is Phase.ARMING:
            self._well.set(progress.since + self._wall)
        if progress.phase is Phase.RECOVERING and progress.reverted is not None:
            self._waits = progress.reverted.asked, None
            self._recovering.set(progress.reverted.asked + self._wall)
        if progress.phase is Phase.JUDGED and self._waits is not None:
            self._waits = self._waits[0], progress.back or progress.since
        if progress.back is not None:
            self._well.set(progress.back + self._wall)

    def count(self, seen: Seen, stage: Stage) -> None:
        """One answer."""
        self._answers[stage, seen.worth].inc()
        if seen.worth in (Worth.PRIMARY, Worth.ELSEWHERE):
            self._took[stage].observe(seen.end - seen.start)

    def show_result(self, result: Result) -> None:
        """It is over."""
        self._runs[result.ruling.verdict].inc()

    def _waited(self) -> float:
        if self._waits is None:
            return 0.0
        since, until = self._waits
        return (self._clock.monotonic() if until is None else until) - since

    def _describe_answers(self) -> None:
        names = ("drill", "stage", "result")
        answers = Counter(
            "sentinel_drill_answers", "Answers of the gateway, by what they were worth.", names, registry=self._registry
        )
        took = Histogram(
            "sentinel_drill_answer_seconds",
            "Of whole answers.",
            names[:2],
            buckets=SECONDS,
            registry=self._registry,
        )
        self._answers = {(s, w): answers.labels(self._drill, s.value, w.value) for s in Stage for w in Worth}
        self._took = {each: took.labels(self._drill, each.value) for each in Stage}

    def _gauge(self, name: str, help_: str) -> Gauge:
        return Gauge(f"sentinel_drill_{name}", help_, ("drill",), registry=self._registry).labels(self._drill)


class ChaosMetrics:
    """What a drill came to, under the names of rows that others know."""

    def __init__(self, registry: CollectorRegistry, drill: str, setting: Setting) -> None:
        """Nothing is known of any of them."""
        names, of = ("drill", "environment", "intensity"), (drill, setting.environment, setting.intensity.value)
        self._figures = {
            name: Gauge(f"chaos_{name}", help_, names, registry=registry).labels(*of) for name, help_ in FIGURES.items()
        }
        for figure in self._figures.values():
            figure.set(math.nan)

    def show_result(self, result: Result) -> None:
        """It is over."""
        measured, verdict = result.measured, result.ruling.verdict
        known = verdict in (Verdict.PASS, Verdict.FAIL)
        degradation = measured.latency_degradation
        found = {
            "mttr_seconds": measured.mttr,
            "error_rate_percent": measured.during.error_rate_percent,
            "availability_percent": measured.during.availability_percent,
            "latency_degradation_ms": None if degradation is None else degradation * 1000,
            "recovery_time_seconds": measured.recovery,
            "slo_passed": float(verdict is Verdict.PASS) if known else None,
            "slo_violations_count": float(len(result.broken)) if known else None,
        }
        for name, value in found.items():
            self._figures[name].set(math.nan if value is None else value)
