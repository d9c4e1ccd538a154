"""The Prometheus names of the pages where users chat, and a sink that fills them from visits.

Labels are closed: gateways as configured, outcomes, rules. What a page showed is in no label.
"""

from collections.abc import Collection

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from sentinel.core.gateway.chat_page import LEAKS, Outcome, Visited

SECONDS = (0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 15, 20, 25, 30)


class PageMetrics:
    """The names, in a registry that others have too. All times in seconds."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Every name; children appear with `expect`."""
        of = ("gateway",)
        self.visits = Counter(
            "sentinel_gateway_page_visits",
            "Visits to a chat page, by what they were worth.",
            (*of, "outcome"),
            registry=registry,
        )
        self.leaks = Counter(
            "sentinel_gateway_page_leaks", "What no user may see, by rule.", (*of, "rule"), registry=registry
        )
        self.breaches = Gauge(
            "sentinel_gateway_page_breaches",
            "Visits in a row with neither an answer nor the agreed message.",
            of,
            registry=registry,
        )
        self.opened = Histogram(
            "sentinel_gateway_page_open_seconds",
            "Until there was a field to write in.",
            of,
            buckets=SECONDS,
            registry=registry,
        )
        self.first = Histogram(
            "sentinel_gateway_page_first_token_seconds",
            "From sending to the first visible piece of the answer.",
            of,
            buckets=SECONDS,
            registry=registry,
        )
        self.took = Histogram(
            "sentinel_gateway_page_visit_seconds",
            "From opening to the whole answer, or to the end of patience.",
            of,
            buckets=SECONDS,
            registry=registry,
        )

    def expect(self, gateways: Collection[str]) -> None:
        """These are visited from now on: their children at 0; a page that was taken out is in breach of nothing."""
        for gateway in gateways:
            for outcome in Outcome:
                self.visits.labels(gateway, outcome.value)
            for rule in LEAKS:
                self.leaks.labels(gateway, rule)
            self.breaches.labels(gateway)
        for (known,) in [*self.breaches._metrics]:  # noqa: SLF001  # the library has no public list of children
            if known not in gateways:
                self.breaches.remove(known)

    def put(self, news: Visited) -> None:
        """Count it."""
        judged, gateway = news.judged, news.gateway
        self.visits.labels(gateway, judged.outcome.value).inc()
        self.breaches.labels(gateway).set(news.row)
        for rule in judged.leaks:
            self.leaks.labels(gateway, rule).inc()
        if judged.outcome is Outcome.HARNESS_ERROR:
            return
        self.took.labels(gateway).observe(judged.took)
        if judged.opened is not None:
            self.opened.labels(gateway).observe(judged.opened)
        if judged.first is not None:
            self.first.labels(gateway).observe(judged.first)
