"""What the rules about blindness record, each by itself: who is there, what is due, since when, and whose word counts."""

import pytest

from tests.alerts import rules
from tests.alerts.table import At, Given, Table, until

HOUR = 3600
DAY = 24 * HOUR
ALONE = rules.shipped()
NETWORK = rules.shipped(witness=True, network=True)
NODES = rules.shipped(witness=True, network=True, kind="DaemonSet")
OPAQUE = rules.rendered(disclosure="opaque", witness={"enabled": True}, **rules.NETWORK)
WHOLE_ROUNDS = ("ready", "token", "whoami", "canary", "decoy", "limited", "reconnect", "unasked")
"""Reasons that spoil everything that is asked in a round."""

PAIR = 'tenant="a",target="b"'
NO_ROWS: dict[str, float | At] = {}


def told(name: str, labels: str, pod: str = "1") -> str:
    """A series as a tenant's pod shows it."""
    return f'{name}{{job="sentinel",instance="10.0.0.{pod}:8080",{labels}}}'


def expected(*tenants: str) -> dict[str, Given]:
    return {f'sentinel:expected_tenant{{tenant="{tenant}",owner="{tenant.upper()}"}}': 1 for tenant in tenants}


def alive(*tenants: str, pods: int = 1) -> dict[str, Given]:
    return {f'sentinel:alive{{tenant="{tenant}"}}': pods for tenant in tenants}


def test_a_period_is_the_median_of_what_tenants_publish_then_what_they_published_then_what_is_planned() -> None:
    table = Table("sentinel:period:seconds", ALONE, slot=15 * HOUR)
    planned: dict[str, float | At] = {'{tier="1"}': 10, '{tier="2"}': 120, '{tier="3"}': 1800}

    def period(tenant: str, pod: str = "1", tier: str = "2") -> str:
        return told("sentinel_period_seconds", f'tenant="{tenant}",tier="{tier}"', pod)

    def within(seconds: float) -> dict[str, float | At]:
        return planned | {'{tier="2"}': seconds}

    def remembered(seconds: float) -> dict[str, float | At]:
        return {name: value for name, value in planned.items() if "2" not in name} | {
            'sentinel:period:seconds{tier="2"}': seconds
        }

    memory = 'sentinel:period:seconds{tier="2"}'
    three = expected("a", "b", "c")
    table.row("nobody has published anything yet", three, planned)
    table.row("three say three things", {**three, period("a"): 100, period("b"): 120, period("c"): 900}, within(120))
    table.row("two pods in a roll-out", {**expected("a"), period("a"): 100, period("a", "2"): 200}, within(200))
    table.row(
        "who is not expected has no say",
        {**expected("a"), period("a"): 150, period("x"): 900, period("y"): 900},
        within(150),
    )
    table.row("zero is no period", {**expected("a"), period("a"): 0}, planned)
    table.row("one second is one", {**expected("a"), period("a", tier="1"): 1}, planned | {'{tier="1"}': 1})
    table.row("stretched since", {**expected("a"), period("a"): 200, memory: 150}, within(200))
    table.row(
        "all have been gone for five hours",
        {memory: lambda now: 150 if -8 * HOUR < now <= -5 * HOUR else 140 if now <= -8 * HOUR else None},
        remembered(150),
    )
    table.row(
        "it was shorter at first",
        {memory: lambda now: 100 if now < -2 * HOUR else 150 if now < -HOUR else None},
        remembered(150),
    )
    table.row("all have been gone for seven hours", {memory: until(-7 * HOUR, 150)}, planned)
    table.judge()


def test_blind_is_one_and_a_half_periods_and_three_minutes_at_least() -> None:
    table = Table("sentinel:blind_after:seconds", ALONE)
    others: dict[str, Given] = {'sentinel:period:seconds{tier="1"}': 1000, 'sentinel:period:seconds{tier="3"}': 1800}

    table.row("within 5 min", {**others, 'sentinel:period:seconds{tier="2"}': 300}, {'{tier="2"}': 450})
    table.row("within 1 min", {**others, 'sentinel:period:seconds{tier="2"}': 60}, {'{tier="2"}': 180})
    table.judge()


def test_stale_is_three_rounds_and_a_minute_at_least() -> None:
    table = Table("sentinel:stale_after:seconds", ALONE)
    others: dict[str, Given] = {'sentinel:period:seconds{tier="2"}': 1000, 'sentinel:period:seconds{tier="3"}': 1800}

    table.row("a round a minute", {**others, 'sentinel:period:seconds{tier="1"}': 60}, {'{tier="1"}': 180})
    table.row("a round in 10 s", {**others, 'sentinel:period:seconds{tier="1"}': 10}, {'{tier="1"}': 60})
    table.judge()


def test_alive_is_how_many_pods_of_an_expected_tenant_are_scraped() -> None:
    table = Table("sentinel:alive", ALONE)

    table.row(
        "two pods in a roll-out, and somebody who is not expected",
        {
            **expected("a", "b"),
            told("sentinel_build_info", 'tenant="a"'): 1,
            told("sentinel_build_info", 'tenant="a"', "2"): 1,
            told("sentinel_build_info", 'tenant="x"'): 1,
        },
        {'{tenant="a"}': 2},
    )
    table.judge()


def test_last_seen_is_now_or_then_or_never() -> None:
    table = Table("sentinel:last_seen:timestamp", ALONE, slot=15 * HOUR)
    memory = 'sentinel:last_seen:timestamp{tenant="a"}'

    table.row("there", {**expected("a"), **alive("a", pods=2), memory: At(-10)}, {'{tenant="a"}': At(0)})
    table.row("there for the first time", {**expected("a"), **alive("a")}, {'{tenant="a"}': At(0)})
    table.row(
        "gone for five hours",
        {
            **expected("a"),
            memory: lambda now: (
                At(-5 * HOUR) if -6 * HOUR < now <= -5 * HOUR else At(-9 * HOUR) if now <= -6 * HOUR else None
            ),
        },
        {memory: At(-5 * HOUR)},
    )
    table.row(
        "gone for an hour, and once before",
        {memory: lambda now: At(-5 * HOUR) if now < -4 * HOUR else At(-HOUR) if now <= -HOUR else None},
        {memory: At(-HOUR)},
    )
    table.row("gone for seven hours", {**expected("a"), memory: until(-7 * HOUR, At(-7 * HOUR))}, {'{tenant="a"}': 0})
    table.row("never seen", expected("a"), {'{tenant="a"}': 0})
    table.judge()


def test_down_is_who_is_expected_and_not_there() -> None:
    table = Table("SentinelDown", ALONE)
    seen = 'sentinel:last_seen:timestamp{tenant="%s"}'

    table.row(
        "one of two is gone",
        {**expected("a", "b"), **alive("b"), seen % "a": At(-60), seen % "b": At(0)},
        {seen % "a": At(-60)},
    )
    table.row(
        "one that is expected no more", {**expected("b"), **alive("b"), seen % "a": At(-60), seen % "b": At(0)}, NO_ROWS
    )
    table.judge()


def test_a_tenant_has_been_there_since_its_youngest_pod_began() -> None:
    table = Table("sentinel:started:timestamp", ALONE)
    start = "process_start_time_seconds"

    table.row(
        "two pods in a roll-out",
        {told(start, 'tenant="a"'): At(-900), told(start, 'tenant="a"', "2"): At(-60)},
        {'{tenant="a"}': At(-60)},
    )
    table.judge()


def test_a_round_counts_from_the_start_until_the_first_has_ended() -> None:
    table = Table("sentinel:round:timestamp", ALONE)
    start, end = (
        told(name, 'tenant="a"') for name in ("process_start_time_seconds", "sentinel_round_timestamp_seconds")
    )

    table.row("the first goes on", {**alive("a"), start: At(-40), end: 0}, {'{tenant="a"}': At(-40)})
    table.row("some have ended", {**alive("a"), start: At(-900), end: At(-7)}, {'{tenant="a"}': At(-7)})
    table.row("its scrape was a bad one", {**alive("b"), start: At(-900), end: At(-7)}, NO_ROWS)
    table.judge()


def test_stale_is_who_has_ended_no_round_for_longer_than_is_allowed() -> None:
    table = Table("sentinel:stale:round_timestamp", ALONE)
    end, allowed = 'sentinel:round:timestamp{tenant="a"}', 'sentinel:stale_after:seconds{tier="1"}'

    table.row("as long as may be", {end: At(-60), allowed: 60}, NO_ROWS)
    table.row("longer", {end: At(-61), allowed: 60}, {end: At(-61)})
    table.judge()


def test_a_reason_is_counted_once_for_each_tenant_that_cannot_ask_about_the_cluster_scope() -> None:
    table = Table("sentinel:unreachable:sentinels", ALONE)

    def says(tenant: str, reason: str, target: str = "*", pod: str = "1") -> str:
        return told("sentinel_inconclusive", f'tenant="{tenant}",target="{target}",reason="{reason}"', pod)

    for reason in WHOLE_ROUNDS:
        table.row(reason, {**alive("a"), says("a", reason): 1}, {f'{{reason="{reason}"}}': 1})
    table.row("a type that is not served", {**alive("a"), says("a", "type"): 1}, NO_ROWS)
    table.row(
        "two tenants say one thing, and one of them another",
        {**alive("a", "b"), says("a", "ready"): 1, says("b", "ready"): 1, says("b", "token"): 1},
        {'{reason="ready"}': 2, '{reason="token"}': 1},
    )
    table.row(
        "one of a tenant's two pods",
        {**alive("a"), says("a", "ready"): 1, says("a", "ready", pod="2"): 0},
        {'{reason="ready"}': 1},
    )
    table.row("about another target", {**alive("a"), says("a", "ready", "b"): 1}, NO_ROWS)
    table.row("a tenant that is gone", {**alive("b"), says("a", "ready"): 1}, NO_ROWS)
    table.judge()


def test_an_outage_is_half_of_the_sentinels_with_the_same_reason_and_its_aftermath() -> None:
    table = Table("sentinel:unreachable:seen_timestamp", ALONE)
    seen = "sentinel:unreachable:seen_timestamp"
    four: dict[str, Given] = {
        **alive("a", "b", "c", "d", pods=2),
        'sentinel:period:seconds{tier="1"}': 10,
        'sentinel:period:seconds{tier="2"}': 200,
        'sentinel:period:seconds{tier="3"}': 1800,
    }

    def say(**reasons: float) -> dict[str, Given]:
        return {f'sentinel:unreachable:sentinels{{reason="{reason}"}}': number for reason, number in reasons.items()}

    table.row("half of them", {**four, **say(ready=2, token=1)}, {"{}": At(0)})
    table.row("fewer than half", {**four, **say(ready=1, token=1)}, NO_ROWS)
    table.row("one and a half periods later", {**four, seen: At(-300)}, {seen: At(-300)})
    table.row("and after that", {**four, seen: At(-310)}, NO_ROWS)
    table.judge()


def test_an_outage_began_when_it_was_first_seen_relapses_included() -> None:
    table = Table("sentinel:unreachable:since_timestamp", ALONE)
    seen, since = "sentinel:unreachable:seen_timestamp", "sentinel:unreachable:since_timestamp"

    table.row("just now", {seen: At(0)}, {"{}": At(0)})
    table.row("a while ago", {seen: At(-100), since: At(-200)}, {since: At(-200)})
    table.row("over", {since: At(-200)}, NO_ROWS)
    table.judge()


def test_an_outage_is_unbroken_while_it_is_seen_at_each_look() -> None:
    table = Table("sentinel:unreachable:unbroken_timestamp", ALONE)
    seen, unbroken = "sentinel:unreachable:seen_timestamp", "sentinel:unreachable:unbroken_timestamp"

    table.row("just now", {seen: At(0)}, {"{}": At(0)})
    table.row("it goes on", {seen: At(0), unbroken: At(-90)}, {unbroken: At(-90)})
    table.row("not seen this time", {seen: At(-10), unbroken: At(-90)}, NO_ROWS)
    table.row("over", {unbroken: At(-90)}, NO_ROWS)
    table.judge()


def test_an_outage_is_confirmed_unbroken_for_two_minutes_or_coming_and_going_for_longer_than_one_takes() -> None:
    table = Table("sentinel:unreachable:confirmed_timestamp", ALONE)
    seen, since = "sentinel:unreachable:seen_timestamp", "sentinel:unreachable:since_timestamp"
    unbroken, confirmed = "sentinel:unreachable:unbroken_timestamp", "sentinel:unreachable:confirmed_timestamp"
    periods: dict[str, Given] = {
        'sentinel:period:seconds{tier="1"}': 10,
        'sentinel:period:seconds{tier="2"}': 200,
        'sentinel:period:seconds{tier="3"}': 1800,
    }

    table.row(
        "unbroken for two minutes", {**periods, seen: At(0), since: At(-200), unbroken: At(-120)}, {since: At(-200)}
    )
    table.row("not yet", {**periods, seen: At(0), since: At(-200), unbroken: At(-110)}, NO_ROWS)
    table.row("it comes and goes for seven minutes", {**periods, seen: At(-10), since: At(-420)}, {since: At(-420)})
    table.row("not yet seven", {**periods, seen: At(-10), since: At(-410)}, NO_ROWS)
    table.row("both", {**periods, seen: At(0), since: At(-600), unbroken: At(-300)}, {since: At(-600)})
    table.row(
        "confirmed before", {**periods, seen: At(-90), since: At(-410), confirmed: At(-300)}, {confirmed: At(-300)}
    )
    table.row("over", {**periods, confirmed: At(-300)}, NO_ROWS)
    table.judge()


@pytest.mark.parametrize("files", [ALONE, NODES, OPAQUE], ids=["one pod", "nodes", "opaque"])
def test_a_proof_is_what_a_process_has_seen_since_it_began_and_outlives_it(files: dict[str, str]) -> None:
    table = Table("sentinel:proof:timestamp", files)
    memory = f"sentinel:proof:timestamp{{{PAIR}}}"
    wanted: dict[str, Given] = {f"sentinel:expected_pair{{{PAIR}}}": 1, 'sentinel:expected_target{target="b"}': 1}

    def start(ago: float, pod: str = "1", name: str = "") -> dict[str, Given]:
        return {told("process_start_time_seconds", f'tenant="a",pod="{name}"', pod): At(-ago)}

    def oldest(ago: float, pod: str = "1", pair: str = PAIR) -> dict[str, Given]:
        return {told("sentinel_oldest_proof_timestamp_seconds", pair, pod): At(-ago)}

    table.row("proven in this life", {**wanted, **start(900), **oldest(60)}, {f"{{{PAIR}}}": At(-60)})
    table.row("and in the last", {**wanted, **start(900), **oldest(60), memory: At(-300)}, {f"{{{PAIR}}}": At(-60)})
    table.row("nothing yet", {**wanted, **start(60), **oldest(60), memory: At(-300)}, {memory: At(-300)})
    table.row("its start, measured late", {**wanted, **start(60), **oldest(55), memory: At(-300)}, {memory: At(-300)})
    table.row("hardly later", {**wanted, **start(60), **oldest(56), memory: At(-300)}, {memory: At(-300)})
    table.row("within seconds", {**wanted, **start(60), **oldest(53), memory: At(-300)}, {f"{{{PAIR}}}": At(-53)})
    table.row(
        "the next pod has proven nothing yet",
        {**wanted, **start(900), **oldest(60), **start(30, "2"), **oldest(30, "2")},
        {f"{{{PAIR}}}": At(-60)},
    )
    table.row(
        "two pods have",
        {**wanted, **start(900), **oldest(60), **start(900, "2"), **oldest(200, "2")},
        {f"{{{PAIR}}}": At(-60)},
    )
    table.row(
        "an address that another pod took over",
        {**wanted, **start(900, name="old"), **start(60, name="new"), **oldest(100), memory: At(-300)},
        {memory: At(-300)},
    )
    table.row(
        "an address that another tenant's pod had",
        {**wanted, **start(900), **oldest(60), told("process_start_time_seconds", 'tenant="c"'): At(-2000)},
        {f"{{{PAIR}}}": At(-60)},
    )
    table.row(
        "its own namespace, which nobody expects it to ask about",
        {**wanted, **start(900), **oldest(60), **oldest(20, pair='tenant="a",target="a"')},
        {f"{{{PAIR}}}": At(-60)},
    )
    table.row(
        "who is expected no more",
        {**wanted, 'sentinel:proof:timestamp{tenant="x",target="b"}': At(-60)},
        {f"{{{PAIR}}}": At(0)},
    )
    table.row("never proven counts from now on", wanted, {f"{{{PAIR}}}": At(0)})
    table.judge()


def test_of_several_pods_the_one_that_asks_began_when_it_took_the_lease() -> None:
    table = Table("sentinel:proof:timestamp", NODES)
    memory = f"sentinel:proof:timestamp{{{PAIR}}}"
    given: dict[str, Given] = {
        f"sentinel:expected_pair{{{PAIR}}}": 1,
        told("process_start_time_seconds", 'tenant="a"'): At(-900),
        memory: At(-300),
    }
    oldest, lease = (
        told("sentinel_oldest_proof_timestamp_seconds", PAIR),
        told("sentinel_lease_since_timestamp_seconds", 'tenant="a"'),
    )

    table.row("it took it a minute ago", {**given, oldest: At(-60), lease: At(-60)}, {memory: At(-300)})
    table.row("and has proven since", {**given, oldest: At(-30), lease: At(-60)}, {f"{{{PAIR}}}": At(-30)})
    table.row("it has asked all its life", {**given, oldest: At(-60), lease: 0}, {f"{{{PAIR}}}": At(-60)})
    table.judge()


@pytest.mark.parametrize("rule", ["sentinel:proof:timestamp"])
def test_where_tenants_must_not_know_each_other_their_sentinels_owe_no_proof_about_each_other(rule: str) -> None:
    table = Table(rule, OPAQUE)
    given: dict[str, Given] = {
        f"sentinel:expected_pair{{{PAIR}}}": 1,
        'sentinel:expected_target{target="b",target_tenant="b"}': 1,
        'sentinel:expected_target{target="kube-system"}': 1,
        told("process_start_time_seconds", 'tenant="a"'): At(-900),
    }

    table.row("nothing was proven", given, NO_ROWS)
    table.row("something was", {**given, told("sentinel_oldest_proof_timestamp_seconds", PAIR): At(-60)}, NO_ROWS)
    table.row("something was once", {**given, f"sentinel:proof:timestamp{{{PAIR}}}": At(-60)}, NO_ROWS)
    table.judge()


def test_a_target_is_expected_since_it_was_first_and_forgotten_when_it_is_taken_out() -> None:
    table = Table("sentinel:expected_target:since_timestamp", ALONE, slot=15 * HOUR)
    memory, target = (
        'sentinel:expected_target:since_timestamp{target="b"}',
        'sentinel:expected_target{target="b",owner="B"}',
    )
    other = 'sentinel:expected_target{target="c"}'

    table.row("just added", {target: 1}, {'{target="b"}': At(0)})
    table.row("added an hour ago", {target: 1, memory: At(-HOUR)}, {memory: At(-HOUR)})
    table.row(
        "Prometheus was away for five hours",
        {target: 1, memory: until(-5 * HOUR, At(-9 * HOUR))},
        {memory: At(-9 * HOUR)},
    )
    table.row("and for seven", {target: 1, memory: until(-7 * HOUR, At(-9 * HOUR))}, {'{target="b"}': At(0)})
    table.row(
        "taken out and added again",
        {target: 1, memory: lambda now: At(-9 * HOUR) if now < -5 * HOUR else At(-HOUR) if now >= -HOUR else None},
        {memory: At(-HOUR)},
    )
    table.row("taken out", {other: 1, memory: At(-HOUR)}, {'{target="c"}': At(0)})
    table.judge()


def lives(samples: int, at_first: int = 0, tenant: str = "a") -> dict[str, Given]:
    """Alive for the last so many scrapes, and for so many from ten minutes ago."""

    def there(now: int) -> float | None:
        return 1 if now > -10 * samples or -600 < now <= -600 + 10 * at_first or now < -610 else None

    return {f'sentinel:alive{{tenant="{tenant}"}}': there}


BLIND = [
    ("sentinel:blind:proof_timestamp", 180.0, 600.0),
    ("sentinel:blind_soon:proof_timestamp", 144.0, 480.0),
]
"""Seconds since the last proof, and of lives that proved nothing; soon: four fifths of both."""


@pytest.mark.parametrize("files", [ALONE, OPAQUE], ids=["names", "opaque"])
@pytest.mark.parametrize(("rule", "after", "lived"), BLIND)
def test_blind_is_who_could_have_proven_and_has_not(
    rule: str, after: float, lived: float, files: dict[str, str]
) -> None:
    table = Table(rule, files)
    memory = f"sentinel:proof:timestamp{{{PAIR}}}"
    due = after + 1

    def oldest(ago: float, pair: str = PAIR, pod: str = "1") -> dict[str, Given]:
        return {told("sentinel_oldest_proof_timestamp_seconds", pair, pod): At(-ago)}

    def since(ago: float, target: str = "b") -> dict[str, Given]:
        return {f'sentinel:expected_target:since_timestamp{{target="{target}"}}': At(-ago)}

    given: dict[str, Given] = {
        f"sentinel:expected_pair{{{PAIR}}}": 1,
        'sentinel:expected_target{target="b"}': 1,
        'sentinel:blind_after:seconds{tier="2"}': 180,
        'sentinel:last_seen:timestamp{tenant="a"}': At(0),
        **since(9000),
        **alive("a"),
    }

    def blind(ago: float) -> dict[str, float | At]:
        return {f"{{{PAIR}}}": At(-ago)}

    table.row("proven a while ago", {**given, **oldest(100)}, NO_ROWS)
    table.row("as long ago as may be", {**given, **oldest(after)}, NO_ROWS)
    table.row("longer ago", {**given, **oldest(due)}, blind(due))
    table.row("one of two pods has proven it", {**given, **oldest(1000), **oldest(20, pod="2")}, NO_ROWS)
    table.row(
        "its own namespace",
        {**given, **oldest(20), **since(9000, "a"), **oldest(1000, 'tenant="a",target="a"')},
        NO_ROWS,
    )
    table.row("a target that it does not speak of", {**given, memory: At(-due)}, {memory: At(-due)})
    table.row("and did lately", {**given, memory: At(-20)}, NO_ROWS)
    table.row("its own word comes first", {**given, **oldest(due), memory: At(-300)}, blind(due))

    young = {**given, **oldest(30)}
    table.row(
        "lives that were long enough", {**young, **lives(12, 13), memory: At(-lived - 10)}, {memory: At(-lived - 10)}
    )
    table.row("not for as long yet", {**young, **lives(12, 13), memory: At(-lived)}, NO_ROWS)
    table.row("nearly as long", {**young, **lives(12, 13), memory: At(-lived + 20)}, NO_ROWS)
    table.row("lives that were too short", {**young, **lives(12), memory: At(-lived - 10)}, NO_ROWS)
    table.row(
        "the long life of another",
        {
            **young,
            **lives(12),
            **alive("c"),
            'sentinel:last_seen:timestamp{tenant="c"}': At(0),
            memory: At(-lived - 10),
        },
        NO_ROWS,
    )
    table.row("both", {**given, **oldest(due), memory: At(-700)}, blind(due))
    table.row(
        "exactly long enough, where ten minutes are allowed",
        {**young, 'sentinel:blind_after:seconds{tier="2"}': 600, memory: At(-700)},
        {memory: At(-700)},
    )

    late = {**given, **oldest(due)}
    table.row("a target that was just added", {**late, **since(270)}, NO_ROWS)
    table.row("all have just heard of it", {**late, **since(300)}, NO_ROWS)
    table.row("all had their time", {**late, **since(310)}, blind(due))
    table.row("there are older targets", {**late, **since(100), **since(9000, "c")}, NO_ROWS)
    gone = {name: value for name, value in late.items() if "sentinel:alive" not in name}
    table.row("it is gone, and another is there", {**gone, **alive("c")}, NO_ROWS)
    table.row("it stands still", {**late, 'sentinel:stale:round_timestamp{tenant="a"}': At(-100)}, NO_ROWS)
    table.row("another stands still", {**late, 'sentinel:stale:round_timestamp{tenant="c"}': At(-100)}, blind(due))
    table.row("the API server is dead", {**late, "sentinel:unreachable:since_timestamp": At(-100)}, NO_ROWS)

    owned = 'tenant="a",target="t"'
    table.row(
        "another tenant's namespace",
        {
            **given,
            **oldest(20),
            f"sentinel:expected_pair{{{owned}}}": 1,
            'sentinel:expected_target{target="t",target_tenant="t"}': 1,
            **since(9000, "t"),
            **oldest(due, owned),
        },
        NO_ROWS if files is OPAQUE else {f"{{{owned}}}": At(-due)},
    )
    table.judge()


def recorded(what: str, tenant: str, target: str) -> str:
    return f'sentinel:{what}:proof_timestamp{{tenant="{tenant}",target="{target}"}}'


def test_blind_itself_is_who_cannot_ask_about_the_cluster_scope_either() -> None:
    table = Table("sentinel:blind_itself:proof_timestamp", ALONE)
    scope = 'tenant="a",target="*"'
    oldest = told("sentinel_oldest_proof_timestamp_seconds", scope)

    def says(reason: str, tenant: str = "a", pod: str = "1") -> str:
        return told("sentinel_inconclusive", f'tenant="{tenant}",target="*",reason="{reason}"', pod)

    known = {oldest: At(-150), told("sentinel_oldest_proof_timestamp_seconds", PAIR): At(-200)}
    given: dict[str, Given] = {**known, recorded("blind", "a", "b"): At(-200)}
    itself: dict[str, float | At] = {f"{{{scope}}}": At(-150)}

    table.row(
        "its last proof is too old", {recorded("blind", "a", "*"): At(-200)}, {recorded("blind", "a", "*"): At(-200)}
    )
    for reason in WHOLE_ROUNDS:
        table.row(f"it cannot be asked now, {reason}", {**given, says(reason): 1}, itself)
    table.row("a list that is slow", {**given, says("silent"): 1}, NO_ROWS)
    table.row("about another target", {**given, says("ready").replace("*", "b"): 1}, NO_ROWS)
    table.row("two reasons of which one is over", {**given, says("ready"): 1, says("token"): 0}, itself)
    table.row("one of two pods", {**given, says("ready"): 1, oldest.replace("0.1:", "0.2:"): At(-190)}, itself)
    table.row("blind about nothing", {**known, says("ready"): 1}, NO_ROWS)
    table.row("another is blind", {**known, recorded("blind", "c", "b"): At(-200), says("ready"): 1}, NO_ROWS)
    table.row("another cannot ask", {**given, says("ready", "c"): 1}, NO_ROWS)
    table.row(
        "it pages about that target already",
        {**given, says("ready"): 1, recorded("blind_paged", "a", "b"): At(-200)},
        NO_ROWS,
    )
    table.row(
        "it pages about the scope already",
        {**given, says("ready"): 1, recorded("blind_paged", "a", "*"): At(-150)},
        itself,
    )
    table.row(
        "another pages about that target",
        {**given, says("ready"): 1, recorded("blind_paged", "c", "b"): At(-200)},
        itself,
    )
    table.judge()


def test_a_page_is_about_all_targets_or_about_one_and_stays_so() -> None:
    table = Table("sentinel:blind_paged:proof_timestamp", ALONE)
    blind, soon, before = (
        recorded("blind", "a", "b"),
        recorded("blind_soon", "a", "*"),
        recorded("blind_paged", "a", "b"),
    )
    itself = recorded("blind_itself", "a", "*")
    other = recorded("blind_itself", "c", "*")

    table.row("about one", {blind: At(-200)}, {blind: At(-200)})
    table.row("about all of them", {blind: At(-200), itself: At(-200)}, {itself: At(-200)})
    table.row("about all of them soon", {blind: At(-200), soon: At(-160)}, NO_ROWS)
    table.row(
        "another soon is about all", {blind: At(-200), recorded("blind_soon", "c", "*"): At(-160)}, {blind: At(-200)}
    )
    table.row("another target soon", {blind: At(-200), recorded("blind_soon", "a", "d"): At(-160)}, {blind: At(-200)})
    table.row("another is about all", {blind: At(-200), other: At(-200)}, {blind: At(-200), other: At(-200)})
    table.row("it was about one before", {blind: At(-200), soon: At(-160), before: At(-200)}, {blind: At(-200)})
    table.row(
        "and another is about all",
        {blind: At(-200), soon: At(-160), before: At(-200), other: At(-200)},
        {blind: At(-200), other: At(-200)},
    )
    table.row("it was and now is about all", {blind: At(-200), before: At(-200), itself: At(-200)}, {itself: At(-200)})
    table.row("it is proven again", {before: At(-200)}, NO_ROWS)
    table.judge()


def test_blindness_about_the_network_alone_is_no_page_of_this_kind() -> None:
    table = Table("SentinelBlind", NETWORK)
    paged = recorded("blind_paged", "a", "b")

    table.row("the network alone", {paged: At(-200), recorded("network_blind", "a", "b"): At(-200)}, NO_ROWS)
    table.row("another target's", {paged: At(-200), recorded("network_blind", "a", "c"): At(-200)}, {paged: At(-200)})
    table.row("another tenant's", {paged: At(-200), recorded("network_blind", "c", "b"): At(-200)}, {paged: At(-200)})
    table.judge()


def test_the_share_that_was_held_is_of_what_was_decided_by_who_is_expected() -> None:
    table = Table("sentinel:held:ratio_rate1h", ALONE, slot=3 * HOUR)

    def count(verdict: str, tenant: str = "a", check: str = "api/secrets") -> str:
        return told("sentinel_verdicts_total", f'tenant="{tenant}",check="{check}",verdict="{verdict}"')

    def a_second(number: float) -> Given:
        return lambda now: number * (now + 3 * HOUR)

    def older(now: int) -> float:
        return float(min(1200, max(0, now + 3000)))

    held, breached = count("held"), count("breached")
    table.row(
        "three of four",
        {**expected("a"), held: a_second(0.375), breached: a_second(0.125), count("inconclusive"): a_second(5)},
        {'{tenant="a"}': 0.75},
    )
    table.row(
        "over two checks",
        {**expected("a"), held: a_second(1), count("held", check="api/exec"): a_second(2), breached: a_second(1)},
        {'{tenant="a"}': 0.75},
    )
    table.row("nothing in its second half", {**expected("a"), held: older, breached: older}, {'{tenant="a"}': 0.5})
    table.row("nothing was decided", {**expected("a"), held: 7, breached: 0}, NO_ROWS)
    table.row("who is not expected", {**expected("b"), held: a_second(1), breached: 0}, NO_ROWS)
    table.judge()


@pytest.mark.parametrize("files", [ALONE, NETWORK], ids=["api", "network"])
def test_coverage_is_low_when_a_process_and_its_targets_had_two_sweeps_and_no_outage(files: dict[str, str]) -> None:
    table = Table("sentinel:coverage_low:ratio", files, slot=2 * HOUR)
    coverage = told("sentinel_coverage_ratio", 'tenant="a"')
    began, target = 'sentinel:started:timestamp{tenant="a"}', 'sentinel:expected_target:since_timestamp{target="%s"}'
    given: dict[str, Given] = {
        **alive("a"),
        coverage: 0.9,
        began: At(-9000),
        target % "b": At(-9000),
        'sentinel:period:seconds{tier="1"}': 10,
        'sentinel:period:seconds{tier="2"}': 120,
        'sentinel:period:seconds{tier="3"}': 1800,
    }
    low: dict[str, float | At] = {'{tenant="a"}': 0.9}

    table.row("for long", given, low)
    table.row("high enough", {**given, coverage: 0.99}, NO_ROWS)
    table.row("one of two pods covers all", {**given, coverage.replace("0.1:", "0.2:"): 1}, NO_ROWS)
    table.row(
        "it is gone, and another is there",
        {**{n: v for n, v in given.items() if "alive" not in n}, **alive("c")},
        NO_ROWS,
    )
    table.row("a process in its second sweep", {**given, began: At(-3600)}, NO_ROWS)
    old = 'sentinel:started:timestamp{tenant="c"}'
    table.row("and another that had its time", {**given, began: At(-3600), old: At(-9000)}, NO_ROWS)
    table.row("and after it", {**given, began: At(-3610)}, low)
    table.row("a target in its second sweep", {**given, target % "c": At(-3600)}, NO_ROWS)
    table.row("and after the target's", {**given, target % "c": At(-3610)}, low)
    table.row(
        "an outage within a sweep", {**given, "sentinel:unreachable:since_timestamp": until(-1500, At(-6000))}, NO_ROWS
    )
    table.row("an outage before", {**given, "sentinel:unreachable:since_timestamp": until(-2000, At(-6000))}, low)
    network = NO_ROWS if files is NETWORK else low
    reason = 'sentinel:network_only:reason{tenant="%s",target="%s",reason="%s"}'
    table.row("the network's border", {**given, reason % ("a", "b", "live"): 1}, network)
    table.row("another's border", {**given, reason % ("c", "b", "live"): 1}, low)
    for around in ("resolver", "way"):
        table.row(f"what surrounds it, {around}", {**given, reason % ("a", "b", around): 1}, low)
    table.row("the whole cluster", {**given, reason % ("a", "*", "live"): 1}, low)
    table.judge()


def test_incomplete_reviews_are_counted_by_target() -> None:
    table = Table("SentinelTripwireIncomplete", ALONE)

    def cut(target: str, tenant: str = "a", pod: str = "1") -> str:
        return told("sentinel_tripwire_incomplete", f'tenant="{tenant}",target="{target}"', pod)

    table.row("two of three", {**alive("a"), cut("b"): 1, cut("c"): 1, cut("d"): 0}, {'{tenant="a"}': 2})
    table.row("seen by one pod of two", {**alive("a"), cut("b"): 1, cut("b", pod="2"): 0}, {'{tenant="a"}': 1})
    table.row("none", {**alive("a"), cut("b"): 0}, NO_ROWS)
    table.row("of a tenant that is gone", {**alive("c"), cut("b"): 1}, NO_ROWS)
    table.judge()
