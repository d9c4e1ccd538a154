"""The journal on a real disk, also a full one, a read-only one, and one whose writer is killed."""

import contextlib
import os
import resource
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.clients import journal_file
from sentinel.clients.journal_file import JournalFile, Row
from sentinel.core.audit.chain import Break, Fault
from tests.support import journals
from tests.support.eventually import eventually

NOON = 1795262400.0  # 2026-11-21T12:00:00Z
DAY = 86400.0
WEEK = 7 * DAY
ROOM = 1 << 20


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.jsonl"


def row(at=NOON, **what):
    return Row(at, {"event": "round", "n": 1} | what)


def names(path):
    return sorted(file.name for file in path.parent.iterdir() if not file.name.endswith(".lock"))


def append(kept, at, **what):
    """One line at this time, in a file that has the time as its own."""
    found = kept.append([row(at, **what)])
    with contextlib.suppress(FileNotFoundError):
        os.utime(kept.path, (at, at))
    return found


def test_a_new_day_is_a_new_file_and_the_chain_goes_on(path):
    kept = JournalFile(path, WEEK, ROOM)
    for at in (NOON, NOON + 60, NOON + DAY):
        append(kept, at)

    assert names(path) == ["journal.jsonl", "journal.jsonl.2026-11-21"]
    assert [len(journals.rows(file)) for file in journals.files(path)] == [3, 2]
    assert journals.followed(path).head == kept.head


def test_what_is_older_than_keep_goes_nothing_else_does_and_the_chain_says_where_it_begins(path):
    other = path.with_name("journal.jsonl.bak")
    other.write_text("mine")
    kept = JournalFile(path, 3 * DAY, ROOM)
    for day in range(10):
        append(kept, NOON + day * DAY)

    assert names(path) == [
        "journal.jsonl",
        "journal.jsonl.2026-11-27",
        "journal.jsonl.2026-11-28",
        "journal.jsonl.2026-11-29",
        "journal.jsonl.bak",
    ]
    walk = journals.followed(path)
    assert walk.first == walk.oldest == 13
    path.with_name("journal.jsonl.2026-11-27").unlink()
    found = journals.follow(path)
    assert isinstance(found, Break)
    assert (found.fault, found.expected, found.found) == (Fault.MISSING, "13", "15")


def test_a_clock_that_is_set_back_costs_no_day(path):
    kept = JournalFile(path, WEEK, ROOM)
    for at in (NOON, NOON + DAY, NOON, NOON + DAY, NOON + 2 * DAY):
        append(kept, at)

    assert len(journals.told(path)) == 5
    journals.followed(path)


def test_a_new_process_goes_on_where_the_last_one_ended(path):
    for number in range(3):
        append(JournalFile(path, WEEK, ROOM), NOON + number)
    append(JournalFile(path, WEEK, ROOM), NOON + DAY)
    append(JournalFile(path, WEEK, ROOM), NOON + DAY + 1)

    walk = journals.followed(path)
    assert walk.head is not None
    assert (walk.head.sequence, walk.cuts) == (7, 0)


def test_two_that_write_to_one_journal_write_one_chain(path):
    first, second = JournalFile(path, WEEK, ROOM), JournalFile(path, WEEK, ROOM)
    for number in range(4):
        append(first, NOON + number)
        append(second, NOON + number)

    assert len(journals.told(path)) == 8
    assert journals.followed(path).cuts == 0


def test_a_line_that_was_cut_does_not_swallow_the_next_which_says_so(path):
    append(JournalFile(path, WEEK, ROOM), NOON)
    with path.open("ab") as file:
        file.write(b'{"v":1,"seq":3,"at":')

    append(JournalFile(path, WEEK, ROOM), NOON, n=3)

    assert [found["event"] for found in journals.rows(path)] == ["file", "round", "torn", "round"]
    assert journals.followed(path).cuts == 1


def test_a_line_that_was_cut_on_the_day_before_is_accounted_for_in_that_days_file(path):
    append(JournalFile(path, WEEK, ROOM), NOON)
    with path.open("ab") as file:
        file.write(b'{"v":1,"seq":3,"at":')
    os.utime(path, (NOON, NOON))

    append(JournalFile(path, WEEK, ROOM), NOON + DAY)

    first, second = journals.files(path)
    assert [found["event"] for found in journals.rows(first)] == ["file", "round", "torn"]
    assert [found["event"] for found in journals.rows(second)] == ["file", "round"]
    assert journals.followed(path).cuts == 1


def test_a_line_that_lacks_only_its_end_is_whole(path):
    append(JournalFile(path, WEEK, ROOM), NOON)
    os.truncate(path, path.stat().st_size - 1)

    append(JournalFile(path, WEEK, ROOM), NOON, n=3)

    assert len(journals.told(path)) == 2
    assert journals.followed(path).cuts == 0


def test_a_file_of_before_there_were_chains_is_put_aside(path):
    path.write_text('{"event":"round"}\n')
    os.utime(path, (NOON, NOON))

    append(JournalFile(path, WEEK, ROOM), NOON)

    assert names(path) == ["journal.jsonl", "journal.jsonl.2026-11-21.unchained"]
    journals.followed(path)


def test_what_is_taken_away_while_it_runs_shows_without_any_anchor(path):
    kept = JournalFile(path, WEEK, ROOM)
    for number in range(4):
        append(kept, NOON + number)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]))

    append(kept, NOON + 5)

    found = journals.follow(path)
    assert isinstance(found, Break)
    assert (found.fault, found.expected, found.found) == (Fault.MISSING, "5", "6")


def test_a_day_has_an_end_and_the_next_one_says_what_was_lost(path):
    most = 1500 + journal_file.RESERVE
    kept = JournalFile(path, WEEK, most)

    found = [append(kept, NOON) for _ in range(12)]

    lost = sum(done.lost for done in found)
    assert 0 < lost < 12
    assert f"{most} bytes in a day" in found[-1].trouble
    assert path.stat().st_size <= most
    assert append(kept, NOON + DAY)[1:] == (0, "")
    assert [told["lines"] for told in journals.rows(path) if told["event"] == "lost"] == [lost]
    journals.followed(path)


@contextlib.contextmanager
def disk_with(room):
    """No file may grow beyond so many bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("room", [0, 1, 40, 170, 200])
def test_a_disk_that_fills_up_loses_what_it_must_says_so_and_goes_on_after(path, room):
    kept = JournalFile(path, WEEK, ROOM)
    append(kept, NOON)
    with disk_with(path.stat().st_size + room):
        found = [kept.append([row(n=number), row(n=number)]) for number in range(3)]
    assert all(done.trouble for done in found)
    lost = sum(done.lost for done in found)
    assert lost >= 5
    assert append(kept, NOON)[1:] == (0, "")

    assert [told["lines"] for told in journals.rows(path) if told["event"] == "lost"] == [lost]
    assert len(journals.told(path)) == 8 - lost
    assert journals.followed(path).cuts == (room > 0)


def test_a_folder_that_may_only_be_read_is_a_trouble_with_a_name(path):
    kept = JournalFile(path, WEEK, ROOM)
    path.parent.chmod(0o500)
    try:
        made = subprocess.run(
            [sys.executable, "-c", _READ_ONLY, str(path)], capture_output=True, text=True, timeout=60, check=False
        )
    finally:
        path.parent.chmod(0o700)

    assert made.stdout.strip() == "1 Permission denied", made.stderr
    assert append(kept, NOON)[1:] == (0, "")


_READ_ONLY = """
import os, sys
from pathlib import Path
from sentinel.clients.journal_file import JournalFile, Row
if os.getuid() == 0:
    os.setgroups([])
    os.setgid(65532)
    os.setuid(65532)
done = JournalFile(Path(sys.argv[1]), 1e6, 1 << 20).append([Row(0.0, {"event": "round"})])
print(done.lost, done.trouble)
"""

_WRITER = """
import itertools, sys
from pathlib import Path
from sentinel.clients.journal_file import JournalFile, Row
kept = JournalFile(Path(sys.argv[1]), 1e6, 1 << 24)
for number in itertools.count():
    kept.append([Row(1795262400.0, {"event": "round", "n": number, "text": "x" * 4000}) for _ in range(20)])
"""


def kill_in_the_middle(path):
    """A process that writes as fast as it can, ended by SIGKILL when it has written something."""
    before = path.stat().st_size if path.exists() else 0
    writer = subprocess.Popen([sys.executable, "-c", _WRITER, str(path)])
    try:
        eventually(lambda: path.stat().st_size > before + 100_000, 60)
    finally:
        writer.send_signal(signal.SIGKILL)
        writer.wait(60)


def test_a_process_that_is_killed_while_it_writes_tears_one_line_at_most_and_the_next_goes_on(path):
    for _ in range(5):
        kill_in_the_middle(path)
        journals.followed(path)

    append(JournalFile(path, WEEK, 1 << 24), NOON)
    walk = journals.followed(path)
    assert walk.cuts <= 5
    assert not walk.pieces


STEPS = st.one_of(
    st.tuples(st.just("write"), st.integers(1, 3)),
    st.tuples(st.just("day"), st.integers(1, 2)),
    st.tuples(st.just("restart"), st.just(0)),
    st.tuples(st.just("kill"), st.integers(0, 400)),
)


def cut(kept, at, left):
    """A write of which only so many bytes came to the disk before the process was killed."""
    before = kept.path.stat() if kept.path.exists() else None
    kept.append([row(at, number=-1)])
    after = kept.path.stat()
    start = before.st_size if before is not None and before.st_ino == after.st_ino else 0
    os.truncate(kept.path, min(after.st_size, start + left))


@given(st.lists(STEPS, max_size=12))
def test_law_whatever_was_written_killed_and_rotated_the_chain_holds_and_nothing_whole_is_lost(steps):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal.jsonl"
        kept, at, number = JournalFile(path, 3650 * DAY, ROOM), NOON, 0
        for what, value in [*steps, ("write", 1)]:
            match what:
                case "write":
                    assert kept.append([row(at, number=number + n) for n in range(value)]).lost == 0
                    number += value
                case "day":
                    at += value * DAY
                case "kill":
                    cut(kept, at, value)
                    kept = JournalFile(path, 3650 * DAY, ROOM)
                case "restart":
                    kept = JournalFile(path, 3650 * DAY, ROOM)
            if what in ("write", "kill"):
                os.utime(path, (at, at))

        walk = journals.followed(path)
        assert not walk.pieces
        assert [found["number"] for found in journals.told(path) if found["number"] >= 0] == [*range(number)]
