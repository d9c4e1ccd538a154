"""Every panel of our dashboards shows something in a town where everything happens, on a real Prometheus.

Three real sentinels ask the demo's API server and gateway. The witness, the visitor and the pods that ask over the
network are their metric sinks alone, fed through what their processes call (tests/dashboards/others.py).
"""

import asyncio
import math
import re

import pytest

from sentinel.core.paging import ours
from sentinel.demo import world
from sentinel.demo.stage import GATEWAY
from tests.dashboards import built, isolation, scene
from tests.dashboards.files import Json, queries, variables
from tests.dashboards.others import PLAIN, READER, THIRD, VICTIM

OURS = tuple(board.name for board in built.IN_TOWN)
SPOKEN_OF = {"tenant": "tenant", "subject": "tenant", "gateway": "gateway"}
"""Labels by which a chosen variable narrows what is shown."""


@pytest.fixture(scope="module")
def answers() -> scene.Answers:
    return asyncio.run(scene.play())


def numbers(row: Json) -> list[float]:
    """The finite ones."""
    pairs = row["values"] if "values" in row else [row["value"]]
    return [number for _, text in pairs if math.isfinite(number := float(text))]


@pytest.mark.parametrize("board", OURS)
def test_no_query_of_any_panel_is_empty(answers: scene.Answers, board: str) -> None:
    empty = [asked.name for asked in queries(board) if not any(map(numbers, answers.rows[asked.name]))]

    assert not empty


@pytest.mark.parametrize("board", OURS)
def test_every_name_in_a_legend_or_a_table_s_head_is_a_label_of_what_is_shown(
    answers: scene.Answers, board: str
) -> None:
    for asked in queries(board):
        labels = {label for row in answers.rows[asked.name] for label in row["metric"]}
        if "ALERTS" in asked.query["expr"]:
            # Those of alerts that do not fire in this story.
            labels |= ours.OPEN_LABELS
        named = set(re.findall(r"\{\{(\w+)\}\}", asked.query["legendFormat"]))
        for step in asked.panel.get("transformations", ()):
            options = step["options"]
            named |= {options["rowField"], options["columnField"]} if "rowField" in options else set()
            named |= set(options.get("renameByName", ())) - {"Value"}

        assert named <= labels, asked.name


@pytest.mark.parametrize("board", OURS)
def test_whoever_chooses_one_tenant_or_gateway_sees_nothing_of_another(answers: scene.Answers, board: str) -> None:
    chosen = {"tenant": READER, "gateway": GATEWAY}
    for asked in queries(board):
        for row in answers.alone[asked.name]:
            for label, variable in SPOKEN_OF.items():
                if variable in variables(board) and label in row["metric"]:
                    assert row["metric"][label] == chosen[variable], asked.name


@pytest.mark.parametrize(("board", "name"), [(board, name) for board in OURS for name in ("tenant", "gateway")])
def test_a_variable_offers_what_there_is(answers: scene.Answers, board: str, name: str) -> None:
    known = {"tenant": [*world.TENANTS], "gateway": [GATEWAY, PLAIN]}

    assert answers.values.get((board, name), known[name]) == known[name]


def test_the_matrix_shows_each_border_once_and_the_open_ones_as_that(answers: scene.Answers) -> None:
    rows = answers.rows["isolation: Age of the proof, by tenant and target, A"]
    shown = {(row["metric"]["tenant"], row["metric"]["target"]): float(row["value"][1]) for row in rows}
    opened = {pair for pair, value in shown.items() if value == isolation.LET_IN}

    assert len(shown) == len(rows)
    assert opened == {(READER, VICTIM), (THIRD, READER)}
    assert all(0 <= value < scene.DEADLINE for pair, value in shown.items() if pair not in opened)


def test_an_episode_is_shown_with_its_bounds(answers: scene.Answers) -> None:
    rows = answers.rows["gateways: Bounds, on average, A"]
    bounds = {row["metric"]["bound"]: float(row["value"][1]) for row in rows if row["metric"]["stage"] == "stable"}

    assert bounds["lower"] <= bounds["upper"]
    assert bounds["upper"] >= scene.PATIENCE
