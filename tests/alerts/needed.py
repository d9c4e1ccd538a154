"""The rules and series that a case of promtool's has anything to ask of: each rule costs an evaluation every 10 s.

Whoever asks for one alert is answered by its rule and what that reads; whoever asks for all alerts, by all of them.
"""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

import yaml

Rule = Mapping[str, Any]

_NAME = re.compile(r"[A-Za-z_:][\w:]*")
_ANY_ALERT = re.compile(r'ALERTS(?:_FOR_STATE)?(?!\w|\{[^}]*alertname=")')


def needed(files: Mapping[str, str], case: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The parsed rule files and the case, without what no question reaches."""
    loaded = {name: _parsed(files[name]) for name in case.get("rule_files", ())}
    names = _reached(case, [rule for file in loaded.values() for group in file["groups"] for rule in group["rules"]])
    kept = {
        file: {"groups": [group | {"rules": _of(names, group)} for group in content["groups"]]}
        for file, content in loaded.items()
    }
    return kept, {**case, "tests": [test | {"input_series": _read(names, test)} for test in case["tests"]]}


def _of(names: set[str], group: Mapping[str, Any]) -> list[Rule]:
    return [rule for rule in group["rules"] if _name(rule) in names]


def _read(names: set[str], test: Mapping[str, Any]) -> list[Any]:
    return [one for one in test["input_series"] if one["series"].partition("{")[0] in names]


def _reached(case: Mapping[str, Any], rules: list[Rule]) -> set[str]:
    """Every name in the questions, in the rules of these names, and so on; some are labels, which are no rule's name."""
    alerts = {_name(rule) for rule in rules if "alert" in rule}
    reads: dict[str, set[str]] = {}
    for rule in rules:
        reads.setdefault(_name(rule), set()).update(_names(_text(rule), alerts))
    found: set[str] = set()
    new = {name for test in case["tests"] for text in _questions(test) for name in _names(text, alerts)}
    while new:
        found |= new
        new = {name for one in new for name in reads.get(one, ())} - found
    return found


def _questions(test: Mapping[str, Any]) -> list[str]:
    named = [one["alertname"] for one in test.get("alert_rule_test", ())]
    return named + [one["expr"] for one in test["promql_expr_test"]]


def _names(text: str, alerts: set[str]) -> set[str]:
    return set(_NAME.findall(text)) | (alerts if _ANY_ALERT.search(text) else set())


def _text(rule: Rule) -> str:
    """What it reads; annotations may ask as well."""
    return " ".join([rule["expr"], *rule.get("annotations", {}).values()])


def _name(rule: Rule) -> str:
    return str(rule.get("alert") or rule["record"])


@cache
def _parsed(text: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.load(text, yaml.CSafeLoader)
    return loaded
