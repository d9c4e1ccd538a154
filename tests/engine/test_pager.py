"""The pager on virtual time, in front of Alertmanagers that keep what they are told and when."""

import asyncio
import contextlib
import itertools
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest
from structlog.testing import capture_logs

from sentinel.clients.alertmanager import Receiver
from sentinel.clients.clock import Clock
from sentinel.core.api.gates import Light
from sentinel.core.record import Series
from sentinel.errors import BadReply, OwnFault, Refused, Throttled, TimedOut, Unreachable
from sentinel.sinks.pager import MOST_WAITING, Pager
from tests.support.breaches import GET, LIST, SENDER, SERIES, Belief, a_round, whoami

pytestmark = [pytest.mark.asyncio, pytest.mark.looptime]

NOON = 1795262400.0
ONE, TWO = "http://one:9093", "http://two:9093"


class VirtualClock(Clock):
    def wall(self):
        return NOON + self.monotonic()

    def monotonic(self):
        return asyncio.get_running_loop().time()


@dataclass
class Post:
    at: float  # seconds since the start
    alerts: list[dict[str, Any]]

    def ends_in(self, place: int = 0) -> float:
        """Seconds from the post to the alert's end; negative when it is resolved."""
        return float(seconds(self.alerts[place]["endsAt"]) - self.at)


@dataclass
class Replica:
    """What one Alertmanager was told, and how it takes it."""

    posts: list[Post] = field(default_factory=list)
    trouble: Exception | None = None
    takes: float = 0.0

    @property
    def times(self) -> list[float]:
        return [round(post.at, 3) for post in self.posts]

    def firing(self, now: float) -> set[str]:
        """The targets of what stands now, as Alertmanager would see it."""
        ends = {a["labels"].get("target", a["labels"]["identity"]): a["endsAt"] for p in self.posts for a in p.alerts}
        return {target for target, end in ends.items() if seconds(end) > now}


class World:
    """The way to the replicas, and the names by which they are found."""

    def __init__(self):
        self.replicas = {ONE: Replica(), TWO: Replica()}
        self.names: dict[str, tuple[str, ...]] = {}
        self.lookups = 0

    async def post(self, receiver, alerts):
        replica = self.replicas[receiver.url]
        await asyncio.sleep(replica.takes)
        replica.posts.append(Post(asyncio.get_running_loop().time(), list(alerts)))
        if replica.trouble is not None:
            raise replica.trouble

    async def resolve(self, url):
        self.lookups += 1
        if not url.startswith("dns+"):
            return (Receiver(url),)
        if url not in self.names:
            raise OwnFault("not found")
        return tuple(Receiver(found) for found in self.names[url])


def seconds(text):
    return datetime.fromisoformat(text).timestamp() - NOON


class Desk:
    """A running pager and all that it said."""

    def __init__(self, world, urls=(ONE,), **timers):
        self.world = world
        self.counted: Counter[str] = Counter()
        self.delays: list[float] = []
        self.pager = Pager(
            urls,
            SENDER,
            world,
            VirtualClock(),
            count=lambda result: self.counted.update([result]),
            delay=self.delays.append,
            **timers,
        )
        self.task: asyncio.Task[None] | None = None

    async def __aenter__(self):
        self.task = asyncio.create_task(self.pager.run(), name="pager")
        await settle()
        return self

    async def __aexit__(self, *_):
        await self.stop()

    async def stop(self):
        assert self.task
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task

    def put(self, record):
        self.pager.put(record)

    def end_round(self, since, series=SERIES, **more):
        self.pager.end_round(a_round(now() + NOON, {series: since}, **more))


def now():
    return asyncio.get_running_loop().time()


async def settle():
    await asyncio.sleep(0.001)


async def until(at):
    await asyncio.sleep(at - now())


@pytest.fixture
def world():
    return World()


async def test_a_breach_is_pushed_to_every_alertmanager_at_once(world):
    async with Desk(world, (ONE, TWO)) as desk:
        await until(7)
        desk.put(Belief().served(NOON + 6.5))
        await settle()

        for replica in world.replicas.values():
            assert replica.times == [7.0]
            assert replica.posts[0].alerts[0]["startsAt"] == "2026-11-21T12:00:06.500Z"
            assert replica.posts[0].ends_in() == pytest.approx(90)
        assert desk.counted == {"accepted": 2}


async def test_the_delay_is_from_the_first_evidence_to_the_first_acceptance_and_counted_once(world):
    world.replicas[TWO].takes = 2.0
    async with Desk(world, (ONE, TWO)) as desk:
        await until(10)
        desk.put(Belief().served(NOON + 8))
        await until(200)

        assert desk.delays == [pytest.approx(2.0, abs=0.01)]


async def test_while_it_stands_it_is_pushed_every_30_seconds_with_an_end_90_seconds_ahead(world):
    async with Desk(world) as desk:
        desk.put(Belief().served(NOON))
        await until(300)

        posts = world.replicas[ONE].posts
        gaps = [later.at - earlier.at for earlier, later in itertools.pairwise(posts)]
        assert len(posts) >= 10
        assert max(gaps) <= 30.01
        assert {round(post.ends_in(), 2) for post in posts} == {90.0}


async def test_neither_blindness_nor_one_proof_nor_silence_of_the_rounds_resolves(world):
    belief = Belief()
    async with Desk(world) as desk:
        desk.put(belief.served(NOON))
        for at in range(10, 3600, 10):
            await until(at)
            desk.put(belief.blind(NOON + at))
            desk.pager.end_round(a_round(NOON + at))
        assert world.replicas[ONE].firing(now()) == {"team-b"}

        desk.put(belief.held(NOON + 3600))
        desk.end_round(NOON)
        await settle()
        assert world.replicas[ONE].firing(now()) == {"team-b"}


async def test_a_held_question_does_not_resolve_before_the_round_says_that_all_are(world):
    belief = Belief()
    async with Desk(world) as desk:
        desk.put(belief.served(NOON))
        await until(10)
        desk.put(belief.held(NOON + 10))
        desk.put(belief.held(NOON + 20))
        await until(100)

        assert belief.standing.breach is None
        assert world.replicas[ONE].firing(now()) == {"team-b"}


async def test_proof_resolves_at_once_and_is_repeated_for_five_minutes(world):
    async with Desk(world) as desk:
        desk.put(Belief().served(NOON))
        await until(45)
        desk.end_round(0.0)
        await until(1000)

        ends = [post for post in world.replicas[ONE].posts if post.at >= 45]
        assert ends[0].at == pytest.approx(45)
        assert {post.alerts[0]["endsAt"] for post in ends} == {"2026-11-21T12:00:45.000Z"}
        assert 10 <= len(ends) <= 12
        assert ends[-1].at == pytest.approx(345, abs=30)


async def test_an_end_is_said_when_the_rule_has_had_the_time_to_end_too(world):
    async with Desk(world, linger=25.0) as desk:
        desk.put(Belief().served(NOON))
        desk.end_round(NOON)

        await until(10)
        desk.end_round(0.0)
        await until(20)
        desk.end_round(0.0)
        await until(34.9)
        standing = world.replicas[ONE].firing(now())
        await until(36)

        assert standing == {SERIES.target}
        # It ends when it was proven, whenever that is said.
        assert (world.replicas[ONE].times[-1], world.replicas[ONE].posts[-1].ends_in()) == (35.0, -25.0)
        assert not world.replicas[ONE].firing(now())


async def test_what_opens_again_while_its_end_is_held_back_never_ended(world):
    async with Desk(world, linger=25.0) as desk:
        belief = Belief()
        desk.put(belief.served(NOON))
        desk.end_round(NOON)
        await until(10)
        desk.put(belief.held(NOON + 9))
        desk.put(belief.held(NOON + 10))
        desk.end_round(0.0)

        await until(20)
        desk.put(belief.served(NOON + 20))
        desk.end_round(NOON + 20)
        await until(100)

        assert all(post.ends_in() > 0 for post in world.replicas[ONE].posts)
        desk.end_round(0.0)
        await until(124)
        assert world.replicas[ONE].firing(now())
        await until(126)
        assert not world.replicas[ONE].firing(now())


async def test_a_stranger_who_is_back_before_its_end_was_said_stays(world):
    async with Desk(world, linger=25.0) as desk:
        stranger, ourselves = Light(up=False, identity=True), Light(up=True)
        for at, light in ((0, stranger), (10, ourselves), (20, stranger)):
            await until(at)
            wrong = frozenset({"ci"} if light is stranger else ())
            desk.pager.end_round(a_round(NOON + at, wrong=wrong, gates=(whoami("ci", light),)))
        await until(60)

        assert len(world.replicas[ONE].posts) > 1
        assert all(post.ends_in() > 0 for post in world.replicas[ONE].posts)


async def test_rounds_that_go_on_saying_closed_say_nothing_new(world):
    async with Desk(world) as desk:
        for at in range(10, 200, 10):
            await until(at)
            desk.end_round(0.0)

        assert world.replicas[ONE].posts == []


async def test_a_repeated_proof_does_not_prolong_the_end(world):
    async with Desk(world) as desk:
        desk.put(Belief().served(NOON))
        for at in range(10, 1000, 10):
            await until(at)
            desk.end_round(0.0)

        assert world.replicas[ONE].posts[-1].at < 345


async def test_what_reopens_while_the_end_is_repeated_fires(world):
    belief = Belief()
    async with Desk(world) as desk:
        desk.put(belief.served(NOON))
        await until(40)
        desk.put(belief.held(NOON + 30))
        desk.put(belief.held(NOON + 40))
        desk.end_round(0.0)
        await until(70)
        desk.put(belief.served(NOON + 70))
        await settle()
        assert world.replicas[ONE].firing(now()) == {"team-b"}
        assert world.replicas[ONE].posts[-1].alerts[0]["startsAt"] == "2026-11-21T12:01:10.000Z"

        # And neither the old end's repeats nor its last one takes it back.
        for at in range(80, 1000, 10):
            await until(at)
            assert world.replicas[ONE].firing(now()) == {"team-b"}
        assert len(desk.delays) == 2


async def test_several_questions_of_a_series_are_one_alert_from_the_first_evidence(world):
    async with Desk(world) as desk:
        desk.put(Belief(LIST).served(NOON + 0.5))
        await until(1)
        desk.put(Belief(GET).served(NOON + 1))
        await until(31)

        last = world.replicas[ONE].posts[-1]
        assert len(last.alerts) == 1
        assert last.alerts[0]["startsAt"] == "2026-11-21T12:00:00.500Z"
        assert "list secrets; get secrets/sentinel-beacon" in last.alerts[0]["annotations"]["description"]


async def test_what_is_learnt_later_is_told_with_the_next_repeat(world):
    first, second = Belief(LIST), Belief(GET)
    async with Desk(world) as desk:
        desk.put(first.served(NOON))
        desk.put(second.served(NOON))
        desk.put(first.held(NOON + 10))
        desk.put(first.held(NOON + 20))
        await until(31)

        told = world.replicas[ONE].posts[-1].alerts[0]["annotations"]["description"]
        assert "Let in: get secrets/sentinel-beacon." in told


async def test_what_a_wider_breach_stands_for_is_not_pushed_until_it_stands_alone(world):
    belief = Belief()
    async with Desk(world) as desk:
        desk.put(belief.served(NOON, subsumed=True))
        await until(60)
        assert world.replicas[ONE].posts == []

        desk.put(belief.served(NOON + 60))
        await settle()
        assert world.replicas[ONE].firing(now()) == {"team-b"}


async def test_a_breach_that_only_the_round_knows_of_is_pushed(world):
    async with Desk(world) as desk:
        await until(5)
        desk.end_round(NOON + 2)
        await settle()

        assert world.replicas[ONE].posts[0].alerts[0]["startsAt"] == "2026-11-21T12:00:02.000Z"


async def test_a_second_series_is_a_second_alert_and_ends_by_itself(world):
    async with Desk(world) as desk:
        desk.put(Belief().served(NOON))
        other = Series("api/exec", "self", "kube-system")
        desk.end_round(NOON, other)
        await until(31)
        assert len(world.replicas[ONE].posts[-1].alerts) == 2

        desk.end_round(0.0, other)
        await until(62)
        assert world.replicas[ONE].firing(now()) == {"team-b"}


async def test_stopping_flushes_and_resolves_nothing(world):
    async with Desk(world, (ONE, TWO)) as desk:
        desk.put(Belief().served(NOON))
        await desk.stop()
        await desk.pager.flush(2.0)

        for replica in world.replicas.values():
            assert replica.firing(now()) == {"team-b"}
            assert replica.firing(89) == {"team-b"}


async def test_a_push_that_was_under_way_when_it_was_stopped_is_sent_in_the_flush(world):
    world.replicas[ONE].takes = 1.0
    async with Desk(world) as desk:
        desk.put(Belief().served(NOON))
        await until(0.5)
        await desk.stop()
        assert world.replicas[ONE].posts == []

        await desk.pager.flush(2.0)
        assert world.replicas[ONE].firing(now()) == {"team-b"}


async def test_of_two_words_about_one_alert_the_flush_sends_the_newer(world):
    world.replicas[ONE].takes = 1.0
    async with Desk(world) as desk:
        desk.put(Belief().served(NOON))
        await until(0.5)
        desk.end_round(0.0)
        await desk.stop()
        await desk.pager.flush(2.0)

        assert [post.alerts[0]["endsAt"] for post in world.replicas[ONE].posts] == ["2026-11-21T12:00:00.500Z"]


async def test_a_flush_takes_no_longer_than_it_may_and_the_healthy_one_is_served(world):
    world.replicas[ONE].takes = 3600.0
    async with Desk(world, (ONE, TWO)) as desk:
        desk.put(Belief().served(NOON))
        await desk.stop()

        began = now()
        await desk.pager.flush(2.0)

        assert now() - began == pytest.approx(2.0)
        assert world.replicas[TWO].firing(now()) == {"team-b"}


async def test_a_restart_says_nothing_of_what_it_does_not_know(world):
    async with Desk(world) as desk:
        desk.put(Belief().served(NOON))
        await until(40)
    told = len(world.replicas[ONE].posts)
    async with Desk(world) as again:
        again.end_round(0.0)
        await until(100)

        assert len(world.replicas[ONE].posts) == told


@pytest.mark.parametrize("trouble", [Unreachable("x"), TimedOut("x"), Refused("x"), Throttled("x"), BadReply("x")])
async def test_trouble_with_one_never_delays_another(world, trouble):
    world.replicas[ONE].trouble = trouble
    async with Desk(world, (ONE, TWO)) as desk:
        await until(5)
        desk.put(Belief().served(NOON + 5))
        await settle()

        assert world.replicas[TWO].times == [5.0]
        assert desk.delays == [pytest.approx(0.0, abs=0.01)]


async def test_a_slow_one_never_delays_another_and_gets_the_newest_word(world):
    world.replicas[ONE].takes = 200.0
    async with Desk(world, (ONE, TWO)) as desk:
        desk.put(Belief().served(NOON))
        await until(100)
        desk.end_round(0.0)
        await until(500)

        assert world.replicas[TWO].times[0] == 0.001
        assert not world.replicas[TWO].firing(101)
        slow = world.replicas[ONE].posts
        assert slow[0].ends_in() == pytest.approx(90 - 200)
        assert slow[1].alerts[0]["endsAt"] == "2026-11-21T12:01:40.000Z"
        assert desk.counted["dropped"] == 1  # the repeat that the end replaced


@pytest.mark.parametrize(
    ("trouble", "tries", "result"),
    [
        (Unreachable("refused"), 3, "unreachable"),
        (BadReply("500"), 3, "unreachable"),
        (TimedOut("5 s"), 1, "unreachable"),
        (Refused("400"), 1, "refused"),
        (Throttled("429"), 1, "refused"),
    ],
)
async def test_connections_and_5xx_are_tried_again_soon_and_nothing_else_is(world, trouble, tries, result):
    world.replicas[ONE].trouble = trouble
    async with Desk(world) as desk:
        desk.put(Belief().served(NOON))
        await until(5)

        assert len(world.replicas[ONE].posts) == tries
        assert desk.counted == {result: 1}
        assert desk.delays == []


async def test_who_was_away_hears_it_with_the_next_repeat(world):
    world.replicas[ONE].trouble = Unreachable("away")
    async with Desk(world) as desk:
        desk.put(Belief().served(NOON))
        await until(20)
        world.replicas[ONE].trouble = None
        await until(31)

        assert desk.counted == {"unreachable": 1, "accepted": 1}
        assert desk.delays == [pytest.approx(30, abs=0.1)]


async def test_trouble_is_logged_when_it_begins_and_when_it_ends(world):
    world.replicas[ONE].trouble = Unreachable("away")
    with capture_logs() as said:
        async with Desk(world) as desk:
            desk.put(Belief().served(NOON))
            await until(100)
            world.replicas[ONE].trouble = None
            await until(200)

    assert [line["event"] for line in said] == ["page not delivered", "page delivered again"]
    assert said[0]["detail"] == "away"


async def test_more_than_can_wait_drops_the_oldest_and_counts_it(world):
    world.replicas[ONE].takes = 10.0
    async with Desk(world) as desk:
        desk.end_round(NOON, Series("api/secrets", "self", "first"))
        await until(1)
        for number in range(MOST_WAITING + 5):
            desk.end_round(NOON, Series("api/secrets", "self", f"t{number}"))
        await until(25)

        assert desk.counted["dropped"] == 5
        assert len(world.replicas[ONE].posts[1].alerts) == MOST_WAITING
        delivered = [alert["labels"]["target"] for alert in world.replicas[ONE].posts[1].alerts]
        assert delivered == [f"t{number}" for number in range(5, MOST_WAITING + 5)]


async def test_every_address_behind_a_name_is_pushed_to(world):
    world.names["dns+http://am:9093"] = (ONE, TWO)
    async with Desk(world, ("dns+http://am:9093",)) as desk:
        desk.put(Belief().served(NOON))
        await settle()

        assert all(replica.firing(now()) for replica in world.replicas.values())
        assert desk.counted == {"accepted": 2}


async def test_an_address_that_comes_later_is_told_what_stands_and_one_that_goes_is_left_alone(world):
    world.names["dns+http://am:9093"] = (ONE,)
    async with Desk(world, ("dns+http://am:9093",)) as desk:
        desk.put(Belief().served(NOON))
        await until(10)
        world.names["dns+http://am:9093"] = (TWO,)
        await until(200)

        assert world.replicas[TWO].posts[0].at <= 40
        assert world.replicas[ONE].posts[-1].at <= 40
        assert world.replicas[TWO].firing(now()) == {"team-b"}


async def test_a_new_breach_looks_the_name_up_again(world):
    world.names["dns+http://am:9093"] = (ONE,)
    async with Desk(world, ("dns+http://am:9093",)) as desk:
        await until(10)
        world.names["dns+http://am:9093"] = (ONE, TWO)
        desk.put(Belief().served(NOON + 10))
        await settle()

        assert world.replicas[TWO].times == [10.0]


async def test_a_name_that_is_lost_leaves_the_addresses_it_had(world):
    world.names["dns+http://am:9093"] = (ONE,)
    async with Desk(world, ("dns+http://am:9093",)) as desk:
        await until(10)
        del world.names["dns+http://am:9093"]
        await until(50)
        desk.put(Belief().served(NOON + 50))
        await settle()

        assert world.replicas[ONE].firing(now()) == {"team-b"}


async def test_a_name_that_is_not_found_is_counted_and_looked_up_soon_again(world):
    async with Desk(world, ("dns+http://am:9093",)) as desk:
        await until(10)
        desk.put(Belief().served(NOON + 10))
        assert desk.counted == {"unreachable": 1}
        await until(12)
        world.names["dns+http://am:9093"] = (ONE,)
        await until(16)

        assert world.replicas[ONE].firing(now()) == {"team-b"}


async def test_a_wrong_identity_is_pushed_until_whoami_is_right_again(world):
    def the_round(light, wrong):
        rows = (whoami("ci", light),)
        desk.pager.end_round(a_round(NOON + now(), wrong=frozenset(wrong), gates=rows))

    async with Desk(world) as desk:
        the_round(Light(up=False, detail="named x", identity=True), {"ci"})
        await settle()
        sent = world.replicas[ONE].posts[0].alerts[0]
        assert sent["labels"]["alertname"] == "SentinelWrongIdentity"
        assert "named x" in sent["annotations"]["description"]

        await until(50)
        the_round(Light(up=False, detail="no reply"), set())  # blind: takes nothing back
        await until(100)
        assert world.replicas[ONE].firing(now()) == {"ci"}

        the_round(Light(up=True), set())
        await settle()
        assert not world.replicas[ONE].firing(now())


async def test_an_identity_that_nobody_asks_as_any_more_is_not_wrong(world):
    async with Desk(world) as desk:
        desk.pager.end_round(a_round(NOON, wrong=frozenset({"ci"})))
        await until(10)
        desk.pager.end_round(a_round(NOON + 10))
        await settle()

        assert not world.replicas[ONE].firing(now())


async def test_the_timers_scale(world):
    async with Desk(world, repeat=0.3, resolved_for=3.0) as desk:
        desk.put(Belief().served(NOON))
        await until(1)
        desk.end_round(0.0)
        await until(100)

        posts = world.replicas[ONE].posts
        assert posts[0].ends_in() == pytest.approx(0.9)
        assert 11 <= len([post for post in posts if post.at >= 1]) <= 12


async def test_put_and_end_round_do_not_wait_for_anything(world):
    desk = Desk(world)  # never run: nobody sends
    desk.put(Belief().served(NOON))
    desk.end_round(0.0)

    assert world.replicas[ONE].posts == []
