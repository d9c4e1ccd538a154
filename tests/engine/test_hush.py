"""Who is told to wait asks nothing until then, calls nothing held, and goes on afterwards."""

from sentinel.core.answer import Answer
from sentinel.core.verdict import Reason, State
from tests.core.scopes import scope
from tests.engine.scripted import Watch, ample


async def test_after_a_429_with_a_time_nothing_is_asked_until_it_has_passed():
    watch = Watch(ample(scope(3)))
    await watch.until_all_held()
    watch.far.default, watch.far.wait = Answer.LIMITED, 25.0

    first = await watch.rounds()
    asked = len(watch.far.asked)
    watch.far.default = Answer.DENIED
    watch.far.asked = {}
    second = await watch.rounds()
    hushed = len(watch.far.asked)
    await watch.rounds(3)

    assert asked == 1
    assert hushed == 0
    assert {row.verdict.reason for row in (*first, *second)} == {Reason.LIMITED}
    assert not [row for row in (*first, *second) if row.verdict.state is State.HELD]
    assert watch.far.asked


async def test_a_429_without_a_time_is_one_answer_and_the_round_goes_on():
    watch = Watch(ample(scope(3)))
    await watch.until_all_held()
    watch.far.default = Answer.LIMITED

    await watch.rounds()

    assert len(watch.far.asked) > 1
