"""The second act: a provider is killed, and sentinel says from outside how long nobody was answered.

    north answers -> killed -> nobody answers -> south answers -> the episode: two bounds, what was felt, a verdict

Beside it stands the true figure, which only the gateway knows. An episode in which this machine was
too busy for a measurement is told as `invalid`, as everywhere, and played again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp

from sentinel.core.gateway.course import Course
from sentinel.demo import view
from sentinel.demo.reviews import seconds_of
from sentinel.demo.stage import GATEWAY, Daemon, Stage
from sentinel.demo.story import Story
from sentinel.demo.truth import Measured
from sentinel.errors import OwnFault

_TRIES = 3
_STEADY = 4
"""Answers of the first provider before it is killed."""
_PATIENCE_SECONDS = 30.0
_LOOK_SECONDS = 0.1
_SLACK = 0.01
"""Log lines tell the time to the millisecond."""
_LONGEST_ANSWER = 5.0
"""The first probe that failed may have begun so long before the death."""


async def play(stage: Stage, story: Story, watcher: Daemon) -> Measured:
    """Kills the first provider until a failover was measured. Raises OwnFault when none can be."""
    async with aiohttp.ClientSession() as session:
        for _ in range(_TRIES):
            async with _patience(f"{stage.gateway.first.name} has not answered often enough"):
                while stage.gateway.answered < _STEADY:  # noqa: ASYNC110  # the gateway tells nobody
                    await asyncio.sleep(_LOOK_SECONDS)
            measured = await _killed(stage, story, watcher, session)
            if measured.course.episode.stable is not None:
                _tell(story, measured)
                return measured
            verdict = measured.course.episode.verdict.value
            story.happened(f"told as {verdict}: this machine was too busy to measure it; once more")
            await stage.gateway.mend()
    raise OwnFault(f"no failover could be measured in {_TRIES} tries: this machine is too busy")


async def _killed(stage: Stage, story: Story, watcher: Daemon, session: aiohttp.ClientSession) -> Measured:
    gateway = stage.gateway
    old = {course.at for course in await view.failovers(session, watcher.console, GATEWAY)}
    await gateway.first.kill()
    story.killed = died = gateway.first.died
    story.happened(
        f"provider {gateway.first.name} is killed: its connections break, nobody listens there", at=died, mood="bad"
    )
    for event, mood in (("gateway.failing", "bad"), ("gateway.answering", "good")):
        line = await watcher.logged(event, _PATIENCE_SECONDS + stage.patience, since=died - _SLACK, gateway=GATEWAY)
        story.happened(_seen(line), at=seconds_of(line["timestamp"]), since="killing", mood=mood)
    course = await _course(watcher, session, died, old)
    truth = gateway.truth
    assert truth is not None, "the gateway has failed, as sentinel saw"
    return Measured(course, truth)


def _seen(line: Mapping[str, Any]) -> str:
    if line["event"] == "gateway.failing":
        status = f", HTTP {line['status']}" if line["status"] else ""
        return f"nobody answers: {line['outcome']}{status}"
    return f"an answer again: {line['outcome']}, by {line['provider']} ({line['evidence']})"


async def _course(watcher: Daemon, session: aiohttp.ClientSession, died: float, old: set[float]) -> Course:
    """The episode that began with this death, once it is over: three good answers in a row."""
    async with _patience(f"{watcher.program.name} has not told the failover"):
        while True:
            courses = await view.failovers(session, watcher.console, GATEWAY)
            found = [course for course in courses if course.at >= died - _LONGEST_ANSWER and course.at not in old]
            if found:
                return found[0]
            await asyncio.sleep(_LOOK_SECONDS)


def _tell(story: Story, measured: Measured) -> None:
    episode, truth = measured.course.episode, measured.truth
    assert episode.stable is not None, "it was measured"
    story.measured = measured
    story.happened(
        f"sentinel says {episode.verdict.value}: {episode.source} to {episode.to}, "
        f"nobody answered for {episode.stable.lower:.2f} to {episode.stable.upper:.2f} s",
        at=measured.course.at + episode.ended, since="killing", mood="good",
    )  # fmt: skip
    place = "between the bounds" if measured.holds else "OUTSIDE the bounds"
    story.happened(f"the gateway knows: {truth.outage:.2f} s, {place}", mood="good" if measured.holds else "bad")


@contextlib.asynccontextmanager
async def _patience(what: str) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            yield
    except TimeoutError:
        raise OwnFault(f"{what} within {_PATIENCE_SECONDS:.0f} s") from None
