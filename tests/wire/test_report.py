"""The report of a month that was written by hand: every figure is known; and whatever is done to it is found."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sentinel.core.audit import anchors as anchors_
from sentinel.core.audit.chain import Fault
from sentinel.core.audit.pairs import State
from sentinel.core.audit.rows import episode_row
from sentinel.core.gateway.course import Course, Trace
from sentinel.core.gateway.failover import Bounds, Episode, Verdict
from sentinel.core.gateway.outcome import Outcome
from sentinel.core.page import rfc3339
from sentinel.reports import evidence, verification
from sentinel.tools import auditing
from sentinel.web import evidence as web_evidence
from tests.support.months import BEGIN, DAY, Month

HOUR = 3600.0
END = BEGIN + 30 * DAY
TARGETS = ("team-b", "kube-system", "*")


def a_month(path: Path) -> Month:
    """Thirty days of one tenant, by the witness.

    Day 3: a hole of an hour into team-b, two questions, paged after 20 s. Day 5: 30 min blind about kube-system.
    Day 10: stopped for two hours. Day 20: killed, and back after half an hour. Two outages of a gateway.
    """
    month = Month(path, "witness")
    month.start(BEGIN)
    hole, blind, stop, kill = BEGIN + 3 * DAY, BEGIN + 5 * DAY, BEGIN + 10 * DAY, BEGIN + 20 * DAY
    all_well: dict[str, Any] = {"tenant": "team-a", "targets": TARGETS}
    month.rounds(BEGIN + 300, hole, **all_well)
    month.turn(hole, "opened", "team-a", "team-b", "list secrets", since=hole, closed_before=hole - 12, cause="rb/leak")
    month.turn(hole + 5, "opened", "team-a", "team-b", "get secrets", since=hole + 5, closed_before=hole - 30)
    month.say(
        hole + 20, event="paged", alert="SentinelIsolationBreach", tenant="team-a", check="api/secrets",
        identity="self", target="team-b", since=rfc3339(hole), seconds=20.0,
    )  # fmt: skip
    month.rounds(hole, hole + HOUR, **all_well, open_=("team-b",), unwatched=2)
    month.turn(hole + HOUR - 10, "closed", "team-a", "team-b", "get secrets", ended=hole + HOUR - 10)
    month.turn(hole + HOUR, "closed", "team-a", "team-b", "list secrets", ended=hole + HOUR)
    month.rounds(hole + HOUR, blind, **all_well, unwatched=2)
    month.rounds(blind, blind + HOUR / 2, **all_well, blind={"kube-system": ["door", "silent"]})
    month.rounds(blind + HOUR / 2, stop, **all_well)
    month.stop(stop)
    month.start(stop + 2 * HOUR)
    month.rounds(stop + 2 * HOUR + 300, kill, **all_well)
    month.start(kill + HOUR / 2)
    month.rounds(kill + HOUR / 2 + 300, END, **all_well, uncovered=["widgets.example.com"])
    for at, verdict, bounds in ((7, Verdict.PASS, Bounds(3.1, 8.4)), (8, Verdict.VIOLATION, Bounds(31.0, 44.5))):
        began = BEGIN + at * DAY
        # The last good answer ended 1.5 s before the first bad one began, which ended after 0.4 s.
        ended, last_bad = bounds.upper - 1.5, bounds.lower + 0.4
        probes = (
            Trace(-2.0, -1.5, Outcome.SERVED_PRIMARY, "openai"), Trace(0.0, 0.4, Outcome.STRUCTURED_ERROR, ""),
            Trace(last_bad, last_bad + 0.4, Outcome.STRUCTURED_ERROR, ""),
            Trace(ended - 1.0, ended, Outcome.FAILED_OVER, "backup"),
        )  # fmt: skip
        episode = Episode(verdict, "openai", "backup", 0.0, ended, bounds, bounds, ended, bad=2)
        seen = Course("chat", began, 30.0, episode, verdict is Verdict.VIOLATION, probes)
        month.say(began + 60, **episode_row(seen))
    month.rows.sort(key=lambda row: row[0])
    return month


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("month")
    month = a_month(folder / "journal.jsonl")
    month.write()
    return folder, month


@pytest.fixture(scope="module")
def seen(written):
    return auditing.account(auditing.find([written[0]]), BEGIN, END, auditing.gather(""), "prod-eu1")


def test_each_pairs_time_is_what_the_hand_has_counted(seen):
    found = {pair.target: pair for pair in seen.pairs}

    # Nobody: 5 min after each of three starts, 2 h stopped, and from the last line before the kill until the start.
    nobody = 3 * 300 + 2 * HOUR + HOUR / 2 + 300
    # The very last line is 5 min old at the end.
    whole = 30 * DAY - nobody - 300
    assert {target: pair.open for target, pair in found.items()} == {"team-b": HOUR, "kube-system": 0, "*": 0}
    assert {target: pair.unproven for target, pair in found.items()} == {"team-b": 0, "kube-system": HOUR / 2, "*": 0}
    assert found["*"].held == pytest.approx(whole)
    assert found["team-b"].held == pytest.approx(whole - HOUR)
    assert found["kube-system"].held == pytest.approx(whole - HOUR / 2)
    assert all(pair.last is State.HELD for pair in seen.pairs)


def test_denials_questions_and_what_was_in_the_way_are_summed(seen):
    # A line every 5 min of 30 days, without the stops: 2 h 5 min, 35 min and 5 min.
    lines = (30 * DAY - 2 * HOUR - 300 - HOUR / 2 - 300 - 300) / 300
    assert seen.requests == 100 * lines
    assert seen.proofs == 3 * 10 * lines - 10 * 12 - 10 * 6
    assert [(blind.target, blind.reason, blind.seconds, blind.times) for blind in seen.blinds] == [
        ("kube-system", "door", HOUR / 2, 1),
        ("kube-system", "silent", HOUR / 2, 1),
    ]


def test_a_hole_is_one_incident_with_the_times_to_detect_and_to_page(seen):
    (one,) = seen.incidents

    assert (one.subject.target, one.questions, one.cause) == ("team-b", 2, "rb/leak")
    assert (one.to_detect, one.to_page) == (12.0, 20.0)
    assert (one.ended or 0) - one.since == HOUR
    assert one.ending == "closed"


def test_gaps_have_their_reasons_and_outages_their_bounds(seen):
    assert [(gap.why.value, gap.seconds) for gap in seen.gaps] == [
        ("stopped", 2 * HOUR),
        ("ended without a word", HOUR / 2 + 300),
    ]
    assert [(one.verdict, one.course.episode.stable) for one in seen.outages] == [
        (Verdict.PASS, Bounds(3.1, 8.4)),
        (Verdict.VIOLATION, Bounds(31.0, 44.5)),
    ]
    assert [(row.what, row.which, row.last) for row in seen.uncovered] == [
        ("uncovered", ("widgets.example.com",), True),
        ("unwatched", ("2",), False),
    ]


def test_a_part_of_the_time_has_only_what_was_in_it(written):
    begin = BEGIN + 3 * DAY + HOUR / 2
    part = auditing.account(auditing.find([written[0]]), begin, begin + HOUR, auditing.gather(""))

    found = {pair.target: (pair.held, pair.open) for pair in part.pairs}
    assert found == {"team-b": (HOUR / 2, HOUR / 2), "kube-system": (HOUR, 0.0), "*": (HOUR, 0.0)}
    assert len(part.incidents) == 1
    assert not part.outages


def test_what_another_process_proved_is_not_proven_by_this_one(tmp_path):
    month = Month(tmp_path / "journal.jsonl", "witness")
    month.start(BEGIN + HOUR)
    for minute, proof in ((5, -5.0), (10, 7.0), (15, 12.0)):
        at = month.started + 60 * minute
        proofs = {"team-b": rfc3339(month.started + 60 * proof)}
        month.say(at, event="round", tenant="team-a", questions=1, proofs={}, oldest_proof=proofs, breaches=[])
    month.write()

    found = auditing.account(auditing.find([tmp_path]), BEGIN + HOUR, BEGIN + 2 * HOUR, auditing.gather(""))

    (pair,), (blind,) = found.pairs, found.blinds
    assert (pair.unproven, pair.held) == (300.0, 300.0)
    assert (blind.reason, blind.seconds) == ("unproven", 300.0)


def test_what_the_tenant_and_the_witness_saw_at_the_same_time_is_one_incident(tmp_path):
    for name in ("witness", "team-a"):
        folder = tmp_path / name
        folder.mkdir()
        month = Month(folder / "journal.jsonl", name)
        month.start(BEGIN)
        late = 3.0 if name == "witness" else 0.0
        month.turn(BEGIN + 60 + late, "opened", "team-a", "team-b", "list secrets", since=BEGIN + 60 + late)
        month.turn(BEGIN + 90, "closed", "team-a", "team-b", "list secrets", ended=BEGIN + 90)
        month.write()

    found = auditing.account(auditing.find([tmp_path]), BEGIN, BEGIN + HOUR, auditing.gather(""))

    (one,) = found.incidents
    assert one.seen_by == ("team-a/journal.jsonl", "witness/journal.jsonl")
    assert one.since == BEGIN + 60


def test_all_forms_say_the_same_figures(seen):
    text, page, doc = evidence.markdown(seen), web_evidence.page(seen), evidence.as_json(seen)

    assert doc["breaches"][0]["to_page_seconds"] == 20.0
    assert doc["proofs"] == seen.proofs
    for form in (text, page):
        assert f"{seen.proofs:,} denials were proven" in form
        assert "1 breach and 1 outage of a gateway beyond the promise" in form
        assert "31.0 to 44.5 s" in form
        assert "widgets.example.com" in form
    assert json.dumps(doc)


def test_the_page_brings_no_script_and_nothing_from_elsewhere(seen):
    page = web_evidence.page(seen)

    assert "<svg" in page
    page = page.replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert not re.search(r"<script|https?://|@import|url\(|<link|<img|<iframe| on[a-z]+=", page)
    assert "prefers-color-scheme: dark" in page


def test_what_a_cluster_calls_its_things_is_text_in_every_form(tmp_path):
    month = Month(tmp_path / "journal.jsonl", "witness")
    month.start(BEGIN)
    evil = "<script>alert(1)</script>|`x`"
    month.turn(BEGIN + 60, "opened", "team-a", "team-b", "list secrets", since=BEGIN + 60, cause=evil)
    month.write()
    found = auditing.account(auditing.find([tmp_path]), BEGIN, BEGIN + HOUR, auditing.gather(""))

    page, text = web_evidence.page(found), evidence.markdown(found)
    assert "<script>" not in page
    assert "<script>" not in text
    row = next(line for line in text.splitlines() if "alert(1)" in line)
    assert len(re.findall(r"(?<!\\)\|", row)) == 11


def cli(*args: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", "from sentinel.cli import main; main()", "report", *map(str, args)],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def test_the_command_writes_evidence_and_says_by_its_exit_code_that_there_was_a_breach(written):
    done = cli("--journal", written[0], "--since", rfc3339(BEGIN), "--until", rfc3339(END), "-o", "json")

    assert done.returncode == 1, done.stderr
    assert json.loads(done.stdout)["breaches"][0]["target"] == "team-b"


def test_what_is_not_there_is_a_wrong_usage_and_a_time_without_lines_is_no_proof(written, tmp_path):
    assert cli("--journal", tmp_path / "none").returncode == 2
    assert cli("--journal", written[0], "--since", "yesterday").returncode == 2
    later = cli("--journal", written[0], "--since", rfc3339(END + DAY), "--until", rfc3339(END + 2 * DAY))
    assert (later.returncode, "That is no proof" in later.stdout) == (3, True)


def heads(month: Month, *places: int) -> str:
    """Log lines as `kubectl logs` shows them, of these lines of the chain."""
    lines = [
        line for file in sorted(month.path.parent.iterdir(), key=_order) for line in file.read_bytes().splitlines()
    ]
    found = []
    for place in places:
        row = json.loads(lines[place - 1])
        told = {"event": "journal.head", "chain": month.head.chain, "sequence": row["seq"], "hash": row["hash"]}
        found.append(json.dumps({"timestamp": row["at"], "level": "info", **told}))
    return "noise\n" + "\n".join(found) + "\n"


def _order(file: Path) -> tuple[bool, str]:
    return file.name == "journal.jsonl", file.name


def small(folder: Path, rounds: int = 20, **more) -> Month:
    """Two days of a few lines."""
    month = Month(folder / "journal.jsonl", "witness", **more)
    month.start(BEGIN)
    for day in (0, 1):
        month.rounds(BEGIN + day * DAY + 300, BEGIN + day * DAY + 300 * (rounds + 1), "team-a", ("team-b",))
    month.write()
    return month


def verified(folder: Path, anchors: str = ""):
    told = anchors_.gather(anchors.splitlines())
    return verification.verification(auditing.verify(auditing.find([folder]), told), told)


def test_a_whole_journal_is_ok_up_to_its_head_and_says_since_when_nobody_vouches_for_it(tmp_path):
    month = small(tmp_path)

    alone, told = verified(tmp_path), verified(tmp_path, heads(month, 5, 30))

    assert alone.exit_code == told.exit_code == 0
    assert "ok, lines 1 to 43" in verification.text(alone)
    assert "unanchored since 2026-11-01T00:00:00.000Z" in verification.text(alone)
    assert "anchored up to line 30" in verification.text(told)
    assert "13 lines since are unanchored" in verification.text(told)


def edit(folder: Path, change) -> None:
    """What somebody does to the first day's file, line by line."""
    file = folder / "journal.jsonl.2026-11-01"
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(change(lines)))


@pytest.mark.parametrize(
    ("what", "change", "fault", "place"),
    [
        ("edited", lambda s: [*s[:4], s[4].replace(b'"proofs":{"team-b":10}', b'"proofs":{"team-b":99}'), *s[5:]],
         Fault.CHANGED, ("journal.jsonl.2026-11-01", 5)),
        ("removed", lambda s: [*s[:4], *s[5:]], Fault.MISSING, ("journal.jsonl.2026-11-01", 5)),
        ("reordered", lambda s: [*s[:4], s[5], s[4], *s[6:]], Fault.MISSING, ("journal.jsonl.2026-11-01", 5)),
        ("put in", lambda s: [*s[:4], b'{"event":"round"}\n', *s[4:]], Fault.FOREIGN, ("journal.jsonl.2026-11-01", 5)),
        ("the day's end", lambda s: s[:-3], Fault.MISSING, ("journal.jsonl", 1)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_what_is_done_to_a_line_is_found_with_its_place(tmp_path, what, change, fault, place):
    small(tmp_path)

    edit(tmp_path, change)

    seen = verified(tmp_path)
    (one,) = seen.journals
    assert one.broken is not None, what
    assert (one.broken.fault, (one.file, one.broken.line), seen.exit_code) == (fault, place, 1)
    assert f"{place[0]}:{place[1]}" in verification.text(seen)


def test_an_end_that_was_taken_away_is_found_by_a_head_and_not_without_one(tmp_path):
    month = small(tmp_path)
    told = heads(month, 20, 40)
    file = tmp_path / "journal.jsonl"
    file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:-8]))

    assert verified(tmp_path).exit_code == 0
    found = verified(tmp_path, told)
    assert found.exit_code == 1
    assert "expected 40, found 35, the last" in verification.text(found)


def test_a_chain_that_was_written_anew_is_found_by_a_head_and_not_without_one(tmp_path):
    month = small(tmp_path)
    told = heads(month, 20)
    for file in tmp_path.iterdir():
        file.unlink()
    again = Month(tmp_path / "journal.jsonl", "witness")
    again.rows = [(at, {**row, "proofs": {"team-b": 11}}) for at, row in month.rows]
    again.write()

    assert verified(tmp_path).exit_code == 0
    found = verified(tmp_path, told)
    assert found.exit_code == 1
    assert found.journals[0].broken is not None
    assert found.journals[0].broken.fault is Fault.ANCHOR


def test_another_journal_in_the_place_of_the_one_that_was_told_of_is_found(tmp_path):
    month = small(tmp_path)
    told = heads(month, 20)
    for file in tmp_path.iterdir():
        file.unlink()
    small(tmp_path, head=month.head._replace(chain="ba9876543210", sequence=0, hash="0" * 64))

    found = verified(tmp_path, told)

    assert found.exit_code == 1
    assert "chain 0123456789ab: BROKEN: a head of line 20 was told" in verification.text(found)


def test_a_torn_last_line_is_told_from_tampering(tmp_path):
    small(tmp_path)
    file = tmp_path / "journal.jsonl"
    os.truncate(file, file.stat().st_size - 50)

    found = verified(tmp_path)

    assert found.exit_code == 0
    assert "the last line is torn: its writer was killed" in verification.text(found)


def test_verify_reads_what_kubectl_logs_prints_and_what_was_posted(tmp_path):
    folder = tmp_path / "journals"
    folder.mkdir()
    month = small(folder)
    place = tmp_path / "anchors"
    row = json.loads(folder.joinpath("journal.jsonl").read_bytes().splitlines()[-1])
    posted = json.dumps({"chain": month.head.chain, "sequence": row["seq"], "hash": row["hash"], "by": "witness"})
    people = f"12:00:00 INFO    journal.head  chain={month.head.chain}  sequence={row['seq']}  hash={row['hash']}  by=witness"
    for text in (posted, people):
        place.write_text(text)
        done = cli("verify", "--journal", folder, "--anchors", place)
        assert done.returncode == 0, done.stdout
        assert "anchored up to line 43 (2026-11-02" in done.stdout

    place.write_text(posted.replace(row["hash"], "0" * 64))
    assert cli("verify", "--journal", folder, "--anchors", place).returncode == 1


def test_what_a_drill_said_is_in_the_report_and_a_failed_one_is_told_first(tmp_path, written):
    said = {
        "run": "r1", "drill": "provider-outage", "gateway": "chat", "fault": {"variant": "kill"}, "verdict": "fail",
        "why": "nobody else answered", "started": rfc3339(BEGIN + DAY), "unhealed": "",
        "failover": {"lower": 31.0, "upper": 33.5, "within": 30.0},
    }  # fmt: skip
    said |= {"injected": {"asked": 5.0, "proved": 5.1}, "reverted": {"asked": 40.0, "proved": 40.5}}
    file = tmp_path / "drill.json"
    file.write_text(json.dumps(said))
    begin, end = rfc3339(BEGIN + DAY / 2), rfc3339(BEGIN + 2 * DAY)

    done = cli("--journal", written[0], "--since", begin, "--until", end, "--drill", file)
    wrong = cli("--journal", written[0], "--drill", written[0] / "journal.jsonl")

    assert done.returncode == 1, done.stderr
    assert "**BAD**: 1 failed drill." in done.stdout
    assert (
        "| 2026-11-02 00:00:00 UTC | provider-outage, kill | chat | 2026-11-02 00:00:05 UTC, 35.5 s | fail | 31.0 to 33.5 s | 30.0 s |"
        in done.stdout
    )
    assert (wrong.returncode, "drill run -o json" in wrong.stderr) == (2, True)
