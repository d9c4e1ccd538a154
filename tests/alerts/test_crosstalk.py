"""An answer that was meant for somebody else is a breach: it pages whoever got it, and ends by that one's proof."""

from typing import Any

import pytest

from tests.alerts import rules
from tests.alerts.test_breach import SEEN
from tests.alerts.test_witnessed import said
from tests.alerts.world import FOREVER, Value, World

BREACH = "SentinelIsolationBreach"
HEARD = ("crosstalk", "self", "gateway/chat")
OF: dict[str, Any] = dict(zip(("check", "identity", "target"), HEARD, strict=True))
GATEWAYS: dict[str, Any] = {"config": {"gateways": rules.GATEWAYS}}


def world(until: int = 900, *, witness: bool = True, **more: Any) -> World:
    return World(until=until, tenants=2, witness=witness, only=("breach",), **(GATEWAYS | more))


def heard(seen: World, who: str, value: Value, **how: Any) -> World:
    """This is what `who` says of it."""
    if who == "witness":
        seen.witness(breaches={("witness", *HEARD): value}, **how)
    else:
        seen.sentinel(who, breaches={HEARD: value}, **how)
    return seen


@pytest.mark.parametrize(
    ("who", "witness", "kind"),
    [
        ("team-a", True, "Deployment"),
        ("team-a", False, "Deployment"),
        ("team-a", True, "DaemonSet"),
        ("witness", True, "Deployment"),
    ],
)
def test_it_pages_at_once_and_ends_by_the_proof_of_whoever_got_it(who: str, witness: bool, kind: str) -> None:
    network: dict[str, Any] = {"network": {"enabled": kind == "DaemonSet"}}
    seen = heard(world(witness=witness, kind=kind, **network), who, said((0, 0), (300, SEEN), (600, 0)))

    seen.fires(BREACH, at=300, until=600, tenant=who, **OF)
    seen.nothing_else()
    seen.judge()


@pytest.mark.parametrize("who", ["team-a", "witness"])
def test_its_page_outlives_whoever_got_it_and_a_restart_is_no_proof(who: str) -> None:
    seen = world(1500)
    heard(seen, who, said((0, 0), (300, SEEN), (400, None), (1200, 0)), lives=[(-900, 400), (500, FOREVER)])

    seen.fires(BREACH, at=300, until=1200, tenant=who, **OF)
    seen.nothing_else()
    seen.judge()


def test_one_who_got_it_and_one_who_did_not_are_two_words() -> None:
    seen = heard(heard(world(), "team-a", said((0, 0), (300, SEEN), (600, 0))), "team-b", said((0, 0)))
    heard(seen, "witness", said((0, 0)))

    seen.fires(BREACH, at=300, until=600, tenant="team-a", **OF)
    seen.nothing_else()
    seen.judge()


def test_it_ends_with_the_gateway_in_the_values_and_not_before() -> None:
    seen = world(1500, config={"gateways": [rules.GATEWAYS[1]]})
    seen.remembered(f'sentinel:breach_since:latched{{tenant="team-a",{_written()}}}', SEEN)
    seen.remembered('sentinel:expected_hearing{tenant="team-a",target="gateway/chat"}', 1)

    seen.stands(BREACH, at=800, tenant="team-a", **OF)
    seen.gone(BREACH, at=920, tenant="team-a", **OF)
    seen.judge()


def _written() -> str:
    return ",".join(f'{name}="{value}"' for name, value in OF.items())
