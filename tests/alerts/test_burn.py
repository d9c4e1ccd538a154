"""The error budget of a gateway, by the second: each pair of windows by itself, and at another objective."""

import pytest

from tests.alerts import promtool, rules

BUDGET, ERRORS = "SentinelGatewayErrorBudget", "SentinelGatewayErrors"
BEGIN = 600
"""From when on answers are bad; before that all are good."""


def judged(objective: float, ratio: float, end: int, looks: dict[int, bool], alert: str = BUDGET) -> str:
    """What both promtools say against it: with this share of bad answers up to `end`, it stands as `looks` says."""
    shipped = rules.rendered(config={"gateways": rules.GATEWAYS}, witness={"enabled": True}, gatewayObjective=objective)
    values = f"0x{BEGIN // 10 - 1} {ratio}x{(end - BEGIN) // 10 - 1} 0x8640"
    tests = [
        {
            "expr": f"count(<<{alert}>>) or vector(0)",
            "eval_time": f"{at}s",
            "exp_samples": [{"labels": "{}", "value": float(stands)}],
        }
        for at, stands in looks.items()
    ]
    series = [{"series": 'sentinel:gateway_errors:ratio{gateway="chat"}', "values": values}]
    if alert == ERRORS:
        probes = 'sentinel_gateway_probes_total{job="sentinel-witness",gateway="chat",outcome="stalled_stream"}'
        series.append({"series": probes, "values": "0+1x8640"})
    world = {"interval": "10s", "input_series": series, "promql_expr_test": tests}
    return promtool.complaints(rules.rule_files(shipped), {"evaluation_interval": "10s", "tests": [world]})


@pytest.mark.parametrize(("objective", "share"), [(0.99, 1.0), (0.999, 0.1)])
@pytest.mark.parametrize(
    ("ratio", "end", "looks"),
    [
        # The 104th bad one is more than 14.4 times an hour's budget; of five minutes nine must be.
        pytest.param(0.5, 3000, {1620: False, 1630: True, 3190: True, 3230: False}, id="an hour"),
        # Less than 14.4 times: the 1179th of six hours; of half an hour 99 must be.
        pytest.param(0.11, 15000, {12370: False, 12380: True, 15780: True, 15830: False}, id="six hours"),
        # Less than 6 times: the 412th five minutes of three days; of six hours 1029 of 2160 must be.
        pytest.param(0.021, 130200, {123890: False, 123900: True, 141400: True, 141600: False}, id="three days"),
        # A tenth less than the budget, for ever.
        pytest.param(0.009, 330000, {300000: False}, id="never"),
    ],
)
def test_each_pair_of_windows_begins_and_ends_to_the_second(
    objective: float, share: float, ratio: float, end: int, looks: dict[int, bool]
) -> None:
    assert judged(objective, ratio * share, end, looks) == ""


@pytest.mark.parametrize(("objective", "share"), [(0.99, 1.0), (0.999, 0.1)])
def test_many_bad_answers_page_when_it_is_14_times_the_budget_now_and_in_five_minutes(
    objective: float, share: float
) -> None:
    looks = {680: False, 690: True}

    assert judged(objective, 0.44 * share, 3000, looks, ERRORS) == ""
    assert judged(objective, 0.14 * share, 3000, {2990: False}, ERRORS) == ""
