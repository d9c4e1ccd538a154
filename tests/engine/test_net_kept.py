"""Connections that outlive a policy, and pods that are up before theirs."""

import asyncio
from dataclasses import replace

from sentinel.core.net.crossing import Family, Path, Protocol
from sentinel.core.record import Series
from sentinel.core.standing import Turn
from sentinel.core.verdict import Reason, State
from sentinel.engine.net_young import MOST_YOUNG, Young
from tests.engine.net_scripted import Fate, Net, crossing, keeping, on_virtual_time, pod

TCP = Series("net/tcp", "self", "team-b")
KEPT = crossing(path=Path.KEPT)


def test_a_connection_that_a_new_policy_leaves_alone_is_a_breach_of_its_own():
    async def scene():
        net = Net(default=Fate.SERVED)
        lines = keeping(net)
        await net.rounds()
        assert len(lines.held) == 2  # one for each family

        net.default = Fate.SILENT
        records = await net.rounds()

        kept = [r for r in records if r.question.check == "net/tcp" and r.verdict.reason is Reason.KEPT]
        assert {r.question for r in kept} == {KEPT, crossing(family=Family.V6, path=Path.KEPT)}
        assert all(r.change is not None and r.change.turn is Turn.OPENED for r in kept)
        await net.rounds(5)
        assert net.last.breach_since[TCP] > 0  # new sockets are proven shut, and yet it is not over
        assert net.last.breach_since[Series("net/udp", "self", "team-b")] == 0.0

    on_virtual_time(scene())


def test_it_ends_when_the_connection_is_gone_and_new_ones_are_proven_shut_twice():
    async def scene():
        net = Net(default=Fate.SERVED)
        lines = keeping(net)
        await net.rounds()
        net.default = Fate.SILENT
        await net.rounds(3)

        lines.fate = Fate.SILENT
        await net.rounds()
        assert net.last.breach_since[TCP] > 0
        records = await net.rounds()

        assert [r.change.turn for r in records if r.question == KEPT and r.change] == [Turn.CLOSED]
        assert net.last.breach_since[TCP] == 0.0
        assert KEPT not in {r.question for r in await net.rounds()}

    on_virtual_time(scene())


def test_a_connection_that_is_gone_is_no_proof_while_the_controls_are_red():
    async def scene():
        net = Net(default=Fate.SERVED)
        lines = keeping(net)
        await net.rounds()
        net.default = Fate.SILENT
        await net.rounds()
        lines.fate, net.to_lighthouse = Fate.SILENT, Fate.SILENT
        records = await net.rounds(6)

        kept = [r.verdict for r in records if r.question == KEPT]
        assert [(v.state, v.reason) for v in kept] == [(State.INCONCLUSIVE, Reason.LIGHTHOUSE)]
        assert net.last.breach_since[TCP] > 0

    on_virtual_time(scene())


def test_while_new_ones_get_through_the_one_that_is_kept_is_nothing_of_its_own():
    async def scene():
        net = Net(default=Fate.SERVED)
        lines = keeping(net)
        await net.rounds(3)

        assert lines.held and KEPT not in net.book.standings

    on_virtual_time(scene())


def test_nor_is_it_over_when_it_is_gone_and_new_ones_get_through():
    async def scene():
        net = Net(default=Fate.SERVED)
        lines = keeping(net)
        await net.rounds()
        net.default = Fate.SILENT
        await net.rounds()
        lines.fate, net.default = Fate.SILENT, Fate.SERVED
        await net.rounds(4)

        assert net.book.standings[KEPT].breach is not None

    on_virtual_time(scene())


def test_nothing_is_kept_where_nothing_was_open():
    async def scene():
        net = Net()
        lines = keeping(net)
        await net.rounds(3)

        assert not lines.held and KEPT not in net.book.standings

    on_virtual_time(scene())


def test_a_connection_that_ends_with_the_opening_is_nothing_of_its_own():
    async def scene():
        net = Net(default=Fate.SERVED)
        lines = keeping(net)
        await net.rounds()
        net.default = lines.fate = Fate.SILENT
        await net.rounds(2)

        assert KEPT not in net.book.standings and net.last.breach_since[TCP] == 0.0

    on_virtual_time(scene())


async def watched(net, seconds):
    """The watch for young pods alone, without rounds, for so many seconds."""
    young = Young(net.round, net.clock)
    net.round.news = young.see
    watching = asyncio.create_task(young.run())
    await net.round.fetch()
    await asyncio.sleep(seconds)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    return young


def test_a_new_pod_is_tried_five_times_a_second_for_ten_seconds():
    async def scene():
        net = Net()
        await watched(net, 60.0)

        assert 90 <= len(net.dialled) <= 110  # two families
        assert {a.protocol for a in net.dialled} == {Protocol.TCP}

    on_virtual_time(scene())


def test_what_gets_through_to_a_new_pod_is_a_breach_that_says_so_and_what_does_not_is_nothing():
    async def scene():
        net = Net()
        start = net.clock.monotonic()
        net.policy = lambda asked, _: Fate.SERVED if net.clock.monotonic() - start < 3.0 else Fate.SILENT
        await watched(net, 30.0)

        assert {r.verdict.reason for r in net.ledger.records} == {Reason.LATE}
        assert {r.question for r in net.ledger.records} == {crossing(), crossing(family=Family.V6)}

        net.policy = None
        await net.rounds(2)
        assert net.last.breach_since[TCP] == 0.0

    on_virtual_time(scene())


def test_what_is_open_for_good_is_no_policy_that_comes_late():
    async def scene():
        net = Net(default=Fate.SERVED)
        await watched(net, 5.0)
        assert net.book.standings[crossing()].reason is Reason.LATE

        await net.rounds()

        assert net.book.standings[crossing()].reason is Reason.SERVED

    on_virtual_time(scene())


def test_a_pod_that_comes_later_is_tried_when_it_comes():
    async def scene():
        net = Net()
        young = Young(net.round, net.clock)
        net.round.news = young.see
        watching = asyncio.create_task(young.run())
        await net.round.fetch()
        await asyncio.sleep(30.0)
        net.dialled.clear()

        net.pods.append(pod("team-b", 2))
        await net.round.fetch()
        await asyncio.sleep(20.0)

        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        assert {a.address for a in net.dialled} == set(net.pods[1].beacon.addresses)

    on_virtual_time(scene())


def test_where_everybody_is_new_no_more_than_some_are_tried_at_once():
    async def scene():
        net = Net(pods=[pod("team-b", number) for number in range(1, 3 * MOST_YOUNG)])
        for one in net.pods:
            one.beacon = replace(one.beacon, addresses=one.beacon.addresses[:1])
        await watched(net, 60.0)

        assert len(net.dialled) <= 11 * 5 * MOST_YOUNG
        assert {a.address for a in net.dialled} == {one.beacon.addresses[0] for one in net.pods}

    on_virtual_time(scene())
