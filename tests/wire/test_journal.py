"""The journal on a real disk, also a full one."""

import asyncio
import contextlib
import json
import os
import resource

import pytest
from structlog.testing import capture_logs

from sentinel.core.api.gates import Light
from sentinel.core.record import Series
from sentinel.sinks import journal
from sentinel.sinks.journal import MOST_WAITING, Journal
from tests.support.breaches import SERIES, Belief, a_round, whoami

NOON = 1795262400.0  # 2026-11-21T12:00:00Z
DAY = 86400.0
WEEK = 7 * DAY


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.jsonl"


def rows(file):
    return [json.loads(line) for line in file.read_text().splitlines()]


def names(path):
    return sorted(file.name for file in path.parent.iterdir())


@contextlib.asynccontextmanager
async def written(path, keep=WEEK):
    """A journal that runs, and what it lost."""
    lost: list[int] = []
    kept = Journal(path, keep, lost=lost.append)
    task = asyncio.create_task(kept.run(), name="journal")
    try:
        yield kept, lost
        await kept.flush(5.0)
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_changes_are_noted_with_their_evidence_and_what_did_not_change_is_not(path):
    belief = Belief(proven=NOON - 10)
    async with written(path) as (kept, _):
        for record in (belief.served(NOON), belief.served(NOON + 10), belief.held(NOON + 20), belief.held(NOON + 30)):
            kept.put(record)

    opened, closed = rows(path)
    assert (opened["event"], opened["at"]) == ("opened", "2026-11-21T12:00:00.000Z")
    assert opened["question"] == "list secrets"
    assert opened["user"] == "system:serviceaccount:team-a:sentinel"
    assert opened["breach"]["closed_before"] == "2026-11-21T11:59:50.000Z"
    assert opened["breach"]["audit_id"] == "a-1"
    assert (closed["event"], closed["breach"]["ended"]) == ("closed", "2026-11-21T12:00:30.000Z")


async def test_a_round_is_noted_with_what_is_believed(path):
    shut = Series("api/exec", "self", "team-b")
    gates = (whoami("self", Light(up=True)), whoami("ci", Light(up=False)))
    async with written(path) as (kept, _):
        kept.end_round(a_round(NOON, {SERIES: NOON - 60, shut: 0.0}, gates=gates))

    (row,) = rows(path)
    assert row["event"] == "round"
    assert row["coverage"] == 1.0
    assert row["gates_down"] == ["whoami"]
    assert row["breaches"] == [
        {"check": "api/secrets", "identity": "self", "target": "team-b", "since": "2026-11-21T11:59:00.000Z"}
    ]


def append(path, at, keep=WEEK, text='{"n":1}'):
    found = journal.append(path, [(at, text)], keep)
    with contextlib.suppress(FileNotFoundError):
        os.utime(path, (at, at))
    return found


def test_a_new_day_is_a_new_file(path):
    for at in (NOON, NOON + 60, NOON + DAY):
        append(path, at)

    assert names(path) == ["journal.jsonl", "journal.jsonl.2026-11-21"]
    assert len(rows(path)) == 1
    assert len(rows(path.with_name("journal.jsonl.2026-11-21"))) == 2


def test_what_is_older_than_keep_goes_and_nothing_else_does(path):
    other = path.with_name("journal.jsonl.bak")
    other.write_text("mine")
    for day in range(10):
        append(path, NOON + day * DAY, keep=3 * DAY)

    assert names(path) == [
        "journal.jsonl",
        "journal.jsonl.2026-11-27",
        "journal.jsonl.2026-11-28",
        "journal.jsonl.2026-11-29",
        "journal.jsonl.bak",
    ]


def test_a_clock_that_is_set_back_costs_no_day(path):
    for at in (NOON, NOON + DAY, NOON, NOON + DAY, NOON + 2 * DAY):
        append(path, at)

    assert sum(len(rows(file)) for file in path.parent.iterdir()) == 5


def test_a_line_that_was_cut_does_not_swallow_the_next(path):
    path.write_text('{"n":1}\n{"n":')

    append(path, NOON, text='{"n":3}')

    assert path.read_text().splitlines() == ['{"n":1}', '{"n":', '{"n":3}']


def test_a_day_has_an_end(path, monkeypatch):
    monkeypatch.setattr(journal, "MOST_BYTES", 20)

    found = [append(path, NOON) for _ in range(4)]

    assert [lost for lost, _ in found] == [0, 0, 1, 1]
    assert "20 bytes in a day" in found[-1][1]
    assert append(path, NOON + DAY) == (0, "")


@contextlib.contextmanager
def disk_with(room):
    """No file may grow beyond so many bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_that_fills_up_loses_what_it_must_and_goes_on_after(path):
    append(path, NOON)
    with disk_with(12):
        assert append(path, NOON)[0] == 1
        assert append(path, NOON)[0] == 1
    assert append(path, NOON) == (0, "")

    lines = path.read_text().splitlines()
    assert json.loads(lines[0]) == json.loads(lines[-1]) == {"n": 1}


async def test_what_cannot_be_written_is_counted_logged_once_and_raised_never(tmp_path):
    path = tmp_path / "missing" / "journal.jsonl"
    with capture_logs() as said:
        async with written(path) as (kept, lost):
            for number in range(3):
                kept.end_round(a_round(NOON + number))
                await kept.flush(5.0)
            assert sum(lost) == 3
            path.parent.mkdir()
            kept.end_round(a_round(NOON))
            await kept.flush(5.0)

    assert [line["event"] for line in said] == ["journal not written"]
    assert len(rows(path)) == 1


async def test_when_nobody_writes_the_oldest_lines_are_lost_and_counted(path):
    lost: list[int] = []
    kept = Journal(path, WEEK, lost=lost.append)
    for number in range(MOST_WAITING + 3):
        kept.end_round(a_round(NOON + number))
    await kept.flush(5.0)

    assert sum(lost) == 3
    assert len(rows(path)) == MOST_WAITING
    assert rows(path)[0]["at"] == "2026-11-21T12:00:03.000Z"
