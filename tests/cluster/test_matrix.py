"""Every class of question x every way to give it away becomes a breach, and what only breaks does not.

`make matrix` plays all rows, `make test` the same thirty each time; both print their counts.
"""

import os
from collections.abc import Iterator

import pytest

from sentinel.core.api import rules
from sentinel.core.api.question import Question
from sentinel.core.api.resources import RESOURCES
from sentinel.core.api.rules import Grant as Listed
from tests.cluster.ground import Ground
from tests.cluster.matrix import disturbances, grants, tower
from tests.cluster.matrix.disturbances import DISTURBANCES, Disturbance
from tests.cluster.matrix.grants import GRANTS, Grant
from tests.cluster.matrix.stage import Stage
from tests.cluster.matrix.tally import TALLY
from tests.cluster.matrix.tower import UNWITNESSED, Tower, Unwitnessed

FULL = os.environ.get("MATRIX") == "full"


@pytest.fixture(scope="module")
def stage(ground: Ground) -> Iterator[Stage]:
    ground.install()
    with Stage(ground) as built:
        yield built


def test_no_class_of_question_is_without_a_row(stage: Stage) -> None:
    """What is planned, type by type; what the trip-wire may lead to, as kinds of question."""
    rows = {row.asked.key: row.asked.check for row in GRANTS}
    kinds = {(row.asked.check, row.asked.verb, row.asked.sub) for row in GRANTS}
    everything = [Listed("*", "*", "*")]

    planned = {key(question): question.check for question in stage.look.plan.questions}
    inside = rules.suspects(everything, "self", "team-b", RESOURCES).questions
    beyond = rules.wide_suspects(everything, "self", RESOURCES).questions

    assert {found: check for found, check in planned.items() if rows.get(found) != check} == {}
    assert {(q.check, q.verb, q.subresource) for q in (*inside, *beyond)} - kinds == set()
    assert len(GRANTS) >= 150
    assert len(DISTURBANCES) >= 30
    assert len({row.name for row in GRANTS}) == len(GRANTS)


def key(question: Question) -> tuple[str, str, str]:
    return question.verb, question.resource.label, question.subresource


@pytest.mark.parametrize("row", GRANTS if FULL else grants.sample(), ids=lambda row: row.name)
async def test_a_grant_is_a_breach_with_its_cause_and_ends_by_proof(stage: Stage, row: Grant) -> None:
    try:
        outcome = await stage.play(row)
    except BaseException:
        TALLY.missed += 1
        raise
    TALLY.detected += 1
    TALLY.rounds.append(outcome.detected)


@pytest.mark.parametrize("row", DISTURBANCES if FULL else disturbances.sample(), ids=lambda row: row.name)
async def test_what_only_breaks_is_neither_a_breach_nor_a_proof(stage: Stage, row: Disturbance) -> None:
    TALLY.disturbances += 1
    try:
        await stage.suffer(row)
    except BaseException:
        TALLY.false += 1
        raise


@pytest.fixture(scope="module")
def witnessed(ground: Ground) -> Iterator[Tower]:
    ground.install()
    with Tower(ground) as built:
        yield built


@pytest.mark.parametrize("row", UNWITNESSED if FULL else tower.sample(), ids=lambda row: row.name)
def test_without_relay_witness_or_watch_a_hole_is_found_and_nothing_else(witnessed: Tower, row: Unwitnessed) -> None:
    TALLY.disturbances += 1
    try:
        witnessed.suffer(row)
    except BaseException:
        TALLY.false += 1
        raise
