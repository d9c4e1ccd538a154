"""LLM gateways: what pages, by the second, and what a dead one, a failover in time or a model's slip does not."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from tests.alerts import rules
from tests.alerts.world import FOREVER, Life, Value, World

OURS = ("breach", "gateway")
"""The others know nothing of gateways; the first one says who is expected."""
QUIET = 0.5
"""Questions a second: one in two seconds."""
FAST = 2.0
"""The same while something is wrong."""

Phase = tuple[int, int, str, float]
"""From when, until when, how it ended, and how many a second."""


def counted(*spans: tuple[int, int, float]) -> Callable[[int], float]:
    """A counter that grows by so much a second, from when until when."""
    return lambda now: sum(rate * max(0, min(now, end) - begin) for begin, end, rate in spans)


def steps(*at: int) -> Value:
    """A counter that grows by one at each of these seconds."""
    return lambda now: float(sum(now >= second for second in at))


def during(begin: int, end: int, value: float = 1.0) -> Value:
    return lambda now: value if begin <= now < end else 0.0


def probes(gateway: str, phases: Sequence[Phase]) -> dict[str, Value]:
    outcomes = {outcome for _, _, outcome, _ in phases} | {"served_primary", "gateway_unreachable", "ungraceful_error"}
    return {
        f'sentinel_gateway_probes_total{{gateway="{gateway}",outcome="{outcome}"}}': counted(
            *((begin, end, rate) for begin, end, found, rate in phases if found == outcome)
        )
        for outcome in outcomes
    }


WELL: Sequence[Phase] = ((0, FOREVER, "served_primary", QUIET),)


def out(begin: int, end: int, outcome: str, rate: float = FAST) -> Sequence[Phase]:
    """Well, but for this."""
    return (
        (0, begin, "served_primary", QUIET),
        (begin, end, outcome, rate),
        (end, FOREVER, "served_primary", QUIET),
    )


def world(until: int, chat: Sequence[Phase] = WELL, more: Mapping[str, Value] | None = None, **how: Any) -> World:
    """Two gateways, asked by the witness. `more`: further series of the gateway `chat`, by what follows the prefix."""
    found = World(until=until, tenants=2, witness=True, only=OURS, config={"gateways": rules.GATEWAYS})
    found.witness(more=series(chat, more or {}), **how)
    return found


def series(chat: Sequence[Phase], more: Mapping[str, Value]) -> dict[str, Value]:
    written = {}
    for name, value in more.items():
        metric, _, labels = name.partition("{")
        gateway = "" if "gateway=" in labels else 'gateway="chat",'
        written[f"sentinel_gateway_{metric}{{{gateway}{labels or '}'}"] = value
    return probes("chat", chat) | probes("plain", WELL) | written


def lasting(begin: int, end: int) -> Value:
    """For how long whoever asked first waits by now."""
    return lambda now: float(now - begin) if begin <= now < end else 0.0


def test_a_healthy_gateway_with_one_slow_answer_in_a_hundred_is_silent() -> None:
    one_in_a_hundred = (0, FOREVER, "stalled_stream", QUIET / 100)
    seen = world(1200, (*WELL, one_in_a_hundred))

    seen.nothing_else()
    seen.judge()


def test_a_gateway_that_takes_no_connection_is_one_page_and_stays_one_when_it_is_back() -> None:
    waited = {"failover_open_user_seconds": lasting(302, 500), "failover_pages_total": steps(505)}
    seen = world(1200, out(300, 500, "gateway_unreachable"), waited)

    seen.fires("SentinelGatewayDown", at=330, until=510, gateway="chat")
    seen.nothing_else()
    seen.judge()


def test_a_gateway_that_restarts_within_20_s_is_no_page() -> None:
    seen = world(900, out(300, 320, "gateway_unreachable"), {"failover_open_user_seconds": lasting(300, 320)})

    seen.nothing_else()
    seen.judge()


def test_a_gateway_that_answers_with_an_error_now_and_then_is_not_down_but_too_slow() -> None:
    phases = (*out(300, 500, "gateway_unreachable"), (300, 500, "structured_error", 0.2))
    seen = world(600, phases, {"failover_open_user_seconds": lasting(302, 500)})

    seen.fires("SentinelFailoverSlow", at=340, until=500, gateway="chat")
    seen.nothing_else()
    seen.judge()


def test_an_outage_pages_as_soon_as_it_is_too_long_and_for_five_minutes_after_its_verdict() -> None:
    waited = {"failover_open_user_seconds": lasting(302, 400), "failover_pages_total": steps(400)}
    seen = world(1200, out(300, 400, "timeout_first_token"), waited)

    seen.fires("SentinelFailoverSlow", at=340, gateway="chat")
    seen.stands("SentinelFailoverSlow", at=680, gateway="chat")
    seen.gone("SentinelFailoverSlow", at=710, gateway="chat")
    seen.nothing_else()
    seen.judge()


def test_the_limit_is_the_gateway_s_own() -> None:
    patient = [{**gateway, "failover": {"within": "90s"}} for gateway in rules.GATEWAYS]
    seen = World(until=600, tenants=2, witness=True, only=OURS, config={"gateways": patient})
    waited = {"failover_open_user_seconds": lasting(300, 450)}
    seen.witness(more=series(out(300, 450, "timeout_first_token"), waited))

    seen.fires("SentinelFailoverSlow", at=390, until=450, gateway="chat")
    seen.value('count(ALERTS{alertname="SentinelGatewayErrors"}) or vector(0)', at=340, wanted=0)
    seen.judge()


def test_one_that_was_proven_too_long_only_when_it_was_over_pages_then() -> None:
    seen = world(900, more={"failover_pages_total": steps(400)})

    seen.fires("SentinelFailoverSlow", at=400, gateway="chat")
    seen.gone("SentinelFailoverSlow", at=710, gateway="chat")
    seen.nothing_else()
    seen.judge()


@pytest.mark.parametrize("took", [10, 20, 28])
def test_a_failover_in_time_wakes_nobody_however_fast_it_was_asked_meanwhile(took: int) -> None:
    phases = out(300, 300 + took, "timeout_first_token")
    waited = {"failover_open_user_seconds": lasting(300, 300 + took)}
    seen = world(1200, phases, waited | {'failover_events_total{verdict="pass"}': steps(300 + took)})

    seen.nothing_else()
    seen.judge()


def test_a_failover_between_its_bounds_is_a_ticket() -> None:
    seen = world(1500, more={'failover_events_total{verdict="indeterminate"}': steps(400)})

    seen.fires("SentinelFailoverIndeterminate", at=400, gateway="chat")
    seen.gone("SentinelFailoverIndeterminate", at=1310, gateway="chat")
    seen.nothing_else()
    seen.judge()


def test_the_third_ungraceful_error_in_five_minutes_pages_and_two_do_not() -> None:
    name = 'probes_total{outcome="ungraceful_error",provider="unknown"}'
    seen = world(900, more={name: steps(100, 150, 460, 480, 500)})

    seen.fires("SentinelUngracefulError", at=500, gateway="chat")
    seen.gone("SentinelUngracefulError", at=770, gateway="chat")
    seen.nothing_else()
    seen.judge()


def visited(until: int, breaches: Value, outcomes: Mapping[str, Value]) -> World:
    """A gateway that is well, and its page as our browser sees it."""
    found = World(until=until, tenants=2, witness=True, only=OURS, config={"gateways": rules.PAGED})
    found.witness(more=series(WELL, {}))
    of = 'job="sentinel-visitor",instance="10.0.2.1:8080",gateway="chat"'
    found.also(f"sentinel_gateway_page_breaches{{{of}}}", breaches)
    for outcome, value in outcomes.items():
        found.also(f'sentinel_gateway_page_visits_total{{{of},outcome="{outcome}"}}', value)
    return found


def test_the_third_visit_in_a_row_with_neither_answer_nor_message_pages_until_one_is_well() -> None:
    row = {320: 1.0, 380: 2.0, 440: 3.0, 500: 4.0, 560: 0.0}
    seen = visited(
        900,
        lambda now: row[max(at for at in row if at <= now)] if now >= 320 else 0.0,
        {"good": steps(*range(20, 300, 60), *range(560, 900, 60)), "silent": steps(320, 380, 440, 500)},
    )

    seen.fires("SentinelUngracefulError", at=440, until=560, gateway="chat")
    seen.nothing_else()
    seen.judge()


def test_a_page_that_shows_nothing_but_the_agreed_message_wakes_nobody() -> None:
    seen = visited(1500, lambda now: 0.0, {"good": steps(20), "graceful": steps(*range(80, 1500, 60))})

    seen.nothing_else()
    seen.judge()


@pytest.mark.parametrize("outcome", ["harness_error", "elsewhere"])
def test_a_page_of_which_nothing_is_known_for_twenty_minutes_is_a_ticket(outcome: str) -> None:
    seen = visited(1320, lambda now: 0.0, {"good": steps(20, 80), outcome: steps(*range(140, 1320, 60))})

    seen.gone("SentinelPageUnproven", at=1200, gateway="chat")
    seen.stands("SentinelPageUnproven", at=1320, gateway="chat")
    seen.value('count(ALERTS{alertstate="firing",severity="critical"}) or vector(0)', at=1320, wanted=0)
    seen.judge()


def test_the_second_silent_truncation_in_five_minutes_pages_and_a_visible_one_does_not() -> None:
    cut = 'truncated_total{kind="%s"}'
    seen = world(1200, more={cut % "silent": steps(50, 400, 460), cut % "abort": steps(400, 410, 420, 430)})

    seen.fires("SentinelSilentTruncation", at=460, gateway="chat")
    seen.gone("SentinelSilentTruncation", at=710, gateway="chat")
    seen.nothing_else()
    seen.judge()


def scraped(value: Value, *, restart: bool) -> Value:
    """But for 350, when the scrape fails, or the process is a new one from 360 on."""

    def found(now: int) -> float | None:
        begun = value(360) if restart and now >= 360 else 0.0
        counted = value(now)
        return None if now == 350 or counted is None or begun is None else counted - begun

    return found


@pytest.mark.parametrize("restart", [False, True], ids=["a scrape fails", "the witness restarts"])
def test_no_alert_flaps_and_none_begins_anew_when(restart: bool) -> None:
    begun = 260
    growing = counted((begun, FOREVER, 0.1))
    told = {
        'failover_events_total{verdict="indeterminate"}': steps(begun),
        'truncated_total{kind="silent"}': growing,
        "identity_unknown_total{}": counted((begun, FOREVER, 0.2)),
    }
    chat = (*WELL, (begun, FOREVER, "ungraceful_error", FAST))
    down = probes("plain", ((0, begun, "served_primary", QUIET), (begun, FOREVER, "gateway_unreachable", FAST)))
    seen = world(500)
    seen.witness(more={name: scraped(value, restart=restart) for name, value in (series(chat, told) | down).items()})

    for alert, at, gateway in (
        ("SentinelFailoverIndeterminate", 260, "chat"),
        ("SentinelUngracefulError", 270, "chat"),
        ("SentinelSilentTruncation", 280, "chat"),
        ("SentinelProviderUnknown", 300, "chat"),
        ("SentinelGatewayErrors", 320, "chat"),
        ("SentinelGatewayDown", 290, "plain"),
    ):
        seen.fires(alert, at=at, gateway=gateway)
        firing = f'ALERTS{{alertname="{alert}",alertstate="firing",gateway="{gateway}"}}'
        seen.value(f"sum(count_over_time({firing}[500s]))", at=490, wanted=(490 - at) / 10 + 1)
    seen.judge()


def test_no_tenant_can_make_up_a_gateway_a_tenant_or_with_a_witness_an_outage() -> None:
    seen = world(900)
    forged = {
        'sentinel_gateway_failover_pages_total{gateway="chat"}': steps(300),
        'sentinel_gateway_failover_open_user_seconds{gateway="chat"}': lasting(0, FOREVER),
    }
    made_up = ("crosstalk", "self", "gateway/made up")
    seen.sentinel("team-a", more=forged, breaches={made_up: lambda now: 1.0})
    of = 'check="crosstalk",identity="self",target="gateway/chat"'
    seen.also(f'sentinel_breach_since_timestamp_seconds{{job="sentinel",tenant="made up",{of}}}', lambda now: 1.0)

    seen.nothing_else()
    seen.judge()


def test_bad_answers_between_good_ones_page_after_some_minutes() -> None:
    phases = ((0, FOREVER, "served_primary", 0.4), (300, 900, "stalled_stream", 0.1))
    seen = world(1200, phases)

    seen.fires("SentinelGatewayErrors", at=530, gateway="chat")
    seen.gone("SentinelGatewayErrors", at=940, gateway="chat")
    seen.nothing_else()
    seen.judge()


def test_nothing_but_bad_answers_page_within_a_minute_whatever_the_episodes_say() -> None:
    seen = world(400, out(300, 400, "structured_error", QUIET))

    seen.fires("SentinelGatewayErrors", at=350, gateway="chat")
    seen.nothing_else()
    seen.judge()


@pytest.mark.parametrize("outcome", ["degraded_graceful", "failed_over", "served_unknown", "harness_error"])
def test_what_is_no_fault_of_the_gateway_uses_up_no_budget(outcome: str) -> None:
    seen = world(500, out(300, 360, outcome))

    seen.nothing_else()
    seen.judge()


def test_a_quarter_of_an_hour_of_half_bad_answers_is_a_ticket_besides() -> None:
    phases = ((0, FOREVER, "served_primary", 0.25), (300, FOREVER, "stalled_stream", 0.25))
    seen = world(1500, phases)

    seen.stands("SentinelGatewayErrors", at=1320, gateway="chat")
    seen.gone("SentinelGatewayErrorBudget", at=1320, gateway="chat")
    seen.stands("SentinelGatewayErrorBudget", at=1370, gateway="chat")
    seen.judge()


def test_a_provider_that_is_silent_for_five_minutes_is_a_ticket_and_for_four_is_none() -> None:
    silent = 'provider_up{provider="%s"}'
    more = {silent % "openai": lambda now: float(now < 300), silent % "backup": lambda now: float(not 300 <= now < 540)}
    seen = world(900, more=more)

    seen.fires("SentinelProviderDegraded", at=600, gateway="chat")
    seen.nothing_else()
    seen.judge()


def test_another_than_the_primary_that_answers_for_five_minutes_is_a_ticket() -> None:
    serving = 'serving_provider{gateway="%s",provider="%s"}'
    more = {
        serving % ("chat", "openai"): lambda now: float(now < 300),
        serving % ("chat", "backup"): lambda now: float(now >= 300),
        serving % ("plain", "second"): lambda now: 1.0,
    }
    seen = world(900, more=more)

    seen.fires("SentinelProviderDegraded", at=600, gateway="chat")
    seen.nothing_else()
    seen.judge()


def test_answers_of_nobody_knows_whom_are_a_ticket_where_the_gateway_could_show_it() -> None:
    unknown = 'identity_unknown_total{gateway="%s"}'
    more = {unknown % name: counted((300, FOREVER, QUIET / 5)) for name in ("chat", "plain")}
    seen = world(900, more=more)

    seen.fires("SentinelProviderUnknown", at=410, gateway="chat")
    seen.nothing_else()
    seen.judge()


def test_a_budget_that_is_used_up_is_told_at_once_and_in_place_of_the_silence() -> None:
    phases = ((0, 300, "served_primary", QUIET),)
    seen = world(1500, phases, {"period_seconds": lambda now: 2.0 if now < 300 else 0.0})

    seen.fires("SentinelGatewayBudgetUsedUp", at=300, gateway="chat")
    seen.nothing_else()
    seen.judge()


def test_a_tenant_that_asks_no_more_is_told_too() -> None:
    seen = world(600)
    seen.sentinel("team-a", more={'sentinel_gateway_period_seconds{gateway="chat"}': during(0, 300, 60.0)})

    seen.fires("SentinelGatewayBudgetUsedUp", at=300, gateway="chat")
    seen.nothing_else()
    seen.judge()


@pytest.mark.parametrize("outcome", ["config_error", "harness_error"])
def test_a_gateway_of_which_nothing_is_known_for_ten_minutes_is_a_ticket(outcome: str) -> None:
    seen = world(920, ((0, 300, "served_primary", QUIET), (300, FOREVER, outcome, QUIET)))

    seen.gone("SentinelGatewayUnproven", at=880, gateway="chat")
    seen.stands("SentinelGatewayUnproven", at=910, gateway="chat")
    seen.value('count(ALERTS{alertstate="firing",severity="critical"}) or vector(0)', at=920, wanted=0)
    seen.judge()


def test_a_gateway_that_nobody_asks_is_a_ticket() -> None:
    seen = World(until=600, tenants=2, witness=True, only=OURS, config={"gateways": rules.GATEWAYS})

    seen.fires("SentinelGatewayUnproven", at=300, gateway="chat")
    seen.fires("SentinelGatewayUnproven", at=300, gateway="plain")
    seen.nothing_else()
    seen.judge()


def alone(until: int, **tenants: tuple[Sequence[Phase], Mapping[str, Value]]) -> World:
    """Without a witness: each tenant asks once a minute."""
    found = World(until=until, tenants=2, only=OURS, config={"gateways": rules.GATEWAYS})
    for tenant, (chat, more) in tenants.items():
        found.sentinel(tenant.replace("_", "-"), more=series(chat, more))
    return found


EACH_MINUTE = 1 / 60


def of_tenant(*life: Life, outcome: str = "gateway_unreachable") -> Sequence[Phase]:
    """Asked once a minute; not well in this span."""
    ((begin, end),) = life
    return tuple((b, e, name, EACH_MINUTE) for b, e, name, _ in out(begin, end, outcome))


def test_without_a_witness_the_tenants_say_that_it_is_down_within_minutes() -> None:
    down: tuple[Sequence[Phase], Mapping[str, Value]] = (of_tenant((300, 600)), {})
    seen = alone(1200, team_a=down, team_b=down)

    seen.fires("SentinelGatewayDown", at=480, until=610, gateway="chat")
    seen.nothing_else()
    seen.judge()


def test_without_a_witness_a_single_bad_answer_of_a_minute_is_no_outage() -> None:
    felt = {"failover_pages_total": steps(360), "failover_open_user_seconds": lasting(300, 360)}
    bad: Sequence[Phase] = of_tenant((300, 360), outcome="structured_error")
    well: Sequence[Phase] = ((0, FOREVER, "served_primary", EACH_MINUTE),)
    seen = alone(1200, team_a=(bad, felt), team_b=(well, {}))

    seen.nothing_else()
    seen.judge()


def test_without_a_witness_what_is_proven_too_long_pages() -> None:
    proven = {
        "failover_open_seconds": lambda now: max(0.0, float(now - 360)) if now < 480 else 0.0,
        'failover_events_total{verdict="violation"}': steps(480),
    }
    well: Sequence[Phase] = ((0, FOREVER, "served_primary", EACH_MINUTE),)
    seen = alone(900, team_a=(well, proven), team_b=(well, {}))

    seen.fires("SentinelFailoverSlow", at=390, gateway="chat")
    seen.gone("SentinelFailoverSlow", at=790, gateway="chat")
    seen.nothing_else()
    seen.judge()


def test_without_gateways_there_is_no_rule_about_them() -> None:
    assert "gateway.rules.yaml" not in rules.shipped(witness=True)
