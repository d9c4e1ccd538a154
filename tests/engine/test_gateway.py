"""The open loop that asks a gateway, on virtual time: hours in a second, and the truth known to the microsecond."""

import asyncio
import random
from itertools import pairwise

import pytest

from sentinel.core.gateway.allowance import Allowance
from sentinel.core.gateway.failover import Verdict
from sentinel.core.gateway.news import CameBack, Ended, Probed, Tail
from sentinel.core.gateway.outcome import Outcome
from sentinel.engine.gateway import Direct
from tests.core.gateway import recorded as r
from tests.core.gateway.gateway import Gateway
from tests.engine.gateways import LoopClock, Run, Scripted, truth

pytestmark = [pytest.mark.asyncio, pytest.mark.looptime(start=1000.0)]

NEVER = 1e9


def fine(start):
    return 0.5, "openai"


def after(moment, before, then):
    """One world until this moment, and another one after it."""
    return lambda start: (before if start < moment else then)(start)


async def test_a_probe_begins_in_every_slot_and_three_of_four_are_streamed():
    run = Run(fine)

    await run.for_seconds(15)

    assert run.asks.starts == [1000.0 + 2 * slot for slot in range(8)]
    assert sum(run.asks.streams) == 6
    assert run.outcomes[:7] == [Outcome.SERVED_PRIMARY] * 7
    assert run.driver.stand().steady == "openai"


async def test_a_slow_answer_moves_no_slot_and_holds_up_nobody():
    run = Run(lambda start: (7.0, "openai"), {"burst": None})

    await run.for_seconds(59)

    assert run.asks.starts == [1000.0 + 2 * slot for slot in range(30)]
    assert run.asks.most_waiting == 4


async def test_healthy_for_ten_minutes_with_one_slow_answer_in_a_hundred_there_is_no_episode():
    rng = random.Random(7)
    run = Run(lambda start: (rng.choice([8.0, 12.0, 20.0]) if rng.random() < 0.01 else rng.uniform(0.3, 0.8), "openai"))

    await run.for_seconds(600)

    assert run.of(Ended) == run.of(CameBack) == []
    assert set(run.outcomes) == {Outcome.SERVED_PRIMARY}
    assert any(news.judged.slow for news in run.of(Probed))
    assert run.skipped == {}


@pytest.mark.parametrize("switch", [0, 2, 5, 15, 27, 33, 60])
@pytest.mark.parametrize("fault", ["fast", "hang"])
async def test_the_primary_dies_and_the_truth_lies_between_the_bounds(switch, fault):
    for seed in range(5):
        begin = asyncio.get_running_loop().time()
        run = Run(truth(Gateway(begin + 20 + seed * 0.37, switch, fault, random.Random(seed), takes=(0.3, 0.35))))

        await run.for_seconds(switch + 60)

        (episode,) = run.episodes
        assert episode.stable.lower <= switch <= episode.stable.upper
        assert episode.stable.upper - switch <= (2.6 if fault == "fast" else 4.5)
        assert (episode.source, episode.to) == ("openai", "backup")
        wanted = {Verdict.PASS} if switch < 25 else {Verdict.VIOLATION} if switch > 45 else {*Verdict}
        assert episode.verdict in wanted
        assert not (episode.verdict is Verdict.PASS and switch > 30)
        assert not (episode.verdict is Verdict.VIOLATION and switch < 30)


async def test_an_outage_pages_when_it_was_felt_as_long_as_was_promised():
    long, short = (Run(truth(Gateway(1020.1, switch, "fast", random.Random(1)))) for switch in (33, 5))

    await long.for_seconds(90)
    await short.for_seconds(60)

    assert [news.pages for news in long.of(Ended)] == [True]
    assert [news.pages for news in short.of(Ended)] == [False]


async def test_it_asks_fast_from_the_first_bad_answer_until_ten_seconds_after_the_last():
    run = Run(truth(Gateway(1020.9, 5, "fast", random.Random(1), takes=(0.3, 0.35))))

    await run.for_seconds(60)

    gaps = [round(b - a, 3) for a, b in pairwise(run.asks.starts)]
    fast = [start for start, gap in zip(run.asks.starts, gaps, strict=False) if gap == 0.5]
    assert fast[0] == 1022.0
    assert 1025.9 + 9 <= fast[-1] <= 1025.9 + 11.5
    assert set(gaps) == {2.0, 0.5}


async def test_silence_is_suspected_before_any_deadline():
    run = Run(after(1020.5, fine, lambda start: (10.0, "headers")))

    await run.for_seconds(40)

    fast = next(b for a, b in pairwise(run.asks.starts) if b - a < 2)
    assert fast == pytest.approx(1022.5), "half a second after the first that hung, and not ten"


async def test_a_tenant_is_never_fast():
    run = Run(truth(Gateway(1120.1, 5, "fast", random.Random(1))), {"every": 60.0, "burst": None})

    await run.for_seconds(600)

    assert {b - a for a, b in pairwise(run.asks.starts)} == {60.0}


async def test_probes_that_hang_overlap_up_to_the_capacity_and_what_is_skipped_is_counted():
    hanging = Run(lambda start: (25.0, "headers"))
    worse = Run(lambda start: (60.0, "headers"))

    await hanging.for_seconds(120)
    await worse.for_seconds(120)

    assert hanging.skipped == {}
    assert worse.asks.most_waiting == worse.driver.plan.capacity == 51
    assert worse.skipped["capacity"] > 0


async def test_a_bug_of_ours_is_one_lost_probe_and_says_nothing_of_the_gateway(caplog):
    run = Run(lambda start: RuntimeError("ours") if start == 1010 else (0.5, "openai"))

    await run.for_seconds(20)

    assert run.outcomes.count(Outcome.HARNESS_ERROR) == 1
    assert len(run.outcomes) == 10
    assert {episode.verdict for episode in run.episodes} == {Verdict.INVALID}


async def sleep_for(run, at, seconds):
    """As if our own loop had slept: the clock is later than it should be, and nobody was called."""
    await asyncio.sleep(at)
    run.clock.slept += seconds


async def test_our_own_loop_that_slept_is_ours_and_never_the_gateways():
    run = Run(after(1020, fine, lambda start: (4.0, "headers") if start < 1021 else (0.5, "openai")))

    async with asyncio.TaskGroup() as group:
        group.create_task(sleep_for(run, 21, 3.0))
        await run.for_seconds(60)

    assert Outcome.HARNESS_ERROR in run.outcomes
    assert set(run.outcomes) == {Outcome.HARNESS_ERROR, Outcome.SERVED_PRIMARY}
    assert {episode.verdict for episode in run.episodes} == {Verdict.INVALID}
    assert not any(news.pages for news in run.of(Ended))
    assert run.skipped["late"] >= 1


async def test_after_our_loop_slept_the_slots_are_where_they_were():
    run = Run(fine, {"burst": None})

    async with asyncio.TaskGroup() as group:
        group.create_task(sleep_for(run, 21, 3.3))
        await run.for_seconds(60)

    late = [start + 3.3 for start in run.asks.starts if start > 1023]
    assert {round(start % 2, 6) for start in late} == {0.0}
    assert run.skipped == {"late": 1}


async def test_a_timer_that_rings_a_little_early_is_no_slot_less_and_no_probe_more():
    run = Run(fine, {"burst": None})
    run.clock.rate = 0.9999

    await run.for_seconds(60)

    assert run.skipped == {}
    assert len(run.asks.starts) in (29, 30)


@pytest.mark.parametrize("seconds", [-3600, 3600])
async def test_a_clock_that_jumped_is_ours_too(seconds):
    run = Run(after(1020, fine, lambda start: (4.0, "headers") if start < 1021 else (0.5, "openai")))

    async def jump():
        await asyncio.sleep(21)
        run.clock.jumped += seconds

    async with asyncio.TaskGroup() as group:
        group.create_task(jump())
        await run.for_seconds(60)

    assert set(run.outcomes) == {Outcome.HARNESS_ERROR, Outcome.SERVED_PRIMARY}
    assert {episode.verdict for episode in run.episodes} == {Verdict.INVALID}
    assert not any(news.pages for news in run.of(Ended))


async def test_a_dead_resolver_is_ours_told_once_and_pages_nobody():
    run = Run(lambda start: (2.0, "resolver") if 1020 <= start < 1080 else (0.5, "openai"))

    await run.for_seconds(120)

    assert run.outcomes.count(Outcome.HARNESS_ERROR) >= 30
    assert [episode.verdict for episode in run.episodes] == [Verdict.INVALID]
    assert not any(news.pages for news in run.of(Ended))


async def test_an_outage_that_lasts_when_we_stop_is_told_and_shown_before():
    run = Run(after(1020, fine, lambda start: (0.1, "refused")))

    await run.for_seconds(60)

    (episode,) = run.episodes
    assert episode.verdict is Verdict.RIGHT_CENSORED
    assert run.driver.stand().live is not None


async def test_what_is_shown_of_an_outage_does_not_wait_for_a_probe_that_hangs():
    run = Run(after(1020, fine, lambda start: (25.0, "headers") if start < 1021 else (0.1, "refused")))
    shown = []

    async def look():
        await asyncio.sleep(40)
        shown.append(run.driver.stand())

    async with asyncio.TaskGroup() as group:
        group.create_task(look())
        await run.for_seconds(41)

    assert shown[0].live is not None
    assert shown[0].live.user > 15
    assert shown[0].fast


async def test_the_next_providers_answer_has_its_penalty():
    run = Run(after(1040, fine, lambda start: (5.5, "backup")))

    await run.for_seconds(60)

    penalties = [news.penalty for news in run.of(Probed) if news.penalty is not None]
    assert penalties
    assert all(penalty == pytest.approx(5.0) for penalty in penalties)


async def test_a_time_to_come_back_is_kept_or_broken_by_the_first_probe_after_it():
    run = Run(lambda start: (0.1, "cooldown") if start in (1020, 1032) else (0.5, "openai"), {"burst": None})

    await run.for_seconds(60)

    assert sum(news.promises_broken for news in run.of(Probed)) == 1
    assert sum(news.promises_kept for news in run.of(Probed)) == 1


async def test_a_budget_slows_down_and_then_stops_loudly():
    run = Run(fine, {"allowance": Allowance(tokens=10_000), "burst": None})

    await run.for_seconds(900)

    asked = len(run.asks.starts)
    assert 110 <= asked <= 118, "four fifths at full pace, and the rest has to last until midnight"
    assert (run.driver.stand().period or 0) > 1000
    spent = sum(news.tokens_in + news.tokens_out for news in run.of(Probed))
    assert spent == run.driver.stand().spent_tokens


async def test_a_budget_that_is_used_up_stops_until_midnight():
    to_midnight = 600
    run = Run(fine, {"allowance": Allowance(tokens=140), "burst": None}, jumped=43_200 - 1000 - to_midnight)

    await run.for_seconds(to_midnight + 100)

    before = [start for start in run.asks.starts if start < 1000 + to_midnight]
    assert len(before) == 2
    assert len(run.asks.starts) == 5
    assert run.skipped["budget"] >= 200


def provider(world, clock, name="openai", every=5.0):
    return Direct(name, Scripted(world, clock), r.expected("plain"), every)


async def test_providers_are_asked_themselves_and_the_cooldowns_tail_is_measured():
    def down(start):
        return (0.1, "refused") if 1020 <= start < 1050 else (0.5, "openai")

    def cooling(start):
        return (0.1, "cooldown") if 1020 <= start < 1070 else (0.5, "openai")

    clock = LoopClock()
    run = Run(cooling, direct=(provider(down, clock), provider(down, clock, "backup")))

    await run.for_seconds(120)

    (tail,) = run.of(Tail)
    assert 14 <= tail.seconds <= 22
    assert {news.target for news in run.of(Probed)} == {"", "openai", "backup"}


async def test_failback_is_measured_from_the_primarys_being_well():
    def down(start):
        return (0.1, "refused") if 1020 <= start < 1050 else (0.5, "openai")

    def gateway(start):
        return (0.5, "backup") if 1020 <= start < 1060 else (0.5, "openai")

    run = Run(gateway, direct=(provider(down, LoopClock()),))

    await run.for_seconds(120)

    (back,) = run.of(CameBack)
    assert back.source == "backup"
    assert 4 <= back.seconds <= 13


async def test_who_answers_and_is_not_recognised_is_never_the_primary():
    run = Run(lambda start: (0.5, "4f6e"))

    await run.for_seconds(20)

    assert set(run.outcomes) == {Outcome.SERVED_UNKNOWN}
    assert run.driver.stand().steady == "unknown"


async def test_stopping_leaves_no_probe_behind():
    run = Run(lambda start: (25.0, "headers"))

    await run.for_seconds(10)

    assert run.asks.waiting == 0
    assert run.driver.stand().waiting == 0
