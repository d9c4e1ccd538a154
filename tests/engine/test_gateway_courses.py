"""The last failovers are kept with their probes: whole, bounded, and of those gateways only that are asked."""

import random
from dataclasses import replace

import pytest

from sentinel.core.gateway.course import MOST_PROBES
from sentinel.core.gateway.news import Ended, Probed
from sentinel.sinks.gateway_courses import MOST_EPISODES, GatewayCourses
from tests.core.gateway.gateway import Gateway
from tests.engine.gateways import NOON, Run, truth

pytestmark = [pytest.mark.asyncio, pytest.mark.looptime(start=1000.0)]


def kept(run):
    sink = GatewayCourses()
    sink.expect(["chat"])
    for news in run.told:
        sink.put(news)
    return sink


@pytest.mark.parametrize("fault", ["fast", "hang"])
async def test_an_episode_of_the_driver_is_kept_with_the_probes_it_was_measured_by(fault):
    run = Run(truth(Gateway(1020.5, 8.0, fault, random.Random(1))))
    await run.for_seconds(60)

    [course] = kept(run).told()["chat"]
    [told] = run.episodes
    begin, end = course.undisputed
    assert course.episode == replace(told, began=0.0, ended=told.ended - told.began)
    assert end - begin == pytest.approx(told.stable.lower)
    assert any(trace.end == pytest.approx(course.alive, abs=0.4) for trace in course.traces)
    assert sum(not trace.good for trace in course.traces) == told.bad
    assert course.at == pytest.approx(NOON + told.began, rel=0, abs=0.01)
    assert course.within == 30.0


async def test_what_is_kept_is_bounded_and_the_latest_is_last():
    run = Run(truth(Gateway(1020.5, 8.0, "fast", random.Random(1))))
    await run.for_seconds(40)
    [ended] = run.of(Ended)
    sink = kept(run)
    probe = next(news for news in run.of(Probed))

    for number in range(MOST_PROBES + 10):
        sink.put(replace(probe, start=2000.0 + number))
    for number in range(MOST_EPISODES + 2):
        sink.put(replace(ended, episode=replace(ended.episode, began=0.0, stable=None, bad=100 + number)))

    courses = sink.told()["chat"]
    assert [course.episode.bad for course in courses] == [102 + number for number in range(MOST_EPISODES)]
    assert {len(course.traces) for course in courses} == {MOST_PROBES}


async def test_who_is_not_asked_any_more_is_forgotten_and_who_is_new_has_nothing():
    run = Run(truth(Gateway(1020.5, 8.0, "fast", random.Random(1))))
    await run.for_seconds(40)
    sink = kept(run)

    sink.expect(["chat", "other"])
    assert [len(courses) for courses in sink.told().values()] == [1, 0]
    sink.expect(["other"])
    assert list(sink.told()) == ["other"]
    for news in run.told:
        sink.put(news)  # of a gateway that ends
    assert list(sink.told()) == ["other"]


async def test_a_provider_asked_itself_is_no_probe_of_the_gateway():
    run = Run(truth(Gateway(1020.5, 8.0, "fast", random.Random(1))))
    await run.for_seconds(40)
    run.told = [replace(news, target="openai") if isinstance(news, Probed) else news for news in run.told]

    [course] = kept(run).told()["chat"]
    assert course.traces == ()
