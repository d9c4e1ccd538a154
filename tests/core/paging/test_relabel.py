"""Relabelling, of labels that are not all known."""

from typing import Any

import pytest

from sentinel.core.paging.matcher import Labels, Truth
from sentinel.core.paging.prometheus import steps
from sentinel.core.paging.relabel import Outcome, relabel

LABELS = Labels({"alertname": "SentinelDown", "severity": "critical", "__name__": "up"}, frozenset({"tenant"}))


def after(*written: dict[str, Any]) -> Outcome:
    return relabel(LABELS, steps(list(written), "test"))


@pytest.mark.parametrize(
    ("step", "dropped"),
    [
        ({"source_labels": ["severity"], "regex": "critical", "action": "drop"}, Truth.YES),
        ({"source_labels": ["severity"], "regex": "crit", "action": "drop"}, Truth.NO),
        ({"source_labels": ["severity"], "regex": "warning", "action": "keep"}, Truth.YES),
        ({"source_labels": ["alertname", "severity"], "regex": "Sentinel.*;critical", "action": "keep"}, Truth.NO),
        ({"source_labels": ["team"], "regex": ".+", "action": "keep"}, Truth.YES),
        ({"source_labels": ["tenant"], "regex": "team-a", "action": "drop"}, Truth.OPEN),
        ({"source_labels": ["tenant"], "regex": "team-a", "action": "keep"}, Truth.OPEN),
        ({"source_labels": ["tenant"], "regex": ".*", "action": "keep"}, Truth.NO),
        ({"source_labels": ["severity"], "target_label": "alertname", "action": "dropequal"}, Truth.NO),
        ({"source_labels": ["severity"], "target_label": "alertname", "action": "keepequal"}, Truth.YES),
        ({"action": "somethingnew"}, Truth.OPEN),
    ],
)
def test_a_step_drops_what_prometheus_would_drop(step: dict[str, Any], dropped: Truth) -> None:
    assert after(step).dropped is dropped


def test_a_label_can_be_replaced_taken_away_renamed_and_made_of_two() -> None:
    found = after(
        {
            "source_labels": ["severity", "alertname"],
            "regex": "(.*);Sentinel(.*)",
            "replacement": "$2-${1}",
            "target_label": "x",
        },
        {"regex": "sev.*", "action": "labeldrop"},
        {"regex": "alert(name)", "replacement": "short_$1", "action": "labelmap"},
        {"source_labels": ["short_name"], "target_label": "low", "action": "lowercase"},
    ).labels.known

    assert found == {
        "x": "Down-critical",
        "alertname": "SentinelDown",
        "short_name": "SentinelDown",
        "low": "sentineldown",
        "__name__": "up",
    }


def test_what_is_made_of_an_open_label_is_open() -> None:
    found = after({"source_labels": ["tenant"], "regex": "(a.*)", "target_label": "severity"}).labels

    assert "severity" in found.open
    assert "severity" not in found.known


def test_labelkeep_takes_open_labels_too() -> None:
    assert after({"regex": "alertname", "action": "labelkeep"}).labels == Labels({"alertname": "SentinelDown"})


def test_an_empty_replacement_takes_the_label() -> None:
    assert "severity" not in after({"replacement": "", "target_label": "severity"}).labels.known


def test_a_step_behind_one_that_may_drop_can_still_drop() -> None:
    may = {"source_labels": ["tenant"], "regex": "a", "action": "drop"}
    does = {"source_labels": ["severity"], "regex": "critical", "action": "drop"}

    assert after(may, does).dropped is Truth.YES
    assert after(may).dropped is Truth.OPEN
