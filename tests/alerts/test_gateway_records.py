"""What is recorded of LLM gateways before an alert reads it: unreachable, down, slow, in error, degraded, unpaid.

Each with a witness that asks, and without one, where the tenants do: windows are longer then, and all else is alike.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from tests.alerts import rules
from tests.alerts.table import At, Given, Table
from tests.alerts.world import STEP, World

OUT, HARD, WELL = "gateway_unreachable", "structured_error", "served_primary"
GOOD = (WELL, "served_unknown", "failed_over", "degraded_graceful")
OURSELVES = ("harness_error", "config_error")

Row = tuple[Mapping[str, Given], Mapping[str, float | At]]
"""What is given, by series; what is wanted, by gateway."""

VIOLATION = {"metric": "failover_events_total", "verdict": "violation"}
EXPECTED: Mapping[str, Given] = {
    'sentinel:expected_gateway{gateway="chat",primary="openai",shows="true"}': 1,
    'sentinel:expected_gateway{gateway="plain",primary="second",shows="false"}': 1,
    'sentinel:expected_gateway:within_seconds{gateway="chat"}': 30,
    'sentinel:expected_gateway:within_seconds{gateway="plain"}': 90,
    'sentinel:expected_tenant{tenant="team-a"}': 1,
    'sentinel:expected_tenant{tenant="team-b"}': 1,
}


@dataclass(frozen=True)
class Asker:
    """Who asks gateways, and over how many seconds the rules look at what came of it."""

    witness: bool
    now: int
    out: int

    def saw(self, metric: str, *, gateway: str = "chat", second: bool = False, **labels: str) -> str:
        """A series of the first of two that are scraped, or of the second."""
        pod, tenant = ("10.0.1.2:8080", "team-b") if second else ("10.0.1.1:8080", "team-a")
        own = f'job="sentinel-witness",instance="{pod}"' if self.witness else f'job="sentinel",tenant="{tenant}"'
        return _series(metric, own, gateway=gateway, **labels)

    def unheard(self, metric: str, **labels: str) -> str:
        """The same of a tenant whose word does not count: there is a witness, or it is made up."""
        tenant = "team-a" if self.witness else "made-up"
        return _series(metric, f'job="sentinel",tenant="{tenant}"', gateway="chat", **labels)

    def judge(self, rule: str, rows: Mapping[str, Row]) -> None:
        table = Table(rule, rules.shipped(witness=self.witness, gateways=True), slot=800)
        for name, (given, wanted) in rows.items():
            of_gateways = {f'{{gateway="{gateway}"}}': value for gateway, value in wanted.items()}
            table.row(name, {**EXPECTED, **given}, of_gateways)
        table.judge()


def _series(metric: str, own: str, **labels: str) -> str:
    written = ",".join(f'{name}="{value}"' for name, value in labels.items())
    return f"sentinel_gateway_{metric}{{{own},{written}}}"


WITNESSED, TENANTS = Asker(witness=True, now=25, out=35), Asker(witness=False, now=125, out=185)
by_whom = pytest.mark.parametrize("asker", [WITNESSED, TENANTS], ids=["witness", "tenants"])


def grew(*at: int, begun: float = 0) -> Callable[[int], float]:
    """A counter, one more at each of these seconds."""
    return lambda now: begun + sum(now >= second for second in at)


def restarted(*at: int) -> Callable[[int], float]:
    """One that stood at 50 and begins anew with the first of them."""
    return lambda now: 50.0 if now < at[0] else grew(*at)(now)


def missed(value: Callable[[int], float], at: int) -> Given:
    """A scrape that failed."""
    return lambda now: None if now == at else value(now)


def only(begin: int, end: int, value: float | Callable[[int], float] = 1) -> Given:
    """Scraped from then until then, and no more."""
    return lambda now: (value(now) if callable(value) else value) if begin <= now <= end else None


def now_or_before(now_: float, before: float) -> Given:
    return lambda now: now_ if now == 0 else before


def silence(asker: Asker, window: int, *later: int) -> dict[str, Row]:
    """What two rules make of one that takes no connection: a question when the window begins gets none, and some `later`."""
    first = 15 - window
    questions, enough = (first, *later), 1 + len(later)

    def saw(outcome: str, **more: Any) -> str:
        return asker.saw("probes_total", outcome=outcome, **more)

    refused = {saw(OUT): grew(*questions)}
    everybody = {"chat": enough}
    return {
        "nobody gets a connection": (refused, everybody),
        "the first who got none asked too long ago": ({saw(OUT): grew(first - STEP, *later)}, {}),
        "once nobody got one": ({saw(OUT): grew(begun=50)}, {}),
        "two ask": (refused | {saw(OUT, second=True): grew(*questions)}, {"chat": 2 * enough}),
        "somebody was answered": (refused | {saw(WELL): grew(first)}, {}),
        "somebody was answered before": (refused | {saw(WELL): grew(first - STEP)}, everybody),
        "somebody got an error": (refused | {saw(HARD): grew(first)}, {}),
        "somebody could not ask": (refused | {saw("harness_error"): grew(first)}, everybody),
        "nobody could ask": ({saw("harness_error"): grew(*questions)}, {}),
        "the other gateway answers": (
            refused | {saw(OUT, gateway="plain"): grew(*questions), saw(WELL, gateway="plain"): grew(first)},
            everybody,
        ),
        "both gateways": (
            refused | {saw(OUT, gateway="plain"): grew(*questions, 0)},
            everybody | {"plain": enough + 1},
        ),
        "who asks began anew": ({saw(OUT): restarted(*questions)}, {"chat": enough * (window / (window - 5))}),
        "who was answered began anew": (refused | {saw(WELL): restarted(first)}, {}),
        "a scrape failed": ({saw(OUT): missed(grew(*questions), at=-STEP)}, everybody),
        "nobody asks any more": ({saw(OUT): only(-600, first - STEP, lambda now: now + 600.0)}, {}),
        "somebody says so whose word does not count": (
            {asker.unheard("probes_total", outcome=OUT): grew(*questions)},
            {},
        ),
        "somebody denies it whose word does not count": (
            refused | {asker.unheard("probes_total", outcome=WELL): grew(first)},
            everybody,
        ),
    }


@by_whom
def test_a_gateway_is_unreachable_while_questions_get_no_connection_and_none_gets_more(asker: Asker) -> None:
    asker.judge("sentinel:gateway_unreachable:count", silence(asker, asker.now))


@by_whom
def test_it_is_down_after_three_such_questions_and_nothing_else(asker: Asker) -> None:
    out = asker.saw("probes_total", outcome=OUT)
    rows: dict[str, Row] = {
        "two, and the window is longer than they are apart": ({out: grew(-STEP, 0, begun=100)}, {}),
        "between two and three": ({out: lambda now: 2.5 * (now >= 0)}, {}),
        "two of one asker and one of the other": (
            {out: grew(-STEP, 0), asker.saw("probes_total", outcome=OUT, second=True): grew(0)},
            {"chat": 3},
        ),
        "one that nobody expects": ({asker.saw("probes_total", gateway="gone", outcome=OUT): grew(-STEP, 0, 0)}, {}),
    }

    asker.judge("sentinel:gateway_down:count", silence(asker, asker.out, -STEP, 0) | rows)


@pytest.mark.parametrize(
    ("since", "what"),
    [
        ("sentinel:gateway_down:since_timestamp", "sentinel:gateway_down:count"),
        ("sentinel:failover_slow:since_timestamp", "sentinel:failover_slow:seconds"),
    ],
)
def test_since_when_is_said_as_long_as_it_lasts_of_each_gateway_by_itself(since: str, what: str) -> None:
    def of(name: str, gateway: str) -> str:
        return f'{name}{{gateway="{gateway}"}}'

    table = Table(since, rules.shipped(witness=True, gateways=True), slot=800)
    begins: Mapping[str, Given] = {of(what, "chat"): 40}
    lasts: Mapping[str, Given] = {of(what, "chat"): 40, of(since, "chat"): At(-100)}
    table.row("it begins", begins, {'{gateway="chat"}': At(0)})
    table.row("it lasts", lasts, {of(since, "chat"): At(-100)})
    table.row("it is over", {of(since, "chat"): At(-100)}, {})
    table.row(
        "it is over here and lasts there",
        {of(what, "plain"): 40, of(since, "plain"): At(-100), of(since, "chat"): At(-200)},
        {of(since, "plain"): At(-100)},
    )
    table.row(
        "it lasts here and begins there",
        {**lasts, of(what, "plain"): 40},
        {of(since, "chat"): At(-100), '{gateway="plain"}': At(0)},
    )
    table.judge()


@by_whom
def test_a_failover_is_slow_from_its_limit_on_and_for_five_minutes_after_its_end(asker: Asker) -> None:
    waiting = "failover_open_user_seconds" if asker.witness else "failover_open_seconds"
    ended: dict[str, Any] = {"metric": "failover_pages_total"} if asker.witness else VIOLATION
    unreachable = 'sentinel:gateway_unreachable:count{gateway="%s"}'
    down = 'sentinel:gateway_down:since_timestamp{gateway="%s"}'

    def waits(value: Given, **more: Any) -> dict[str, Given]:
        return {asker.saw(waiting, **more): value}

    def over(*at: int, **more: Any) -> dict[str, Given]:
        return {asker.saw(**ended, **more): grew(*at)}

    rows: dict[str, Row] = {
        "as long as it may": (waits(30), {"chat": 30}),
        "a second less": (waits(29), {}),
        "two wait, and one of them longer": (waits(30) | waits(40, second=True), {"chat": 40}),
        "each gateway has its limit": (waits(40) | waits(40, gateway="plain"), {"chat": 40}),
        "it becomes too long": (waits(now_or_before(30, before=20)), {"chat": 30}),
        "it is over and was proven by nobody": (waits(now_or_before(0, before=40)), {}),
        "one ended": (over(-280), {"chat": 1}),
        "one ended long ago": (over(-310), {}),
        "two saw the end": (over(-280) | over(-280, second=True), {"chat": 2}),
        "one ended and one lasts": (waits(40) | over(-280), {"chat": 40}),
        "at each gateway": (over(-280) | over(-280, -100, gateway="plain"), {"chat": 1, "plain": 2}),
        "one that nobody expects": (waits(40, gateway="gone") | over(-100, gateway="gone"), {}),
        "who asks began anew": ({asker.saw(**ended): only(-100, 0, restarted(-50))}, {"chat": 1.05}),
        "two scrapes failed": (waits(only(-600, -20, 40)), {"chat": 40}),
        "nobody asks any more": (waits(only(-600, -30, 40)), {}),
        "a connection is not even taken": (waits(40) | {unreachable % "chat": 1}, {}),
        "the other gateway takes none": (waits(40) | {unreachable % "plain": 1}, {"chat": 40}),
        "it was down": (waits(40) | {down % "chat": only(-350, -350)}, {}),
        "it was down long ago": (waits(40) | {down % "chat": only(-370, -370)}, {"chat": 40}),
        "the other was down": (waits(40) | {down % "plain": only(-10, -10)}, {"chat": 40}),
        "somebody says so whose word does not count": (
            {asker.unheard(waiting): 40, asker.unheard(**ended): grew(-100)},
            {},
        ),
        "somebody says more whose word does not count": (waits(30) | {asker.unheard(waiting): 40}, {"chat": 30}),
    }

    asker.judge("sentinel:failover_slow:seconds", rows)


def test_without_a_witness_a_failover_that_kept_its_promise_is_not_slow_when_it_has_ended() -> None:
    passed = TENANTS.saw("failover_events_total", verdict="pass")

    TENANTS.judge("sentinel:failover_slow:seconds", {"one that passed": ({passed: grew(-100)}, {})})


@by_whom
def test_the_share_of_bad_answers_is_of_all_that_say_something_about_the_gateway(asker: Asker) -> None:
    first = 15 - asker.now

    def saw(outcome: str, *at: int, **more: Any) -> dict[str, Given]:
        return {asker.saw("probes_total", outcome=outcome, **more): grew(*at)}

    rows: dict[str, Row] = {
        "one bad answer": (saw(HARD, first), {"chat": 1}),
        "one of four": (saw(HARD, first) | saw(WELL, first, first, 0), {"chat": 0.25}),
        "bad ones of two kinds": (saw(HARD, 0) | saw(OUT, 0) | saw(WELL, 0), {"chat": 2 / 3}),
        "none is bad": (saw(HARD) | saw(WELL, 0), {"chat": 0}),
        "it was bad before": (saw(HARD, first - STEP) | saw(WELL, 0), {"chat": 0}),
        "it was well before": (saw(HARD, 0) | saw(WELL, first - STEP), {"chat": 1}),
        "no answer at all": (saw(HARD) | saw(WELL), {}),
        **{f"beside a {good}": (saw(HARD, 0) | saw(good, 0), {"chat": 0.5}) for good in GOOD},
        **{f"beside a {own} of ours": (saw(HARD, 0) | saw(own, 0), {"chat": 1}) for own in OURSELVES},
        **{f"a {own} of ours": (saw(HARD) | saw(own, 0), {}) for own in OURSELVES},
        "two ask": (saw(HARD, 0) | saw(HARD, second=True) | saw(WELL, 0, 0, 0, second=True), {"chat": 0.25}),
        "each of two": (
            saw(HARD, 0) | saw(HARD, 0, gateway="plain") | saw(WELL, 0, gateway="plain"),
            {"chat": 1, "plain": 0.5},
        ),
        "none that is expected": (saw(HARD, 0, gateway="gone"), {}),
        "who asks began anew": (
            {asker.saw("probes_total", outcome=outcome): restarted(0) for outcome in (HARD, WELL)},
            {"chat": 0.5},
        ),
        "a scrape failed": ({asker.saw("probes_total", outcome=HARD): missed(grew(first), at=-STEP)}, {"chat": 1}),
        "somebody says so whose word does not count": (
            saw(HARD) | saw(WELL, 0) | {asker.unheard("probes_total", outcome=HARD): grew(0)},
            {"chat": 0},
        ),
        "somebody denies it whose word does not count": (
            saw(HARD, 0) | {asker.unheard("probes_total", outcome=WELL): grew(0)},
            {"chat": 1},
        ),
    }

    asker.judge("sentinel:gateway_errors:ratio", rows)


@by_whom
def test_a_provider_is_degraded_that_is_silent_or_stands_in_for_the_primary(asker: Asker) -> None:
    def up(provider: str, value: Given, **more: Any) -> dict[str, Given]:
        return {asker.saw("provider_up", provider=provider, **more): value}

    def serves(provider: str, value: Given = 1, **more: Any) -> dict[str, Given]:
        return {asker.saw("serving_provider", provider=provider, **more): value}

    rows: dict[str, Row] = {
        "all is well": (up("openai", 1) | serves("openai") | serves("backup", 0), {}),
        "one is silent": (up("openai", 1) | up("backup", 0), {"chat": 1}),
        "both are": (up("openai", 0) | up("backup", 0), {"chat": 2}),
        "silent to one of two who ask": (up("openai", 0) | up("openai", 1, second=True), {}),
        "another answers": (serves("openai", 0) | serves("backup"), {"chat": 1}),
        "another answers one of two who ask": (serves("backup") | serves("backup", 0, second=True), {"chat": 1}),
        "nobody knows who answers": (serves("unknown"), {}),
        "another answers who is silent when asked itself": (up("backup", 0) | serves("backup"), {"chat": 1}),
        "another answers and the primary is silent": (up("openai", 0) | serves("backup"), {"chat": 2}),
        "of each gateway its own primary": (
            serves("second") | serves("second", gateway="plain"),
            {"chat": 1},
        ),
        "at both": (up("openai", 0) | up("first", 0, gateway="plain"), {"chat": 1, "plain": 1}),
        "none that is expected": (up("openai", 0, gateway="gone") | serves("backup", gateway="gone"), {}),
        "it answers again": (up("openai", now_or_before(1, before=0)), {}),
        "the primary answers again": (serves("backup", now_or_before(0, before=1)), {}),
        "another has just taken over": (serves("backup", now_or_before(1, before=0)), {"chat": 1}),
        "two scrapes failed": (up("openai", only(-600, -20, 0)) | serves("backup", only(-600, -20)), {"chat": 2}),
        "who asks is gone": (up("openai", only(-600, -30, 0)) | serves("backup", only(-600, -30)), {}),
        "somebody says so whose word does not count": (
            {
                asker.unheard("provider_up", provider="openai"): 0,
                asker.unheard("serving_provider", provider="backup"): 1,
            },
            {},
        ),
        "somebody denies it whose word does not count": (
            up("openai", 0) | {asker.unheard("provider_up", provider="openai"): 1},
            {"chat": 1},
        ),
    }

    asker.judge("sentinel:provider_degraded:count", rows)


def test_who_asks_no_more_is_counted_whether_witness_or_tenant() -> None:
    witness, tenant = WITNESSED.saw("period_seconds"), TENANTS.saw("period_seconds")
    rows: dict[str, Row] = {
        "all ask": ({witness: 2, tenant: 60}, {}),
        "the witness asks no more": ({witness: 0, tenant: 60}, {"chat": 1}),
        "a tenant asks no more": ({witness: 2, tenant: 0}, {"chat": 1}),
        "nobody does": ({witness: 0, tenant: 0, TENANTS.saw("period_seconds", second=True): 0}, {"chat": 3}),
        "at both": ({witness: 0, WITNESSED.saw("period_seconds", gateway="plain"): 0}, {"chat": 1, "plain": 1}),
        "none that is expected": ({WITNESSED.saw("period_seconds", gateway="gone"): 0}, {}),
        "a tenant made up": ({TENANTS.unheard("period_seconds"): 0}, {}),
        "they ask again": ({who: now_or_before(2, before=0) for who in (witness, tenant)}, {}),
        "two scrapes failed": ({who: only(-600, -20, 0) for who in (witness, tenant)}, {"chat": 2}),
        "who asked is gone": ({who: only(-600, -30, 0) for who in (witness, tenant)}, {}),
    }

    WITNESSED.judge("sentinel:gateway_unpaid:count", rows)


def test_each_gateway_is_expected_with_its_primary_its_limit_and_its_page() -> None:
    seen = World(until=0, tenants=2, witness=True, only=("gateway",), config={"gateways": rules.PAGED})

    seen.value('sum(sentinel:expected_gateway{gateway="chat",primary="openai",shows="true"})', at=0, wanted=1)
    seen.value('sum(sentinel:expected_gateway{gateway="plain",primary="second",shows="false"})', at=0, wanted=1)
    seen.value('sum(sentinel:expected_gateway:within_seconds{gateway="chat"})', at=0, wanted=30)
    seen.value('sum(sentinel:expected_page{gateway="chat"})', at=0, wanted=1)
    seen.value("count(sentinel:expected_page)", at=0, wanted=1)
    seen.judge()


def test_a_scrape_that_fails_ends_no_alert_and_begins_no_wait_anew() -> None:
    seen = World(until=400, tenants=2, witness=True, only=("gateway",), config={"gateways": rules.PAGED})
    for series, value in (
        (WITNESSED.saw("failover_open_user_seconds"), 40),
        (WITNESSED.saw("provider_up", provider="openai"), 0),
        (WITNESSED.saw("period_seconds"), 0),
    ):
        seen.also(series, lambda now, value=value: None if now in (200, 350) else value)  # type: ignore[misc]

    seen.fires("SentinelProviderDegraded", at=300, gateway="chat")
    for alert in ("SentinelFailoverSlow", "SentinelGatewayBudgetUsedUp", "SentinelProviderDegraded"):
        seen.stands(alert, at=350, gateway="chat")
    seen.value("max(sentinel:failover_slow:since_timestamp)", at=360, wanted=0)
    seen.judge()
