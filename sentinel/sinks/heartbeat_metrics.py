"""The beats that somebody outside took, and why the others were not sent."""

from collections.abc import Collection

from prometheus_client import CollectorRegistry, Counter, Gauge

from sentinel.clients.clock import Clock
from sentinel.core.paging.heartbeat import Lack


class HeartbeatMetrics:
    """The rows. Times in wall seconds."""

    def __init__(self, registry: CollectorRegistry, clock: Clock) -> None:
        """Everything is there at once."""
        self._clock = clock
        self.beats = Counter("sentinel_heartbeat_beats", "Beats that were sent.", ("result",), registry=registry)
        success = "When a beat was taken last; the start of the process: never."
        self.success = Gauge("sentinel_heartbeat_last_success_timestamp_seconds", success, registry=registry)
        self.success.set(clock.wall())
        self.held = Gauge("sentinel_heartbeat_held", "1 while this holds beats back.", ("lack",), registry=registry)
        for result in ("accepted", "failed"):
            self.beats.labels(result)
        self.show(())

    def count(self, *, taken: bool) -> None:
        """A beat was sent."""
        self.beats.labels("accepted" if taken else "failed").inc()
        if taken:
            self.success.set(self._clock.wall())

    def show(self, lacks: Collection[Lack]) -> None:
        """What holds them back now."""
        for lack in Lack:
            self.held.labels(lack.value).set(lack in lacks)
