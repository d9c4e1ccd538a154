"""What the rules about breaches record of what is said now: who is expected, who says what, what is asked at all."""

import pytest

from tests.alerts import rules
from tests.alerts.table import At, Given, Table
from tests.alerts.world import World

ALONE = rules.shipped()
HEARING = rules.shipped(gateways=True)
WITNESS = rules.shipped(witness=True)
NETWORK = rules.shipped(witness=True, network=True)
NODES = rules.shipped(witness=True, network=True, gateways=True, verified=True, kind="DaemonSet")

Wanted = dict[str, float | At]


def hole(
    tenant: str = "a", target: str = "b", check: str = "api/secrets", identity: str = "self", more: str = ""
) -> str:
    return f'{{tenant="{tenant}",target="{target}",check="{check}",identity="{identity}"{more}}}'


def shown(labels: str, pod: int = 1, what: str = "breach_since") -> str:
    """As a tenant's pod shows it."""
    return f'sentinel_{what}_timestamp_seconds{{job="sentinel",instance="10.0.0.{pod}:8080",{labels[1:]}'


def witnessed(labels: str, pod: int = 1) -> str:
    own = f'job="sentinel-witness",instance="10.0.1.{pod}:8080"'
    return f"sentinel_witness_breach_since_timestamp_seconds{{{own},{labels[1:].replace('tenant=', 'subject=', 1)}"


EXPECTED: dict[str, Given] = {
    f"sentinel:expected_{what}": 1
    for what in (
        'tenant{tenant="a"}', 'tenant{tenant="b"}', 'target{target="a"}', 'target{target="b"}',
        'pair{tenant="a",target="b"}', 'pair{tenant="b",target="a"}', 'network{check="net/tcp"}',
        'hearing{tenant="a",target="gateway/chat"}', 'hearing{tenant="witness",target="gateway/chat"}',
    )
}  # fmt: skip
HEARD = hole(target="gateway/chat", check="crosstalk")
NET = hole(check="net/tcp")


def test_all_of_the_values_are_expected_once() -> None:
    world = World(until=0, only=("breach",), witness=True, kind="DaemonSet", **rules.EVERYTHING)

    payments = 'owner="Payments",contact="#payments-oncall"'
    for found in (
        f'tenant{{tenant="team-a",{payments}}}',
        f'target{{target="team-a",target_tenant="team-a",{payments}}}',
        'target{target="*",target_tenant=""}',
        'pair{tenant="team-a",target="team-b"}',
        'hearing{tenant="team-a",target="gateway/chat"}',
        'hearing{tenant="witness",target="gateway/chat"}',
        'identity{tenant="team-a",identity="self"}',
        'identity{tenant="team-b",identity="default"}',
        'network{check="net/tcp"}',
    ):
        world.value(f"count(sentinel:expected_{found} == 1)", at=0, wanted=1)
    own = 'count(sentinel:expected_pair{tenant="team-b",target=~"team-b|team-b-jobs"}) or vector(0)'
    world.value(own, at=0, wanted=0)
    world.judge()


def test_without_a_witness_only_tenants_hear() -> None:
    world = World(until=0, only=("breach",), config={"gateways": rules.GATEWAYS})

    world.value('count(sentinel:expected_hearing{target="gateway/plain"} == 1)', at=0, wanted=5)
    world.judge()


def said_rows(table: Table, by: str = "") -> None:
    """What tenants say of each other, with and without a witness. `by`: the label that tells who says it."""

    def row(name: str, says: dict[str, Given], *wanted: str, since: float = 1) -> None:
        table.row(name, EXPECTED | says, {labels[:-1] + by + "}": since for labels in wanted})

    row("a hole since the first second", {shown(hole()): 1}, hole())
    row(
        "two pods see it and one does not",
        {shown(hole(), 1): 7, shown(hole(), 2): 5, shown(hole(), 3): 0},
        hole(),
        since=5,
    )
    row("it is shut", {shown(hole()): 0})
    row("a namespace of its own", {shown(hole("a", "a")): 1})
    row("a namespace that is not there", {shown(hole(target="nowhere")): 1})
    nobody = hole("a", "a", identity="anonymous")
    row("who has no token, in the tenant's own namespace", {shown(nobody): 1}, nobody)
    row("who has no token is shut out", {shown(nobody): 0})
    row("who has no token, in a namespace that is not there", {shown(hole(target="nowhere", identity="anonymous")): 1})
    row("a tenant that nobody expects", {shown(hole("x", "b", identity="anonymous")): 1})


def heard_rows(table: Table, by: str = "") -> None:
    def row(name: str, says: dict[str, Given], wanted: Wanted) -> None:
        table.row(name, EXPECTED | says, wanted)

    row("another's answer", {shown(HEARD): 1}, {HEARD[:-1] + by + "}": 1})
    row("its own answers", {shown(HEARD): 0}, {})
    row("a tenant that has no key there", {shown(HEARD.replace('"a"', '"b"')): 1}, {})
    row("another gateway", {shown(HEARD.replace("chat", "old")): 1}, {})
    row("a gateway is no namespace", {shown(hole(target="gateway/chat")): 1}, {})


@pytest.mark.parametrize("files", [ALONE, HEARING], ids=["alone", "gateways"])
def test_without_a_witness_it_is_open_if_a_tenant_that_could_know_says_so(files: dict[str, str]) -> None:
    table = Table("sentinel:breach_since:open", files)

    said_rows(table)
    if files is HEARING:
        heard_rows(table)
    table.judge()


@pytest.mark.parametrize("files", [WITNESS, NETWORK, NODES], ids=["witness", "network", "nodes"])
def test_with_a_witness_it_is_told_who_says_that_it_is_open(files: dict[str, str]) -> None:
    table = Table("sentinel:breach_since:told", files)
    tenant, witness = ',seen_by="tenant"', ',seen_by="witness"'

    said_rows(table, tenant)
    for identity in ("self", "anonymous"):
        made_up = {shown(hole(check="api/nonsense", identity=identity)): 1.0}
        table.row(f"a check that {identity} makes up", EXPECTED | made_up, {})
    for name, says, since in (
        ("two witnesses in a roll-out", {witnessed(hole(), 1): 7.0, witnessed(hole(), 2): 5.0}, 5),
        ("the witness, since the first second", {witnessed(hole()): 1.0}, 1),
    ):
        table.row(name, EXPECTED | says, {hole(more=witness): since})
    table.row("the witness has proven it shut", EXPECTED | {witnessed(hole()): 0}, {})
    table.row("the witness about nobody", EXPECTED | {witnessed(hole("x")): 1}, {})
    both = {shown(hole()): 9.0, witnessed(hole()): 3.0}
    table.row("both see it", EXPECTED | both, {hole(more=tenant): 9, hole(more=witness): 3})
    if files is not WITNESS:
        network_rows(table, nodes=files is NODES)
    if files is NODES:
        heard_rows(table, tenant)
        heard = HEARD.replace('"a"', '"witness"')
        table.row("the witness heard it", EXPECTED | {witnessed(heard): 1}, {heard[:-1] + witness + "}": 1})
    table.judge()


def network_rows(table: Table, *, nodes: bool) -> None:
    def says(labels: str, since: float) -> dict[str, Given]:
        latched = f'sentinel:breach_since:by_node{labels[:-1]},node="n1"}}'
        return EXPECTED | {latched if nodes else shown(labels): since}

    table.row("the network is open", says(NET, 1), {hole(check="net/tcp", more=',seen_by="tenant"'): 1})
    table.row("the network is shut", says(NET, 0), {})
    table.row("to its own namespace", says(hole("a", "a", check="net/tcp"), 1), {})
    table.row("to a namespace that is not there", says(hole(target="nowhere", check="net/tcp"), 1), {})
    table.row("a way that is not asked", says(hole(check="net/pigeon"), 1), {})


def test_with_a_witness_the_oldest_evidence_counts_whose_ever_it_is() -> None:
    table = Table("sentinel:breach_since:open", WITNESS)
    says: dict[str, Given] = {
        f'sentinel:breach_since:told{hole(more=f""",seen_by="{by}" """.strip())}': since
        for by, since in (("tenant", 7.0), ("witness", 5.0))
    }

    table.row("both", says, {hole(): 5})
    table.judge()


def test_what_is_asked_is_what_was_ever_answered() -> None:
    table = Table("sentinel:planned", ALONE)
    of = 'tenant="a",check="api/secrets",identity="self"'
    answers: dict[str, Given] = {
        f'sentinel_attempts_total{{job="sentinel",{of},answer="{answer}"}}': 7 for answer in ("denied", "silent")
    }

    table.row("two answers to one question", answers, {f"{{{of}}}": 1})
    table.judge()


@pytest.mark.parametrize(
    ("alert", "latched"),
    [
        ("SentinelIsolationBreach", f"sentinel:breach_since:latched{hole()}"),
        ("SentinelUnattributed", 'sentinel:unattributed_since:latched{tenant="a",target="b",check="net/tcp"}'),
    ],
)
def test_the_page_is_what_stands(alert: str, latched: str) -> None:
    table = Table(alert, NETWORK)

    table.row("since the first second", {latched: 1}, {latched: 1})
    table.row("closed just now", {latched: 0}, {})
    table.judge()


def test_somebody_unknown_who_answers_is_told_of_a_border_that_is_asked() -> None:
    table = Table("sentinel:unattributed_since:open", NETWORK)

    def unknown(tenant: str = "a", target: str = "b", check: str = "net/tcp", pod: int = 1) -> str:
        return shown(f'{{tenant="{tenant}",target="{target}",check="{check}"}}', pod, "unattributed_since")

    def row(name: str, says: dict[str, Given], wanted: Wanted) -> None:
        table.row(name, EXPECTED | says, wanted)

    it = '{tenant="a",target="b",check="net/tcp"}'
    row("since the first second", {unknown(): 1}, {it: 1})
    row("two pods see it and one does not", {unknown(pod=1): 7, unknown(pod=2): 5, unknown(pod=3): 0}, {it: 5})
    row("it is shut", {unknown(): 0}, {})
    row("at an address of its own", {unknown("a", "a"): 1}, {})
    row("at a namespace that is not there", {unknown(target="nowhere"): 1}, {})
    row("by a way that is not asked", {unknown(check="net/pigeon"): 1}, {})
    table.judge()


@pytest.mark.parametrize("name", ["review_only", "latent_grant"])
def test_a_finding_is_seen_if_a_pod_of_an_expected_tenant_shows_it(name: str) -> None:
    table = Table(f"sentinel:{name}:seen", ALONE)

    def finding(tenant: str = "a", pod: int = 1) -> str:
        return f'sentinel_{name}{{job="sentinel",instance="10.0.0.{pod}:8080",tenant="{tenant}",target="b"}}'

    table.row("one of two pods", EXPECTED | {finding(pod=1): 0, finding(pod=2): 1}, {'{tenant="a",target="b"}': 1})
    table.row("none", EXPECTED | {finding(): 0}, {})
    table.row("a tenant that nobody expects", EXPECTED | {finding("x"): 1}, {})
    table.judge()


@pytest.mark.parametrize("name", ["review_only", "latent_grant"])
def test_a_finding_keeps_the_moment_it_was_first_seen(name: str) -> None:
    table = Table(f"sentinel:{name}:since_timestamp", ALONE)
    seen, since = (f'sentinel:{name}:{what}{{tenant="a",target="b"}}' for what in ("seen", "since_timestamp"))

    table.row("for the first time", {seen: 1}, {'{tenant="a",target="b"}': At(0)})
    table.row("for ten minutes", {seen: 1, since: At(-600)}, {since: At(-600)})
    table.row("no more", {since: At(-600)}, {})
    table.judge()
