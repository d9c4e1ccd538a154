"""The mutants themselves: each is one wrong word and a rule that Prometheus takes, and a copy of a rule is that rule."""

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from tests import parts
from tests.alerts import promtool
from tests.alerts.world import World
from tests.mutation import promql, shipped
from tests.mutation.__main__ import EXCUSED
from tests.mutation.cases import Case
from tests.mutation.hunt import Hunt
from tests.mutation.mutants import Mutant, Rule, distinct, mutants, name_of, shape_of


def others(expression: str) -> list[str]:
    return [promql.slipped(expression, slip) for slip in promql.slips(expression)]


@pytest.mark.parametrize(
    ("expression", "wrong"),
    [
        ("a > 2", ["a >= 2", "a < 2", "a > 4", "a > 1"]),
        ("a and on (x, y) b", ["a or on (x, y) b", "a unless on (x, y) b", "a and on ( y) b", "a and on (x) b"]),
        ("max by (x) (a)", ["min by (x) (a)", "max by () (a)"]),
        ('a{x="1"}', ['a{x!="1"}', "a{}"]),
        ('a{x=~"1|2"}', ['a{x!~"1|2"}', "a{}", 'a{x=~"2"}', 'a{x=~"1"}']),
        ("increase(a[5m])", ["delta(a[5m])", "increase(a[600000ms])", "increase(a[150000ms])"]),
        ('label_replace(a, "x", "$1", "y", "(.*)")', ['label_replace(a, "x", "", "y", "(.*)")']),
        ("0 * a + time()", ["1 * a + time()", "0 / a + time()", "0 * a - time()"]),
    ],
)
def test_each_word_is_wrong_once_in_each_way(expression: str, wrong: list[str]) -> None:
    assert others(expression) == wrong


def test_waits_labels_and_texts_are_wrong_too() -> None:
    texts = {"summary": "Gone: {{ $labels.tenant }}."}
    rule: Rule = {"alert": "A", "expr": "a", "for": "2m", "labels": {"severity": "critical"}, "annotations": texts}

    made = [{key: value for key, value in one.of(rule).items() if value != rule[key]} for one in mutants("a", rule)]

    assert made == [
        {"expr": "vector(1) < 0"},
        {"for": "130s"},
        {"for": "110s"},
        {"labels": {}},
        {"labels": {"severity": "mutant"}},
        {"annotations": {}},
        {"annotations": {"summary": "Gone: {{ $labels.tenant }}. mutant"}},
        {"annotations": {"summary": "Gone: {{ $labels.mutant }}."}},
    ]


def test_every_mutant_of_every_rule_is_one_that_prometheus_takes(tmp_path: Path) -> None:
    made = [one.of(rule) for file, rule in distinct(shipped.every_rule()).values() for one in mutants(file, rule)]
    groups = [{"name": str(number), "rules": [rule]} for number, rule in enumerate(made)]
    (tmp_path / "rules.yaml").write_text(json.dumps({"groups": groups}))

    command = [str(parts.find("promtool")), "check", "rules", "--lint=none", "rules.yaml"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert ended.returncode == 0, ended.stdout[:2000] + ended.stderr[:2000]
    assert len(made) > 1000


@pytest.fixture
def case(monkeypatch: pytest.MonkeyPatch) -> Case:
    """A sentinel that is deleted, and all that is asked of it."""
    world = World(until=800, tenants=2)
    world.sentinel("team-a", lives=[(-900, 600)])
    world.fires("SentinelDown", at=720, tenant="team-a")
    world.nothing_else()
    found: list[Case] = []

    def note(files: dict[str, str], asked: dict[str, object]) -> str:
        found.append(Case("it", files, asked))
        return ""

    monkeypatch.setattr(promtool, "complaints", note)
    world.judge()
    return found[0]


def of(case: Case, name: str) -> tuple[str, Rule]:
    return next((file, rule) for file, rule in case.rules if name_of(rule) == name)


def test_a_mutant_that_changes_nothing_lives_wherever_it_stands(case: Case) -> None:
    copies = [
        Mutant(file, name_of(rule), shape_of(rule), "expr", "nothing", text=rule["expr"])
        for file, rule in distinct(case.rules).values()
    ]

    hunt = Hunt([case], copies, say=lambda _: None)
    hunt.run()

    assert hunt.alive == copies


def test_a_wrong_wait_or_a_rule_that_is_silent_is_noticed_by_the_test_that_asks_for_it(case: Case) -> None:
    file, rule = of(case, "SentinelDown")
    waits = [one for one in mutants(file, rule) if one.field == "for"]
    _, alive = of(case, "sentinel:alive")
    nobody = next(one for one in mutants(file, alive) if one.told == "never")

    hunt = Hunt([case], [*waits, nobody], say=lambda _: None)
    hunt.run()

    assert hunt.alive == []
    assert set(hunt.killers.values()) == {"it"}


def test_whoever_is_excused_is_still_a_mutant_and_the_reason_is_given() -> None:
    excused = yaml.safe_load(EXCUSED.read_text())
    known = {str(one) for file, rule in distinct(shipped.every_rule()).values() for one in mutants(file, rule)}

    assert set(excused) <= known
    assert all(excused.values())
