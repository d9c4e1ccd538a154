"""The dashboards: every query parses, and asks for series that somebody gives."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import parts
from tests.alerts import rules
from tests.deploy import chart

BOARDS: dict[str, dict[str, Any]] = {
    file.stem: json.loads(file.read_text()) for file in sorted((chart.ROOT / "alerts" / "dashboards").glob("*.json"))
}
"""Each by the name of its file."""
each = pytest.mark.parametrize("name", BOARDS)

MEASURED = {
    "sentinel_attempts_total",
    "sentinel_responses_total",
    "sentinel_denials_total",
    "sentinel_verdicts_total",
    "sentinel_breaches_total",
    "sentinel_unattributed_since_timestamp_seconds",
    "sentinel_breach_since_timestamp_seconds",
    "sentinel_period_seconds",
    "sentinel_inconclusive",
    "sentinel_gate_up",
    "sentinel_coverage_ratio",
    "sentinel_oldest_proof_timestamp_seconds",
    "sentinel_round_timestamp_seconds",
    "sentinel_config_hash",
    "sentinel_probe_duration_seconds_bucket",
    "sentinel_token_expiry_timestamp_seconds",
    "sentinel_schedule_lag_seconds_bucket",
    "sentinel_loop_lag_seconds_bucket",
    "sentinel_attempts_skipped_total",
    "sentinel_page_pushes_total",
    "sentinel_page_delay_seconds_bucket",
    "sentinel_build_info",
    "sentinel_config_last_reload_successful",
    "process_resident_memory_bytes",
}
"""The contract on metrics: what a sentinel exposes, written out here so that a renamed one is noticed."""

WITNESSED = {
    "sentinel_witness_breach_since_timestamp_seconds",
    "sentinel_witness_round_timestamp_seconds",
    "sentinel_witness_oldest_proof_timestamp_seconds",
    "sentinel_witness_coverage_ratio",
    "sentinel_witness_inconclusive",
    "sentinel_witness_config_match",
    "sentinel_witness_period_seconds",
    "sentinel_accounts_unwatched",
    "sentinel_watch_up",
    "sentinel_watch_events_total",
    "sentinel_watch_restarts_total",
    "sentinel_watch_missed_total",
    "sentinel_relay_requests_total",
    "sentinel_relay_alerts_total",
    "sentinel_hints_total",
    "sentinel_witness_beacons",
    "sentinel_build_info",
    "sentinel_config_hash",
    "sentinel_config_last_reload_successful",
    "sentinel_page_pushes_total",
    "process_resident_memory_bytes",
}
"""The same of the witness."""

OF_GATEWAYS = {
    "sentinel_gateway_probes_total",
    "sentinel_gateway_failover_open_user_seconds",
    "sentinel_gateway_serving_provider",
}
"""The same of whoever asks gateways."""

OF_PAGES = {"sentinel_page_worst_case_seconds"}
"""The same of how long a page takes, from the witness."""


EVERYTHING = rules.shipped(witness=True, network=True, gateways=True, verified=True, kind="DaemonSet")


def panels(name: str) -> Iterator[dict[str, Any]]:
    yield from (panel for panel in BOARDS[name]["panels"] if panel["type"] != "row")


def expressions() -> Iterator[str]:
    for panel in (panel for name in BOARDS for panel in panels(name)):
        yield from (target["expr"] for target in panel["targets"])


def recorded() -> set[str]:
    """The series that the shipped rules record."""
    return {rule["record"] for rule in rules.every_rule(EVERYTHING) if "record" in rule}


@pytest.mark.parametrize("promtool", ["promtool", "promtool2"])
def test_every_query_parses(promtool: str, tmp_path: Path) -> None:
    plain = [text.replace("$__rate_interval", "1m").replace("$tenant", ".*") for text in expressions()]
    asked = [{"record": f"panel:{number}", "expr": text} for number, text in enumerate(plain)]
    file = tmp_path / "panels.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": asked}]}))

    ended = subprocess.run([parts.find(promtool), "check", "rules", file], capture_output=True, text=True, check=False)

    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_every_series_is_one_that_somebody_gives() -> None:
    asked = {name for text in expressions() for name in re.findall(r"\b(?:sentinel|process)[a-z_:]+", text)}

    assert asked
    assert asked <= MEASURED | WITNESSED | OF_GATEWAYS | OF_PAGES | recorded()


@each
def test_all_tenants_are_not_the_witness_which_has_no_tenant(name: str) -> None:
    for variable in BOARDS[name]["templating"]["list"]:
        if variable["name"] == "tenant":
            assert not re.fullmatch(variable["allValue"], "")
            assert re.fullmatch(variable["allValue"], "team-a")


def test_the_pages_link_to_these_dashboards() -> None:
    links = {rule["annotations"]["dashboard_url"] for rule in rules.every_rule(EVERYTHING) if "alert" in rule}

    assert links
    assert {link.partition("?")[0] for link in links} <= {f"/d/{board['uid']}" for board in BOARDS.values()}


@each
def test_every_panel_says_what_it_shows_and_in_which_unit(name: str) -> None:
    for panel in panels(name):
        assert panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]


@each
def test_panels_neither_overlap_nor_share_a_number(name: str) -> None:
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in BOARDS[name]["panels"])
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    numbers = [panel["id"] for panel in BOARDS[name]["panels"]]

    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) == 23
    assert len(numbers) == len(set(numbers))


@each
def test_it_works_with_any_data_source_and_cannot_be_edited_by_accident(name: str) -> None:
    sources = {json.dumps(target["datasource"]) for panel in panels(name) for target in [panel, *panel["targets"]]}

    assert sources == {json.dumps({"type": "prometheus", "uid": "${datasource}"})}
    assert BOARDS[name]["editable"] is False
    assert "id" not in BOARDS[name]


@each
def test_it_is_shipped_whole_where_grafana_looks_for_it(name: str) -> None:
    shipped = chart.one(chart.render(chart.values(1)), "ConfigMap", f"sentinel-dashboard-{name}", chart.RELEASE)

    assert shipped["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert json.loads(shipped["data"][f"sentinel-{name}.json"]) == BOARDS[name]


@each
def test_its_address_is_its_files_name(name: str) -> None:
    assert BOARDS[name]["uid"] == f"sentinel-{name}"
