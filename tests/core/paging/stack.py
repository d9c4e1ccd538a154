"""A Prometheus and an Alertmanager that are as they should be, in the words of their APIs, to be spoilt one by one."""

import copy
from collections.abc import Callable
from typing import Any

from sentinel.core.paging import alertmanager, prometheus
from sentinel.core.paging.inspection import Inspection, Row, Wishes, inspect
from sentinel.core.paging.ours import ALWAYS

COMMON = {"severity": "critical", "cluster": "prod", "namespace": "sentinel-system", "path": "rule"}
BREACH = "SentinelIsolationBreach"


def alert(name: str, expr: str = 'sentinel_breach{job="sentinel"} > 0', **more: Any) -> dict[str, Any]:
    labels = COMMON | more.pop("labels", {})
    return {"type": "alerting", "name": name, "query": expr, "duration": 0, "labels": labels, "health": "ok"} | more


def group(name: str, *rules: dict[str, Any], interval: float = 10) -> dict[str, Any]:
    return {"name": name, "interval": interval, "rules": list(rules), "evaluationTime": 0.003}


class Stack:
    """What the two say; change it, then `look`."""

    def __init__(self) -> None:
        self.config: dict[str, Any] = {
            "global": {"evaluation_interval": "1m"},
            "alerting": {"alertmanagers": [{"timeout": "10s"}]},
            "scrape_configs": [{"job_name": "pods"}],
        }
        self.flags = {"rules.alert.resend-delay": "15s", "enable-feature": ""}
        self.groups = [group("ours", *map(alert, ALWAYS))]
        self.targets = [
            {
                "scrapePool": "pods",
                "labels": {"job": "sentinel", "tenant": "team-a", "instance": "10.0.0.1:8080"},
                "scrapeInterval": "10s",
                "scrapeTimeout": "5s",
                "health": "up",
                "lastError": "",
            }
        ]
        self.told = ["http://10.0.0.9:9093/api/v2/alerts"]
        self.route: dict[str, Any] = {
            "receiver": "elsewhere",
            "routes": [
                {
                    "matchers": ['alertname=~"Sentinel.+"'],
                    "receiver": "page",
                    "group_wait": "0s",
                    "group_interval": "15s",
                }
            ],
        }
        self.receivers: list[dict[str, Any]] = [
            {"name": "page", "pagerduty_configs": [{"routing_key": "<secret>"}]},
            {"name": "elsewhere"},
        ]
        self.inhibit_rules: list[dict[str, Any]] = []
        self.silences: list[dict[str, Any]] = []
        self.peers: list[dict[str, Any]] = []
        self.wishes = Wishes()

    @property
    def ours(self) -> dict[str, Any]:
        """The one route that the shipped configuration has."""
        found: dict[str, Any] = self.route["routes"][0]
        return found

    def rule(self, name: str = BREACH) -> dict[str, Any]:
        found: dict[str, Any] = next(rule for one in self.groups for rule in one["rules"] if rule["name"] == name)
        return found

    def prometheus(self) -> prometheus.Prometheus:
        said = prometheus.Answers(
            self.config,
            self.flags,
            {"version": "3.15.0"},
            {"groups": self.groups},
            {"activeTargets": self.targets},
            {"activeAlertmanagers": [{"url": url} for url in self.told]},
        )
        return prometheus.read("http://prometheus", copy.deepcopy(said))

    def alertmanager(self, url: str = "http://alertmanager") -> alertmanager.Alertmanager:
        config = {"route": self.route, "receivers": self.receivers, "inhibit_rules": self.inhibit_rules}
        status = {"cluster": {"status": "ready", "peers": self.peers}, "versionInfo": {"version": "0.34.2"}}
        return alertmanager.read(url, status, copy.deepcopy(config), self.silences)

    def look(self) -> Inspection:
        return inspect(self.prometheus(), [self.alertmanager()], self.wishes)

    def row(self, name: str = BREACH, path: str = "rule") -> Row:
        return next(row for row in self.look().rows if (row.alert, row.path) == (name, path))


Spoil = Callable[[Stack], None]
