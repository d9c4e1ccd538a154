"""`sentinel verify-alerting` on the real servers, with the rules and the route that we ship."""

import functools
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from sentinel.cli import app
from tests.alerts import rules
from tests.paging.impostor import Impostor, Said
from tests.support import prometheus
from tests.support.alertmanager import Alertmanager
from tests.support.eventually import eventually
from tests.support.prometheus import Prometheus

ROOT = Path(__file__).parents[2]
FILES = rules.shipped(witness=True, verified=True)
NOWHERE = "http://127.0.0.1:9/"


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    whole = [sys.executable, "-m", "sentinel", "verify-alerting", *arguments]
    return subprocess.run(whole, check=False, capture_output=True, text=True, timeout=120)


def route(**more: Any) -> dict[str, Any]:
    """The shipped one, with somebody to be told, and with what is changed in its entry."""
    found: dict[str, Any] = yaml.safe_load(FILES["route.yaml"])
    for receiver in found["receivers"]:
        receiver["webhook_configs"] = [{"url": NOWHERE}]
    found["route"]["routes"][0] |= more
    return found


def scrapes(sentinel: str, managers: list[str]) -> dict[str, Any]:
    config = prometheus.config({sentinel: {"tenant": "team-a"}}, managers)
    witness = {"job_name": "sentinel-witness", "static_configs": [{"targets": [sentinel]}]}
    config["scrape_configs"].append(witness)
    config["global"]["external_labels"] = {"prometheus": "monitoring/k8s"}
    return config


@pytest.fixture(scope="module")
def exporter() -> Iterator[Impostor]:
    plain = {"Content-Type": "text/plain; version=0.0.4"}
    with Impostor({"": Said(body="sentinel_build_info 1\n", headers=plain)}) as found:
        yield found


def test_what_we_ship_keeps_the_promise_and_the_usual_group_interval_breaks_it(exporter: Impostor) -> None:
    shipped = list(rules.rule_files(FILES).values())
    with (
        Alertmanager(route()) as good,
        Alertmanager(route(), binary="alertmanager025") as debians,
        Alertmanager(route(group_interval="5m")) as slow,
        Prometheus(scrapes(exporter.address, [good.address]), shipped) as newest,
        Prometheus(scrapes(exporter.address, [debians.address]), shipped, binary="prometheus2") as older,
    ):
        for running in (newest, older):
            eventually(functools.partial(is_at_work, running), 60, "it scrapes, and tells")
            seen = command("--prometheus", running.url, "--output", "json")
            said = json.loads(seen.stdout)

            assert (seen.returncode, said["verdict"], said["unknown"]) == (0, "kept", []), seen.stdout + seen.stderr
            assert bell(said) == {
                "SentinelPagePathBroken": {("rule", "critical"), ("push", "critical")},
                "SentinelPageDrill": {("rule", "none"), ("push", "none")},
                "SentinelWatchdog": {("rule", "none")},
                "SentinelHeartbeatMissing": {("rule", "warning")},
            }
            assert worst_of(said) == {"by rule": 1 + 1 + 10 + 15 + 25 + 1 + 9, "by push": 15 + 1 + 9, "down": 62 + 120}

        late = command("--prometheus", newest.url, "--alertmanager", slow.url)
        assert late.returncode == 1
        assert "group_interval         300.0 s  group_interval of route.routes[0]  <- change this first" in late.stdout
        assert f"not told: Prometheus does not post to {slow.url}" in late.stdout

        strict = command("--prometheus", newest.url, "--promise", "3m")
        assert strict.returncode == 1
        assert "for: 120s, in whole evaluations  <- change this first" in strict.stdout

        config = ["--config", str(ROOT / "config/examples/two-tenants.yaml")]
        from_the_hole = json.loads(command("--prometheus", newest.url, "-o", "json", *config).stdout)
        breach = next(row for row in from_the_hole["alerts"] if row["alert"] == "SentinelIsolationBreach")
        detection = breach["terms"][0]["seconds"]
        assert worst_of(from_the_hole)["by rule"] == 62 + detection
        assert detection > 100


def bell(said: dict[str, Any]) -> dict[str, set[tuple[str, str]]]:
    """The alarm bell's own alerts: by which way they go, and whether the promise is about them."""
    names = ("SentinelPagePathBroken", "SentinelPageDrill", "SentinelWatchdog", "SentinelHeartbeatMissing")
    return {
        name: {
            (row["path"], row["severity"]) for row in said["alerts"] if row["alert"] == name and not row["obstacles"]
        }
        for name in names
    }


def worst_of(said: dict[str, Any]) -> dict[str, float]:
    found = {(row["alert"], row["path"]): row["worst_seconds"] for row in said["alerts"]}
    return {
        "by rule": found["SentinelIsolationBreach", "rule"],
        "by push": found["SentinelIsolationBreach", "push"],
        "down": found["SentinelDown", "rule"],
    }


def is_at_work(running: Prometheus) -> bool:
    knows_whom_to_tell = running.get("/api/v1/alertmanagers")["data"]["activeAlertmanagers"]
    return bool(knows_whom_to_tell) and [found["health"] for found in running.targets()] == ["up", "up"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "--prometheus"),
        (("--prometheus", "prometheus:9090"), "--prometheus: expected a URL that begins with http://"),
        (("--prometheus", "http://me:hunter2@prometheus"), "without user and password"),
        (("--prometheus", "http://p", "--alertmanager", "ftp://a"), "--alertmanager: expected a URL"),
        (("--prometheus", "http://p", "--promise", "soon"), "--promise: found 'soon'"),
        (("--prometheus", "http://p", "--peer-timeout", "15"), "--peer-timeout: found '15'"),
        (("--prometheus", "http://p", "--pager", "["), "--pager: found '[', expected a regular expression"),
        (("--prometheus", "http://p", "--config", "/nowhere.yaml"), "/nowhere.yaml"),
    ],
)
def test_wrong_usage_is_exit_2_and_a_sentence(arguments: tuple[str, ...], sentence: str) -> None:
    ended = CliRunner().invoke(app, ["verify-alerting", *arguments])

    assert ended.exit_code == 2, ended.stderr
    assert sentence in ended.stderr
    assert "hunter2" not in ended.stderr
    assert ended.stdout == ""


def test_who_cannot_be_reached_is_exit_3() -> None:
    ended = command("--prometheus", NOWHERE)

    assert ended.returncode == 3
    assert "Cannot connect" in ended.stdout
