"""Rounds of what surrounds every pod: a denial needs its controls on both sides, a breach needs nothing."""

from collections import Counter
from dataclasses import dataclass, field

import pytest

from sentinel.core.answer import Answer, Observation
from sentinel.core.net.crossing import Family
from sentinel.core.net.kubelet import NodeQuestion, Port
from sentinel.core.record import Series
from sentinel.core.standing import Turn
from sentinel.core.verdict import Reason, State
from sentinel.engine.crossings import Crossings
from sentinel.engine.surroundings import Egress, Surroundings
from sentinel.joins.lookouts import NOT_PRIVATE
from tests.engine.net_scripted import Fate, Net
from tests.engine.scripted import Hand, Ledger

A, B = (NodeQuestion("self", f"node-{name}", f"10.0.0.{name}", Port.SECURE) for name in (1, 2))
NODES = Series("net/node", "self", "*")


@dataclass
class Told:
    """A lookout that does what a test tells it."""

    clock: Hand
    answers: dict[NodeQuestion, Answer] = field(default_factory=lambda: {A: Answer.DENIED, B: Answer.DENIED})
    red: list[dict[NodeQuestion, Reason]] = field(default_factory=list)
    planned: list[NodeQuestion] = field(default_factory=lambda: [A, B])
    check: str = "net/node"
    silence_counts: bool = True
    allowed: str = ""
    asked: Counter[NodeQuestion] = field(default_factory=Counter)

    def questions(self):
        return self.planned

    async def controls(self, questions):
        return self.red.pop(0) if self.red else {}

    async def ask(self, question):
        self.asked[question] += 1
        return Observation(self.answers[question], self.clock.wall())


class World:
    def __init__(self):
        self.clock, self.ledger = Hand(), Ledger()
        self.book = Crossings(self.clock.wall(), (self.ledger,))
        self.lookout = Told(self.clock)
        self.rounds = Surroundings((self.lookout,), self.book, self.clock)

    async def round(self, count=1, seconds=60.0):
        for _ in range(count):
            self.clock.now += seconds
            await self.rounds.run()
            self.book.end(self.clock.wall(), 0.0, 0)

    def verdict(self, question=A):
        return self.book.standings[question].verdict

    @property
    def since(self):
        return self.ledger.rounds[-1].breach_since.get(NODES)


@pytest.fixture
def world():
    return World()


async def test_what_is_denied_between_green_controls_is_held(world):
    await world.round(2)

    assert (world.verdict().state, world.verdict().reason) == (State.HELD, Reason.DENIED)
    assert world.since == 0.0
    assert world.ledger.rounds[-1].coverage == 1.0


@pytest.mark.parametrize("red", [[{A: Reason.LIGHTHOUSE}], [{}, {A: Reason.LIGHTHOUSE}]], ids=["before", "after"])
@pytest.mark.parametrize("answer", [Answer.DENIED, Answer.SILENT])
async def test_a_red_control_on_either_side_makes_it_inconclusive_and_no_other_question(world, red, answer):
    world.lookout.answers[A] = answer
    world.lookout.red = [*red]

    await world.round()

    assert (world.verdict().state, world.verdict().reason) == (State.INCONCLUSIVE, Reason.LIGHTHOUSE)
    assert world.verdict(B).state is State.HELD


async def test_who_lets_us_in_is_a_breach_whatever_the_controls_say(world):
    world.lookout.answers[A] = Answer.SERVED
    world.lookout.red = [{A: Reason.LIGHTHOUSE, B: Reason.LIGHTHOUSE}] * 2

    await world.round()

    assert world.verdict().state is State.BREACHED
    assert world.since == world.clock.wall()
    assert world.verdict(B).state is State.INCONCLUSIVE


async def test_a_breach_is_published_before_anything_else_of_the_round_is_known(world):
    world.lookout.answers[A] = Answer.SERVED

    async def fails(question):
        if question == B:
            raise RuntimeError("a bug")
        return await Told.ask(world.lookout, question)

    world.lookout.ask = fails
    with pytest.raises(ExceptionGroup):
        await world.round()

    assert [record.change.turn for record in world.ledger.records if record.change] == [Turn.OPENED]


async def test_a_breach_ends_by_two_rounds_of_proof_and_not_by_blindness(world):
    world.lookout.answers[A] = Answer.SERVED
    await world.round()
    world.lookout.answers[A] = Answer.DENIED
    world.lookout.red = [{A: Reason.LIVE}] * 40
    await world.round(20)
    blind = world.since
    world.lookout.red = []
    await world.round()
    once = world.since
    await world.round()

    assert blind
    assert once
    assert world.since == 0.0


async def test_what_we_could_not_send_has_a_reason_that_is_not_the_api_servers(world):
    world.lookout.answers[A] = Answer.UNASKED

    await world.round()

    assert (world.verdict().state, world.verdict().reason) == (State.INCONCLUSIVE, Reason.WAY)


@pytest.mark.parametrize(("counts", "state"), [(True, State.HELD), (False, State.INCONCLUSIVE)])
async def test_silence_is_a_denial_where_the_lookout_says_so(world, counts, state):
    world.lookout.answers[A] = Answer.SILENT
    world.lookout.silence_counts = counts

    await world.round()

    assert world.verdict().state is state


async def test_what_is_not_private_may_be_found_and_is_a_breach_once_it_is_private(world):
    world.lookout.answers[A], world.lookout.allowed = Answer.SERVED, NOT_PRIVATE
    await world.round(2)
    open_to_all = world.verdict()
    world.lookout.allowed = ""
    await world.round()

    assert (open_to_all.state, open_to_all.reason, open_to_all.by) == (State.HELD, Reason.ALLOWED, NOT_PRIVATE)
    assert world.verdict().state is State.BREACHED


async def test_a_node_that_lets_us_in_is_asked_on_when_its_last_beacon_has_moved_away(world):
    world.lookout.answers[A] = Answer.SERVED
    await world.round()
    world.lookout.planned = [B]
    await world.round(30)

    assert world.lookout.asked[A] == 31
    assert world.since


async def test_a_node_that_is_gone_for_good_is_forgotten_with_a_word(world):
    world.lookout.answers[A] = Answer.SERVED
    await world.round()
    world.lookout.planned = [B]
    world.lookout.answers[A] = Answer.UNASKED
    await world.round(40)

    assert A not in world.book.standings
    assert [record.change.turn for record in world.ledger.records if record.change and record.question == A] == [
        Turn.OPENED,
        Turn.FORGOTTEN,
    ]


async def test_what_cannot_be_proven_here_is_shown_and_makes_no_target_of_the_tenants_look_blind(world):
    world.lookout.red = [{A: Reason.LIGHTHOUSE, B: Reason.LIGHTHOUSE}] * 40

    await world.round(20)

    report = world.ledger.rounds[-1]
    assert report.inconclusive == {"*": frozenset({Reason.LIGHTHOUSE})}
    assert report.coverage == 0.0
    assert report.oldest_proof == {}


@pytest.mark.parametrize(
    ("fate", "family", "reason"),
    [
        (Fate.SERVED, Family.V4, None),
        (Fate.SERVED, Family.V6, None),
        (Fate.SILENT, Family.V4, Reason.LIGHTHOUSE),
        (Fate.GARBAGE, Family.V4, Reason.LIGHTHOUSE),
        (Fate.FORGED, Family.V6, Reason.LIGHTHOUSE),
        (Fate.STOLEN, Family.V4, Reason.LIGHTHOUSE),
    ],
)
@pytest.mark.looptime
async def test_our_way_out_is_open_when_the_lighthouse_itself_has_just_answered(fate, family, reason):
    net = Net(to_lighthouse=fate)
    await net.round.fetch()

    assert await Egress(net.round)(family) is reason


@pytest.mark.looptime
async def test_without_a_roster_nobody_knows_whether_our_way_out_is_open():
    assert await Egress(Net().round)(Family.V4) is Reason.ROSTER
