"""A real Prometheus: it scrapes, evaluates and sends alerts, all on loopback.

Prometheus 3.15 unless told `binary="prometheus2"`, which is Debian's 2.42.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.support.monitoring import MonitoringServer


@dataclass(frozen=True)
class Sample:
    """One series of an instant query."""

    labels: Mapping[str, str]
    value: float


class Prometheus(MonitoringServer):
    """`config` as a dict or text; `rules` are rule files: paths, texts, or dicts."""

    def __init__(
        self,
        config: Mapping[str, Any] | str,
        rules: Sequence[Path | str | Mapping[str, Any]] = (),
        *,
        resend_delay: str = "15s",
        binary: str = "prometheus",
    ) -> None:
        super().__init__(binary)
        self._resend_delay = resend_delay
        files = [self._rule_file(number, rule) for number, rule in enumerate(rules)]
        self.configure(config, files)

    def configure(self, config: Mapping[str, Any] | str, rule_files: Sequence[str] = ()) -> None:
        """Writes the configuration; `reload` makes a running server take it."""
        content = yaml.safe_load(config) if isinstance(config, str) else dict(config)
        if rule_files:
            content["rule_files"] = [*content.get("rule_files", []), *rule_files]
        (self.folder / "prometheus.yml").write_text(yaml.safe_dump(content))

    def _rule_file(self, number: int, rule: Path | str | Mapping[str, Any]) -> str:
        if isinstance(rule, Path):
            return str(rule.absolute())
        file = self.folder / f"rules-{number}.yml"
        file.write_text(rule if isinstance(rule, str) else yaml.safe_dump(dict(rule)))
        return str(file)

    def flags(self) -> Sequence[str]:
        return (
            "--config.file=prometheus.yml",
            "--storage.tsdb.path=data",
            "--web.enable-lifecycle",
            f"--rules.alert.resend-delay={self._resend_delay}",
            # Else an alert that was pending at a restart waits for its whole `for` again.
            "--rules.alert.for-grace-period=0s",
        )

    def reload(self) -> None:
        self.post("/-/reload")

    def query(self, expression: str) -> list[Sample]:
        """An instant query; a scalar comes back as one sample without labels."""
        data = self.get("/api/v1/query", query=expression)["data"]
        if data["resultType"] == "scalar":
            return [Sample({}, float(data["result"][1]))]
        return [Sample(row["metric"], float(row["value"][1])) for row in data["result"]]

    def value(self, expression: str) -> float | None:
        """The only sample's value; None without one, ValueError with several."""
        samples = self.query(expression)
        if len(samples) > 1:
            raise ValueError(f"{expression} has {len(samples)} series")
        return samples[0].value if samples else None

    def alerts(self, name: str | None = None) -> list[Mapping[str, Any]]:
        """Pending and firing ones as the API gives them: labels, annotations, state, activeAt."""
        found: list[Mapping[str, Any]] = self.get("/api/v1/alerts")["data"]["alerts"]
        return [alert for alert in found if name in (None, alert["labels"]["alertname"])]

    def firing(self) -> set[str]:
        """The names of the alerts that fire."""
        return {a["labels"]["alertname"] for a in self.alerts() if a["state"] == "firing"}

    def targets(self) -> list[Mapping[str, Any]]:
        """The active scrape targets: labels, health, lastError."""
        found: list[Mapping[str, Any]] = self.get("/api/v1/targets")["data"]["activeTargets"]
        return found


def config(
    scrapes: Mapping[str, Mapping[str, str]],
    alertmanagers: Sequence[str] = (),
    *,
    interval: str = "1s",
    job: str = "sentinel",
) -> dict[str, Any]:
    """A configuration that scrapes addresses, each with labels of its own, as `job`.

    `scrapes` maps "127.0.0.1:8080" to {"tenant": "team-a"}, which the scrape sets
    whatever the target says of itself. `alertmanagers` are addresses too.
    """
    targets = [{"targets": [address], "labels": dict(own)} for address, own in scrapes.items()]
    managers = [{"static_configs": [{"targets": [address]}]} for address in alertmanagers]
    return {
        "global": {
            "scrape_interval": interval,
            "scrape_timeout": interval,
            "evaluation_interval": interval,
        },
        "scrape_configs": [{"job_name": job, "static_configs": targets}],
        "alerting": {"alertmanagers": managers},
    }
