"""A real Chromium in front of a chat page of the test's, with every fault: what counts is what a user can see."""

import asyncio
import ctypes
import os
from contextlib import asynccontextmanager

import pytest

from sentinel.clients import processes
from sentinel.clients.browser import Browser, NoBrowser
from sentinel.clients.clock import Clock
from sentinel.core.gateway.canary import Canary
from sentinel.core.gateway.chat_page import Expected, Outcome, judge
from sentinel.probes.chat_page import PageProbe
from tests import parts
from tests.support.chatpage import GRACEFUL, chat_page

pytestmark = pytest.mark.asyncio

ASKED = Canary("abcdef00112233")
PLENTY = 60.0
"""Seconds for what takes less than one, on a machine that may be busy."""
MEMORY = 1 << 30
O = Outcome  # noqa: E741

AT_ONCE = [
    ("", O.GOOD, ()),
    ("welcome", O.GOOD, ()),  # a dialog on the way in
    ("graceful", O.GRACEFUL, ()),
    ("503", O.GRACEFUL, ()),  # in place of the page
    ("trace", O.UNGRACEFUL, ("python-traceback", "exception-name")),
    ("json", O.UNGRACEFUL, ("raw-json",)),
    ("500", O.UNGRACEFUL, ("python-traceback", "exception-name")),
    ("alert", O.UNGRACEFUL, ("system-error", "internal-address")),
    ("redirect", O.ELSEWHERE, ()),
    ("away", O.ELSEWHERE, ()),  # once something was sent
]
NEVER = [
    ("blank", O.SILENT),
    ("spinner", O.SILENT),
    ("hidden", O.SILENT),  # the agreed message is there, and nobody sees it
    ("apology", O.WRONG_CONTENT),
    ("cut", O.CUT),
]


class Impatient(Clock):
    """A clock on which a minute has gone by, once the page shows all that it will."""

    def __init__(self):
        self.ahead = 0.0

    def monotonic(self):
        return super().monotonic() + self.ahead

    def hurry(self):
        self.ahead = 2 * PLENTY


@asynccontextmanager
async def browser(memory=MEMORY):
    async with Browser(parts.find("chromium"), memory=memory) as made:
        yield made


def probe(page, chromium, timeout=PLENTY, grace=PLENTY, **more):
    clock, expected = Impatient(), Expected((GRACEFUL,), grace=grace)
    page.on_shown = clock.hurry
    return PageProbe(page.url, "#prompt", "#send", ".answer", expected, chromium, clock, timeout, **more)


async def visited(chromium, fault, timeout=PLENTY, slow=0.0, **more):
    async with chat_page(fault, slow) as page:
        asks = probe(page, chromium, timeout, **more)
        visit = await asks.visit(ASKED)
        return visit, judge(visit, ASKED, asks.expected), page


async def test_what_the_page_shows_is_what_it_is_worth_and_only_breaches_have_a_picture():
    async with browser() as chromium:
        for fault, outcome, leaks in AT_ONCE:
            visit, judged, page = await visited(chromium, fault, pictures=True)

            assert (fault, judged.outcome, judged.leaks) == (fault, outcome, leaks)
            assert bool(visit.picture) == judged.breach
            assert all("cookie" not in headers and "authorization" not in headers for headers in page.headers)
            assert len(page.asked) == (fault in ("", "welcome", "graceful", "trace", "json"))


async def test_what_never_comes_or_is_hidden_is_silence_however_much_the_page_holds():
    async with browser() as chromium:
        found = [(fault, (await visited(chromium, fault))[1].outcome) for fault, _ in NEVER]

    assert found == NEVER


async def test_text_is_what_a_user_can_see_wherever_it_stands():
    async with browser() as chromium, chat_page("shades") as page, chromium.tab() as tab:
        until = asyncio.get_running_loop().time() + PLENTY
        await tab.open(page.url, until)
        while not (look := await tab.look("#prompt", ".answer", until)).writable:
            await asyncio.sleep(0.02)

    assert look.text.split("\n") == ["", "seen at once", "seen below", "seen in shade", "seen summary", ""]
    assert look.answers == ("seen in shade",)


async def test_the_first_token_is_timed_from_sending_and_a_late_message_is_not_graceful():
    async with browser() as chromium:
        _, slow, _ = await visited(chromium, "", slow=1.0)
        _, late, _ = await visited(chromium, "late", slow=1.0, grace=0.5)

    assert slow.outcome is O.GOOD
    assert slow.first >= 1.0
    assert late.outcome is O.UNGRACEFUL
    assert late.rule == "an agreed message, and too late"


async def test_a_page_that_eats_memory_is_ended_and_the_next_visit_is_well():
    async with browser() as chromium:
        _, eaten, _ = await visited(chromium, "memory")
        _, after, _ = await visited(chromium, "")

    assert (eaten.outcome, eaten.rule) == (O.UNGRACEFUL, "the page took too much memory")
    assert after.outcome is O.GOOD


async def test_a_page_that_never_lets_go_costs_its_own_visit_only(monkeypatch):
    monkeypatch.setattr("sentinel.probes.chat_page.STUCK", 2.0)
    async with browser() as chromium:
        _, stuck, _ = await visited(chromium, "loop", 3.0)
        _, after, _ = await visited(chromium, "")

    assert stuck.outcome is O.SILENT
    assert after.outcome is O.GOOD


@pytest.fixture
def as_process_1():
    """Orphans come to us, as they do in a pod."""
    libc, set_child_subreaper = ctypes.CDLL(None), 36
    assert libc.prctl(set_child_subreaper, 1, 0, 0, 0) == 0
    yield
    libc.prctl(set_child_subreaper, 0, 0, 0, 0)


async def test_a_browser_that_was_killed_is_started_again_and_nothing_of_it_is_left(
    as_process_1, tmp_path, monkeypatch
):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    async with browser() as chromium:
        await visited(chromium, "")
        first = chromium._family()
        processes.kill(first - chromium._drivers())
        async with asyncio.timeout(PLENTY):
            while chromium.runs:
                await asyncio.sleep(0.02)
        _, after, _ = await visited(chromium, "")
        second = chromium._family()
        processes.kill(second)  # and what drives it
        with pytest.raises(NoBrowser):
            await visited(chromium, "")
        _, last, _ = await visited(chromium, "")

    assert len(first) > 2
    assert (after.outcome, last.outcome) == (O.GOOD, O.GOOD)
    assert not processes.below(os.getpid()) & (first | second)
    assert not list(tmp_path.iterdir())


async def test_chromium_knows_nothing_of_ours(monkeypatch):
    monkeypatch.setenv("SENTINEL_SECRET", "abc")
    async with browser() as chromium:
        await visited(chromium, "")
        known = [environ_of(found.pid) for found in chromium._family() - chromium._drivers()]

    assert known
    assert not [environ for environ in known if b"SENTINEL_SECRET" in environ]


def environ_of(pid):
    try:
        return (processes.PROC / str(pid) / "environ").read_bytes()
    except OSError:  # gone by now
        return b""


async def test_without_chromium_a_sentence_says_what_is_missing(tmp_path):
    async with Browser(tmp_path / "chromium", memory=MEMORY) as chromium, chat_page() as page:
        with pytest.raises(NoBrowser, match=r"no .*/chromium here that can be run"):
            await probe(page, chromium).visit(ASKED)


async def test_a_page_that_is_not_there_is_unreachable(tmp_path):
    async with browser() as chromium:
        async with chat_page() as page:
            asks = probe(page, chromium)
        visit = await asks.visit(ASKED)

    assert judge(visit, ASKED, asks.expected).outcome is O.UNREACHABLE
