"""A border that somebody opened is seen, paged with its evidence, and closed by proof only.

One row per way to open it, most of which a monitor that lists secrets and looks at the status would
miss. Each is timed from the creation of the binding to the arrival of the page.
"""

import contextlib
import http.client
import json
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from tests.cluster.town import CLUSTER, SETTLED, TENANTS, Town, named
from tests.deploy import chart
from tests.support import manifests
from tests.support.controlplane import ADMIN
from tests.support.eventually import eventually
from tests.support.webhook import Delivery

BREACH = "SentinelIsolationBreach"
PAGED = 20.0
"""Seconds from the hole to the page here; one is usual, and a cluster's are in the bench."""


@dataclass(frozen=True)
class Hole:
    """What opens the border, the binding last; who sees it, and as which question."""

    name: str
    objects: list[chart.Object]
    question: str
    check: str = "api/secrets"
    target: str = "team-b"
    identity: str = "self"
    tenants: tuple[str, ...] = ("team-a",)
    scope: str = "-n team-b"
    most_notifications: int = 2

    @property
    def cause(self) -> str:
        """As the API server names the binding that lets us in."""
        binding = self.objects[-1]
        place = f"/{binding['metadata']['namespace']}" if binding["kind"] == "RoleBinding" else ""
        return f'{binding["kind"]} "hole{place}"'


def in_team_b(subject: chart.Object, *rules: chart.Object) -> list[chart.Object]:
    return manifests.grant("team-b", "hole", subject, *rules)


TEAM_A = manifests.of_account("team-a")
READ = manifests.rule(["get", "list", "watch"], ["secrets"])
EVERYBODY_ELSE = tuple(name for name in TENANTS if name != "team-b")

HOLES = [
    Hole("a RoleBinding", in_team_b(TEAM_A, READ), "list secrets"),
    Hole(
        "a ClusterRoleBinding to all ServiceAccounts",
        [
            manifests.cluster_role("hole", READ),
            manifests.cluster_role_binding("hole", manifests.of_group("system:serviceaccounts")),
        ],
        "list secrets",
        target="*",
        tenants=TENANTS,
        scope="--all-namespaces",
    ),
    Hole(
        "the beacon by name and nothing else",
        in_team_b(TEAM_A, manifests.rule(["get"], ["secrets"], ["sentinel-beacon"])),
        "get secrets/sentinel-beacon",
    ),
    Hole(
        "another Secret by name, which no planned question asks for",
        in_team_b(TEAM_A, manifests.rule(["get"], ["secrets"], ["database"])),
        "get secrets/database",
    ),
    Hole(
        "a namespace without any Secret",
        manifests.grant("kube-system", "hole", TEAM_A, manifests.rule(["list"], ["secrets"])),
        "list secrets",
        target="kube-system",
        scope="-n kube-system",
    ),
    Hole("get without list", in_team_b(TEAM_A, manifests.rule(["get"], ["secrets"])), "get secrets/sentinel-beacon"),
    Hole("watch alone", in_team_b(TEAM_A, manifests.rule(["watch"], ["secrets"])), "watch secrets"),
    Hole(
        "create alone",
        in_team_b(TEAM_A, manifests.rule(["create"], ["deployments"], groups=["apps"])),
        "create deployments.apps",
        check="api/escalation",
    ),
    Hole(
        "everybody with an account",
        in_team_b(manifests.of_group("system:authenticated"), READ),
        "list secrets",
        tenants=EVERYBODY_ELSE,
        most_notifications=3,  # four see it, each in its own round, by push and by rule
    ),
    Hole(
        "those without an account only",
        in_team_b(manifests.of_user("system:anonymous"), READ),
        "list secrets",
        identity="anonymous",
        tenants=(),
    ),
]


@pytest.mark.parametrize("hole", HOLES, ids=lambda hole: hole.name)
def test_a_hole_is_paged_with_its_evidence_and_closed_by_proof(town: Town, hole: Hole) -> None:
    town.settle()
    series = {"alertname": BREACH, "check": hole.check, "identity": hole.identity, "target": hole.target}

    start = time.time()
    with town.hole(*hole.objects) as opened:
        first = town.pages.wait_for_alert("firing", PAGED, **series)
        print(f"\n{hole.name}: page after {first.monotonic - opened:.2f} s", flush=True)
        tenants = hole.tenants or seers(first, series)
        eventually(
            lambda: paths(town, series) == {(t, p) for t in tenants for p in ("push", "rule")}, SETTLED, town.story
        )
        ruled = time.monotonic() - opened
        print(f"{hole.name}: the rule's twin in the same group after {ruled:.2f} s", flush=True)
        for tenant in tenants:
            evidence(town, tenant, hole, series, start)
        notified = news(town, series)
        others = {name: town.sentinels[name].console("/api/v1/breaches") for name in TENANTS if name not in tenants}
        closing = time.time()

    town.pages.wait_for_alert("resolved", SETTLED, **series)
    eventually(lambda: all(closed(town, tenant, hole) for tenant in tenants), SETTLED, town.story)
    for tenant in tenants:
        (row,) = rows(town, tenant, hole)
        assert (row["active"], row["ending"]) == (False, "closed")
        assert row["ended"] > closing
        if hole.check == "api/secrets":
            where = None if hole.target == "*" else hole.target
            verb = hole.question.partition(" ")[0]
            assert town.denials(row["user"], verb, where, closing) >= 2, "closed by less than two proofs"
        assert not says_yes(town, row["reproduce"])
    assert len(notified) <= hole.most_notifications, notified
    assert not any(row["active"] or row["since"] > start for found in others.values() for row in found)
    # What was on its way to be asked when the whole cluster was opened may page by itself.
    assert len(foreign(town, series)) <= (2 if hole.target == "*" else 0)


def news(town: Town, series: Mapping[str, str]) -> list[set[str]]:
    """What stands open by each notification of this breach that says so anew: that others ended is no page."""
    told: list[set[str]] = []
    for delivery in town.pages.deliveries:
        firing = {named(alert["labels"]) for alert in delivery.alerts() if alert["status"] == "firing"}
        if delivery.status == "firing" and delivery.alerts(**series) and (not told or firing - told[-1]):
            told.append(firing)
    return told


def seers(delivery: Delivery, series: Mapping[str, str]) -> tuple[str, ...]:
    """Who saw it: what the anonymous are let into is asked by one sentinel for all."""
    found = tuple({alert["labels"]["tenant"] for alert in delivery.alerts(**series)})
    assert len(found) == 1
    return found


def paths(town: Town, series: Mapping[str, str]) -> set[tuple[str, str]]:
    """Tenant and path of what stands in the one notification group of this target."""
    groups = [
        group
        for group in town.alertmanager.groups()
        if group["labels"].get("alertname") == BREACH and group["labels"].get("target") == series["target"]
    ]
    assert len(groups) <= 1
    labels = [alert["labels"] for group in groups for alert in group["alerts"]]
    return {(found["tenant"], found["path"]) for found in labels if series.items() <= found.items()}


def evidence(town: Town, tenant: str, hole: Hole, series: Mapping[str, str], start: float) -> None:
    """The same on the page, on the console, in the metric, in the log and in the API server's own audit."""
    user = f"system:serviceaccount:{tenant}:sentinel" if hole.identity == "self" else "system:anonymous"
    (row,) = eventually(lambda: rows(town, tenant, hole), SETTLED, f"{hole.question} was let in\n{town.story()}")
    expected = {
        "check": hole.check,
        "identity": hole.identity,
        "tenant": tenant,
        "target": hole.target,
        "active": True,
        "code": 406,
        "user": user,
        "reason": "served",
    }
    assert expected.items() <= row.items()
    assert row["closed_before"] is None or row["closed_before"] < row["since"]
    assert row["reproduce"].startswith(f"kubectl auth can-i {hole.question} --as={user} ")
    assert row["reproduce"].endswith(hole.scope)
    assert says_yes(town, row["reproduce"])
    # Nobody tells those without an account why they are let in.
    assert hole.cause in row["cause"] or hole.identity == "anonymous"
    paged(town, tenant, hole, series, start)

    sentinel = town.sentinels[tenant]
    labels = {key: series[key] for key in ("check", "identity", "target")}
    assert start < sentinel.metrics().value("sentinel_breach_since_timestamp_seconds", **labels) <= row["since"]
    (line,) = sentinel.log_lines(event="breach.opened", audit_id=row["audit_id"])
    assert (line["question"], line["cause"], line["reproduce"]) == (hole.question, row["cause"], row["reproduce"])
    if hole.check == "api/secrets":
        event = town.audited(row["audit_id"])
        verb = hole.question.partition(" ")[0]
        assert (event["user"]["username"], event["verb"], event["responseStatus"]["code"]) == (user, verb, 406)
        assert event["userAgent"].startswith("tenant-sentinel/")


def paged(town: Town, tenant: str, hole: Hole, series: Mapping[str, str], start: float) -> None:
    """The page tells of every question that is let in, and of the first one all that is known."""
    found = town.sentinels[tenant].console("/api/v1/breaches")
    ours = [row for row in found if row["since"] > start and labels_of(row).items() <= series.items()]
    first = min(ours, key=lambda row: row["since"])
    words = (hole.question, first["audit_id"], first["cause"], first["reproduce"], "HTTP 406")
    (alert,) = eventually(lambda: told(town, tenant, series, words), SETTLED, lambda: f"{words}\n{town.story()}")

    labels = {"severity": "critical", "cluster": CLUSTER, "namespace": "sentinel-system"}
    assert labels.items() <= alert["labels"].items()
    assert alert["annotations"]["runbook_url"].endswith(f"{BREACH}.md")
    assert alert["annotations"]["owner"] == f"owner of {tenant}"
    if hole.target in TENANTS:
        assert alert["annotations"]["target_owner"] == f"owner of {hole.target}"


def told(town: Town, tenant: str, series: Mapping[str, str], words: tuple[str, ...]) -> list[Mapping[str, Any]]:
    """The pushed alert, as Alertmanager has it, once it says all that."""
    alerts = town.alertmanager.alerts(tenant=tenant, path="push", **series)
    return [alert for alert in alerts if all(word in alert["annotations"]["description"] for word in words)]


def labels_of(row: Mapping[str, str]) -> dict[str, str]:
    return {key: row[key] for key in ("check", "identity", "target")}


def rows(town: Town, tenant: str, hole: Hole) -> list[dict[str, Any]]:
    """The newest breach of that question: earlier tests may have opened the same one."""
    found = [
        row
        for row in town.sentinels[tenant].console("/api/v1/breaches")
        if (row["question"], row["identity"], row["target"]) == (hole.question, hole.identity, hole.target)
    ]
    return found[:1]


def closed(town: Town, tenant: str, hole: Hole) -> bool:
    series = {"check": hole.check, "identity": hole.identity, "target": hole.target}
    return town.sentinels[tenant].metrics().value("sentinel_breach_since_timestamp_seconds", **series) == 0


def foreign(town: Town, series: Mapping[str, str]) -> list[str]:
    """Breaches paged about another target or identity than those of this hole."""
    alerts = [alert for delivery in town.pages.deliveries for alert in delivery.alerts(alertname=BREACH)]
    labels = [alert["labels"] for alert in alerts if alert["status"] == "firing"]
    return [json.dumps(found) for found in labels if any(found[key] != series[key] for key in ("identity", "target"))]


def says_yes(town: Town, command: str) -> bool:
    """Does what `kubectl auth can-i` does with these words: a review, impersonating whom it names."""
    verb, resource, *options = command.removeprefix("kubectl auth can-i ").split()
    kind, _, name = resource.partition("/")
    plural, _, group = kind.partition(".")
    attributes = {"verb": verb, "resource": plural, "group": group, "name": name}
    if options[-2:-1] == ["-n"]:
        attributes["namespace"] = options[-1]
    asked = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview"}
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {ADMIN}"}
    whom = [("Impersonate-User", o.removeprefix("--as=")) for o in options if o.startswith("--as=")]
    whom += [("Impersonate-Group", o.removeprefix("--as-group=")) for o in options if o.startswith("--as-group=")]
    connection = http.client.HTTPSConnection(
        town.cluster.host, town.cluster.port, context=ssl.create_default_context(cafile=str(town.cluster.ca_file))
    )
    with contextlib.closing(connection):
        connection.putrequest("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews")
        body = json.dumps(asked | {"spec": {"resourceAttributes": attributes}}).encode()
        for key, value in [*headers.items(), *whom, ("Content-Length", str(len(body)))]:
            connection.putheader(key, value)
        connection.endheaders(body)
        answer = json.loads(connection.getresponse().read())
    assert answer.get("kind") == asked["kind"], answer
    return bool(answer["status"]["allowed"])
