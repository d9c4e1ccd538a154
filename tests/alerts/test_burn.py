"""The error budget of a gateway: each pair of windows by itself, to the evaluation, and at other objectives.

The tables have an objective of 98.4375 %, whose limits computers can write: 14.4 times a budget of an hour are 81
evaluations with nothing but bad answers, 6 times one of six hours 202.5; of three days 13.5 are looked at.
"""

import re
from collections.abc import Iterator

import pytest

from tests.alerts import rules
from tests.alerts.table import Given, Table

BUDGET = "SentinelGatewayErrorBudget"
CHAT = '{gateway="chat"}'
RATIO = f"sentinel:gateway_errors:ratio{CHAT}"
FAST, MEDIUM, SLOW = 0.225, 0.09375, 0.015625
"""14.4 times, 6 times and once what may be bad."""
FIVE_MINUTES, HALF_AN_HOUR, SIX_HOURS = -300, -1800, -21600

Span = tuple[int, int, float]
"""From when, for how many evaluations, and the share of bad answers."""


def bad(begin: int, evaluations: int, share: float = 1.0) -> Span:
    return begin, evaluations, share


def seen_by_look(begin: int, looks: int) -> Span:
    """So many of those that one evaluation in five minutes is of, and none more."""
    return begin, (looks - 1) * 30 + 1, 1.0


def shares(*spans: Span) -> Given:
    """All good, but for these."""
    return lambda now: next((share for at, many, share in spans if at <= now < at + 10 * many), 0.0)


def since(begin: int, share: float) -> Span:
    return begin, -begin // 10 + 1, share


HOUR = [
    ("more than 14.4 times, in five minutes too", [bad(-1000, 82)], 82),
    ("exactly 14.4 times", [bad(-1000, 81)], None),
    ("most of it fifty minutes ago", [bad(-3000, 60), bad(-290, 22)], 82),
    ("most of it more than an hour ago", [bad(-5000, 70), bad(-290, 22)], None),
    ("over since six minutes", [bad(-1180, 82)], None),
    ("but for a moment over since five", [bad(-1090, 82)], None),
    ("no more than 14.4 times since five", [bad(-3000, 82), since(FIVE_MINUTES, FAST)], None),
]
SIX = [
    ("more than 6 times, in half an hour too", [bad(-18000, 180), bad(-1300, 23)], 203),
    ("exactly 6 times", [bad(-18000, 180), bad(-1300, 22), bad(-1000, 1, 0.5)], None),
    ("most of it more than six hours ago", [bad(-30000, 180), bad(-1300, 23)], None),
    ("over since half an hour", [bad(-18000, 180), bad(-2600, 60)], None),
    ("but for a moment over since half an hour", [bad(-18000, 200), bad(-1300, 5)], None),
    ("no more than 6 times since half an hour", [bad(-18000, 200), since(HALF_AN_HOUR, MEDIUM)], None),
]
DAYS = [
    ("more than the budget, in six hours too", [seen_by_look(-201000, 13), bad(-17990, 40)], 14),
    ("exactly the budget", [seen_by_look(-201000, 13), bad(-17990, 40, 0.5), bad(-17090, 27)], None),
    ("most of it more than three days ago", [seen_by_look(-264000, 13), bad(-17990, 40)], None),
    ("over since six hours", [seen_by_look(-201000, 13), bad(-30000, 100)], None),
    ("but for a moment over since six hours", [seen_by_look(-201000, 14), bad(-17990, 5)], None),
    ("no more than the budget since six hours", [seen_by_look(-201000, 14), since(SIX_HOURS, SLOW)], None),
]


def test_a_ticket_begins_with_the_first_bad_answer_too_many_of_either_pair_of_windows() -> None:
    shipped = rules.rendered(config={"gateways": rules.GATEWAYS}, gatewayObjective=1 - SLOW)
    table = Table(BUDGET, shipped, slot=80 * 3600)
    for name, spans, sum_of_it in (*HOUR, *SIX, *DAYS):
        table.row(name, {RATIO: shares(*spans)}, {} if sum_of_it is None else {CHAT: sum_of_it})
    table.judge()


def limits(objective: float) -> Iterator[float]:
    """What the rules of both alerts are held against, in order."""
    alerts = rules.alerts(rules.rendered(config={"gateways": rules.GATEWAYS}, gatewayObjective=objective))
    for alert in (BUDGET, "SentinelGatewayErrors"):
        yield from map(float, re.findall(r"(?:> |\* )(0\.\d+)", alerts[alert]["expr"]))


@pytest.mark.parametrize("objective", [0.99, 0.999, 0.95])
def test_the_limits_are_14_times_6_times_and_once_what_the_objective_leaves(objective: float) -> None:
    times = [14.4, 14.4, 6, 6, 1, 1, 14.4, 14.4]

    assert list(limits(objective)) == pytest.approx([many * (1 - objective) for many in times])
