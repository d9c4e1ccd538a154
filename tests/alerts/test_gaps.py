"""One scrape that fails is no news: what fires goes on, and the time since when stays what it was."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.alerts import promtool, rules
from tests.alerts.table import At, Given, Table, until
from tests.alerts.world import STEP, written

FILES = rules.rendered(kind="DaemonSet", witness={"enabled": True}, **rules.EVERYTHING, **rules.BELL)
EXPECTED = {
    'sentinel:expected_tenant{tenant="team-a"}': 1,
    'sentinel:expected_exception{exception="x"}': 1,
    'sentinel:witness_stale_after:seconds{tenant="team-a"}': 90,
    'sentinel_page_promise_seconds{job="sentinel-witness"}': 300,
}
STANDING: Mapping[str, Mapping[str, float]] = {
    "SentinelWrongIdentity": {'sentinel:wrong_identity:since_timestamp{tenant="team-a"}': 1},
    "SentinelTokenExpiring": {'sentinel_token_expiry_timestamp_seconds{job="sentinel",tenant="team-a"}': 60},
    "SentinelConfigDrift": {'sentinel:config_drift:since_timestamp{tenant="team-a"}': 1},
    "SentinelJournalFailing": {'sentinel:journal_failing:lines{tenant="team-a"}': 1},
    "SentinelExceptionUnused": {'sentinel_exception_unused{job="sentinel",exception="x"}': 1},
    "SentinelTypesUncovered": {'sentinel:types_uncovered:count{tenant="team-a"}': 1},
    "SentinelStale": {'sentinel:stale:round_timestamp{tenant="team-a"}': 1},
    "SentinelBlind": {'sentinel:blind_paged:proof_timestamp{tenant="team-a",target="team-b"}': 1},
    "SentinelNetworkBlind": {'sentinel:network_blind_itself:proof_timestamp{tenant="team-a"}': 1},
    "SentinelBeaconDown": {'sentinel:beacons_missing:count{tenant="team-a"}': 1},
    "SentinelNodeUncovered": {'sentinel:nodes_missing:count{tenant="team-a"}': 1},
    "SentinelCoverageLow": {'sentinel:coverage_low:ratio{tenant="team-a"}': 0.5},
    "SentinelTripwireIncomplete": {
        'sentinel_tripwire_incomplete{job="sentinel",tenant="team-a",target="team-b"}': 1,
        'sentinel:alive{tenant="team-a"}': 1,
    },
    "SentinelReviewOnly": {'sentinel:review_only:since_timestamp{tenant="team-a",target="team-b"}': 1},
    "SentinelLatentGrant": {'sentinel:latent_grant:since_timestamp{tenant="team-a",target="team-b"}': 1},
    "SentinelPagePathBroken": {
        'sentinel_page_path_last_success_timestamp_seconds{job="sentinel-witness",path="push"}': 1,
        'sentinel_page_path_broken{job="sentinel-witness",path="push"}': 1,
    },
    "SentinelHeartbeatMissing": {'sentinel_heartbeat_last_success_timestamp_seconds{job="sentinel-witness"}': 1},
    "SentinelPagingTooSlow": {'sentinel_page_worst_case_seconds{job="sentinel-witness",alert="x"}': 400},
    "SentinelPagingUnverified": {'sentinel_page_verified_timestamp_seconds{job="sentinel-witness"}': 1},
    "SentinelWitnessStale": {'sentinel:witness_stale:round_timestamp{tenant="team-a"}': 1},
    "SentinelWitnessBlind": {'sentinel:witness_blind_paged:proof_timestamp{tenant="team-a",target="team-b"}': 1},
    "SentinelDisagreement": {'sentinel:disagreement:since_timestamp{tenant="team-a"}': 1},
    "SentinelWatchBroken": {'sentinel:watch_broken:missed{kind="Role"}': 1},
    "SentinelAccountsUnwatched": {'sentinel_accounts_unwatched{job="sentinel-witness",subject="team-a"}': 1},
}
"""What makes each of them fire; the other alerts stand by themselves, on what their rules remember."""
GAP, LAST = 1900, 2000
"""Seconds: of the scrape that fails, and of the last one that finds anything."""


def test_no_alert_ends_with_one_scrape_that_fails_and_all_end_three_after_their_reason() -> None:
    given = {series: value for standing in STANDING.values() for series, value in standing.items()}
    seconds = range(0, LAST + 100, STEP)
    series = {name: written(lambda now, v=value: v, seconds) for name, value in EXPECTED.items()}  # type: ignore[misc]
    series |= {
        name: written(lambda now, v=value: v if now <= LAST and now != GAP else None, seconds)  # type: ignore[misc]
        for name, value in given.items()
    }
    moments = dict.fromkeys((GAP - STEP, GAP, GAP + STEP, LAST, LAST + 30), 1) | {LAST + 40: 0}
    asked = [
        {
            "expr": f'count(ALERTS{{alertname="{alert}",alertstate="firing"}}) or vector(0)',
            "eval_time": f"{moment}s",
            "exp_samples": [{"labels": "{}", "value": wanted}],
        }
        for alert in STANDING
        for moment, wanted in moments.items()
    ]
    files = rules.of_alerts(FILES, set(STANDING))
    test = {
        "interval": f"{STEP}s",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": asked,
    }
    case: dict[str, Any] = {"rule_files": list(files), "evaluation_interval": f"{STEP}s", "tests": [test]}

    assert not promtool.complaints(files, case)


def test_every_alert_that_lives_by_its_last_scrape_is_among_them() -> None:
    kept = {str(rule["alert"]) for rule in rules.every_rule(FILES) if "keep_firing_for" in rule}

    assert kept == set(STANDING)


OF = 'tenant="team-a", target="team-b", check="api/secrets", identity="self"'
SINCE = {
    "sentinel:wrong_identity:since_timestamp": (
        '{tenant="team-a", identity="self"}',
        {'sentinel_wrong_identity{job="sentinel",tenant="team-a",identity="self"}': 1},
    ),
    "sentinel:config_drift:since_timestamp": (
        '{tenant="team-a"}',
        {'sentinel_config_last_reload_successful{job="sentinel",tenant="team-a"}': 0},
    ),
    "sentinel:review_only:since_timestamp": (
        '{tenant="team-a", target="team-b"}',
        {'sentinel:review_only:seen{tenant="team-a",target="team-b"}': 1},
    ),
    "sentinel:latent_grant:since_timestamp": (
        '{tenant="team-a", target="team-b"}',
        {'sentinel:latent_grant:seen{tenant="team-a",target="team-b"}': 1},
    ),
    "sentinel:disagreement:since_timestamp": (
        f'{{seen_by="witness", {OF}}}',
        {
            f'sentinel:breach_since:told{{seen_by="witness", {OF}}}': 1,
            f'sentinel_breach_since_timestamp_seconds{{job="sentinel", {OF}}}': 0,
        },
    ),
}


@pytest.mark.parametrize("rule", SINCE)
def test_the_time_since_when_outlives_one_scrape_that_fails_and_not_two(rule: str) -> None:
    labels, seen = SINCE[rule]
    table = Table(rule, FILES)
    recorded = f"{rule}{labels}"
    for name, missing, wanted in (
        ("nothing failed", 0, {recorded: At(-500)}),
        ("one failed", 1, {recorded: At(-500)}),
        ("two failed", 2, {labels: At(0)}),
    ):
        given: dict[str, Given] = {**EXPECTED, **seen, recorded: until(-(missing + 1) * STEP, At(-500))}
        table.row(name, given, wanted)
    table.row("it ended", {**EXPECTED, recorded: At(-500)}, {})
    table.judge()
