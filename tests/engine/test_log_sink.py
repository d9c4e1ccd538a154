"""The lines that an operator reads: one per change, all of a breach, and a handful for an outage."""

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import structlog

from sentinel import logs
from sentinel.core.api.gates import Gate, Light
from sentinel.core.api.question import in_namespace
from sentinel.core.api.resources import RESOURCES, SECRETS
from sentinel.core.record import GateRow
from sentinel.sinks.log import LogSink
from tests.support.breaches import GET, LIST, USER, Belief, a_round, whoami

NOON = 1_795_230_000.0


class Told:
    """A sink, and what it said."""

    def __init__(self, level: logs.Level) -> None:
        self._out = io.StringIO()
        logs.configure(level, "json", self._out)
        self.sink = LogSink()

    def lines(self) -> list[dict[str, Any]]:
        """Since the last look, without the time."""
        text = self._out.getvalue()
        self._out.seek(0)
        self._out.truncate()
        events = [json.loads(line) for line in text.splitlines()]
        return [{name: value for name, value in event.items() if name != "timestamp"} for event in events]

    def names(self) -> list[str]:
        return [line["event"] for line in self.lines()]


@pytest.fixture
def told() -> Iterator[Told]:
    yield Told("info")
    structlog.reset_defaults()


def test_a_breach_is_told_at_once_with_all_its_evidence(told):
    told.sink.put(Belief(LIST, proven=NOON - 10).served(NOON))

    assert told.lines() == [
        {
            "level": "error",
            "event": "breach.opened",
            "check": "api/secrets",
            "question": "list secrets",
            "identity": "self",
            "user": USER,
            "target": "team-b",
            "code": 406,
            "audit_id": "a-1",
            "reason": "served",
            "window": "proven closed at 2026-11-21T02:59:50.000Z, open at 2026-11-21T03:00:00.000Z",
            "cause": "",
            "reproduce": f"kubectl auth can-i list secrets --as={USER} -n team-b",
            "subsumed": False,
        }
    ]


def test_a_breach_that_stands_is_not_told_again(told):
    belief = Belief(LIST)
    told.sink.put(belief.served(NOON))
    told.lines()

    told.sink.put(belief.served(NOON + 10))
    told.sink.put(belief.blind(NOON + 20))
    told.sink.put(belief.held(NOON + 30))
    told.sink.end_round(a_round(NOON + 31))

    assert told.names() == ["sentinel.ready"]


def test_the_end_of_a_breach_is_told_with_how_long_it_was_open(told):
    belief = Belief(LIST)
    told.sink.put(belief.served(NOON))
    told.sink.put(belief.held(NOON + 10))
    told.sink.put(belief.held(NOON + 20.5))

    _, closed = told.lines()

    assert (closed["event"], closed["level"]) == ("breach.closed", "warning")
    assert (closed["ended"], closed["open_for"]) == ("2026-11-21T03:00:20.500Z", 20.5)
    assert (closed["target"], closed["audit_id"]) == ("team-b", "a-1")


def test_what_a_wider_breach_explains_is_told_quietly(told):
    told.sink.put(Belief(LIST).served(NOON, subsumed=True))

    (line,) = told.lines()

    assert (line["event"], line["level"], line["subsumed"]) == ("breach.opened", "info", True)


def test_an_outage_with_five_hundred_questions_gives_a_handful_of_lines(told):
    targets = [f"team-{number}" for number in range(30)]
    beliefs = [
        Belief(in_namespace("self", verb, resource, target))
        for target in targets
        for resource in RESOURCES
        for verb in ("list", "get")
        if resource.namespaced
    ]
    assert len(beliefs) > 500
    for belief in beliefs:
        told.sink.put(belief.held(NOON))
    told.sink.end_round(a_round(NOON))
    told.lines()

    for belief in beliefs:
        told.sink.put(belief.blind(NOON + 10))
    told.sink.end_round(a_round(NOON + 10))

    (line,) = told.lines()
    assert (line["event"], line["level"], line["reason"]) == ("question.blinded", "warning", "silent")
    assert (line["questions"], line["target_count"], len(line["targets"])) == (len(beliefs), 30, 20)


def test_a_few_targets_are_told_one_by_one(told):
    for target in ("team-b", "team-c"):
        for verb in ("list", "get"):
            belief = Belief(in_namespace("self", verb, SECRETS, target))
            told.sink.put(belief.held(NOON))
            told.sink.put(belief.blind(NOON + 1))
    told.sink.end_round(a_round(NOON + 1))

    proven, proven_c, blinded, blinded_c, _ = told.lines()

    assert proven == {
        "level": "info",
        "event": "question.proven",
        "target": "team-b",
        "reason": "unproven",
        "questions": 2,
    }
    assert (proven_c["target"], blinded_c["target"]) == ("team-c", "team-c")
    assert (blinded["event"], blinded["target"], blinded["questions"]) == ("question.blinded", "team-b", 2)


def test_a_quiet_round_says_nothing(told):
    belief = Belief(LIST)
    told.sink.put(belief.held(NOON))
    told.sink.end_round(a_round(NOON))
    told.lines()

    for number in range(1, 100):
        told.sink.put(belief.held(NOON + number))
        told.sink.end_round(a_round(NOON + number))

    assert told.lines() == []


def door(target: str, since: float, *, up: bool) -> GateRow:
    return GateRow(Gate.DOOR, "self", Light(up=up, detail="" if up else "403: no door"), since, target)


def test_a_gate_that_turns_is_told_once_each_way(told):
    told.sink.end_round(a_round(NOON, gates=(door("team-b", NOON, up=True),)))
    told.lines()

    for number in (10, 20):
        told.sink.end_round(a_round(NOON + number, gates=(door("team-b", NOON + 10, up=False),)))
    for number in (30, 40):
        told.sink.end_round(a_round(NOON + number, gates=(door("team-b", NOON + 30, up=True),)))

    assert told.lines() == [
        {
            "level": "warning",
            "event": "gate.red",
            "gate": "door",
            "identity": "self",
            "target": "team-b",
            "detail": "403: no door",
        },
        {
            "level": "info",
            "event": "gate.green",
            "gate": "door",
            "identity": "self",
            "target": "team-b",
            "red_for": 20.0,
        },
    ]


def test_a_gate_that_is_red_from_the_start_is_told_and_a_green_one_is_not(told):
    rows = (door("team-b", NOON, up=False), door("team-c", NOON, up=True))

    told.sink.end_round(a_round(NOON, gates=rows))

    assert told.names() == ["gate.red", "sentinel.ready"]


def test_many_doors_that_shut_together_are_one_line(told):
    rows = tuple(door(f"team-{number}", NOON, up=False) for number in range(100))

    told.sink.end_round(a_round(NOON, gates=rows))

    line, _ = told.lines()
    assert (line["event"], line["target_count"], len(line["targets"])) == ("gate.red", 100, 20)


def test_why_we_are_not_ready_is_told_when_it_begins_and_when_it_ends(told):
    bad = replace(a_round(NOON), reasons=("the API server does not answer",))

    for report in (bad, bad, a_round(NOON + 20), a_round(NOON + 30), bad):
        told.sink.end_round(report)

    assert told.names() == ["sentinel.not_ready", "sentinel.ready", "sentinel.not_ready"]


def test_being_somebody_else_is_told_loudly_with_whoamis_word(told):
    light = Light(up=False, detail="system:serviceaccount:team-a:other", identity=True)

    told.sink.end_round(a_round(NOON, wrong=frozenset({"self"}), gates=(whoami("self", light),)))
    told.sink.end_round(a_round(NOON + 10, gates=(whoami("self", Light(up=True)),)))

    lines = {line["event"]: line for line in told.lines()}
    assert lines["identity.wrong"] == {
        "level": "error",
        "event": "identity.wrong",
        "identities": ["self"],
        "detail": "system:serviceaccount:team-a:other",
    }
    assert lines["identity.right"]["identities"] == ["self"]


HERE = frozenset({"team-b"})


@pytest.mark.parametrize(
    ("raised", "event"),
    [
        (replace(a_round(NOON), latent=HERE), "grant.latent"),
        (replace(a_round(NOON), review_only=HERE), "grant.review_only"),
        (replace(a_round(NOON), incomplete=HERE), "tripwire.incomplete"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_only_a_review_shows_is_told_when_it_comes_and_when_it_goes(told, raised, event):
    for report in (raised, raised, a_round(NOON + 20), a_round(NOON + 30)):
        told.sink.end_round(report)

    lines = [line for line in told.lines() if not line["event"].startswith("sentinel.")]
    assert [line["targets"] for line in lines] == [["team-b"], ["team-b"]]
    assert [lines[0]["event"], lines[0]["level"], lines[1]["level"]] == [event, "warning", "info"]


def test_every_attempt_is_told_when_asked_for():
    told = Told("debug")
    told.sink.put(Belief(GET).held(NOON))
    told.sink.end_round(a_round(NOON))

    names = told.names()
    structlog.reset_defaults()

    assert names == ["question.asked", "question.proven", "sentinel.ready", "round.ended"]
