"""A real Prometheus that dies with the sentinel, for longer than the rules forgive anything: the page comes back with it."""

import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from tests.alerts import rules
from tests.support import prometheus
from tests.support.eventually import eventually
from tests.support.prometheus import Prometheus

SCALE = 0.01
FORGIVEN = 900 * SCALE
"""Seconds after which what is no longer in the chart's values closes its breaches."""
BREACH = 'sentinel_breach_since_timestamp_seconds{{check="api/secrets",identity="self",target="team-b"}} {since}\n'


class Exporter:
    """Stands for a sentinel; `text` is what it shows, None: it is dead."""

    def __init__(self) -> None:
        self.text: str | None = ""
        exporter = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                text = exporter.text
                self.send_response(200 if text is not None else 503)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.end_headers()
                self.wfile.write((text or "").encode())

            def log_message(self, format: str, *values: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server.server_port}"


@pytest.fixture
def exporter() -> Iterator[Exporter]:
    made = Exporter()
    thread = Thread(target=made.server.serve_forever, args=(0.05,))
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


@pytest.mark.parametrize("binary", ["prometheus", "prometheus2"])
def test_a_breach_outlives_prometheus_and_the_sentinel_together(exporter: Exporter, binary: str) -> None:
    files = rules.rule_files(rules.rendered(timeScale=SCALE, tenants=rules.TENANTS[:2]))
    scrape = prometheus.config({exporter.address: {"tenant": "team-a"}}, interval="100ms")
    since = time.time() - 1
    exporter.text = "sentinel_build_info 1\n" + BREACH.format(since=since)
    with Prometheus(scrape, list(files.values()), binary=binary) as server:
        eventually(lambda: "SentinelIsolationBreach" in server.firing(), 20, "it fires")

        exporter.text = None
        server.kill()
        died = time.monotonic()
        eventually(lambda: time.monotonic() > died + FORGIVEN + 2, FORGIVEN + 10, "the outage has lasted")
        server.start()

        eventually(lambda: "SentinelIsolationBreach" in server.firing(), 10, "it fires again")
        assert server.value("sum(sentinel:breach_since:latched)") == pytest.approx(since)
        eventually(lambda: "SentinelDown" in server.firing(), 10, "and so does the sentinel's death")
        assert server.value("min(min_over_time(sentinel:breach_since:latched[1h]))") == pytest.approx(since)

        exporter.text = "sentinel_build_info 1\n"
        eventually(lambda: server.value("sum(sentinel:alive)") == 1, 10, "it is back")
        assert "SentinelIsolationBreach" in server.firing(), "and has proven nothing yet"

        exporter.text += BREACH.format(since=0)
        eventually(lambda: "SentinelIsolationBreach" not in server.firing(), 10, "closed by proof")
