"""Every hole in the network becomes the breach that it is, and what only breaks is neither a breach nor a proof.

`make matrix` plays all rows, `make test` the same few each time; both print their counts. All of it is real
but the API server: namespaces, nftables, sockets, beacons, the witness's roll, the rounds of the one who asks.
"""

import contextlib
import os
from collections.abc import Iterator

import pytest

from tests.cluster.netmatrix import disturbances, openings
from tests.cluster.netmatrix.disturbances import Disturbance
from tests.cluster.netmatrix.openings import Opening
from tests.cluster.netmatrix.stage import Stage
from tests.cluster.netmatrix.tally import NET_TALLY

FULL = os.environ.get("MATRIX") == "full"
OPENINGS = openings.rows() if FULL else openings.sample()
DISTURBANCES = disturbances.rows() if FULL else disturbances.sample()

# The first test of each kind waits until all rows of its kind were played, beside one another.
pytestmark = pytest.mark.timeout(1500 if FULL else 400)


@pytest.fixture(scope="module")
def played() -> Iterator[Stage]:
    # Among all targets a round takes seven seconds, and each disturbance two rounds.
    with Stage(OPENINGS, () if FULL else DISTURBANCES) as stage:
        stage.settle()
        stage.play()
        yield stage


@pytest.fixture(scope="module")
def suffered(request: pytest.FixtureRequest) -> Iterator[Stage]:
    with contextlib.ExitStack() as stack:
        stage: Stage = stack.enter_context(Stage((), DISTURBANCES)) if FULL else request.getfixturevalue("played")
        stage.settle()
        stage.suffer()
        yield stage


def test_no_kind_of_row_is_left_out_of_the_few() -> None:
    every, some = openings.rows(), openings.sample()

    assert openings.is_covering(some)
    assert len(every) >= 80
    assert len({row.name for row in every}) == len(every)
    assert {row.local for row in disturbances.sample()} == {True, False}
    assert len({row.name for row in disturbances.rows()}) >= 20


@pytest.mark.parametrize("row", OPENINGS, ids=lambda row: row.name)
def test_a_hole_is_the_breach_that_it_is_and_ends_by_proof(played: Stage, row: Opening) -> None:
    wrong = played.wrong(row)

    NET_TALLY.wrong += bool(wrong)
    NET_TALLY.right += not wrong
    NET_TALLY.rounds.append(played.outcomes[row.name].detected)
    assert wrong == {}


@pytest.mark.parametrize("row", DISTURBANCES, ids=lambda row: row.name)
def test_what_only_breaks_is_neither_a_breach_nor_held(suffered: Stage, row: Disturbance) -> None:
    judged = suffered.misjudged[row.name]

    NET_TALLY.disturbances += 1
    NET_TALLY.breached += any("breached" in line for line in judged)
    NET_TALLY.held += any("held" in line for line in judged)
    assert judged == [], suffered.reasons[row.name]
