"""The mutants themselves: each is one wrong word and a rule that Prometheus takes, and a copy of a rule is that rule."""

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from tests import parts
from tests.alerts import promtool, rules
from tests.alerts.pages import Pages, common, links
from tests.alerts.rules import Rule, name_of
from tests.alerts.table import At
from tests.alerts.world import World
from tests.mutation import promql, shipped
from tests.mutation.__main__ import EXCUSED
from tests.mutation.cases import Case
from tests.mutation.hunt import ROUNDS, Hunt
from tests.mutation.mutants import Mutant, distinct, mutants, shape_of

DOWN = 'sentinel:gateway_down:since_timestamp{gateway="chat"}'
ONE = {"labels": "{}", "value": 1}


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
def taken_down(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, World | Pages], Case]:
    """What would be asked, as a case of this name."""

    def case(name: str, asking: World | Pages) -> Case:
        found: list[Case] = []

        def note(files: dict[str, str], asked: dict[str, object]) -> str:
            found.append(Case(name, files, asked))
            return ""

        monkeypatch.setattr(promtool, "complaints", note)
        asking.judge()
        return found[0]

    return case


@pytest.fixture
def case(taken_down: Callable[[str, World], Case]) -> Case:
    """A sentinel that is deleted, and all that is asked of it."""
    world = World(until=800, tenants=2)
    world.sentinel("team-a", lives=[(-900, 600)])
    world.fires("SentinelDown", at=720, tenant="team-a")
    world.nothing_else()
    return taken_down("it", world)


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


def test_a_wrong_text_is_noticed_by_the_test_that_reads_it_however_many_do_not(
    taken_down: Callable[[str, Pages], Case],
) -> None:
    alert = "SentinelGatewayDown"
    pages = Pages(rules.shipped(2, witness=True, gateways=True))
    texts = links(alert, "?var-gateway=chat", "gateways") | {
        "summary": "An LLM gateway takes no connection.",
        "description": f"Nobody who asked gateway chat got as far as an answer for half a minute before {At(-3)}, nor "
        "since: no name, no connection, or no TLS. That is the gateway itself, whatever its providers do.",
    }
    pages.says(alert, {DOWN: At(-3)}, common(alert, "critical", gateway="chat"), texts)
    read = replace(taken_down("read", pages), number=ROUNDS)
    fires = {"expr": f'count(ALERTS{{alertname="{alert}"}})', "eval_time": "1800s", "exp_samples": [ONE]}
    test = read.asked["tests"][0] | {"promql_expr_test": [fires], "alert_rule_test": []}
    unread = [Case("unread", read.files, {**read.asked, "tests": [test]}, number) for number in range(ROUNDS)]
    file, rule = of(read, alert)

    hunt = Hunt(
        [*unread, read],
        [one for one in mutants(file, rule) if one.field == "annotations.description"],
        say=lambda _: None,
    )
    hunt.run()

    assert hunt.alive == []
    assert set(hunt.killers.values()) == {"read"}


def test_whoever_is_excused_is_still_a_mutant_and_the_reason_is_given() -> None:
    excused = yaml.safe_load(EXCUSED.read_text())
    known = {str(one) for file, rule in distinct(shipped.every_rule()).values() for one in mutants(file, rule)}

    assert set(excused) <= known
    assert all(excused.values())
