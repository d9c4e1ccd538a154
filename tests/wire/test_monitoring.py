"""Prometheus scrapes and fires into Alertmanager, which delivers to the webhook."""

import re
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from tests.support import alertmanager, prometheus
from tests.support.alertmanager import Alertmanager
from tests.support.eventually import eventually
from tests.support.pairs import PAIRS, Pair
from tests.support.prometheus import Prometheus
from tests.support.webhook import Webhook

RULES = """
groups:
- name: wire
  interval: 1s
  rules:
  - alert: Light
    expr: light == 1
    labels: {severity: critical}
"""


class Lamp:
    """An exporter of one gauge, `light`."""

    def __init__(self) -> None:
        self.light = 0
        lamp = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                text = f"light {lamp.light}\n".encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, format: str, *values: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server.server_port}"


@pytest.fixture
def lamp() -> Iterator[Lamp]:
    made = Lamp()
    thread = Thread(target=made.server.serve_forever, args=(0.05,))
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_a_change_is_scraped_fires_and_arrives_and_is_resolved(lamp: Lamp, pair: Pair) -> None:
    with (
        Webhook() as pager,
        Alertmanager(
            alertmanager.config(pager.url, group_wait="0s", group_interval="1s"), binary=pair.alertmanager
        ) as am,
        Prometheus(
            prometheus.config({lamp.address: {"tenant": "team-a"}}, [am.address]),
            [RULES],
            resend_delay="1s",
            binary=pair.prometheus,
        ) as prom,
    ):
        eventually(lambda: prom.value("light") == 0, 15, "the lamp was scraped")
        assert prom.firing() == set()

        lamp.light = 1
        page = pager.wait_for_alert("firing", 15, alertname="Light")
        assert page.alerts()[0]["labels"]["tenant"] == "team-a"
        assert prom.firing() == {"Light"}
        assert len(am.alerts(alertname="Light")) == 1

        lamp.light = 0
        pager.wait_for_alert("resolved", 15, alertname="Light")


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_an_alertmanager_forgets_when_killed_and_keeps_its_address(pair: Pair) -> None:
    alert = {"labels": {"alertname": "Posted"}}
    config = alertmanager.config
    with Webhook() as pager, Alertmanager(config(pager.url, group_wait="0s"), binary=pair.alertmanager) as am:
        am.send(alert)
        pager.wait_for_alert("firing", 10, alertname="Posted")

        am.kill()
        with pytest.raises(OSError):
            am.alerts()
        am.start()

        assert am.alerts() == []


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_a_pager_that_answers_500_is_tried_again_and_one_that_answers_400_is_not(pair: Pair) -> None:
    with (
        Webhook(answer=500) as pager,
        Alertmanager(
            alertmanager.config(pager.url, group_wait="0s", group_by=["alertname"]), binary=pair.alertmanager
        ) as am,
    ):
        am.send({"labels": {"alertname": "Retried"}})
        pager.wait_for_alert("firing", 10, alertname="Retried")
        first = len(pager.deliveries)
        eventually(lambda: len(pager.deliveries) > first, 10, "a second try")
        pager.answer = 200

        pager.clear()
        pager.answer = 400
        am.send({"labels": {"alertname": "Refused"}})
        pager.wait_for_alert("firing", 10, alertname="Refused")

        # 0.25 gives no reason.
        given_up = re.compile(r'notifications_failed_total\{integration="webhook"(,reason="clientError".*)?\} [1-9]')
        eventually(lambda: given_up.search(am.get("/metrics")), 10, "it gave up")
        assert len([d for d in pager.deliveries if d.alerts(alertname="Refused")]) == 1


def test_what_does_not_arrive_says_what_did() -> None:
    with Webhook() as pager, pytest.raises(TimeoutError, match="there were \\[\\]"):
        pager.wait_for(bool, 0.1)
