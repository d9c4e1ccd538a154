"""Blindness pages too: the right alert, once, about whom it concerns, and nobody else."""

import contextlib
import time
from typing import Any

from tests.cluster.town import ROUND, SCALE, SETTLED, TENANTS, Town
from tests.support.eventually import eventually
from tests.support.webhook import Webhook

AFTERMATH = 180 * SCALE
"""Seconds after which whatever an outage made late would have paged: `within`, one and a half times."""


def test_a_dead_token_pages_as_blindness_of_that_tenant_and_of_no_other(town: Town) -> None:
    town.settle()
    blind = town.sentinels["team-c"]

    blind.write_token("garbage")
    broken = time.time() + ROUND  # a round may have been under way
    try:
        page = town.pages.wait_for_alert("firing", SETTLED, alertname="SentinelBlind", tenant="team-c")
        before = blind.metrics()
        status, text = blind.get("/readyz")
        standings = blind.console("/api/v1/status")["standings"]
        eventually(lambda: rounds_since(blind, before) > 1, SETTLED, "two more rounds")
        after = blind.metrics()
    finally:
        blind.write_token(town.cluster.token_for("team-c"))

    assert "token" in page.alerts(alertname="SentinelBlind")[0]["annotations"]["description"]
    assert (status, "token" in text) == (503, True)
    # What was not due since then is shown as it was last proven, and says when that was.
    assert all(row["verdict"] == "inconclusive" or row["last_proven"] < broken for row in standings)
    each_round = [row for row in standings if (row["question"], row["target"]) == ("list secrets", "*")]
    assert {row["verdict"] for row in each_round if row["identity"] == "self"} == {"inconclusive"}
    assert held(after) == held(before)
    town.pages.wait_for_alert("resolved", SETTLED, alertname="SentinelBlind", tenant="team-c")
    eventually(town.is_quiet, SETTLED, town.story)
    assert fired(town.pages) == [("SentinelBlind", "team-c", "*")]


def test_a_dead_api_server_is_one_page_for_five_tenants_and_its_return_is_none(town: Town) -> None:
    town.settle()

    town.cluster.kill_apiserver()
    try:
        town.pages.wait_for_alert("firing", SETTLED, alertname="SentinelApiUnreachable")
        before = {tenant: held(town.sentinels[tenant].metrics()) for tenant in TENANTS}
        looks = town.prometheus.query("time()")[0].value
        eventually(lambda: town.prometheus.query("time()")[0].value > looks + AFTERMATH, SETTLED, "time")
        after = {tenant: held(town.sentinels[tenant].metrics()) for tenant in TENANTS}
        reasons = {tenant: town.sentinels[tenant].get("/readyz")[1] for tenant in TENANTS}
    finally:
        town.cluster.start_apiserver()

    assert after == before
    assert all("ready" in text for text in reasons.values())
    town.pages.wait_for_alert("resolved", SETTLED, alertname="SentinelApiUnreachable")
    back = town.prometheus.query("time()")[0].value
    eventually(lambda: town.prometheus.query("time()")[0].value > back + AFTERMATH, SETTLED, "time")
    eventually(town.is_quiet, SETTLED, town.story)
    assert fired(town.pages) == [("SentinelApiUnreachable", "", "")]
    assert [found.status for found in town.pages.deliveries] == ["firing", "resolved"]


def fired(pages: Webhook) -> list[tuple[str, str, str]]:
    """Alert, tenant and target of whatever was delivered as firing."""
    alerts = [alert for delivery in pages.deliveries for alert in delivery.alerts() if alert["status"] == "firing"]
    labels = [alert["labels"] for alert in alerts]
    return sorted({(row["alertname"], row.get("tenant", ""), row.get("target", "")) for row in labels})


def held(metrics: Any) -> float:
    return float(metrics.sum("sentinel_verdicts_total", verdict="held"))


def rounds_since(sentinel: Any, before: Any) -> float:
    """Seconds of rounds that were finished since."""
    with contextlib.suppress(KeyError):
        name = "sentinel_round_timestamp_seconds"
        return float(sentinel.metrics().value(name) - before.value(name))
    return 0.0
