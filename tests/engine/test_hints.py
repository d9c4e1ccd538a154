"""Hints: at once, once, to the one they are for, and never in the way."""

import asyncio

import pytest

from sentinel.core.net.hint import Hint, parse
from sentinel.engine.hints import MOST_TARGETS, Hints

BEGIN = 1_700_000_000


@pytest.fixture
def hints():
    return Hints(BEGIN)


@pytest.mark.looptime
async def test_who_waits_is_woken_by_news(hints):
    loop = asyncio.get_running_loop()
    loop.call_later(7, hints.tell, "a", ["x", "y"])

    found = await hints.wait("a", BEGIN, 25)

    assert (found, loop.time()) == (Hint(BEGIN + 1, frozenset({"x", "y"})), 7)


@pytest.mark.looptime
async def test_without_news_the_wait_ends_empty_handed(hints):
    assert await hints.wait("a", BEGIN, 25) == Hint(BEGIN, frozenset())
    assert asyncio.get_running_loop().time() == 25


@pytest.mark.looptime
async def test_all_who_wait_are_told_and_other_tenants_are_not(hints):
    waiting = [asyncio.create_task(hints.wait(tenant, BEGIN, 25)) for tenant in ("a", "a", "b")]
    await asyncio.sleep(1)
    hints.tell("a", ["x"])

    assert [(await task).targets for task in waiting] == [{"x"}, {"x"}, frozenset()]


async def test_what_was_told_before_the_question_is_answered_at_once_and_once(hints):
    hints.tell("a", ["x"])
    hints.tell("a", ["y", "x"])

    assert await hints.wait("a", BEGIN, 0) == Hint(BEGIN + 2, frozenset({"x", "y"}))
    assert await hints.wait("a", BEGIN + 1, 0) == Hint(BEGIN + 2, frozenset({"x", "y"}))
    assert await hints.wait("a", BEGIN + 2, 0) == Hint(BEGIN + 2, frozenset())


@pytest.mark.parametrize("after", [0, BEGIN - 5, BEGIN + 999])
async def test_a_number_of_another_life_is_given_everything(hints, after):
    hints.tell("a", ["x"])

    assert (await hints.wait("a", after, 0)).targets == {"x"}


async def test_nothing_told_is_no_news(hints):
    hints.tell("a", [])

    assert await hints.wait("a", BEGIN, 0) == Hint(BEGIN, frozenset())


async def test_what_is_remembered_is_bounded_and_the_newest_stay(hints):
    for number in range(2 * MOST_TARGETS):
        hints.tell("a", [f"t-{number}"])

    found = await hints.wait("a", 0, 0)
    assert len(found.targets) == MOST_TARGETS
    assert f"t-{2 * MOST_TARGETS - 1}" in found.targets


async def test_a_new_number_comes_with_every_change_so_that_none_is_missed(hints):
    seen, found = set(), Hint(BEGIN, frozenset())
    for number in range(50):
        hints.tell("a", [f"t-{number}"])
        if number % 3 == 0:
            found = await hints.wait("a", found.next, 0)
            seen |= found.targets
    seen |= (await hints.wait("a", found.next, 0)).targets

    assert seen == {f"t-{number}" for number in range(50)}


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b"null", b'{"next": "1", "targets": []}', b'{"next": 1, "targets": {}}']
)
def test_what_is_no_hint_is_none(body):
    assert parse(body) is None


def test_a_hint_is_read_as_it_is_written():
    assert parse(b'{"next": 7, "targets": ["x", 3, "*"]}') == Hint(7, frozenset({"x", "*"}))
