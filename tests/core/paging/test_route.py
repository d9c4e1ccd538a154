"""Where an alert ends in a tree of routes."""

from typing import Any

import pytest

from sentinel.core.paging import route as routes
from sentinel.core.paging.alertmanager import read
from sentinel.core.paging.matcher import Labels
from sentinel.core.paging.route import Route

LABELS = Labels({"alertname": "SentinelDown", "severity": "critical"}, frozenset({"tenant"}))


def tree(*children: dict[str, Any], **root: Any) -> Route:
    config = {"route": {"receiver": "root", "routes": list(children)} | root}
    return read("http://a", {}, config, []).route


def to(receiver: str, *matchers: str, **more: Any) -> dict[str, Any]:
    return {"receiver": receiver, "matchers": list(matchers)} | more


def ended(root: Route) -> set[tuple[str, ...]]:
    return {tuple(route.receiver for route in caught) for caught in routes.ends(root, LABELS)}


@pytest.mark.parametrize(
    ("children", "receivers"),
    [
        ([], {("root",)}),
        ([to("a", 'severity="critical"'), to("b", 'alertname="SentinelDown"')], {("a",)}),
        ([to("a", 'severity="critical"', **{"continue": True}), to("b", 'alertname="SentinelDown"')], {("a", "b")}),
        ([to("a", 'severity="critical"', **{"continue": True})], {("a",)}),
        ([to("a", 'severity="critical"', routes=[to("b", 'team="x"'), to("c", 'team=""')])], {("c",)}),
        # A child's `continue` is about its sisters, not about its parent's.
        (
            [to("a", 'severity="critical"', routes=[to("b", **{"continue": True})]), to("c")],
            {("b",)},
        ),
        ([{"receiver": "a", "match": {"severity": "critical"}}], {("a",)}),
        ([{"receiver": "a", "match_re": {"severity": "crit"}}, to("b")], {("b",)}),
        ([{"receiver": "a", "match_re": {"severity": "crit.*"}}, to("b")], {("a",)}),
        # What is known only at the page may go either way, and the same way everywhere.
        ([to("a", 'tenant="x"')], {("a",), ("root",)}),
        ([to("a", 'tenant="x"'), to("b", 'tenant!="x"')], {("a",), ("b",)}),
        ([to("a", 'tenant="x"'), to("b", 'tenant="y"')], {("a",), ("b",), ("root",)}),
        ([to("a", 'tenant="x"', routes=[to("b", 'tenant=~"x|y"')])], {("b",), ("root",)}),
        ([to("a", 'tenant=~"x"', **{"continue": True}), to("b", 'tenant!~"x"')], {("a",), ("b",)}),
    ],
)
def test_an_alert_ends_where_alertmanager_would_take_it(
    children: list[dict[str, Any]], receivers: set[tuple[str, ...]]
) -> None:
    assert ended(tree(*children)) == receivers


def test_timers_are_inherited_and_hours_of_silence_are_not() -> None:
    child = to("b", "alertname=SentinelDown", group_wait="1s")
    parent = to("a", "severity=critical", group_interval="1m30s", mute_time_intervals=["nights"], routes=[child])

    ((found,),) = routes.ends(tree(parent, group_interval="2m"), LABELS)

    assert (found.receiver, found.group_wait, found.group_interval, found.mute) == ("b", 1.0, 90.0, ())


def test_without_timers_alertmanagers_own_defaults_count() -> None:
    ((found,),) = routes.ends(tree(), LABELS)

    assert (found.group_wait, found.group_interval) == (30.0, 300.0)


def test_ten_thousand_sisters_are_walked_through_without_a_deep_stack() -> None:
    root = tree(*(to(f"r{number}", f'team="{number}"') for number in range(10_000)), to("last", "severity=critical"))

    assert ended(root) == {("last",)}


def test_more_ways_than_can_be_looked_through_are_admitted() -> None:
    many = [to(f"r{number}", f'tenant=~"t{number}.*"', **{"continue": True}) for number in range(20)]

    with pytest.raises(routes.TooManyWorlds):
        routes.ends(tree(*many), LABELS)


def test_routes_within_routes_have_an_end() -> None:
    config: dict[str, Any] = {"receiver": "deep"}
    for _ in range(200):
        config = {"receiver": "r", "routes": [config]}

    with pytest.raises(ValueError, match="within each other"):
        read("http://a", {}, {"route": config}, [])
