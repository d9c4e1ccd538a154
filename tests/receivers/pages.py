"""Alerts as they reach Alertmanager: pushed ones made by the daemon's own code, and those of the rules."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sentinel.core import page
from sentinel.core.page import Alert
from tests.alerts import rules
from tests.support.breaches import GET, LIST, SENDER, Belief

Alerted = dict[str, Any]

LABELS = {
    "tenant": "team-a",
    "target": "team-b",
    "check": "api/secrets",
    "identity": "self",
    "gateway": "chat",
    "why": "full",
    "exception": "ci",
    "seen_by": "witness",
}
"""Where a rule takes a label from a series, one that this series could have."""


def pushed(since: datetime, *, cause: str = "", sender: page.Sender = SENDER) -> Alerted:
    """A breach as a sentinel pushes it: two questions, through one binding."""
    case = None
    for question in (LIST, GET):
        record = Belief(question, proven=since.timestamp() - 40).served(since.timestamp())
        assert record.standing.breach is not None
        case = page.learn(case, record)
    assert case is not None
    if cause:
        told = {asked: _because(breach, cause) for asked, breach in case.breaches.items()}
        case = page.Case(case.series, case.since, case.user, told)
    return page.body(page.breach_page(sender, case), until(since))


def _because(breach: Any, cause: str) -> Any:
    from dataclasses import replace

    return replace(breach, cause=cause)


def of_gateway(since: datetime, alert: Alert = Alert.GATEWAY_DOWN) -> Alerted:
    return page.body(page.gateway_page(SENDER, alert, "chat", since.timestamp(), 30.0), until(since))


def until(since: datetime) -> float:
    return (datetime.now(UTC) + timedelta(minutes=5)).timestamp()


def over(alert: Mapping[str, Any], at: datetime | None = None) -> Alerted:
    return {**alert, "endsAt": (at or datetime.now(UTC)).isoformat()}


def by_rule(alert: Mapping[str, Any], **more: str) -> Alerted:
    """What the rule says about the same: other words, and the path."""
    description = (
        "Tenant team-a, asking as identity self, gets into namespace team-b (check api/secrets), since "
        f"{str(alert['startsAt'])[:19].replace('T', ' ')} +0000 UTC. It ends by proof only."
    )
    annotations = {**alert["annotations"], "description": description}
    return {**alert, "labels": {**alert["labels"], "path": "rule", **more}, "annotations": annotations}


def shipped() -> dict[str, Alerted]:
    """One alert of each name that the rules have, with words in the place of what they look up."""
    files = rules.shipped(witness=True, network=True, gateways=True, verified=True)
    return {name: _fired(name, rule) for name, rule in rules.alerts(files).items()}


def _fired(name: str, rule: Mapping[str, Any]) -> Alerted:
    told = {key: _filled(str(text)) for key, text in rule["annotations"].items()}
    named = set(re.findall(r"\$labels\.([a-z_]+)", " ".join(map(str, rule["annotations"].values()))))
    labels = {key: LABELS.get(key, "some") for key in sorted(named)}
    if "gateway" in labels:
        labels = {"gateway": labels["gateway"]}
    now = datetime.now(UTC)
    return {
        "labels": {"alertname": name, **rule["labels"], **labels},
        "annotations": told,
        "startsAt": now.isoformat(),
        "endsAt": (now + timedelta(minutes=5)).isoformat(),
    }


def _filled(text: str) -> str:
    """What Prometheus would write, near enough: each place has a value, and each loop and condition is gone."""
    text = re.sub(r"\{\{-? *\$labels\.([a-z_]+)[^}]*\}\}", lambda found: LABELS.get(found[1], "some"), text)
    text = re.sub(r"\{\{[^}]*humanizeTimestamp[^}]*\}\}", "2026-11-28 15:02:11 +0000 UTC", text)
    text = re.sub(r"\{\{-? *(if|else|end|with|range|define|template)\b.*?\}\}", "", text)
    return re.sub(r"\{\{.*?\}\}", "17", text)
