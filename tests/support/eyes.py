"""A person in front of the console: a real Chromium, and what keeps people out of a page (axe-core)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from playwright.async_api import Browser, Page, async_playwright

from tests import parts

PLENTY = 60.0
"""Seconds for what takes less than one, on a machine that may be busy."""
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
"""What axe-core is asked for, by its tags."""


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=parts.find("chromium"), chromium_sandbox=False, args=["--disable-dev-shm-usage"]
        )
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def looking(browser: Browser, url: str, *, size: Any = DESKTOP, dark: bool = False, scripts: bool = True) -> Any:
    """The page as somebody has it; whatever it complains about fails at the end."""
    scheme: Any = "dark" if dark else "light"
    context = await browser.new_context(viewport=size, color_scheme=scheme, java_script_enabled=scripts)
    context.set_default_timeout(1000 * PLENTY)
    page, complaints = await context.new_page(), []
    page.on("console", lambda said: complaints.append(said.text) if "Content Security" in said.text else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    try:
        await page.goto(url)
        yield page
    finally:
        await context.close()
    assert complaints == []


async def in_the_way(page: Page) -> list[str]:
    """What axe-core finds serious or critical; nothing may be."""
    await page.evaluate(parts.find("axe.min.js").read_text())
    found = await page.evaluate('rules => axe.run({runOnly: rules, resultTypes: ["violations"]})', RULES)
    assert found["passes"], "axe-core has looked at nothing"
    return [
        f"{row['impact']}: {row['id']}: {node['html'][:200]}"
        for row in found["violations"]
        for node in row["nodes"]
        if row["impact"] in ("serious", "critical")
    ]
