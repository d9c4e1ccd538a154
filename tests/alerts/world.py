"""A cluster's metrics over time, judged by promtool of both Prometheus versions.

    world = World(until=900)
    world.sentinel("team-a", lives=[(0, 600)])       what is scraped, second by second
    world.witness(breaches={...})                    with it, rendered for a cluster that has one
    world.fires("SentinelDown", at=720, tenant="team-a")
    world.nothing_else()
    world.judge()                                    promtool 2.42 and 3.15

Scraped and evaluated every 10 s, as shipped. An alert that fires `at` a second must not have fired one evaluation
earlier. Series end with a staleness marker, as they do when a pod is deleted or a scrape fails.
"""

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.alerts import promtool, rules

STEP = 10
"""Seconds between two scrapes, and between two evaluations."""
WITHIN = 120
SWEEP = 1800

_TOLD_APART = ("tenant", "target", "check", "identity", "kind", "exception", "gateway", "alert", "drill", "broken")

Value = Callable[[int], float | None]
"""What is scraped at a second; None: nothing, the series is not there."""
Life = tuple[int, int]
"""First and last second (exclusive) of one process."""

FOREVER = 10**9


@dataclass(frozen=True)
class Sentinel:
    """How one tenant's sentinel behaves. Times are seconds of the test."""

    tenant: str
    lives: Sequence[Life] = ((-900, FOREVER),)
    new_pods: bool = False  # each life is another pod, not a container that restarts
    outage: Life = (FOREVER, FOREVER)  # nothing is proven
    blind: Mapping[str, Life] = field(default_factory=dict)  # target -> nothing about it is proven
    reason: str = "ready"
    stalled_at: int = FOREVER  # no round is finished any more
    forgets: Sequence[str] = ()  # targets it does not speak of
    breaches: Mapping[tuple[str, str, str], Value] = field(default_factory=dict)  # check, identity, target
    coverage: Value = lambda second: 1.0
    more: Mapping[str, Value] = field(default_factory=dict)  # further series, as written in PromQL
    within: float = WITHIN
    config_hash: float = 0

    def series(self) -> dict[str, Value]:
        found: dict[str, Value] = {}
        for pod, lives in _pods(self.lives, self.new_pods).items():
            for name, value in self._of_process().items():
                metric, _, labels = name.partition("{")
                own = f'job="sentinel",tenant="{self.tenant}",instance="10.0.0.{pod}:8080"'
                found[f"{metric}{{{own}{',' + labels if labels else '}'}"] = _while_alive(lives, value)
        return found

    def _of_process(self) -> dict[str, Callable[[int, int], float | None]]:
        """Each series as a function of the second and of when this process started."""
        found: dict[str, Callable[[int, int], float | None]] = {
            "sentinel_build_info": lambda now, start: 1,
            "process_start_time_seconds": lambda now, start: start,
            "sentinel_round_timestamp_seconds": self._last_round,
            "sentinel_coverage_ratio": lambda now, start: self.coverage(now),
            "sentinel_config_hash": _constant(self.config_hash),
            "sentinel_config_last_reload_successful": lambda now, start: 1,
        }
        for tier, period in (("1", STEP), ("2", self.within), ("3", SWEEP)):
            found[f'sentinel_period_seconds{{tier="{tier}"}}'] = _constant(period)
        for check, identity in itertools.product(("api/secrets", "api/workloads"), ("self", "anonymous")):
            found[f'sentinel_attempts_total{{check="{check}",identity="{identity}",answer="denied"}}'] = _constant(1)
        for target in rules.targets_of(self.tenant):
            if target not in self.forgets:
                dark = [self.outage, self.blind.get(target, (FOREVER, FOREVER))]
                found[f'sentinel_oldest_proof_timestamp_seconds{{target="{target}"}}'] = _proof(
                    dark, self.within, self.stalled_at
                )
                found[f'sentinel_inconclusive{{target="{target}",reason="{self.reason}"}}'] = _during(dark)
        for (check, identity, target), value in self.breaches.items():
            labels = f'check="{check}",identity="{identity}",target="{target}"'
            found[f"sentinel_breach_since_timestamp_seconds{{{labels}}}"] = _ignoring_start(value)
        for name, value in self.more.items():
            found[name] = _ignoring_start(value)
        return found

    def _last_round(self, now: int, start: int) -> float:
        if start > self.stalled_at - STEP:
            return 0
        return min(now, self.stalled_at) - 3


def _during(dark: Sequence[Life]) -> Callable[[int, int], float]:
    return lambda now, start: float(any(begin <= now < end for begin, end in dark))


def _proof(dark: Sequence[Life], within: float, stalled_at: int) -> Callable[[int, int], float]:
    """The worst case that is still healthy: everything proven once per `within`, all at the same moment.

    After an outage the overdue questions come first, and are through `within` later.
    """

    every = int(within)

    def proven(now: int, start: int) -> float:
        mark = start + (min(now, max(start, stalled_at)) - start) // every * every
        for begin, end in dark:
            if begin <= mark < end + every and start < end:
                mark = end + every if now >= end + every else start + max(0, begin - start - 1) // every * every
        return mark

    return proven


@dataclass(frozen=True)
class Witness:
    """How the witness behaves; what it says of tenants that is not given here is quiet."""

    lives: Sequence[Life] = ((-900, FOREVER),)
    new_pods: bool = False
    breaches: Mapping[tuple[str, str, str, str], Value] = field(
        default_factory=dict
    )  # subject, check, identity, target
    stalled: Mapping[str, int] = field(default_factory=dict)  # subject -> no round about it is finished any more
    outage: Life = (FOREVER, FOREVER)  # nothing is proven
    blind: Mapping[tuple[str, str], Life] = field(default_factory=dict)  # subject, target -> nothing is proven
    forgets: Sequence[tuple[str, str]] = ()  # subject, target: it does not speak of them
    reason: str = "token"
    config_hash: float = 0
    more: Mapping[str, Value] = field(default_factory=dict)  # further series, as written in PromQL
    every: float = 30
    within: float = 360
    sweep: float = 3600

    def series(self, subjects: Iterable[str]) -> dict[str, Value]:
        found: dict[str, Value] = {}
        for pod, lives in _pods(self.lives, self.new_pods).items():
            for name, value in self._of_process(tuple(subjects)).items():
                metric, _, labels = name.partition("{")
                own = f'job="sentinel-witness",instance="10.0.1.{pod}:8080"'
                found[f"{metric}{{{own}{',' + labels if labels else '}'}"] = _while_alive(lives, value)
        return found

    def _of_process(self, subjects: Sequence[str]) -> dict[str, Callable[[int, int], float | None]]:
        found: dict[str, Callable[[int, int], float | None]] = {
            "sentinel_build_info": lambda now, start: 1,
            "process_start_time_seconds": lambda now, start: start,
            "sentinel_config_hash": _constant(self.config_hash),
            "sentinel_config_last_reload_successful": lambda now, start: 1,
        }
        for kind in ("RoleBinding", "ClusterRole"):
            found[f'sentinel_watch_up{{kind="{kind}"}}'] = _constant(1)
            found[f'sentinel_watch_missed_total{{kind="{kind}"}}'] = _constant(0)
        for subject in subjects:
            found |= self._of_subject(subject)
            for tier, period in (("1", self.every), ("2", self.within), ("3", self.sweep)):
                found[f'sentinel_witness_period_seconds{{subject="{subject}",tier="{tier}"}}'] = _constant(period)
        for (subject, check, identity, target), value in self.breaches.items():
            labels = f'subject="{subject}",check="{check}",identity="{identity}",target="{target}"'
            found[f"sentinel_witness_breach_since_timestamp_seconds{{{labels}}}"] = _ignoring_start(value)
        for name, value in self.more.items():
            found[name] = _ignoring_start(value)
        return found

    def _of_subject(self, subject: str) -> dict[str, Callable[[int, int], float | None]]:
        own = f'subject="{subject}"'
        found: dict[str, Callable[[int, int], float | None]] = {
            f"sentinel_witness_config_match{{{own}}}": _constant(1),
            f"sentinel_accounts_unwatched{{{own}}}": _constant(0),
            f"sentinel_witness_round_timestamp_seconds{{{own}}}": self._last_round(subject),
        }
        for target in rules.targets_of(subject):
            if (subject, target) not in self.forgets:
                of = f'{own},target="{target}"'
                dark = [self.outage, self.blind.get((subject, target), (FOREVER, FOREVER))]
                found[f"sentinel_witness_oldest_proof_timestamp_seconds{{{of}}}"] = _proof(dark, self.within, FOREVER)
                found[f'sentinel_witness_inconclusive{{{of},reason="{self.reason}"}}'] = _during(dark)
        return found

    def _last_round(self, subject: str) -> Callable[[int, int], float | None]:
        """Not there before the first round has ended."""
        end = self.stalled.get(subject, FOREVER)
        return lambda now, start: None if min(now, end) < start + self.every else min(now, end) - 3


def _pods(lives: Sequence[Life], each: bool) -> dict[int, list[Life]]:
    """The lives of each pod: all of one that restarts, or each of another one."""
    by_pod: dict[int, list[Life]] = {}
    for number, life in enumerate(lives):
        by_pod.setdefault(number if each else 0, []).append(life)
    return by_pod


def _constant(value: float) -> Callable[[int, int], float]:
    return lambda now, start: value


def _ignoring_start(value: Value) -> Callable[[int, int], float | None]:
    return lambda now, start: value(now)


def _while_alive(lives: Sequence[Life], value: Callable[[int, int], float | None]) -> Value:
    def scraped(now: int) -> float | None:
        for start, end in lives:
            if start <= now < end:
                return value(now, start)
        return None

    return scraped


class World:
    """All tenants quiet, unless told otherwise; `until` is the last second looked at, `step` as slow as hours allow.

    `only`: the files whose rules are judged, where the others have no say; it takes a third of the time.
    """

    def __init__(
        self,
        until: int,
        tenants: int = 5,
        step: int = STEP,
        *,
        witness: bool = False,
        only: Sequence[str] = (),
        **values: Any,
    ) -> None:
        self.until = until
        self._only = only
        self.step = step
        self._files = rules.shipped(tenants, witness=witness)
        if values:
            chosen = {"tenants": rules.TENANTS[:tenants], "witness": {"enabled": witness}} | values
            self._files = rules.rendered(**chosen)
        self._witness: Witness | None = None
        if witness:
            self.witness()
        self._hashes = rules.config_hashes(self._files)
        self._sentinels: dict[str, Sentinel] = {}
        for tenant in rules.TENANTS[:tenants]:
            self.sentinel(str(tenant["name"]))
        self._extra: dict[str, Value] = {}
        self._unscraped: Life = (FOREVER, FOREVER)
        self._remembered: dict[str, float] = {}
        self._tests: list[dict[str, Any]] = []
        self._named: set[tuple[tuple[str, str], ...]] = set()
        self._annotated: list[dict[str, Any]] = []

    def sentinel(self, tenant: str, **how: Any) -> None:
        self._sentinels[tenant] = Sentinel(tenant, config_hash=self._hashes[tenant], **how)

    def everybody(self, **how: Any) -> None:
        for tenant in self._sentinels:
            self.sentinel(tenant, **how)

    def witness(self, **how: Any) -> None:
        self._witness = Witness(config_hash=rules.witness_hash(self._files), **how)

    def unscraped(self, begin: int, end: int) -> None:
        """Prometheus itself was away: nothing is scraped, and nothing is marked as ended."""
        self._unscraped = (begin, end)

    def also(self, series: str, value: Value) -> None:
        """A series of somebody else."""
        self._extra[series] = value

    def remembered(self, series: str, value: float) -> None:
        """What a rule recorded once, before this world began."""
        self._remembered[series] = value

    def fires(self, alert: str, /, at: int, until: int | None = None, **labels: str) -> None:
        """It fires at `at`, for the first time, and, if given, no longer at `until`."""
        self._named.add(_identity(alert, labels))
        self._look(alert, labels, at, 1)
        if at >= self.step:
            self._never(alert, labels, before=at)
        if until is not None:
            self._look(alert, labels, until - self.step, 1)
            self._look(alert, labels, until, 0)

    def stands(self, alert: str, at: int, **labels: str) -> None:
        self._look(alert, labels, at, 1)

    def gone(self, alert: str, at: int, **labels: str) -> None:
        self._look(alert, labels, at, 0)

    def value(self, expression: str, at: int, wanted: float) -> None:
        self._expect(expression, at, [{"labels": "{}", "value": wanted}])

    def annotated(self, alert: str, at: int, labels: Mapping[str, str], annotations: Mapping[str, str]) -> None:
        """All labels and annotations of all alerts of that name, which is one."""
        wanted = [{"exp_labels": dict(labels), "exp_annotations": dict(annotations)}]
        self._named.add(_identity(alert, labels))
        self._annotated.append({"eval_time": f"{at}s", "alertname": alert, "exp_alerts": wanted})

    def nothing_else(self) -> None:
        """From the first second to the last, nothing fired but what was named."""
        fired = (
            f"group by (alertname, {', '.join(_TOLD_APART)}) "
            '(count_over_time(ALERTS{alertstate="firing",severity!="none"}[%ds]))'
        )
        rows = [{"labels": f"{{{_written(dict(labels))}}}", "value": 1} for labels in sorted(self._named)]
        self._expect(fired % (self.until + 1), self.until, rows)

    def judge(self) -> None:
        """Both promtools, or AssertionError with what they say."""
        files = {f"{name}.rules.yaml": self._files[f"{name}.rules.yaml"] for name in self._order()}
        if said := promtool.complaints(files, self._file()):
            raise AssertionError(said)

    def _look(self, alert: str, labels: Mapping[str, str], at: int, wanted: int) -> None:
        selector = f'count(ALERTS{{alertname="{alert}",alertstate="firing",{_written(labels)}}})'
        self._expect(f"{selector} or vector(0)", at, [{"labels": "{}", "value": wanted}])

    def _never(self, alert: str, labels: Mapping[str, str], before: int) -> None:
        selector = f'ALERTS{{alertname="{alert}",alertstate="firing",{_written(labels)}}}'
        self._expect(f"count(count_over_time({selector}[{before}s]))", before - self.step, [])

    def _expect(self, expression: str, at: int, rows: list[dict[str, Any]]) -> None:
        if at > self.until:
            raise ValueError(f"{at} is after the end of this world, {self.until}")
        self._tests.append({"expr": expression, "eval_time": f"{at}s", "exp_samples": rows})

    def _order(self) -> list[str]:
        return [name for name in rules.order(self._files) if name in self._only or not self._only]

    def _file(self) -> dict[str, Any]:
        series = {name: value for who in self._sentinels.values() for name, value in who.series().items()}
        if self._witness is not None:
            series |= self._witness.series(self._sentinels)
        seconds = range(0, self.until + 1, self.step)
        values = {name: written(value, seconds, self._unscraped) for name, value in (series | self._extra).items()}
        values |= {name: repr(value) for name, value in self._remembered.items()}
        test = {
            "interval": f"{self.step}s",
            "input_series": [{"series": name, "values": value} for name, value in values.items()],
            "promql_expr_test": self._tests,
            "alert_rule_test": self._annotated,
        }
        order = self._order()
        return {
            "rule_files": [f"{name}.rules.yaml" for name in order],
            "evaluation_interval": f"{self.step}s",
            "group_eval_order": [f"sentinel-{name}" for name in order],
            "tests": [test],
        }


def _written(labels: Mapping[str, str]) -> str:
    return ",".join(f'{name}="{value}"' for name, value in labels.items())


def _identity(alert: str, labels: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    kept = {name: labels[name] for name in _TOLD_APART if name in labels}
    return tuple(sorted({"alertname": alert, **kept}.items()))


def written(value: Value, seconds: range, unscraped: Life = (FOREVER, FOREVER)) -> str:
    """promtool's notation; runs of the same are written once, a series that ends gets a staleness marker."""
    words: list[str] = []
    before: float | None = None
    for now in seconds:
        if unscraped[0] <= now < unscraped[1]:
            words.append("_")
            continue
        scraped = value(now)
        words.append(_number(scraped) if scraped is not None else "stale" if before is not None else "_")
        before = scraped
    runs = ((word, len(list(same))) for word, same in itertools.groupby(words))
    return " ".join(_repeated(word, times) for word, times in runs)


def _number(value: float) -> str:
    return repr(value) if math.isfinite(value) else {"inf": "Inf", "-inf": "-Inf", "nan": "NaN"}[repr(value)]


def _repeated(word: str, times: int) -> str:
    """`1x3` are four samples, `_x3` are three; what is no number cannot be repeated so."""
    if word in ("Inf", "-Inf", "NaN"):
        return " ".join([word] * times)
    if times == 1:
        return word
    return f"{word}x{times if word == '_' else times - 1}"
