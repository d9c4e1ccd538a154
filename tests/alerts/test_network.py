"""The network: its breaches close by the tenant's own proof, and blindness about it is told once, to whom it concerns."""

from typing import Any

import pytest

from tests.alerts.pages import common, links
from tests.alerts.test_breach import SEEN
from tests.alerts.test_witnessed import said
from tests.alerts.test_words import PAYMENTS
from tests.alerts.world import FOREVER, Value, World

BREACH = "SentinelIsolationBreach"
HOLE = ("net/tcp", "self", "team-b")
LABELS: dict[str, Any] = {"tenant": "team-a", "check": "net/tcp", "identity": "self", "target": "team-b"}
ON: dict[str, Any] = {"network": {"enabled": True}}
TENANTS = ("team-a", "team-b", "team-c", "team-d", "team-e")


def world(until: int, tenants: int = 2, **more: Any) -> World:
    return World(until=until, tenants=tenants, witness=True, **(ON | more))


def test_a_hole_in_the_network_pages_at_once_and_ends_by_the_tenants_own_proof() -> None:
    seen = world(900)
    seen.sentinel("team-a", breaches={HOLE: said((0, 0), (300, SEEN), (600, 0))})

    seen.fires(BREACH, at=300, until=600, **LABELS)
    seen.nothing_else()
    seen.judge()


def test_its_page_outlives_the_sentinel_and_the_witness() -> None:
    seen = world(1500)
    seen.sentinel("team-a", lives=[(-900, 400)], breaches={HOLE: said((0, 0), (300, SEEN))})
    seen.witness(lives=[(-900, 500)])

    seen.fires(BREACH, at=300, **LABELS)
    seen.stands(BREACH, at=1500, **LABELS)
    seen.fires("SentinelDown", at=520, tenant="team-a")
    seen.fires("SentinelWitnessDown", at=620)
    seen.nothing_else()
    seen.judge()


def test_a_restart_is_no_proof_and_sees_it_no_younger() -> None:
    seen = world(1500)
    turns = said((0, 0), (300, SEEN), (400, None), (500, 499), (900, 0))
    seen.sentinel("team-a", lives=[(-900, 400), (430, FOREVER)], breaches={HOLE: turns})

    seen.fires(BREACH, at=300, until=900, **LABELS)
    seen.value("sum(sentinel:breach_since:latched > 0)", at=890, wanted=SEEN)
    seen.nothing_else()
    seen.judge()


def test_of_two_pods_the_one_that_still_sees_it_counts() -> None:
    seen = world(900)
    seen.sentinel("team-a", breaches={HOLE: said((0, 0), (300, SEEN), (700, 0))})
    other = 'sentinel_breach_since_timestamp_seconds{job="sentinel",tenant="team-a",instance="10.0.0.9:8080",%s}'
    seen.also(other % 'check="net/tcp",identity="self",target="team-b"', said((0, 0)))

    seen.fires(BREACH, at=300, until=700, **LABELS)
    seen.nothing_else()
    seen.judge()


def test_the_tenants_0_still_closes_nothing_about_the_api() -> None:
    seen = world(900)
    api = ("api/secrets", "self", "team-b")
    seen.sentinel("team-a", breaches={api: said((0, 0), (300, SEEN), (400, 0))})

    seen.fires(BREACH, at=300, **(LABELS | {"check": "api/secrets"}))
    seen.stands(BREACH, at=900, **(LABELS | {"check": "api/secrets"}))
    seen.judge()


@pytest.mark.parametrize(
    "hole",
    [
        ("net/tcp", "self", "team-a"),  # its own
        ("net/tcp", "self", "nowhere"),
        ("net/carrier-pigeon", "self", "team-b"),
        ("net/cloud", "self", "*"),  # not declared
    ],
)
def test_what_nobody_could_ask_pages_nobody(hole: tuple[str, str, str]) -> None:
    seen = world(600)
    seen.sentinel("team-a", breaches={hole: said((300, SEEN))})

    seen.nothing_else()
    seen.judge()


def test_the_surroundings_are_told_of_the_whole_cluster_where_they_are_declared() -> None:
    seen = world(600, config={"network": {"cloud": "aws", "node": {"enabled": True}}})
    seen.sentinel("team-a", breaches={("net/cloud", "self", "*"): said((300, SEEN))})
    seen.sentinel("team-b", breaches={("net/node", "self", "*"): said((400, SEEN), (500, 0))})

    seen.fires(BREACH, at=300, tenant="team-a", check="net/cloud", identity="self", target="*")
    seen.fires(BREACH, at=400, until=500, tenant="team-b", check="net/node", identity="self", target="*")
    seen.nothing_else()
    seen.judge()


def latched(check: str) -> str:
    return f'sentinel:breach_since:latched{{tenant="team-a",target="team-b",check="{check}",identity="self"}}'


@pytest.mark.parametrize("values", [{}, ON])
def test_a_class_that_is_asked_no_more_closes_after_a_quarter_of_an_hour(values: dict[str, Any]) -> None:
    seen = World(until=1500, tenants=2, witness=True, **values)
    seen.remembered(latched("net/dns"), 1)
    seen.also('sentinel:expected_network{check="net/dns"}', lambda now: 1 if now <= 300 else None)

    wanted = LABELS | {"check": "net/dns"}
    seen.fires(BREACH, at=0, **wanted)
    seen.stands(BREACH, at=1190, **wanted)
    seen.gone(BREACH, at=1210, **wanted)
    seen.judge()


def unattributed(*turns: tuple[int, float | None]) -> dict[str, Value]:
    return {'sentinel_unattributed_since_timestamp_seconds{check="net/tcp",target="team-b"}': said(*turns)}


WHO = {"tenant": "team-a", "check": "net/tcp", "target": "team-b"}


def test_somebody_unknown_who_answers_is_a_warning_until_it_is_shut() -> None:
    seen = world(900)
    seen.sentinel("team-a", more=unattributed((0, 0), (300, SEEN), (600, 0)))

    seen.fires("SentinelUnattributed", at=300, until=600, **WHO)
    seen.nothing_else()
    seen.judge()


def test_that_warning_too_is_closed_by_proof_only() -> None:
    seen = world(1500)
    turns = unattributed((0, 0), (300, SEEN), (400, None), (800, 799), (1200, 0))
    seen.sentinel("team-a", lives=[(-900, 400), (430, FOREVER)], more=turns)

    seen.fires("SentinelUnattributed", at=300, until=1200, **WHO)
    seen.value("sum(sentinel:unattributed_since:latched > 0)", at=1190, wanted=SEEN)
    seen.nothing_else()
    seen.judge()


def beacons(tenant: str, known: Value, ready: Value) -> dict[str, Value]:
    name = f'sentinel_witness_beacons{{subject="{tenant}",state="%s"}}'
    return {name % "known": known, name % "ready": ready}


def test_a_beacon_that_is_not_ready_is_a_warning_about_whose_it_is_after_a_drain_could_be_over() -> None:
    seen = world(900)
    seen.witness(more=beacons("team-b", said((0, 2)), said((0, 2), (300, 1), (800, 2))))

    seen.fires("SentinelBeaconDown", at=600, until=830, tenant="team-b")
    seen.annotated(
        "SentinelBeaconDown",
        600,
        common("SentinelBeaconDown", "warning", tenant="team-b"),
        links("SentinelBeaconDown", "?var-tenant=team-b")
        | {
            "summary": "A tenant's beacon does not answer.",
            "description": "Of the beacons of tenant team-b, 1 at least are not ready or have not handed over their key, for "
            "five minutes, by the witness's and the kubelet's word. What cannot answer cannot show that it was not reached: "
            "nothing is proven about packets to these pods.",
            "owner": "Search",
        },
    )
    seen.nothing_else()
    seen.judge()


def test_a_tenant_without_any_beacon_is_told_and_one_that_nobody_expects_is_not() -> None:
    seen = world(900)
    none = beacons("team-b", said((0, 0)), said((0, 0))) | beacons("intruder", said((0, 1)), said((0, 0)))
    seen.witness(more=none)

    seen.fires("SentinelBeaconDown", at=300, tenant="team-b")
    seen.nothing_else()
    seen.judge()


def page(seen: World, who: str, reason: str, labels: dict[str, str], **contacts: str) -> None:
    """At 370 the page says this, and all that can be said of everybody's."""
    query = f"?var-tenant={labels.get('tenant', '')}&var-target={labels.get('target', '')}"
    seen.annotated(
        "SentinelNetworkBlind",
        370,
        common("SentinelNetworkBlind", "critical", **labels),
        links("SentinelNetworkBlind", query)
        | {
            "summary": "The network's isolation is not proven any more.",
            "description": "Since 1970-01-01 00:03:00 +0000 UTC nobody has proven that no packet crosses "
            f"{who}. Reasons, of all who are blind so: {reason}. "
            "The API is proven meanwhile; whether the network's border holds is unknown.",
        }
        | contacts,
    )


def blinded(tenants: int = 3) -> World:
    """Where blindness alone is looked at, for five minutes of it."""
    return world(900, tenants=tenants, only=("breach", "blind"))


def test_the_witness_that_nobody_hears_is_one_page_and_not_one_per_border() -> None:
    seen = blinded()
    dark: dict[str, Any] = dict.fromkeys(TENANTS, (300, 600))
    for tenant in TENANTS[:3]:
        seen.sentinel(tenant, blind=dark | {"team-b-jobs": (300, 600)}, reason="roster")

    seen.fires("SentinelNetworkBlind", at=370, until=750)
    page(seen, "between any tenants: half of the sentinels or more say the same", "roster", {})
    seen.nothing_else()
    seen.judge()


def test_a_tenant_that_cannot_get_out_is_one_page_about_it() -> None:
    seen = blinded()
    dark: dict[str, Any] = dict.fromkeys(TENANTS, (300, 600))
    seen.sentinel("team-a", blind=dark, reason="beacon")

    seen.fires("SentinelNetworkBlind", at=370, until=750, tenant="team-a")
    page(seen, "from tenant team-a", "beacon", {"tenant": "team-a"}, **PAYMENTS)
    seen.nothing_else()
    seen.judge()


def test_a_target_that_nobody_can_prove_is_one_page_about_whose_it_is() -> None:
    seen = blinded()
    for tenant in ("team-a", "team-c"):
        seen.sentinel(tenant, blind={"team-b-jobs": (300, 600)}, reason="live")

    whose = {"tenant": "team-b", "target": "team-b-jobs"}
    seen.fires("SentinelNetworkBlind", at=370, until=750, **whose)
    page(
        seen,
        "into namespace team-b-jobs of tenant team-b, from any tenant",
        "live",
        whose,
        owner="Search",
        target_owner="Search",
    )
    seen.nothing_else()
    seen.judge()


def test_who_is_blind_about_the_api_as_well_is_blind_as_ever() -> None:
    seen = blinded(2)
    reason = 'sentinel_inconclusive{target="team-b",reason="live"}'
    seen.sentinel(
        "team-a", blind={"team-b": (300, 800)}, reason="door", more={reason: said((0, 0), (300, 1), (800, 0))}
    )

    seen.fires("SentinelBlind", at=370, tenant="team-a", target="team-b")
    seen.nothing_else()
    seen.judge()


def test_what_only_the_network_says_makes_no_api_server_look_dead() -> None:
    seen = blinded()
    for tenant in TENANTS[:3]:
        more = {f'sentinel_inconclusive{{target="{target}",reason="lighthouse"}}': said((100, 1)) for target in TENANTS}
        seen.sentinel(tenant, more=more)

    seen.nothing_else()
    seen.judge()


def test_coverage_that_only_the_network_lacks_is_told_by_who_is_blind_and_that_of_its_surroundings_as_low() -> None:
    seen = World(until=5400, tenants=3, step=30, witness=True, only=("breach", "blind"), **ON)
    lacks = 'sentinel_inconclusive{target="%s",reason="%s"}'
    reasons = {"team-a": ("team-b", "live"), "team-b": ("*", "lighthouse"), "team-c": ("team-b", "resolver")}
    for tenant, reason in reasons.items():
        seen.sentinel(tenant, lives=[(-9000, FOREVER)], coverage=lambda now: 0.8, more={lacks % reason: said((0, 1))})

    seen.gone("SentinelCoverageLow", at=5400, tenant="team-a")
    seen.stands("SentinelCoverageLow", at=5400, tenant="team-b")
    seen.stands("SentinelCoverageLow", at=5400, tenant="team-c")
    for alert in ("SentinelNetworkBlind", "SentinelBlind", "SentinelApiUnreachable"):
        seen.gone(alert, at=5400)
    seen.judge()
