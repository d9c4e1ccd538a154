"""Our own troubles: who we are, how long our token lasts, what we were told, how often we die."""

from tests.alerts.world import FOREVER, World


def test_asking_as_somebody_else_pages_at_once() -> None:
    world = World(until=600)
    world.sentinel("team-a", more={'sentinel_wrong_identity{identity="self"}': lambda now: float(300 <= now < 500)})

    world.fires("SentinelWrongIdentity", at=300, until=500, tenant="team-a", identity="self")
    world.nothing_else()
    world.judge()


def test_a_token_with_less_than_90_s_left_is_a_warning() -> None:
    world = World(until=1200)
    expiry = 'sentinel_token_expiry_timestamp_seconds{identity="%s"}'
    world.sentinel(
        "team-a", more={expiry % "self": lambda now: 1000 if now < 1100 else 4600, expiry % "ci": lambda now: 0}
    )

    world.fires("SentinelTokenExpiring", at=920, until=1100, tenant="team-a", identity="self")
    world.nothing_else()
    world.judge()


def test_a_token_renewed_at_80_percent_of_ten_minutes_is_no_warning() -> None:
    world = World(until=3600)
    name = 'sentinel_token_expiry_timestamp_seconds{identity="ci"}'
    world.sentinel("team-a", more={name: lambda now: now // 480 * 480 + 600})

    world.nothing_else()
    world.judge()


def test_another_configuration_than_the_chart_rendered_is_a_warning_after_5_minutes() -> None:
    world = World(until=1200)
    edited = {'sentinel_config_hash{file="edited"}': lambda now: 1 if 300 <= now < 900 else None}
    world.sentinel("team-a", more=edited)
    world.sentinel("team-b", more={'sentinel_config_hash{file="edited"}': lambda now: 1 if 300 <= now < 590 else None})

    world.fires("SentinelConfigDrift", at=600, until=900, tenant="team-a")
    world.nothing_else()
    world.judge()


def test_a_configuration_that_was_refused_is_a_warning_after_5_minutes() -> None:
    world = World(until=900)
    refused = {'sentinel_config_last_reload_successful{file="edited"}': lambda now: float(now < 300)}
    world.sentinel("team-a", more=refused)

    world.fires("SentinelConfigDrift", at=600, tenant="team-a")
    world.nothing_else()
    world.judge()


def test_pods_that_are_replaced_again_and_again_count_as_restarts_too() -> None:
    world = World(until=1800)
    lives = [(-900, 300), (330, 500), (530, 700), (730, FOREVER)]
    world.sentinel("team-a", lives=lives, new_pods=True)
    world.sentinel("team-b", lives=[*lives[:2], (530, FOREVER)], new_pods=True)

    world.fires("SentinelRestarting", at=730, tenant="team-a")
    world.gone("SentinelRestarting", at=1800, tenant="team-a")
    world.nothing_else()
    world.judge()
