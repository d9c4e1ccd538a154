"""What stood in Alertmanager, moment by moment, and what was said of it: for promises that something stays.

    Alertmanager --looked at ten times a second--> samples  --\\
                 --webhook--> deliveries                    ---+--> gone? resolved? rung?
    API server's audit log --> denials, with the time of each -/
"""

import json
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from http.client import HTTPException
from types import TracebackType
from typing import Any, Self

from tests.cluster.town import CLUSTER, Town
from tests.deploy import chart
from tests.support import manifests
from tests.support.webhook import Delivery

BREACH = "SentinelIsolationBreach"
CHECK = "api/secrets"
QUESTIONS = frozenset({"list", "get"})
"""The verbs that are planned for secrets: each must be denied twice before the series is closed."""
LOOK = 0.1
"""Seconds between two looks: an evaluation of the rules takes five times as long."""


@dataclass(frozen=True)
class Border:
    """Who gets in where, when it is open."""

    tenant: str
    target: str

    @property
    def hole(self) -> list[chart.Object]:
        reads = manifests.rule(["get", "list", "watch"], ["secrets"])
        return manifests.grant(self.target, "survival", manifests.of_account(self.tenant), reads)

    @property
    def series(self) -> dict[str, str]:
        """Its labels on the sentinel's own metric."""
        return {"check": CHECK, "identity": "self", "target": self.target}

    def labels(self, cluster: str = CLUSTER, **more: str) -> dict[str, str]:
        """Of its page; the cluster tells one Prometheus from another."""
        return {"alertname": BREACH, "tenant": self.tenant, "cluster": cluster, **self.series, **more}


class Vigil:
    """Looks at Alertmanager while the `with` block lasts. Times are monotonic seconds."""

    def __init__(self, town: Town) -> None:
        self._town = town
        self._samples: list[tuple[float, list[Mapping[str, str]]]] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="vigil")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(LOOK):
            began = time.monotonic()
            try:
                labels = [alert["labels"] for alert in self._town.alertmanager.alerts()]
            except (OSError, HTTPException):
                continue  # it is being restarted: not looked at is not gone
            self._samples.append((began, labels))

    def must_have_stood(self, labels: Mapping[str, str], since: float, until: float | None = None) -> None:
        """At every look an alert with these labels, and no word of its group that it is over."""
        end = time.monotonic() if until is None else until
        seen = [(at, found) for at, found in self._samples if since <= at <= end]
        assert len(seen) > (end - since) / LOOK / 10, "hardly looked at all"
        gone = [f"{at - since:.1f}" for at, found in seen if not any(labels.items() <= one.items() for one in found)]
        assert not gone, f"{dict(labels)} was gone for {len(gone)} of {len(seen)} looks: after {', '.join(gone)} s"
        over = [d for d in self._groups(labels) if d.status == "resolved" and since <= d.monotonic <= end]
        assert not over, f"resolved {over[0].monotonic - since:.1f} s after: {over[0].body['alerts']}"

    def must_not_be_called_over(self, labels: Mapping[str, str], since: float) -> None:
        """No notification said so; for the time in which Alertmanager itself was away."""
        over = [d.body["alerts"] for d in self._groups(labels) if d.status == "resolved" and d.monotonic >= since]
        assert not over, over

    def rings(self, labels: Mapping[str, str], since: float) -> int:
        """How often somebody was woken by this: it fires and did not in the notification before."""
        groups = [delivery for delivery in self._groups(labels) if delivery.monotonic > since]
        firing = [any(alert["status"] == "firing" for alert in found.alerts(**labels)) for found in groups]
        return sum(now and not before for before, now in zip([False, *firing], firing, strict=False))

    def must_be_closed_by_proof(
        self, border: Border, since: float, within: float, *, paths: tuple[str, ...], cluster: str = CLUSTER
    ) -> None:
        """Ends within so many seconds, and after the second denial of each question. `since` in wall seconds."""
        group = border.labels(cluster)

        def is_over(found: Delivery) -> bool:
            return found.wall > since and found.status == "resolved" and bool(found.alerts(**group))

        last = self._town.pages.wait_for(is_over, within)
        proven = self.proven(border, since)
        assert last.wall > proven
        for path in paths:
            ends = [
                instant(alert["endsAt"])
                for delivery in self._groups(group)
                for alert in delivery.alerts(**group, path=path)
                if alert["status"] == "resolved" and instant(alert["endsAt"]) > since
            ] or self._stood(border.labels(cluster, path=path), since)
            assert ends, f"the {path} was over before it was shut"
            assert min(ends) > proven, f"the {path} ended {proven - min(ends):.2f} s before the second proof"

    def _stood(self, labels: Mapping[str, str], since: float) -> list[float]:
        """When it was last seen to stand, if after `since`: of a twin that the other one hides no end is told. Wall seconds."""
        past = time.time() - time.monotonic()
        seen = [at + past for at, found in self._samples if any(labels.items() <= one.items() for one in found)]
        return [max(seen)] if seen and max(seen) > since else []

    def proven(self, border: Border, since: float) -> float:
        """When each of the questions had been denied twice after `since`, by the API server's own record."""
        denials = [e for e in self._audited(border, since) if e["responseStatus"]["code"] == 403]
        times: dict[str, list[float]] = {verb: [] for verb in QUESTIONS}
        for event in denials:
            times.setdefault(event["verb"], []).append(instant(event["stageTimestamp"]))
        counted = Counter({verb: len(found) for verb, found in times.items()})
        assert all(counted[verb] >= 2 for verb in QUESTIONS), f"closed after {dict(counted)} denials"
        return max(sorted(times[verb])[1] for verb in QUESTIONS)

    def _audited(self, border: Border, since: float) -> list[Mapping[str, Any]]:
        user = f"system:serviceaccount:{border.tenant}:sentinel"
        lines = self._town.audit_log.read_text().splitlines()
        events = [json.loads(line) for line in lines if user in line and f'"namespace":"{border.target}"' in line]
        return [event for event in events if instant(event["stageTimestamp"]) > since]

    def _groups(self, labels: Mapping[str, str]) -> list[Delivery]:
        return [delivery for delivery in self._town.pages.deliveries if delivery.alerts(**labels)]


def instant(text: str) -> float:
    """Wall seconds of an RFC 3339 time."""
    return datetime.fromisoformat(text).timestamp()
