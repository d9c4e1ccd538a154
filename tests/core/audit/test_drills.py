"""Drills in a journal: told in the report, and no sign of anybody looking."""

from sentinel.core.audit.account import Accounting
from sentinel.core.audit.presence import Why
from sentinel.core.audit.verified import Standing, Verified
from sentinel.core.page import rfc3339

SINCE, UNTIL = 1_000_000.0, 1_010_000.0


def drilled(run="r1", at=SINCE + 100, **more):
    row = {
        "event": "drilled", "at": rfc3339(at + 60), "run": run, "drill": "outage", "gateway": "chat",
        "fault": {"variant": "kill"}, "verdict": "pass", "why": "w", "started": rfc3339(at), "unhealed": "",
        "failover": {"lower": 1.0, "upper": 2.0, "within": 30.0}, "injected": {"asked": 5.0, "proved": 5.1},
        "reverted": {"asked": 9.0, "proved": 9.5},
    }  # fmt: skip
    return row | more


def close(**journals):
    accounting = Accounting(SINCE, UNTIL)
    for name, rows in journals.items():
        for row in rows:
            accounting.take(name, row)
    return accounting.close({name: Verified(name, Standing.OK) for name in journals})


def process(at, turn="started"):
    return {"event": "process", "turn": turn, "by": "witness", "at": rfc3339(at)}


def test_a_drill_has_its_verdict_its_bounds_and_the_time_that_its_fault_stood():
    (drill,) = close(drills=[drilled()]).drills

    assert (drill.verdict.value, drill.lower, drill.upper) == ("pass", 1.0, 2.0)
    assert drill.stood == (SINCE + 105.0, SINCE + 109.5)


def test_one_that_broke_nothing_stood_never_and_one_not_healed_has_no_end():
    never, lasting = close(
        drills=[drilled("r1", injected=None), drilled("r2", SINCE + 200, reverted=None, unhealed="gone")]
    ).drills

    assert never.stood is None and lasting.stood == (SINCE + 205.0, None)


def test_drills_of_another_time_and_lines_that_are_none_are_left_out_and_one_told_twice_is_one():
    rows = [
        drilled("old", SINCE - 500),
        {"event": "drilled", "at": rfc3339(SINCE)},
        drilled("r2"),
        drilled("r1"),
        drilled("r1"),
    ]

    assert [one.run for one in close(one=rows, other=[drilled("r1")]).drills] == ["r2", "r1"]


def test_a_failed_drill_is_a_bad_report():
    assert close(drills=[drilled(verdict="fail")]).exit_code == 1


def test_a_journal_of_drills_alone_is_nobody_who_should_have_looked():
    witness = [process(SINCE), *({"event": "asked", "at": rfc3339(SINCE + n)} for n in range(0, 10_000, 500))]

    assert close(witness=witness, drills=[drilled()]).gaps == ()
    (gap,) = close(drills=[drilled()]).gaps
    assert (gap.why, gap.since, gap.until) == (Why.BEFORE, SINCE, UNTIL)


def test_drills_among_the_witness_s_lines_do_not_bridge_its_silence():
    rows = [process(SINCE), drilled(), drilled("r2", SINCE + 5000), {"event": "round", "at": rfc3339(UNTIL)}]

    (gap,) = close(witness=rows).gaps
    assert (gap.why, gap.since, gap.until) == (Why.SILENT, SINCE, UNTIL)
