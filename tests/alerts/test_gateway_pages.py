"""What the alerts about gateways say, word by word, in the second in which each begins."""

from collections.abc import Mapping

import pytest

from tests.alerts import rules
from tests.alerts.pages import Pages, common, links
from tests.alerts.table import At, Given, since

EXPECTED = 'sentinel:expected_gateway{gateway="chat",primary="openai",shows="true"}'
VISITOR = 'job="sentinel-visitor",gateway="chat"'


def steps(*seconds: int) -> Given:
    """A counter that grows by one at each of these."""
    return lambda now: float(sum(now >= second for second in seconds))


class Said(Pages):
    """Of the gateway `chat`, by whoever asks: the witness, or without one a tenant."""

    def __init__(self, *, witness: bool) -> None:
        super().__init__(rules.shipped(2, witness=witness, gateways=True))
        job = 'job="sentinel-witness"' if witness else 'job="sentinel",tenant="team-a"'
        self._of = f'{job},gateway="chat"'
        self.out = "half a minute" if witness else "three minutes"
        self._always: dict[str, Given] = {} if witness else {'sentinel:expected_tenant{tenant="team-a"}': 1.0}

    def of(self, metric: str, more: str = "") -> str:
        return f"sentinel_gateway_{metric}{{{self._of}{',' if more else ''}{more}}}"

    def asked(self, outcome: str) -> str:
        return self.of("probes_total", f'outcome="{outcome}"')

    def page(self, alert: str, severity: str, given: Mapping[str, Given], summary: str, description: str) -> None:
        texts = links(alert, "?var-gateway=chat", "gateways") | {"summary": summary, "description": description}
        self.begins(alert, {**self._always, **given}, common(alert, severity, gateway="chat"), texts)


@pytest.fixture(params=[True, False], ids=["witnessed", "alone"])
def said(request: pytest.FixtureRequest) -> Said:
    return Said(witness=request.param)


def test_an_outage_is_named_with_since_when_and_whether_it_lasts(said: Said) -> None:
    said.page(
        "SentinelGatewayDown",
        "critical",
        {'sentinel:gateway_down:since_timestamp{gateway="chat"}': since(0, At(-3))},
        "An LLM gateway takes no connection.",
        f"Nobody who asked gateway chat got as far as an answer for {said.out} before {At(-3)}, nor since: no name, no "
        "connection, or no TLS. That is the gateway itself, whatever its providers do.",
    )
    slow: dict[str, Given] = {
        'sentinel:failover_slow:since_timestamp{gateway="chat"}': since(0, At(-3)),
        'sentinel:expected_gateway:within_seconds{gateway="chat"}': 30.0,
    }
    for waiting, now in ((95.0, "It lasts: 1m 35s by now."), (0.0, "Answers come again.")):
        said.page(
            "SentinelFailoverSlow",
            "critical",
            slow | {said.of("failover_open_user_seconds"): waiting},
            "Users wait for an answer longer than a failover may take.",
            f"Whoever asked gateway chat when its provider failed waited beyond the limit of 30s, known since {At(-3)}. "
            f"{now}",
        )
    said.page(
        "SentinelFailoverIndeterminate",
        "warning",
        {EXPECTED: 1.0, said.of("failover_events_total", 'verdict="indeterminate"'): steps(0)},
        "A failover may have taken longer than it may.",
        "A failover of gateway chat ended within the last quarter of an hour, and its limit lies between the two bounds of "
        "what it took.",
    )
    said.judge()


def test_what_users_are_given_is_counted_and_what_it_gave_away_is_named(said: Said) -> None:
    errors: dict[str, Given] = {EXPECTED: 1.0, said.asked("ungraceful_error"): steps(-200, -100, 0)}
    for leaks, gave_away in (((), ""), (("html",), " What they gave away: html.")):
        said.page(
            "SentinelUngracefulError",
            "critical",
            errors | {said.of("leaks_total", f'rule="{rule}"'): steps(-200, 0) for rule in leaks},
            "Users read errors that nobody should read.",
            "Gateway chat gave 3 errors within five minutes that are neither the agreed message nor an error for "
            f"programs.{gave_away}",
        )
    said.page(
        "SentinelSilentTruncation",
        "critical",
        {EXPECTED: 1.0, said.of("truncated_total", 'kind="silent"'): steps(-200, 0)},
        "Users get half an answer that looks whole.",
        "2 answers of gateway chat within five minutes had every mark of a success, and their end was missing. No client "
        "can tell: neither a status nor a mark in the stream says so.",
    )
    said.judge()


def test_what_visits_to_a_page_saw_is_named() -> None:
    said = Said(witness=True)
    row: dict[str, Given] = {
        'sentinel:expected_page{gateway="chat"}': 1.0,
        f"sentinel_gateway_page_breaches{{{VISITOR}}}": lambda now: 3.0 if now >= 0 else 2.0,
    }
    seen: dict[str, Given] = {
        f'sentinel_gateway_page_visits_total{{{VISITOR},outcome="{outcome}"}}': steps(-100)
        for outcome in ("good", "graceful", "silent", "harness_error", "elsewhere")
    }
    leaks: dict[str, Given] = {f'sentinel_gateway_page_leaks_total{{{VISITOR},rule="raw-json"}}': steps(-100)}
    for more, what in ((seen, " Outcomes: silent."), (leaks, " What it showed: raw-json.")):
        said.page(
            "SentinelUngracefulError",
            "critical",
            row | more,
            "Users read errors that nobody should read.",
            "3 visits in a row to the page where users chat by gateway chat showed neither an answer nor the agreed "
            f"message.{what}",
        )
    said.judge()


def test_how_many_answers_are_bad_is_a_share_and_their_outcomes_are_named(said: Said) -> None:
    # First: it looks back into what comes before.
    said.page(
        "SentinelGatewayErrorBudget",
        "warning",
        {'sentinel:gateway_errors:ratio{gateway="chat"}': since(-510)},
        "An LLM gateway uses up its error budget.",
        "Gateway chat gives fewer than 99 % good answers, slowly enough for a ticket: at this pace the budget of a month "
        "does not last it.",
    )
    good = ("failed_over", "served_primary", "served_unknown", "degraded_graceful", "harness_error", "config_error")
    answers: dict[str, Given] = {said.asked(outcome): steps(-30, -20, -10) for outcome in (*good, "stalled_stream")}
    said.page(
        "SentinelGatewayErrors",
        "critical",
        {'sentinel:gateway_errors:ratio{gateway="chat"}': since(-40, 0.9), **answers},
        "An LLM gateway gives many users no answer.",
        "90% of what gateway chat was asked in the last minute came to nothing, of which the budget for a month is gone "
        "within two days. Outcomes: stalled_stream.",
    )
    said.judge()


def test_providers_are_named_that_are_silent_that_answer_instead_and_that_nobody_knows(said: Said) -> None:
    openai, backup = 'provider="openai"', 'provider="backup"'
    said.page(
        "SentinelProviderDegraded",
        "warning",
        {
            'sentinel:provider_degraded:count{gateway="chat"}': since(-300),
            said.of("provider_up", openai): 0.0,
            said.of("provider_up", backup): 1.0,
            said.of("serving_provider", openai): 0.0,
            said.of("serving_provider", backup): 1.0,
        },
        "A provider behind an LLM gateway does not do its part.",
        "Of gateway chat, for five minutes. No answer when asked itself: openai. Who answers through the gateway: backup.",
    )
    said.page(
        "SentinelProviderUnknown",
        "warning",
        {
            EXPECTED: 1.0,
            said.asked("served_unknown"): steps(*range(-100, 0, 10)),
            said.of("identity_unknown_total"): steps(0),
        },
        "Nobody can tell which provider answers.",
        "10% of the good answers of gateway chat in the last quarter of an hour show no provider that is configured. A "
        "failover among them is not seen.",
    )
    said.judge()


def test_what_is_not_known_is_told_with_the_reason(said: Said) -> None:
    said.page(
        "SentinelGatewayBudgetUsedUp",
        "warning",
        {'sentinel:gateway_unpaid:count{gateway="chat"}': since(0, 2.0)},
        "What asking an LLM gateway may cost in a day is spent.",
        "2 of those who ask gateway chat ask no more until midnight UTC: their budget for the day is used up. What happens "
        "to it until then they do not see.",
    )
    refused: dict[str, Given] = {said.asked("config_error"): steps(*range(-600, 0, 60))}
    for asked, instead in (({}, "It is not asked at all."), (refused, "What came instead: config_error.")):
        said.page(
            "SentinelGatewayUnproven",
            "warning",
            {EXPECTED: since(-300), **asked},
            "Nothing is known about an LLM gateway.",
            f"For ten minutes nobody asked gateway chat anything that says something about it. {instead}",
        )
    said.judge()


def test_a_page_that_nobody_sees_is_told_with_the_reason() -> None:
    said = Said(witness=True)
    lost: dict[str, Given] = {
        f'sentinel_gateway_page_visits_total{{{VISITOR},outcome="elsewhere"}}': steps(*range(-900, 0, 60))
    }
    for visits, instead in (({}, "Nobody goes there."), (lost, "What came instead: elsewhere.")):
        said.page(
            "SentinelPageUnproven",
            "warning",
            {'sentinel:expected_page{gateway="chat"}': since(-300), **visits},
            "Nobody sees what the users of a chat page see.",
            f"For twenty minutes no visit said anything about the page of gateway chat. {instead}",
        )
    said.judge()
