"""Alerts in the second in which they begin to fire, with every label and word of them: one promtool for all.

    pages = Pages(rules.shipped(witness=True))
    pages.begins("SentinelBlind", {'sentinel:blind:proof_timestamp{tenant="a"}': since(-30, At(-180))},
                 common("SentinelBlind", "critical", tenant="a"),
                 {"description": f"Nothing is proven since {At(-180)}."})
    pages.judge()

Of the rules only these alerts are evaluated; what recording rules make for them is given like what is scraped. What
becomes of an alert after its first second, and which others fire with it, a `World` shows.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from tests.alerts import promtool, rules
from tests.alerts.table import Given, Moments
from tests.alerts.world import STEP

_TIME = re.compile(r"At\(seconds=(-?[\d.]+)\)")


class Pages:
    """Alerts, each in a situation of its own. `slot`: more seconds than the longest wait and range of any of them."""

    def __init__(self, files: Mapping[str, str], slot: int = 1800) -> None:
        self._files = files
        self._moments = Moments(slot)
        self._alerts: set[str] = set()
        self._asked: list[dict[str, Any]] = []

    def begins(
        self, alert: str, given: Mapping[str, Given], labels: Mapping[str, str], texts: Mapping[str, str]
    ) -> None:
        """It fires at the row's moment, for the first time, and once. An `At` in a text is that time, as pages write it."""
        moment = self.says(alert, given, labels, texts)
        self._asked.append({"eval_time": f"{moment - STEP}s", "alertname": alert, "exp_alerts": []})

    def says(self, alert: str, given: Mapping[str, Given], labels: Mapping[str, str], texts: Mapping[str, str]) -> int:
        """The same, since whenever; gives the second of its moment."""
        moment = self._moments.put(given)
        told = {name: _with_times(text, moment) for name, text in texts.items()}
        wanted = [{"exp_labels": dict(labels), "exp_annotations": told}]
        self._alerts.add(alert)
        self._asked.append({"eval_time": f"{moment}s", "alertname": alert, "exp_alerts": wanted})
        return moment

    def judge(self) -> None:
        """Both promtools, or AssertionError with what they say."""
        files = rules.of_alerts(self._files, self._alerts)
        test = {
            "interval": f"{STEP}s",
            "input_series": self._moments.series(),
            "promql_expr_test": [],
            "alert_rule_test": self._asked,
        }
        case = {"rule_files": list(files), "evaluation_interval": f"{STEP}s", "tests": [test]}
        if said := promtool.complaints(files, case):
            raise AssertionError(said)


def common(alert: str, severity: str, **more: str) -> dict[str, str]:
    """The labels that every alert has, and more."""
    return {
        "alertname": alert,
        "severity": severity,
        "cluster": "tests",
        "namespace": "sentinel-system",
        "path": "rule",
    } | more


def links(alert: str, query: str = "", board: str = "isolation") -> dict[str, str]:
    """The annotations that follow from names alone; who is not known is empty."""
    found = {"runbook_url": f"alerts/runbooks/{alert}.md", "dashboard_url": f"/d/sentinel-{board}{query}"}
    if "var-tenant" in query:
        found |= {"owner": "", "contact": ""}
    if "var-target" in query:
        found |= {"target_owner": "", "target_contact": ""}
    return found


def _with_times(text: str, moment: int) -> str:
    return _TIME.sub(lambda match: f"{datetime.fromtimestamp(moment + float(match[1]), UTC):%F %T} +0000 UTC", text)
