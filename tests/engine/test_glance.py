"""A round out of turn looks where it was told to, and what is contested has to be proven anew."""

import pytest

from sentinel.core.answer import Answer
from sentinel.core.api.question import CLUSTER, in_namespace
from sentinel.core.api.resources import CONFIGMAPS, SECRETS
from sentinel.core.api.rules import Grant
from sentinel.core.record import Series
from sentinel.core.verdict import State
from tests.core.scopes import scope
from tests.engine.scripted import Watch, ample

LIST = in_namespace("self", "list", SECRETS, "team-001")
ELSEWHERE = in_namespace("self", "delete", CONFIGMAPS, "team-002")
DELETE = in_namespace("self", "delete", SECRETS, "team-001")
SERIES = Series("api/secrets", "self", "team-001")


@pytest.fixture
def watch():
    return Watch(ample(scope(3)))


async def test_what_a_grant_opened_there_is_found_and_nothing_else_is_asked(watch):
    await watch.until_all_held()
    watch.far.grants = {
        "team-001": frozenset({Grant("delete", "", "secrets")}),
        "team-002": frozenset({Grant("delete", "", "configmaps")}),
    }
    watch.far.answers = {DELETE: Answer.SERVED, ELSEWHERE: Answer.SERVED}

    await watch.runner.glance(["team-001"])

    assert watch.book.standings[DELETE].state is State.BREACHED
    assert ELSEWHERE not in watch.far.asked
    assert {question.target for question in watch.far.asked} <= {"team-001", CLUSTER}


async def test_named_questions_are_asked_and_open_ones_of_that_target_again(watch):
    await watch.until_all_held()
    watch.far.answers = {LIST: Answer.SERVED}
    await watch.runner.glance(["team-001"], [LIST])
    opened = watch.book.standings[LIST].state
    watch.far.answers = {}

    await watch.runner.glance(["team-001"])
    once = watch.book.standings[LIST].state
    await watch.runner.glance(["team-001"])

    assert (opened, once) == (State.BREACHED, State.BREACHED)
    assert watch.book.standings[LIST].state is State.HELD


async def test_a_glance_takes_no_turn_of_the_rotation(watch):
    await watch.until_all_held()
    before = watch.book.rotations

    await watch.runner.glance(["team-001"])

    assert watch.book.rotations == before


async def test_a_contested_series_is_not_shut_until_two_rounds_have_proven_it_anew(watch):
    await watch.until_all_held()
    assert watch.last.breach_since[SERIES] == 0

    members = watch.book.contest(SERIES)
    await watch.runner.glance(["team-001"], members)
    first = watch.last.breach_since.get(SERIES)
    await watch.runner.glance(["team-001"], members)

    assert set(members) >= {LIST}
    assert {(question.check, question.target) for question in members} == {("api/secrets", "team-001")}
    assert first is None
    assert watch.last.breach_since[SERIES] == 0


async def test_contesting_one_series_leaves_every_other_proof_alone(watch):
    await watch.until_all_held()
    before = {series for series, since in watch.last.breach_since.items() if since == 0}

    watch.book.contest(SERIES)
    await watch.runner.glance([])

    left = {series for series, since in watch.last.breach_since.items() if since == 0}
    # The trip-wire is one for all classes of an identity and target: it has to be clean anew for them, too.
    assert before - left <= {s for s in before if (s.identity, s.target) == ("self", "team-001")}
