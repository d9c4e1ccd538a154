"""Every dashboard: its queries parse, ask for series that somebody gives, and say what they show."""

import functools
import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests import parts
from tests.alerts import rules
from tests.dashboards import built, exported
from tests.dashboards.board import COLUMNS, SCHEMA, TAG
from tests.dashboards.files import BOARDS, everything, panels, queries, substituted, variables
from tests.deploy import chart

each = pytest.mark.parametrize("name", BOARDS)
SERIES = r"(?<![\w:$\".])((?:sentinel|process|chaos)_\w+|\w+:[\w:]+)"


def test_the_files_are_what_is_written_here() -> None:
    shipped = {name: (built.FOLDER / f"{name}.json").read_text() for name in built.texts()}

    assert shipped == built.texts(), "`make dashboards` mends this"


@pytest.mark.parametrize("promtool", ["promtool", "promtool2"])
def test_every_query_parses(promtool: str, tmp_path: Path) -> None:
    plain = [substituted(asked.query["expr"], everything(asked.board), span=3600) for asked in queries()]
    asked = [{"record": f"panel:{number}", "expr": text} for number, text in enumerate(plain)]
    file = tmp_path / "panels.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": asked}]}))

    ended = subprocess.run([parts.find(promtool), "check", "rules", file], capture_output=True, text=True, check=False)

    assert ended.returncode == 0, ended.stdout + ended.stderr


@each
def test_every_series_is_one_that_somebody_gives(name: str) -> None:
    known = set(exported.series()) | exported.recorded()
    chosen = [variable["definition"] for variable in variables(name).values()]

    for text in (*(asked.query["expr"] for asked in queries(name)), *chosen):
        assert set(re.findall(SERIES, text)) <= known, text


@each
def test_every_label_that_is_asked_for_is_one_that_the_series_has(name: str) -> None:
    for asked in queries(name):
        text = asked.query["expr"]
        for series, selector in re.findall(SERIES + r"\{([^}]*)\}", text):
            if series in exported.series():
                labels = set(re.findall(r"(\w+)(?:=|!=)~?\"", selector))
                assert labels <= exported.series()[series] | exported.SCRAPED, f"{asked.name}: {series}"
        of_ours = [exported.series()[series] for series in re.findall(SERIES, text) if series in exported.series()]
        if of_ours and not any(":" in series for series in re.findall(SERIES, text)):
            grouped = {label for found in re.findall(r"\bby \(([^)]*)\)", text) for label in found.split(", ")}
            assert grouped <= frozenset.union(*of_ours) | exported.SCRAPED, asked.name


@each
def test_every_choice_that_is_asked_by_can_be_made(name: str) -> None:
    known = {one["name"] for one in BOARDS[name]["templating"]["list"]} | {"__rate_interval", "__range", "__interval"}
    marks = [mark["expr"] for mark in BOARDS[name]["annotations"]["list"]]
    chosen = [variable["definition"] for variable in variables(name).values()]

    for text in (*marks, *chosen, *(asked.query["expr"] for asked in queries(name))):
        assert set(re.findall(r"\$\{?(\w+)", text)) <= known, text


@each
def test_all_tenants_are_not_the_witness_which_has_no_tenant(name: str) -> None:
    for variable in variables(name).values():
        assert re.fullmatch(variable["allValue"], "team-a")
        assert bool(re.fullmatch(variable["allValue"], "")) is (variable["name"] != "tenant")


def test_the_pages_link_to_these_dashboards() -> None:
    links = {rule["annotations"]["dashboard_url"] for rule in rules.every_rule(exported.RULES) if "alert" in rule}

    assert links
    for link in links:
        board, _, query = link.removeprefix("/d/sentinel-").partition("?")
        assert set(re.findall(r"var-(\w+)=", query)) <= set(variables(board)), link


@each
def test_every_panel_says_what_it_shows_and_in_which_unit(name: str) -> None:
    for panel in panels(name):
        assert panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"].get("unit"), panel["title"]


@each
def test_a_rate_is_taken_over_what_grafana_knows_to_hold_enough_scrapes(name: str) -> None:
    for asked in queries(name):
        assert set(re.findall(r"rate\([^\[]*\[([^\]]+)\]", asked.query["expr"])) <= {"$__rate_interval"}, asked.name


@each
def test_panels_neither_overlap_nor_share_a_number_or_a_title(name: str) -> None:
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in BOARDS[name]["panels"])
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    numbers = [panel["id"] for panel in BOARDS[name]["panels"]]

    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) == COLUMNS - 1
    assert len(numbers) == len(set(numbers))
    titles = [panel["title"] for panel in panels(name)]
    assert len(titles) == len(set(titles))


@each
def test_it_works_with_any_data_source_and_cannot_be_edited_by_accident(name: str) -> None:
    board = BOARDS[name]
    asking = [*panels(name), *(asked.query for asked in queries(name)), *variables(name).values()]

    assert {json.dumps(found["datasource"]) for found in asking} == {
        json.dumps({"type": "prometheus", "uid": "${datasource}"})
    }
    assert board["templating"]["list"][0]["type"] == "datasource"
    assert board["editable"] is False
    assert board["schemaVersion"] == SCHEMA
    assert "id" not in board


@each
def test_its_address_is_its_file_s_name_and_the_others_are_one_step_away(name: str) -> None:
    (to,) = [link for link in BOARDS[name]["links"] if link["type"] == "dashboards"]

    assert BOARDS[name]["uid"] == f"sentinel-{name}"
    assert TAG in BOARDS[name]["tags"]
    assert (to["tags"], to["includeVars"], to["keepTime"]) == ([TAG], True, True)


def test_a_cell_leads_to_what_it_is_about() -> None:
    links = re.findall(r"/d/(sentinel-\w+)\?([^\"]*)", json.dumps(BOARDS))

    assert links
    for board, query in links:
        assert set(re.findall(r"var-(\w+)=", query)) <= set(variables(board.removeprefix("sentinel-")))


@functools.cache
def rendered() -> list[chart.Object]:
    return chart.render(chart.values(1))


@each
def test_it_is_shipped_whole_where_grafana_looks_for_it(name: str) -> None:
    shipped = chart.one(rendered(), "ConfigMap", f"sentinel-dashboard-{name}", chart.RELEASE)

    assert shipped["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert json.loads(shipped["data"][f"sentinel-{name}.json"]) == BOARDS[name]
    assert len(json.dumps(shipped)) < 200_000, "`kubectl apply` keeps it in an annotation of at most 262,144 bytes"
