"""All Prometheus names, in one table, and the sink that fills them.

Labels come from closed sets, and every child that can be known is there at 0 from the start: a
counter that first appears at 1 is invisible to `increase()`. The exception is
`sentinel_breach_since_timestamp_seconds`: a 0 there is proof, and a restart must not look like it.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import product

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from sentinel import __version__
from sentinel.core.answer import CODE_CLASSES, Answer, code_class
from sentinel.core.api.gates import OWN_GATES, Gate
from sentinel.core.api.plan import Plan
from sentinel.core.api.question import CLUSTER
from sentinel.core.api.resources import CHECKS
from sentinel.core.labels import ANCHORED, DELAYS, LAGS, NETWORK_REASONS, PUSH_RESULTS, REASONS
from sentinel.core.net.net_gates import NetGate
from sentinel.core.record import GateRow, Installed, Record, Round, series_of
from sentinel.core.standing import Turn
from sentinel.core.verdict import Reason, State

SKIPS = ("late", "round-failed", *(reason.value for reason in REASONS))
NETWORK_SKIPS = ("late", "round-failed", *(reason.value for reason in NETWORK_REASONS))
"""Why something due was not asked: a slot that had passed, a round that failed, or the reason."""
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)


@dataclass(frozen=True, slots=True)
class _Hot:
    """The children that every question touches, looked up once: it is the hot path."""

    attempts: dict[Answer, Counter]
    responses: dict[str, Counter]
    denials: dict[str, Counter]


class Metrics:
    """The registry and the sink. Times in seconds."""

    def __init__(self) -> None:
        """Every name; children appear with `expect`."""
        # When a counter began is of no use to our rules, and would be a third of the lines.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the library is typed but for this
        self.registry = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self._hot: dict[tuple[str, str], _Hot] = {}
        self._shown: set[tuple[str, Reason]] = set()
        self._took: dict[str, Histogram] = {}
        self._verdicts: dict[tuple[str, State], Counter] = {}
        self._describe_questions()
        self._describe_beliefs()
        self._describe_exceptions()
        self._describe_installed()
        self._describe_ourselves()
        self.build_info.labels(__version__).set(1)

    def expect(self, plan: Plan) -> None:
        """Create every child that this plan can give, at 0."""
        scope = plan.scope
        self._forget_others((*scope.accounts, *scope.anonymous))
        for check, identity in product(CHECKS, (*scope.accounts, *scope.anonymous)):
            self._children(check, identity)
        for check in CHECKS:
            self._took[check] = self.duration.labels(check)
            self.breaches.labels(check)
            for state in State:
                self._verdicts[check, state] = self.verdicts.labels(check, state.value)
            for reason in SKIPS:
                self.skipped.labels(check, reason)
        self._expect_targets(plan)
        self._expect_exceptions(plan)
        for result in PUSH_RESULTS:
            self.pushes.labels(result)
        for tier in (1, 2, 3):
            self.period.labels(str(tier)).set(plan.period(tier))

    def expect_network(self, checks: Collection[str], targets: Collection[str], identity: str, period: float) -> None:
        """The same for what is asked over the network; nothing of it is there where nothing of it is asked."""
        for check in checks:
            self.expect_beside(check, identity, targets, NETWORK_REASONS)
            for reason in NETWORK_SKIPS:
                self.skipped.labels(check, reason)
        for gate in NetGate:
            self.gate_up.labels(gate.value, identity)
        self.period.labels("network").set(period)

    def expect_beside(self, check: str, identity: str, targets: Collection[str], reasons: Collection[Reason]) -> None:
        """The same for one class of promise that is not about the API, and what it can be inconclusive for."""
        self._children(check, identity)
        self._took[check] = self.duration.labels(check)
        self.breaches.labels(check)
        for state in State:
            self._verdicts[check, state] = self.verdicts.labels(check, state.value)
        for target, reason in product(targets, reasons):
            self.inconclusive.labels(target, reason.value)

    def show_proofs(self, oldest: Mapping[str, float]) -> None:
        """Say how old the proofs are, per target in wall seconds; before the first round this is our own start.

        Without it the rules would judge a new process by the last proof of the one before.
        """
        for target, at in oldest.items():
            self.oldest_proof.labels(target).set(at)

    def put(self, record: Record) -> None:
        """Count one question; a breach is published at once, not at the end of the round."""
        question = record.question
        check = question.check
        if record.asked:
            self._count(check, question.identity, record)
        else:
            self.skipped.labels(check, record.verdict.reason.value).inc()
        change = record.change
        if change is not None and change.turn is Turn.OPENED and not record.subsumed:
            self.breaches.labels(check).inc()
            if change.breach is not None and change.breach.is_attributed:
                _begin(self.breach_since.labels(*series_of(question)), change.breach.since)
            elif change.breach is not None:
                _begin(self.unattributed_since.labels(check, question.target), change.breach.since)

    def end_round(self, report: Round) -> None:
        """Publish what is believed."""
        self.round_at.set(report.ended if report.oldest_end is None else report.oldest_end)
        self.coverage.set(report.coverage)
        for tier, period in report.periods.items():
            self.period.labels(str(tier)).set(period)
        for series, since in report.breach_since.items():
            self.breach_since.labels(*series).set(since)
        for key, since in report.unattributed.items():
            self.unattributed_since.labels(*key).set(since)
        self.show_proofs(report.oldest_proof)
        self._show_reasons(report)
        self._show_gates(report.gates)
        _flag(self.latent, report.latent)
        _flag(self.review_only, report.review_only)
        _flag(self.incomplete, report.incomplete)
        _flag(self.wrong_identity, report.wrong_identity)
        self._show_exceptions(report)
        self._show_installed(report.installed)
        for identity, at in report.expiry.items():
            self.token_expiry.labels(identity).set(at)

    def stand_by(self) -> None:
        """Take away what is believed: another pod asks the API server, or we begin anew and have asked nothing yet."""
        gauges = (self.breach_since, self.unattributed_since, self.inconclusive, self.gate_up, self.oldest_proof)
        flags = (self.period, self.latent, self.review_only, self.incomplete, self.wrong_identity, self.token_expiry)
        for gauge in (*gauges, *flags, self.exception_until, self.exception_unused, self.exception_in_use):
            gauge.clear()
        self._shown = set()
        # Not 0, which would be a word: no aggregate counts these.
        self.coverage.set(float("nan"))
        self.round_at.set(float("nan"))

    def note_config(self, taken: bool, checksum: int) -> None:  # noqa: FBT001  # a callback has no names
        """A configuration file was taken, or refused."""
        self.reload_ok.set(1 if taken else 0)
        if taken:
            self.config_hash.set(checksum)

    def count_skipped(self, slots: int, checks: Collection[str] = CHECKS) -> None:
        """Rounds whose slot had passed before they could begin."""
        if slots > 0:
            for check in checks:
                self.skipped.labels(check, "late").inc(slots)

    def count_failed_round(self, checks: Collection[str] = CHECKS) -> None:
        """A round that ended by our own bug."""
        for check in checks:
            self.skipped.labels(check, "round-failed").inc()

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

    def _count(self, check: str, identity: str, record: Record) -> None:
        hot = self._hot.get((check, identity)) or self._children(check, identity)
        seen = record.observation
        code = code_class(seen.code)
        hot.attempts[seen.answer].inc()
        hot.responses[code].inc()
        self._took[check].observe(seen.took)
        state = record.verdict.state
        self._verdicts[check, state].inc()
        if record.verdict.reason is Reason.DENIED and code in hot.denials:
            hot.denials[code].inc()

    def _children(self, check: str, identity: str) -> _Hot:
        hot = self._hot[check, identity] = _Hot(
            {answer: self.attempts.labels(check, identity, answer.value) for answer in Answer},
            {code: self.responses.labels(check, identity, code) for code in CODE_CLASSES},
            {code: self.denials.labels(check, identity, code) for code in ("401", "403")},
        )
        return hot

    def _forget_others(self, identities: Collection[str]) -> None:
        """An identity that was taken out is neither red nor does its last token run out."""
        for gauge, label in ((self.token_expiry, 0), (self.gate_up, 1)):
            for child in [*gauge._metrics]:  # noqa: SLF001  # the library has no public list of children
                if child[label] not in identities:
                    gauge.remove(*child)

    def _expect_targets(self, plan: Plan) -> None:
        scope = plan.scope
        for target in (*scope.everywhere, CLUSTER):
            for flag in (self.latent, self.review_only, self.incomplete):
                flag.labels(target)
            for reason in REASONS:
                self.inconclusive.labels(target, reason.value)
        for identity in scope.accounts:
            self.wrong_identity.labels(identity)
            for gate in (*OWN_GATES, Gate.TYPE, Gate.DOOR, Gate.TRIPWIRE):
                self.gate_up.labels(gate.value, identity)
        for identity in scope.anonymous:
            self.gate_up.labels(Gate.WHOAMI.value, identity)

    def _expect_exceptions(self, plan: Plan) -> None:
        rows = [row for row in plan.scope.exceptions.ours if not row.builtin]
        for gauge in (self.exception_until, self.exception_unused, self.exception_in_use):
            gauge.clear()
        for row in rows:
            self.exception_unused.labels(row.name)
            self.exception_in_use.labels(row.name)
            if row.ends is not None:
                self.exception_until.labels(row.name).set(row.ends)

    def _show_exceptions(self, report: Round) -> None:
        for row in report.exceptions:
            self.exception_unused.labels(row.allowance.name).set(row.unused)
            self.exception_in_use.labels(row.allowance.name).set(row.in_use)

    def _show_installed(self, found: Installed) -> None:
        self.types_installed.set(found.asked)
        self.types_uncovered.set(len(found.uncovered))
        self.types_left_out.set(found.left_out)
        if found.read is not None:
            self.discovery_at.set(found.read)

    def _show_reasons(self, report: Round) -> None:
        rows = report.inconclusive.items()
        shown = {(target, reason) for target, reasons in rows for reason in reasons}
        for target, reason in self._shown - shown:
            self.inconclusive.labels(target, reason.value).set(0)
        for target, reason in shown - self._shown:
            self.inconclusive.labels(target, reason.value).set(1)
        self._shown = shown

    def _show_gates(self, rows: Collection[GateRow]) -> None:
        up: dict[tuple[str, str], bool] = {}
        for row in rows:
            key = (row.gate.value, row.identity)
            up[key] = up.get(key, True) and row.light.up
        for (gate, identity), light in up.items():
            self.gate_up.labels(gate, identity).set(light)

    def _describe_questions(self) -> None:
        who = ("check", "identity")
        self.attempts = self._counter("attempts", "Questions asked, by answer.", *who, "answer")
        self.responses = self._counter("responses", "Replies, by status code.", *who, "code")
        self.denials = self._counter("denials", "Denials that were proven.", *who, "code")
        self.verdicts = self._counter("verdicts", "Verdicts.", "check", "verdict")
        self.breaches = self._counter("breaches", "New breaches.", "check")
        self.skipped = self._counter("attempts_skipped", "What was due and not asked.", "check", "reason")
        self.duration = self._histogram("probe_duration_seconds", "From question to reply.", _SECONDS, "check")

    def _describe_beliefs(self) -> None:
        self.breach_since = self._gauge(
            "breach_since_timestamp_seconds",
            "First evidence of the breach that stands; 0 once proven shut.",
            *("check", "identity", "target"),
        )
        self.unattributed_since = self._gauge(
            "unattributed_since_timestamp_seconds",
            "First evidence that somebody there takes our packets without saying who it is; 0 once that is over.",
            *("check", "target"),
        )
        self.inconclusive = self._gauge("inconclusive", "1 where something cannot be proven.", "target", "reason")
        self.gate_up = self._gauge("gate_up", "1 while the control is green.", "gate", "identity")
        self.coverage = self._gauge("coverage_ratio", "Share of questions proven within two periods of their tier.")
        self.oldest_proof = self._gauge(
            "oldest_proof_timestamp_seconds",
            "The oldest last proof among the questions of tiers 1 and 2.",
            "target",
        )
        self.round_at = self._gauge("round_timestamp_seconds", "End of the last finished round.")
        self.period = self._gauge("period_seconds", "Period of a tier, stretched.", "tier")
        self.latent = self._gauge("latent_grant", "1 where a role that does not exist is bound to us.", "target")
        self.review_only = self._gauge("review_only", "1 where a review lists what cannot be asked for real.", "target")
        self.incomplete = self._gauge("tripwire_incomplete", "1 where an authorizer does not list its rules.", "target")
        self.wrong_identity = self._gauge("wrong_identity", "1 while whoami names somebody else.", "identity")

    def _describe_exceptions(self) -> None:
        """`exception` is one of the configuration: `<from>-><to>`."""
        self.exception_until = self._gauge(
            "exception_until_timestamp_seconds", "End of the last day of a wanted grant.", "exception"
        )
        self.exception_unused = self._gauge(
            "exception_unused", "1 where all it covers was denied for two sweeps, and no review lists it.", "exception"
        )
        self.exception_in_use = self._gauge("exception_in_use", "Questions now let in by it.", "exception")

    def _describe_installed(self) -> None:
        """Of types beyond our own list; which they are, the console says."""
        self.types_installed = self._gauge("types_discovered", "Installed types that are asked about.")
        self.types_uncovered = self._gauge("types_uncovered", "Installed types that were not all answered yet.")
        self.types_left_out = self._gauge("types_left_out", "Installed types beyond what is asked by plan.")
        self.discovery_at = self._gauge("discovery_timestamp_seconds", "When the served types were last read.")

    def _describe_ourselves(self) -> None:
        self.token_expiry = self._gauge("token_expiry_timestamp_seconds", "End of the identity's token.", "identity")
        self.config_hash = self._gauge("config_hash", "Adler-32 of the configuration file.")
        self.reload_ok = self._gauge("config_last_reload_successful", "1 while the file as it stands is in use.")
        self.build_info = self._gauge("build_info", "1, by version.", "version")
        self.lease_since = self._gauge(
            "lease_since_timestamp_seconds",
            "Since when this pod of several asks the API server; 0 while another does, or where there is one pod.",
        )
        self.schedule_lag = self._histogram("schedule_lag_seconds", "How late rounds begin.", LAGS)
        self.loop_lag = self._histogram("loop_lag_seconds", "How late our own loop is.", LAGS)
        self.pushes = self._counter("page_pushes", "Pushes to Alertmanager.", "result")
        self.journal_lost = self._counter("journal_lost", "Lines of the journal that could not be written.")
        self.journal_failing = self._gauge("journal_failing", "1 while the journal cannot be written.")
        self.journal_anchors = self._counter("journal_anchors", "Heads of the journal told to the anchor.", "result")
        for result in ANCHORED:
            self.journal_anchors.labels(result)
        self.journal_anchored = self._gauge(
            "journal_anchored_timestamp_seconds", "When the anchor took a head last; 0: never."
        )
        self.page_delay = self._histogram("page_delay_seconds", "First evidence to accepted push.", DELAYS)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"sentinel_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"sentinel_{name}", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"sentinel_{name}", text, labels, registry=self.registry, buckets=buckets)


def _begin(child: Gauge, since: float) -> None:
    """The first evidence stays, whatever comes after it."""
    if not child._value.get():  # noqa: SLF001  # the library has no public getter
        child.set(since)


def _flag(gauge: Gauge, raised: Collection[str]) -> None:
    """1 for the raised, 0 for every other child there is."""
    for child in [*gauge._metrics]:  # noqa: SLF001  # the library has no public list of children
        gauge.labels(*child).set(0.0 if child[0] not in raised else 1.0)
    for label in raised:
        gauge.labels(label).set(1)
