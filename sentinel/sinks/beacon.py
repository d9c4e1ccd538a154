"""What a beacon counts: whom it answered, and what it refused. All children are there at 0 from the start."""

from prometheus_client import CollectorRegistry, Counter, Gauge

from sentinel.core.net.challenge import Refusal
from sentinel.core.net.crossing import Protocol


class BeaconMetrics:
    """Three names in this registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Each label comes from a closed set."""
        self._answers = Counter(
            "sentinel_beacon_answers_total", "Challenges answered.", ["protocol"], registry=registry
        )
        self._refusals = Counter(
            "sentinel_beacon_refusals_total", "What came to the beacon and was refused.", ["reason"], registry=registry
        )
        connections = Gauge("sentinel_beacon_connections", "Open connections to the beacon.", registry=registry)
        self.connections = connections.set
        self._answered = {protocol: self._answers.labels(protocol.value) for protocol in Protocol}
        self._refused = {reason: self._refusals.labels(reason.value) for reason in Refusal}

    def answered(self, protocol: Protocol) -> None:
        """One more."""
        self._answered[protocol].inc()

    def refused(self, reason: Refusal) -> None:
        """One more."""
        self._refused[reason].inc()
