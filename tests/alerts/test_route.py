"""The route, judged by amtool: who is told of what, and how long anything may wait on the way."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import parts
from tests.alerts import rules
from tests.support.pairs import PAIRS


@pytest.fixture
def route(tmp_path: Path) -> Path:
    path = tmp_path / "route.yaml"
    path.write_text(rules.shipped()["route.yaml"])
    return path


def amtool(*arguments: object) -> str:
    """What it says, which is the same whatever its version."""
    said = {pair.amtool: told(pair.amtool, *arguments) for pair in PAIRS}
    assert len(set(said.values())) == 1, said
    return said.popitem()[1]


def told(tool: str, *arguments: object) -> str:
    command = [str(parts.find(tool)), *map(str, arguments)]
    ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, f"{tool}: {ended.stdout}{ended.stderr}"
    return ended.stdout


@pytest.mark.parametrize("scale", [1, 0.1, 0.013])
def test_alertmanager_accepts_the_route(scale: float, tmp_path: Path) -> None:
    path = tmp_path / "route.yaml"
    path.write_text(rules.rendered(timeScale=scale)["route.yaml"])

    assert "SUCCESS" in amtool("check-config", path)


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        (("alertname=SentinelIsolationBreach", "severity=critical", "path=rule"), "sentinel-page"),
        (("alertname=SentinelIsolationBreach", "severity=critical", "path=push"), "sentinel-page"),
        (("alertname=SentinelApiUnreachable", "severity=critical"), "sentinel-page"),
        (("alertname=SentinelReviewOnly", "severity=warning"), "sentinel-ticket"),
        (("alertname=SentinelIsolationBreach", "severity=none"), "sentinel-nobody"),
        (("alertname=SentinelSomethingNew",), "sentinel-page"),
        (("alertname=ChaosRecoveryStalled", "severity=critical"), "sentinel-page"),
        (("alertname=ChaosExperimentActive", "severity=info"), "sentinel-nobody"),
        (("alertname=ChaosMeshControllerDown", "severity=critical"), "sentinel-elsewhere"),
        (("alertname=SentinelWatchdog", "severity=none"), "sentinel-watchdog"),
        (("alertname=SentinelPageDrill", "severity=none", "drill=page-path"), "sentinel-drill"),
        (("alertname=SentinelPageDrill", "severity=critical", "drill=page-path"), "sentinel-drill"),
        (("alertname=SentinelNotifyTest", "severity=warning", "drill=notify-test-0a1b2c3d"), "sentinel-ticket"),
        (("alertname=SentinelNotifyTest", "severity=critical", "drill=notify-test-0a1b2c3d"), "sentinel-page"),
        (("alertname=KubeAPIDown", "severity=critical"), "sentinel-elsewhere"),
    ],
)
def test_each_alert_reaches_its_receiver(route: Path, labels: tuple[str, ...], receiver: str) -> None:
    said = amtool("config", "routes", "test", f"--config.file={route}", *labels)

    assert said.strip() == receiver


def test_every_alert_that_is_shipped_is_routed_by_its_severity(route: Path) -> None:
    wanted = {
        "critical": "sentinel-page",
        "warning": "sentinel-ticket",
        "none": "sentinel-nobody",
        "info": "sentinel-nobody",
    }
    shipped = rules.alerts(rules.shipped(witness=True, gateways=True, verified=True))
    for name, rule in shipped.items():
        if name in ("SentinelWatchdog", "SentinelPageDrill"):
            continue  # these have routes of their own
        severity = rule["labels"]["severity"]
        said = amtool("config", "routes", "test", f"--config.file={route}", f"alertname={name}", f"severity={severity}")

        assert said.strip() == wanted[severity], name


def test_a_page_waits_for_no_more_than_15_s_and_is_grouped_by_its_victim(route: Path) -> None:
    ours = entry(route)

    assert (ours["group_wait"], ours["group_interval"]) == ("0s", "15s")
    assert ours["group_by"] == ["alertname", "cluster", "target", "gateway", "drill"]
    for child in ours["routes"]:
        matchers = str(child["matchers"])
        known = "severity" in matchers or "SentinelWatchdog" in matchers or "SentinelPageDrill" in matchers
        assert known, "a page never takes the slower timers of a child"


def test_a_drill_has_the_timers_of_a_page_and_neither_way_waits_for_the_other(route: Path) -> None:
    watchdog, drill, *_ = entry(route)["routes"]

    assert not {"group_wait", "group_interval", "repeat_interval"} & set(drill)
    assert drill["group_by"] == ["alertname", "cluster", "path"]
    assert (watchdog["group_interval"], watchdog["repeat_interval"]) == ("10s", "10s")


def test_a_drill_that_is_to_wake_somebody_is_measured_and_reaches_the_pager(tmp_path: Path) -> None:
    path = tmp_path / "route.yaml"
    path.write_text(rules.rendered(paging={"drill": {"wakes": True}})["route.yaml"])
    drill = ("alertname=SentinelPageDrill", "drill=page-path")

    test = ("config", "routes", "test", f"--config.file={path}")
    assert amtool(*test, *drill, "severity=critical").strip() == "sentinel-drill,sentinel-page"
    # What an older push still says wakes nobody.
    assert amtool(*test, *drill, "severity=none").strip() in ("sentinel-drill", "sentinel-drill,sentinel-nobody")


def test_merged_first_into_another_route_ours_wins_over_a_broader_one(route: Path, tmp_path: Path) -> None:
    theirs: dict[str, Any] = {
        "route": {
            "receiver": "theirs",
            "group_by": ["namespace"],
            "group_interval": "5m",
            "routes": [{"matchers": ['severity="critical"'], "receiver": "theirs"}],
        },
        "receivers": [{"name": "theirs"}],
    }
    shipped = yaml.safe_load(route.read_text())
    theirs["route"]["routes"].insert(0, entry(route))
    theirs["inhibit_rules"] = shipped["inhibit_rules"]
    theirs["receivers"] += shipped["receivers"]
    merged = tmp_path / "merged.yaml"
    merged.write_text(yaml.safe_dump(theirs))

    amtool("check-config", merged)
    test = ("config", "routes", "test", f"--config.file={merged}", "severity=critical")
    assert amtool(*test, "alertname=SentinelDown").strip() == "sentinel-page"
    assert amtool(*test, "alertname=TargetDown").strip() == "theirs"


def entry(route: Path) -> dict[str, Any]:
    (found,) = yaml.safe_load(route.read_text())["route"]["routes"]
    return dict(found)
