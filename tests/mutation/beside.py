"""Many mutants in one process of promtool: each has its own copy of whatever depends on it, under names of its own.

    sentinel:alive        ->  SentinelDown             as shipped, evaluated once for all of them
    sentinel:alive_m17    ->  SentinelDown_m17         mutant 17, and what it leads to
    sentinel:alive_m18    ->  SentinelDown_m18

The case's questions are asked of every mutant in its names; what a mutant does not reach is not asked. Rules that lead
to none of them are left out.
"""

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from tests.alerts.needed import closed
from tests.alerts.rules import Rule, name_of, text_of
from tests.mutation.cases import Case
from tests.mutation.mutants import Mutant

MARK = re.compile(r"_m(\d+)\b")
_ALERTS = re.compile(r"ALERTS\{([^}]*)\}")
_NAMED = re.compile(r"""alertname=["'](\w+)["']""")
_METRIC = re.compile(r"[A-Za-z_:][\w:]*")


class Reach:
    """What each rule of a case leads to, and needs."""

    def __init__(self, case: Case) -> None:
        self.alerts = {name_of(rule) for _, rule in case.rules if "alert" in rule}
        self._needs: dict[str, set[str]] = {}
        recorded = {name_of(rule) for _, rule in case.rules if "record" in rule}
        for _, rule in case.rules:
            self._needs.setdefault(name_of(rule), set()).update(_metrics(text_of(rule)) & recorded)
        self._gives: dict[str, set[str]] = {}
        for name, needs in self._needs.items():
            for need in needs:
                self._gives.setdefault(need, set()).add(name)

    def of(self, name: str) -> frozenset[str]:
        """The rule's own name, and all that read it, directly or not."""
        return frozenset(closed({name}, self._gives))

    def up(self, names: Iterable[str]) -> set[str]:
        return closed(set(names), self._needs)


@cache
def _metrics(text: str) -> frozenset[str]:
    return frozenset(_METRIC.findall(text))


def asks(case: Case, reach: frozenset[str], alerts: Collection[str]) -> bool:
    """A question of it names what is reached; that nothing else fired does not count."""
    touched = _Renamed(reach, "_m0", alerts)
    if case.written_out:
        return any(f"<<{name}>>" in one["expr"] for name in reach for one in _questions(case))
    named = [one for one in _questions(case) if "group by (alertname" not in one.get("expr", "")]
    return any(touched.questions(named))


def _questions(case: Case) -> Iterator[Mapping[str, Any]]:
    for test in case.asked["tests"]:
        yield from test["promql_expr_test"]
        yield from test.get("alert_rule_test", ())


def files(case: Case, reach: Reach, mutants: Mapping[int, Mutant]) -> dict[str, str]:
    """The rule files and `test.yaml` for these mutants, by number; JSON is YAML. Without a question to any: nothing."""
    renamed = {n: _Renamed(reach.of(one.rule), f"_m{n}", reach.alerts) for n, one in mutants.items()}
    test, told = case.asked["tests"][0], {}
    if case.written_out:
        rules: dict[str, str] = {}
        asked = [found for n, one in mutants.items() for found in _written_out(case, one, n)]
    else:
        rules = _rule_files(case, reach, mutants, renamed)
        asked = [found for names in renamed.values() for found in names.questions(test["promql_expr_test"])]
        told["alert_rule_test"] = [
            found for names in renamed.values() for found in names.questions(test.get("alert_rule_test", ()))
        ]
    read = _metrics(" ".join([*rules.values(), *(one["expr"] for one in asked)]))
    series = [found for one in test["input_series"] for found in _series(one, read, renamed.values())]
    told |= {"input_series": series, "promql_expr_test": asked}
    order = {"rule_files": list(rules), "group_eval_order": [name.removesuffix(".rules.yaml") for name in rules]}
    return rules | {"test.yaml": json.dumps({**case.asked, **order, "tests": [{**test, **told}]})}


def _rule_files(
    case: Case, reach: Reach, mutants: Mapping[int, Mutant], renamed: Mapping[int, "_Renamed"]
) -> dict[str, str]:
    """Each copy right behind its original, so that the order of evaluation is the shipped one."""
    needed = reach.up({name for names in renamed.values() for name in names.names})
    written: dict[str, list[Rule]] = {}
    for file, rule in case.rules:
        name = name_of(rule)
        if name not in needed:
            continue
        copies = [(mutants[n], names) for n, names in renamed.items() if name in names.names]
        written.setdefault(file, []).append(rule)
        written[file] += (names.rule(one.of(rule) if one.fits(rule) else rule) for one, names in copies)
    return {file: _group(file, rules) for file, rules in written.items()}


def _group(file: str, rules: Sequence[Rule]) -> str:
    return json.dumps({"groups": [{"name": file.removesuffix(".rules.yaml"), "rules": rules}]})


def _series(one: Mapping[str, Any], read: Collection[str], renamed: Iterable["_Renamed"]) -> Iterator[dict[str, Any]]:
    """What is scraped, if anybody reads it; and what was recorded before the world began, in everybody's name for it."""
    metric, brace, labels = one["series"].partition("{")
    if metric in read:
        yield dict(one)
    for names in renamed:
        if metric in names.names:
            yield {**one, "series": f"{metric}{names.mark}{brace}{labels}"}


def _written_out(case: Case, mutant: Mutant, number: int) -> Iterator[dict[str, Any]]:
    """The questions that ask for this rule's expression, as the mutant has it."""
    rule = next((rule for _, rule in case.rules if mutant.fits(rule)), None)
    for one in case.asked["tests"][0]["promql_expr_test"]:
        if rule is not None and (name := f"<<{mutant.rule}>>") in one["expr"]:
            expression = one["expr"].replace(name, mutant.of(rule)["expr"])
            yield {**one, "expr": f"({expression}) unless on () nobody_m{number}"}


class _Renamed:
    """The names that a mutant reaches, with its mark."""

    def __init__(self, names: frozenset[str], mark: str, alerts: Collection[str]) -> None:
        self.names = names
        self.mark = mark
        self._alerts = alerts
        recorded = sorted((name for name in names if ":" in name), key=len, reverse=True)
        self._recorded = re.compile(rf"(?<![\w:])({'|'.join(map(re.escape, recorded))})(?![\w:])") if recorded else None

    def rule(self, rule: Rule) -> Rule:
        kind = "alert" if "alert" in rule else "record"
        found = rule | {kind: rule[kind] + self.mark, "expr": self._marked(rule["expr"])}
        if "annotations" in rule:
            found["annotations"] = {key: self._marked(text) for key, text in rule["annotations"].items()}
        return found

    def questions(self, asked: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
        """The same of the mutant, without those that it has no say in."""
        for one in asked:
            if "alertname" in one:
                if one["alertname"] in self.names:
                    yield {**one, "alertname": one["alertname"] + self.mark}
            elif self.mark in (expression := self._marked(_ALERTS.sub(self._selector, one["expr"]))):
                yield {**one, "expr": expression, "exp_samples": self._rows(one["exp_samples"])}

    def _marked(self, text: str) -> str:
        return self._recorded.sub(rf"\1{self.mark}", text) if self._recorded else text

    def _selector(self, match: re.Match[str]) -> str:
        """Of all alerts: those that it reaches."""
        named = _NAMED.search(match[1])
        if named:
            return f"ALERTS{{{_NAMED.sub(self._alertname, match[1])}}}"
        reached = self.names & set(self._alerts)
        if not reached:
            return match[0]
        return f'ALERTS{{{match[1]},alertname=~"{"|".join(sorted(name + self.mark for name in reached))}"}}'

    def _alertname(self, match: re.Match[str]) -> str:
        return f'alertname="{match[1]}{self.mark if match[1] in self.names else ""}"'

    def _rows(self, rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Those of alerts that it does not reach are not asked for."""
        found = []
        for row in rows:
            named = _NAMED.search(str(row["labels"]))
            if named is None or named[1] in self.names:
                found.append({**row, "labels": self._marked(_NAMED.sub(self._alertname, str(row["labels"])))})
        return found


def marked(text: str) -> set[int]:
    """The numbers of the mutants that are named in it."""
    return {int(number) for number in MARK.findall(text)}
