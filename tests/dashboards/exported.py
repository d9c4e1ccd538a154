"""Which series there can be, with which labels: as our own sinks and our own rules give them."""

import functools
from collections.abc import Mapping

from prometheus_client import CollectorRegistry

from sentinel.clients.clock import Clock
from sentinel.clients.exposition import Rows
from sentinel.core.drill.fault import Variant
from sentinel.core.drill.result import Setting
from sentinel.sinks.drill_metrics import ChaosMetrics, DrillMetrics
from sentinel.sinks.gateway_metrics import GatewayMetrics
from sentinel.sinks.heartbeat_metrics import HeartbeatMetrics
from sentinel.sinks.metrics import Metrics
from sentinel.sinks.page_metrics import PageMetrics
from sentinel.sinks.page_path_metrics import PagePathMetrics
from sentinel.sinks.page_time_metrics import PageTimeMetrics
from sentinel.sinks.witness_metrics import WitnessMetrics
from tests.alerts import rules

SCRAPED = {"job", "instance", "tenant", "node", "namespace", "pod", "container", "cluster"}
"""What the scrape adds, and `cluster` whoever collects from several."""
FOREIGN = {"up", "ALERTS"}
"""Prometheus' own."""
RULES = rules.shipped(witness=True, network=True, gateways=True, verified=True, kind="DaemonSet")


@functools.cache
def series() -> Mapping[str, frozenset[str]]:
    """Name to labels, of all that our processes expose."""
    shared = CollectorRegistry()
    GatewayMetrics(shared)
    PageMetrics(shared)
    PageTimeMetrics(shared, Clock())
    PagePathMetrics(shared, Clock())
    HeartbeatMetrics(shared, Clock())
    DrillMetrics(shared, "outage", Variant.KILL, Clock())
    ChaosMetrics(shared, "outage", Setting())
    found: dict[str, frozenset[str]] = {}
    # What the process itself costs is told by a collector that does not say beforehand what it will tell.
    for metric in Metrics().registry.collect():
        found |= dict.fromkeys((metric.name, f"{metric.name}_total"), frozenset[str]())
    for registry in (Metrics().registry, WitnessMetrics().registry, shared):
        for name, collector in registry._names_to_collectors.items():
            own = collector.labels if isinstance(collector, Rows) else getattr(collector, "_labelnames", ())
            labels = {*own, *(["le"] if name.endswith("_bucket") else [])}
            found[name] = found.get(name, frozenset()) | labels
    return found


@functools.cache
def recorded() -> frozenset[str]:
    """The names that the shipped rules record."""
    return frozenset(rule["record"] for rule in rules.every_rule(RULES) if "record" in rule)
