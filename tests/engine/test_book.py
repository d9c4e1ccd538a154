"""What is remembered over a change of configuration: a breach of what nobody can ask any more."""

import pytest

from sentinel.core.answer import Answer
from sentinel.core.api.question import in_namespace
from sentinel.core.api.resources import CONFIGMAPS, SECRETS
from sentinel.core.api.rules import Grant
from sentinel.core.record import Series
from sentinel.core.standing import Turn
from tests.core.scopes import scope
from tests.engine.scripted import Watch, ample

LIST = in_namespace("self", "list", SECRETS, "team-002")
SERIES = Series("api/secrets", "self", "team-002")
THREE, TWO = ample(scope(3)), ample(scope(2))


@pytest.fixture
async def breached():
    """Three tenants, everything proven, and team-002's secrets open; then team-002 leaves the configuration."""
    watch = Watch(THREE)
    await watch.until_all_held()
    watch.far.answers[LIST] = Answer.SERVED
    await watch.rounds(4)
    assert watch.last.breach_since[SERIES] > 0
    watch.take(TWO)
    return watch


async def test_a_tenant_that_left_is_not_asked_about_any_more(breached):
    await breached.rounds()

    assert all(question.target != "team-002" for question in breached.far.asked)


async def test_its_breach_stands_for_fifteen_minutes_and_is_then_forgotten_with_a_word(breached):
    await breached.rounds(89)  # of 10 s: 890 s
    assert breached.last.breach_since[SERIES] > 0

    told = [record.change.turn for record in await breached.rounds(3) if record.change is not None]
    gone = [r for r in breached.ledger.records if r.change is not None and r.change.turn is Turn.FORGOTTEN]

    assert [r.question for r in gone] == [LIST]
    assert breached.last.breach_since[SERIES] == 0.0
    assert told.count(Turn.FORGOTTEN) <= 1


async def test_one_that_comes_back_in_time_is_still_open(breached):
    await breached.rounds(20)
    breached.take(THREE)

    await breached.rounds()

    assert LIST in breached.far.asked
    assert breached.last.breach_since[SERIES] > 0


async def test_one_that_comes_back_after_it_was_forgotten_has_to_be_proven_again(breached):
    await breached.rounds(95)
    assert breached.last.breach_since[SERIES] == 0.0
    breached.take(THREE)

    report = breached.book.end(1000, breached.clock.wall(), 0.0, 0, "")

    assert SERIES not in report.breach_since


async def test_what_stood_inconclusive_about_it_goes_at_once(breached):
    breached.take(THREE)
    breached.far.default = Answer.SILENT
    await breached.rounds(5)
    assert "team-002" in breached.last.inconclusive
    breached.take(TWO)

    await breached.rounds()

    assert "team-002" not in breached.last.inconclusive
    assert "team-002" not in breached.last.oldest_proof


async def test_an_open_question_that_is_only_no_longer_planned_stays_open_until_proof(breached):
    breached.take(THREE)
    suspect = in_namespace("self", "delete", CONFIGMAPS, "team-001")
    breached.far.grants["team-001"] = frozenset({Grant("delete", "", "configmaps")})
    breached.far.answers[suspect] = Answer.SERVED
    await breached.rounds()
    breached.far.grants.clear()  # the review says nothing of it any more; the hole is still there

    await breached.rounds(120)

    assert suspect in breached.far.asked
    assert breached.last.breach_since[Series("api/escalation", "self", "team-001")] > 0
