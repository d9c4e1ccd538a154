"""Visits come at their time; what they were worth is counted, told once, and kept as a picture."""

import asyncio
import io
import json
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import structlog
from prometheus_client import CollectorRegistry

from sentinel import logs
from sentinel.clients.clock import Clock
from sentinel.core.gateway.chat_page import LEAKS, Expected, Judged, Outcome, Sight, Visit
from sentinel.core.gateway.completion import Trouble
from sentinel.engine.disturbance import Disturbances
from sentinel.engine.visits import Plan, Visitor
from sentinel.errors import OwnFault
from sentinel.sinks.page_log import PageLog
from sentinel.sinks.page_metrics import PageMetrics
from sentinel.sinks.screenshots import Album

pytestmark = [pytest.mark.asyncio, pytest.mark.looptime(start=1000.0)]

SORRY = "Very busy."


class Looped(Clock):
    """A clock that goes with the loop's."""

    def monotonic(self):
        return asyncio.get_running_loop().time()

    def wall(self):
        return 1_700_000_000 + self.monotonic()


class Calm(Disturbances):
    """Nobody looks at the clocks here, so nothing may be made of it."""

    def _look(self):
        return


@dataclass
class Page:
    """A page that is used as it is told: each visit takes `takes` seconds and shows what `shows` says."""

    clock: Clock
    shows: str = ""
    takes: float = 1.0
    fault: Exception | None = None
    began: list[float] = field(default_factory=list)
    busy: int = 0
    picture: bytes | None = b"jpeg"

    async def visit(self, canary):
        start = self.clock.monotonic()
        self.began.append(start)
        self.busy += 1
        assert self.busy == 1
        await asyncio.sleep(self.takes)
        self.busy -= 1
        if self.fault is not None:
            raise self.fault
        answer = canary.song if self.shows == "answer" else self.shows
        message = self.takes if SORRY in self.shows else None
        visit = Visit(start, start, self.takes, 200, 0.1, 0.2, first=0.5, message=message, sight=Sight(answer, answer))
        return replace(visit, picture=self.picture if self.shows not in ("answer", SORRY) else None)


class Told(list[Any]):
    put = list.append


class Run:
    """One page that is visited each minute, for virtual minutes."""

    def __init__(self, album=None, **how):
        self.clock, self.news, self.registry = Looped(), Told(), CollectorRegistry()
        self.page, self.disturbances = Page(self.clock, **how), Calm(self.clock)
        self.metrics = PageMetrics(self.registry)
        self.metrics.expect(["chat"])
        plan = Plan("chat", self.page, Expected((SORRY,)), 60.0, 10.0, album)
        listens = (self.news, self.metrics, PageLog())
        self.visitor = Visitor(plan, self.clock, lambda: "abcdef00112233", listens, self.disturbances)

    async def for_seconds(self, seconds):
        try:
            async with asyncio.timeout(seconds):
                await self.visitor.run()
        except TimeoutError:
            return

    def value(self, name, **labels):
        return self.registry.get_sample_value(f"sentinel_gateway_page_{name}", {"gateway": "chat", **labels})


@pytest.fixture
def out():
    stream = io.StringIO()
    logs.configure("info", "json", stream)
    yield stream
    structlog.reset_defaults()


def lines(out):
    return [json.loads(line) for line in out.getvalue().splitlines()]


async def test_a_page_is_visited_at_its_slots_and_a_long_visit_lets_slots_go_by():
    run = Run(shows="answer")
    await run.for_seconds(200)
    run.page.takes = 90.0
    await run.for_seconds(400)

    assert [round(at - 1000) for at in run.page.began] == [10, 70, 130, 190, 210, 330, 450, 570]


async def test_every_child_is_there_at_zero_and_a_page_that_is_gone_is_in_breach_of_nothing():
    run = Run()

    assert run.value("visits_total", outcome="silent") == 0
    assert all(run.value("leaks_total", rule=rule) == 0 for rule in LEAKS)
    assert run.value("breaches") == 0
    run.metrics.expect([])
    assert run.value("breaches") is None


async def test_breaches_in_a_row_are_counted_until_the_promise_is_kept_again():
    run = Run(shows="KeyError: x")

    await run.for_seconds(150)
    assert (run.value("breaches"), run.value("leaks_total", rule="exception-name")) == (3, 3)

    run.page.fault = OwnFault("no chromium here")
    await run.for_seconds(60)
    assert (run.value("breaches"), run.value("visits_total", outcome="harness_error")) == (3, 1)

    run.page.fault, run.page.shows = None, SORRY
    await run.for_seconds(60)
    assert (run.value("breaches"), run.value("visits_total", outcome="graceful")) == (0, 1)
    assert run.value("visit_seconds_count") == 4


async def test_an_outage_is_a_line_for_each_turn_and_no_word_of_the_page(out):
    run = Run(shows="answer")
    for shows in ("answer", "KeyError: secret-word", "KeyError: secret-word", "Oops secret-word", SORRY, "answer"):
        run.page.shows = shows
        await run.visitor.go()

    said = lines(out)
    assert [(line["event"], line["outcome"]) for line in said] == [
        ("page.failing", "ungraceful"),
        ("page.failing", "wrong_content"),
        ("page.well", "graceful"),
        ("page.well", "good"),
    ]
    assert "secret-word" not in out.getvalue()


async def test_without_a_browser_it_is_said_once_and_a_bug_of_ours_ends_nothing(out):
    run = Run(fault=OwnFault("no chromium here"))
    for fault in (OwnFault("no chromium here"), OwnFault("no chromium here"), ZeroDivisionError()):
        run.page.fault = fault
        await run.visitor.go()

    assert [line["event"] for line in lines(out)] == ["page.unseen", "page.unproven", "page.visit_failed"]
    assert [news.judged.rule for news in run.news] == ["browser", "browser", "bug"]


async def test_a_breach_while_we_slept_is_our_own_and_leaves_no_picture(tmp_path):
    run = Run(Album(tmp_path, 5), shows="KeyError: x")
    run.disturbances._known.append((1000.0, 5000.0, Trouble.LAG))

    await run.visitor.go()

    assert run.news[0].judged.outcome is Outcome.HARNESS_ERROR
    assert not list(tmp_path.iterdir())


async def test_only_breaches_have_pictures_and_the_newest_few_are_kept(tmp_path):
    other = tmp_path / "album" / "of-somebody-else.jpg"
    other.parent.mkdir()
    other.write_text("x")
    run = Run(Album(tmp_path / "album", 2), shows="KeyError: x")
    for shows in ("answer", "KeyError: x", "KeyError: y", SORRY, "Oops"):
        run.page.shows = shows
        await run.visitor.go()

    told = [news.picture for news in run.news if news.picture]
    kept = sorted(entry.name for entry in other.parent.iterdir() if entry != other)
    assert len(told) == 3
    assert kept == sorted(told[1:])
    assert kept[-1].endswith("-wrong_content.jpg")
    assert oct((other.parent / kept[0]).stat().st_mode & 0o777) == "0o600"
    assert other.exists()


async def test_a_folder_that_cannot_be_written_costs_the_picture_and_nothing_else(tmp_path, out):
    (tmp_path / "file").write_text("x")
    run = Run(Album(tmp_path / "file", 2), shows="KeyError: x")

    await run.visitor.go()

    assert run.news[0].picture == ""
    assert run.value("visits_total", outcome="ungraceful") == 1
    assert "page.picture_lost" in out.getvalue()


async def test_a_link_in_the_folder_is_not_written_through(tmp_path):
    album, aim = Album(tmp_path / "album", 2), tmp_path / "aim"
    album.folder.mkdir()
    name = album.keep("chat", Judged(Outcome.SILENT, "", 1.0), 1.0, b"1")
    (album.folder / name).unlink()
    aim.write_text("mine")
    (album.folder / f".{name}").symlink_to(aim)

    assert album.keep("chat", Judged(Outcome.SILENT, "", 1.0), 1.0, b"2") == name
    assert aim.read_text() == "mine"
