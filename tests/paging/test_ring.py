"""Two Alertmanagers that gossip: who hears of a breach, who tells the phone, and how long one waits for the other.

push -+> first (position 0) tells at once
      +> second (position 1) waits --cluster.peer-timeout, and keeps quiet if the first said that it told
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from sentinel.clients.alertmanager import Alertmanagers
from sentinel.clients.clock import Clock
from sentinel.sinks.pager import Pager
from tests.paging.scene import Case, Measured, scene
from tests.paging.test_truth import judge
from tests.support.alertmanager import Alertmanager, config
from tests.support.breaches import SENDER, Belief
from tests.support.eventually import eventually
from tests.support.pairs import PAIRS, Pair
from tests.support.webhook import Webhook

PEER_TIMEOUT = 1.0
"""Seconds; 15 are usual."""
SOON = 30.0


@pytest.fixture
def phone() -> Iterator[Webhook]:
    with Webhook() as made:
        yield made


@pytest.fixture(params=PAIRS, ids=str)
def ring(phone: Webhook, request: pytest.FixtureRequest) -> Iterator[list[Alertmanager]]:
    """By their positions."""
    with ExitStack() as stack:
        made: list[Alertmanager] = []
        for _ in range(2):
            own = config(phone.url, group_wait="0s", group_interval="1s", group_by=["alertname", "target"])
            one = Alertmanager(
                own,
                gossip=True,
                peers=list(made),
                peer_timeout=f"{PEER_TIMEOUT:g}s",
                binary=request.param.alertmanager,
            )
            made.append(stack.enter_context(one))
        eventually(lambda: all(is_settled(one) for one in made), SOON, "they gossip")
        yield sorted(made, key=lambda one: str(one.get("/api/v2/status")["cluster"]["name"]))


def is_settled(one: Alertmanager) -> bool:
    cluster = one.get("/api/v2/status")["cluster"]
    return cluster["status"] == "ready" and len(cluster["peers"]) == 2


async def push(*managers: Alertmanager, until: Webhook) -> None:
    """A breach to each, for as long as the phone takes to ring."""
    urls = [manager.url for manager in managers]
    async with Alertmanagers(2.0) as client:
        pager = Pager(urls, SENDER, client, Clock(), count=lambda _: None, delay=lambda _: None, repeat=0.5)
        task = asyncio.create_task(pager.run(), name="pager")
        pager.put(Belief().served(time.time()))
        try:
            await asyncio.to_thread(until.wait_for_alert, "firing", SOON, target="team-b")
            await asyncio.sleep(1.5 * PEER_TIMEOUT)  # for whoever would tell it a second time
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def test_of_two_that_hear_of_a_breach_one_tells_it(ring: list[Alertmanager], phone: Webhook) -> None:
    await push(*ring, until=phone)

    assert [delivery.status for delivery in phone.deliveries] == ["firing"]
    assert all(len(one.alerts(path="push")) == 1 for one in ring)


async def test_when_one_is_dead_the_other_tells_it(ring: list[Alertmanager], phone: Webhook) -> None:
    ring[0].kill()

    await push(*ring, until=phone)

    assert [delivery.status for delivery in phone.deliveries] == ["firing"]


def test_one_that_is_told_alone_waits_for_the_peer_ahead_of_it_as_computed() -> None:
    def play(pair: Pair) -> tuple[Sequence[Measured], float]:
        cases = [Case("Position", replicas=2)]
        with scene(cases, pair=pair, gossip=2, told=slice(1, 2), peer_timeout=4) as stage:
            stage.look()
            return stage.measure(), stage.stall.worst

    with ThreadPoolExecutor(len(PAIRS)) as both:
        for measured, stall in both.map(play, PAIRS):
            judge(measured, stall)
            (position,) = measured
            assert {term.seconds for term in position.rows[0].terms if term.name == "position in the ring"} == {4}
            assert min(position.took.values()) > 4
