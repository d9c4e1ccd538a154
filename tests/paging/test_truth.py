"""What is computed is what real servers do: no page takes longer, the longest come near, and what is called lost is lost.

A sample here; `make test-alerting` tries all, with longer timers, and what takes servers of its own.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from sentinel.core.paging.obstacles import Fault
from tests.paging.cases import FAULTS, SAMPLE, timers
from tests.paging.scene import Case, Measured, scene
from tests.support.eventually import eventually
from tests.support.pairs import PAIRS, Pair

full = pytest.mark.skipif(os.environ.get("ALERTING") != "full", reason="make test-alerting")


def told(measured: Sequence[Measured], stall: float) -> str:
    return "\n".join(("", *(one.line() for one in measured), f"stalled for {stall:.2f} s at most"))


def judge(measured: Sequence[Measured], stall: float) -> None:
    print(told(measured, stall))
    for one in measured:
        named = {obstacle.fault for row in one.rows for obstacle in row.obstacles}
        assert len(one.rows) == one.case.replicas, one.case.name
        if one.case.fault is not None:
            assert one.case.fault in named, (one.case.name, named)
            assert not one.took, one.line()
            continue
        assert not named, (one.case.name, named)
        assert len(one.took) == one.case.replicas, one.line()
        assert one.largest <= one.computed + stall or one.disturbed, told(measured, stall)
        if one.case.exhausted:
            assert one.computed <= 1.5 * one.largest, told(measured, stall)


def test_a_sample_of_everything_takes_as_long_as_computed_with_either_pair() -> None:
    def play(pair: Pair) -> tuple[Sequence[Measured], float]:
        with scene(SAMPLE, pair=pair) as stage:
            stage.look()
            return stage.measure(), stage.stall.worst

    # Most of it is waiting, which two can do at once.
    with ThreadPoolExecutor(len(PAIRS)) as both:
        for measured, stall in both.map(play, PAIRS):
            judge(measured, stall)


@full
@pytest.mark.timeout(600)
@pytest.mark.parametrize("pair", PAIRS, ids=str)
@pytest.mark.parametrize("scale", [12, 24])
def test_every_configuration_takes_as_long_as_computed(pair: Pair, scale: int) -> None:
    with scene((*timers(scale), *FAULTS), pair=pair) as stage:
        stage.look()
        judge(stage.measure(), stage.stall.worst)


@full
def test_a_query_offset_is_waited_for() -> None:
    with scene([Case("Offset", scrape=2, evaluation=2, replicas=8, exhausted=True)], offset="9s") as stage:
        stage.look()
        judge(stage.measure(), stage.stall.worst)


@full
@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_an_alertmanager_that_is_not_told_makes_the_other_one_wait_for_it(pair: Pair) -> None:
    second = slice(1, 2)
    cases = [Case("Position", replicas=4, exhausted=True)]
    with scene(cases, pair=pair, gossip=2, told=second, peer_timeout=9) as stage:
        stage.look()
        judge(stage.measure(), stage.stall.worst)


@full
def test_a_peer_that_is_dead_makes_the_next_one_wait_for_it() -> None:
    cases = [Case("Peer", replicas=4, live=False, exhausted=True, failing=frozenset({"dead peer"}))]
    with scene(cases, gossip=2, peer_timeout=9) as stage:
        stage.look()
        first = stage.managers[0].child
        assert first is not None
        first.pause()
        judge(stage.measure(), stage.stall.worst)


@full
@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_a_first_post_that_fails_costs_a_resend(pair: Pair) -> None:
    cases = [Case("Resend", evaluation=2, replicas=6, live=False, exhausted=True, failing=frozenset({"resend"}))]
    with scene(cases, pair=pair, resend="8s") as stage:
        stage.look()
        (manager,) = stage.managers
        manager.kill()
        stage.flip()
        eventually(lambda: stage.prometheus.firing() == set(cases[0].members), 30, "all have fired, in vain")
        manager.start()
        judge(stage.wait(), stage.stall.worst)


@full
def test_a_prometheus_that_tells_nobody_is_found_out() -> None:
    with scene([Case("Untold", fault=Fault.NOBODY_TOLD)], told=slice(0, 0)) as stage:
        stage.look()
        judge(stage.measure(), stage.stall.worst)
