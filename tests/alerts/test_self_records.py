"""What is recorded of our own troubles, in the situations of a night: two pods, a restart, somebody who is not expected."""

import zlib

from tests.alerts import rules
from tests.alerts.table import At, Given, Table
from tests.alerts.test_self import WANTED
from tests.deploy import chart

Series = dict[str, Given]
Recorded = dict[str, float | At]

EXPECTED: Series = {'sentinel:expected_tenant{tenant="a",owner="Payments",contact="#payments"}': 1.0}
OTHER: Series = {'sentinel:expected_tenant{tenant="b",owner="Search",contact=""}': 1.0}
A_WHILE_AGO = At(-300)
NOW = At(0)


def witnessed(rule: str) -> Table:
    return Table(rule, rules.shipped(2, witness=True))


def counted(*counts: tuple[float, float]) -> Given:
    """A counter by the seconds from which it says so; 0 before."""
    return lambda now: max(((since, count) for since, count in counts if since <= now), default=(0, 0.0))[1]


def test_an_identity_is_wrong_since_it_was_first_found_wrong_by_any_pod() -> None:
    table = witnessed("sentinel:wrong_identity:since_timestamp")
    known: Recorded = {'sentinel:wrong_identity:since_timestamp{tenant="a",identity="self"}': A_WHILE_AGO}
    wrong = 'sentinel_wrong_identity{job="sentinel",tenant="a",identity="self",instance="%s"}'
    two_pods: Series = {wrong % "old": 1.0, wrong % "new": 0.0}
    told = '{tenant="a",identity="self"}'

    table.row("found just now by the older of two pods", EXPECTED | two_pods, {told: NOW})
    table.row("known for a while", EXPECTED | two_pods | known, known)
    table.row("right again", EXPECTED | known | {wrong % "new": 0.0}, {})
    table.row("a tenant that is not expected, another one is", OTHER | two_pods | known, {})
    table.judge()


def test_the_token_that_ends_first_is_told_of_and_one_without_an_end_is_none() -> None:
    table = witnessed("SentinelTokenExpiring")
    ends = 'sentinel_token_expiry_timestamp_seconds{job="sentinel",tenant="a",identity="%s",instance="%s"}'

    two_pods: Series = {ends % ("self", "old"): At(60), ends % ("self", "new"): At(3000)}
    table.row("renewed in one pod of two", EXPECTED | two_pods, {'{tenant="a",identity="self"}': At(60)})
    table.row("90 s left", EXPECTED | {ends % ("self", "one"): At(90)}, {})
    past = {ends % ("self", "one"): 1.0, ends % ("ci", "one"): 0.0}
    table.row("ended before anybody looked, and without an end", EXPECTED | past, {'{tenant="a",identity="self"}': 1})
    table.row("a tenant that is not expected, another one is", OTHER | two_pods, {})
    table.judge()


def test_the_witness_is_expected_to_run_what_its_config_map_has() -> None:
    values = rules.VALUES | {"tenants": rules.TENANTS[:2], "witness": {"enabled": True}}
    text = chart.one(chart.render(values), "ConfigMap", "sentinel-witness")["data"]["witness.yaml"]
    table = witnessed("sentinel:expected_witness_config_hash")

    table.row("always", {}, {"{}": float(zlib.adler32(text.encode()))})
    table.judge()


DRIFT = "sentinel:config_drift:since_timestamp"
HASH = "sentinel:expected_config_hash"
RUNS_ANOTHER: Series = {
    HASH + '{tenant="a"}': 7.0,
    'sentinel_config_hash{job="sentinel",tenant="a",instance="old"}': 6.0,
    'sentinel_config_hash{job="sentinel",tenant="a",instance="new"}': 7.0,
}
REFUSED: Series = {
    'sentinel_config_last_reload_successful{job="sentinel",tenant="b",instance="old"}': 0.0,
    'sentinel_config_last_reload_successful{job="sentinel",tenant="b",instance="new"}': 1.0,
}
BOTH_SINCE: Recorded = {DRIFT + '{tenant="a"}': A_WHILE_AGO, DRIFT + '{tenant="b"}': A_WHILE_AGO}


def test_a_sentinel_drifts_by_what_it_runs_and_by_what_it_refuses_since_the_first_of_it() -> None:
    for witness in (False, True):
        table = Table(DRIFT, rules.shipped(2, witness=witness))
        drifting = EXPECTED | OTHER | RUNS_ANOTHER | REFUSED

        table.row("just now", drifting, {'{tenant="a"}': NOW, '{tenant="b"}': NOW})
        table.row("for a while", drifting | BOTH_SINCE, BOTH_SINCE)
        table.row("one that is not expected, another one is", EXPECTED | REFUSED | BOTH_SINCE, {})
        table.judge()


def test_a_config_map_drifts_when_no_witness_finds_in_it_what_was_rendered() -> None:
    table = witnessed(DRIFT)
    found = 'sentinel_witness_config_match{job="sentinel-witness",subject="%s",instance="%s"}'
    edited: Series = {found % ("a", "one"): 0.0, found % ("b", "one"): 1.0}

    table.row("edited just now", EXPECTED | OTHER | edited, {'{tenant="a"}': NOW})
    table.row("edited a while ago", EXPECTED | OTHER | edited | BOTH_SINCE, {DRIFT + '{tenant="a"}': A_WHILE_AGO})
    table.row("read again by one witness of two", EXPECTED | edited | {found % ("a", "two"): 1.0}, {})
    table.row("the same, and known", EXPECTED | BOTH_SINCE | edited | {found % ("a", "two"): 1.0}, {})
    table.row("a tenant that is not expected, another one is", OTHER | edited | BOTH_SINCE, {})
    table.judge()


def test_the_witness_drifts_by_itself_and_beside_the_tenants() -> None:
    table = witnessed(DRIFT)
    runs_another: Series = {
        "sentinel:expected_witness_config_hash": 9.0,
        'sentinel_config_hash{job="sentinel-witness",instance="old"}': 8.0,
        'sentinel_config_hash{job="sentinel-witness",instance="new"}': 9.0,
    }
    refused: Series = {'sentinel_config_last_reload_successful{job="sentinel-witness",instance="old"}': 0.0}
    known: Recorded = {DRIFT: A_WHILE_AGO}
    found = 'sentinel_witness_config_match{job="sentinel-witness",subject="%s",instance="one"}'
    edited = EXPECTED | OTHER | RUNS_ANOTHER | {found % "b": 0.0}

    table.row("another file", runs_another, {"{}": NOW})
    table.row("another file for a while", runs_another | known, known)
    table.row("a file refused", refused, {"{}": NOW})
    table.row("a file refused for a while", refused | known, known)
    everybody = {'{tenant="a"}': NOW, '{tenant="b"}': NOW, "{}": NOW}
    table.row("everybody has another file", edited | runs_another, everybody)
    table.row("everybody, the witness refused it", edited | refused, everybody)
    known |= BOTH_SINCE
    table.row("everybody for a while", edited | runs_another | known, known)
    table.row("everybody for a while, the witness refused it", edited | refused | known, known)
    table.judge()


def test_the_latest_start_is_that_of_the_newest_pod() -> None:
    begun = 'process_start_time_seconds{job="sentinel",tenant="a",instance="%s",node="n1"}'
    pods: Series = {begun % "old": At(-900), begun % "new": At(-30)}
    for kind, labels in (("Deployment", '{tenant="a"}'), ("DaemonSet", '{tenant="a",node="n1"}')):
        table = Table("sentinel:latest_start:timestamp", rules.shipped(3, witness=True, network=True, kind=kind))

        table.row("a roll-out", EXPECTED | pods, {labels: At(-30)})
        table.row("a tenant that is not expected, another one is", OTHER | pods, {})
        table.judge()


JOURNAL = "sentinel:journal_failing:lines"
BY_A, BY_WITNESS = 'job="sentinel",tenant="a"', 'job="sentinel-witness"'


def told(who: str, why: str) -> str:
    """The witness has no tenant."""
    return f'{{tenant="a",why="{why}"}}' if who == BY_A else f'{{why="{why}"}}'


def test_a_journal_is_not_written_while_any_pod_fails_or_lines_were_lost() -> None:
    table = witnessed(JOURNAL)
    for who in (BY_A, BY_WITNESS):
        fails = f'sentinel_journal_failing{{{who},instance="%s"}}'
        lost = f'sentinel_journal_lost_total{{{who},instance="%s"}}'
        gap = told(who, "not written")

        table.row("written", EXPECTED | {fails % "one": 0.0, lost % "one": counted((-3000, 4))}, {})
        table.row("one pod of two fails", EXPECTED | {fails % "old": 1.0, fails % "new": 0.0}, {gap: 1})
        table.row("a line lost", EXPECTED | {lost % "one": counted((-60, 1))}, {gap: 1})
        both = {lost % "old": counted((-60, 1)), lost % "new": counted((-60, 2))}
        table.row("lines lost by two pods", EXPECTED | both, {gap: 3})
        again = {lost % "one": counted((-290, 0), (-200, 3), (-100, 0), (-60, 1))}
        table.row("lines lost before a restart and after", EXPECTED | again, {gap: 4})
    table.judge()


def test_a_journal_is_not_anchored_when_nobody_took_a_head_for_fifteen_minutes_though_asked() -> None:
    table = witnessed(JOURNAL)
    for who in (BY_A, BY_WITNESS):
        heads = f'sentinel_journal_anchors_total{{{who},result="%s",instance="%s"}}'
        alone = told(who, "not anchored")

        refused = {heads % ("unreachable", "one"): counted((-60, 1)), heads % ("accepted", "one"): counted((-3000, 9))}
        table.row("one refused", EXPECTED | refused, {alone: 1})
        table.row("refused ten minutes ago", EXPECTED | {heads % ("refused", "one"): counted((-600, 1))}, {alone: 1})
        table.row("nobody was asked for a while", EXPECTED | {heads % ("refused", "one"): counted((-1000, 1))}, {})
        both = {heads % ("refused", "old"): counted((-600, 1)), heads % ("refused", "new"): counted((-300, 2))}
        table.row("refused of two pods", EXPECTED | both, {alone: 3})
        table.row("one taken", EXPECTED | both | {heads % ("accepted", "new"): counted((-500, 1))}, {})
        again = {heads % ("refused", "one"): counted((-890, 0), (-600, 2), (-400, 0), (-300, 1))}
        table.row("refused before a restart and after", EXPECTED | again, {alone: 3})
        taken = {heads % ("accepted", "one"): counted((-2000, 5), (-400, 0), (-100, 1))}
        table.row("the last one taken after a restart", EXPECTED | again | taken, {})
    table.judge()


def test_the_journals_of_tenants_and_of_the_witness_are_told_of_side_by_side() -> None:
    for witness in (False, True):
        table = Table(JOURNAL, rules.shipped(2, witness=witness))
        whose = (BY_A, BY_WITNESS) if witness else (BY_A,)
        failing = {f"sentinel_journal_failing{{{who}}}": 1.0 for who in whose}
        lost = {f"sentinel_journal_lost_total{{{who}}}": counted((-60, 2)) for who in whose}
        heads = {f'sentinel_journal_anchors_total{{{who},result="refused"}}': counted((-60, 2)) for who in whose}
        gaps = {told(who, "not written"): 1 for who in whose}

        table.row("none can be written", EXPECTED | failing, gaps)
        table.row("all lost lines", EXPECTED | lost, {told(who, "not written"): 2 for who in whose})
        everything = gaps | {told(who, "not anchored"): 2 for who in whose}
        table.row("everything at once", EXPECTED | failing | lost | heads, everything)
        theirs = {row: value for row, value in everything.items() if "tenant" not in row}
        table.row("a tenant that is not expected, another one is", OTHER | failing | lost | heads, theirs)
        table.judge()


def test_a_wanted_grant_counts_whatever_becomes_of_it_and_ends_with_its_last_day() -> None:
    files = rules.rendered(config={"isolation": {"allow": [WANTED | {"until": "1970-01-01"}]}})
    for rule, value in (("sentinel:expected_exception", 1), ("sentinel:expected_exception:until_timestamp", 86_400)):
        table = Table(rule, files)
        table.row("always", {}, {"{}": value})
        table.judge()


def test_types_that_nobody_asks_about_are_counted_in_the_pod_that_leaves_out_most() -> None:
    table = witnessed("sentinel:types_uncovered:count")
    new = 'sentinel_types_uncovered{job="sentinel",tenant="a",instance="%s"}'
    left_out = 'sentinel_types_left_out{job="sentinel",tenant="a",instance="%s"}'
    one: Series = {new % "old": 0.0, new % "new": 1.0, left_out % "old": 0.0, left_out % "new": 1.0}
    told = {'{tenant="a",why="new"}': 1, '{tenant="a",why="too many"}': 1}

    table.row("one of each in one pod of two", EXPECTED | one, told)
    table.row("all asked about", EXPECTED | {new % "one": 0.0, left_out % "one": 0.0}, {})
    table.row("a tenant that is not expected, another one is", OTHER | one, {})
    table.judge()
