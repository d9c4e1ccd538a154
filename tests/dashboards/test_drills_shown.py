"""Drills on a real Prometheus: every panel shows a real process's numbers, and a killed one pages until it is undone.

What the applications say is an exporter of the test, asked for as whoever looks would: by an expression of their own.
"""

import asyncio
import math
from typing import Any

import pytest

from tests.dashboards import drilled
from tests.dashboards.drilled import Story
from tests.dashboards.files import queries


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    return asyncio.run(drilled.play(tmp_path_factory.mktemp("drills")))


def shown(story: Story, title: str) -> list[float]:
    """The finite numbers of all queries of this panel."""
    assert story.answers is not None
    found = [row for one in queries("drills") if one.panel["title"] == title for row in story.answers.rows[one.name]]
    pairs: list[Any] = [pair for row in found for pair in (row["values"] if "values" in row else [row["value"]])]
    return [float(text) for _, text in pairs if math.isfinite(float(text))]


@pytest.mark.parametrize("title", dict.fromkeys(one.panel["title"] for one in queries("drills")))
def test_every_panel_shows_something(story: Story, title: str) -> None:
    assert shown(story, title)


def test_the_panels_show_what_was_done(story: Story) -> None:
    said = story.ended[0].json

    assert story.active == ["kill"]
    assert set(shown(story, "Active Chaos Experiments")) == {1.0}
    assert shown(story, "SLO Compliance") == [1.0]
    assert max(shown(story, "Recovery Time Tracking")) >= round(said["failback"], 2)
    assert 0 < max(shown(story, "Blast Radius Gauge")) <= 1
    assert set(shown(story, "Database Connection Pool")) == {0.35}
    assert set(shown(story, "Cache Hit Rate")) == {0.93}
    assert {0.0, 1.0} >= set(shown(story, "Pod Availability Timeline")) >= {1.0}


def test_the_figures_that_are_scraped_are_those_of_the_result_and_a_signal_ends_the_waiting(story: Story) -> None:
    said = story.ended[0].json

    assert (story.ended[0].code, said["verdict"]) == (0, "pass")
    assert story.figures == {
        "chaos_recovery_time_seconds": pytest.approx(said["failback"], abs=0.001),
        "chaos_slo_passed": 1.0,
        "chaos_availability_percent": pytest.approx(said["figures"]["during"]["availability_percent"], abs=0.001),
        "sentinel_drill_unreverted": 0.0,
    }


def test_a_killed_drill_pages_and_its_undo_ends_the_page(story: Story) -> None:
    assert story.after_the_kill == 1
    assert story.after_the_undo == 0
    assert story.undone is not None and story.undone.out == "healed\n"
