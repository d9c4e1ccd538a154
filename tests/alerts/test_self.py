"""Our own troubles: who we are, how long our token lasts, what we were told, how often we die."""

from collections.abc import Mapping
from datetime import date

from sentinel.core.api.allowed import Allowance, named
from tests.alerts import rules
from tests.alerts.world import FOREVER, Life, Value, World


def test_asking_as_somebody_else_pages_at_once() -> None:
    world = World(until=600)
    world.sentinel("team-a", more={'sentinel_wrong_identity{identity="self"}': lambda now: float(300 <= now < 500)})

    world.fires("SentinelWrongIdentity", at=300, until=530, tenant="team-a", identity="self")
    world.nothing_else()
    world.judge()


def test_a_token_with_less_than_90_s_left_is_a_warning() -> None:
    world = World(until=1200)
    expiry = 'sentinel_token_expiry_timestamp_seconds{identity="%s"}'
    world.sentinel(
        "team-a", more={expiry % "self": lambda now: 1000 if now < 1100 else 4600, expiry % "ci": lambda now: 0}
    )

    world.fires("SentinelTokenExpiring", at=920, until=1130, tenant="team-a", identity="self")
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

    world.fires("SentinelConfigDrift", at=600, until=930, tenant="team-a")
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


WANTED = {
    "from": "team-a",
    "to": "team-b",
    "verbs": ["get"],
    "resources": ["configmaps"],
    "reason": "rates",
    "owner": "x",
}


def allowing(until: int, *exceptions: Mapping[str, object]) -> World:
    return World(until=until, tenants=2, config={"isolation": {"allow": [*exceptions]}})


def test_an_exception_ends_with_its_last_day_whatever_tenants_say() -> None:
    last = WANTED | {"until": "1969-12-31"}
    world = allowing(300, last, WANTED, WANTED | {"until": "1970-01-01"}, last | {"from": "*"})
    forged = 'sentinel_exception_until_timestamp_seconds{exception="team-a->team-b"}'
    world.sentinel("team-a", more={forged: lambda now: 1e10})

    world.fires("SentinelExceptionExpired", at=0, exception="team-a->team-b")
    world.fires("SentinelExceptionExpired", at=0, exception="*->team-b")
    world.nothing_else()
    world.judge()


def test_exceptions_are_called_in_the_rules_what_the_sentinels_call_them() -> None:
    pairs = [("team-a", "team-b"), ("*", "team-b"), ("team-a", "team-b"), ("anonymous", "*"), ("team-a", "team-b")]
    wanted = [WANTED | {"from": source, "to": target} for source, target in pairs]
    files = rules.rendered(config={"isolation": {"allow": wanted}})

    told = [
        rule["labels"]["exception"]
        for rule in rules.every_rule(files)
        if rule.get("record") == "sentinel:expected_exception"
    ]
    assert told == named(pairs)


def test_the_end_in_the_rules_is_the_one_the_sentinels_keep() -> None:
    files = rules.rendered(config={"isolation": {"allow": [WANTED | {"until": "2028-02-29"}]}})
    (rule,) = (r for r in rules.every_rule(files) if r.get("record") == "sentinel:expected_exception:until_timestamp")

    kept = Allowance("x", "team-a", "team-b", frozenset(), (), until=date(2028, 2, 29))
    assert rule["expr"] == f"vector({kept.ends:.0f})"


def test_an_exception_that_nobody_needs_is_shown_and_sent_to_nobody() -> None:
    world = allowing(900, WANTED | {"from": "*"})
    unused = 'sentinel_exception_unused{exception="%s"}'
    world.sentinel("team-a", more={unused % "*->team-b": lambda now: 1, unused % "made up": lambda now: 1})
    world.sentinel("team-b", more={unused % "*->team-b": lambda now: float(now >= 600)})

    world.fires("SentinelExceptionUnused", at=600, severity="none", exception="*->team-b")
    world.gone("SentinelExceptionUnused", at=900, exception="made up")
    world.judge()


def test_types_that_are_not_asked_about_after_three_discoveries_are_a_warning() -> None:
    world = World(until=900, tenants=2)
    world.sentinel("team-a", more={"sentinel_types_uncovered{}": lambda now: 2 if 300 <= now < 600 else 0})
    world.sentinel("team-b", more={"sentinel_types_uncovered{}": lambda now: 2 if 300 <= now < 470 else 0})

    world.fires("SentinelTypesUncovered", at=480, until=630, tenant="team-a", why="new")
    world.nothing_else()
    world.judge()


def test_types_that_are_too_many_are_a_warning_as_long_as_they_are() -> None:
    world = World(until=600, tenants=2)
    world.sentinel("team-a", more={"sentinel_types_left_out{}": lambda now: 7})

    world.fires("SentinelTypesUncovered", at=180, tenant="team-a", why="too many")
    world.nothing_else()
    world.judge()


def test_a_journal_that_cannot_be_written_is_a_warning_after_a_minute_as_long_as_it_lasts() -> None:
    world = World(until=1200, tenants=2)
    world.sentinel("team-a", more={"sentinel_journal_failing{}": lambda now: float(300 <= now < 600)})
    world.sentinel("team-b", more={"sentinel_journal_failing{}": lambda now: float(300 <= now < 350)})

    world.fires("SentinelJournalFailing", at=360, until=630, tenant="team-a", why="not written")
    world.nothing_else()
    world.judge()


def test_lines_that_a_journal_lost_are_a_warning_for_five_minutes_though_it_is_written_again() -> None:
    world = World(until=1200, tenants=2)
    world.sentinel("team-a", more={"sentinel_journal_lost_total{}": lambda now: float(now >= 300)})

    world.fires("SentinelJournalFailing", at=360, until=620, tenant="team-a", why="not written")
    world.nothing_else()
    world.judge()


def test_a_head_that_nobody_takes_for_a_quarter_of_an_hour_is_a_warning_and_one_that_is_late_is_none() -> None:
    def count(failing: Life) -> tuple[Value, Value]:
        """Told every five minutes: taken, or not while it fails."""
        begin, end = failing

        def bad(now: int) -> float:
            return float(sum(begin <= told < end for told in range(0, now + 1, 300)))

        return (lambda now: now // 300 + 1 - bad(now)), bad

    world = World(until=3600, tenants=2)
    for tenant, failing in (("team-a", (1000, FOREVER)), ("team-b", (1000, 1600))):
        good, bad = count(failing)
        taken, refused = (f'sentinel_journal_anchors_total{{result="{word}"}}' for word in ("accepted", "unreachable"))
        world.sentinel(tenant, more={taken: good, refused: bad})

    # Taken last at 900, which a quarter of an hour looks back on until 1790; and a minute.
    world.fires("SentinelJournalFailing", at=1850, tenant="team-a", why="not anchored")
    world.nothing_else()
    world.judge()


def test_lines_that_the_witness_lost_and_heads_that_nobody_takes_of_it_are_told_without_a_tenant() -> None:
    def heads(begin: int, end: int, *, taken: bool) -> Value:
        """Told every five minutes; refused from `begin` to `end`."""
        return lambda now: float(sum((begin <= told < end) is not taken for told in range(0, now + 1, 300)))

    world = World(until=2600, tenants=2, witness=True, only=("breach", "self"))
    anchors = 'sentinel_journal_anchors_total{result="%s"}'
    world.witness(
        more={
            "sentinel_journal_lost_total{}": lambda now: 5.0 if now < 300 else 6.0,
            anchors % "accepted": heads(1000, 2300, taken=True),
            anchors % "unreachable": heads(1000, 2300, taken=False),
        }
    )

    world.fires("SentinelJournalFailing", at=360, until=620, why="not written")
    world.fires("SentinelJournalFailing", at=1850, until=2430, why="not anchored")
    world.nothing_else()
    world.judge()
