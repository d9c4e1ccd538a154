"""A breach pages at once and stands until it is proven closed, whatever becomes of who saw it."""

from typing import Any

from tests.alerts.world import FOREVER, World

HOLE = ("api/secrets", "self", "team-b")
LABELS: dict[str, Any] = {"tenant": "team-a", "check": "api/secrets", "identity": "self", "target": "team-b"}
SEEN = 297
"""The first evidence, scraped at 300."""


def open_until(closed: int) -> dict[tuple[str, str, str], object]:
    return {HOLE: lambda now: 0 if now < 300 or now >= closed else SEEN}


def test_a_breach_pages_in_the_second_it_is_scraped_and_ends_with_a_real_0() -> None:
    world = World(until=900)
    world.sentinel("team-a", breaches=open_until(600))

    world.fires("SentinelIsolationBreach", at=300, until=600, **LABELS)
    world.nothing_else()
    world.judge()


def test_a_breach_that_stands_before_prometheus_does_pages_at_its_first_evaluation() -> None:
    world = World(until=300, only=("breach",))
    world.sentinel("team-a", breaches={HOLE: lambda now: 1})

    world.fires("SentinelIsolationBreach", at=0, **LABELS)
    world.nothing_else()
    world.judge()


def test_a_restart_is_no_proof() -> None:
    world = World(until=1200)
    world.sentinel(
        "team-a",
        lives=[(-900, 400), (430, FOREVER)],
        breaches={HOLE: lambda now: 0 if now < 300 or now >= 1000 else SEEN if now < 400 else None},
    )

    world.fires("SentinelIsolationBreach", at=300, until=1000, **LABELS)
    world.nothing_else()
    world.judge()


def test_a_restarted_sentinel_that_sees_it_again_does_not_make_the_breach_younger() -> None:
    world = World(until=900, only=("breach",))
    world.sentinel(
        "team-a",
        lives=[(-900, 400), (430, FOREVER)],
        breaches={
            HOLE: lambda now: SEEN if 300 <= now < 400 else 441 if 450 <= now < 700 else 0 if now >= 700 else None
        },
    )

    world.fires("SentinelIsolationBreach", at=300, until=700, **LABELS)
    world.value("sum(sentinel:breach_since:latched > 0)", at=300, wanted=SEEN)
    world.value("sum(sentinel:breach_since:latched > 0)", at=690, wanted=SEEN)
    world.nothing_else()
    world.judge()


def test_a_breach_that_opens_again_is_a_new_one() -> None:
    world = World(until=900, only=("breach",))
    world.sentinel("team-a", breaches={HOLE: lambda now: 0 if now < 300 or 400 <= now < 600 else now // 300 * 300 - 3})

    world.fires("SentinelIsolationBreach", at=300, until=400, **LABELS)
    world.stands("SentinelIsolationBreach", at=600, **LABELS)
    world.value("sum(sentinel:breach_since:latched > 0)", at=600, wanted=597)
    world.nothing_else()
    world.judge()


def test_deleting_the_sentinel_in_a_breach_leaves_the_page_open_for_longer_than_any_range_remembers() -> None:
    seven_hours = 25_200
    world = World(until=seven_hours + 600, tenants=2, step=60)
    lives = [(-900, 420), (seven_hours, FOREVER)]
    world.sentinel(
        "team-a",
        lives=lives,
        breaches={HOLE: lambda now: SEEN if 300 <= now < 420 else 0 if now >= seven_hours + 480 else None},
    )

    world.fires("SentinelIsolationBreach", at=300, until=seven_hours + 480, **LABELS)
    world.fires("SentinelDown", at=540, until=seven_hours, tenant="team-a")
    world.nothing_else()
    world.judge()


def test_scaling_everybody_to_zero_leaves_the_page_open() -> None:
    world = World(until=1600, tenants=2)
    world.everybody(lives=[(-900, 400)])
    world.sentinel("team-a", lives=[(-900, 400)], breaches=open_until(FOREVER))

    world.fires("SentinelIsolationBreach", at=300, **LABELS)
    world.stands("SentinelIsolationBreach", at=1600, **LABELS)
    for tenant in ("team-a", "team-b"):
        world.fires("SentinelDown", at=520, tenant=tenant)
    world.nothing_else()
    world.judge()


def test_in_a_rollout_the_new_pod_which_says_nothing_yet_closes_nothing() -> None:
    world = World(until=900, only=("breach",))
    world.sentinel(
        "team-a",
        lives=[(-900, 500), (470, FOREVER)],
        new_pods=True,
        breaches={HOLE: lambda now: SEEN if 300 <= now < 470 else 0 if now >= 800 else None},
    )

    world.fires("SentinelIsolationBreach", at=300, until=800, **LABELS)
    world.nothing_else()
    world.judge()


def test_of_two_pods_the_one_that_still_sees_the_hole_counts() -> None:
    world = World(until=900, only=("breach",))
    world.sentinel("team-a", breaches={HOLE: lambda now: 0 if now < 300 else SEEN if now < 700 else 0})
    other = 'sentinel_breach_since_timestamp_seconds{job="sentinel",tenant="team-a",instance="10.0.0.9:8080",%s}'
    labels = 'check="api/secrets",identity="self",target="team-b"'
    world.also(other % labels, lambda now: 0 if now >= 500 else None)

    world.fires("SentinelIsolationBreach", at=300, until=700, **LABELS)
    world.nothing_else()
    world.judge()


def test_one_pod_that_sees_the_hole_is_enough_to_open_it() -> None:
    world = World(until=600, only=("breach",))
    world.sentinel("team-a", breaches={HOLE: lambda now: 0})
    other = 'sentinel_breach_since_timestamp_seconds{job="sentinel",tenant="team-a",instance="10.0.0.9:8080",%s}'
    labels = 'check="api/secrets",identity="self",target="team-b"'
    world.also(other % labels, lambda now: SEEN if now >= 300 else None)

    world.fires("SentinelIsolationBreach", at=300, **LABELS)
    world.nothing_else()
    world.judge()


def test_an_outage_of_the_api_server_closes_nothing() -> None:
    world = World(until=1200)
    world.everybody(outage=(400, 700))
    world.sentinel("team-a", outage=(400, 700), breaches=open_until(900))

    world.fires("SentinelIsolationBreach", at=300, until=900, **LABELS)
    world.fires("SentinelApiUnreachable", at=520, until=880)
    world.nothing_else()
    world.judge()


def test_each_class_identity_and_target_pages_for_itself() -> None:
    world = World(until=600, only=("breach",))
    other = ("api/workloads", "anonymous", "*")
    world.sentinel("team-a", breaches=open_until(FOREVER) | {other: lambda now: 0 if now < 400 else 399})

    world.fires("SentinelIsolationBreach", at=300, **LABELS)
    world.fires("SentinelIsolationBreach", at=400, tenant="team-a", check=other[0], identity=other[1], target=other[2])
    world.nothing_else()
    world.judge()


def test_a_tenant_that_nobody_expects_pages_nobody() -> None:
    world = World(until=600)
    labels = 'job="sentinel",tenant="intruder",check="api/secrets",identity="self",target="team-b"'
    world.also(f"sentinel_breach_since_timestamp_seconds{{{labels}}}", lambda now: 1)

    world.nothing_else()
    world.judge()


def test_nobody_breaks_into_a_namespace_of_its_own() -> None:
    world = World(until=900, only=("breach",))
    own = {("api/secrets", "self", target): lambda now: 1 for target in ("team-b", "team-b-jobs")}
    world.sentinel("team-b", breaches=own | {("api/secrets", "self", "nowhere"): lambda now: 1})

    world.nothing_else()
    world.judge()


def test_who_has_no_token_is_asked_about_by_anybody_the_owner_of_the_namespace_included() -> None:
    world = World(until=600, only=("breach",))
    nobody = ("api/secrets", "anonymous", "team-a")
    world.sentinel("team-a", breaches={nobody: lambda now: 1, ("api/secrets", "anonymous", "nowhere"): lambda now: 1})

    world.fires("SentinelIsolationBreach", at=0, **LABELS | {"identity": "anonymous", "target": "team-a"})
    world.nothing_else()
    world.judge()


def test_a_namespace_that_was_given_to_the_tenant_closes_its_breach_after_a_quarter_of_an_hour() -> None:
    world = World(until=1500, only=("breach",))
    world.remembered(latched("team-b", "team-b-jobs"), 1)
    world.also('sentinel:expected_pair{tenant="team-b",target="team-b-jobs"}', lambda now: 1 if now <= 300 else None)

    wanted: dict[str, Any] = LABELS | {"tenant": "team-b", "target": "team-b-jobs"}
    world.fires("SentinelIsolationBreach", at=0, **wanted)
    world.stands("SentinelIsolationBreach", at=1190, **wanted)
    world.gone("SentinelIsolationBreach", at=1210, **wanted)
    world.judge()


def test_what_nobody_can_break_into_any_more_stands_for_those_who_have_no_token() -> None:
    world = World(until=1500, only=("breach",))
    world.remembered(latched("team-b", "team-b-jobs").replace('"self"', '"anonymous"'), 1)

    wanted: dict[str, Any] = LABELS | {"tenant": "team-b", "target": "team-b-jobs", "identity": "anonymous"}
    world.fires("SentinelIsolationBreach", at=0, **wanted)
    world.stands("SentinelIsolationBreach", at=1500, **wanted)
    world.judge()


def test_what_another_job_exports_neither_opens_nor_closes_a_breach() -> None:
    world = World(until=1200)
    world.sentinel("team-a", lives=[(-900, 400)], breaches=open_until(FOREVER))
    forged = 'sentinel_breach_since_timestamp_seconds{job="pods",tenant="%s",check="api/secrets",identity="self",target="%s"}'
    world.also(forged % ("team-a", "team-b"), lambda now: 0)
    world.also(forged % ("team-c", "team-b"), lambda now: 1)

    world.fires("SentinelIsolationBreach", at=300, **LABELS)
    world.stands("SentinelIsolationBreach", at=1200, **LABELS)
    world.fires("SentinelDown", at=520, tenant="team-a")
    world.nothing_else()
    world.judge()


def latched(tenant: str, target: str) -> str:
    labels = f'tenant="{tenant}",target="{target}",check="api/secrets",identity="self"'
    return f"sentinel:breach_since:latched{{{labels}}}"


def test_a_target_taken_out_of_the_values_closes_its_breach_after_a_quarter_of_an_hour() -> None:
    world = World(until=1500, only=("breach",))
    world.remembered(latched("team-a", "team-old"), 1)
    world.also('sentinel:expected_target{target="team-old"}', lambda now: 1 if now <= 300 else None)

    wanted: dict[str, Any] = {"tenant": "team-a", "check": "api/secrets", "identity": "self", "target": "team-old"}
    world.fires("SentinelIsolationBreach", at=0, **wanted)
    world.stands("SentinelIsolationBreach", at=1190, **wanted)
    world.gone("SentinelIsolationBreach", at=1210, **wanted)
    world.judge()


def test_a_tenant_taken_out_of_the_values_closes_its_breach_after_a_quarter_of_an_hour() -> None:
    world = World(until=1500, only=("breach",))
    world.remembered(latched("team-old", "team-b"), 1)
    for expected in ('tenant{tenant="team-old"}', 'pair{tenant="team-old",target="team-b"}'):
        world.also(f"sentinel:expected_{expected}", lambda now: 1 if now <= 300 else None)

    wanted: dict[str, Any] = {"tenant": "team-old", "check": "api/secrets", "identity": "self", "target": "team-b"}
    world.fires("SentinelIsolationBreach", at=0, **wanted)
    world.stands("SentinelIsolationBreach", at=1190, **wanted)
    world.gone("SentinelIsolationBreach", at=1210, **wanted)
    world.judge()


def test_a_check_that_is_asked_no_more_closes_when_everything_that_is_still_asked_is_proven() -> None:
    world = World(until=3000, only=("breach",))
    removed = ("api/custom", "self", "team-b")
    attempts = 'sentinel_attempts_total{check="api/custom",identity="self",answer="denied"}'
    world.sentinel(
        "team-a",
        lives=[(-900, 400), (430, FOREVER)],
        breaches={removed: lambda now: SEEN if 300 <= now < 400 else None},
        more={attempts: lambda now: 1 if now < 400 else None},
        coverage=lambda now: 1.0 if now < 400 or now >= 2230 else 0.4,
    )

    world.fires("SentinelIsolationBreach", at=300, until=2230, **LABELS | {"check": "api/custom"})
    world.nothing_else()
    world.judge()


def test_a_check_that_is_still_asked_never_closes_that_way() -> None:
    world = World(until=3000, only=("breach",))
    world.sentinel(
        "team-a",
        lives=[(-900, 400), (430, FOREVER)],
        breaches={HOLE: lambda now: SEEN if 300 <= now < 400 else None},
    )

    world.fires("SentinelIsolationBreach", at=300, **LABELS)
    world.stands("SentinelIsolationBreach", at=3000, **LABELS)
    world.nothing_else()
    world.judge()


def test_a_grant_that_cannot_be_tried_and_a_binding_without_its_role_are_warnings_at_once() -> None:
    world = World(until=600, only=("breach",))
    world.sentinel("team-a", more={'sentinel_review_only{target="team-b"}': lambda now: float(300 <= now < 500)})
    world.sentinel("team-c", more={'sentinel_latent_grant{target="*"}': lambda now: float(300 <= now < 500)})

    world.fires("SentinelReviewOnly", at=300, until=530, tenant="team-a", target="team-b")
    world.fires("SentinelLatentGrant", at=300, until=530, tenant="team-c", target="*")
    world.nothing_else()
    world.judge()
