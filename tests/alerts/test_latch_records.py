"""What the rules about breaches remember: what stands, whose word closes it, and what no absence ever closes.

Each table is one rule; what others record is given. In the names of rows *it* is the hole of team a into team b.
"""

import pytest

from tests.alerts.table import At, Given, Table, until
from tests.alerts.test_breach_records import ALONE, HEARD, NET, NETWORK, NODES, WITNESS, hole, shown, witnessed

Wanted = dict[str, float | At]

MINUTE = 60
HOUR = 3600
SLOT = 8 * HOUR
"""Longer than the latch looks back."""
IT = hole()
NOBODY = hole("a", "a", identity="anonymous")
ON = NET[:-1] + ',node="n1"}'
UNKNOWN = '{tenant="a",target="b",check="net/tcp"}'
OTHERS = {"tenant": "c", "target": "c", "check": "net/udp", "identity": "other", "node": "n2"}


def others(labels: str, *kept: str) -> list[str]:
    """The same hole but for one label, for each that is not kept."""
    found = dict(one.split("=") for one in labels.strip("{}").split(","))
    changed = (found | {name: f'"{OTHERS[name]}"'} for name in found if name not in kept)
    return ["{" + ",".join(f"{name}={value}" for name, value in one.items()) + "}" for one in changed]


@pytest.mark.parametrize(
    ("carried", "latched", "labels"),
    [
        ("breach_since:carried", "breach_since:latched", IT),
        ("breach_since:by_node_carried", "breach_since:by_node", ON),
        ("unattributed_since:carried", "unattributed_since:latched", UNKNOWN),
    ],
)
def test_what_was_said_last_is_remembered_for_six_hours_and_a_0_ends_it(
    carried: str, latched: str, labels: str
) -> None:
    table = Table(f"sentinel:{carried}", NODES, SLOT)

    def row(name: str, said: Given, wanted: Wanted) -> None:
        table.row(name, {f"sentinel:{latched}{labels}": said}, wanted)

    stood: Wanted = {f"sentinel:{latched}{labels}": 1}
    row("it stands", 1, stood)
    row("it was closed", lambda now: 7 if now < -20 else 0 if now == -20 else None, {})
    row("it was closed, and opened again", lambda now: 7 if now < -90 else 0 if now == -90 else 1, stood)
    row("Prometheus was away for five hours", until(-5 * HOUR), stood)
    row("Prometheus was away for seven hours", until(-7 * HOUR), {})
    table.judge()


@pytest.mark.parametrize("witness", [False, True], ids=["alone", "witness"])
def test_what_stands_is_asked_about_until_a_quarter_of_an_hour_after_the_values_lost_it(witness: bool) -> None:
    table = Table("sentinel:breach_since:asked", WITNESS if witness else ALONE)
    whole: dict[str, Given] = {f"sentinel:breach_since:carried{labels}": 1 for labels in (IT, NOBODY, HEARD)}
    all_of_it: Wanted = {f"sentinel:breach_since:carried{labels}": 1 for labels in (IT, NOBODY, HEARD)}
    pair, hearing = 'pair{tenant="a",target="b"}', 'hearing{tenant="a",target="gateway/chat"}'
    tenant, target = 'tenant{tenant="a"}', 'target{target="a"}'
    oneself, anonymous = (f'identity{{tenant="a",identity="{name}"}}' for name in ("self", "anonymous"))
    needs = {pair: IT, hearing: HEARD, target: NOBODY}
    needs |= {oneself: IT, anonymous: NOBODY} if witness else {tenant: NOBODY}
    now: dict[str, Given] = {f"sentinel:expected_{name}": 1 for name in (*needs, 'target{target="b"}')}

    table.row("all of it is in the values", whole | now, all_of_it)
    for name, closed in needs.items():
        left = {labels: since for labels, since in all_of_it.items() if not labels.endswith(closed)}
        series = f"sentinel:expected_{name}"
        what = name.replace('"', "'")
        table.row(f"{what} was there 14 min ago", whole | now | {series: until(-14 * MINUTE)}, all_of_it)
        table.row(f"{what} was there 16 min ago", whole | now | {series: until(-16 * MINUTE)}, left)
        kind, _, labels = name.partition("{")
        for other in others("{" + labels):
            rest = {key: value for key, value in (whole | now).items() if key != series}
            table.row(
                f"in place of {what} {other}".replace('"', "'"), rest | {f"sentinel:expected_{kind}{other}": 1}, left
            )
    table.judge()


def carried(*labels: str, since: float = 5) -> dict[str, Given]:
    return {f"sentinel:breach_since:carried{one}": since for one in labels}


def recorded(what: str, labels: str, since: Given) -> dict[str, Given]:
    return {f"sentinel:breach_since:{what}{labels}": since}


def test_the_witness_s_0_about_this_very_hole_refutes_it() -> None:
    table = Table("sentinel:breach_since:refuted", WITNESS)
    shut: dict[str, Given] = {witnessed(IT): 0}
    stands: Wanted = {f"sentinel:breach_since:carried{IT}": 5}

    table.row("it stands", carried(IT) | shut, stands)
    table.row("it is open", recorded("open", IT, 7) | shut, {f"sentinel:breach_since:open{IT}": 7})
    table.row("the witness sees it, since the first second", carried(IT) | {witnessed(IT): 1}, {})
    table.row("the witness says nothing", carried(IT), {})
    table.row("the witness about others", carried(IT) | {witnessed(other): 0 for other in others(IT)}, {})
    table.judge()


def test_the_witness_has_looked_since_it_was_opened_if_it_said_anything_but_0() -> None:
    table = Table("sentinel:breach_since:looked", WITNESS, SLOT)
    refuted = recorded("refuted", IT, 5)
    stands: Wanted = {f"sentinel:breach_since:carried{IT}": 5}

    def looked(since: Given) -> dict[str, Given]:
        return recorded("looked", IT, since)

    def remembered(since: float) -> Wanted:
        return {f"sentinel:breach_since:looked{IT}": since}

    table.row("opened, and not refuted", recorded("open", IT, 7), {f"sentinel:breach_since:open{IT}": 7})
    table.row("opened, and refuted before", recorded("open", IT, 7) | refuted, {IT: 0})
    table.row("the same after an earlier one", recorded("open", IT, 7) | refuted | looked(until(-600, 3)), {IT: 0})
    table.row("it stands, and is not refuted", carried(IT) | looked(3), stands)
    table.row("it stands, and is refuted now", carried(IT) | refuted | looked(3), remembered(3))
    table.row("it stands, open and refuted", carried(IT) | recorded("open", IT, 7) | refuted | looked(3), remembered(3))
    table.row("never but refuted", carried(IT) | refuted | looked(0), remembered(0))
    table.row("refuted, then not", carried(IT) | refuted | looked(lambda now: 0 if now < -60 else 3), remembered(3))
    table.row("Prometheus was away for five hours", carried(IT) | refuted | looked(until(-5 * HOUR, 3)), remembered(3))
    table.row("nobody remembers for seven", carried(IT) | refuted | looked(until(-7 * HOUR, 3)), {})
    table.row("long closed", looked(3), {})
    table.judge()


def test_when_it_was_last_told_is_remembered_as_long_as_it_stands() -> None:
    table = Table("sentinel:breach_since:told_timestamp", WITNESS, SLOT)

    def told(at: Given) -> dict[str, Given]:
        return recorded("told_timestamp", IT, at)

    def last(seconds: float) -> Wanted:
        return {f"sentinel:breach_since:told_timestamp{IT}": At(seconds)}

    def rising(now: int) -> At | None:
        return At(now) if now <= -600 else None

    table.row("it is open", recorded("open", IT, 7) | carried(IT) | told(rising), {IT: At(0)})
    table.row("it was until ten minutes ago", carried(IT) | told(rising), last(-600))
    table.row(
        "Prometheus was away for five hours", carried(IT) | told(until(-5 * HOUR, At(-5 * HOUR))), last(-5 * HOUR)
    )
    table.row("nobody remembers for seven", carried(IT) | told(until(-7 * HOUR, At(-7 * HOUR))), {IT: At(0)})
    table.row("a witness is new here", carried(IT), {IT: At(0)})
    table.row("long closed", told(rising), {})
    table.judge()


PERIOD: dict[str, Given] = {
    f'sentinel_witness_period_seconds{{job="sentinel-witness",instance="10.0.1.{pod}:8080",subject="a",tier="{tier}"}}': seconds
    for pod, tier, seconds in ((1, "3", HOUR), (2, "3", HOUR / 2), (1, "2", 3 * HOUR))
}  # fmt: skip


@pytest.mark.parametrize("files", [NETWORK, NODES], ids=["pods", "nodes"])
def test_with_a_witness_only_its_proof_closes_what_is_still_asked_about(files: dict[str, str]) -> None:
    table = Table("sentinel:breach_since:closed", files)
    asked = recorded("asked", IT, 5) | recorded("asked", NET, 5) | recorded("asked", HEARD, 5)
    asked |= {'sentinel:expected_network{check="net/tcp"}': 1}
    refuted = recorded("refuted", IT, 5)

    def told(seconds: float, labels: str = IT) -> dict[str, Given]:
        return recorded("told_timestamp", labels, At(seconds))

    def row(name: str, given: dict[str, Given], *closed: str, by: str = "carried") -> None:
        table.row(name, asked | PERIOD | given, {f"sentinel:breach_since:{by}{labels}": 5 for labels in closed})

    all_of_it = carried(IT, NET, HEARD)
    row("nobody says anything", all_of_it)
    row("the witness has looked", all_of_it | refuted | recorded("looked", IT, 1), IT, by="refuted")
    row("it has looked, and says nothing now", all_of_it | recorded("looked", IT, 1) | told(-3 * HOUR))
    row("it has said nothing but 0", all_of_it | refuted | recorded("looked", IT, 0) | told(-60))
    row("... for nearly two sweeps", all_of_it | refuted | recorded("looked", IT, 0) | told(-2 * HOUR))
    row("... for two sweeps", all_of_it | refuted | recorded("looked", IT, 0) | told(-2 * HOUR - 10), IT, by="refuted")
    both = all_of_it | refuted | recorded("refuted", NOBODY, 5) | told(-3 * HOUR) | told(-3 * HOUR, NOBODY)
    row("two holes of one tenant", both, IT, NOBODY, by="refuted")
    elsewhere = hole("c", "b")
    row("a sweep of another tenant", all_of_it | recorded("refuted", elsewhere, 5) | told(-3 * HOUR, elsewhere))

    row("a tenant's 0 about the API", all_of_it | {shown(IT): 0})
    row("its 0 about the network", all_of_it | {shown(NET): 0}, NET)
    row("its 0 about what it hears", all_of_it | {shown(HEARD): 0}, HEARD)
    row("of two pods one still sees it", all_of_it | {shown(NET, 1): 0, shown(NET, 2): 7})
    row("it sees it, since the first second", all_of_it | {shown(NET): 1})
    row("another's 0", all_of_it | {shown(other): 0 for other in others(NET)})
    if files is NODES:
        shut = all_of_it | {shown(NET): 0}
        row("open from another node, since the first second", shut | recorded("by_node", ON, 1))
        row("shut from the other node as well", shut | recorded("by_node", ON, 0), NET)
        other_holes: dict[str, Given] = {f"sentinel:breach_since:by_node{other}": 1 for other in others(ON, "node")}
        row("another hole is open from there", shut | other_holes, NET)

    row("it is not asked about any more", all_of_it | carried(NOBODY), NOBODY)
    known = 'sentinel:expected_network{check="net/tcp"}'
    row("the network is not asked since 14 min", all_of_it | {known: until(-14 * MINUTE)})
    row("the network is not asked since 16 min", all_of_it | {known: until(-16 * MINUTE)}, NET)
    instead = {known: None, 'sentinel:expected_network{check="net/udp"}': 1.0}
    row("the network is asked by other ways", all_of_it | instead, NET)
    table.judge()


def test_without_a_witness_a_real_0_closes_or_that_all_is_proven_and_this_is_asked_no_more() -> None:
    table = Table("sentinel:breach_since:closed", ALONE)
    asked = recorded("asked", IT, 5)
    planned = 'sentinel:planned{tenant="a",check="api/secrets",identity="self"}'

    def row(name: str, given: dict[str, Given], *closed: str) -> None:
        table.row(
            name, {planned: 1} | asked | given, {f"sentinel:breach_since:carried{labels}": 5 for labels in closed}
        )

    def coverage(*ratios: float, tenant: str = "a") -> dict[str, Given]:
        own = f'job="sentinel",tenant="{tenant}"'
        return {f'sentinel_coverage_ratio{{{own},instance="{pod}"}}': ratio for pod, ratio in enumerate(ratios)}

    row("nobody says anything", carried(IT))
    row("a real 0", carried(IT) | {shown(IT): 0}, IT)
    row("of two pods one still sees it", carried(IT) | {shown(IT, 1): 0, shown(IT, 2): 7})
    row("it is seen since the first second", carried(IT) | {shown(IT): 1})
    row("another's 0", carried(IT) | {shown(other): 0 for other in others(IT)})
    row("the values do not ask about it", carried(IT, NOBODY), NOBODY)
    row("all is proven, and it is asked", carried(IT) | coverage(1))
    row("asked 14 min ago", carried(IT) | coverage(1) | {planned: until(-14 * MINUTE)})
    gone: dict[str, Given] = {planned: until(-16 * MINUTE)}
    row("asked 16 min ago", carried(IT) | coverage(1) | gone, IT)
    row("asked 16 min ago, by a tenant that is not there", carried(IT) | gone)
    row("a second pod has proven less", carried(IT) | coverage(1, 0.9) | gone)
    row("nothing is proven yet", carried(IT) | coverage(0) | gone)
    row("another tenant has proven all", carried(IT) | coverage(1, tenant="c") | gone)
    for other in others('{tenant="a",check="api/secrets",identity="self"}'):
        instead: dict[str, Given] = {planned: None, f"sentinel:planned{other}": 1}
        row(f"asked is {other}".replace('"', "'"), carried(IT) | coverage(1) | instead, IT)
    table.judge()


def latch_rows(table: Table, name: str, labels: str) -> None:
    """What all latches have in common. `name`: of the series that is carried; beside it there is one that is open."""
    was, now = f"sentinel:{name}carried{labels}", f"sentinel:{name}open{labels}"

    table.row("opened", {now: 7}, {now: 7})
    table.row("found anew", {was: 5, now: 7}, {was: 5})
    table.row("older evidence turns up", {was: 7, now: 5}, {now: 5})


def test_what_is_open_or_not_closed_stands_since_the_oldest_evidence() -> None:
    table = Table("sentinel:breach_since:latched", ALONE)

    latch_rows(table, "breach_since:", IT)
    table.row("nobody says anything", carried(IT), {f"sentinel:breach_since:carried{IT}": 5})
    table.row("closed", carried(IT) | recorded("closed", IT, 5), {IT: 0})
    open_still = carried(IT) | recorded("closed", IT, 5) | recorded("open", IT, 7)
    table.row("one says shut, another sees it", open_still, {f"sentinel:breach_since:carried{IT}": 5})
    table.judge()


def test_somebody_unknown_stands_until_a_proof_or_the_values_say_otherwise() -> None:
    table = Table("sentinel:unattributed_since:latched", NETWORK)
    was = f"sentinel:unattributed_since:carried{UNKNOWN}"
    pair, network = 'sentinel:expected_pair{tenant="a",target="b"}', 'sentinel:expected_network{check="net/tcp"}'

    def row(name: str, given: dict[str, Given], since: float) -> None:
        wanted: Wanted = {was if since else UNKNOWN: since}
        table.row(name, {was: 5, pair: 1, network: 1} | given, wanted)

    def says(labels: str, pod: int = 1) -> str:
        return shown(labels, pod, "unattributed_since")

    latch_rows(table, "unattributed_since:", UNKNOWN)
    row("nobody says anything", {}, 5)
    row("a real 0", {says(UNKNOWN): 0}, 0)
    row("of two pods one still sees it", {says(UNKNOWN, 1): 0, says(UNKNOWN, 2): 7}, 5)
    row("it is seen since the first second", {says(UNKNOWN): 1}, 5)
    row("another's 0", {says(other): 0 for other in others(UNKNOWN)}, 5)
    for series in (pair, network):
        what = series.replace('"', "'")
        row(f"{what} was there 14 min ago", {series: until(-14 * MINUTE)}, 5)
        row(f"{what} was there 16 min ago", {series: until(-16 * MINUTE)}, 0)
        kind, _, labels = series.partition("{")
        for other in others("{" + labels):
            row(f"in place of it {other}".replace('"', "'"), {series: None, kind + other: 1}, 0)
    table.judge()


def test_what_is_open_from_one_node_is_closed_from_there_or_when_the_node_is_gone() -> None:
    table = Table("sentinel:breach_since:by_node", NODES)
    was = f"sentinel:breach_since:by_node_carried{ON}"

    def there(node: str, tenant: str = "a") -> str:
        return f'sentinel:sentinel_on:node{{tenant="{tenant}",node="{node}"}}'

    def row(name: str, given: dict[str, Given], since: float) -> None:
        wanted: Wanted = {was if since else ON: since}
        table.row(name, {was: 5, **given}, wanted)

    latch_rows(table, "breach_since:by_node_", ON)
    row("the tenant has no sentinel anywhere, another has", {there("n1", "c"): 1}, 5)
    row("its pod was there 14 min ago", {there("n1"): until(-14 * MINUTE), there("n2"): 1}, 5)
    row("its pod was there 16 min ago", {there("n1"): until(-16 * MINUTE), there("n2"): 1}, 0)
    row("only another tenant's pod is there", {there("n1", "c"): 1, there("n2"): 1}, 0)
    row("it restarted, and says nothing yet", {there("n1"): 1}, 5)
    row("it proves it shut", {there("n1"): 1, shown(ON): 0}, 0)
    row("another's 0", {there("n1"): 1, there("n2"): 1, **{shown(other): 0 for other in others(ON)}}, 5)
    table.judge()


def test_a_node_s_word_is_that_of_its_pods() -> None:
    table = Table("sentinel:breach_since:by_node_open", NODES)

    table.row("two pods see it and one does not", {shown(ON, 1): 7, shown(ON, 2): 5, shown(ON, 3): 0}, {ON: 5})
    table.row("since the first second", {shown(ON): 1}, {ON: 1})
    table.row("it is shut", {shown(ON): 0}, {})
    table.row("what is asked of the API is the same from everywhere", {shown(IT[:-1] + ',node="n1"}'): 5}, {})
    table.judge()


def test_a_tenant_is_on_a_node_once_however_many_pods_it_has_there() -> None:
    table = Table("sentinel:sentinel_on:node", NODES)
    pods: dict[str, Given] = {
        f'sentinel_build_info{{job="sentinel",tenant="a",instance="{pod}",node="{node}"}}': 1
        for pod, node in (("1", "n1"), ("2", "n1"), ("3", "n2"))
    }

    table.row("a roll-out", pods, {'{tenant="a",node="n1"}': 1, '{tenant="a",node="n2"}': 1})
    table.judge()
