"""The beat that somebody outside misses: what holds it back, and the real processes, each killed in turn."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path as FilePath
from typing import Any, cast

import pytest
import yaml
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from sentinel.clients.clock import Clock
from sentinel.core.paging.formula import Path
from sentinel.joins.heartbeat import Heartbeat, heartbeat_of
from sentinel.settings import load
from sentinel.sinks.heartbeat_metrics import HeartbeatMetrics
from tests.alerts import rules
from tests.paging.impostor import Impostor, Said
from tests.support import prometheus
from tests.support.alertmanager import Alertmanager
from tests.support.authority import Authority
from tests.support.eventually import eventually
from tests.support.pairs import DEBIAN
from tests.support.ports import free_port
from tests.support.prometheus import Prometheus
from tests.support.sentinels import Metrics, Sentinel
from tests.support.switch import Switch
from tests.support.webhook import Webhook
from tests.wire.test_gateway_process import Nowhere

PATIENCE = 90.0
QUERY, ALERTS = "/api/v1/query", "/api/v2/alerts"


def evaluated(age: str) -> Said:
    return Said(body={"status": "success", "data": {"resultType": "vector", "result": [{"value": [1, age]}]}})


SHOWN = Said(body=[{"labels": {"alertname": "SentinelWatchdog"}}])


@pytest.fixture
def servers() -> Iterator[tuple[Impostor, Impostor]]:
    with Impostor({"": evaluated("7")}) as server, Impostor({"": SHOWN}) as manager:
        yield server, manager


class Beating:
    """A heartbeat as settings make it, and what came of it."""

    def __init__(self, folder: FilePath, url: str, server: str, *managers: str, **how: Any) -> None:
        self.url = folder / "url"
        self.url.write_text(f"{url}\n")
        whole = {
            "cluster": "tests",
            "tenants": [{"name": "team-a", "namespaces": ["team-a"]}],
            "relay": {},
            "isolation": {"witness_share": 0.25},
            "alerting": {"prometheus": server},
            "paging": {"direct": list(managers), "heartbeat": {"file": str(self.url)}},
        }
        (folder / "w.yaml").write_text(yaml.safe_dump(whole))
        self.registry = CollectorRegistry()
        metrics = HeartbeatMetrics(self.registry, Clock())
        works, broken = how.get("works", True), how.get("broken", frozenset())
        settings = load(folder / "w.yaml", {})
        self.heart: Heartbeat = heartbeat_of(settings, metrics, lambda: works, lambda: broken)

    async def beat(self) -> list[str]:
        """What is logged meanwhile, why for why."""
        with capture_logs() as lines:
            async with self.heart.client:
                await self.heart.beat()
        return [word for line in lines for word in line.get("why", [line["event"]])]

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"sentinel_heartbeat_{name}", labels)


async def test_it_beats_while_all_is_well_and_says_so_once(
    servers: tuple[Impostor, Impostor], tmp_path: FilePath
) -> None:
    with Switch() as switch:
        made = Beating(tmp_path, switch.url, servers[0].url, servers[1].url)
        before = made.value("last_success_timestamp_seconds")

        assert await made.beat() == ["heartbeat.taken"]
        assert await made.beat() == []

    assert len(switch.beats) == 2
    assert switch.paths == {"/ping/7c1f-secret"}
    assert made.value("beats_total", result="accepted") == 2
    assert (made.value("last_success_timestamp_seconds") or 0) > (before or 0)


@pytest.mark.parametrize(
    ("server", "manager", "how", "lack"),
    [
        (evaluated("61"), SHOWN, {}, "prometheus"),
        (Said(body={"data": {"result": []}}), SHOWN, {}, "prometheus"),
        (Said(503), SHOWN, {}, "prometheus"),
        (Said(body="<html>please log in</html>"), SHOWN, {}, "prometheus"),
        (evaluated("7"), Said(body=[]), {}, "alertmanager"),
        (evaluated("7"), Said(500), {}, "alertmanager"),
        (evaluated("7"), SHOWN, {"works": False}, "witness"),
        (evaluated("7"), SHOWN, {"broken": frozenset(Path)}, "page_path"),
    ],
)
async def test_while_something_is_lacking_there_is_no_beat_and_the_reason_is_shown(
    server: Said,
    manager: Said,
    how: dict[str, Any],
    lack: str,
    servers: tuple[Impostor, Impostor],
    tmp_path: FilePath,
) -> None:
    servers[0].says, servers[1].says = {"": server}, {"": manager}
    with Switch() as switch:
        made = Beating(tmp_path, switch.url, servers[0].url, servers[1].url, **how)

        assert await made.beat() == [lack]

    assert switch.beats == []
    lacks = ("witness", "prometheus", "alertmanager", "page_path")
    assert [made.value("held", lack=name) for name in lacks] == [float(name == lack) for name in lacks]
    assert made.value("beats_total", result="failed") == 0


async def test_one_alertmanager_of_two_that_answers_is_enough(
    servers: tuple[Impostor, Impostor], tmp_path: FilePath
) -> None:
    with Switch() as switch, Impostor({"": Said(500)}) as broken:
        made = Beating(tmp_path, switch.url, servers[0].url, broken.url, servers[1].url)

        assert await made.beat() == ["heartbeat.taken"]


@pytest.mark.parametrize(
    ("written", "answer", "sentence"),
    [
        ("{url}", 404, "127.0.0.1: answered 404"),
        ("{url}", 302, "127.0.0.1: answered 302"),
        ("{url}", 500, "127.0.0.1: answered 500"),
        ("", 200, "the token is empty"),
        ("ftp://hc.example/7c1f-secret", 200, "found no URL that begins with https://"),
        ("https://[half/7c1f-secret", 200, "found no URL that begins with https://"),
        ("http://127.0.0.1:9/7c1f-secret", 200, "127.0.0.1: ClientConnectorError"),
    ],
)
async def test_a_switch_that_does_not_take_it_is_a_failure_whose_url_stays_secret(
    written: str, answer: int, sentence: str, servers: tuple[Impostor, Impostor], tmp_path: FilePath
) -> None:
    with Switch(answer=answer) as switch:
        made = Beating(tmp_path, written.format(url=switch.url), servers[0].url, servers[1].url)

        (why,) = await made.beat()

        assert sentence in why
        assert "7c1f" not in why
        if written:
            made.url.write_text(switch.url)
            switch.answer = 204
            assert await made.beat() == ["heartbeat.taken"]


FILES = rules.rendered(timeScale=0.05, witness={"enabled": True}, **rules.BELL)


class Town:
    """A witness, the servers it looks at, and who misses it."""

    def __init__(self, folder: FilePath, pager: Webhook, switch: Switch) -> None:
        self.switch, self.door, listen = switch, free_port(), f"127.0.0.1:{free_port()}"
        route = yaml.safe_load(FILES["route.yaml"])
        for receiver in route["receivers"]:
            drill = receiver["name"] == "sentinel-drill"
            url = f"http://127.0.0.1:{self.door}/page-drill" if drill else f"{pager.url}/{receiver['name']}"
            receiver["webhook_configs"] = [{"url": url, "send_resolved": not drill}]
        # The newest pair is drilled in test_page_path.py.
        self.manager = Alertmanager(route, binary=DEBIAN.alertmanager)
        config = prometheus.config({listen: {}}, [self.manager.address], interval="500ms", job="sentinel-witness")
        shipped = [FILES["paging.rules.yaml"]]
        self.prometheus = Prometheus(config, shipped, resend_delay="1s", binary=DEBIAN.prometheus)
        self.witness = self._witness(folder, listen)

    def _witness(self, folder: FilePath, listen: str) -> Sentinel:
        (folder / "url").write_text(self.switch.url)
        authority = Authority(folder)
        files = {"cert": str(authority.certificate_file), "key": str(authority.key_file)}
        config = {
            "cluster": "tests",
            "tenants": [{"name": name, "namespaces": [name]} for name in ("team-a", "team-b")],
            "relay": {"listen": f"127.0.0.1:{free_port()}"} | files,
            "isolation": {"witness_share": 0.25, "every": "1s", "timeout": "500ms"},
            "alerting": {"prometheus": self.prometheus.url},
            "paging": {
                "direct": [self.manager.url],
                "repeat": "1s",
                "drill": {"every": "8s", "within": "2s", "listen": f"127.0.0.1:{self.door}"},
                "heartbeat": {"file": str(folder / "url"), "every": "200ms"},
            },
            "web": {"listen": listen},
        }
        nowhere = Nowhere(authority.ca_file)
        return Sentinel(
            cast("Any", nowhere), config, namespace="sentinel-system", token="x", server=nowhere, command="witness"
        )

    def metrics(self) -> Metrics:
        assert self.witness.child is not None
        self.witness.child.must_run()
        return self.witness.metrics()

    def until(self, holds: Callable[[], object], what: str) -> None:
        def tried() -> object:
            try:
                return holds()
            except (OSError, KeyError):  # it does not listen yet, or does not name it yet
                return None

        eventually(tried, PATIENCE, lambda: f"{what}\n{self.witness.child and self.witness.child.log_tail(15)}")

    def beats_again(self) -> None:
        before = len(self.switch.beats)
        self.until(lambda: len(self.switch.beats) > before + 2, "it beats")

    def drilled(self) -> bool:
        seen = self.metrics()
        return all(seen.sum("sentinel_page_path_runs_total", path=way, result="arrived") for way in ("rule", "push"))

    def silent_since(self, killed: float, lack: str) -> float:
        """Seconds from the kill to the last beat, which may be before it."""
        self.until(lambda: self.metrics().value("sentinel_heartbeat_held", lack=lack) == 1, f"{lack} is missed")
        beats = len(self.switch.beats)
        failed = self.metrics().sum("sentinel_heartbeat_beats_total")
        self.until(lambda: time.monotonic() > killed + 1, "some beats were due")
        assert len(self.switch.beats) == beats
        assert self.metrics().sum("sentinel_heartbeat_beats_total") == failed
        return self.switch.beats[-1] - killed


def nothing_counts_as_a_breach(town: Town) -> None:
    seen = town.metrics()
    assert not seen.sum("sentinel_witness_breaches_total")
    assert not seen.all("sentinel_witness_breach_since_timestamp_seconds")
    assert not seen.sum("sentinel_page_delay_seconds_count")
    assert town.witness.console("/api/v1/breaches?tenant=team-a") == []


def test_the_death_of_prometheus_of_alertmanager_and_of_the_witness_each_ends_the_beat(tmp_path: FilePath) -> None:
    with Webhook() as pager, Switch() as switch:
        town = Town(tmp_path, pager, switch)
        with town.manager, town.prometheus, town.witness:
            town.beats_again()
            town.until(town.drilled, "both ways are drilled")
            nothing_counts_as_a_breach(town)

            for lack, server in (("alertmanager", town.manager), ("prometheus", town.prometheus)):
                killed = time.monotonic()
                server.kill()
                print(f"\n{lack} killed: the last beat {town.silent_since(killed, lack):+.2f} s")
                server.start()
                town.beats_again()

            town.witness.kill()
            beats, killed = len(switch.beats), time.monotonic()
            eventually(lambda: time.monotonic() > killed + 1, 30)
            assert len(switch.beats) == beats
            assert "7c1f" not in (town.witness.folder / "log").read_text()
        woken = [found for found in pager.deliveries if found.alerts(drill="page-path")]
        assert woken == []
