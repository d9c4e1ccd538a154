"""What is left of both promises: shares of a moment by the worlds, shares of a month by their expressions alone."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from tests.alerts import promtool, rules
from tests.alerts.test_gateway import series, steps
from tests.alerts.world import FOREVER, STEP, Value, World

PROVEN = "cluster:sentinel_isolation_proven:ratio_rate5m"
EVERY = 300
HOUR, DAY = 3600 // EVERY, 86400 // EVERY
FILES = rules.rule_files(rules.shipped(witness=True, gateways=True))


def counting(**a_second: float) -> dict[str, Value]:
    """Verdicts, so many a second."""
    name = 'sentinel_verdicts_total{check="api/secrets",verdict="%s"}'

    def counter(rate: float) -> Value:
        return lambda now: rate * (now + 900)

    return {name % verdict: counter(rate) for verdict, rate in a_second.items()}


def is_about(world: World, expression: str, at: int, wanted: float) -> None:
    world.value(f"abs(sum({expression}) - {wanted}) < bool 0.000001", at=at, wanted=1)


def budget(until: int = 1500) -> World:
    return World(until=until, tenants=2, only=("breach", "blind", "budget"))


def test_the_proven_share_is_that_of_all_that_was_asked_and_each_tenant_counts_the_same() -> None:
    world = budget()
    world.sentinel("team-a", more=counting(held=2, breached=1, inconclusive=1))
    world.sentinel("team-b", more=counting(held=100))
    world.also('sentinel_verdicts_total{job="sentinel",tenant="made up",verdict="held"}', lambda now: 9.0 * now)

    is_about(world, 'tenant:sentinel_isolation_proven:ratio_rate5m{tenant="team-a"}', 1500, 0.75)
    is_about(world, PROVEN, 1500, 0.875)
    is_about(world, "cluster:sentinel_isolation_denied:ratio_rate1h", 1500, 2 / 3)
    world.judge()


def test_who_is_gone_proves_nothing_and_a_restart_or_a_scrape_that_fails_costs_nothing() -> None:
    world = budget()
    again = {name: _begun_again(value) for name, value in counting(held=3, inconclusive=1).items()}
    world.sentinel("team-a", lives=[(-900, 500), (510, FOREVER)], more=again)
    world.sentinel("team-b", lives=[(-900, 900)], more=counting(held=1))

    is_about(world, PROVEN, 490, 0.875)
    is_about(world, PROVEN, 510, 0.875)
    is_about(world, PROVEN, 700, 0.875)
    is_about(world, PROVEN, 1150, 0.875)
    is_about(world, PROVEN, 1210, 0.375)
    is_about(world, PROVEN, 1500, 0.375)
    world.judge()


def _begun_again(value: Value) -> Value:
    """At 510 it counts from 0."""
    return lambda now: value(now) if now < 510 else value(now - 510 - 900)


def test_who_asks_nothing_proves_nothing() -> None:
    world = budget(600)
    world.sentinel("team-a", more=counting(held=0, inconclusive=0))
    world.sentinel("team-b", more=counting(held=1))

    is_about(world, PROVEN, 600, 0.5)
    world.judge()


SHARES = ((30 * DAY, 0.0), (3 * DAY, 1.0), (6 * HOUR, 0.9), (HOUR, 0.8), (8, 0.5), (4, 0.7), (0, 0.3))
"""What was, until so many samples ago: nothing of what is older than a month may count. Each hour begins with its mean."""


def month(values: Sequence[tuple[int, float]] = SHARES) -> str:
    """Forty days of it, in promtool's notation."""
    begun, written = 40 * DAY, []
    for until, value in values:
        written.append(f"{value}x{begun - until - 1}")
        begun = until
    return " ".join(written)


def share(window: int) -> float:
    """The mean of the last so many samples."""
    begun, total = 40 * DAY, 0.0
    for until, value in SHARES:
        total += value * max(0, min(begun, window) - until)
        begun = until
    return total / window


def said(expression: str, wanted: float, given: Mapping[str, str]) -> str:
    """What both promtools have against its being that, at the end of these forty days."""
    asked = {
        "expr": f"abs(sum({expression}) - {wanted}) < bool 0.000001",
        "eval_time": f"{(40 * DAY - 1) * EVERY + STEP}s",
        "exp_samples": [{"labels": "{}", "value": 1}],
    }
    world = {
        "interval": f"{EVERY}s",
        "input_series": [{"series": name, "values": values} for name, values in given.items()],
        "promql_expr_test": [asked],
    }
    return promtool.complaints(FILES, {"evaluation_interval": f"{EVERY}s", "tests": [world]})


WINDOWS = pytest.mark.parametrize(
    ("name", "window"), [("1h", HOUR), ("6h", 6 * HOUR), ("3d", 3 * DAY), ("30d", 30 * DAY)]
)


@WINDOWS
def test_a_window_is_as_long_as_its_name_says(name: str, window: int) -> None:
    expression = f"<<cluster:sentinel_isolation_proven:ratio_rate{name}>>"

    assert said(expression, share(window), {PROVEN: month()}) == ""


@WINDOWS
def test_so_is_that_of_answers_which_are_bad_where_they_are_not_good(name: str, window: int) -> None:
    bad = month([(until, 1 - value) for until, value in SHARES])
    errors = 'sentinel:gateway_errors:ratio{gateway="%s"}'
    given = {
        errors % "chat": bad,
        errors % "gone": f"0x{40 * DAY}",
        'sentinel:expected_gateway{gateway="chat"}': f"1x{40 * DAY}",
    }

    assert said(f"<<gateway:sentinel_answers_good:ratio_rate{name}>>", share(window), given) == ""


@pytest.mark.parametrize("of", ["cluster:sentinel_isolation_proven", "gateway:sentinel_answers_good"])
@pytest.mark.parametrize(("share", "left"), [(1.0, 1.0), (0.995, 0.5), (0.99, 0.0), (0.97, -2.0)])
def test_a_budget_is_full_when_all_was_well_and_below_nothing_when_it_is_overdrawn(
    of: str, share: float, left: float
) -> None:
    name = {"c": "cluster:sentinel_isolation_error_budget", "g": "gateway:sentinel_answers_error_budget"}[of[0]]

    assert said(f"<<{name}:remaining>>", left, {f"{of}:ratio_rate30d": f"{share}x{40 * DAY}"}) == ""


IN_TIME = "<<gateway:sentinel_failover_in_time:ratio_increase30d>>"
HOURS = 'gateway:sentinel_failovers:increase1h{gateway="chat",verdict="%s"}'


def test_of_a_month_s_failovers_those_count_as_in_time_that_are_proven_to_be() -> None:
    given = {
        HOURS % "pass": f"9x{10 * DAY - 1} 3x{30 * DAY}",
        HOURS % "violation": f"1x{10 * DAY - 1} 0.75x{30 * DAY}",
        HOURS % "indeterminate": f"1x{10 * DAY - 1} 0.25x{30 * DAY}",
    }

    assert said(IN_TIME, 0.75, given) == ""


def test_a_single_failover_of_a_month_counts_and_none_is_no_share_at_all() -> None:
    once = {HOURS % "pass": f"0x{20 * DAY - 1} 1x{HOUR - 1} 0x{20 * DAY}"}

    assert said(IN_TIME, 1, once) == ""
    assert said(f"count({IN_TIME}) or vector(0)", 0, {HOURS % "pass": f"0x{40 * DAY}"}) == ""


@pytest.mark.parametrize("witness", [True, False])
def test_the_hours_failovers_are_counted_by_verdict_and_by_those_alone_who_have_a_say(witness: bool) -> None:
    config: dict[str, Any] = {"config": {"gateways": rules.GATEWAYS}}
    world = World(until=4200, tenants=2, witness=witness, only=("breach", "gateway", "budget"), **config)
    events = 'failover_events_total{verdict="%s"}'
    told = {events % "pass": steps(300, 900, 2000), events % "violation": steps(100, 2500)}
    told |= {events % "indeterminate": steps(800), events % "unproven": steps(9)}
    more = series((), told) | series((), {'failover_events_total{gateway="gone",verdict="pass"}': steps(1000)})
    passed = 'sentinel_gateway_failover_events_total{%s,gateway="chat",verdict="pass"}'
    if witness:
        world.witness(more=more)
        world.also(passed % 'job="sentinel-witness",instance="another"', _twice)
        world.sentinel("team-a", more={passed % 'of="forged"': steps(700)})
    else:
        world.sentinel("team-a", more=more)
        world.sentinel("team-b", more={passed % 'of="twice"': _twice})
        world.also(passed % 'job="sentinel",tenant="made up"', steps(700))

    increase = "round(gateway:sentinel_failovers:increase1h{%s})"
    in_time, late = (increase % f'verdict="{verdict}"' for verdict in ("pass", "violation"))
    world.value(f"sum({in_time})", at=3600, wanted=5)
    world.value(f"sum({late})", at=3600, wanted=2)
    world.value(f"sum({late})", at=4200, wanted=1)
    world.value(f"count({increase % ''})", at=4200, wanted=3)
    world.judge()


def _twice(now: int) -> float:
    """Once, and once more when it has begun anew."""
    return float(now >= 1500) if now < 2600 else float(now >= 2700)
