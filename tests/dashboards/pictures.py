"""`make pictures`: what docs/dashboards shows, from a run of the story that lasts a minute longer than in the tests.

Grafana itself is not among our parts. What is drawn is a preview, from the same JSON, with the answers of a real
Prometheus; it says so in its corner.
"""

import asyncio
import tempfile
from pathlib import Path

from tests.dashboards import drawn, drilled, scene
from tests.deploy.chart import ROOT
from tests.support.eyes import chromium

FOLDER = ROOT / "docs" / "dashboards"
ROWS = {"isolation": 2, "gateways": 4, "self": 3, "paging": 3, "drills": 3}
"""As many as a picture of 150 kB can show."""
CALM = 20.0
DRILLS = ("429", "slow", "kill")


async def draw() -> None:
    """Plays the story, and writes a picture of each dashboard."""
    in_town = await scene.play(CALM)
    with tempfile.TemporaryDirectory(prefix="sentinel-drills-") as folder:
        drills = (await drilled.play(Path(folder), DRILLS, CALM)).answers
    assert drills is not None
    FOLDER.mkdir(parents=True, exist_ok=True)
    async with chromium() as browser:
        page = await browser.new_page(viewport={"width": drawn.WIDTH, "height": 800})
        for board, rows in ROWS.items():
            await page.set_content(drawn.page(board, drills if board == "drills" else in_town, rows))
            await page.screenshot(path=FOLDER / f"{board}.png", full_page=True)


if __name__ == "__main__":
    asyncio.run(draw())
