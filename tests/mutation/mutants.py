"""All mutants of a rule: each word of its expression, its waiting times, labels and annotations, wrong one at a time."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from tests.alerts.rules import Rule, name_of
from tests.mutation import promql

STEP = 10
"""Seconds between two evaluations at timeScale 1: what waits by one more or less is one page later or sooner."""
NEVER = "vector(1) < 0"
_ACTION = re.compile(r"\{\{.*?\}\}")
_OTHERWISE = ((r"\beq\b", "ne"), (r"\bne\b", "eq"), (r"\bgt\b", "lt"), (r"\blt\b", "gt"), (r"\bge\b", "lt"))


@dataclass(frozen=True)
class Mutant:
    """One thing wrong with every rule of this name and shape: the template says it once."""

    file: str
    rule: str
    shape: str
    field: str
    """`expr`, `for`, `keep_firing_for`, `labels.severity`, `annotations.summary` and so on."""
    told: str
    """What is wrong, for people."""
    slip: promql.Slip | None = None
    text: str | None = None
    """What the field becomes; None: it is not there."""
    number: int = 1
    """Of those that would be told alike."""

    def __str__(self) -> str:
        again = f" ({self.number})" if self.number > 1 else ""
        return f"{self.rule}: {self.field}: {self.told}{again}"

    @property
    def line(self) -> tuple[str, str, str, int]:
        """Mutants with the same one are the same word of the same template: who notices one has noticed all."""
        return self.rule, self.field, _plain(self.told), self.number

    def fits(self, rule: Rule) -> bool:
        return name_of(rule) == self.rule and shape_of(rule) == self.shape

    def of(self, rule: Rule) -> Rule:
        """The rule with it; as it was if there is nothing to change."""
        if self.slip is not None:
            return rule | {"expr": promql.slipped(rule["expr"], self.slip)}
        field, _, key = self.field.partition(".")
        if not key:
            return _with(rule, field, self.text)
        if key not in rule[field]:
            return rule
        text = self.text
        if text is not None and self.field.startswith("annotations."):
            text = _annotation(rule[field][key], text)
        return rule | {field: _with(rule[field], key, text)}


@cache
def _plain(told: str) -> str:
    return re.sub(r"\d+(\.\d+)?", "#", told)


@cache
def _shape(expression: str) -> str:
    return promql.shape(expression)


def shape_of(rule: Rule) -> str:
    return _shape(rule["expr"])


def mutants(file: str, rule: Rule) -> Iterator[Mutant]:
    """Each told differently from the others."""
    seen: dict[tuple[str, str], int] = {}
    for mutant in _all(file, rule):
        same = (mutant.field, _plain(mutant.told))
        seen[same] = seen.get(same, 0) + 1
        yield replace(mutant, number=seen[same])


def _all(file: str, rule: Rule) -> Iterator[Mutant]:
    def one(field: str, told: str, **what: Any) -> Mutant:
        return Mutant(file, name_of(rule), shape_of(rule), field, told, **what)

    for slip in promql.slips(rule["expr"]):
        yield one("expr", promql.told(rule["expr"], slip), slip=slip)
    yield one("expr", "never", text=NEVER)
    for field, waits in _waits(rule):
        yield one(field, f"{rule.get(field, 'none')} → {waits or 'none'}", text=waits)
    for key, value in rule.get("labels", {}).items():
        yield one(f"labels.{key}", "left out")
        yield one(f"labels.{key}", f"{value} → mutant" if "alert" in rule else "another", text="mutant")
    for key, text in rule.get("annotations", {}).items():
        yield one(f"annotations.{key}", "left out")
        for number, told in _texts(text):
            yield one(f"annotations.{key}", told, text=number)


def _waits(rule: Rule) -> Iterator[tuple[str, str | None]]:
    if "alert" not in rule:
        return
    waits = _seconds(rule.get("for", "0s"))
    yield "for", f"{waits + STEP}s"
    if waits:
        yield "for", f"{waits - STEP}s"
    if "keep_firing_for" in rule:
        yield "keep_firing_for", None
        yield "keep_firing_for", f"{2 * _seconds(rule['keep_firing_for'])}s"


def _seconds(text: str) -> int:
    number, unit = re.fullmatch(r"(\d+)([smh])", text).groups()  # type: ignore[union-attr]
    return int(number) * {"s": 1, "m": 60, "h": 3600}[unit]


def _texts(text: str) -> Iterator[tuple[str, str]]:
    """As `_annotation` reads them: other words, and each action wrong."""
    yield "+", "other words"
    for number, action in enumerate(_ACTION.findall(text)):
        if (other := _other_action(action)) != action:
            yield str(number), f"{action} → {other}"


def _annotation(text: str, how: str) -> str:
    if how == "+":
        return f"{text} mutant"
    numbered = iter(range(len(_ACTION.findall(text))))
    return _ACTION.sub(lambda match: _other_action(match[0]) if next(numbered) == int(how) else match[0], text)


def _other_action(action: str) -> str:
    """A label that nobody has, a condition turned round, a query that finds nothing."""
    for before, after in _OTHERWISE:
        if re.search(before, action):
            return re.sub(before, after, action, count=1)
    if "query" in action:
        return re.sub(r"sentinel[:_]\w+", "nothing", action, count=1)
    action = re.sub(r"\$labels\.\w+", "$labels.mutant", action, count=1)
    return re.sub(r"\$value(?! \|)", "7.0", action, count=1) if "$labels" not in action else action


def _with(values: dict[str, Any], key: str, value: str | None) -> dict[str, Any]:
    without = {name: kept for name, kept in values.items() if name != key}
    return without if value is None else without | {key: value}


def distinct(rules: Iterable[tuple[str, Rule]]) -> dict[tuple[str, str], tuple[str, Rule]]:
    """The first of each name and shape."""
    found: dict[tuple[str, str], tuple[str, Rule]] = {}
    for file, rule in rules:
        found.setdefault((name_of(rule), shape_of(rule)), (file, rule))
    return found
