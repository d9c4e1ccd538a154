"""One round: what is judged when, what is left for the next, and what a wider breach stands for."""

import asyncio

import pytest

from sentinel.core.answer import Answer
from sentinel.core.api.gates import Gate
from sentinel.core.api.question import CLUSTER, at_cluster_scope, in_namespace
from sentinel.core.api.resources import CONFIGMAPS, SECRETS
from sentinel.core.api.rules import Grant
from sentinel.core.record import Series
from sentinel.core.standing import Turn
from sentinel.core.verdict import Reason, State
from sentinel.errors import OwnFault
from tests.core.scopes import scope
from tests.engine.scripted import Watch, ample

LIST = in_namespace("self", "list", SECRETS, "team-001")
GET = in_namespace("self", "get", SECRETS, "team-001")
CONFIG = in_namespace("self", "list", CONFIGMAPS, "team-001")
WIDE = at_cluster_scope("self", "list", SECRETS)
DELETE = in_namespace("self", "delete", SECRETS, "team-001")
SECRETS_IN_B = Series("api/secrets", "self", "team-001")


@pytest.fixture
def watch():
    return Watch(ample(scope(3)))


def by_question(records):
    return {record.question: record for record in records}


async def test_denials_between_green_gates_are_held(watch):
    await watch.until_all_held()

    assert watch.last.coverage == 1.0
    assert watch.last.inconclusive == {}
    assert set(watch.last.breach_since.values()) == {0.0}
    assert watch.last.reasons == ()


@pytest.mark.parametrize("gate", Gate)
async def test_a_gate_red_before_makes_every_denial_inconclusive(watch, gate):
    watch.far.red = {("before", gate)}

    records = await watch.rounds()

    of_us = [r for r in records if r.question.identity == "self" and r.question.target != CLUSTER]
    assert of_us
    assert {r.verdict.state for r in of_us} == {State.INCONCLUSIVE}
    assert {r.verdict.reason for r in of_us} == {Reason(gate.value)}


@pytest.mark.parametrize("gate", [Gate.CANARY, Gate.DECOY, Gate.DOOR])
async def test_a_gate_red_after_does_too_and_is_shown(watch, gate):
    watch.far.red = {("after", gate)}

    records = await watch.rounds()

    assert State.HELD not in {r.verdict.state for r in records if r.question.target != CLUSTER}
    shown = [row for row in watch.last.gates if row.gate is gate and row.identity == "self"]
    assert shown and not any(row.light.up for row in shown)


async def test_anonymous_borrows_the_gates_that_it_does_not_own(watch):
    watch.far.red = {("after", Gate.CANARY)}

    records = await watch.rounds()

    assert {r.verdict.reason for r in records if r.question.identity == "anonymous"} == {Reason.CANARY}


async def test_anonymous_needs_neither_our_token_nor_our_trip_wire(watch):
    watch.far.red = {("before", Gate.TOKEN), ("before", Gate.TRIPWIRE)}

    records = await watch.rounds()

    assert {r.verdict.state for r in records if r.question.identity == "anonymous"} == {State.HELD}


async def test_what_is_served_is_confirmed_and_published_before_the_closing_controls(watch):
    watch.far.answers[LIST] = Answer.SERVED
    watch.far.cause = 'RBAC: allowed by RoleBinding "breach/team-001"'
    watch.far.red = {("before", gate) for gate in Gate} | {("after", gate) for gate in Gate}

    record = by_question(await watch.rounds())[LIST]

    assert watch.far.confirmed == [LIST]
    assert (record.verdict.state, record.change.turn) == (State.BREACHED, Turn.OPENED)
    assert record.standing.breach.cause == record.change.breach.cause == watch.far.cause
    assert record.user == "user-of-self"
    assert watch.last.breach_since[SECRETS_IN_B] == record.observation.at


async def test_a_served_answer_is_told_before_the_denials_of_its_round(watch):
    last = list(watch.plan.questions)[-1]
    watch.far.answers[last] = Answer.SERVED

    records = await watch.rounds()

    assert records[0].question == last


async def test_served_to_somebody_else_is_no_breach_and_is_said(watch):
    watch.far.answers[LIST] = Answer.SERVED
    watch.far.somebody_else = True

    record = by_question(await watch.rounds())[LIST]

    assert record.verdict.state is State.INCONCLUSIVE
    assert record.verdict.reason is Reason.IDENTITY
    assert watch.last.wrong_identity == {"self", "anonymous"}
    assert SECRETS_IN_B not in watch.last.breach_since


async def test_denied_to_somebody_else_is_not_held(watch):
    watch.far.somebody_else = True

    records = await watch.rounds()

    assert {r.verdict.reason for r in records} == {Reason.IDENTITY}


async def test_a_round_that_ends_at_its_opening_asks_nothing_and_says_why(watch):
    watch.far.not_ready = "readyz: 500"

    records = await watch.rounds()

    assert watch.far.asked == {}
    assert records
    assert not any(r.asked for r in records)
    assert {r.verdict.reason for r in records} == {Reason.READY}
    assert watch.last.reasons[0] == "readyz: 500"


async def test_a_connection_that_cannot_be_prepared_turns_the_gate_red(watch):
    await watch.rounds()
    watch.far.cannot_connect = OwnFault("CA file /x: SSLError")

    records = await watch.rounds()

    assert {r.verdict.reason for r in records} == {Reason.READY}
    assert [row.light.up for row in watch.last.gates if row.gate is Gate.READY] == [False]
    assert watch.last.reasons[0] == "CA file /x: SSLError"


async def test_after_a_reconnect_nothing_of_the_round_is_held_and_all_is_asked_again(watch):
    await watch.until_all_held()
    watch.far.breaks_after = 3

    records = await watch.rounds()

    assert len(watch.far.asked) == 4, "the one that went over the new connection, and none after it"
    assert {(r.verdict.state, r.verdict.reason) for r in records} == {(State.INCONCLUSIVE, Reason.RECONNECT)}
    assert [r.asked for r in records].count(True) == 4

    watch.far.breaks_after = None
    again = by_question(await watch.rounds())
    assert {r.question for r in records} <= set(again)
    assert {r.verdict.state for r in again.values()} == {State.HELD}


async def test_a_breach_seen_before_a_reconnect_stays_seen(watch):
    watch.far.answers[WIDE] = Answer.SERVED
    watch.far.breaks_after = 1

    await watch.rounds()

    assert watch.book.standings[WIDE].breach is not None


async def test_what_the_deadline_leaves_is_unasked_and_comes_first_in_the_next_round(watch):
    watch.far.seconds_each = 3.0

    records = await watch.rounds()

    assert len(watch.far.asked) == 4, "the fourth began at 9 s; at 12 s the period of 10 s was over"
    left = {r.question for r in records if not r.asked}
    assert {r.verdict.reason for r in records if not r.asked} == {Reason.UNASKED}
    watch.far.seconds_each = 0.0
    assert left <= set(by_question(await watch.rounds()))


async def test_a_suspicion_is_asked_for_real_in_the_round_in_which_it_is_found(watch):
    await watch.until_all_held()
    watch.far.grants["team-001"] = frozenset({Grant("delete", "", "secrets")})
    watch.far.answers[DELETE] = Answer.SERVED

    record = by_question(await watch.rounds())[DELETE]

    assert record.change.turn is Turn.OPENED
    assert watch.last.breach_since[Series("api/escalation", "self", "team-001")] > 0


async def test_a_suspicion_denied_in_two_rounds_rests_and_is_asked_once_per_within(watch):
    await watch.until_all_held()
    watch.far.grants["team-001"] = frozenset({Grant("delete", "", "secrets")})

    when = []
    for round_ in range(10):
        await watch.rounds()
        when += [round_] * (DELETE in watch.far.asked)

    assert when == [0, 1, 4, 7], "two rounds, then every third: `within` is 30 s here"
    assert SECRETS_IN_B not in watch.last.breach_since or watch.last.breach_since[SECRETS_IN_B] == 0.0


async def test_a_rule_that_changes_is_asked_at_once_however_it_rested(watch):
    await watch.until_all_held()
    watch.far.grants["team-001"] = frozenset({Grant("delete", "", "secrets")})
    await watch.rounds(3)
    watch.far.grants["team-001"] |= {Grant("update", "", "secrets")}

    await watch.rounds()

    assert DELETE in watch.far.asked


async def test_while_a_suspicion_stands_its_series_are_not_proven_shut(watch):
    watch.far.grants["team-001"] = frozenset({Grant("delete", "", "secrets")})

    await watch.until_all_held()

    assert SECRETS_IN_B not in watch.last.breach_since
    assert watch.last.breach_since[Series("api/secrets", "self", "team-002")] == 0.0


async def test_what_was_suspected_once_and_never_settled_is_not_remembered_for_ever(watch):
    """A binding that came and went within a round in which a gate was red."""
    await watch.until_all_held()
    watch.far.grants["team-001"] = frozenset({Grant("delete", "", "secrets")})
    watch.far.red = {("after", Gate.CANARY)}
    await watch.rounds()
    watch.far.red, watch.far.grants = set(), {}

    await watch.rounds(8)

    assert watch.last.inconclusive == {}
    assert watch.last.breach_since[Series("api/escalation", "self", "team-001")] == 0.0


async def test_a_failing_review_keeps_the_suspicions_it_had(watch):
    await watch.until_all_held()
    watch.far.grants["team-001"] = frozenset({Grant("delete", "", "secrets")})
    watch.far.answers[DELETE] = Answer.SILENT
    await watch.rounds()
    watch.far.review_fails = True

    await watch.rounds()

    assert DELETE in watch.far.asked
    assert 0.0 not in watch.last.breach_since.values() or SECRETS_IN_B not in watch.last.breach_since


async def test_review_only_grants_are_shown_and_never_held(watch):
    await watch.until_all_held()
    watch.far.grants["team-001"] = frozenset({Grant("bind", "", "roles")})

    await watch.rounds()

    assert watch.last.review_only == {"team-001"}
    assert watch.last.inconclusive == {"team-001": frozenset({Reason.REVIEW_ONLY})}


async def test_a_wider_breach_is_one_and_what_it_stands_for_is_not_asked(watch):
    await watch.until_all_held()
    everything = Grant("*", "", "secrets")
    watch.far.grants[CLUSTER] = frozenset({everything})
    for question in watch.plan.questions:
        if question.resource is SECRETS and question.identity == "self":
            watch.far.answers[question] = Answer.SERVED

    await watch.rounds(4)

    assert watch.last.breach_since[Series("api/secrets", "self", CLUSTER)] > 0
    assert {s.target for s, at in watch.last.breach_since.items() if at > 0} == {CLUSTER}
    asked = {q for q in watch.far.asked if q.resource is SECRETS and q.identity == "self"}
    assert asked == {WIDE}


async def test_it_stands_for_the_same_question_without_any_review(watch):
    await watch.until_all_held()
    watch.far.answers[WIDE] = Answer.SERVED
    await watch.rounds()

    await watch.rounds(4)

    assert watch.book.is_subsumed(LIST)
    assert not watch.book.is_subsumed(GET)


async def test_a_wider_rule_that_was_denied_for_real_stands_for_nothing(watch):
    """A review is a suspicion: what it says of pods is not made true by a breach about secrets."""
    await watch.until_all_held()
    watch.far.grants[CLUSTER] = frozenset({Grant("list", "", "secrets"), Grant("list", "", "configmaps")})
    watch.far.answers[WIDE] = Answer.SERVED

    await watch.rounds(2)

    assert watch.book.is_subsumed(LIST)
    assert not watch.book.is_subsumed(CONFIG)


async def test_when_the_wider_breach_closes_what_it_stood_for_is_asked_again(watch):
    await watch.until_all_held()
    watch.far.answers[WIDE] = watch.far.answers[LIST] = Answer.SERVED
    await watch.rounds(3)
    del watch.far.answers[WIDE]

    seen = []
    for _ in range(6):
        await watch.rounds()
        seen.append(LIST in watch.far.asked)

    assert watch.book.standings[WIDE].breach is None
    assert any(seen)
    assert watch.book.standings[LIST].breach is not None


async def test_a_wide_breach_still_closes_when_more_than_the_budget_is_subsumed_by_it():
    watch = Watch(ample(scope(10), qps=40.0))
    budget = watch.plan.round_budget
    one_list = [q for q in watch.plan.questions if q.verb == "list" and q.target != CLUSTER][: 3 * budget]
    for question in one_list:
        watch.far.answers[question] = Answer.SERVED
    for _ in range(60):
        await watch.rounds()
    wide = {at_cluster_scope(q.identity, q.verb, q.resource) for q in one_list}
    watch.far.answers |= dict.fromkeys(wide, Answer.SERVED)
    for _ in range(120):
        await watch.rounds()
    assert any(watch.book.standings[q].breach for q in wide if q in watch.book.standings)
    watch.far.answers.clear()

    await watch.rounds(400)

    assert {at for at in watch.last.breach_since.values() if at} == set()


async def test_a_breach_is_asked_in_every_round_until_it_is_closed(watch):
    await watch.until_all_held()
    watch.far.answers[CONFIG] = Answer.SERVED
    await watch.rounds(7)
    opened = watch.book.standings[CONFIG].breach.since
    for _ in range(5):
        await watch.rounds()
        assert CONFIG in watch.far.asked
        assert watch.last.breach_since[Series("api/configmaps", "self", "team-001")] == opened
    del watch.far.answers[CONFIG]

    first = by_question(await watch.rounds())[CONFIG]
    second = by_question(await watch.rounds())[CONFIG]

    assert first.change is None and first.standing.breach is not None
    assert second.change.turn is Turn.CLOSED
    assert watch.last.breach_since[Series("api/configmaps", "self", "team-001")] == 0.0


async def test_after_a_restart_nothing_is_said_of_a_series_before_it_is_proven(watch):
    await watch.rounds()

    assert {s for s, at in watch.last.breach_since.items() if s.identity == "self" and s.target == "team-001"} == set()


async def test_our_own_bug_in_one_question_ends_the_round_with_an_error_and_not_in_silence(watch):
    watch.far.bug_at = LIST

    with pytest.raises(RuntimeError, match="our own bug"):
        await watch.rounds(4)


async def test_what_several_new_breaches_may_be_in_the_whole_cluster_is_asked_once_in_a_round(watch):
    await watch.until_all_held()
    for target in ("team-001", "team-002", "kube-system"):
        for verb in ("list", "get"):
            watch.far.answers[in_namespace("self", verb, SECRETS, target)] = Answer.SERVED

    await watch.rounds(4)  # the far side fails the test when anything is asked twice in a round

    assert watch.book.standings[WIDE].breach is None
    assert len([s for s, at in watch.last.breach_since.items() if at]) == 3


@pytest.mark.looptime
async def test_a_round_that_does_not_come_to_an_end_is_ended_before_we_look_stalled(watch):
    """A slow API server is not our own fault: `/healthz` must not fall, or we are restarted for it."""
    await watch.until_all_held()
    watch.far.hangs = True
    start = asyncio.get_running_loop().time()

    records = await watch.rounds()

    assert asyncio.get_running_loop().time() - start < 3 * watch.plan.every + 30
    assert {(r.asked, r.verdict.reason) for r in records} == {(False, Reason.SILENT)}
    assert watch.last.reasons[0].startswith("the controls alone took longer than")


async def test_the_number_asked_is_the_number_of_questions_that_were_asked(watch):
    watch.far.answers[WIDE] = Answer.SERVED

    await watch.rounds()

    assert watch.last.questions == len(watch.far.asked)
