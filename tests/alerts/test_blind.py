"""Whoever proves nothing is told of within minutes, each cause once, and what mends itself wakes nobody."""

import pytest

from tests.alerts.rules import TENANTS
from tests.alerts.world import FOREVER, World

NAMES = [str(tenant["name"]) for tenant in TENANTS]
BLIND = ("breach", "blind")
"""The files that say who is blind; no other has a say in it."""


def test_nothing_fires_on_a_quiet_day() -> None:
    world = World(until=3600)

    world.nothing_else()
    world.judge()


def test_a_deleted_sentinel_pages_after_120_s_and_is_back_with_its_first_sample() -> None:
    world = World(until=1500)
    world.sentinel("team-a", lives=[(-900, 600), (1000, FOREVER)], new_pods=True)

    world.fires("SentinelDown", at=720, until=1000, tenant="team-a")
    world.nothing_else()
    world.judge()


def test_all_deleted_at_once_page_as_down_and_as_nothing_else() -> None:
    world = World(until=3600)
    world.everybody(lives=[(-900, 600)])

    for tenant in NAMES:
        world.fires("SentinelDown", at=720, tenant=tenant)
        world.stands("SentinelDown", at=3600, tenant=tenant)
    world.nothing_else()
    world.judge()


def test_a_sentinel_that_never_came_is_down_120_s_after_it_is_expected() -> None:
    world = World(until=600)
    world.sentinel("team-a", lives=[])

    world.fires("SentinelDown", at=120, tenant="team-a")
    world.nothing_else()
    world.judge()


def test_an_eviction_with_90_s_until_the_next_pod_pages_nobody() -> None:
    world = World(until=1800)
    world.sentinel("team-a", lives=[(-900, 600), (690, FOREVER)], new_pods=True)

    world.nothing_else()
    world.judge()


def test_a_gap_of_120_s_pages_and_one_of_110_s_does_not() -> None:
    world = World(until=1800)
    world.sentinel("team-a", lives=[(-900, 600), (710, FOREVER)], new_pods=True)
    world.sentinel("team-b", lives=[(-900, 600), (730, FOREVER)], new_pods=True)

    world.fires("SentinelDown", at=720, until=730, tenant="team-b")
    world.nothing_else()
    world.judge()


def test_a_rollout_of_everybody_with_overlapping_pods_pages_nobody() -> None:
    world = World(until=1800)
    world.everybody(lives=[(-900, 660), (600, FOREVER)], new_pods=True)

    world.nothing_else()
    world.judge()


def test_a_crash_loop_is_a_warning_at_the_third_restart_and_a_page_when_ten_minutes_proved_nothing() -> None:
    world = World(until=1800)
    lives = [(-900, 600), *((start, start + 60) for start in range(620, 1800, 80))]
    world.sentinel("team-a", lives=lives)

    world.fires("SentinelRestarting", at=780, tenant="team-a")
    world.fires("SentinelBlind", at=1150, tenant="team-a", target="*")
    world.nothing_else()
    world.judge()


def test_a_sentinel_that_was_away_for_long_gets_its_time_to_prove_everything_anew() -> None:
    world = World(until=3000)
    world.sentinel("team-a", lives=[(-900, 600), (2000, FOREVER)], new_pods=True)

    world.fires("SentinelDown", at=720, until=2000, tenant="team-a")
    world.nothing_else()
    world.judge()


def test_a_stalled_sentinel_pages_60_s_after_its_last_round_and_not_as_blind_too() -> None:
    world = World(until=1800)
    world.sentinel("team-a", stalled_at=600)

    world.fires("SentinelStale", at=660, tenant="team-a")
    world.nothing_else()
    world.judge()


def test_a_prometheus_that_was_away_for_two_minutes_blames_nobody_for_what_it_did_not_see() -> None:
    world = World(until=1800)
    world.unscraped(600, 720)

    world.nothing_else()
    world.judge()


def test_who_was_scraped_up_to_three_turns_ago_is_there_and_of_others_nobody_knows() -> None:
    world = World(until=200, tenants=2, only=("breach", "blind"))
    world.unscraped(100, 200)

    world.value("count(sentinel:alive) or vector(0)", at=120, wanted=2)
    world.value("count(sentinel:alive) or vector(0)", at=130, wanted=0)
    world.judge()


def test_a_process_that_never_finishes_its_first_round_is_stale_60_s_after_its_start() -> None:
    world = World(until=900)
    world.sentinel("team-a", lives=[(-900, 300), (320, FOREVER)], stalled_at=310)

    world.fires("SentinelStale", at=390, tenant="team-a")
    world.nothing_else()
    world.judge()


def test_with_rounds_stretched_to_a_minute_stale_is_three_minutes() -> None:
    world = World(until=1200)
    rounds = {'sentinel_period_seconds{tier="1",of="stretched"}': lambda now: 60.0}
    world.everybody(more=rounds)
    world.sentinel("team-a", more=rounds, stalled_at=600)

    # Whoever is late by less is told of by what is not proven meanwhile: last at 540.
    world.fires("SentinelBlind", at=730, until=810, tenant="team-a", target="*")
    world.fires("SentinelStale", at=780, tenant="team-a")
    world.nothing_else()
    world.judge()


def test_an_api_server_dead_for_5_minutes_is_one_page_and_nothing_else_until_10_minutes_after() -> None:
    world = World(until=1200)
    world.everybody(outage=(300, 600))

    world.fires("SentinelApiUnreachable", at=420, until=780)
    world.nothing_else()
    world.judge()


def test_the_same_wherever_the_last_proof_stood_when_it_died() -> None:
    for begin in range(310, 430, 30):
        world = World(until=begin + 620, tenants=3, only=BLIND)
        world.everybody(outage=(begin, begin + 300))

        world.fires("SentinelApiUnreachable", at=begin + 120, until=begin + 480)
        world.nothing_else()
        world.judge()


def test_an_api_server_that_restarts_within_two_minutes_pages_nobody() -> None:
    world = World(until=1500)
    world.everybody(outage=(400, 510))

    world.nothing_else()
    world.judge()


def test_an_api_server_that_comes_and_goes_is_paged_after_one_outage_and_its_aftermath() -> None:
    world = World(until=1500)
    for number, tenant in enumerate(NAMES):
        flaps = f'sentinel_inconclusive{{target="*",reason="{("ready", "whoami")[number % 2]}"}}'
        world.sentinel(tenant, outage=(300, FOREVER), reason="door", more={flaps: comes_and_goes})

    world.fires("SentinelApiUnreachable", at=600)
    world.nothing_else()
    world.judge()


def comes_and_goes(now: int) -> float:
    """Dead for 100 s of every 200 s."""
    return float(now >= 300 and now % 200 >= 100)


def test_half_of_the_sentinels_are_enough_and_less_than_half_are_not() -> None:
    world = World(until=600)
    for tenant in NAMES[:2]:
        world.sentinel(tenant, outage=(310, FOREVER), reason="canary")

    for tenant in NAMES[:2]:
        world.fires("SentinelBlind", at=490, tenant=tenant, target="*")
    world.nothing_else()
    world.judge()

    world = World(until=600)
    for tenant in NAMES[:3]:
        world.sentinel(tenant, outage=(310, FOREVER), reason="canary")

    world.fires("SentinelApiUnreachable", at=430)
    world.nothing_else()
    world.judge()


def test_only_those_count_that_are_there() -> None:
    world = World(until=600)
    for tenant in NAMES[2:]:
        world.sentinel(tenant, lives=[(-900, 100)])
    world.sentinel(NAMES[0], outage=(300, FOREVER))

    world.fires("SentinelApiUnreachable", at=420)
    for tenant in NAMES[2:]:
        world.fires("SentinelDown", at=220, tenant=tenant)
    world.nothing_else()
    world.judge()


@pytest.mark.parametrize("reason", ["door", "limited"])
def test_a_tenant_that_shuts_its_door_blinds_the_proof_about_itself_and_nobody_else(reason: str) -> None:
    world = World(until=900)
    for tenant in NAMES:
        if tenant != "team-c":
            world.sentinel(tenant, blind={"team-c": (310, FOREVER)}, reason=reason)

    for tenant in NAMES:
        if tenant != "team-c":
            world.fires("SentinelBlind", at=490, tenant=tenant, target="team-c")
    world.nothing_else()
    world.judge()


def test_a_sentinel_without_a_token_is_one_page_and_not_one_per_target() -> None:
    world = World(until=900)
    world.sentinel("team-a", outage=(310, FOREVER), reason="token")

    world.fires("SentinelBlind", at=490, tenant="team-a", target="*")
    world.nothing_else()
    world.judge()


def test_a_target_that_is_due_two_rounds_before_the_cluster_scope_waits_for_it() -> None:
    world = World(until=900, tenants=2)
    # Everything is dark; of this target the last proof was at 280, of the rest at 300.
    older = 'sentinel_oldest_proof_timestamp_seconds{target="team-b"}'
    world.sentinel(
        "team-a", outage=(310, FOREVER), reason="door", forgets=["team-b"], more={older: lambda now: min(now, 280)}
    )

    world.fires("SentinelBlind", at=490, tenant="team-a", target="*")
    world.nothing_else()
    world.judge()


def test_a_sentinel_that_asks_nothing_any_more_is_one_page_whichever_target_is_due_first() -> None:
    world = World(until=600)
    older = 'sentinel_oldest_proof_timestamp_seconds{target="team-b"}'
    dark = {"outage": (310, FOREVER), "reason": "token", "forgets": ["team-b"]}
    world.sentinel("team-a", **dark, more={older: lambda now: min(now, 200)})

    world.fires("SentinelBlind", at=390, tenant="team-a", target="*")
    world.nothing_else()
    world.judge()


def test_a_target_that_is_due_long_before_the_cluster_scope_does_not_wait() -> None:
    world = World(until=600, tenants=2)
    older = 'sentinel_oldest_proof_timestamp_seconds{target="team-b"}'
    world.sentinel(
        "team-a", outage=(310, FOREVER), reason="door", forgets=["team-b"], more={older: lambda now: min(now, 250)}
    )

    # And it goes on, until the cluster scope is blind as well.
    world.fires("SentinelBlind", at=440, until=520, tenant="team-a", target="team-b")
    world.stands("SentinelBlind", at=490, tenant="team-a", target="*")
    world.judge()


def test_a_target_that_a_sentinel_does_not_speak_of_is_one_it_is_blind_about() -> None:
    world = World(until=600)
    world.sentinel("team-a", forgets=["team-b"])

    # Two minutes more than other blindness: it may not have been told of it yet.
    world.fires("SentinelBlind", at=310, tenant="team-a", target="team-b")
    world.nothing_else()
    world.judge()


def test_a_target_that_is_added_gets_the_time_until_all_have_heard_of_it_and_proven_it() -> None:
    world = World(until=1800)
    world.also('sentinel:expected_target{target="team-new"}', lambda now: 1 if now >= 600 else None)
    proof = 'sentinel_oldest_proof_timestamp_seconds{target="team-new"}'
    # Heard of at 720 and proven at 840; until then the process counts from its own start.
    world.everybody(more={proof: lambda now: None if now < 720 else -900 if now < 840 else now - 60})

    world.nothing_else()
    world.judge()


def test_a_target_that_is_added_and_never_heard_of_pages() -> None:
    world = World(until=1800)
    world.also('sentinel:expected_target{target="team-new"}', lambda now: 1 if now >= 600 else None)

    for tenant in NAMES:
        world.fires("SentinelBlind", at=910, tenant=tenant, target="team-new")
    world.nothing_else()
    world.judge()


def test_where_the_budget_stretches_the_periods_blindness_is_one_and_a_half_of_them() -> None:
    world = World(until=1200)
    world.everybody(within=200)
    world.sentinel("team-a", within=200, blind={"team-b": (310, FOREVER)})

    # Proven at 300 for the last time.
    world.fires("SentinelBlind", at=610, tenant="team-a", target="team-b")
    world.nothing_else()
    world.judge()


def test_a_tenant_cannot_stretch_what_is_expected_of_it() -> None:
    world = World(until=900)
    forged = {'sentinel_period_seconds{tier="2",of="forged"}': lambda now: 1e9}
    world.sentinel("team-a", more=forged, blind={"team-b": (310, FOREVER)}, reason="door")

    world.fires("SentinelBlind", at=490, tenant="team-a", target="team-b")
    world.nothing_else()
    world.judge()


def test_low_coverage_is_a_warning_when_it_lasts_and_when_the_process_had_its_time() -> None:
    world = World(until=8000, only=BLIND)
    world.sentinel("team-a", lives=[(-9000, FOREVER)], coverage=lambda now: 1.0 if now < 4000 else 0.97)
    world.sentinel(
        "team-b",
        lives=[(-900, 3990), (4000, FOREVER)],
        coverage=lambda now: 1.0 if now < 4000 else min(1.0, (now - 4000) / 1800),
    )
    world.sentinel("team-c", lives=[(-900, 3990), (4000, FOREVER)], coverage=lambda now: 1.0 if now < 4000 else 0.5)
    world.sentinel("team-d", lives=[(-9000, FOREVER)], coverage=lambda now: 0.5 if 4000 <= now < 4290 else 1.0)

    world.fires("SentinelCoverageLow", at=4300, tenant="team-a")
    # Its two sweeps end at 7600.
    world.fires("SentinelCoverageLow", at=7910, tenant="team-c")
    world.nothing_else()
    world.judge()


def test_questions_about_a_target_that_was_just_added_do_not_count_as_low_coverage() -> None:
    world = World(until=8000, tenants=2, only=BLIND)
    world.also('sentinel:expected_target{target="team-new"}', lambda now: 1 if now >= 4000 else None)
    proof = 'sentinel_oldest_proof_timestamp_seconds{target="team-new"}'
    covered = {"coverage": lambda now: 1.0 if now < 4000 or now >= 6000 else 0.9}
    world.everybody(lives=[(-9000, FOREVER)], more={proof: lambda now: None if now < 4000 else now - 60}, **covered)

    world.nothing_else()
    world.judge()


def test_coverage_that_an_outage_cost_is_given_a_sweep_to_come_back() -> None:
    world = World(until=8000, tenants=2, only=BLIND)
    low = {"coverage": lambda now: 0.4 if 4300 <= now < 7000 else 1.0}
    world.everybody(lives=[(-9000, FOREVER)], outage=(4000, 5700), **low)

    world.fires("SentinelApiUnreachable", at=4120, until=5880)
    world.nothing_else()
    world.judge()


def test_reviews_that_an_authorizer_cuts_short_are_one_warning_per_tenant() -> None:
    world = World(until=600)
    cut = {
        f'sentinel_tripwire_incomplete{{target="{name}"}}': lambda now: float(now >= 300) for name in ("team-b", "*")
    }
    world.sentinel("team-a", more=cut)

    world.fires("SentinelTripwireIncomplete", at=360, tenant="team-a")
    world.nothing_else()
    world.judge()


def test_the_share_that_was_held_counts_what_was_decided_and_nothing_else() -> None:
    world = World(until=1200)
    verdicts = 'sentinel_verdicts_total{check="api/secrets",verdict="%s"}'
    counts = {"held": lambda now: 3.0 * now, "breached": lambda now: 1.0 * now, "inconclusive": lambda now: 50.0 * now}
    world.sentinel("team-a", more={verdicts % verdict: count for verdict, count in counts.items()})
    world.sentinel("team-b", more={verdicts % "inconclusive": lambda now: 50.0 * now})
    world.also('sentinel_verdicts_total{job="sentinel",tenant="nobody of ours",verdict="held"}', lambda now: 3.0 * now)

    world.value('sum(sentinel:held:ratio_rate1h{tenant="team-a"})', at=1200, wanted=0.75)
    world.value("count(sentinel:held:ratio_rate1h)", at=1200, wanted=1)
    world.judge()
