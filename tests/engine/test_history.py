"""What the console is told: nothing that happened is lost, and nothing grows without end."""

import json
from dataclasses import replace

import pytest

from sentinel.core.answer import Answer, Observation
from sentinel.core.api.gates import Gate, Light
from sentinel.core.api.plan import Scope, make
from sentinel.core.api.question import Question, in_namespace
from sentinel.core.api.resources import CONFIGMAPS, SECRETS
from sentinel.core.record import GateRow, Record
from sentinel.core.standing import Change, Standing, Turn
from sentinel.core.verdict import Reason, State, Verdict
from sentinel.sinks import history
from sentinel.sinks.history import History
from tests.support.breaches import GET, LIST, USER, Belief, a_round

NOON = 1_795_230_000.0
PLAN = make(
    Scope(
        tenant="team-a",
        tenants=(("team-a", ("team-a",)), ("team-b", ("team-b",))),
        system=("kube-system",),
        accounts=("self",),
        anonymous=("anonymous",),
        every=10.0,
        within=120.0,
        sweep=1800.0,
        timeout=4.0,
        qps=100.0,
    )
)


@pytest.fixture
def kept() -> History:
    return History("team-a")


def test_before_the_first_round_nothing_is_ready_and_nothing_is_claimed(kept):
    kept.expect(PLAN)

    status = kept.status()

    assert (status["ready"], status["reasons"]) == (False, ["no round has ended yet"])
    assert (status["tenant"], status["coverage"], status["gates"]) == ("team-a", 0.0, [])
    assert len(status["standings"]) == len(PLAN.questions)
    assert {(row["verdict"], row["reason"]) for row in status["standings"]} == {("inconclusive", "unproven")}


def test_a_standing_is_told_by_its_contract(kept):
    belief = Belief(LIST)
    kept.put(belief.held(NOON))
    kept.put(belief.held(NOON + 10))

    assert kept.status()["standings"] == [
        {
            "check": "api/secrets",
            "question": "list secrets",
            "identity": "self",
            "target": "team-b",
            "verdict": "held",
            "reason": "denied",
            "since": NOON,
            "last_asked": NOON + 10,
            "last_proven": NOON + 10,
            "allowed_by": "",
        }
    ]


def test_gates_and_readiness_are_those_of_the_last_round(kept):
    red = GateRow(Gate.DOOR, "self", Light(up=False, detail="403"), NOON, "team-b")
    green = GateRow(Gate.TOKEN, "self", Light(up=True, detail="expires later"), NOON)
    kept.end_round(replace(a_round(NOON, gates=(red, green)), coverage=0.5, reasons=("the door is shut",)))

    status = kept.status()

    assert status["ready"] is False
    assert (status["reasons"], status["coverage"]) == (["the door is shut"], 0.5)
    assert status["gates"] == [
        {"gate": "door", "identity": "self", "up": False, "since": NOON, "detail": "403", "target": "team-b"},
        {"gate": "token", "identity": "self", "up": True, "since": NOON, "detail": "", "target": ""},
    ]
    kept.end_round(a_round(NOON + 10, gates=(green,)))
    assert kept.status()["ready"] is True


def test_an_open_breach_is_told_by_its_contract(kept):
    kept.put(Belief(LIST, proven=NOON - 5).served(NOON))

    (row,) = kept.breaches()

    assert (
        row
        | {
            "check": "api/secrets",
            "question": "list secrets",
            "identity": "self",
            "tenant": "team-a",
            "target": "team-b",
            "since": NOON,
            "last_proven": NOON - 5,
            "last": NOON,
            "active": True,
            "code": 406,
            "audit_id": "a-1",
            "reproduce": f"kubectl auth can-i list secrets --as={USER} -n team-b",
            "closed_before": NOON - 5,
            "ended": None,
            "subsumed": False,
        }
        == row
    )


def test_a_breach_shows_its_first_and_its_latest_evidence(kept):
    belief = Belief(LIST)
    kept.put(belief.served(NOON))
    kept.put(belief.served(NOON + 10))

    (row,) = kept.breaches()

    assert (row["since"], row["last"]) == (NOON, NOON + 10)


def test_blindness_does_not_end_a_breach(kept):
    belief = Belief(LIST)
    kept.put(belief.served(NOON))
    kept.put(belief.blind(NOON + 10))

    (row,) = kept.breaches()

    assert row["active"]
    assert kept.status()["standings"][0]["verdict"] == "breached"


def test_a_breach_that_ended_is_kept_with_its_evidence(kept):
    belief = Belief(LIST)
    kept.put(belief.served(NOON))
    kept.put(belief.held(NOON + 10))
    assert kept.breaches()[0]["active"]
    kept.put(belief.held(NOON + 20))

    (row,) = kept.breaches()

    assert not row["active"]
    assert (row["since"], row["last"], row["ended"], row["ending"]) == (NOON, NOON, NOON + 20, "closed")
    assert row["last_proven"] == NOON + 20
    assert (row["code"], row["audit_id"]) == (406, "a-1")
    assert row["reproduce"].endswith("-n team-b")


def test_a_breach_that_opens_again_is_a_second_one_and_the_newest_comes_first(kept):
    belief = Belief(LIST)
    kept.put(belief.served(NOON))
    kept.put(belief.held(NOON + 10))
    kept.put(belief.held(NOON + 20))
    kept.put(belief.served(NOON + 30))

    assert [(row["since"], row["active"]) for row in kept.breaches()] == [(NOON + 30, True), (NOON, False)]


def test_what_is_no_longer_configured_ends_as_forgotten_and_not_as_proven(kept):
    belief = Belief(LIST)
    kept.put(belief.served(NOON))
    breach = belief.standing.breach
    assert breach is not None
    change = Change(Turn.FORGOTTEN, NOON + 900, belief.standing, Standing(), replace(breach, ended=NOON + 900))
    gone = Observation(Answer.UNASKED, NOON + 900)
    kept.put(Record(LIST, gone, Verdict(State.INCONCLUSIVE, Reason.UNASKED), Standing(), change, asked=False))

    (row,) = kept.breaches()

    assert (row["active"], row["ending"], row["user"]) == (False, "forgotten", USER)
    assert kept.status()["standings"] == []


def test_a_flood_of_successes_does_not_wash_failures_away(kept):
    bad = Belief(LIST).served(NOON)
    blind = Belief(GET).blind(NOON + 1)
    kept.put(bad)
    kept.put(blind)
    other = Belief(in_namespace("self", "list", CONFIGMAPS, "team-b"))
    for number in range(10 * history.SUCCESSES_KEPT):
        kept.put(other.held(NOON + 2 + number))

    rows = kept.records(limit=100_000)

    assert len(rows) == history.SUCCESSES_KEPT + 2
    assert [row["verdict"] for row in rows[-2:]] == ["inconclusive", "breached"]


def test_an_outage_does_not_wash_a_breach_away(kept):
    kept.put(Belief(LIST).served(NOON))
    other = Belief(GET)
    for number in range(3 * history.FAILURES_KEPT):
        kept.put(other.blind(NOON + 1 + number))

    assert kept.records(limit=100_000)[-1]["verdict"] == "breached"


def test_records_are_the_newest_first_and_chosen_by_check_and_target(kept):
    elsewhere = in_namespace("self", "list", CONFIGMAPS, "team-c")
    kept.put(Belief(LIST).held(NOON))
    kept.put(Belief(elsewhere).held(NOON + 1))
    kept.put(Belief(GET).blind(NOON + 2))

    assert [row["at"] for row in kept.records()] == [NOON + 2, NOON + 1, NOON]
    assert [row["question"] for row in kept.records(check="api/configmaps")] == ["list configmaps"]
    assert [row["at"] for row in kept.records(target="team-b", limit=1)] == [NOON + 2]
    assert kept.records(check="api/exec") == []


def test_everything_told_is_plain_json(kept):
    kept.expect(PLAN)
    kept.put(Belief(LIST).served(NOON))
    kept.put(Belief(GET).blind(NOON))
    kept.end_round(a_round(NOON))
    snapshot = kept.snapshot()

    for told in (snapshot.status(), snapshot.breaches(), snapshot.records(), snapshot.turns()):
        assert json.loads(json.dumps(told)) == told


def test_a_snapshot_stays_as_it_is(kept):
    kept.put(Belief(LIST).held(NOON))
    snapshot = kept.snapshot()

    kept.put(Belief(GET).served(NOON + 1))

    assert len(snapshot.standings()) == 1
    assert snapshot.breaches() == []
    assert len(snapshot.records()) == 1


def test_strays_are_let_go_and_what_is_planned_or_open_is_not(kept):
    """The trip-wire asks what a Role names, and somebody may name a million things."""
    kept.expect(PLAN)
    planned = PLAN.tier2[0][0]
    breached = Question("self", "get", SECRETS, "team-b", "team-b", "open")
    kept.put(Belief(planned).held(NOON))
    kept.put(Belief(breached).served(NOON))
    for number in range(history.STRAYS_KEPT + 100):
        stray = Question("self", "get", SECRETS, "team-b", "team-b", f"name-{number}")
        kept.put(Belief(stray).held(NOON))

    kept.end_round(a_round(NOON + 61))
    names = {row["question"] for row in kept.status()["standings"]}
    assert len(names & {f"get secrets/name-{n}" for n in range(history.STRAYS_KEPT + 100)}) == history.STRAYS_KEPT
    assert "get secrets/name-0" not in names

    kept.end_round(a_round(NOON + 2 * 1800 + 70))
    rows = kept.status()["standings"]
    assert len(rows) == len(PLAN.questions) + 1
    assert any(row["question"] == "get secrets/open" for row in rows)
    assert any(row["last_proven"] == NOON for row in rows)


def test_a_new_plan_takes_away_what_nobody_asks_any_more(kept):
    kept.expect(PLAN)
    gone = in_namespace("self", "list", SECRETS, "team-z")
    kept.put(Belief(gone).held(NOON))
    kept.put(Belief(in_namespace("self", "get", SECRETS, "team-z")).served(NOON))

    kept.expect(PLAN)

    assert [row["verdict"] for row in kept.status()["standings"] if row["target"] == "team-z"] == ["breached"]


def test_ended_breaches_and_turns_are_bounded(kept):
    belief = Belief(LIST)
    for number in range(history.INCIDENTS_KEPT + history.TURNS_KEPT):
        at = NOON + 100 * number
        for record in (belief.served(at), belief.held(at + 1), belief.held(at + 2), belief.blind(at + 3)):
            kept.put(record)

    assert len(kept.breaches()) == history.INCIDENTS_KEPT
    assert len(kept.snapshot().turns()) == history.TURNS_KEPT
    assert kept.breaches()[0]["since"] > NOON + 100 * history.TURNS_KEPT


def test_turns_say_what_was_in_the_way(kept):
    belief = Belief(LIST)
    kept.put(belief.held(NOON))
    kept.put(belief.blind(NOON + 1))
    kept.put(belief.held(NOON + 2))

    turns = kept.snapshot().turns()

    assert [(row["turn"], row["reason"]) for row in turns] == [
        ("proven", "silent"),
        ("blinded", "silent"),
        ("proven", "unproven"),
    ]


def test_records_can_be_those_that_were_not_held():
    kept = History("team-a")
    belief = Belief(LIST)
    for record in (belief.blind(NOON), *(belief.held(NOON + number) for number in range(1, 6))):
        kept.put(record)

    assert [row["at"] for row in kept.snapshot().records(held=False)] == [NOON]
    assert [row["at"] for row in kept.snapshot().records(held=True, limit=2)] == [NOON + 5, NOON + 4]


def test_what_nobody_need_look_at_again_is_no_turn():
    kept, belief = History("team-a"), Belief(LIST)
    kept.expect(PLAN)
    planned = kept.turned
    kept.put(belief.held(NOON))
    kept.end_round(a_round(NOON))
    before = kept.turned

    kept.put(belief.held(NOON + 10))
    kept.end_round(a_round(NOON + 10))
    kept.expect(PLAN)

    assert 0 < planned < before == kept.turned
