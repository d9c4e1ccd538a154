"""What `sentinel verify-alerting` knows of our rules and route is what we ship."""

import random
from pathlib import Path
from typing import Any

import pytest
import yaml

from sentinel.core.page import Alert
from sentinel.core.paging import alertmanager, ours, route
from sentinel.core.paging.matcher import Labels
from sentinel.core.paging.obstacles import of_inhibitions
from sentinel.core.paging.ours import OPEN_LABELS, expected
from tests.alerts import rules
from tests.alerts.test_conventions import ALERTS, ALONE, ALWAYS, EXPECTED, WITNESSED, series_labels
from tests.alerts.test_route import amtool

SHIPPED = yaml.safe_load(rules.shipped(witness=True, network=True, gateways=True)["route.yaml"])


@pytest.mark.parametrize("shipped", [ALONE, WITNESSED, ALERTS])
def test_every_page_that_is_shipped_is_expected_and_no_other(shipped: dict[str, Any]) -> None:
    pages = {name for name, rule in shipped.items() if rule["labels"]["severity"] == ours.PAGES}

    # Which parts are there, the network among them, is seen by their alerts.
    assert set(expected(pages)) == pages - {"SentinelNetworkBlind"}
    assert set(ours.ALWAYS) <= set(ALWAYS)


def test_what_is_pushed_is_known() -> None:
    assert {*ours.PUSHED, *ours.PUSHED_TOO} == {alert.value for alert in Alert}


def test_every_label_that_is_known_only_at_the_page_is_thought_of() -> None:
    assert {label for name in EXPECTED for label in series_labels(name)} <= OPEN_LABELS


def test_no_inhibition_that_is_shipped_counts_as_somebody_elses() -> None:
    found = alertmanager.read("http://a", {}, SHIPPED, [])

    assert found.inhibitions
    for name in EXPECTED:
        labels = Labels({"alertname": name, "severity": EXPECTED[name], "path": "rule"}, OPEN_LABELS)
        assert not list(of_inhibitions(found, labels)), name


def test_alerts_end_where_amtool_says_whatever_the_tree(tmp_path: Path) -> None:
    rng = random.Random(7)
    for number in range(25):
        config = tree(rng)
        path = tmp_path / f"{number}.yaml"
        path.write_text(yaml.safe_dump(config))
        labels = {name: rng.choice(("", *VALUES)) for name in NAMES}
        given = [f"{name}={value}" for name, value in labels.items() if value]

        said = amtool("config", "routes", "test", f"--config.file={path}", *given, "alertname=A").strip()
        (found,) = route.ends(alertmanager.read("http://a", {}, config, []).route, Labels(labels | {"alertname": "A"}))

        assert ",".join(one.receiver for one in found) == said, (labels, yaml.safe_dump(config))


NAMES, VALUES = "xyz", ("a", "ab", "b", "ba")


def tree(rng: random.Random) -> dict[str, Any]:
    """A configuration with some thirty routes, three deep, in every spelling of matchers."""
    receivers = [f"r{number}" for number in range(40)]
    unused = iter(receivers[1:])

    def node(depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {"receiver": next(unused), "continue": rng.random() < 0.4}
        name, value = rng.choice(NAMES), rng.choice(VALUES)
        pattern = rng.choice(("a", "a.*", "a|b", "(ab?)+", ".*", ".+", ""))
        match rng.randrange(5):
            case 0:
                found["match"] = {name: value}
            case 1:
                found["match_re"] = {name: pattern}
            case 2:
                found["matchers"] = [f'{name}!="{rng.choice((value, ""))}"']
            case 3:
                found["matchers"] = [f'{name}=~"{pattern}"', f"{rng.choice(NAMES)}!={value}"]
            case _:
                found["matchers"] = [f'{{{name}!~"{pattern}"}}']
        if depth < 3:
            found["routes"] = [node(depth + 1) for _ in range(rng.randrange(3))]
        return found

    routes = [node(1) for _ in range(3)]
    return {
        "route": {"receiver": "r0", "routes": routes},
        "receivers": [{"name": name} for name in receivers],
    }
