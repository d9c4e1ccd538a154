"""A tenant's word opens at once and never closes: what ends a page is the witness's own proof."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from sentinel.core.answer import Answer
from sentinel.core.api.question import in_namespace
from sentinel.core.api.resources import SECRETS
from sentinel.core.claim import Claim
from sentinel.core.page import Alert, Page
from sentinel.core.record import Record, Round, Series
from sentinel.engine.desk import Desk
from tests.core.scopes import scope
from tests.engine.scripted import Watch, ample

LIST = in_namespace("self", "list", SECRETS, "team-001")
SERIES = Series("api/secrets", "self", "team-001")
STRANGER = Series("", "self", "")
PATIENCE = 90.0


@dataclass
class Told:
    """Whoever pages, and what it was told to."""

    on: list[Series] = field(default_factory=list)
    reports: list[Round] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)

    def put(self, record: Record) -> None:
        self.records.append(record)

    def end_round(self, report: Round) -> None:
        self.reports.append(report)

    def pass_on(self, alert: Alert, series: Series, told: Page) -> None:
        self.on.append(series)

    @property
    def since(self):
        """What was said of the series last: None for nothing."""
        return self.reports[-1].breach_since.get(SERIES)


@dataclass
class Scene:
    watch: Watch
    told: Told
    desk: Desk
    looks: list[Any]

    async def rounds(self, count=1):
        for _ in range(count):
            looks, self.looks[:] = [*self.looks], []
            for series, questions in looks:
                await self.watch.runner.glance([series.target], questions)
            await self.watch.rounds()


@pytest.fixture
async def scene():
    watch, told, looks = Watch(ample(scope(3))), Told(), []
    desk = Desk(
        watch.book,
        told,
        lambda series, questions: looks.append((series, questions)),
        lambda claim: Page({}, {}, claim.since),
        watch.clock,
        PATIENCE,
    )
    watch.book.sinks = (watch.ledger, desk)
    await watch.until_all_held()
    return Scene(watch, told, desk, looks)


def claim(*, over=False, series=SERIES, alert=Alert.BREACH):
    return Claim(alert, series, 100.0, {}, over)


async def test_a_tenants_word_is_passed_on_at_once_and_asked_about(scene):
    assert scene.desk.take(claim())

    assert scene.told.on == [SERIES]
    assert [series for series, _ in scene.looks] == [SERIES]
    assert LIST in scene.looks[0][1]


async def test_while_the_tenant_calls_it_open_no_proof_of_ours_ends_it(scene):
    scene.desk.take(claim())
    for _ in range(20):
        scene.desk.take(claim())
        await scene.rounds()

    assert all(report.breach_since.get(SERIES) is None for report in scene.told.reports[-20:])


async def test_its_end_is_no_end_until_two_rounds_after_it_have_proven_it(scene):
    scene.desk.take(claim())
    await scene.rounds(4)
    scene.watch.far.default = Answer.SILENT

    assert scene.desk.take(claim(over=True))
    await scene.rounds(5)
    blind = scene.told.since
    scene.watch.far.default = Answer.DENIED
    await scene.rounds(3)

    assert blind is None
    assert scene.told.since == 0
    assert scene.desk.open_claims() == {}


async def test_one_proof_after_the_end_is_not_enough(scene):
    scene.desk.take(claim())
    await scene.rounds(4)

    scene.desk.take(claim(over=True))
    _, members = scene.looks.pop()
    await scene.watch.runner.glance(["team-001"], members)

    assert scene.told.since is None


async def test_a_lie_that_it_is_over_ends_nothing_while_we_are_let_in(scene):
    scene.watch.far.answers = {LIST: Answer.SERVED}
    scene.desk.take(claim())
    await scene.rounds(2)

    before = len(scene.told.reports)
    scene.desk.take(claim(over=True))
    await scene.rounds(5)

    assert all(report.breach_since[SERIES] > 0 for report in scene.told.reports[before:]), "not even for one round"


async def test_who_stops_repeating_has_said_no_more_and_our_own_proof_counts(scene):
    scene.desk.take(claim())
    scene.watch.clock.now += PATIENCE + 1

    await scene.rounds(4)

    assert scene.told.since == 0
    assert scene.desk.open_claims() == {}


async def test_an_end_of_what_was_never_told_changes_nothing(scene):
    assert not scene.desk.take(claim(over=True))
    assert scene.told.on == []


async def test_a_stranger_stands_while_it_is_repeated_and_no_longer(scene):
    stranger = claim(series=STRANGER, alert=Alert.IDENTITY)
    assert scene.desk.take(stranger)
    await scene.rounds()
    standing = scene.told.reports[-1].wrong_identity
    assert not scene.desk.take(claim(series=STRANGER, alert=Alert.IDENTITY, over=True))
    await scene.rounds()
    repeated = scene.told.reports[-1].wrong_identity

    scene.watch.clock.now += PATIENCE + 1
    await scene.rounds()

    assert standing == repeated == {"self"}
    assert scene.told.reports[-1].wrong_identity == frozenset()


ITS_OWN = [Series("net/tcp", "self", "team-001"), Series("crosstalk", "self", "gateway/chat")]
"""What nobody can ask for a tenant: where packets come from and whose key it is cannot be borrowed."""


@pytest.mark.parametrize("series", ITS_OWN)
async def test_about_what_only_it_can_ask_the_tenants_own_word_ends_what_it_began(scene, series):
    scene.desk.take(claim(series=series))
    await scene.rounds()
    assert scene.told.on == [series] and series not in scene.told.reports[-1].breach_since
    assert not scene.looks  # nobody else can ask from there

    scene.desk.take(claim(series=series, over=True))
    await scene.rounds()

    assert scene.told.reports[-1].breach_since[series] == 0.0
    await scene.rounds()
    assert series not in scene.told.reports[-1].breach_since


@pytest.mark.parametrize("series", ITS_OWN)
async def test_a_tenant_that_falls_silent_about_that_leaves_it_to_the_rule(scene, series):
    scene.desk.take(claim(series=series))
    scene.watch.clock.now += PATIENCE + 1
    await scene.rounds()

    assert scene.told.reports[-1].breach_since[series] == 0.0
