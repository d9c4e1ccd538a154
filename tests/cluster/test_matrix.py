"""Every class of question x every way to give it away becomes a breach, and what only breaks does not.

`make matrix` plays all rows, `make test` the same thirty each time; both print their counts.
"""

import os
from collections.abc import Iterator

import pytest

from tests.cluster.ground import Ground
from tests.cluster.matrix import disturbances, grants
from tests.cluster.matrix.disturbances import DISTURBANCES, Disturbance
from tests.cluster.matrix.grants import GRANTS, Grant
from tests.cluster.matrix.stage import Stage
from tests.cluster.matrix.tally import TALLY

FULL = os.environ.get("MATRIX") == "full"


@pytest.fixture(scope="module")
def stage(ground: Ground) -> Iterator[Stage]:
    ground.install()
    with Stage(ground) as built:
        yield built


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
