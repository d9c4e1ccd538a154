"""The journal as a sink: what it notes, what it says of its own troubles, and to whom it tells its head."""

import asyncio
import contextlib
import json
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from sentinel.clients.journal_file import JournalFile
from sentinel.clients.kube import Request, Sent
from sentinel.core.api.gates import Light
from sentinel.core.gateway import course_json, failover
from sentinel.core.gateway.news import Ended
from sentinel.core.page import Alert
from sentinel.core.record import Series
from sentinel.core.verdict import Reason, State, Verdict
from sentinel.errors import Refused, Unreachable
from sentinel.sinks import journal
from sentinel.sinks.journal import MOST_WAITING, Journal
from tests.support import journals
from tests.support.breaches import SERIES, Belief, a_round, whoami

NOON = 1795262400.0  # 2026-11-21T12:00:00Z
WEEK = 7 * 86400.0
DAY_BYTES = 1 << 24


@dataclass
class Counted:
    """Our own troubles, as they are counted."""

    lost: int = 0
    failing: bool = False
    anchors: list[str] = field(default_factory=list)

    def count_lost(self, lines: int) -> None:
        self.lost += lines

    def show_journal(self, failing: bool) -> None:
        self.failing = failing

    def count_anchor(self, result: str, at: float) -> None:
        self.anchors.append(result)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.jsonl"


def made(path, **more: Any) -> tuple[Journal, Counted]:
    counted = Counted()
    return Journal(JournalFile(path, WEEK, DAY_BYTES), "team-a", counted, **more), counted


@contextlib.asynccontextmanager
async def written(path, **more):
    """A journal that runs, and what it counted."""
    kept, counted = made(path, **more)
    task = asyncio.create_task(kept.run(), name="journal")
    try:
        yield kept, counted
        await kept.flush(5.0)
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_changes_are_noted_with_their_evidence_and_what_did_not_change_is_not(path):
    belief = Belief(proven=NOON - 10)
    async with written(path) as (kept, _):
        sink = kept.of("team-a")
        for record in (belief.served(NOON), belief.served(NOON + 10), belief.held(NOON + 20), belief.held(NOON + 30)):
            sink.put(record)

    opened, closed = journals.told(path)
    assert (opened["event"], opened["at"]) == ("opened", "2026-11-21T12:00:00.000Z")
    assert (opened["tenant"], opened["question"]) == ("team-a", "list secrets")
    assert opened["user"] == "system:serviceaccount:team-a:sentinel"
    assert opened["breach"]["closed_before"] == "2026-11-21T11:59:50.000Z"
    assert opened["breach"]["audit_id"] == "a-1"
    assert (closed["event"], closed["breach"]["ended"]) == ("closed", "2026-11-21T12:00:30.000Z")
    journals.followed(path)


async def test_a_round_is_noted_with_what_is_believed_and_what_was_proven(path):
    shut = Series("api/exec", "self", "team-b")
    gates = (whoami("self", Light(up=True)), whoami("ci", Light(up=False)))
    belief = Belief()
    async with written(path) as (kept, _):
        sink = kept.of("team-a")
        wanted = replace(belief.held(NOON - 4), verdict=Verdict(State.HELD, Reason.ALLOWED, by="rates"))
        for record in (wanted, belief.held(NOON - 3), belief.held(NOON - 2), belief.blind(NOON - 1)):
            sink.put(record)
        sink.note_unwatched(2.0)
        sink.end_round(a_round(NOON, {SERIES: NOON - 60, shut: 0.0}, gates=gates))

    row = journals.told(path)[-1]
    assert (row["event"], row["tenant"], row["rounds"]) == ("round", "team-a", 1)
    assert (row["coverage"], row["unwatched"]) == (1.0, 2)
    assert row["gates_down"] == ["whoami"]
    assert (row["proofs"], row["verdicts"]) == ({"team-b": 2}, {"held": 3, "inconclusive": 1})
    assert row["breaches"] == [
        {"check": "api/secrets", "identity": "self", "target": "team-b", "since": "2026-11-21T11:59:00.000Z"}
    ]


async def test_rounds_that_say_the_same_are_told_together_and_what_is_new_at_once(path):
    async with written(path, every=300.0) as (kept, _):
        sink = kept.of("team-a")
        for number in range(12):
            sink.end_round(a_round(NOON + 30 * number))
        sink.end_round(a_round(NOON + 360, {SERIES: NOON + 355}))

    rows = journals.told(path)
    assert [(row["rounds"], row["questions"]) for row in rows] == [(1, 40), (10, 400), (2, 80)]
    assert [row["at"][11:19] for row in rows] == ["12:00:00", "12:05:00", "12:06:00"]


async def test_a_page_and_an_outage_of_a_gateway_are_noted(path):
    class AtNoon:
        def wall(self) -> float:
            return NOON

        def monotonic(self) -> float:
            return 1000.0

    episode = failover.Episode(
        failover.Verdict.PASS, "openai", "backup", 970.0, 990.0, None, failover.Bounds(9.5, 12.25), 11.0, bad=3
    )
    async with written(path, clock=AtNoon()) as (kept, _):
        kept.note_page("team-a", Alert.BREACH, SERIES, NOON - 4.5, 4.5)
        kept.put(Ended("chat", episode, pages=False, within=30.0))

    paged, ended = journals.told(path)
    assert (paged["event"], paged["target"], paged["seconds"]) == ("paged", "team-b", 4.5)
    assert (ended["event"], ended["gateway"]) == ("episode", "chat")
    told = course_json.read(ended["course"])
    assert (told.episode.verdict, told.episode.stable, told.within) == ("pass", failover.Bounds(9.5, 12.25), 30.0)
    assert (told.at, told.at + told.episode.ended) == (NOON - 30, NOON - 10)


async def test_that_the_process_ends_is_the_last_line_also_if_requests_were_not_written_yet(path):
    async with written(path) as (kept, _):
        kept.note(Sent(7, Request("GET", "/api/v1/namespaces/team-b/secrets"), 403, NOON))
        kept.note_process("stopped")

    assert [row["event"] for row in journals.rows(path)][-2:] == ["asked", "process"]


async def test_what_cannot_be_written_is_counted_logged_once_shown_and_raised_never(tmp_path):
    path = tmp_path / "missing" / "journal.jsonl"
    with capture_logs() as said:
        async with written(path) as (kept, counted):
            sink = kept.of("team-a")
            for number in range(3):
                sink.end_round(a_round(NOON + number))
                await kept.flush(5.0)
            assert (counted.lost, counted.failing) == (3, True)
            path.parent.mkdir()
            sink.end_round(a_round(NOON))
            await kept.flush(5.0)
            assert not counted.failing

    assert [line["event"] for line in said if line["event"] != "journal.head"] == [
        "journal not written",
        "journal written again",
    ]
    assert [row["lines"] for row in journals.rows(path) if row["event"] == "lost"] == [3]
    assert len(journals.told(path)) == 1


async def test_when_nobody_writes_the_oldest_lines_are_lost_counted_and_told_of(path):
    kept, counted = made(path)
    sink = kept.of("team-a")
    for number in range(MOST_WAITING + 3):
        sink.end_round(a_round(NOON + number))
    await kept.flush(5.0)

    assert counted.lost == 3
    rows = journals.told(path)
    assert len(rows) == MOST_WAITING
    assert rows[0]["at"] == "2026-11-21T12:00:03.000Z"
    assert [row["lines"] for row in journals.rows(path) if row["event"] == "lost"] == [3]


def _head(path):
    head = journals.followed(path).head
    assert head is not None
    return head


class Outside:
    """The place where heads are told to; says what it is told to say."""

    def __init__(self, *says: Exception | None) -> None:
        self.heads: list[dict[str, Any]] = []
        self._says = [*says]

    async def post(self, head: dict[str, Any]) -> None:
        said = self._says.pop(0) if self._says else None
        if said is not None:
            raise said
        self.heads.append(head)


async def test_the_head_is_told_in_the_log_and_outside_and_only_a_new_one(path):
    outside = Outside()
    with capture_logs() as said:
        async with written(path, anchor=outside, cluster="prod-eu1") as (kept, counted):
            kept.of("team-a").end_round(a_round(NOON))
            await kept.flush(5.0)
            await kept.tell_head()

    heads = [line for line in said if line["event"] == "journal.head"]
    assert [(line["sequence"], line["hash"]) for line in heads] == [(2, _head(path).hash)]
    assert [(head["sequence"], head["cluster"], head["by"]) for head in outside.heads] == [(2, "prod-eu1", "team-a")]
    assert counted.anchors == ["accepted"]
    assert json.dumps(outside.heads[0])


async def test_a_place_outside_that_fails_is_tried_again_a_few_times_counted_and_logged_once(path, monkeypatch):
    monkeypatch.setattr(journal, "wait_exponential", lambda **_: lambda _: 0.0)
    away = Unreachable("anchor.example: refused")
    outside = Outside(away, None, away, away, away, Refused("anchor.example: answered 403"))
    with capture_logs() as said:
        async with written(path, anchor=outside) as (kept, counted):
            for number in range(4):
                kept.of("team-a").end_round(a_round(NOON + number))
                await kept.flush(5.0)

    assert counted.anchors == ["accepted", "unreachable", "refused", "accepted"]
    assert [line["detail"] for line in said if line["event"] == "journal not anchored"] == ["anchor.example: refused"]
    assert [head["sequence"] for head in outside.heads] == [2, 5]
