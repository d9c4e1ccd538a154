"""The one Chromium that pages are looked at with, and the only file that knows Playwright.

    Browser: started at the first visit, kept, killed and started anew when it hangs
        Tab: a context of its own (no cookies, no cache, no permissions), closed after the visit

There is nothing to steal in it: it gets no key, no token, no cookie and no variable of ours.
Errors of Playwright's become a `Gone` (the page's doing) or a `NoBrowser` (ours); no word of the
page's is in either. Playwright itself is loaded when the first browser is started.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar
from urllib.parse import urlsplit

from sentinel.clients import processes
from sentinel.clients.looking import LOOK
from sentinel.clients.processes import Process
from sentinel.core.gateway.chat_page import Mishap
from sentinel.errors import ClientError, OwnFault

if TYPE_CHECKING:
    from types import TracebackType

    from playwright.async_api import Browser as Chromium
    from playwright.async_api import BrowserContext, Dialog, Page, Playwright

T = TypeVar("T")

NAMES = ("chromium", "chromium-headless-shell")
"""How it may be called on PATH."""
START, OPEN, CLOSE = 30.0, 15.0, 5.0
"""Seconds in which Chromium must start, a tab must open, and one must close."""
_GUARD = 0.2
_VIEW = (1280, 800)
_MOST_TEXT = 64 * 1024
_MOST_DIALOGS = 20
_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "FONTCONFIG_FILE", "LD_LIBRARY_PATH")
_REPLACED = re.compile("context was destroyed|because of a navigation|Cannot find context")
_ARGUMENTS = (
    "--disable-dev-shm-usage",  # a pod's /dev/shm has 64 MiB
    "--disable-gpu",
    "--disable-breakpad",
    "--js-flags=--max-old-space-size=256",  # MiB: a page that hoards dies by itself
)


class NoBrowser(OwnFault):
    """Chromium is not there, does not start, or hangs."""


class Gone(ClientError):
    """The page cannot be used any further. `mishap` says why."""

    def __init__(self, mishap: Mishap) -> None:
        """No word of the page's is in the message."""
        self.mishap = mishap
        super().__init__(mishap.value)


@dataclass(frozen=True)
class Look:
    """What is visible at one moment: all text, that of each answer, and whether there is a field to write in."""

    text: str = field(repr=False)
    answers: tuple[str, ...] = field(repr=False)
    writable: bool


@dataclass
class Tab:
    """One page, in a context of its own. Every call may raise Gone, or TimeoutError at `until` of the loop's clock."""

    _page: Page = field(repr=False)
    _browser: Browser = field(repr=False)
    _said: list[str] = field(default_factory=list, repr=False)
    crashed: bool = False

    def __post_init__(self) -> None:
        """Dialogs stop a page until they are answered; what they say, the user has seen."""
        self._page.on("dialog", self._dismiss)
        self._page.on("crash", self._crash)

    async def open(self, url: str, until: float) -> int | None:
        """Go there; the page's status. It may lead to another host, which `host` tells."""
        response = await self._done(self._page.goto(url, wait_until="commit", timeout=_left(until)), until)
        return None if response is None else response.status

    @property
    def origin(self) -> tuple[str, str | None, int | None]:
        """Where the page is now."""
        return origin(self._page.url)

    async def fill(self, selector: str, text: str, until: float) -> None:
        """Wait for the field, and write into it."""
        field_ = self._page.locator(f"css={selector}").first
        await self._done(field_.fill(text, timeout=_left(until)), until)

    async def click(self, selector: str, until: float) -> None:
        """Wait until it can be pressed, and press it."""
        await self._done(self._page.locator(f"css={selector}").first.click(timeout=_left(until)), until)

    async def enter(self, selector: str, until: float) -> None:
        """Press the Enter key in this field."""
        await self._done(self._page.locator(f"css={selector}").first.press("Enter", timeout=_left(until)), until)

    async def look(self, prompt: str, answers: str, until: float) -> Look:
        """What is visible now. `prompt` and `answers` are selectors."""
        while True:
            try:
                found = await self._done(self._page.evaluate(LOOK, [prompt, answers, _MOST_TEXT]), until)
            except Gone as gone:
                if not _REPLACED.search(str(gone.__cause__)):
                    raise
                continue  # the document was replaced under our hands
            text = "\n".join([str(found["text"]), *self._said])
            return Look(text, tuple(map(str, found["answers"])), bool(found["field"]))

    async def picture(self, most: int, until: float) -> bytes | None:
        """What a user sees, as JPEG; None where it does not come in time or has more than `most` bytes."""
        with contextlib.suppress(Gone, TimeoutError):
            shot = self._page.screenshot(type="jpeg", quality=60, animations="disabled", timeout=_left(until))
            taken = await self._done(shot, until)
            return taken if len(taken) <= most else None
        return None

    async def _done(self, work: Awaitable[T], until: float) -> T:
        from playwright import async_api  # noqa: PLC0415  # loaded with the browser

        try:
            async with asyncio.timeout_at(until):
                return await work
        except async_api.TimeoutError as error:
            raise TimeoutError from error
        except async_api.Error as error:
            raise Gone(self._mishap(error.message)) from error

    def _mishap(self, message: str) -> Mishap:
        if self._browser.heavy:
            return Mishap.HEAVY
        if self.crashed or "crashed" in message:
            return Mishap.CRASHED
        if "net::ERR_" in message:
            return Mishap.UNREACHED
        return Mishap.STUCK if self._browser.runs else Mishap.BROWSER

    def _crash(self, _page: Page) -> None:
        self.crashed = True

    async def _dismiss(self, dialog: Dialog) -> None:
        if len(self._said) < _MOST_DIALOGS:
            self._said.append(dialog.message[:_MOST_TEXT])
        with contextlib.suppress(Exception):  # the page may be gone by now, which is seen elsewhere
            await dialog.dismiss()


class Browser:
    """Chromium, kept from visit to visit. `memory`: bytes that all its processes may take."""

    def __init__(self, executable: Path | None, *, memory: int, sandbox: bool = False) -> None:
        """Nothing is started yet."""
        self._executable, self._memory, self._sandbox = executable, memory, sandbox
        self._playwright: Playwright | None = None
        self._chromium: Chromium | None = None
        self._processes: frozenset[Process] = frozenset()
        self._killed: frozenset[Process] = frozenset()
        self._folder: Path | None = None
        self._turn = asyncio.Lock()
        self.heavy = False

    async def __aenter__(self) -> Self:
        """For the end's sake."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it, by force if need be."""
        await self._end()

    @property
    def runs(self) -> bool:
        """Whether there is one that answers."""
        return self._chromium is not None and self._chromium.is_connected()

    @contextlib.asynccontextmanager
    async def tab(self) -> AsyncIterator[Tab]:
        """A new tab without a past, watched for its memory. Raises NoBrowser.

        One at a time, whoever else wants one waits: two tabs slow each other down, and each would look broken.
        """
        async with self._turn:
            self._killed = processes.reap(self._killed)
            page = await self._opened()
            guard = asyncio.create_task(self._guard(), name="browser's memory")
            try:
                yield Tab(page, self)
            finally:
                guard.cancel()
                if not await self._closed(page.context):
                    await self._end()

    async def _opened(self) -> Page:
        if not self.runs:
            await self._end()
            await self._start()
        assert self._chromium is not None, "it was just started"
        new = self._chromium.new_context(
            accept_downloads=False,
            permissions=[],
            service_workers="block",
            viewport={"width": _VIEW[0], "height": _VIEW[1]},
        )
        context = await self._ours(new, OPEN)
        return await self._ours(context.new_page(), OPEN)

    async def _start(self) -> None:
        try:
            from playwright.async_api import async_playwright  # noqa: PLC0415  # who has no page pays nothing
        except ModuleNotFoundError as error:
            raise NoBrowser("looking at a page needs playwright: pip install 'tenant-sentinel[browser]'") from error
        executable, self.heavy = self._found(), False
        before = processes.below(os.getpid())
        self._folder = Path(tempfile.mkdtemp(prefix="sentinel-browser-"))
        with _temporary(self._folder):
            self._playwright = await self._ours(async_playwright().start(), START)
        launch = self._playwright.chromium.launch(
            executable_path=executable,
            chromium_sandbox=self._sandbox,
            args=list(_ARGUMENTS),
            env=_environment(self._folder),
            handle_sigint=False,  # who ends it is decided here
            handle_sigterm=False,
            handle_sighup=False,
            timeout=START * 1000,
        )
        self._chromium = await self._ours(launch, START)
        self._processes = processes.below(os.getpid()) - before

    def _found(self) -> str:
        known = [str(self._executable)] if self._executable is not None else NAMES
        for name in known:
            if (path := shutil.which(name)) is not None:
                return path
        raise NoBrowser(f"no {' or '.join(known)} here that can be run: looking at a page needs Chromium")

    async def _ours(self, work: Awaitable[T], within: float) -> T:
        """What a browser that is well does at once."""
        from playwright.async_api import Error  # noqa: PLC0415  # loaded with the browser

        try:
            async with asyncio.timeout(within):
                return await work
        except (TimeoutError, Error, OSError) as error:
            await self._end()
            reason = getattr(error, "message", "").partition("\n")[0][:200] or f"nothing within {within:g} s"
            raise NoBrowser(f"Chromium does not do what it should: {reason}") from error

    async def _closed(self, context: BrowserContext) -> bool:
        with contextlib.suppress(Exception):
            async with asyncio.timeout(CLOSE):
                await context.close()
                return True
        return False

    async def _guard(self) -> None:
        """Ends it all when a page takes too much: the node's own way of ending it would hit us, too."""
        while True:
            await asyncio.sleep(_GUARD)
            self._processes = self._family()
            if processes.memory(self._processes) > self._memory:
                self.heavy = True
                self._kill(self._processes - self._drivers())
                return

    def _kill(self, family: frozenset[Process]) -> None:
        processes.kill(family)
        self._killed |= family

    def _family(self) -> frozenset[Process]:
        """What we started for this, and all that came of it; some of it may have lost its parent."""
        known = processes.there(self._processes)
        return known | processes.below(*(process.pid for process in known))

    def _drivers(self) -> frozenset[Process]:
        """Those that are our own children: Playwright's own process, which must tell us what happened."""
        return frozenset(found for found in self._processes if processes.parent(found) == os.getpid())

    async def _end(self) -> None:
        family, chromium, driver = self._family(), self._chromium, self._playwright
        self._chromium, self._playwright, self._processes = None, None, frozenset()
        for work in (chromium.close() if chromium else None, driver.stop() if driver else None):
            if work is not None:
                with contextlib.suppress(Exception):  # a browser that hangs is killed below
                    async with asyncio.timeout(CLOSE):
                        await work
        self._kill(family)
        self._killed = processes.reap(self._killed)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)  # who is killed cleans nothing up
            self._folder = None


def _environment(folder: Path) -> dict[str, str | float | bool]:
    """All that Chromium knows of ours."""
    return {"TMPDIR": str(folder), **{name: os.environ[name] for name in _PASSED_ON if name in os.environ}}


@contextlib.contextmanager
def _temporary(folder: Path) -> Iterator[None]:
    """Playwright's own process takes its folder for temporary files from our environment, and from nowhere else."""
    before = os.environ.get("TMPDIR")
    os.environ["TMPDIR"] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ["TMPDIR"]
        else:
            os.environ["TMPDIR"] = before


def origin(url: str) -> tuple[str, str | None, int | None]:
    """Scheme, host and port: what makes a page somebody's."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def _left(until: float) -> float:
    """Milliseconds; Playwright takes 0 for "for ever"."""
    return max(1.0, (until - asyncio.get_running_loop().time()) * 1000)
