"""What a rule must be, whatever it is about: `complaints(rule)` is empty for all that we ship, and for no mutant of it."""

import re
from collections.abc import Iterator, Mapping
from functools import cache

from prometheus_client import CollectorRegistry, Metric

from sentinel.clients.clock import Clock
from sentinel.core.drill.fault import Variant
from sentinel.sinks.drill_metrics import DrillMetrics
from sentinel.sinks.gateway_metrics import GatewayMetrics
from sentinel.sinks.heartbeat_metrics import HeartbeatMetrics
from sentinel.sinks.metrics import Metrics
from sentinel.sinks.page_metrics import PageMetrics
from sentinel.sinks.page_path_metrics import PagePathMetrics
from sentinel.sinks.page_time_metrics import PageTimeMetrics
from sentinel.sinks.witness_metrics import WitnessMetrics
from tests.alerts.rules import Rule
from tests.deploy.chart import ROOT

RUNBOOKS = ROOT / "alerts" / "runbooks"
PROMISE = 300
"""Seconds; scrape, evaluation, a live group and one failed delivery take 99 of them at worst."""
PAGES_WAIT = 30
"""Seconds that a page may wait for; who waits longer is named here, with the reason."""
WAITS_LONGER = {
    "SentinelDown": "120 s by the contract: a drain takes 90 s until the next pod is Ready",
    "SentinelWitnessDown": "the same of the witness's pod",
}
GROWTH_THEN_WAIT = {
    "SentinelGatewayUnproven": "waits for growth that does not come",
    "SentinelPageUnproven": "waits for growth that does not come",
    "SentinelWatchBroken": "looks back 15 min and waits for 1: what is told between two lists is no trouble",
    "SentinelJournalFailing": "looks back 5 and 15 min and waits for 1",
    "SentinelRelayRefusing": "a push is repeated every 30 s and looked for over 90: it must go on being refused",
}
"""Who waits (`for`) on what `increase()` recorded: a single event must not end within the wait, unseen."""
DRILLED = {
    "drill": "page-path",
    "tenant": "witness",
    "target": "sentinel-system",
    "check": "page-path",
    "identity": "self",
}
"""What only the drill of the page has: as a breach has it, and what tells it from one."""
LABELS = frozenset({
    "severity", "cluster", "namespace", "path", "tenant", "target", "check", "identity", "kind", "exception", "gateway",
    "alert", "reason", "why", "seen_by", "node", "instance", "tier", "state", "verdict", "result", "subject", "provider",
    "outcome", "primary", "shows", "target_tenant", "job", "le", "window", "stage", "drill", "fault", "promise", "of", "broken",
})  # fmt: skip
"""Closed sets, all of them."""
ABOUT_PEOPLE = {"sentinel:expected_tenant", "sentinel:expected_target", "sentinel:expected_exception"}
"""Recorded once per tenant for the annotations to look up; `owner` and `contact` are free text, and no alert has them."""
_NAME = re.compile(
    r"(sentinel|cluster|tenant|gateway)(:[a-z][a-z0-9_]*){1,2}|chaos(:[a-z0-9_]+){2,4}"
)  # `chaos` as asked for
_METRIC = re.compile(r"(?<![\w:\"])((?:sentinel|process|chaos)_\w+)\b(?!:)(\{[^}]*\})?")
_LABELS = re.compile(r"\b(?:by|on|group_left|group_right|ignoring|without) \(([^)]*)\)")
_FROM_THE_WITNESS = re.compile(r"sentinel_(witness|watch|relay|accounts)_")


_VARIABLE = r"var-(\w+)=\{\{ \$labels\.(\w+)(?: \| urlquery)? \}\}"
_DASHBOARD = re.compile(rf"/d/sentinel-[a-z]+(\?{_VARIABLE}(&{_VARIABLE})*)?")
"""With the variables of the alert's own labels."""
_WHO = {"owner", "contact", "target_owner", "target_contact"}
_LOOKED_UP = re.compile(
    r'(?:target_)?(owner|contact): \{\{ with query \(printf "sentinel:expected_(tenant|target|exception)\{\2=%q\}" \$labels\.\2\) \}\}'
    r'\{\{ \. \| first \| label "\1" \}\}\{\{ end \}\}'
)


def complaints(rule: Rule) -> Iterator[str]:
    """One sentence each."""
    yield from _of_labels(rule)
    yield from _of_metrics(rule)
    if "alert" in rule:
        yield from _of_waits(rule)
        yield from _of_annotations(rule)
    elif not _NAME.fullmatch(rule["record"]):
        yield f"{rule['record']} is not level:metric:operations"


def _of_labels(rule: Rule) -> Iterator[str]:
    name = rule.get("record") or rule["alert"]
    written = rule.get("labels", {})
    if "alert" in rule:
        fixed = {"cluster": "tests", "namespace": "sentinel-system", "path": "rule"}
        fixed |= DRILLED if name == "SentinelPageDrill" else {}
        if {**written, "severity": ""} != {**fixed, "severity": ""}:
            yield f"{name} has labels that are not those of every alert: {written}"
        if written.get("severity") not in ("critical", "warning", "info", "none"):
            yield f"{name} has no severity"
    allowed = LABELS | ({"owner", "contact"} if name in ABOUT_PEOPLE else set())
    used = {label.strip() for found in _LABELS.findall(rule["expr"]) for label in found.split(",")} - {""}
    if unknown := (used | set(written)) - allowed:
        yield f"{name} has labels that are no closed set: {unknown}"


def _of_metrics(rule: Rule) -> Iterator[str]:
    """Only what the scrape vouches for is read, and the witness's words from the witness."""
    text = rule["expr"] + " ".join(rule.get("annotations", {}).values())
    for name, selector in _METRIC.findall(text):
        if name not in exported():
            yield f"nobody exports {name}"
        jobs = ['job="sentinel-witness"', 'job=\\"sentinel-witness\\"']
        if name.startswith("sentinel_drill_"):
            jobs = ['job!="sentinel"']  # a drill's own, or a node exporter's that reads its file
        elif name.startswith("sentinel_gateway_page_"):
            jobs = ['job="sentinel-visitor"', 'job=\\"sentinel-visitor\\"']
        elif not _FROM_THE_WITNESS.match(name):
            jobs += ['job="sentinel"', 'job=\\"sentinel\\"', 'job=~"sentinel|sentinel-witness"']
        if not any(job in selector for job in jobs):
            yield f"{name} is read without the job that vouches for it"


@cache
def exported() -> frozenset[str]:
    """All names that a process of ours shows."""
    others = CollectorRegistry()
    GatewayMetrics(others)
    PageMetrics(others)
    PageTimeMetrics(others, Clock())
    DrillMetrics(others, "outage", Variant.KILL, Clock())
    PagePathMetrics(others, Clock())
    HeartbeatMetrics(others, Clock())
    registries = (Metrics().registry, WitnessMetrics().registry, others)
    return frozenset(name for one in registries for metric in one.collect() for name in _names(metric))


def _names(metric: Metric) -> list[str]:
    return [metric.name, *(f"{metric.name}_{end}" for end in ("total", "bucket", "sum", "count"))]


def _of_waits(rule: Rule) -> Iterator[str]:
    name, waits = rule["alert"], _seconds(rule.get("for", "0s"))
    if rule["labels"].get("severity") == "critical" and waits > PAGES_WAIT and name not in WAITS_LONGER:
        yield f"{name} pages and waits for {waits} s"
    if rule["labels"].get("severity") == "critical" and waits + 99 > PROMISE:
        yield f"{name} waits for longer than the promise leaves"
    if waits and "increase(" in rule["expr"] and name not in GROWTH_THEN_WAIT:
        yield f"{name} waits on an increase, which may be over before"


def _seconds(text: str) -> float:
    number, unit = re.fullmatch(r"(\d+)(ms|s|m|h)", text).groups()  # type: ignore[union-attr]
    return int(number) * {"ms": 0.001, "s": 1, "m": 60, "h": 3600}[unit]


def waiting_on_growth(rules: Mapping[str, Rule], recorded: Mapping[str, Rule]) -> set[str]:
    """The alerts with a `for` on something recorded that is an `increase()`."""
    growing = {name for name, rule in recorded.items() if "increase(" in rule["expr"]}
    return {
        name for name, rule in rules.items() if "for" in rule and growing & set(re.findall(r"[\w:]+", rule["expr"]))
    }


def _of_annotations(rule: Rule) -> Iterator[str]:
    name, texts = rule["alert"], rule.get("annotations", {})
    if missing := {"summary", "description", "runbook_url", "dashboard_url"} - set(texts):
        yield f"{name} lacks {missing}"
        return
    if not re.fullmatch(r"[A-Z][^.{}]+\.", texts["summary"]):
        yield f"{name}: the summary is one sentence, the same for all alerts of that name"
    if texts["runbook_url"] != f"alerts/runbooks/{name}.md" or not (RUNBOOKS / f"{name}.md").is_file():
        yield f"{name} has no runbook {texts['runbook_url']}"
    if not _DASHBOARD.fullmatch(texts["dashboard_url"]):
        yield f"{name} has no dashboard {texts['dashboard_url']}"
    for variable, label in re.findall(_VARIABLE, texts["dashboard_url"]):
        if variable != label:
            yield f"{name}: var-{variable} is not the label of that name"
    for key in _WHO & set(texts):
        if not _LOOKED_UP.fullmatch(f"{key}: {texts[key]}"):
            yield f"{name}: {key} is looked up by a label of this alert: {texts[key]}"
    for one, other in (("owner", "contact"), ("target_owner", "target_contact")):
        if (one in texts) != (other in texts) and not name.startswith("SentinelException"):
            yield f"{name} says {one} or {other}, and not both"
