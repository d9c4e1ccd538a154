"""The second act: what is told of a failover, and that one which could not be measured is played again."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest
from aiohttp import web

from sentinel.clients.clock import Clock
from sentinel.clients.completions import Completions
from sentinel.core.gateway import course_json
from sentinel.core.gateway.canary import Canary
from sentinel.core.gateway.course import Course
from sentinel.core.gateway.dialect import Dialect
from sentinel.core.gateway.failover import Bounds, Episode, Verdict
from sentinel.demo import failover, loopback
from sentinel.demo.gateway import Gateway
from sentinel.demo.provider import Provider
from sentinel.demo.stage import GATEWAY, Daemon, Stage
from sentinel.demo.story import Event, Story
from sentinel.errors import OwnFault
from sentinel.probes.completion import CompletionProbe

pytestmark = pytest.mark.asyncio

PASS = Episode(Verdict.PASS, "north", "south", 0.0, 0.5, stable=Bounds(0.0, 60.0), user=0.4, bad=1)
INVALID = Episode(Verdict.INVALID, "north", "unknown", 0.0, 0.5)
SEEN = {"outcome": "structured_error", "status": 503, "provider": "south", "evidence": "header X-Served-By"}


@dataclass
class Watched:
    """A console that says of each death what it is told to, and a log that has said all from the beginning."""

    gateway: Gateway
    episodes: list[Episode]
    log: Path
    name: str = "sentinel of team-a"
    deaths: list[float] = field(default_factory=list)
    lives: set[str] = field(default_factory=set)
    looked_at: Callable[[], None] = lambda: None

    def write_log(self) -> None:
        lines = [
            {"event": event, "gateway": GATEWAY, "timestamp": "2100-01-01T00:00:00Z", **SEEN}
            for event in ("gateway.failing", "gateway.answering")
        ]
        self.log.write_text("no JSON\n" + "".join(f"{json.dumps(line)}\n" for line in lines))

    async def answer(self, _: web.Request) -> web.Response:
        self.looked_at()
        died = self.gateway.first.died
        self.lives.add(self.gateway.first.url)
        if died not in self.deaths and self.gateway.truth is not None:
            self.deaths.append(died)
        courses = [
            Course(GATEWAY, at, 30.0, episode, False, ())
            for at, episode in zip(self.deaths, self.episodes, strict=False)
        ]
        told = [{"name": GATEWAY, "episodes": [*map(course_json.written, courses)]}, {"name": "other", "episodes": []}]
        return web.json_response(told)


async def asks(gateway: Gateway) -> None:
    """As sentinel does, one after the other."""
    probe = CompletionProbe(gateway.url, Dialect.OPENAI_CHAT, "counts", Completions(), Clock())
    while True:
        await probe.ask(Canary("96c2880123abcd"), stream=True)


@asynccontextmanager
async def stage(episodes: list[Episode], folder: Path) -> AsyncIterator[tuple[Any, Daemon, Watched]]:
    now = Clock().wall
    north, south = (Provider(name, now) for name in ("north", "south"))
    async with north, south, Gateway(north, south, 0.2, now) as gateway:
        watched = Watched(gateway, episodes, folder / "log")
        watched.write_log()
        app = web.Application()
        app.router.add_get("/api/v1/gateways", watched.answer)
        runner = web.AppRunner(app)
        console = await loopback.listen(runner)
        asking = asyncio.create_task(asks(gateway))
        made = cast("Stage", _Stage(gateway))
        try:
            yield made, Daemon("team-a", cast("Any", watched), "", console), watched
        finally:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            await runner.cleanup()


@dataclass
class _Stage:
    gateway: Gateway
    patience: float = 0.2


def story(told: list[Event]) -> Story:
    return Story(Clock().wall, "team-a", "team-b", told.append)


async def test_one_that_could_not_be_measured_is_told_as_that_and_played_again(tmp_path):
    told: list[Event] = []
    async with stage([INVALID, PASS], tmp_path) as (made, watcher, watched):
        plot = story(told)
        measured = await failover.play(made, plot, watcher)

    texts = [event.text for event in told]
    assert len(watched.deaths) == len(watched.lives) == 2
    assert measured.course.episode.verdict is Verdict.PASS
    assert plot.measured is measured
    assert [text for text in texts if "told as invalid" in text]
    assert sum("provider north is killed" in text for text in texts) == 2
    assert texts[-1].endswith("between the bounds")
    assert any("nobody answers: structured_error, HTTP 503" in text for text in texts)
    assert any("by south (header X-Served-By)" in text for text in texts)


async def test_a_truth_outside_the_bounds_is_told_as_that(tmp_path):
    told: list[Event] = []
    wrong = replace(PASS, stable=Bounds(0.0, 0.01))
    async with stage([wrong], tmp_path) as (made, watcher, _):
        measured = await failover.play(made, story(told), watcher)

    assert not measured.holds
    assert told[-1].text.endswith("OUTSIDE the bounds")
    assert told[-1].mood == "bad"


async def test_when_none_can_be_measured_the_show_says_why_it_ends(tmp_path):
    async with stage([INVALID] * 3, tmp_path) as (made, watcher, watched):
        with pytest.raises(OwnFault, match="no failover could be measured in 3 tries: this machine is too busy"):
            await failover.play(made, story([]), watcher)

    assert len(watched.deaths) == 3


async def test_a_sentinel_that_tells_nothing_is_named(tmp_path, monkeypatch):
    async with stage([], tmp_path) as (made, watcher, watched):
        # Not before the first provider has answered, for which a busy machine may need long.
        watched.looked_at = lambda: monkeypatch.setattr(failover, "_PATIENCE_SECONDS", 1.0)
        with pytest.raises(OwnFault, match="sentinel of team-a has not told the failover within 1 s"):
            await failover.play(made, story([]), watcher)
