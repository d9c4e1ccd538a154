"""Joins the pages of the configuration with who visits them: settings in, running visitors out.

    settings -> Browser (one) -> PageProbe -> engine.visits.Visitor -> metrics, log, pictures

Only `sentinel visit` and `sentinel once page/NAME` do: a browser has no business beside a token.
"""

import contextlib
import re
import secrets
from collections.abc import AsyncIterator, Sequence

from sentinel.clients.browser import Browser
from sentinel.clients.clock import Clock
from sentinel.core.gateway import canary
from sentinel.core.gateway.chat_page import Expected
from sentinel.core.schedule import spread
from sentinel.engine import tasks
from sentinel.engine.disturbance import Disturbances
from sentinel.engine.visits import Listens, Plan, Visitor
from sentinel.probes.chat_page import PageProbe
from sentinel.settings import Settings
from sentinel.settings.chat_page import Page
from sentinel.settings.gateways import Gateway
from sentinel.sinks.screenshots import Album

WE = "who visits pages"
"""Whose tag our nonces have; no tenant can be called so."""
_MIB = 1024 * 1024


def nonce() -> str:
    """A new one, with our tag."""
    return canary.nonce(canary.tag(WE), secrets.token_hex(canary.CHANCE_LENGTH // 2))


def chosen(settings: Settings) -> tuple[tuple[Gateway, Page], ...]:
    """The gateways that have a page."""
    return tuple((gateway, gateway.page) for gateway in settings.gateways if gateway.page is not None)


@contextlib.asynccontextmanager
async def visiting(settings: Settings, clock: Clock, listens: Sequence[Listens]) -> AsyncIterator[None]:
    """All pages are visited until the block ends; the browsers are closed after that."""
    async with contextlib.AsyncExitStack() as stack:
        browsers: dict[tuple[object, ...], Browser] = {}
        disturbances = Disturbances(clock)
        visitors = []
        for gateway, page in chosen(settings):
            kind = (page.chromium, page.sandbox, page.memory_mib)
            if kind not in browsers:
                browsers[kind] = await stack.enter_async_context(browser_of(page))
            plan = plan_of(gateway, page, browsers[kind], clock)
            visitors.append(Visitor(plan, clock, nonce, tuple(listens), disturbances))
        start = await stack.enter_async_context(tasks.running())
        start("our own disturbances", disturbances.watch)
        for visitor in visitors:
            start(f"page of {visitor.plan.gateway}", visitor.run)
        yield


def browser_of(page: Page) -> Browser:
    """Not started yet."""
    return Browser(page.chromium, memory=page.memory_mib * _MIB, sandbox=page.sandbox)


def plan_of(gateway: Gateway, page: Page, browser: Browser, clock: Clock) -> Plan:
    """How this page is visited."""
    every, shots = page.every.total_seconds(), page.screenshots
    return Plan(
        gateway=gateway.name,
        goes=probe_of(gateway, page, browser, clock),
        expected=expected_of(gateway, page),
        every=every,
        offset=spread(f"page/{gateway.name}", every),
        album=None if shots is None else Album(shots.path, shots.keep),
    )


def probe_of(gateway: Gateway, page: Page, browser: Browser, clock: Clock) -> PageProbe:
    """How one visit goes. `once_page` makes a single one."""
    return PageProbe(
        url=page.url,
        prompt=page.prompt,
        send=page.send,
        answer=page.answer,
        expected=expected_of(gateway, page),
        browser=browser,
        clock=clock,
        timeout=page.timeout.total_seconds(),
        pictures=page.screenshots is not None,
    )


def expected_of(gateway: Gateway, page: Page) -> Expected:
    """What is known in advance about this page. What nobody may read is the same as at its gateway."""
    return Expected(
        messages=page.graceful,
        grace=gateway.grace.total_seconds(),
        leaks=tuple(map(re.compile, gateway.leaks.extra)),
        no_leaks=frozenset(gateway.leaks.disable),
    )
