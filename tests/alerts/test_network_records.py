"""What the rules about the network and its nodes record, each by itself: which blindness is whose, and what is missing."""

from tests.alerts.rules import shipped
from tests.alerts.table import At, Given, Table
from tests.alerts.test_blind_records import NO_ROWS, alive, expected, recorded, told

NETWORK = shipped(witness=True, network=True)
NODES = shipped(witness=True, network=True, kind="DaemonSet")
OWN = ("roster", "beacon", "lighthouse", "proxied", "resolver", "way")
"""Reasons that are the asker's."""
THERE = ("live", "neutral", "arrivals", "moved")
"""And those of the border, or of its other end."""


def says(tenant: str, target: str, reason: str, pod: str = "1") -> str:
    return told("sentinel_inconclusive", f'tenant="{tenant}",target="{target}",reason="{reason}"', pod)


def only(tenant: str, target: str, reason: str) -> str:
    return f'sentinel:network_only:reason{{tenant="{tenant}",target="{target}",reason="{reason}"}}'


def blind(tenant: str, target: str) -> str:
    return recorded("network_blind", tenant, target)


def test_the_network_alone_is_to_blame_where_nothing_of_the_api_is_and_until_it_is_proven() -> None:
    table = Table("sentinel:network_only:reason", NETWORK)
    before, stays = only("a", "b", "live"), recorded("blind", "a", "b")

    def found(*reasons: str, target: str = "b") -> dict[str, float | At]:
        return {f'{{tenant="a",target="{target}",reason="{reason}"}}': 1 for reason in reasons}

    for reason in OWN + THERE:
        table.row(reason, {says("a", "b", reason): 1}, found(reason))
    table.row(
        "two reasons, and a third that is over",
        {says("a", "b", "live"): 1, says("a", "b", "way"): 1, says("a", "b", "roster"): 0},
        found("live", "way"),
    )
    table.row("one of two pods", {says("a", "b", "live"): 1, says("a", "b", "live", "2"): 0}, found("live"))
    table.row("the API is to blame", {says("a", "b", "door"): 1}, NO_ROWS)
    table.row("both are", {says("a", "b", "live"): 1, says("a", "b", "door"): 1, says("a", "b", "canary"): 0}, NO_ROWS)
    table.row("the API about another target", {says("a", "b", "live"): 1, says("a", "d", "door"): 1}, found("live"))
    table.row("the API of another tenant", {says("a", "b", "live"): 1, says("c", "b", "door"): 1}, found("live"))
    table.row("not proven yet", {before: 1, stays: At(-200), says("a", "b", "live"): 0}, {before: 1})
    table.row("proven", {before: 1}, NO_ROWS)
    table.row("proven, and another target is not", {before: 1, recorded("blind", "a", "d"): At(-200)}, NO_ROWS)
    table.row("proven, and for another tenant it is not", {before: 1, recorded("blind", "c", "b"): At(-200)}, NO_ROWS)
    table.row(
        "now it is the API", {before: 1, stays: At(-200), says("a", "b", "door"): 1, says("a", "b", "live"): 0}, NO_ROWS
    )
    table.row("the API, for another tenant", {before: 1, stays: At(-200), says("c", "b", "door"): 1}, {before: 1})
    table.row("the API, about another target", {before: 1, stays: At(-200), says("a", "d", "door"): 1}, {before: 1})
    table.judge()


def test_blind_about_the_network_is_by_tenant_and_target() -> None:
    table = Table("sentinel:network_blind:proof_timestamp", NETWORK)
    last = recorded("blind", "a", "b")

    table.row("the network alone", {last: At(-200), only("a", "b", "live"): 1}, {last: At(-200)})
    table.row("another target's", {last: At(-200), only("a", "c", "live"): 1}, NO_ROWS)
    table.row("another tenant's", {last: At(-200), only("c", "b", "live"): 1}, NO_ROWS)
    table.judge()


def test_everywhere_is_half_of_the_tenants_with_the_same_reason_about_the_witness() -> None:
    table = Table("sentinel:network_blind_everywhere:proof_timestamp", NETWORK)
    four = alive("a", "b", "c", "d", pods=2)

    def dark(tenant: str, target: str, reason: str, ago: float = 200) -> dict[str, Given]:
        return {blind(tenant, target): At(-ago), only(tenant, target, reason): 1}

    for reason in ("roster", "lighthouse"):
        table.row(
            f"half, {reason}", {**four, **dark("a", "x", reason), **dark("b", "x", reason, 300)}, {"{}": At(-300)}
        )
    table.row("fewer", {**four, **dark("a", "x", "roster")}, NO_ROWS)
    table.row("fewer, about several targets", {**four, **dark("a", "x", "roster"), **dark("a", "y", "roster")}, NO_ROWS)
    table.row("for two reasons", {**four, **dark("a", "x", "roster"), **dark("b", "x", "lighthouse")}, NO_ROWS)
    table.row(
        "half, and one for another reason",
        {**four, **dark("a", "x", "roster"), **dark("b", "x", "roster"), **dark("c", "x", "lighthouse")},
        {"{}": At(-200)},
    )
    table.row("for a reason of their own", {**four, **dark("a", "x", "beacon"), **dark("b", "x", "beacon")}, NO_ROWS)
    table.row("one is not overdue yet", {**four, **dark("a", "x", "roster"), only("b", "x", "roster"): 1}, NO_ROWS)
    table.row(
        "one is overdue about something else",
        {**four, **dark("a", "x", "roster"), **dark("b", "x", "live"), only("b", "y", "roster"): 1},
        NO_ROWS,
    )
    table.judge()


def test_who_cannot_get_out_is_blind_itself_since_its_oldest_proof() -> None:
    table = Table("sentinel:network_blind_itself:proof_timestamp", NETWORK)
    itself: dict[str, float | At] = {'{tenant="a"}': At(-300)}

    for reason in OWN:
        table.row(reason, {blind("a", "b"): At(-300), only("a", "b", reason): 1}, itself)
    for reason in THERE:
        table.row(reason, {blind("a", "b"): At(-300), only("a", "b", reason): 1}, NO_ROWS)
    table.row(
        "about two targets",
        {
            blind("a", "b"): At(-300),
            only("a", "b", "beacon"): 1,
            blind("a", "c"): At(-200),
            only("a", "c", "beacon"): 1,
        },
        itself,
    )
    table.row("another target is", {blind("a", "b"): At(-300), only("a", "c", "beacon"): 1}, NO_ROWS)
    table.row("another tenant is", {blind("a", "b"): At(-300), only("c", "b", "beacon"): 1}, NO_ROWS)
    everywhere = {"sentinel:network_blind_everywhere:proof_timestamp": At(-300)}
    table.row("as everybody is", {blind("a", "b"): At(-300), only("a", "b", "roster"): 1, **everywhere}, NO_ROWS)
    table.judge()


def test_a_target_that_nobody_can_prove_is_told_with_whose_it_is_since_its_oldest_proof() -> None:
    table = Table("sentinel:network_blind_there:proof_timestamp", NETWORK)
    given: dict[str, Given] = {
        'sentinel:expected_target{target="b-jobs",target_tenant="b",owner="B"}': 1,
        'sentinel:expected_target{target="kube-system"}': 1,
    }
    there: dict[str, float | At] = {'{tenant="b",target="b-jobs"}': At(-300)}

    for reason in THERE:
        table.row(reason, {**given, blind("a", "b-jobs"): At(-300), only("a", "b-jobs", reason): 1}, there)
    for reason in OWN:
        table.row(reason, {**given, blind("a", "b-jobs"): At(-300), only("a", "b-jobs", reason): 1}, NO_ROWS)
    table.row("from two tenants", {**given, blind("a", "b-jobs"): At(-300), blind("c", "b-jobs"): At(-200)}, there)
    table.row(
        "another tenant cannot get out",
        {**given, blind("a", "b-jobs"): At(-300), only("c", "b-jobs", "beacon"): 1},
        there,
    )
    table.row(
        "it cannot get out to another target",
        {**given, blind("a", "b-jobs"): At(-300), only("a", "kube-system", "beacon"): 1},
        there,
    )
    table.row("whose is nobody's", {**given, blind("a", "kube-system"): At(-300)}, {'{target="kube-system"}': At(-300)})
    table.judge()


def test_beacons_are_missing_as_the_witness_knows_them_and_each_tenant_should_have_one() -> None:
    table = Table("sentinel:beacons_missing:count", NETWORK)

    def beacons(known: int, ready: int, tenant: str = "a", pod: str = "1") -> dict[str, Given]:
        name = f'sentinel_witness_beacons{{job="sentinel-witness",instance="{pod}",subject="{tenant}",state="%s"}}'
        return {name % "known": known, name % "registered": ready, name % "ready": ready}

    one = expected("a")
    table.row("two of three", {**one, **beacons(3, 1)}, {'{tenant="a"}': 2})
    table.row("the only one", {**one, **beacons(1, 0)}, {'{tenant="a"}': 1})
    table.row("there is none", {**one, **beacons(0, 0)}, {'{tenant="a"}': 1})
    table.row("one, and it is ready", {**one, **beacons(1, 1)}, NO_ROWS)
    table.row(
        "the next witness has not learned of all",
        {**one, **beacons(3, 2), **beacons(2, 1, pod="2")},
        {'{tenant="a"}': 1},
    )
    table.row("nor of any", {**one, **beacons(3, 3), **beacons(0, 0, pod="2")}, NO_ROWS)
    table.row("who is not expected", {**one, **beacons(3, 1, "x")}, NO_ROWS)
    table.judge()


def test_nodes_are_counted_once_each_of_tenants_that_are_there() -> None:
    table = Table("sentinel:nodes:count", NODES)

    def pod(node: str, name: str, tenant: str = "a") -> dict[str, Given]:
        return {told("sentinel_build_info", f'tenant="{tenant}",node="{node}"', name): 1}

    table.row(
        "a roll-out on one of two",
        {**alive("a"), **pod("n1", "1"), **pod("n1", "2"), **pod("n2", "3")},
        {'{tenant="a"}': 2},
    )
    table.row("of a tenant that is gone", {**alive("b"), **pod("n1", "1")}, NO_ROWS)
    table.judge()


def test_nodes_are_missing_by_the_median_of_all_tenants() -> None:
    table = Table("sentinel:nodes_missing:count", NODES)

    def nodes(**counts: int) -> dict[str, Given]:
        return {f'sentinel:nodes:count{{tenant="{tenant}"}}': count for tenant, count in counts.items()}

    table.row("on one fewer", nodes(a=2, b=3, c=3), {'{tenant="a"}': 1})
    table.row("one is on many more", nodes(a=3, b=5, c=9), {'{tenant="a"}': 2})
    table.row("all on the same", nodes(a=3, b=3, c=3), NO_ROWS)
    table.judge()
