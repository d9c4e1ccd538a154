"""README's pictures of the status page: `python -m tests.demo.portrait` takes them anew, of a real run.

The demo is played as far as its breach: everything is proven, a provider dies and the other takes over, a hole
is opened and found. Then a real Chromium looks at the console of the tenant that is let in, by day and by night.
"""

import asyncio
import io
from pathlib import Path
from typing import Literal

from rich.console import Console

from sentinel.clients.clock import Clock
from sentinel.demo import failover, show
from sentinel.demo.screen import Screen
from sentinel.demo.stage import Stage
from sentinel.demo.story import Story
from tests.support.eventually import eventually_async
from tests.support.eyes import chromium, looking

FOLDER = Path(__file__).parents[2] / "docs"
PICTURES: dict[Path, Literal["light", "dark"]] = {FOLDER / "status.png": "light", FOLDER / "status-dark.png": "dark"}
SIZE = {"width": 1180, "height": 1385}
CALM = """document.getElementById("live").innerText === "Live" && document.querySelector("h1.bad") !== null
  && document.getElementById("unproven") === null"""
CALM_SECONDS = 240.0
PATIENCE = 4.0
"""Seconds after which the demo's gateway gives a dead provider up."""
MOST_BYTES = 200_000


async def main() -> None:
    clock, screen = Clock(), Screen(Console(file=io.StringIO()), "")
    story = Story(clock.wall, show.READER, show.VICTIM, screen.tell)
    async with Stage(clock.wall, story.arrived, PATIENCE) as stage, show._looking(stage, story):
        daemon = stage.daemons[show.READER]
        await show._prove(story, screen, 10.0)
        await failover.play(stage, story, daemon)
        await show._open(stage, story, screen)
        await take(f"http://{daemon.console}/")


async def take(url: str) -> None:
    """Both at a moment at which nothing but the breach is to be told: of a breach, not of a machine that was busy."""
    async with chromium() as browser, looking(browser, url, size=SIZE) as page:
        calm = False
        async with asyncio.timeout(CALM_SECONDS):
            while not calm:
                await eventually_async(lambda: page.evaluate(CALM), "all else is proven", CALM_SECONDS)
                for path, scheme in PICTURES.items():
                    await page.emulate_media(color_scheme=scheme)
                    await page.screenshot(path=path)
                calm = await page.evaluate(CALM)
    for path in PICTURES:
        size = path.stat().st_size
        assert size < MOST_BYTES, f"{path.name} has {size} bytes"
        print(f"{path.name}: {size} bytes")


if __name__ == "__main__":
    asyncio.run(main())
