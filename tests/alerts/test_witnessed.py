"""With a witness: a breach pages on anybody's word, and ends by the witness's proof only."""

from collections.abc import Callable
from typing import Any

import pytest

from sentinel.core.api.resources import CHECKS
from tests.alerts import rules
from tests.alerts.test_breach import HOLE, LABELS, SEEN, latched
from tests.alerts.world import FOREVER, World

BREACH = "SentinelIsolationBreach"
SUBJECT = ("team-a", *HOLE)
LOOKED = 299
"""When the witness saw it itself."""


def said(*turns: tuple[int, float | None]) -> Callable[[int], float | None]:
    """What a series says from each of these seconds on; nothing before the first."""

    def at(now: int) -> float | None:
        spoken = [value for since, value in turns if now >= since]
        return spoken[-1] if spoken else None

    return at


def tenant(*turns: tuple[int, float | None]) -> dict[tuple[str, str, str], object]:
    return {HOLE: said((0, 0), *turns)}


def witness(*turns: tuple[int, float | None]) -> dict[tuple[str, str, str, str], object]:
    return {SUBJECT: said((0, 0), *turns)}


def test_both_see_it_and_it_ends_when_both_have_proven_it_shut() -> None:
    world = World(until=900, tenants=2, witness=True)
    world.sentinel("team-a", breaches=tenant((300, SEEN), (600, 0)))
    world.witness(breaches=witness((310, LOOKED), (630, 0)))

    world.fires(BREACH, at=300, until=630, **LABELS)
    world.value("sum(sentinel:breach_since:latched > 0)", at=620, wanted=SEEN)
    world.nothing_else()
    world.judge()


def test_the_witness_s_word_alone_opens_it() -> None:
    world = World(until=900, tenants=2, witness=True)
    world.sentinel("team-a", lives=[])
    world.witness(breaches=witness((300, LOOKED), (600, 0)))

    world.fires(BREACH, at=300, until=600, **LABELS)
    world.fires("SentinelDown", at=120, tenant="team-a")
    world.nothing_else()
    world.judge()


def test_a_tenant_that_hides_its_breach_closes_nothing() -> None:
    world = World(until=1500, tenants=2, witness=True, only=("breach",))
    world.sentinel("team-a", breaches=tenant((300, SEEN), (350, 0)))
    world.witness(breaches=witness((310, LOOKED), (1300, 0)))

    world.fires(BREACH, at=300, until=1300, **LABELS)
    world.value("sum(sentinel:breach_since:latched > 0)", at=1290, wanted=SEEN)
    world.judge()


def test_a_tenant_s_0_closes_nothing_where_the_witness_has_said_nothing() -> None:
    world = World(until=1500, tenants=2, witness=True, only=("breach",))
    world.sentinel("team-a", breaches=tenant((300, SEEN), (400, 0)))

    world.fires(BREACH, at=300, **LABELS)
    world.stands(BREACH, at=1500, **LABELS)
    world.judge()


def test_what_the_witness_proved_before_it_was_opened_does_not_close_it() -> None:
    """The tenant keeps its sentinel from telling the witness, and then speaks in its place."""
    world = World(until=2400, tenants=2, witness=True, only=("breach",))
    world.sentinel("team-a", breaches=tenant((300, SEEN), (350, 0)))
    world.witness(breaches=witness(), sweep=900)

    # Twice 900 s after it was last said to be open: until then the witness has asked all of it anew.
    world.fires(BREACH, at=300, until=2150, **LABELS)
    world.nothing_else()
    world.judge()


def test_what_the_witness_proves_after_it_was_told_closes_it() -> None:
    world = World(until=900, tenants=2, witness=True, only=("breach",))
    world.sentinel("team-a", breaches=tenant((300, SEEN), (350, 0)))
    world.witness(breaches=witness((310, None), (360, 0)))

    world.fires(BREACH, at=300, until=360, **LABELS)
    world.nothing_else()
    world.judge()


def test_it_is_asked_whether_the_witness_looked_for_each_breach_anew() -> None:
    world = World(until=2000, tenants=2, witness=True, only=("breach",))
    world.sentinel("team-a", breaches=tenant((300, SEEN), (350, 0), (500, 499), (520, 0)))
    world.witness(breaches=witness((310, None), (360, 0)))

    world.fires(BREACH, at=300, until=360, **LABELS)
    world.stands(BREACH, at=500, **LABELS)
    world.stands(BREACH, at=2000, **LABELS)
    world.value("sum(sentinel:breach_since:latched > 0)", at=2000, wanted=499)
    world.judge()


def test_the_tenant_still_sees_it_and_the_witness_does_not() -> None:
    world = World(until=1500, tenants=2, witness=True, only=("breach",))
    world.sentinel("team-a", breaches=tenant((300, SEEN), (1300, 0)))
    world.witness(breaches=witness((310, None), (360, 0)))

    world.fires(BREACH, at=300, until=1300, **LABELS)
    world.judge()


def test_the_tenant_is_dead_and_the_witness_proves_it_shut() -> None:
    world = World(until=1500, tenants=2, witness=True)
    world.sentinel("team-a", lives=[(-900, 400)], breaches=tenant((300, SEEN)))
    world.witness(breaches=witness((310, LOOKED), (900, 0)))

    world.fires(BREACH, at=300, until=900, **LABELS)
    world.fires("SentinelDown", at=520, tenant="team-a")
    world.nothing_else()
    world.judge()


def test_a_witness_that_restarts_in_a_breach_closes_nothing_until_it_has_proven_it() -> None:
    world = World(until=1500, tenants=2, witness=True)
    world.sentinel("team-a", breaches=tenant((300, SEEN), (700, 0)))
    shut = said((0, 0), (310, LOOKED), (400, None), (1000, 0))
    world.witness(lives=[(-900, 400), (420, FOREVER)], breaches={SUBJECT: shut})

    world.fires(BREACH, at=300, until=1000, **LABELS)
    world.nothing_else()
    world.judge()


def test_a_dead_witness_closes_nothing() -> None:
    world = World(until=1500, tenants=2, witness=True, only=("breach",))
    world.sentinel("team-a", breaches=tenant((300, SEEN), (700, 0)))
    world.witness(lives=[(-900, 400)], breaches=witness((310, LOOKED)))

    world.fires(BREACH, at=300, **LABELS)
    world.stands(BREACH, at=1500, **LABELS)
    world.judge()


def test_both_restart_and_it_stands_until_the_witness_has_proven_it() -> None:
    world = World(until=1500, tenants=2, witness=True, only=("breach",))
    world.sentinel(
        "team-a", lives=[(-900, 400), (430, FOREVER)], breaches={HOLE: said((300, SEEN), (400, None), (800, 0))}
    )
    world.witness(lives=[(-900, 400), (430, FOREVER)], breaches={SUBJECT: said((310, LOOKED), (400, None), (1000, 0))})

    world.fires(BREACH, at=300, until=1000, **LABELS)
    world.nothing_else()
    world.judge()


def test_of_two_witnesses_in_a_rollout_the_one_that_still_sees_it_counts() -> None:
    world = World(until=1200, tenants=2, witness=True, only=("breach",))
    world.sentinel("team-a", breaches=tenant((300, SEEN), (350, 0)))
    world.witness(breaches=witness((310, LOOKED), (800, 0)))
    other = 'sentinel_witness_breach_since_timestamp_seconds{job="sentinel-witness",instance="10.0.1.9:8080",%s}'
    labels = 'subject="team-a",check="api/secrets",identity="self",target="team-b"'
    world.also(other % labels, said((500, 0)))

    world.fires(BREACH, at=300, until=800, **LABELS)
    world.judge()


@pytest.mark.parametrize("identity", ["default", "team-b-jobs/builder", "group:oidc:people"])
def test_accounts_and_groups_that_only_the_witness_asks_for_end_by_its_0(identity: str) -> None:
    world = World(until=900, tenants=2, witness=True, only=("breach",))
    world.witness(breaches={("team-b", "api/exec", identity, "team-a"): said((300, 299), (600, 0))})

    labels: dict[str, Any] = {"tenant": "team-b", "check": "api/exec", "identity": identity, "target": "team-a"}
    world.fires(BREACH, at=300, until=600, **labels)
    world.nothing_else()
    world.judge()


def test_a_breach_that_lasted_for_one_scrape_of_the_witness_ends_too() -> None:
    world = World(until=900, tenants=2, witness=True, only=("breach",))
    world.witness(breaches={("team-b", "api/exec", "default", "team-a"): said((0, 0), (300, 299), (310, 0))})

    labels: dict[str, Any] = {"tenant": "team-b", "check": "api/exec", "identity": "default", "target": "team-a"}
    world.fires(BREACH, at=300, until=310, **labels)
    world.nothing_else()
    world.judge()


def test_the_oldest_evidence_counts_whose_ever_it_is() -> None:
    world = World(until=900, tenants=2, witness=True, only=("breach",))
    world.sentinel("team-a", breaches=tenant((320, 315)))
    world.witness(breaches=witness((300, 299), (400, 390)))

    world.fires(BREACH, at=300, **LABELS)
    world.value("sum(sentinel:breach_since:latched)", at=900, wanted=299)
    world.judge()


def test_of_two_who_see_it_at_once_the_older_evidence_counts() -> None:
    world = World(until=600, tenants=2, witness=True, only=("breach",))
    world.sentinel("team-a", breaches=tenant((300, SEEN)))
    world.witness(breaches=witness((300, LOOKED)))

    world.value("sum(sentinel:breach_since:latched)", at=600, wanted=SEEN)
    world.judge()


def test_hours_after_everybody_died_it_still_stands() -> None:
    seven_hours = 25_200
    world = World(until=seven_hours + 600, tenants=2, step=60, witness=True, only=("breach",))
    world.sentinel("team-a", lives=[(-900, 420)], breaches=tenant((300, SEEN)))
    world.witness(
        lives=[(-900, 420), (seven_hours, FOREVER)],
        breaches={SUBJECT: said((300, LOOKED), (420, None), (seven_hours + 300, 0))},
    )

    world.fires(BREACH, at=300, until=seven_hours + 300, **LABELS)
    world.judge()


def test_no_tenant_can_speak_for_the_witness() -> None:
    world = World(until=900, tenants=2, witness=True)
    forged = (
        'sentinel_witness_breach_since_timestamp_seconds{subject="%s",check="api/secrets",identity="self",target="%s"}'
    )
    world.sentinel(
        "team-a",
        breaches=tenant((300, SEEN), (400, 0)),
        more={forged % ("team-a", "team-b"): said((400, 0)), forged % ("team-b", "team-a"): said((0, 1))},
    )
    world.witness(breaches=witness((310, LOOKED), (400, None)))

    world.fires(BREACH, at=300, **LABELS)
    world.stands(BREACH, at=900, **LABELS)
    world.nothing_else()
    world.judge()


def test_a_witness_that_names_a_tenant_nobody_expects_pages_nobody() -> None:
    world = World(until=600, tenants=2, witness=True)
    world.witness(breaches={("intruder", *HOLE): said((300, 299))})

    world.nothing_else()
    world.judge()


def test_what_a_tenant_makes_up_ends_with_its_word() -> None:
    world = World(until=2000, tenants=2, witness=True, only=("breach",))
    made_up = {
        ("api/nonsense", "self", "team-b"): said((300, SEEN)),
        ("api/secrets", "nobody", "team-b"): said((300, SEEN), (400, 0)),
        ("api/secrets", "self", "nowhere"): said((300, SEEN)),
        ("api/secrets", "anonymous", "nowhere"): said((300, SEEN)),
        ("api/secrets", "self", "team-a"): said((300, SEEN)),
    }
    world.sentinel("team-a", breaches=made_up)

    world.gone(BREACH, at=600, tenant="team-a", check="api/nonsense")
    world.fires(BREACH, at=300, until=400, **LABELS | {"identity": "nobody"})
    world.nothing_else()
    world.judge()


def test_a_check_that_a_tenant_says_it_asks_no_more_closes_nothing() -> None:
    world = World(until=1500, tenants=2, witness=True, only=("breach",))
    removed = ("api/custom", "self", "team-b")
    attempts = 'sentinel_attempts_total{check="api/custom",identity="self",answer="denied"}'
    world.sentinel(
        "team-a",
        breaches={removed: said((300, SEEN), (400, None))},
        more={attempts: said((0, 1), (400, None))},
    )

    world.fires(BREACH, at=300, **LABELS | {"check": "api/custom"})
    world.stands(BREACH, at=1500, **LABELS | {"check": "api/custom"})
    world.judge()


@pytest.mark.parametrize(("label", "name"), [("tenant", "team-old"), ("target", "team-old"), ("identity", "old")])
def test_what_is_taken_out_of_the_values_closes_after_a_quarter_of_an_hour(label: str, name: str) -> None:
    wanted: dict[str, Any] = LABELS | {label: name}
    world = World(until=1500, tenants=2, witness=True, only=("breach",))
    world.remembered(latched(wanted["tenant"], wanted["target"]).replace('"self"', f'"{wanted["identity"]}"'), 1)
    own = f'tenant="{wanted["tenant"]}",' if label == "identity" else ""
    world.also(f'sentinel:expected_{label}{{{own}{label}="{name}"}}', lambda now: 1 if now <= 300 else None)
    if label == "tenant":
        for expected in ('identity{tenant="team-old",identity="self"}', 'pair{tenant="team-old",target="team-b"}'):
            world.also(f"sentinel:expected_{expected}", lambda now: 1 if now <= 300 else None)

    world.fires(BREACH, at=0, **wanted)
    world.stands(BREACH, at=1190, **wanted)
    world.gone(BREACH, at=1210, **wanted)
    world.judge()


def test_a_namespace_that_was_given_to_the_tenant_closes_its_breach_after_a_quarter_of_an_hour() -> None:
    """Nobody asks about it any more, so nobody will prove it shut."""
    world = World(until=1500, witness=True, only=("breach",))
    world.remembered(latched("team-b", "team-b-jobs"), 1)
    world.also('sentinel:expected_pair{tenant="team-b",target="team-b-jobs"}', lambda now: 1 if now <= 300 else None)

    wanted: dict[str, Any] = LABELS | {"tenant": "team-b", "target": "team-b-jobs"}
    world.fires(BREACH, at=0, **wanted)
    world.stands(BREACH, at=1190, **wanted)
    world.gone(BREACH, at=1210, **wanted)
    world.judge()


def test_who_has_no_token_is_asked_about_by_anybody_the_owner_of_the_namespace_included() -> None:
    world = World(until=1500, tenants=2, witness=True, only=("breach",))
    nobody = ("api/secrets", "anonymous", "team-a")
    world.sentinel("team-a", breaches={nobody: said((300, SEEN), (400, 0))})

    wanted = LABELS | {"identity": "anonymous", "target": "team-a"}
    world.fires(BREACH, at=300, **wanted)
    world.stands(BREACH, at=1500, **wanted)
    world.judge()


def test_the_rule_knows_every_check_there_is() -> None:
    text = rules.shipped(witness=True)["breach.rules.yaml"]
    (known,) = {found.split('"')[0] for found in text.split('check=~"')[1:] if found.startswith("api/")}

    assert known == f"api/({'|'.join(check.removeprefix('api/') for check in CHECKS)})"
