"""The witness's own alerts: who watches the watchers, who contradicts whom, and what is left unwatched."""

import zlib
from typing import Any

import pytest

from tests.alerts import rules
from tests.alerts.test_breach import HOLE, LABELS
from tests.alerts.test_witnessed import said, tenant, witness
from tests.alerts.world import FOREVER, World
from tests.deploy import chart

WITHIN = 360
"""Seconds of the witness's second tier in these worlds; it is blind after one and a half of them."""


def town(until: int, **more: Any) -> World:
    return World(until=until, tenants=2, witness=True, **more)


def test_nothing_fires_on_a_quiet_day_with_a_witness() -> None:
    world = town(until=2400)

    world.nothing_else()
    world.judge()


def test_a_dead_witness_pages_after_120_s_and_as_nothing_else() -> None:
    world = town(until=2000)
    world.witness(lives=[(-900, 600), (1500, FOREVER)])

    world.fires("SentinelWitnessDown", at=720, until=1500)
    world.nothing_else()
    world.judge()


def test_a_witness_that_never_came_is_down_120_s_after_it_is_expected() -> None:
    world = town(until=300)
    world.witness(lives=[])

    world.fires("SentinelWitnessDown", at=120)
    world.nothing_else()
    world.judge()


def test_a_witness_that_is_evicted_or_rolled_out_pages_nobody() -> None:
    world = town(until=2400)
    world.witness(lives=[(-900, 600), (690, 1300), (1250, FOREVER)], new_pods=True)

    world.nothing_else()
    world.judge()


def test_a_round_about_one_tenant_that_does_not_come_is_stale_after_three_of_them() -> None:
    world = town(until=900)
    world.witness(stalled={"team-a": 600})

    # The last one ended at 597, and three are 90 s.
    world.fires("SentinelWitnessStale", at=690, tenant="team-a")
    world.nothing_else()
    world.judge()


def test_a_tenant_that_was_added_is_given_the_time_until_the_witness_has_heard_of_it() -> None:
    world = town(until=900)
    world.also('sentinel:expected_tenant{tenant="team-new"}', said((300, 1)))

    # 120 s, and three rounds as planned, 60 s at least.
    world.fires("SentinelWitnessStale", at=490, tenant="team-new")
    world.judge()


def test_what_the_witness_does_not_prove_pages_after_one_and_a_half_of_its_periods() -> None:
    world = town(until=1500)
    world.witness(blind={("team-a", "team-b"): (600, FOREVER)})

    # Proven at 540 for the last time.
    world.fires("SentinelWitnessBlind", at=1090, tenant="team-a", target="team-b")
    world.nothing_else()
    world.judge()


def test_a_tenant_that_the_witness_gets_no_tokens_of_is_one_page() -> None:
    world = town(until=1500)
    dark = {("team-a", target): (600, FOREVER) for target in rules.targets_of("team-a")}
    world.witness(blind=dark, forgets=[("team-a", "team-b")])
    # Proven a step before the cluster scope, and due before it.
    world.also(
        'sentinel_witness_oldest_proof_timestamp_seconds{job="sentinel-witness",instance="10.0.1.0:8080",'
        'subject="team-a",target="team-b",of="a step before"}',
        lambda now: min(now // 360 * 360, 520),
    )

    world.fires("SentinelWitnessBlind", at=1070, tenant="team-a", target="*")
    world.nothing_else()
    world.judge()


def test_a_target_that_the_witness_does_not_speak_of_is_one_it_is_blind_about() -> None:
    world = town(until=900)
    world.witness(forgets=[("team-a", "team-b")])

    world.fires("SentinelWitnessBlind", at=670, tenant="team-a", target="team-b")
    world.nothing_else()
    world.judge()


def test_after_an_outage_of_the_api_server_the_witness_has_its_own_time_to_prove_it_anew() -> None:
    world = town(until=2000)
    world.everybody(outage=(300, 600))
    world.witness(outage=(300, 600))

    world.fires("SentinelApiUnreachable", at=420, until=780)
    world.nothing_else()
    world.judge()


def test_a_witness_that_restarts_again_and_again_and_proves_nothing_pages() -> None:
    world = town(until=1500)
    lives = [(-900, 300), *((start, start + 60) for start in range(320, 1500, 80))]
    world.witness(lives=lives, within=120, every=10)

    world.fires("SentinelWitnessBlind", at=800, tenant="team-a", target="*")
    world.stands("SentinelWitnessBlind", at=800, tenant="team-b", target="*")
    world.judge()


def test_a_tenant_that_says_shut_while_the_witness_gets_in_is_told_of_after_three_of_its_rounds() -> None:
    world = town(until=900)
    world.sentinel("team-a", breaches=tenant())
    world.witness(breaches=witness((300, 299), (600, 0)))

    world.fires("SentinelIsolationBreach", at=300, until=600, **LABELS)
    world.fires("SentinelDisagreement", at=400, until=630, **LABELS, seen_by="witness")
    world.nothing_else()
    world.judge()


def test_a_tenant_that_gets_in_where_the_witness_does_not_is_told_of_too() -> None:
    world = town(until=900)
    world.sentinel("team-a", breaches=tenant((300, 297), (700, 0)))
    world.witness(breaches=witness((300, None), (350, 0)))

    world.fires("SentinelIsolationBreach", at=300, until=700, **LABELS)
    world.fires("SentinelDisagreement", at=450, until=730, **LABELS, seen_by="tenant")
    world.nothing_else()
    world.judge()


def test_one_that_is_two_rounds_later_contradicts_nobody() -> None:
    world = town(until=900)
    world.sentinel("team-a", breaches=tenant((300, 297), (600, 0)))
    world.witness(breaches=witness((380, 379), (690, 0)))

    world.fires("SentinelIsolationBreach", at=300, until=690, **LABELS)
    world.nothing_else()
    world.judge()


@pytest.mark.parametrize("identity", ["default", "group:people"])
def test_where_only_the_witness_asks_nobody_is_contradicted(identity: str) -> None:
    world = town(until=900)
    world.sentinel("team-a", breaches={("api/secrets", identity, "team-b"): said((0, 0))})
    world.witness(breaches={("team-a", "api/secrets", identity, "team-b"): said((300, 299))})

    world.fires("SentinelIsolationBreach", at=300, **LABELS | {"identity": identity})
    world.nothing_else()
    world.judge()


def test_silence_contradicts_nobody() -> None:
    world = town(until=900)
    world.sentinel("team-a", breaches={HOLE: said((300, 297))})
    world.witness(breaches={("team-b", "api/secrets", "self", "team-a"): said((300, 299))})

    world.fires("SentinelIsolationBreach", at=300, **LABELS)
    world.fires("SentinelIsolationBreach", at=300, **LABELS | {"tenant": "team-b", "target": "team-a"})
    world.nothing_else()
    world.judge()


def test_the_witnesss_journal_warns_by_itself_and_of_no_tenant() -> None:
    world = town(until=1000)
    world.witness(more={"sentinel_journal_failing{}": lambda now: float(300 <= now < 600)})

    world.fires("SentinelJournalFailing", at=360, until=630, why="not written")
    world.nothing_else()
    world.judge()


def test_a_watch_that_is_told_nothing_or_not_everything_is_a_warning() -> None:
    world = town(until=2000)
    series = {
        'sentinel_watch_up{kind="Role"}': lambda now: float(not 300 <= now < 600),
        'sentinel_watch_up{kind="Namespace"}': lambda now: float(not 300 <= now < 350),
        'sentinel_watch_missed_total{kind="ClusterRoleBinding"}': lambda now: float(now >= 500),
    }
    world.witness(more=series)

    world.fires("SentinelWatchBroken", at=360, until=630, kind="Role")
    world.fires("SentinelWatchBroken", at=560, kind="ClusterRoleBinding")
    world.gone("SentinelWatchBroken", at=1450, kind="ClusterRoleBinding")
    world.nothing_else()
    world.judge()


def test_accounts_that_nobody_asks_as_are_a_warning_of_their_tenant() -> None:
    world = town(until=1000)
    counted = 'sentinel_accounts_unwatched{subject="team-a",of="more"}'
    world.witness(more={counted: lambda now: 3 if 300 <= now < 800 else 0})

    world.fires("SentinelAccountsUnwatched", at=600, until=830, tenant="team-a")
    world.nothing_else()
    world.judge()


def test_pages_that_do_not_get_through_for_five_minutes_are_a_warning() -> None:
    world = town(until=1200)
    pushed = 'sentinel_page_pushes_total{result="%s"}'
    often = {pushed % "unreachable": lambda now: max(0, now - 300) // 30}
    world.sentinel("team-a", more=often | {pushed % "accepted": lambda now: 0})
    world.sentinel("team-b", more=often | {pushed % "accepted": lambda now: max(0, now - 500) // 30})

    world.fires("SentinelRelayRefusing", at=630, tenant="team-a")
    world.nothing_else()
    world.judge()


def test_what_the_witness_refuses_for_five_minutes_is_a_warning_whatever_the_tenant_says() -> None:
    world = town(until=1200)
    taken = 'sentinel_relay_alerts_total{subject="team-a",result="%s"}'
    world.witness(
        more={
            taken % "refused": lambda now: max(0, now - 300) // 30,
            taken % "accepted": lambda now: now // 30,
            taken % "ignored": lambda now: now // 30,
        }
    )

    world.fires("SentinelRelayRefusing", at=630, tenant="team-a")
    world.nothing_else()
    world.judge()


def test_a_configuration_that_the_witness_finds_changed_is_a_drift_whatever_the_tenant_says() -> None:
    world = town(until=900)
    world.witness(more={'sentinel_witness_config_match{subject="team-a"}': lambda now: float(now < 300)})

    world.fires("SentinelConfigDrift", at=600, tenant="team-a")
    world.nothing_else()
    world.judge()


def test_a_witness_that_runs_another_configuration_drifts_too() -> None:
    world = town(until=900)
    edited = {'sentinel_config_hash{file="edited"}': lambda now: 1 if now >= 300 else None}
    world.witness(more=edited)

    world.fires("SentinelConfigDrift", at=600)
    world.nothing_else()
    world.judge()


def test_the_hash_that_the_rules_expect_is_that_of_the_file_the_witness_is_given() -> None:
    objects = chart.render(rules.VALUES | {"monitor": {"enabled": False}, "witness": {"enabled": True}})
    given = chart.one(objects, "ConfigMap", "sentinel-witness")["data"]["witness.yaml"]
    files = chart.one(objects, "ConfigMap", "sentinel-rules")["data"]

    assert rules.witness_hash(files) == zlib.adler32(given.encode())


def test_where_tenants_know_no_names_only_the_witness_is_asked_to_prove_what_is_between_them() -> None:
    opaque = {"disclosure": "opaque", "disclosureSalt": "0123456789abcdef"}
    world = town(until=1500, **opaque)
    world.sentinel("team-a", forgets=["team-b", "team-b-jobs", "team-c", "team-d", "team-e"])
    world.sentinel("team-b", forgets=["team-a"], blind={"kube-system": (310, FOREVER)})
    world.witness(blind={("team-a", "team-b"): (600, FOREVER)})

    world.fires("SentinelBlind", at=490, tenant="team-b", target="kube-system")
    world.fires("SentinelWitnessBlind", at=1090, tenant="team-a", target="team-b")
    world.nothing_else()
    world.judge()
