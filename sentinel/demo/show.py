"""`sentinel demo`: a hole is opened, found, paged about, closed, and proven closed; then a provider dies.

Everything is real but the API server, the gateway and its providers: the sentinels, their questions
and verdicts, the page that is pushed, and, where Prometheus and Alertmanager are installed, the rules,
the route and the notification too. Timers are a tenth of the defaults, so that a minute is enough;
the promise about failover is the real one, 30 s.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
from rich.console import Console

from sentinel.clients.clock import Clock
from sentinel.demo import failover, view, world
from sentinel.demo.receiver import Page
from sentinel.demo.reviews import seconds_of
from sentinel.demo.screen import Screen
from sentinel.demo.stage import Stage
from sentinel.demo.story import Story
from sentinel.errors import OwnFault
from sentinel.reports import failover_svg

READER, VICTIM = "team-a", "team-b"
SHORTEST_SECONDS = 10.0
_LOOK_SECONDS = 0.1
# Grace for what must come when the time is nearly up: a story is told to its end.
_PATIENCE_SECONDS = 30.0
_PROOF_SECONDS = 60.0
"""Everything is asked twice before the story goes on: ten seconds here, more on a busy machine."""
_HEADLINE = "three tenants, a real sentinel each; a stand-in API server, two LLM providers; timers ten times as fast"
_PATIENCE_SHARE, _LEAST_PATIENCE, _MOST_PATIENCE = 0.13, 3.0, 8.0
"""Of the show, seconds: after so long the gateway gives a dead provider up."""
_INTERRUPTED = 130


async def demo(seconds: float, console: Console | None = None, picture: Path | None = None) -> int:
    """Runs the show for about `seconds` (at least 10) and prints it on `console`, by default stdout.

    `picture`: a file for the failover as SVG. Gives the exit code: 0 when the hole was found and proven
    closed, and the failover measured; 4 when anything of ours failed, 130 when it was interrupted.
    Nothing is left behind in any case.
    """
    console = console or Console()
    seconds = max(seconds, SHORTEST_SECONDS)
    patience = min(max(_PATIENCE_SHARE * seconds, _LEAST_PATIENCE), _MOST_PATIENCE)
    clock, screen = Clock(), Screen(console, _HEADLINE)
    story = Story(clock.wall, READER, VICTIM, screen.tell)
    try:
        async with _interruptible(), Stage(clock.wall, story.arrived, patience) as stage, _looking(stage, story):
            with screen.showing(story):
                await _play(stage, story, screen, seconds)
                _draw(story, picture)
    except OwnFault as error:
        console.print(str(error), style="bold red", markup=False)
        return 4
    except asyncio.CancelledError:
        console.print("stopped; nothing is left running")
        return _INTERRUPTED
    screen.summary(story)
    return 0


async def _play(stage: Stage, story: Story, screen: Screen, seconds: float) -> None:
    story.happened(f"API server at {stage.standin.url}")
    story.happened(f"console of {READER}: http://{stage.daemons[READER].console}/")
    for name, url in (("Prometheus", stage.prometheus), ("Alertmanager", stage.alertmanager)):
        if url:
            story.happened(f"{name}: {url}")
    await _prove(story, screen, seconds)
    await _open(stage, story, screen)
    await _until(story, 0.55 * seconds, at_least=2.0)
    await _close(stage, story, screen)
    await _until(story, 0.66 * seconds, at_least=1.0)
    screen.failover(await failover.play(stage, story, stage.daemons[READER]))
    await _until(story, seconds, at_least=0.0)


async def _prove(story: Story, screen: Screen, seconds: float) -> None:
    what = f"{READER} proves what it asks"
    scene = await story.until(what, lambda s: s.unharmed, seconds + _PROOF_SECONDS)
    story.happened(f"first proofs: {scene.held} questions asked, all held, every gate green")
    scene = await story.until("all of it is proven", lambda s: s.proven, seconds + _PROOF_SECONDS)
    story.happened(f"proven: {scene.held} of {scene.questions} questions held, coverage 100 %", mood="good")
    screen.state(scene)
    await _until(story, 0.25 * seconds, at_least=1.0)


async def _open(stage: Stage, story: Story, screen: Screen) -> None:
    hole = world.hole(READER, VICTIM)
    stage.standin.cluster.apply(*hole)
    story.opened = story.now()
    name = hole[-1]["metadata"]["name"]
    story.happened(
        f"hole opened: RoleBinding {VICTIM}/{name} lets {READER} read the Secrets of {VICTIM}",
        at=story.opened, mood="bad",
    )  # fmt: skip
    scene = await story.until("the breach is seen", lambda s: bool(s.open_breaches(VICTIM)), _PATIENCE_SECONDS)
    first = min(scene.open_breaches(VICTIM), key=lambda one: one["since"])
    story.happened(
        f"evidence: {first['question']} in {VICTIM} was served, HTTP {first['code']}, Audit-Id {first['audit_id']}",
        at=first["since"], since="opening", mood="bad",
    )  # fmt: skip
    line = await stage.daemons[READER].logged("breach.opened", _PATIENCE_SECONDS, audit_id=first["audit_id"])
    told = seconds_of(line["timestamp"])
    story.happened("confirmed: whoami asked once more, the breach stands", at=told, since="opening", mood="bad")
    page = await _page(stage, story, resolved=False)
    screen.state(scene)
    screen.page(page)
    story.happened(f"see for yourself: {first['reproduce']}")


async def _close(stage: Stage, story: Story, screen: Screen) -> None:
    stage.standin.cluster.delete(*world.hole(READER, VICTIM))
    story.closed = story.now()
    story.happened("hole closed: the RoleBinding is gone", at=story.closed)
    scene = await story.until("the breach is proven closed", lambda s: not s.open_breaches(VICTIM), _PATIENCE_SECONDS)
    story.happened(
        "proven closed: the same questions denied in two rounds, with every gate green",
        at=max(one["ended"] for one in scene.breaches if one["target"] == VICTIM), since="closing", mood="good",
    )  # fmt: skip
    await _page(stage, story, resolved=True)
    screen.state(scene)


def _draw(story: Story, picture: Path | None) -> None:
    if picture is None or story.measured is None:
        return
    try:
        picture.write_text(failover_svg.render(story.measured.course))
    except OSError as error:
        raise OwnFault(f"{picture} cannot be written: {error.strerror}") from error
    story.happened(f"drawn: {picture}")


async def _page(stage: Stage, story: Story, *, resolved: bool) -> Page:
    """Waits for the page that a human would get: Alertmanager's where there is one."""
    via = "webhook" if stage.alertmanager else "push"
    what = "the page is resolved" if resolved else "the page arrives"
    look = story.all_clear if resolved else story.page
    await story.until(what, lambda _: look(via) is not None, _PATIENCE_SECONDS)
    page = look(via)
    assert page is not None, "it was waited for"
    through = "from Alertmanager, over its webhook" if stage.alertmanager else "as pushed to Alertmanager"
    story.happened(
        f"{what}, {through} (path {page.labels.get('path')})",
        at=page.at, since="closing" if resolved else "opening", mood="good" if resolved else "bad",
    )  # fmt: skip
    return page


async def _until(story: Story, moment: float, at_least: float) -> None:
    """Lets the picture stand until `moment` seconds after the beginning."""
    await asyncio.sleep(max(at_least, moment - (story.now() - story.began)))


@contextlib.asynccontextmanager
async def _looking(stage: Stage, story: Story) -> AsyncIterator[None]:
    """Looks at the console all the while; a program that ends by itself ends the show."""

    async def keep_looking() -> None:
        console = stage.daemons[READER].console
        async with aiohttp.ClientSession() as session:
            while True:
                for program in stage.programs:
                    program.must_run()
                if scene := await view.look(session, console):
                    story.see(scene)
                await asyncio.sleep(_LOOK_SECONDS)

    try:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(keep_looking(), name="looks at the console")
            yield
            task.cancel()
    except* OwnFault as errors:
        raise errors.exceptions[0] from None


@contextlib.asynccontextmanager
async def _interruptible() -> AsyncIterator[None]:
    """Ctrl-C and SIGTERM end the show in order: children and folder go first."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None, "we are in one"
    signals = (signal.SIGINT, signal.SIGTERM)
    for number in signals:
        loop.add_signal_handler(number, task.cancel)
    try:
        yield
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
