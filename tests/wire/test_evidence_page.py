"""The evidence in a real Chromium, as an auditor has it: a file, on a desk and on a phone, by day and by night."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from sentinel.core.audit.account import Account, Outage
from sentinel.core.audit.incidents import Incident, Subject
from sentinel.core.audit.presence import Gap, Why
from sentinel.web import evidence
from tests.core.gateway.test_course import seen
from tests.support.eyes import DESKTOP, PHONE, chromium, in_the_way, looking
from tests.web.test_evidence import NOTHING, hour, pair

pytestmark = pytest.mark.asyncio(loop_scope="module")
LONG = "a-tenant-whose-name-is-as-long-as-kubernetes-takes-it-which-is-63"
SIGHTS = [(False, PHONE), (True, DESKTOP)]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as made:
        yield made


def a_full_account() -> Account:
    subject = Subject(LONG, "api/secrets", "self", LONG)
    return replace(
        NOTHING,
        cluster="prod-eu1",
        pairs=(replace(pair(held=50, open=10, unproven=20), tenant=LONG),),
        incidents=(Incident(subject, ("witness",), hour(5), hour(4), hour(15), "closed", cause=LONG),),
        outages=(Outage(replace(seen(), at=hour(30)), "witness"),),
        gaps=(Gap("witness/journal.jsonl", hour(80), hour(90), Why.STOPPED),),
    )


@pytest.mark.parametrize(("dark", "size"), SIGHTS, ids=["light, phone", "dark, desktop"])
async def test_nothing_keeps_anybody_out_of_the_evidence(browser, tmp_path, dark, size):
    file = tmp_path / "evidence.html"
    file.write_text(evidence.page(a_full_account()))

    async with looking(browser, file.as_uri(), size=size, dark=dark) as page:
        fits = await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        paper = await page.evaluate("getComputedStyle(document.body).backgroundColor")
        drawn = await page.evaluate("Math.min(...[...document.querySelectorAll('svg')].map(one => one.clientWidth))")
        obstacles = await in_the_way(page)

    assert obstacles == []
    assert fits, "what is wide scrolls in its own place, and the page does not"
    assert drawn > 600, "a picture's words can be read on a phone, too"
    assert (sum(map(int, paper[4:-1].split(", "))) < 300) == dark
