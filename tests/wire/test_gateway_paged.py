"""An outage from the process to the page: a primary is killed, nobody takes over in time, and both paths page once.

    stub <-- sentinel witness -- push --> Alertmanager (shipped route) --> webhook
                    \\-- scraped by Prometheus (shipped rules) --^

Only time is scaled, by the chart's own `timeScale`.
"""

import asyncio
import time
from contextlib import ExitStack

import pytest
import yaml

from tests.alerts import rules
from tests.support import prometheus
from tests.support.alertmanager import Alertmanager
from tests.support.eventually import eventually
from tests.support.prometheus import Prometheus
from tests.support.switching import Stub
from tests.support.webhook import Webhook
from tests.wire.test_gateway_process import PATIENCE, answered, started, until

pytestmark = pytest.mark.asyncio

SCALE = 0.025
REPEAT, WITHIN = "750ms", "4s"
SLOW = "SentinelFailoverSlow"
OPEN = "sentinel_gateway_failover_open_user_seconds"
RENDERED = {
    "cluster": "c",
    "tenants": rules.TENANTS[:2],
    "witness": {"enabled": True},
    "timeScale": SCALE,
    "config": {"gateways": [rules.GATEWAYS[0] | {"failover": {"within": "160s"}}]},
}


async def test_an_outage_is_one_page_by_both_paths_and_ends_when_users_are_answered_again(tmp_path):
    stub, shipped = Stub(), rules.rendered(**RENDERED)
    with ExitStack() as stack:
        phone = stack.enter_context(Webhook())
        alertmanager = stack.enter_context(Alertmanager(_route(shipped["route.yaml"], phone)))
        paging = {"direct": [alertmanager.url], "repeat": REPEAT}
        async with started(stub, tmp_path, "witness", within=WITHIN, paging=paging) as made:
            scraped = prometheus.config(
                {made.address: {}}, [alertmanager.address], interval="250ms", job="sentinel-witness"
            )
            judging = [shipped["breach.rules.yaml"], shipped["gateway.rules.yaml"]]
            stack.enter_context(Prometheus(scraped, judging, resend_delay=f"{int(15_000 * SCALE)}ms"))
            await until(made, lambda: answered(made, "served_primary") >= 3)

            stub.switch, stub.dies = 1e9, time.monotonic()
            await _within(
                lambda: {alert["labels"]["path"] for alert in alertmanager.alerts(alertname=SLOW)} == {"push", "rule"}
            )
            paths = _groups(alertmanager)
            page = await asyncio.to_thread(phone.wait_for_alert, "firing", PATIENCE, alertname=SLOW)

            # The file is read again while it stands: the outage goes on, and the page with it.
            whole = yaml.safe_load(made.config_file.read_text())
            made.config_file.write_text(yaml.safe_dump(whole | {"log": {"level": "debug"}}))
            await until(made, lambda: made.log_lines(event="config.taken") and made.metrics().sum(OPEN) > 4)
            assert not made.metrics().sum("sentinel_gateway_failover_events_total", verdict="right_censored")

            stub.dies = 1e18
            await asyncio.to_thread(phone.wait_for_alert, "resolved", PATIENCE, alertname=SLOW)
            await _within(lambda: not alertmanager.alerts(alertname=SLOW))

    told = [found for found in phone.deliveries if found.alerts(alertname=SLOW)]
    assert paths == [{"push", "rule"}], "one group, and both are in it"
    assert page.alerts(alertname=SLOW)[0]["labels"]["gateway"] == "chat"
    assert "limit of 4" in page.alerts(alertname=SLOW)[0]["annotations"]["description"]
    assert [found.status for found in told if found.status == "firing"] == ["firing"], phone.summary()


def _route(text, phone):
    """The shipped one; only the receivers, which are everybody's own, are filled in."""
    route = yaml.safe_load(text)
    for receiver in route["receivers"]:
        if receiver["name"] == "sentinel-page":
            receiver["webhook_configs"] = [{"url": phone.url, "send_resolved": True}]
    return route


def _groups(alertmanager):
    """The paths in each group of this alert."""
    found = [
        {a["labels"]["path"] for a in group["alerts"] if a["labels"]["alertname"] == SLOW}
        for group in alertmanager.groups()
    ]
    return [paths for paths in found if paths]


async def _within(holds):
    await asyncio.to_thread(eventually, holds, PATIENCE)
