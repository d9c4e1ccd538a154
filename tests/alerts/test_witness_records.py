"""What is recorded about the witness, and of what only it can tell, each by itself: two pods, a restart, a gap, a stranger."""

from collections.abc import Mapping, Sequence

import pytest

from tests.alerts import rules
from tests.alerts.table import At, Given, Table, until
from tests.alerts.test_self_records import A_WHILE_AGO, EXPECTED, NOW, OTHER, Recorded, Series, counted, witnessed
from tests.alerts.world import World

HOUR = 3600
LONG = 15 * HOUR
PAIR: Series = {'sentinel:expected_pair{tenant="a",target="b"}': 1.0}
A_B = '{tenant="a",target="b"}'
WHOLE_ROUNDS = ("ready", "token", "whoami", "canary", "decoy", "limited", "reconnect", "unasked")
"""Reasons that spoil everything that is asked in a round."""


def remembering(rule: str) -> Table:
    """Of a rule that remembers for six hours."""
    return Table(rule, rules.shipped(2, witness=True), slot=LONG)


def witness(metric: str, labels: str = "", pod: str = "one") -> str:
    """A series of the witness's."""
    return f'{metric}{{job="sentinel-witness",instance="{pod}"{labels and ","}{labels}}}'


def test_a_period_is_what_the_witness_says_and_what_is_planned_where_it_says_nothing() -> None:
    table = witnessed("sentinel:witness_period:seconds")
    planned: Recorded = {'{tenant="a",tier="1"}': 10, '{tenant="a",tier="2"}': 120, '{tenant="a",tier="3"}': 1800}

    def period(subject: str, tier: int, pod: str = "one") -> str:
        return witness("sentinel_witness_period_seconds", f'subject="{subject}",tier="{tier}"', pod)

    table.row("nothing said yet", EXPECTED, planned)
    table.row("of others than are expected", EXPECTED | {period("b", 1): 20}, planned)
    pods: Series = {period("a", 2, "old"): 200, period("a", 2, "new"): 300}
    table.row("two pods in a roll-out", EXPECTED | pods, planned | {'{tenant="a",tier="2"}': 300})
    table.row(
        "0 is none, 1 is one", EXPECTED | {period("a", 1): 1, period("a", 2): 0}, planned | {'{tenant="a",tier="1"}': 1}
    )
    table.judge()


def test_stale_is_three_rounds_and_blind_one_and_a_half_periods_with_a_floor() -> None:
    period = 'sentinel:witness_period:seconds{tenant="a",tier="%d"}'
    stale, blind = (witnessed(f"sentinel:witness_{name}_after:seconds") for name in ("stale", "blind"))

    stale.row("short rounds", {period % 1: 10, period % 2: 120}, {'{tenant="a",tier="1"}': 60})
    stale.row("long rounds", {period % 1: 30, period % 2: 120}, {'{tenant="a",tier="1"}': 90})
    stale.judge()
    blind.row("short periods", {period % 1: 1000, period % 2: 100}, {'{tenant="a",tier="2"}': 180})
    blind.row("long periods", {period % 1: 1000, period % 2: 200}, {'{tenant="a",tier="2"}': 300})
    blind.judge()


def test_a_tenant_is_expected_since_it_was_added_whatever_prometheus_missed_meanwhile() -> None:
    table = remembering("sentinel:expected_tenant:since_timestamp")
    since = 'sentinel:expected_tenant:since_timestamp{tenant="a"}'

    table.row("added just now", EXPECTED, {'{tenant="a"}': NOW})
    table.row("added a while ago", EXPECTED | {since: A_WHILE_AGO}, {since: A_WHILE_AGO})
    table.row("five hours without rules", EXPECTED | {since: until(-5 * HOUR, At(-LONG))}, {since: At(-LONG)})
    table.row("seven hours without rules", EXPECTED | {since: until(-7 * HOUR, At(-LONG))}, {'{tenant="a"}': NOW})
    turns: Given = lambda now: At(-4 * HOUR) if now < -HOUR else At(-3 * HOUR)  # noqa: E731
    table.row("recorded by two Prometheuses by turns", EXPECTED | {since: turns}, {since: At(-3 * HOUR)})
    table.row("another one is expected", OTHER | {since: A_WHILE_AGO}, {'{tenant="b"}': NOW})
    table.judge()


def test_the_witness_is_alive_in_each_pod_until_its_third_scrape_is_missed() -> None:
    table = witnessed("sentinel:witness_alive")
    build = "sentinel_build_info"
    table.row("two pods in a roll-out", {witness(build, pod="old"): 1, witness(build, pod="new"): 1}, {"{}": 2})
    table.judge()

    world = World(until=640, tenants=1, witness=True, only=("witness",))
    world.unscraped(600, 700)
    world.value("sum(sentinel:witness_alive) or vector(0)", at=620, wanted=1)
    world.value("sum(sentinel:witness_alive) or vector(0)", at=630, wanted=0)
    world.judge()


def test_the_witness_was_last_seen_now_or_then_or_never() -> None:
    table = remembering("sentinel:witness_last_seen:timestamp")
    memory = "sentinel:witness_last_seen:timestamp"

    table.row("there", {"sentinel:witness_alive": 1, memory: At(-10)}, {"{}": NOW})
    table.row("gone for five hours", {memory: until(-5 * HOUR, At(-5 * HOUR))}, {memory: At(-5 * HOUR)})
    table.row("gone for seven hours", {memory: until(-7 * HOUR, At(-7 * HOUR))}, {"{}": 0})
    table.row("never", {}, {"{}": 0})
    table.judge()


def test_a_round_counts_from_the_last_one_or_the_start_or_when_the_tenant_was_told_of() -> None:
    table = witnessed("sentinel:witness_round:timestamp")
    alive: Series = {"sentinel:witness_alive": 1}
    rounds = witness("sentinel_witness_round_timestamp_seconds", 'subject="a"')
    start = "process_start_time_seconds"
    begun: Series = {witness(start): At(-900)}
    added = 'sentinel:expected_tenant:since_timestamp{tenant="a"}'
    known = EXPECTED | alive | {added: At(-3000)}

    table.row("rounds are finished", known | begun | {rounds: At(-7)}, {'{tenant="a"}': At(-7)})
    table.row("none is finished yet", known | begun, {'{tenant="a"}': At(-900)})
    table.row("the newer of two pods", known | {witness(start, pod="new"): At(-40)} | begun, {'{tenant="a"}': At(-40)})
    table.row("a tenant that was just added", EXPECTED | alive | begun | {added: At(-60)}, {'{tenant="a"}': At(60)})
    table.row("nobody there", EXPECTED | begun | {added: At(-3000), rounds: At(-7)}, {})
    stranger: Series = {added: At(-3000), rounds: At(-7)}
    table.row("of another than is expected", OTHER | alive | begun | stranger, {'{tenant="b"}': At(-900)})
    table.judge()


def test_a_proof_is_one_that_was_made_after_the_start_and_it_is_remembered() -> None:
    table = witnessed("sentinel:witness_proof:timestamp")
    oldest, start = "sentinel_witness_oldest_proof_timestamp_seconds", "process_start_time_seconds"
    recorded: Recorded = {f"sentinel:witness_proof:timestamp{A_B}": A_WHILE_AGO}

    def pod(begun: float, proof: float, name: str = "one", of: str = "") -> Series:
        return {
            witness(start, of, name): At(begun),
            witness(oldest, f'subject="a",target="b"{of and ","}{of}', name): At(proof),
        }

    table.row("nothing known", PAIR, {A_B: NOW})
    table.row("remembered", PAIR | recorded, recorded)
    table.row("not to be proven any more", recorded | pod(-900, -100), {})
    two = pod(-900, -100, "old") | pod(-300, -50, "new")
    table.row("two pods in a roll-out", PAIR | recorded | two, {A_B: At(-50)})
    table.row("as old as the process", PAIR | recorded | pod(-60, -60), recorded)
    table.row("4 s after it started", PAIR | recorded | pod(-60, -56), recorded)
    table.row("5 s after it started", PAIR | recorded | pod(-60, -55), recorded)
    table.row("7 s after it started", PAIR | recorded | pod(-60, -53), {A_B: At(-53)})
    after = pod(-900, -500, of='pod="x"')
    table.row(
        "a new pod has the address of the old one", PAIR | recorded | after | pod(-20, -20, of='pod="y"'), recorded
    )
    table.judge()


def test_an_outage_of_the_api_server_excuses_from_its_last_second_for_six_hours() -> None:
    table = remembering("sentinel:witness_excused:timestamp")
    memory = "sentinel:witness_excused:timestamp"

    table.row("none", {}, {"{}": 0})
    table.row("now", {'sentinel:unreachable:since_timestamp{reason="ready"}': At(-60), memory: At(-10)}, {"{}": NOW})
    table.row("the first", {"sentinel:unreachable:since_timestamp": At(-60)}, {"{}": NOW})
    lasted: Given = lambda now: At(now) if now <= -600 else At(-600)  # noqa: E731
    table.row("it ended ten minutes ago", {memory: lasted}, {memory: At(-600)})
    table.row("five hours without rules", {memory: until(-5 * HOUR, At(-5 * HOUR))}, {memory: At(-5 * HOUR)})
    table.row("seven hours without rules", {memory: until(-7 * HOUR, At(-7 * HOUR))}, {"{}": 0})
    table.judge()


def test_what_the_process_says_is_shown_and_what_is_remembered_of_what_it_does_not_speak_of() -> None:
    table = witnessed("sentinel:witness_shown:proof_timestamp")
    oldest, labels = "sentinel_witness_oldest_proof_timestamp_seconds", 'subject="a",target="b"'
    remembered: Recorded = {f"sentinel:witness_proof:timestamp{A_B}": A_WHILE_AGO}
    two: Series = {witness(oldest, labels, "old"): At(-100), witness(oldest, labels, "new"): At(-50)}

    table.row("two pods in a roll-out", PAIR | remembered | two, {A_B: At(-50)})
    table.row("nothing said", PAIR | remembered, remembered)
    table.row("not to be proven any more", {**two}, {})
    table.judge()


def told_of(*tenants: str, after: float = 300) -> Series:
    """All is well since long ago but for the proofs: target t of each is blind `after` so many seconds."""
    found: Series = {
        "sentinel:witness_alive": 1,
        "sentinel:witness_last_seen:timestamp": lambda now: None if now == -600 else At(now),
        "sentinel:witness_excused:timestamp": 0,
        'sentinel:expected_target:since_timestamp{target="t"}': At(-20_000),
    }
    for tenant in tenants:
        found[f'sentinel:expected_pair{{tenant="{tenant}",target="t"}}'] = 1
        found[f'sentinel:witness_blind_after:seconds{{tenant="{tenant}",tier="2"}}'] = after
    return found


def shown(tenant: str, seconds: float) -> Recorded:
    return {f'sentinel:witness_shown:proof_timestamp{{tenant="{tenant}",target="t"}}': At(seconds)}


def proof(tenant: str, seconds: float) -> Recorded:
    return {f'sentinel:witness_proof:timestamp{{tenant="{tenant}",target="t"}}': At(seconds)}


def lived(seconds: int) -> Series:
    """So many of the last ten minutes, most of them in the first five; and all the time before."""

    def there(now: int) -> bool:
        return now == 0 or now < -600 or -600 < now <= seconds - 610

    return {"sentinel:witness_alive": lambda now: 1 if there(now) else None}


BLIND = [
    ("sentinel:witness_blind:proof_timestamp", 300, 600),
    ("sentinel:witness_blind_soon:proof_timestamp", 240, 480),
]
"""When it is due after 300 s: of a proof, and of lives together."""


@pytest.mark.parametrize(("rule", "due", "lives"), BLIND)
def test_a_proof_is_too_old_a_second_after_it_is_due_if_the_target_is_known_long_enough(
    rule: str, due: int, lives: int
) -> None:
    table = witnessed(rule)
    late = shown("a", -due - 1)
    since = 'sentinel:expected_target:since_timestamp{target="t"}'
    excused = "sentinel:witness_excused:timestamp"
    stale = 'sentinel:witness_stale:round_timestamp{tenant="%s"}'

    table.row("a second after", told_of("a") | late, late)
    table.row("when it is due", told_of("a") | shown("a", -due), {})
    table.row("a second before", told_of("a") | shown("a", -due + 1), {})
    table.row("the target was added 7 min ago", told_of("a") | late | {since: At(-420)}, {})
    table.row("the target was added a second before", told_of("a") | late | {since: At(-421)}, late)
    table.row("an outage ended as long ago", told_of("a") | late | {excused: At(-300)}, {})
    table.row("an outage ended a second before", told_of("a") | late | {excused: At(-301)}, late)
    slow = told_of("b", after=5000) | shown("b", -9000)
    table.row("one is excused longer", slow | told_of("a") | late | {excused: At(-4000)}, late)
    table.row("nobody there", told_of("a") | late | {"sentinel:witness_alive": None}, {})
    table.row("it does not look at this tenant", told_of("a") | late | {stale % "a": At(-900)}, {})
    table.row("it does not look at another one", told_of("a") | late | {stale % "b": At(-900)}, late)
    table.judge()


@pytest.mark.parametrize(("rule", "due", "lives"), BLIND)
def test_lives_that_prove_nothing_are_blind_when_they_are_together_as_long_as_one_may_be(
    rule: str, due: int, lives: int
) -> None:
    table = witnessed(rule)
    fresh = shown("a", -10) | proof("a", -lives - 1)

    table.row("half of ten minutes", told_of("a") | fresh | lived(300), proof("a", -lives - 1))
    table.row("10 s less", told_of("a") | fresh | lived(290), {})
    just = told_of("a") | shown("a", -10) | proof("a", -lives)
    table.row("the last proof is not older", just | lived(300), {})
    slow = told_of("b", after=400) | shown("b", -10) | proof("b", -lives - 1)
    table.row("another one may be blind longer", slow | told_of("a") | fresh | lived(300), proof("a", -lives - 1))
    table.judge()


CLUSTER = 'sentinel:witness_shown:proof_timestamp{tenant="a",target="*"}'


def blind(tenant: str, target: str, how: str = "") -> Recorded:
    return {f'sentinel:witness_blind{how}:proof_timestamp{{tenant="{tenant}",target="{target}"}}': At(-400)}


def inconclusive(reason: str, *, target: str = "*", pod: str = "one") -> str:
    labels = f'subject="a",target="{target}",reason="{reason}"'
    return witness("sentinel_witness_inconclusive", labels, pod)


def test_it_is_blind_itself_when_the_cluster_scope_is_or_cannot_be_asked_for_a_reason_of_whole_rounds() -> None:
    table = witnessed("sentinel:witness_blind_itself:proof_timestamp")
    waits: Recorded = {CLUSTER: At(-200)}
    given: Series = {**waits, **blind("a", "t")}
    failing: Series = {inconclusive("token", pod="old"): 0, inconclusive("token", pod="new"): 1}

    table.row("the cluster scope is blind", {**blind("a", "*")}, blind("a", "*"))
    for reason in WHOLE_ROUNDS:
        table.row(reason, given | {inconclusive(reason): 1}, waits)
    table.row("a type that is not served", given | {inconclusive("type"): 1}, {})
    table.row("of another target", given | {inconclusive("token", target="t"): 1}, {})
    table.row("in one of two pods", given | failing, waits)
    table.row("for one reason of two", given | {inconclusive("ready"): 0, inconclusive("token"): 1}, waits)
    table.row("another one is blind", {**waits, **blind("b", "t")} | failing, {})
    both: Series = {**blind("b", "t"), CLUSTER.replace('"a"', '"b"'): At(-200)}
    table.row("both are blind, and one cannot ask", given | both | failing, waits)
    table.row("its target pages already", given | failing | blind("a", "t", "_paged"), {})
    table.row("another one's target pages already", given | failing | blind("b", "t", "_paged"), waits)
    table.row("it pages itself already", given | failing | blind("a", "*", "_paged"), waits)
    table.judge()


def test_what_pages_is_the_witness_itself_or_a_target_alone_and_goes_on_as_it_began() -> None:
    table = witnessed("sentinel:witness_blind_paged:proof_timestamp")
    itself, soon, target = blind("a", "*", "_itself"), blind("a", "*", "_soon"), blind("a", "t")
    paged = blind("a", "t", "_paged")
    other = blind("b", "*", "_itself")

    table.row("itself", {**itself}, itself)
    table.row("a target", {**target}, target)
    table.row("a target, the cluster scope is near", {**target, **soon}, {})
    table.row("it pages already, the cluster scope is near", {**target, **soon, **paged}, target)
    table.row("it paged, and is proven", {**soon, **paged}, {})
    table.row("itself, which ends what paged of a target", {**target, **itself, **soon, **paged}, itself)
    table.row("itself, for a reason", {**target, **itself}, itself)
    table.row("another one itself", {**target, **other, **blind("b", "*", "_soon")}, target | other)
    table.row("another one itself, and it paged", {**target, **soon, **paged, **other}, target | other)
    table.judge()


HOLE = {"tenant": "a", "target": "b", "check": "api/secrets", "identity": "self"}
ELSEWHERE: Sequence[dict[str, str]] = [
    HOLE | {"tenant": "c"},
    HOLE | {"target": "x"},
    HOLE | {"check": "api/exec"},
    HOLE | {"identity": "anonymous"},
]


def of(labels: dict[str, str], **more: str) -> str:
    return "{" + ",".join(f'{name}="{value}"' for name, value in (labels | more).items()) + "}"


def told(who: str, hole: dict[str, str] = HOLE) -> str:
    return f"sentinel:breach_since:told{of(hole, seen_by=who)}"


def own(hole: dict[str, str] = HOLE, pod: str = "one") -> str:
    return f"sentinel_breach_since_timestamp_seconds{of(hole, job='sentinel', instance=pod)}"


def refuted(hole: dict[str, str] = HOLE) -> str:
    return f"sentinel:breach_since:refuted{of(hole)}"


def test_who_contradicts_whom_of_what_both_ask_since_the_first_of_it() -> None:
    table = witnessed("sentinel:disagreement:since_timestamp")
    anybody, account = HOLE | {"identity": "anonymous"}, HOLE | {"identity": "ci"}
    w, t = told("witness"), told("tenant")

    def row(name: str, said: Mapping[str, Given], *disagreed: str) -> None:
        """As it begins, and when it is known."""
        given = dict(said)
        since = {
            one: one.replace("breach_since:told", "disagreement:since_timestamp") for one in given if "told" in one
        }
        table.row(name, given, {one[one.index("{") :]: NOW for one in disagreed})
        known: Recorded = dict.fromkeys(since.values(), A_WHILE_AGO)
        table.row(f"{name}, known", given | known, {since[one]: A_WHILE_AGO for one in disagreed})

    row("the witness gets in, the tenant says shut", {w: At(-60), own(): 0}, w)
    row("the same of anybody", {told("witness", anybody): At(-60), own(anybody): 0}, told("witness", anybody))
    row("one pod of two says shut", {w: At(-60), own(pod="old"): 0, own(pod="new"): At(-5)})
    row("the tenant says nothing", {w: At(-60)})
    row("the tenant says shut of all but this", {w: At(-60)} | {own(hole): 0 for hole in ELSEWHERE})
    row("as an account that only the witness asks as", {told("witness", account): At(-60), own(account): 0})
    row("the tenant got in and says shut now", {t: At(-60), own(): 0})
    row("the tenant gets in, the witness says shut", {t: At(-60), refuted(): At(-60)}, t)
    row("the same of anybody", {told("tenant", anybody): At(-60), refuted(anybody): At(-60)}, told("tenant", anybody))
    row("the witness says nothing", {t: At(-60)})
    row("the witness says shut of all but this", {t: At(-60)} | {refuted(hole): At(-60) for hole in ELSEWHERE})
    row("as an account, and the witness says shut", {told("tenant", account): At(-60), refuted(account): At(-60)})
    row("one witness of two says shut", {t: At(-60), refuted(): At(-60), w: At(-5)})
    others = {told("witness", hole): At(-5) for hole in ELSEWHERE}
    row("the witness gets in elsewhere", {t: At(-60), refuted(): At(-60)} | others, t)
    there = HOLE | {"target": "x"}
    one_each: Series = {w: At(-60), own(): 0, told("tenant", there): At(-60), refuted(there): At(-60)}
    row("each contradicts the other somewhere", one_each, w, told("tenant", there))
    table.judge()


def test_a_watch_is_broken_while_no_pod_has_one_and_for_fifteen_minutes_after_changes_it_missed() -> None:
    table = witnessed("sentinel:watch_broken:missed")
    up, missed, kind = "sentinel_watch_up", "sentinel_watch_missed_total", 'kind="RoleBinding"'

    def missing(*counts: tuple[float, float], pod: str = "one") -> Series:
        return {witness(missed, kind, pod): counted(*counts)}

    table.row("told nothing", {witness(up, kind): 0}, {'{kind="RoleBinding"}': 0})
    table.row("one pod of two is told", {witness(up, kind, "old"): 0, witness(up, kind, "new"): 1}, {})
    table.row("missed ten minutes ago", missing((-600, 1)), {'{kind="RoleBinding"}': 1})
    table.row("missed by two pods", missing((-60, 1)) | missing((-60, 2), pod="two"), {'{kind="RoleBinding"}': 3})
    table.row(
        "missed before a restart and after", missing((-600, 2), (-400, 0), (-300, 1)), {'{kind="RoleBinding"}': 3}
    )
    table.row("missed long ago", missing((-1000, 2)), {})
    table.judge()


def test_one_account_that_nobody_asks_as_is_enough_and_strangers_are_none() -> None:
    table = witnessed("SentinelAccountsUnwatched")
    unwatched = witness("sentinel_accounts_unwatched", 'subject="a"')

    table.row("one", EXPECTED | {unwatched: 1}, {'{tenant="a"}': 1})
    table.row("none", EXPECTED | {unwatched: 0}, {})
    table.row("of another than is expected", OTHER | {unwatched: 1}, {})
    table.judge()


def test_pages_are_refused_when_none_was_taken_for_three_repeats_or_the_witness_says_so() -> None:
    table = witnessed("sentinel:relay_refusing:pushes")
    pushes = 'sentinel_page_pushes_total{job="sentinel",tenant="a",result="%s",instance="%s"}'
    relay = 'subject="a",result="%s"'
    refusing = '{tenant="a"}'

    def pushed(*counts: tuple[float, float], result: str = "failed", pod: str = "one") -> Series:
        return {pushes % (result, pod): counted(*counts)}

    def relayed(*counts: tuple[float, float], result: str = "refused", pod: str = "one") -> Series:
        return {witness("sentinel_relay_alerts_total", relay % result, pod): counted(*counts)}

    one = pushed((-60, 1))
    table.row("one failed", EXPECTED | one, {refusing: 1})
    table.row("one failed long ago", EXPECTED | pushed((-150, 1)), {})
    table.row("of two pods", EXPECTED | one | pushed((-60, 2), pod="two"), {refusing: 3})
    table.row("before a restart and after", EXPECTED | pushed((-70, 2), (-50, 0), (-30, 1)), {refusing: 3})
    table.row("one taken long ago", EXPECTED | one | pushed((-150, 1), result="accepted"), {refusing: 1})
    table.row("one taken", EXPECTED | pushed((-30, 1)) | pushed((-60, 1), result="accepted"), {})
    table.row("one taken before a restart", EXPECTED | one | pushed((-70, 1), (-50, 0), result="accepted"), {})
    table.row("the witness refused one", EXPECTED | relayed((-60, 1)), {refusing: 1})
    table.row("the witness refused one long ago", EXPECTED | relayed((-150, 1)), {})
    two = relayed((-60, 1)) | relayed((-60, 2), result="throttled", pod="two")
    table.row("two witnesses refused some", EXPECTED | two, {refusing: 3})
    table.row("the witness before a restart and after", EXPECTED | relayed((-70, 2), (-50, 0), (-30, 1)), {refusing: 3})
    table.row("of another than is expected", OTHER | one | two, {})
    table.judge()


def test_a_page_is_too_slow_by_the_worse_of_two_and_unverified_by_the_later_look() -> None:
    verified = rules.shipped(2, witness=True, verified=True)
    slow, unverified = (Table(f"SentinelPaging{name}", verified) for name in ("TooSlow", "Unverified"))

    def took(seconds: float, pod: str = "one", path: str = "rule") -> Series:
        return {witness("sentinel_page_worst_case_seconds", f'alert="SentinelDown",path="{path}"', pod): seconds}

    def promised(seconds: float, pod: str = "one") -> Series:
        return {witness("sentinel_page_promise_seconds", pod=pod): seconds}

    slow.row("as promised", took(300) | promised(300), {})
    slow.row("by one path", took(301) | took(100, path="push") | promised(300), {'{alert="SentinelDown"}': 301})
    slow.row("two pods, one promises more", took(301) | promised(300) | promised(600, "new"), {})
    slow.judge()

    looked = "sentinel_page_verified_timestamp_seconds"
    unverified.row("half an hour ago", {witness(looked): At(-1800)}, {})
    unverified.row("a second more", {witness(looked): At(-1801)}, {"{}": 1801})
    unverified.row("two pods", {witness(looked): At(-1801), witness(looked, pod="new"): At(-60)}, {})
    unverified.judge()
