"""A DaemonSet: one hole is one page whoever sees it, and what is open from one node no other node can prove shut."""

from typing import Any

from tests.alerts.pages import common, links
from tests.alerts.test_breach import SEEN
from tests.alerts.test_network import BREACH, LABELS
from tests.alerts.test_witnessed import said
from tests.alerts.test_words import PAYMENTS
from tests.alerts.world import FOREVER, Value, World

NODES: dict[str, Any] = {"network": {"enabled": True}, "kind": "DaemonSet"}
QUARTER = 900


def world(until: int) -> World:
    """Three tenants: what the median of two says, one of them can move."""
    return World(until=until, tenants=3, witness=True, **NODES)


def on_node(seen: World, node: str, breach: Value, life: tuple[int, int] = (-900, FOREVER), pod: str = "") -> None:
    """A further pod of team-a."""
    own = f'job="sentinel",tenant="team-a",instance="{node}{pod}:8080",node="{node}"'

    def while_it_lives(value: Value) -> Value:
        return lambda now: value(now) if life[0] <= now < life[1] else None

    hole = 'check="net/tcp",identity="self",target="team-b"'
    seen.also(f"sentinel_breach_since_timestamp_seconds{{{own},{hole}}}", while_it_lives(breach))
    seen.also(f"sentinel_build_info{{{own}}}", while_it_lives(lambda now: 1))
    seen.also(f"process_start_time_seconds{{{own}}}", while_it_lives(lambda now: life[0]))


def test_a_hole_that_is_seen_from_two_nodes_is_one_page_until_both_have_proven_it_shut() -> None:
    seen = world(900)
    on_node(seen, "n1", said((0, 0), (300, SEEN), (500, 0)))
    on_node(seen, "n2", said((0, 0), (320, 317), (700, 0)))

    seen.fires(BREACH, at=300, until=700, **LABELS)
    seen.value("count(ALERTS{alertname='SentinelIsolationBreach'})", at=400, wanted=1)
    seen.nothing_else()
    seen.judge()


def test_what_is_open_from_a_node_whose_pod_died_is_not_shut_by_another_nodes_word() -> None:
    seen = world(1200)
    on_node(seen, "n1", said((0, 0), (300, SEEN)), life=(-900, 400))
    on_node(seen, "n1", said((0, None), (800, 0)), life=(430, FOREVER), pod="-next")
    on_node(seen, "n2", said((0, 0)))

    seen.fires(BREACH, at=300, until=800, **LABELS)
    seen.nothing_else()
    seen.judge()


def test_a_node_that_is_gone_for_a_quarter_of_an_hour_has_nothing_more_to_say() -> None:
    seen = world(1800)
    on_node(seen, "n1", said((0, 0), (300, SEEN)), life=(-900, 400))
    on_node(seen, "n2", said((0, 0)))

    seen.fires(BREACH, at=300, **LABELS)
    seen.stands(BREACH, at=390 + QUARTER - 10, **LABELS)
    seen.gone(BREACH, at=390 + QUARTER + 20, **LABELS)
    seen.judge()


def test_all_pods_gone_close_nothing() -> None:
    seen = world(1800)
    seen.sentinel("team-a", lives=[])
    on_node(seen, "n1", said((0, 0), (300, SEEN)), life=(-900, 400))
    on_node(seen, "n2", said((0, 0)), life=(-900, 400))

    seen.fires(BREACH, at=300, **LABELS)
    seen.stands(BREACH, at=1800, **LABELS)
    seen.judge()


def test_a_tenant_on_fewer_nodes_than_the_others_is_a_warning_and_one_without_any_is_down() -> None:
    seen = world(900)
    for tenant in ("team-a", "team-b", "team-c"):
        for node in ("n1", "n2"):
            own = f'job="sentinel",tenant="{tenant}",instance="{node}:8080",node="{node}"'
            ends = 300 if (tenant, node) == ("team-a", "n1") else FOREVER
            seen.also(f"sentinel_build_info{{{own}}}", said((0, 1), (ends, None)))

    seen.fires("SentinelNodeUncovered", at=600, tenant="team-a")
    seen.annotated(
        "SentinelNodeUncovered",
        600,
        common("SentinelNodeUncovered", "warning", tenant="team-a"),
        links("SentinelNodeUncovered", "?var-tenant=team-a", board="self")
        | PAYMENTS
        | {
            "summary": "A tenant's sentinel is missing on a node.",
            "description": "The sentinel of tenant team-a stands on 1 nodes fewer than those of the other tenants, for five "
            "minutes. The API is proven all the same; nothing is proven about packets from and to its pods on those nodes.",
        },
    )
    seen.nothing_else()
    seen.judge()


def test_a_roll_out_over_all_nodes_is_no_restarting() -> None:
    seen = world(900)
    for number in range(6):
        begins = 100 + 60 * number
        on_node(seen, f"n{number}", said((0, 0)), life=(-900, begins))
        on_node(seen, f"n{number}", said((0, 0)), life=(begins, FOREVER), pod="-next")

    seen.gone("SentinelRestarting", at=600, tenant="team-a")
    seen.gone("SentinelRestarting", at=900, tenant="team-a")
    seen.judge()


def test_the_pod_of_one_node_that_is_replaced_three_times_in_a_quarter_of_an_hour_is_restarting() -> None:
    seen = world(1300)
    lives = [(-900, 300), (330, 500), (530, 700), (730, FOREVER)]
    for number, life in enumerate(lives):
        on_node(seen, "n1", said((0, 0)), life=life, pod=f"-{number}")
    for number, life in enumerate([*lives[:2], (530, FOREVER)]):
        on_node(seen, "n2", said((0, 0)), life=life, pod=f"-{number}")

    seen.fires("SentinelRestarting", at=730, tenant="team-a")
    seen.stands("SentinelRestarting", at=1180, tenant="team-a")
    seen.gone("SentinelRestarting", at=1200, tenant="team-a")
    seen.judge()
