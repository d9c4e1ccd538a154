"""The Prometheus names of gateways, and a sink that fills them from the news of `engine.gateway`.

Labels are closed: gateways and providers as configured (what else is named is `other`), outcomes,
verdicts, rules. What a gateway said is in no label. Figures that grow while an outage lasts are
asked for at each scrape, so that they are never older than that.
"""

import itertools
from collections.abc import Callable, Collection, Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from sentinel.core.gateway import leaks
from sentinel.core.gateway.failover import Bounds, Episode, Verdict
from sentinel.core.gateway.news import SKIPPED, CameBack, Ended, News, Probed, Skipped, Stand, Tail
from sentinel.core.gateway.outcome import Kind, Level, Outcome
from sentinel.core.gateway.provider import UNKNOWN

OTHER = "other"
DURATIONS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 20, 25, 30, 45, 60)
TOKENS = (0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 10)
FAILOVERS = (0.5, 1, 2, 5, 10, 15, 20, 25, 30, 45, 60, 120, 300)
ATTEMPTS = (0, 1, 2, 3, 5, 10)
_GATEWAY = "gateway"


class GatewayMetrics:
    """The names, in a registry that others have too. All times in seconds."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Every name; children appear with `expect`."""
        self._registry = registry
        self._providers: dict[str, tuple[str, ...]] = {}
        self._describe_probes()
        self._describe_failover()
        self._describe_manners()
        self._describe_ourselves()

    def expect(self, gateway: str, providers: Iterable[str], direct: Iterable[str], stand: Callable[[], Stand]) -> None:
        """A gateway is asked from now on: its children at 0, so that the first increase is seen."""
        names = (*providers, UNKNOWN)
        self._providers[gateway] = names
        children: tuple[tuple[Counter, tuple[Iterable[str], ...]], ...] = (
            (self.probes, ((*names, OTHER), Outcome, ("true", "false"))),
            (self.events, (names, names, Verdict)),
            (self.direct, (tuple(direct), Outcome)),
            (self.manners, (Level,)),
            (self.leaks, ((*leaks.NAMES, leaks.EXTRA),)),
            (self.truncated, (Kind,)),
            (self.skipped, (SKIPPED,)),
            (self.tokens, (("in", "out"),)),
            *((plain, ()) for plain in (self.unknown, self.cross_talk, self.stale, self.broken, self.kept, self.pages)),
        )
        for counter, labels in children:
            for values in itertools.product(*labels):
                counter.labels(gateway, *map(str, values))
        self._follow(gateway, names, stand)

    def forget_others(self, gateways: Collection[str]) -> None:
        """A gateway that was taken out neither lasts nor answers; what was counted stays."""
        gauges = (self.serving, self.provider_up, self.open, self.open_felt, self.waiting)
        for gauge in (*gauges, self.fast, self.period, self.budget, self.money):
            for labels in [*gauge._metrics]:  # noqa: SLF001  # the library has no public list of children
                if labels[0] not in gateways:
                    gauge.remove(*labels)

    def put(self, news: News) -> None:
        """Count it."""
        match news:
            case Probed(target="") as probed:
                self._probed(probed)
            case Probed() as probed:
                self._asked_directly(probed)
            case Ended() as ended:
                self._ended(ended)
            case Skipped():
                self.skipped.labels(news.gateway, news.reason).inc(news.slots)
            case CameBack(seconds=float() as seconds):
                self.failback.labels(news.gateway).observe(seconds)
            case Tail():
                self.tail.labels(news.gateway).observe(news.seconds)

    def _probed(self, news: Probed) -> None:
        judged, gateway = news.judged, news.gateway
        provider = self._known(gateway, judged.served.provider)
        stream = "true" if judged.stream else "false"
        self.probes.labels(gateway, provider, judged.outcome.value, stream).inc()
        self._spent(news)
        if judged.outcome is Outcome.HARNESS_ERROR:
            return
        self.duration.labels(gateway, provider, stream, "good" if judged.good else "bad").observe(judged.took)
        self._timed(news, provider)
        self._mannered(news)
        if judged.good and provider == UNKNOWN:
            self.unknown.labels(gateway).inc()
        if judged.cross_talk:
            self.cross_talk.labels(gateway).inc()
        if judged.stale:
            self.stale.labels(gateway).inc()

    def _timed(self, news: Probed, provider: str) -> None:
        judged, gateway = news.judged, news.gateway
        if judged.stream and judged.first_token is not None:
            self.first_token.labels(gateway, provider).observe(judged.first_token)
            self.gap.labels(gateway, provider).observe(judged.gap)
        if news.penalty is not None:
            self.penalty.labels(gateway, provider).observe(news.penalty)
        if judged.served.attempts is not None and judged.served.attempts >= 0:
            self.attempts.labels(gateway).observe(judged.served.attempts)

    def _mannered(self, news: Probed) -> None:
        judged, gateway = news.judged, news.gateway
        self.manners.labels(gateway, judged.level.value).inc()
        for rule in judged.leaks:
            self.leaks.labels(gateway, rule).inc()
        if judged.kind is not None:
            self.truncated.labels(gateway, judged.kind.value).inc()
        if judged.retry_after is not None and not judged.good:
            self.retry_after.labels(gateway).observe(judged.retry_after)
        self.kept.labels(gateway).inc(news.promises_kept)
        self.broken.labels(gateway).inc(news.promises_broken)

    def _asked_directly(self, news: Probed) -> None:
        self.direct.labels(news.gateway, news.target, news.judged.outcome.value).inc()
        self._spent(news)
        if news.judged.outcome not in (Outcome.HARNESS_ERROR, Outcome.CONFIG_ERROR):
            self.provider_up.labels(news.gateway, news.target).set(news.judged.good)

    def _spent(self, news: Probed) -> None:
        self.tokens.labels(news.gateway, "in").inc(news.tokens_in)
        self.tokens.labels(news.gateway, "out").inc(news.tokens_out)

    def _ended(self, news: Ended) -> None:
        episode, gateway = news.episode, news.gateway
        source, to = self._known(gateway, episode.source), self._known(gateway, episode.to)
        self.events.labels(gateway, source, to, episode.verdict.value).inc()
        if news.pages:
            self.pages.labels(gateway).inc()
        if episode.user is not None and episode.verdict is not Verdict.INVALID:
            self.felt.labels(gateway).observe(episode.user)
        for stage, bounds in _stages(episode):
            self.failover.labels(gateway, source, to, "lower", stage).observe(bounds.lower)
            self.failover.labels(gateway, source, to, "upper", stage).observe(bounds.upper)

    def _known(self, gateway: str, provider: str) -> str:
        return provider if provider in self._providers.get(gateway, ()) else OTHER

    def _follow(self, gateway: str, providers: Iterable[str], stand: Callable[[], Stand]) -> None:
        """What is asked for at each scrape."""

        def serves(provider: str) -> Callable[[], float]:
            return lambda: float(stand().steady == provider)

        def open_(of: str) -> Callable[[], float]:
            return lambda: float(getattr(stand().live, of, 0.0))

        for provider in providers:
            self.serving.labels(gateway, provider).set_function(serves(provider))
        self.open.labels(gateway).set_function(open_("lower"))
        self.open_felt.labels(gateway).set_function(open_("user"))
        self.waiting.labels(gateway).set_function(lambda: stand().waiting)
        self.fast.labels(gateway).set_function(lambda: float(stand().fast))
        self.period.labels(gateway).set_function(lambda: stand().period or 0.0)
        self.budget.labels(gateway).set_function(lambda: stand().spent)
        self.money.labels(gateway).set_function(lambda: stand().spent_money)

    def _describe_probes(self) -> None:
        self.probes = self._counter(
            "probes", "Completions asked for, by what they were worth.", "provider", "outcome", "stream"
        )
        self.duration = self._histogram(
            "probe_duration_seconds", "From the beginning to the end.", DURATIONS, "provider", "stream", "result"
        )
        self.first_token = self._histogram("first_token_seconds", "To the first token of text.", TOKENS, "provider")
        self.gap = self._histogram("max_token_gap_seconds", "The longest pause between two tokens.", TOKENS, "provider")
        self.truncated = self._counter("truncated", "Answers that ended in the middle, by how.", "kind")
        self.direct = self._counter("provider_probes", "Asked of a provider itself.", "provider", "outcome")
        self.provider_up = self._gauge("provider_up", "Whether a provider answered when last asked itself.", "provider")

    def _describe_failover(self) -> None:
        self.failover = self._histogram(
            "failover_seconds",
            "Without an answer when a provider died: the truth lies between the bounds.",
            FAILOVERS,
            *("from", "to", "bound", "stage"),
        )
        self.events = self._counter("failover_events", "Episodes, by verdict.", "from", "to", "verdict")
        self.pages = self._counter("failover_pages", "Episodes that were felt, or proven, beyond the promise.")
        self.felt = self._histogram("failover_user_seconds", "Who asked first and tried again waited it.", FAILOVERS)
        self.open = self._gauge("failover_open_seconds", "The lower bound of an outage that lasts; 0 when none does.")
        self.open_felt = self._gauge("failover_open_user_seconds", "For how long who asked first waits by now.")
        self.penalty = self._histogram("failover_penalty_seconds", "What it took beyond the usual.", FAILOVERS, "to")
        self.failback = self._histogram(
            "failback_seconds", "From the primary's recovery to its first answer.", FAILOVERS
        )
        self.tail = self._histogram("cooldown_tail_seconds", "Somebody could have answered, and nobody did.", FAILOVERS)
        self.serving = self._gauge("serving_provider", "1 for the one who answers.", "provider")
        self.unknown = self._counter("identity_unknown", "Good answers of nobody knows whom.")

    def _describe_manners(self) -> None:
        self.manners = self._counter("graceful", "How it looked to whoever waited.", "level")
        self.leaks = self._counter("leaks", "What no user may read, by rule.", "rule")
        self.cross_talk = self._counter("cross_talk", "The answer to another tenant.")
        self.stale = self._counter("stale", "An older answer to us: a cache.")
        self.attempts = self._histogram("reported_attempts", "As the gateway says, which need not be so.", ATTEMPTS)
        self.retry_after = self._histogram("retry_after_seconds", "When to come back, as errors say.", FAILOVERS)
        self.kept = self._counter("retry_after_kept", "It was good again by then.")
        self.broken = self._counter("retry_after_broken", "It was not.")

    def _describe_ourselves(self) -> None:
        self.skipped = self._counter("probes_skipped", "Slots not used: the bounds are wider for it.", "reason")
        self.tokens = self._counter("probe_tokens", "Tokens used.", "direction")
        self.waiting = self._gauge("probes_inflight", "Probes under way.")
        self.fast = self._gauge("fast", "1 while something is wrong, and ten seconds after.")
        self.period = self._gauge("period_seconds", "Between two probes; 0 while the budget is used up.")
        self.budget = self._gauge("budget_ratio", "Share of the day's budget that is spent.")
        self.money = self._gauge("spent_money", "Spent today, in the currency of the configured price.")

    def _counter(self, name: str, help_: str, *labels: str) -> Counter:
        return Counter(f"sentinel_gateway_{name}", help_, (_GATEWAY, *labels), registry=self._registry)

    def _gauge(self, name: str, help_: str, *labels: str) -> Gauge:
        return Gauge(f"sentinel_gateway_{name}", help_, (_GATEWAY, *labels), registry=self._registry)

    def _histogram(self, name: str, help_: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        named = (_GATEWAY, *labels)
        return Histogram(f"sentinel_gateway_{name}", help_, named, buckets=buckets, registry=self._registry)


def _stages(episode: Episode) -> list[tuple[str, Bounds]]:
    found = (("first", episode.first), ("stable", episode.stable))
    return [(stage, bounds) for stage, bounds in found if bounds is not None]
