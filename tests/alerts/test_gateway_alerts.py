"""When alerts about gateways fire: each expression in every situation, asked by the witness, or without one by tenants."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pytest

from tests.alerts import rules
from tests.alerts.table import At, Given, Table

CHAT, PLAIN = '{gateway="chat"}', '{gateway="plain"}'
EXPECTED: dict[str, Given] = {
    'sentinel:expected_gateway{gateway="chat",primary="openai",shows="true"}': 1.0,
    'sentinel:expected_gateway{gateway="plain",primary="second",shows="false"}': 1.0,
}
GOOD = ("failed_over", "served_primary", "served_unknown")
NO_ERRORS = (*GOOD, "degraded_graceful", "harness_error", "config_error")


def steps(*seconds: int) -> Given:
    """A counter that grows by one at each of these."""
    return lambda now: float(sum(now >= second for second in seconds))


def grown(many: float, at: int = -60) -> Given:
    """By so many at once."""
    return lambda now: many if now >= at else 0.0


def anew(before: Given, after: Given, at: int) -> Given:
    """A counter of a process that restarted then."""
    assert callable(before) and callable(after)
    return lambda now: before(now) if now < at else after(now)


@dataclass(frozen=True)
class Asker:
    """Whoever asks: with a witness it alone counts, without one every tenant that the chart knows."""

    witness: bool

    @property
    def files(self) -> dict[str, str]:
        return rules.shipped(2, witness=self.witness, gateways=True)

    @property
    def expected(self) -> dict[str, Given]:
        known: dict[str, Given] = {f'sentinel:expected_tenant{{tenant="{name}"}}': 1.0 for name in ("team-a", "team-b")}
        return EXPECTED | known

    def of(self, metric: str, labels: str = "", gateway: str = "chat", tenant: str = "team-a") -> str:
        job = 'job="sentinel-witness"' if self.witness else f'job="sentinel",tenant="{tenant}"'
        return f'sentinel_gateway_{metric}{{{job},gateway="{gateway}"{"," if labels else ""}{labels}}}'

    def asked(self, outcome: str, more: str = "", **whose: str) -> str:
        return self.of("probes_total", f'outcome="{outcome}"{more}', **whose)

    def strangers(self, metric: str, labels: str) -> list[str]:
        """The same from those whose word does not count."""
        own = self.of(metric, labels)
        if self.witness:
            return [own.replace('"sentinel-witness"', '"sentinel",tenant="team-a"')]
        return [own.replace('"team-a"', '"made up"'), own.replace('job="sentinel"', 'job="sentinel-witness"')]


ASKERS = pytest.mark.parametrize("asker", [Asker(True), Asker(False)], ids=["witnessed", "alone"])


@ASKERS
@pytest.mark.parametrize(
    ("alert", "metric", "label", "other", "needed", "limit", "window"),
    [
        ("SentinelUngracefulError", "probes_total", 'outcome="ungraceful_error"', 'outcome="timeout"', 3, 2.5, 300),
        ("SentinelSilentTruncation", "truncated_total", 'kind="silent"', 'kind="abort"', 2, 1.5, 300),
        (
            "SentinelFailoverIndeterminate",
            "failover_events_total",
            'verdict="indeterminate"',
            'verdict="pass"',
            1,
            0,
            900,
        ),
    ],
)
def test_so_many_within_a_while_fire_and_fewer_older_or_other_ones_do_not(
    asker: Asker, alert: str, metric: str, label: str, other: str, needed: int, limit: float, window: int
) -> None:
    series = asker.of(metric, label)
    second = asker.of(metric, f'{label},provider="another"', tenant="team-b")
    early, late = -window + 30, -10
    all_of_them = steps(early, *[late] * (needed - 1))
    table = Table(alert, asker.files)

    def row(name: str, given: Mapping[str, Given], wanted: int = 0) -> None:
        table.row(name, asker.expected | dict(given), {CHAT: wanted} if wanted else {})

    row("as many as it takes", {series: all_of_them}, needed)
    row("one fewer", {series: steps(*[late] * (needed - 1))})
    row("exactly the limit, as between scrapes", {series: grown(limit)})
    row("the first is older", {series: steps(-window - 60, *[late] * (needed - 1))})
    row("by two series", {series: grown(needed - 0.6), second: grown(0.6)}, needed)
    row("across a restart", {series: anew(steps(early), steps(*[late] * (needed - 1)), -60)}, needed)
    row("others of its kind", {asker.of(metric, other): grown(9)})
    row("of a gateway that nobody expects", {asker.of(metric, label, gateway="made up"): grown(9)})
    row("told by somebody else", {stranger: grown(9) for stranger in asker.strangers(metric, label)})
    table.judge()


BREACHES = 'sentinel_gateway_page_breaches{job="sentinel-visitor",gateway="%s"%s}'


def test_three_visits_in_a_row_to_a_page_fire_whoever_of_two_browsers_made_them() -> None:
    table = Table("SentinelUngracefulError", Asker(witness=True).files)
    chat, made_up = BREACHES % ("chat", ""), BREACHES % ("plain", "")

    def until(last: int) -> Given:
        """As long as scrapes did not fail."""
        return lambda now: 3.0 if now <= last else None

    known: dict[str, Given] = {'sentinel:expected_page{gateway="chat"}': 1.0}
    rows: list[tuple[str, Mapping[str, Given], int]] = [
        ("three", {chat: 3.0}, 3),
        ("four", {chat: 4.0}, 4),
        ("two", {chat: 2.0}, 0),
        ("three, and a browser that has just begun", {chat: 3.0, BREACHES % ("chat", ',instance="b"'): 0.0}, 3),
        ("three, and two scrapes failed", {chat: until(-20)}, 3),
        ("three, and a third one failed", {chat: until(-30)}, 0),
        ("three, and one was well since", {chat: lambda now: 0.0 if now == 0 else 3.0}, 0),
        ("of a gateway without a page", {made_up: 3.0}, 0),
        ("told by a tenant", {chat.replace("visitor", "tenant"): 3.0}, 0),
    ]
    for name, given, wanted in rows:
        table.row(name, {**EXPECTED, **known, **given}, {CHAT: wanted} if wanted else {})
    table.judge()


def outages(seconds_ago: int, gateway: str = "chat") -> Iterator[tuple[str, dict[str, Given]]]:
    """Either other page, of an outage that ended then."""
    for kind in ("gateway_down", "failover_slow"):
        series = f'sentinel:{kind}:since_timestamp{{gateway="{gateway}"}}'
        yield kind, {series: lambda now: At(-2000) if now <= -seconds_ago else None}


@ASKERS
def test_a_failover_between_its_bounds_is_told_where_no_outage_was_for_a_quarter_of_an_hour(asker: Asker) -> None:
    table = Table("SentinelFailoverIndeterminate", asker.files)
    between = asker.expected | {asker.of("failover_events_total", 'verdict="indeterminate"'): steps(-60)}
    for ago, told in ((0, False), (600, False), (1000, True)):
        for kind, outage in outages(ago):
            table.row(f"{kind} until {ago} s ago", between | outage, {CHAT: 1} if told else {})
    for kind, outage in outages(0, "plain"):
        table.row(f"{kind} of another gateway", between | outage, {CHAT: 1})
        table.row(f"{kind} and nothing else", asker.expected | outage, {})
    table.judge()


FAST = 0.225
"""14.4 times what an objective of 98.4375 % leaves: a number that computers can write."""
Span = tuple[int, int, float]
"""From when, until when (inclusive), and the share of bad answers."""


def shares(*spans: Span) -> Given:
    """Nobody was asked but then."""
    return lambda now: next((share for begin, end, share in spans if begin <= now <= end), None)


@ASKERS
def test_many_bad_answers_page_in_the_last_minute_and_in_five_unless_an_outage_does(asker: Asker) -> None:
    objective = {"config": {"gateways": rules.GATEWAYS}, "gatewayObjective": 1 - FAST / 14.4}
    files = rules.rendered(tenants=rules.TENANTS[:2], witness={"enabled": asker.witness}, **objective)
    table = Table("SentinelGatewayErrors", files)
    ratio, errors = "sentinel:gateway_errors:ratio" + CHAT, asker.asked("stalled_stream")
    much, enough = {ratio: shares((-290, 0, 0.375))}, {errors: grown(3)}

    def row(name: str, given: Mapping[str, Given], share: float | None = None) -> None:
        table.row(name, asker.expected | dict(given), {} if share is None else {CHAT: share})

    def by_time(name: str, *spans: Span, share: float | None = None) -> None:
        row(name, enough | {ratio: shares(*spans)}, share)

    row("many bad ones", much | enough, 0.375)
    by_time("exactly 14.4 times in the last minute", (-290, -70, 1.0), (-60, 0, FAST))
    by_time("well for a minute", (-290, -70, 1.0), (-60, 0, 0.0))
    by_time("well for half a minute", (-290, -70, 1.0), (-50, -30, 1.0), (-20, 0, 0.0), share=0.5)
    by_time("one moment of a minute", (-290, -70, 1.0), (-60, -10, 0.0), (0, 0, 1.0))
    by_time("exactly 14.4 times in five minutes", (-250, -220, 1.0), (-50, -40, 1.0), (-30, 0, 0.1875))
    by_time("most of it four minutes ago", (-290, -200, 1.0), (0, 0, 1.0), share=1.0)
    by_time("most of it six minutes ago", (-500, -310, 1.0), (0, 0, 1.0))

    row("nothing counted", much)
    row("two bad ones", much | {errors: grown(2)})
    row("two and a half, as between scrapes", much | {errors: grown(2.5)})
    row("four minutes ago", much | {errors: grown(3, -280)}, 0.375)
    row("more than five minutes ago", much | {errors: grown(3, -330)})
    row("of two kinds", much | {errors: grown(2), asker.asked("rate_limited", tenant="team-b"): grown(1)}, 0.375)
    row("across a restart", much | {errors: anew(steps(-280, -200), steps(-10), -60)}, 0.375)
    for outcome in (*NO_ERRORS, *([] if asker.witness else ["gateway_unreachable"])):
        row(f"only {outcome}", much | {asker.asked(outcome): grown(9)})
    for stranger in asker.strangers("probes_total", 'outcome="stalled_stream"'):
        row("told by somebody else", much | {stranger: grown(9)})
    row("of another gateway", much | {asker.asked("stalled_stream", gateway="plain"): grown(9)})

    told = much | enough
    for gateway, share in (("chat", None), ("plain", 0.375)):
        row(
            f"{gateway} takes no connection",
            told | {f'sentinel:gateway_unreachable:count{{gateway="{gateway}"}}': 1},
            share,
        )
    row("no connection, and nothing else", {"sentinel:gateway_unreachable:count" + CHAT: 1})
    for ago, share in ((0, None), (300, None), (400, 0.375)):
        for kind, outage in outages(ago):
            row(f"{kind} until {ago} s ago", told | outage, share)
    for kind, outage in outages(0, "plain"):
        row(f"{kind} of another gateway", told | outage, 0.375)
    for kind, outage in outages(0):
        row(f"{kind} and nothing else", outage)
    table.judge()


@ASKERS
def test_more_than_one_good_answer_in_twenty_of_nobody_knows_whom_is_told(asker: Asker) -> None:
    table = Table("SentinelProviderUnknown", asker.files)
    unknown, other = (
        asker.of("identity_unknown_total"),
        asker.of("identity_unknown_total", tenant="team-b", labels='of="b"'),
    )

    def row(name: str, given: Mapping[str, Given], share: float | None = None) -> None:
        table.row(name, asker.expected | dict(given), {} if share is None else {CHAT: share})

    def good(many: Sequence[float], at: int = -60) -> dict[str, Given]:
        return {asker.asked(outcome): grown(number, at) for outcome, number in zip(GOOD, many, strict=True)}

    row("two of 32", good([8, 8, 16]) | {unknown: grown(2)}, 0.0625)
    row("by two series", good([8, 8, 16], -860) | {unknown: grown(1), other: grown(1, -860)}, 0.0625)
    row("exactly one of twenty", good([5, 5, 10]) | {unknown: grown(1)})
    row("the only good answer", good([0, 0, 1]) | {unknown: grown(1)}, 1)
    row("none was good", good([0, 0, 0]) | {unknown: grown(1)})
    row("nobody asks any more", good([8, 8, 16], -960) | {unknown: grown(2, -960)})
    row("those of unknown providers are older", good([8, 8, 16]) | {unknown: grown(2, -960)})
    row("many good ones that are older", good_before(good([8, 8, 16])) | {unknown: grown(2)}, 0.0625)
    row("many errors beside them", good([8, 8, 16]) | {unknown: grown(2), asker.asked("timeout"): grown(99)}, 0.0625)
    again: dict[str, Given] = {
        asker.asked("served_unknown"): anew(grown(16, -400), grown(16, -100), -200),
        unknown: anew(grown(1, -400), grown(1, -100), -200),
    }
    row("across a restart", again, 0.0625)
    plain: dict[str, Given] = {
        asker.asked("served_unknown", gateway="plain"): grown(9),
        asker.of("identity_unknown_total", gateway="plain"): grown(9),
    }
    row("of a gateway that shows nobody", plain)
    for stranger in asker.strangers("identity_unknown_total", ""):
        row("told by somebody else", good([8, 8, 16]) | {stranger: grown(9)})
    for stranger in asker.strangers("probes_total", 'outcome="served_primary"'):
        row("good ones told by somebody else", good([8, 8, 16]) | {unknown: grown(2), stranger: grown(99)}, 0.0625)
    table.judge()


def good_before(series: Mapping[str, Given]) -> dict[str, Given]:
    """Each of them had a hundred more, before a restart a quarter of an hour ago."""
    return {name: anew(grown(100, -1700), value, -910) for name, value in series.items()}


@ASKERS
def test_a_gateway_of_which_nobody_was_told_anything_for_five_minutes_is_unproven(asker: Asker) -> None:
    table = Table("SentinelGatewayUnproven", asker.files)
    both = {CHAT: 1, PLAIN: 1}
    served = asker.asked("served_primary")

    def row(name: str, given: Mapping[str, Given], unproven: Mapping[str, float] = both) -> None:
        table.row(name, asker.expected | dict(given), unproven)

    row("nobody asks", {})
    row("one answer", {served: grown(1, -280)}, {PLAIN: 1})
    row("one error", {asker.asked("timeout"): grown(1)}, {PLAIN: 1})
    row("the last one is older", {served: grown(9, -330)})
    row("one answer before a restart", {served: anew(grown(1, -280), grown(0), -100)}, {PLAIN: 1})
    for outcome in ("harness_error", "config_error"):
        row(f"only {outcome}", {asker.asked(outcome): grown(9)})
    for stranger in asker.strangers("probes_total", 'outcome="served_primary"'):
        row("told by somebody else", {stranger: grown(9)})
    row("unpaid", {"sentinel:gateway_unpaid:count" + CHAT: 1.0}, {PLAIN: 1})
    row("answered, and unpaid", {served: grown(1), "sentinel:gateway_unpaid:count" + CHAT: 1.0}, {PLAIN: 1})
    table.judge()


def test_a_page_that_nobody_saw_for_a_quarter_of_an_hour_is_unproven() -> None:
    table = Table("SentinelPageUnproven", Asker(witness=True).files)
    pages: dict[str, Given] = {f'sentinel:expected_page{{gateway="{name}"}}': 1.0 for name in ("chat", "plain")}
    visits = 'sentinel_gateway_page_visits_total{job="sentinel-visitor",gateway="chat",outcome="%s"}'

    def row(name: str, given: Mapping[str, Given], *, proven: bool) -> None:
        table.row(name, pages | dict(given), {PLAIN: 1} if proven else {CHAT: 1, PLAIN: 1})

    row("nobody goes there", {}, proven=False)
    row("one visit", {visits % "silent": grown(1, -880)}, proven=True)
    row("the last one is older", {visits % "good": grown(9, -930)}, proven=False)
    row("one visit before a restart", {visits % "good": anew(grown(1, -880), grown(0), -100)}, proven=True)
    for outcome in ("harness_error", "elsewhere"):
        row(f"only {outcome}", {visits % outcome: grown(9)}, proven=False)
    row("told by a tenant", {(visits % "good").replace("sentinel-visitor", "sentinel"): grown(9)}, proven=False)
    table.judge()
