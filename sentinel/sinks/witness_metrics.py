"""The witness's Prometheus names, and for each tenant a sink that fills its rows.

The label is `subject`: `tenant` is set by the scrape, from the namespace of whoever is scraped. A
series of `sentinel_witness_breach_since_timestamp_seconds` is there only while it says something:
a time while a breach stands, 0 while every question of it is proven shut twice. What is neither is
taken away, so that an old 0 never closes what was opened since.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from sentinel import __version__
from sentinel.clients.exposition import Rows
from sentinel.clients.watch import Health
from sentinel.core.api.plan import Plan
from sentinel.core.claim import Result, Told
from sentinel.core.labels import ANCHORED, DELAYS, LAGS, PUSH_RESULTS
from sentinel.core.record import Record, Round, Series, series_of
from sentinel.core.standing import Turn
from sentinel.core.verdict import Reason
from sentinel.engine.roll import REFUSALS, Delivered

ABSENT_ROUNDS = 2.5
"""Rounds, as configured, for which a 0 that was taken away stays away: two scrapes see that it was."""
_SUBJECT = "subject"


class WitnessMetrics:
    """The registry. Times in wall seconds, periods in seconds."""

    def __init__(self) -> None:
        """Every name; children appear with what is known."""
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the library is typed but for this
        self.registry = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self._said: dict[tuple[str, type], _Said] = {}
        self._describe_beliefs()
        self._describe_duties()
        self._describe_ourselves()
        self.build_info.labels(__version__).set(1)
        for result in PUSH_RESULTS:
            self.pushes.labels(result)
        for ended in Result:
            self.relay_requests.labels(ended.value)

    def of(self, subject: str, plan: Plan) -> "SubjectMetrics":
        """The sink for what is believed of one tenant, under this plan."""
        return SubjectMetrics(self, subject, plan)

    def of_groups(self, subject: str, plan: Plan) -> "BreachMetrics":
        """The sink for what is reviewed of a tenant's people; the rest is the other sink's."""
        return BreachMetrics(self, subject, plan.scope.every)

    def said(self, subject: str, by: type) -> "_Said":
        """What the page says of a tenant by such a sink, whichever of them it was that said it."""
        return self._said.setdefault((subject, by), _Said())

    def forget_others(self, subjects: Iterable[str]) -> None:
        """A tenant that was taken out is neither open nor blind."""
        known = set(subjects)
        self._said = {key: said for key, said in self._said.items() if key[0] in known}
        for rows in (self.breach_since, self.oldest_proof):
            rows.keep(known)
        for gauge in self._by_subject:
            for labels in [*gauge._metrics]:  # noqa: SLF001  # the library has no public list of children
                if labels[0] not in known:
                    gauge.remove(*labels)

    def note_config(self, taken: bool, checksum: int) -> None:  # noqa: FBT001  # a callback has no names
        """A configuration file was taken, or refused."""
        self.reload_ok.set(1 if taken else 0)
        if taken:
            self.config_hash.set(checksum)

    def show_match(self, subject: str, matches: bool | None) -> None:  # noqa: FBT001  # a callback has no names
        """Whether a tenant's configuration is the chart's; None takes the row away."""
        if matches is not None:
            self.config_match.labels(subject).set(matches)
        elif (subject,) in self.config_match._metrics:  # noqa: SLF001  # the library has no public list of children
            self.config_match.remove(subject)

    def show_watch(self, health: Health) -> None:
        """How a watch is, whenever that changes."""
        self.watch_up.labels(health.kind).set(health.up)
        for reason, count in health.restarts.items():
            known = self.watch_restarts.labels(health.kind, reason.value)
            known.inc(max(0.0, count - known._value.get()))  # noqa: SLF001  # the library has no public getter

    def count_change(self, kind: str, *, missed: bool) -> None:
        """One change, told by the watch or found by a list that the watch had not told of."""
        (self.watch_missed if missed else self.watch_events).labels(kind).inc()

    def expect_watch(self, kind: str) -> None:
        """Create its children, at 0."""
        for known in (self.watch_up, self.watch_events, self.watch_missed):
            known.labels(kind)

    def expect_beacons(self, subjects: Iterable[str]) -> None:
        """Where the network is proven: create its children, at 0."""
        for why in REFUSALS:
            self.roster_refused.labels(why)
        for subject in subjects:
            for result in Delivered:
                self.arrivals.labels(subject, result.value)

    def show_beacons(self, counts: Mapping[tuple[str, str], int]) -> None:
        """How many beacons each tenant has, by state."""
        for (subject, state), number in counts.items():
            self.beacons.labels(subject, state).set(number)

    def count_push(self, result: str) -> None:
        """One push to one Alertmanager."""
        self.pushes.labels(result).inc()

    def count_lost(self, lines: int) -> None:
        """Lines of the journal that could not be written."""
        self.journal_lost.inc(lines)

    def show_journal(self, failing: bool) -> None:  # noqa: FBT001  # a gauge
        """Whether the last line of the journal could not be written."""
        self.journal_failing.set(failing)

    def count_anchor(self, result: str, at: float) -> None:
        """A head of the journal was told to the anchor."""
        self.journal_anchors.labels(result).inc()
        if result == "accepted":
            self.journal_anchored.set(at)

    def _describe_beliefs(self) -> None:
        self.breach_since = self._rows(
            "witness_breach_since_timestamp_seconds",
            "First evidence of the breach that stands; 0 while proven shut; absent while neither is known.",
            *(_SUBJECT, "check", "identity", "target"),
        )
        self.round_at = self._gauge("witness_round_timestamp_seconds", "End of the last round.", _SUBJECT)
        self.oldest_proof = self._rows(
            "witness_oldest_proof_timestamp_seconds",
            "The oldest last proof among the questions of tiers 1 and 2.",
            *(_SUBJECT, "target"),
        )
        self.coverage = self._gauge(
            "witness_coverage_ratio", "Share of questions proven within two periods of their tier.", _SUBJECT
        )
        self.inconclusive = self._gauge(
            "witness_inconclusive", "1 where something cannot be proven.", _SUBJECT, "target", "reason"
        )
        self.period = self._gauge("witness_period_seconds", "Period of a tier, stretched.", _SUBJECT, "tier")
        self.breaches = self._counter("witness_breaches", "New breaches.", _SUBJECT, "check")
        self.claims = self._gauge(
            "witness_claims", "Series that the tenant calls open, not agreed to be over.", _SUBJECT
        )

    def _describe_duties(self) -> None:
        self.config_match = self._gauge(
            "witness_config_match", "1 where a tenant's ConfigMap is what the chart rendered.", _SUBJECT
        )
        self.unwatched = self._gauge("accounts_unwatched", "ServiceAccounts that nobody asks with.", _SUBJECT)
        self.watch_up = self._gauge("watch_up", "1 while the watch of this kind is told what happens.", "kind")
        self.watch_events = self._counter("watch_events", "Changes told by the watch.", "kind")
        self.watch_restarts = self._counter("watch_restarts", "Watches begun anew, by reason.", "kind", "reason")
        self.watch_missed = self._counter("watch_missed", "Changes found by a list that no watch had told.", "kind")
        self.relay_requests = self._counter("relay_requests", "Requests at the relay.", "result")
        self.relay_alerts = self._counter("relay_alerts", "Alerts handed in.", _SUBJECT, "result")
        self.beacons = self._gauge("witness_beacons", "Beacons of a tenant.", _SUBJECT, "state")
        self.roster_refused = self._counter(
            "witness_roster_refused", "Addresses, keys and pods that are on no roster.", "reason"
        )
        self.arrivals = self._counter(
            "witness_arrivals", "Challenges that a tenant's beacons say have reached them.", _SUBJECT, "result"
        )
        self.hints = self._counter("hints", "Times that a tenant was told to look now.", _SUBJECT)
        self.glances = self._counter("witness_glances", "Rounds out of turn.", _SUBJECT)

    def _describe_ourselves(self) -> None:
        self.config_hash = self._gauge("config_hash", "Adler-32 of the configuration file.")
        self.reload_ok = self._gauge("config_last_reload_successful", "1 while the file as it stands is in use.")
        self.build_info = self._gauge("build_info", "1, by version.", "version")
        self.pushes = self._counter("page_pushes", "Pushes to Alertmanager.", "result")
        self.page_delay = Histogram(
            "sentinel_page_delay_seconds", "First evidence to accepted push.", registry=self.registry, buckets=DELAYS
        )
        self.loop_lag = Histogram(
            "sentinel_loop_lag_seconds", "How late our own loop is.", registry=self.registry, buckets=LAGS
        )
        self.journal_lost = self._counter("journal_lost", "Lines of the journal that could not be written.")
        self.journal_failing = self._gauge("journal_failing", "1 while the journal cannot be written.")
        self.journal_anchors = self._counter("journal_anchors", "Heads of the journal told to the anchor.", "result")
        for result in ANCHORED:
            self.journal_anchors.labels(result)
        self.journal_anchored = self._gauge(
            "journal_anchored_timestamp_seconds", "When the anchor took a head last; 0: never."
        )
        beliefs = (self.round_at, self.coverage, self.inconclusive, self.period)
        self._by_subject = (*beliefs, self.claims, self.config_match, self.unwatched, self.beacons)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"sentinel_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"sentinel_{name}", text, labels, registry=self.registry)

    def _rows(self, name: str, text: str, *labels: str) -> Rows:
        """For what there is of every tenant at every other: with a hundred tenants 80,000 series."""
        return Rows(f"sentinel_{name}", text, labels, self.registry)


@dataclass
class _Said:
    """What stands on the page, and what was taken away when. With a changed configuration there is a new sink."""

    shown: set[Series] = field(default_factory=set)
    gone: dict[Series, float] = field(default_factory=dict)
    reasons: set[tuple[str, Reason]] = field(default_factory=set)


class BreachMetrics:
    """The sink for the breaches of one tenant, and for what the witness itself was given."""

    def __init__(self, metrics: WitnessMetrics, subject: str, every: float) -> None:
        """Nothing is shown before it is known. `every`: seconds of a round, as configured."""
        self._metrics = metrics
        self._subject = subject
        self._absent_for = ABSENT_ROUNDS * every
        self._said = metrics.said(subject, type(self))

    def put(self, record: Record) -> None:
        """A breach is published at once, not at the end of the round."""
        change = record.change
        if change is None or change.turn is not Turn.OPENED or record.subsumed or change.breach is None:
            return
        series = series_of(record.question)
        self._metrics.breaches.labels(self._subject, series.check).inc()
        if series not in self._said.shown or not self._metrics.breach_since.get((self._subject, *series)):
            self._show(series, change.breach.since)
            self._said.shown.add(series)

    def end_round(self, report: Round) -> None:
        """Publish what is believed, and take away what is not known any more."""
        shown = {series: at for series, at in report.breach_since.items() if at or self._may_say_shut(series, report)}
        for series, since in shown.items():
            self._show(series, since)
        for series in self._said.shown - shown.keys():
            self._metrics.breach_since.remove((self._subject, *series))
            self._said.gone[series] = report.ended
        self._said.shown = set(shown)

    def _may_say_shut(self, series: Series, report: Round) -> bool:
        """A 0 that comes back has been away for long enough that a scrape saw it was: it is about what came since."""
        said = self._said
        return series in said.shown or report.ended >= said.gone.get(series, float("-inf")) + self._absent_for

    def _show(self, series: Series, since: float) -> None:
        self._metrics.breach_since.set((self._subject, *series), since)


class SubjectMetrics(BreachMetrics):
    """The sink of one tenant's book: its breaches, and how well it is watched."""

    def __init__(self, metrics: WitnessMetrics, subject: str, plan: Plan) -> None:
        """Children that can be known are there at once, but for breaches and reasons."""
        super().__init__(metrics, subject, plan.scope.every)
        for told in Told:
            metrics.relay_alerts.labels(subject, told.value)
        metrics.hints.labels(subject)
        for tier in (1, 2, 3):
            metrics.period.labels(subject, str(tier)).set(plan.period(tier))

    def end_round(self, report: Round) -> None:
        """Publish what is believed."""
        super().end_round(report)
        subject, metrics = self._subject, self._metrics
        metrics.round_at.labels(subject).set(report.ended)
        metrics.coverage.labels(subject).set(report.coverage)
        for target, at in report.oldest_proof.items():
            metrics.oldest_proof.set((subject, target), at)
        self._show_reasons(report)

    def _show_reasons(self, report: Round) -> None:
        """Only what was red at least once: each reason for each target of a hundred tenants is 120,000 lines of 0."""
        rows = report.inconclusive.items()
        shown = {(target, reason) for target, reasons in rows for reason in reasons}
        before = self._said.reasons
        for (target, reason), value in [*((row, 0) for row in before - shown), *((row, 1) for row in shown)]:
            self._metrics.inconclusive.labels(self._subject, target, reason.value).set(value)
        self._said.reasons = shown
