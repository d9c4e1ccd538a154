"""The console in a real Chromium: what a person sees, how it lives, and that nothing keeps anybody out."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page
from prometheus_client import CollectorRegistry, Counter, Gauge

from sentinel.core.gateway.course import Course
from sentinel.settings.web import Web
from sentinel.settings.words import Address
from sentinel.sinks.history import History
from sentinel.web import app, layout, live
from tests.core.gateway.test_course import seen
from tests.support.breaches import LIST, Belief
from tests.support.eventually import eventually_async
from tests.support.eyes import DESKTOP, PHONE, chromium, in_the_way, looking
from tests.support.wide import wide
from tests.wire.test_live import stream

pytestmark = pytest.mark.asyncio(loop_scope="module")
ANYWHERE = Address("127.0.0.1", 0)
SIGHTS = [
    ("a tenant's", "light", "desktop"),
    ("a tenant's", "light", "phone"),
    ("a tenant's", "dark", "desktop"),
    ("a tenant's", "dark", "phone"),
    ("the witness's", "light", "phone"),
    ("the witness's", "dark", "desktop"),
]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as made:
        yield made


def paging() -> CollectorRegistry:
    """As the witness says of its own drills."""
    registry = CollectorRegistry()
    takes = Gauge("sentinel_page_path_seconds", "Taken.", ("path", "stage"), registry=registry)
    takes.labels("rule", "receiver").set(34.9)
    takes.labels("push", "receiver").set(0.412)
    arrived = Gauge("sentinel_page_path_last_success_timestamp_seconds", "When.", ("path",), registry=registry)
    arrived.labels("rule").set(time.time() - 90)
    runs = Counter("sentinel_page_path_runs", "Runs.", ("path", "result"), registry=registry)
    runs.labels("push", "lost").inc(2)
    runs.labels("rule", "arrived").inc(3)
    return registry


@dataclass
class World:
    """What there is to see."""

    history: History | dict[str, History]
    gateways: dict[str, tuple[Course, ...]] = field(default_factory=dict)
    console: Address = ANYWHERE

    @contextlib.asynccontextmanager
    async def served(self) -> AsyncIterator[str]:
        where = Web.model_construct(listen=ANYWHERE, console=self.console, readyz_always_200=False)
        async with app.serve(
            where,
            registry=paging(),
            progress=lambda: (True, ""),
            ready=tuple,
            history=self.history,
            gateways=lambda: self.gateways,
        ) as addresses:
            self.console = addresses.console
            yield f"http://{addresses.console}/"

    @contextlib.asynccontextmanager
    async def seen(self, browser: Browser, query: str = "", **how: Any) -> AsyncIterator[Page]:
        async with self.served() as url, looking(browser, url + query, **how) as page:
            yield page


def tenant(targets: int = 4, opened: int = 1, blind: int = 1) -> World:
    now = time.time()
    course = replace(seen(), at=now - 400)
    return World(wide(targets, opened=opened, blind=blind, now=now), {"chat": (course,)})


def witness(tenants: int = 4) -> World:
    names = [f"team-{number:04}" for number in range(1, tenants + 1)]
    kept = {name: wide(tenants, opened=name == names[2], blind=name == names[3], tenant=name) for name in names}
    return World(dict(kept))


def breach() -> Any:
    return Belief(replace(LIST, target="team-0009", namespace="team-0009")).served(time.time())


async def is_live(page: Page) -> None:
    await eventually_async(lambda: says(page, "Live"), "the page is live")


async def says(page: Page, text: str) -> bool:
    return text in (await page.inner_text("#live"))


async def focused(page: Page) -> str:
    """What has the focus, in its own words."""
    found: str = await page.evaluate(
        "(e => e.getAttribute('aria-label') || e.id || e.innerText)(document.activeElement)"
    )
    return found


async def test_the_first_screen_says_what_is_open_why_and_what_to_do_next(browser):
    async with tenant().seen(browser) as page:
        await is_live(page)
        first = await page.inner_text("#open")
        order = await page.eval_on_selector_all("main h2", "heads => heads.map(head => head.innerText)")
        below = await page.evaluate("document.querySelector('#open article pre').getBoundingClientRect().bottom")

    assert "sentinel explain get secrets/sentinel-beacon --user=" in first
    assert "kubectl auth can-i get secrets/sentinel-beacon --as=" in first
    assert order[:3] == ["Open breaches (2)", "Not proven, and why", "Targets"]
    assert {"LLM gateways", "How a page gets to a person", "Gates", "Last answers"} < set(order)
    assert below < DESKTOP["height"], "the next command is there without scrolling"


async def test_of_a_witness_it_says_who_is_closed_to_whom_and_how_long_a_page_takes(browser):
    async with witness().seen(browser) as page:
        await is_live(page)
        matrix = await page.inner_text("#matrix")
        paths = await page.inner_text("#page-path")
        await page.click("#tenants a:has-text('team-0003')")
        await is_live(page)
        own = await page.inner_text("h1")

    assert "Of 20 pairs: 1 open, 1 not proven, 18 closed." in matrix
    assert "34.9 s" in paths and "0.412 s" in paths and "2 lost" in paths and "3 arrived" in paths
    assert own == "BREACH team-0003 is let in where it must be denied: team-0001."


async def test_a_breach_is_on_the_screen_without_anybody_doing_anything(browser):
    world = tenant(opened=0, blind=0)
    assert isinstance(world.history, History)
    async with world.seen(browser) as page:
        await is_live(page)
        assert (await page.title()).startswith("Held")
        told = await page.evaluate("document.querySelector('#tops').getAttribute('aria-live')")

        world.history.put(breach())

        await eventually_async(lambda: titled(page, "BREACH"))
        assert "team-0009" in await page.inner_text("h1")
        assert told == "polite", "and is read out"


async def titled(page: Page, word: str) -> bool:
    return (await page.title()).startswith(word)


async def test_the_reader_keeps_their_place_while_it_lives(browser):
    world = tenant(targets=40, blind=0)
    assert isinstance(world.history, History)
    async with world.seen(browser) as page:
        await is_live(page)
        await page.click("#proven summary")
        await page.fill("#find", "team-00")
        await page.evaluate("getSelection().selectAllChildren(document.querySelector('article pre code'))")
        await page.evaluate("scrollTo(0, 300)")
        where = "[getSelection().toString(), Math.round(getSelection().focusNode.getBoundingClientRect().top)]"
        before = await page.evaluate(where)

        world.history.put(breach())

        await eventually_async(lambda: has(page, "article", 2))
        assert await page.evaluate(where) == before, "where they look, though something came above it"
        assert await page.evaluate("document.querySelector('#proven').open")
        assert await page.input_value("#find") == "team-00"
        assert await focused(page) == "find"


async def has(page: Page, what: str, number: int) -> bool:
    return await page.locator(what).count() == number


async def test_without_a_connection_it_says_since_when_and_then_it_lives_again(browser):
    world = tenant(opened=0, blind=0)
    assert isinstance(world.history, History)
    async with contextlib.AsyncExitStack() as stack:
        async with world.served() as url:
            page = await stack.enter_async_context(looking(browser, url))
            await is_live(page)
        await eventually_async(lambda: says(page, "Not live since"))
        world.history.put(breach())

        await stack.enter_async_context(world.served())

        await is_live(page)
        await eventually_async(lambda: titled(page, "BREACH"))


async def test_whom_no_stream_is_left_for_sees_it_all_the_same_and_is_told(browser):
    world = tenant(opened=0, blind=0)
    assert isinstance(world.history, History)
    async with world.served() as url, contextlib.AsyncExitStack() as stack:
        for _ in range(live.MOST):
            one = await stack.enter_async_context(stream(world.console))
            assert await one.status() == 200
        page = await stack.enter_async_context(looking(browser, url))
        await eventually_async(lambda: says(page, "no stream for this page"))

        world.history.put(breach())

        await eventually_async(lambda: titled(page, "BREACH"))


async def test_a_page_that_nobody_sees_leaves_its_stream_to_others(browser, monkeypatch):
    monkeypatch.setattr(live, "BEAT_SECONDS", 0.1)
    async with tenant().seen(browser) as page:
        await is_live(page)
        await hide(page, True)
        await eventually_async(lambda: not any("looks for what" in task.get_name() for task in asyncio.all_tasks()))

        await hide(page, False)

        await eventually_async(lambda: any("looks for what" in task.get_name() for task in asyncio.all_tasks()))


async def hide(page: Page, hidden: bool) -> None:
    await page.evaluate(
        "hidden => { Object.defineProperty(document, 'hidden', {value: hidden, configurable: true});"
        " document.dispatchEvent(new Event('visibilitychange')); }",
        hidden,
    )


async def test_without_scripts_it_is_the_same_page_and_loads_itself_anew(browser, monkeypatch):
    monkeypatch.setattr(layout, "REFRESH_SECONDS", 1)
    world = tenant(opened=0, blind=0)
    assert isinstance(world.history, History)
    async with world.seen(browser, scripts=False) as page:
        assert "again every 1 s" in await page.inner_text("#live")

        world.history.put(breach())

        await eventually_async(lambda: titled(page, "BREACH"))


async def test_a_thousand_targets_are_read_by_trouble_by_name_and_by_unfolding(browser):
    async with tenant(targets=1000, opened=2, blind=3).seen(browser) as page:
        rows = await page.locator(".targets tbody tr").count()
        folded = await page.locator("#proven li").first.is_visible()
        await page.focus("#proven summary")
        await page.keyboard.press("Enter")
        unfolded = await page.locator("#proven li").first.is_visible()
        wide_ = await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        await page.fill("#find", "-0512")
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/?find=-0512")
        found = await page.inner_text(".targets tbody")

    assert (rows, folded, unfolded, wide_) == (5, False, True, True)
    assert found.startswith("team-0512")


async def test_everything_can_be_reached_by_keyboard_in_the_order_of_the_page(browser):
    async with tenant(targets=40).seen(browser) as page:
        await is_live(page)
        reached = []
        for _ in range(6):
            await page.keyboard.press("Tab")
            reached.append(await focused(page))
            assert await page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"

    assert reached == [
        "To the findings",
        "Next: which binding or policy it is, and what closes it",
        "See for yourself, with rights to impersonate:",
        "find",
        "Show",
        "40 targets proven closed, each with the age of its oldest proof",
    ]


@pytest.mark.parametrize(("whose", "scheme", "size"), SIGHTS)
async def test_nothing_keeps_anybody_out(browser, whose, scheme, size):
    world = tenant(targets=16) if whose == "a tenant's" else witness()
    how = {"dark": scheme == "dark", "size": PHONE if size == "phone" else DESKTOP}
    async with world.seen(browser, **how) as page:
        await is_live(page)
        await page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
        fits = await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        paper = await page.evaluate("getComputedStyle(document.body).backgroundColor")
        obstacles = await in_the_way(page)

    assert obstacles == []
    assert fits, "nobody scrolls sideways"
    assert (sum(map(int, paper[4:-1].split(", "))) < 300) == (scheme == "dark")
