"""What the page drill measured, and the gauge that the rule of it reads."""

import math

from prometheus_client import CollectorRegistry, Counter, Gauge

from sentinel.clients.clock import Clock
from sentinel.core.paging.formula import Path
from sentinel.core.paging.page_drill import Health, Limits, Result, Run, Stage


class PagePathMetrics:
    """The rows. Seconds, times in wall seconds."""

    def __init__(self, registry: CollectorRegistry, clock: Clock) -> None:
        """Everything is there at once, and nothing measured."""
        drill = "The number of the page drill that runs, which its rule makes an alert of; 0: none does."
        self.standing = Gauge("sentinel_page_drill", drill, registry=registry)
        took = "The last page drill, until the last place of the stage had it; +Inf: lost, NaN: not measured."
        self.took = Gauge("sentinel_page_path_seconds", took, ("path", "stage"), registry=registry)
        succeeded = "When the last page drill that arrived began; the start of the process: none did."
        name = "sentinel_page_path_last_success_timestamp_seconds"
        self.succeeded = Gauge(name, succeeded, ("path",), registry=registry)
        self.runs = Counter(
            "sentinel_page_path_runs", "Page drills, by how they ended.", ("path", "result"), registry=registry
        )
        broken = "1 after two page drills in a row that came late, or not at all."
        self.broken = Gauge("sentinel_page_path_broken", broken, ("path",), registry=registry)
        for path in Path:
            self.succeeded.labels(path.value).set(clock.wall())
            self.broken.labels(path.value)
            for stage in Stage:
                self.took.labels(path.value, stage.value).set(math.nan)
            for result in Result:
                self.runs.labels(path.value, result.value)

    def show(self, run: Run, limits: Limits, health: Health, began: float) -> None:
        """A run that is over, and what it makes of its way. `began`: of the run."""
        path, result = run.path.value, run.result(limits)
        self.runs.labels(path, result.value).inc()
        self.broken.labels(path).set(health.is_broken)
        for stage in Stage:
            self.took.labels(path, stage.value).set(run.seconds(stage))
        if result is Result.ARRIVED:
            self.succeeded.labels(path).set(began)
