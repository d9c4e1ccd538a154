"""One Prometheus as it runs: whom it asks how often, which rules it has, and whom it tells."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sentinel.core.paging import duration
from sentinel.core.paging.reading import mapping, mappings, texts, word, words
from sentinel.core.paging.relabel import Step


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `waits`: its `for`, seconds. `error`: why its last evaluation failed."""

    name: str
    expr: str
    alerts: bool
    waits: float = 0.0
    labels: Mapping[str, str] = field(default_factory=dict)
    error: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Rules that are evaluated in turn, every `interval` seconds; the last time took `took` seconds."""

    name: str
    interval: float
    rules: tuple[Rule, ...]
    took: float = 0.0


@dataclass(frozen=True, slots=True)
class Target:
    """Something that is scraped, every `interval` seconds, for `timeout` at most. `pool`: its section's name."""

    pool: str
    labels: Mapping[str, str]
    interval: float
    timeout: float
    error: str = ""

    @property
    def job(self) -> str:
        """Its label `job`, by which our rules know it."""
        return self.labels.get("job", "")


@dataclass(frozen=True, slots=True)
class Prometheus:
    """What is known of one. `senders`: the relabelling of alerts, once for each section of Alertmanagers."""

    url: str
    version: str
    resend: float
    query_offset: float
    external: Mapping[str, str]
    senders: tuple[tuple[Step, ...], ...]
    metric_steps: Mapping[str, tuple[Step, ...]]
    groups: tuple[Group, ...]
    targets: tuple[Target, ...]
    alertmanagers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answers:
    """What its API said: `data` of each, and the configuration as values."""

    config: Any
    flags: Any
    build: Any
    rules: Any
    targets: Any
    alertmanagers: Any


def read(url: str, said: Answers) -> Prometheus:
    """Raises ValueError with a sentence."""
    config, flags = mapping(said.config, "configuration"), mapping(said.flags, "flags")
    if "agent" in word(flags.get("enable-feature"), "enable-feature") or flags.get("agent") == "true":
        raise ValueError("it runs as an agent, which evaluates no rules")
    if "rules.alert.resend-delay" not in flags:
        raise ValueError("its flags have no rules.alert.resend-delay: this is no Prometheus, or hides its flags")
    general = mapping(config.get("global"), "global")
    return Prometheus(
        url,
        word(mapping(said.build, "buildinfo").get("version"), "version"),
        duration.seconds(flags["rules.alert.resend-delay"], "rules.alert.resend-delay"),
        duration.seconds(general.get("rule_query_offset", "0s"), "rule_query_offset"),
        texts(general.get("external_labels"), "external_labels"),
        _senders(mapping(config.get("alerting"), "alerting")),
        _metric_steps(config),
        tuple(_group(one) for one in mappings(mapping(said.rules, "rules").get("groups"), "groups")),
        tuple(_target(one) for one in mappings(mapping(said.targets, "targets").get("activeTargets"), "activeTargets")),
        _posted_to(said.alertmanagers),
    )


def _senders(alerting: Mapping[str, Any]) -> tuple[tuple[Step, ...], ...]:
    shared = steps(alerting.get("alert_relabel_configs"), "alert_relabel_configs")
    own = (
        steps(one.get("alert_relabel_configs"), "alertmanagers.alert_relabel_configs")
        for one in mappings(alerting.get("alertmanagers"), "alertmanagers")
    )
    return tuple(shared + more for more in own)


def _metric_steps(config: Mapping[str, Any]) -> dict[str, tuple[Step, ...]]:
    jobs = mappings(config.get("scrape_configs"), "scrape_configs")
    return {
        word(job.get("job_name"), "job_name"): steps(job.get("metric_relabel_configs"), "metric_relabel_configs")
        for job in jobs
    }


def steps(value: Any, name: str) -> tuple[Step, ...]:
    """A list of relabelling steps, defaults filled in. Raises ValueError."""
    return tuple(_step(one, name) for one in mappings(value, name))


def _step(own: Mapping[str, Any], name: str) -> Step:
    def text(key: str, default: str) -> str:
        return word(own[key], f"{name}.{key}") if own.get(key) is not None else default

    return Step(
        text("action", "replace").lower(),
        words(own.get("source_labels"), f"{name}.source_labels"),
        text("regex", "(.*)"),
        text("target_label", ""),
        text("replacement", "$1"),
        text("separator", ";"),
    )


def _group(own: Mapping[str, Any]) -> Group:
    name = word(own.get("name"), "group.name")
    return Group(
        name,
        duration.seconds(own.get("interval"), f"group {name}.interval"),
        tuple(_rule(one) for one in mappings(own.get("rules"), f"group {name}.rules")),
        duration.seconds(own.get("evaluationTime") or 0.0, f"group {name}.evaluationTime"),
    )


def _rule(own: Mapping[str, Any]) -> Rule:
    name = word(own.get("name"), "rule.name")
    return Rule(
        name,
        word(own.get("query"), f"{name}.query"),
        own.get("type") == "alerting",
        duration.seconds(own.get("duration") or 0.0, f"{name}.for"),
        texts(own.get("labels"), f"{name}.labels"),
        word(own.get("lastError"), f"{name}.lastError") or ("it fails" if own.get("health") == "err" else ""),
    )


def _target(own: Mapping[str, Any]) -> Target:
    labels = texts(own.get("labels"), "target.labels")
    name = f"target {labels.get('instance', '?')}"
    for key in ("scrapeInterval", "scrapeTimeout"):
        if key not in own:
            raise ValueError(f"{name}: its {key} is not told; a Prometheus of 2.30 or newer tells it")
    return Target(
        word(own.get("scrapePool"), f"{name}.scrapePool"),
        labels,
        duration.seconds(own["scrapeInterval"], f"{name}.scrapeInterval"),
        duration.seconds(own["scrapeTimeout"], f"{name}.scrapeTimeout"),
        word(own.get("lastError"), f"{name}.lastError") if own.get("health") == "down" else "",
    )


def _posted_to(said: Any) -> tuple[str, ...]:
    rows = mappings(mapping(said, "alertmanagers").get("activeAlertmanagers"), "activeAlertmanagers")
    return tuple(dict.fromkeys(word(row.get("url"), "alertmanager.url") for row in rows))
