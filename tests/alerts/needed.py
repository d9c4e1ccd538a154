"""The rules and series that a case of promtool's has anything to ask of: each rule costs an evaluation every 10 s.

Whoever asks for one alert is answered by its rule and what that reads; whoever asks for all alerts, by all of them.
"""

import re
from collections.abc import Mapping
from typing import Any

from tests.alerts.rules import Rule, name_of, parsed, text_of

_NAME = re.compile(r"[A-Za-z_:][\w:]*")
_ANY_ALERT = re.compile(r'ALERTS(?:_FOR_STATE)?(?!\w|\{[^}]*alertname=")')


def needed(files: Mapping[str, str], case: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The parsed rule files and the case, without what no question reaches."""
    loaded = {name: parsed(files[name]) for name in case.get("rule_files", ())}
    names = _reached(case, [rule for file in loaded.values() for group in file["groups"] for rule in group["rules"]])
    kept = {
        file: {"groups": [group | {"rules": _of(names, group)} for group in content["groups"]]}
        for file, content in loaded.items()
    }
    return kept, {**case, "tests": [test | {"input_series": _read(names, test)} for test in case["tests"]]}


def _of(names: set[str], group: Mapping[str, Any]) -> list[Rule]:
    return [rule for rule in group["rules"] if name_of(rule) in names]


def _read(names: set[str], test: Mapping[str, Any]) -> list[Any]:
    return [one for one in test["input_series"] if one["series"].partition("{")[0] in names]


def _reached(case: Mapping[str, Any], rules: list[Rule]) -> set[str]:
    """Every name in the questions, in the rules of these names, and so on; some are labels, which are no rule's name."""
    alerts = {name_of(rule) for rule in rules if "alert" in rule}
    reads: dict[str, set[str]] = {}
    for rule in rules:
        reads.setdefault(name_of(rule), set()).update(_names(text_of(rule), alerts))
    return closed({name for test in case["tests"] for text in _questions(test) for name in _names(text, alerts)}, reads)


def closed(names: set[str], next_to: Mapping[str, set[str]]) -> set[str]:
    """These, what is next to them, what is next to that, and so on."""
    found, new = set(names), set(names)
    while new:
        new = {more for name in new for more in next_to.get(name, ())} - found
        found |= new
    return found


def _questions(test: Mapping[str, Any]) -> list[str]:
    named = [one["alertname"] for one in test.get("alert_rule_test", ())]
    return named + [one["expr"] for one in test["promql_expr_test"]]


def _names(text: str, alerts: set[str]) -> set[str]:
    return set(_NAME.findall(text)) | (alerts if _ANY_ALERT.search(text) else set())
