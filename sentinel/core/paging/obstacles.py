"""Why a page may never come, whatever the timers say: each thing between the series and the phone that can swallow it.

What may happen counts as if it did. A silence for one tenant is an obstacle to every page that could be about it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sentinel.core.paging import ours
from sentinel.core.paging.alertmanager import Alertmanager, Inhibition
from sentinel.core.paging.feed import Feed, Spot
from sentinel.core.paging.matcher import Labels, Operator, Truth, judge
from sentinel.core.paging.prometheus import Prometheus, Target
from sentinel.core.paging.relabel import Step, relabel
from sentinel.core.paging.route import Route


class Fault(StrEnum):
    """What kind of obstacle it is. A closed set: these are the things that are looked for."""

    RULE_MISSING = "rule missing"  # Prometheus has no such alert
    RULE_FAILS = "rule fails"  # its last evaluation ended in an error
    TARGET_MISSING = "target missing"  # nothing is scraped that its expression reads
    TARGETS_DOWN = "targets down"  # all that it reads is scraped in vain
    SERIES_DROPPED = "series dropped"  # metric_relabel_configs take the series, or a label it needs
    ALERT_DROPPED = "alert dropped"  # alert_relabel_configs take the alert, or its name
    NOBODY_TOLD = "nobody told"  # Prometheus posts to no Alertmanager
    NOT_TOLD = "not told"  # Prometheus posts to others, and no gossip brings it to this Alertmanager
    NO_DESTINATION = "no destination"  # the receiver is a name, with nothing behind it
    NOT_THE_PAGER = "not the pager"  # none of the receivers that wake people takes it
    MUTED = "muted"  # the route is silent at times
    SILENCED = "silenced"  # a silence is active
    INHIBITED = "inhibited"  # somebody else's alert can hide it


@dataclass(frozen=True, slots=True)
class Obstacle:
    """A reason why a page may never come. `hint` says what to do."""

    fault: Fault
    detail: str
    hint: str


def missing(name: str) -> Obstacle:
    """Of an alert that is expected and not there."""
    hint = "does Prometheus load our rules? Its ruleSelector may want other labels (monitor.labels)"
    return Obstacle(Fault.RULE_MISSING, f"Prometheus has no rule {name}", hint)


def of_rule(spot: Spot) -> Iterator[Obstacle]:
    """That it fails."""
    if spot.rule.error:
        yield Obstacle(Fault.RULE_FAILS, f"{spot.rule.name}: {spot.rule.error[:160]}", "mend the rule")


def of_targets(prometheus: Prometheus, feed: Feed, targets: Sequence[Target]) -> Iterator[Obstacle]:
    """That its series do not come, or come without what the rules need."""
    if not feed.series:
        return
    jobs = " or ".join(sorted(feed.jobs))
    if not targets:
        hint = "does Prometheus see the PodMonitor, and does its scrape have our relabelling?"
        yield Obstacle(Fault.TARGET_MISSING, f"no target whose job is {jobs}", hint)
    elif all(target.error for target in targets):
        detail = f"every target of job {jobs}: {targets[0].error[:120]}"
        yield Obstacle(Fault.TARGETS_DOWN, detail, "let Prometheus reach them")
    for pool in sorted({target.pool for target in targets}):
        yield from _of_series(pool, prometheus.metric_steps.get(pool, ()), feed, targets)


def _of_series(pool: str, steps: tuple[Step, ...], feed: Feed, targets: Sequence[Target]) -> Iterator[Obstacle]:
    own = next(target.labels for target in targets if target.pool == pool)
    open_labels = ours.SERIES_LABELS - set(own)
    hint = f"leave our series and their labels as they are in job {pool}"
    if own.get("job") == ours.TENANTS_JOB and not own.get("tenant"):
        detail = f"targets of job {pool} have no label `tenant`, by which the rules know a sentinel"
        yield Obstacle(Fault.SERIES_DROPPED, detail, hint)
    for name in sorted(feed.series - _SYNTHETIC):
        after = relabel(Labels({**own, "__name__": name}, open_labels), steps)
        if after.dropped is not Truth.NO:
            yield Obstacle(Fault.SERIES_DROPPED, f"job {pool} drops {name}: {after.by}", hint)
            continue
        if lost := _lost(own, open_labels, after.labels):
            yield Obstacle(Fault.SERIES_DROPPED, f"job {pool} takes {', '.join(lost)} from {name}", hint)


def _lost(own: Mapping[str, str], open_labels: frozenset[str], after: Labels) -> list[str]:
    """Labels that the rules need, and that are gone or have become another."""
    changed = {key for key in ("job", "tenant") if key in own and after.known.get(key) != own[key]}
    gone = (ours.NEEDED_LABELS & open_labels) - {*after.open, *after.known}
    renamed = {"__name__"} - {*after.known}
    return sorted(changed | gone | renamed)


_SYNTHETIC = frozenset({"up"})
"""Made by Prometheus itself, beyond metric_relabel_configs (with the scrape_ ones)."""


def dropped(steps: Step | None) -> Obstacle:
    """Of an alert that relabelling takes on its way out."""
    hint = "let alerts whose alertname begins with Sentinel pass as they are"
    return Obstacle(Fault.ALERT_DROPPED, f"alert_relabel_configs: {steps}", hint)


def nobody_told() -> Obstacle:
    """Of all alerts, where Prometheus knows no Alertmanager."""
    return Obstacle(Fault.NOBODY_TOLD, "Prometheus posts to no Alertmanager", "name them in `alerting.alertmanagers`")


def not_told(manager: Alertmanager) -> Iterator[Obstacle]:
    """Of an Alertmanager that nobody brings our alerts to. A peer that gossips hears of them, and only later."""
    if not manager.told and manager.peers == 1:
        hint = "name it in Prometheus' `alerting.alertmanagers`"
        yield Obstacle(Fault.NOT_TOLD, f"Prometheus does not post to {manager.url}", hint)


def not_the_pager(names: str, pager: str) -> Obstacle:
    """Of an alert that ends at other receivers than those that wake people."""
    return Obstacle(Fault.NOT_THE_PAGER, f"taken by {names}, which is not {pager!r}", "route our alerts to it, first")


def of_route(manager: Alertmanager, route: Route) -> Iterator[Obstacle]:
    """That it is silent at times, or for ever."""
    if not manager.destinations.get(route.receiver):
        detail = f"receiver {route.receiver} has no destination"
        yield Obstacle(Fault.NO_DESTINATION, detail, "give it its PagerDuty, Slack or webhook configuration")
    if route.mute:
        detail = f"{route.place} is mute in {', '.join(route.mute)}"
        yield Obstacle(Fault.MUTED, detail, "take mute_time_intervals from the route that takes our pages")
    if route.active:
        detail = f"{route.place} tells only in {', '.join(route.active)}"
        yield Obstacle(Fault.MUTED, detail, "take active_time_intervals from the route that takes our pages")


def of_silences(manager: Alertmanager, labels: Labels) -> Iterator[Obstacle]:
    """Silences that match such an alert, or may."""
    for silence in manager.silences:
        if judge(silence.matchers, labels) is not Truth.NO:
            yield Obstacle(Fault.SILENCED, f"silence {silence}", "expire it, or narrow it")


def of_inhibitions(manager: Alertmanager, labels: Labels) -> Iterator[Obstacle]:
    """Other people's alerts that may hide such an alert. Ours hide each other on purpose: causes their symptoms."""
    for inhibition in manager.inhibitions:
        if judge(inhibition.target, labels) is not Truth.NO and _is_foreign(inhibition):
            hint = 'add alertname!~"Sentinel.+" to its target_matchers'
            yield Obstacle(Fault.INHIBITED, f"inhibit_rules: {inhibition}", hint)


def _is_foreign(inhibition: Inhibition) -> bool:
    """Whether an alert that is not ours can be its source. With `equal: [alertname]` the source has our name."""
    if "alertname" in inhibition.equal:
        return False
    named = [matcher for matcher in inhibition.source if matcher.name == "alertname" and not matcher.negated]
    return not any(
        ours.is_ours(matcher.value) if matcher.operator is Operator.EQUAL else ours.only_ours(matcher.value)
        for matcher in named
    )
