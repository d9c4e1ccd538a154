"""What promtool is not given may not change what it says: only rules and series that no question reaches are left out."""

import pytest
import yaml

from tests.alerts.needed import needed

RULES = [
    {"record": "sentinel:alive", "expr": "up == 1"},
    {"record": "sentinel:unread", "expr": "sum(other)"},
    {"alert": "Down", "expr": "absent(sentinel:alive)", "annotations": {"who": '{{ query "told" }}'}},
    {"alert": "Late", "expr": "lag > 3"},
]
FILES = {"a.rules.yaml": yaml.safe_dump({"groups": [{"name": "a", "rules": RULES}]})}
SCRAPED = ("up", "other", "told", "lag", "nobody")


@pytest.mark.parametrize(
    ("asked", "rules", "series"),
    [
        ({"expr": 'ALERTS{alertstate="firing",alertname="Down"}'}, ["sentinel:alive", "Down"], ["up", "told"]),
        ({"expr": "lag + sentinel:alive"}, ["sentinel:alive"], ["up", "lag"]),
        ({"expr": "1"}, [], []),
        ({"expr": 'count(ALERTS{severity!="none"})'}, ["sentinel:alive", "Down", "Late"], ["up", "told", "lag"]),
        ({"expr": 'ALERTS{alertname=~".+"}'}, ["sentinel:alive", "Down", "Late"], ["up", "told", "lag"]),
        ({"expr": "count(ALERTS_FOR_STATE)"}, ["sentinel:alive", "Down", "Late"], ["up", "told", "lag"]),
    ],
)
def test_what_a_question_reaches_is_there_in_its_order_and_nothing_else(asked, rules, series):
    files, case = needed(FILES, case_of(promql_expr_test=[asked]))

    assert [rule.get("alert") or rule["record"] for rule in files["a.rules.yaml"]["groups"][0]["rules"]] == rules
    assert [one["series"].partition("{")[0] for one in case["tests"][0]["input_series"]] == series


def test_an_alert_whose_labels_and_annotations_are_asked_for_is_there():
    files, _ = needed(FILES, case_of(promql_expr_test=[], alert_rule_test=[{"alertname": "Late"}]))

    assert files["a.rules.yaml"]["groups"][0]["rules"] == [RULES[3]]


def case_of(**asked):
    scraped = [{"series": f'{name}{{job="a"}}', "values": "1x9"} for name in SCRAPED]
    return {"rule_files": list(FILES), "tests": [{"input_series": scraped, **asked}]}
