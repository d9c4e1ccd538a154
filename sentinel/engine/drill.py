"""Drives one drill: hears the gateway's driver, and does what `core.drill.progress` asks for.

    news of the gateway --+
    somebody says stop  --+--> advance --> a new phase --> wound, undo, or nothing
    a tick              --+

The receipt is on the disk before the wound is made. Neither the wound nor its undo is believed before
it was read back, and the undo is tried again before it is given up.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from sentinel.clients.clock import Clock
from sentinel.core.drill import figures
from sentinel.core.drill import progress as steps
from sentinel.core.drill.fault import Receipt
from sentinel.core.drill.figures import Seen
from sentinel.core.drill.progress import Done, Event, Failed, Heard, Over, Phase, Progress, Span, Stop, Terms, Tick
from sentinel.core.gateway.news import Ended, News, Probed, Stand
from sentinel.errors import ClientError, OwnFault
from sentinel.kinds import Injector

TICK = 0.1
"""Seconds between two looks at the time."""
TRIES = 5
"""Of the undo, and of reading back."""
PAUSE = 0.3
"""Seconds between two of them."""


class Keeps(Protocol):
    """The folder of receipts."""

    def write(self, receipt: Receipt) -> Path:
        """Write it down, so that it survives a power cut. Raises OwnFault."""
        ...

    def heal(self, path: Path) -> Path:
        """Note that its wound is gone. Raises OwnFault."""
        ...


@dataclass
class DrillRun:
    """One drill. It listens to the driver of its gateway (`put`), and is told to end by `stop`."""

    terms: Terms
    receipt: Receipt
    injector: Injector
    receipts: Keeps
    clock: Clock
    turned: Callable[[Progress], None]  # told of each new phase
    heard: Callable[[Seen], None] = lambda _: None  # told of each answer of the gateway
    file: Path | None = None
    _events: asyncio.Queue[Event] = field(default_factory=asyncio.Queue)

    def put(self, news: News) -> None:
        """Take what the driver tells."""
        match news:
            case Probed(target=""):
                end = news.start + news.judged.took
                self._events.put_nowait(Heard(news.start, end, news.judged))
                if (worth := figures.worth(news.judged)) is not None:
                    self.heard(Seen(news.start, end, worth))
            case Ended():
                self._events.put_nowait(Over(self.clock.monotonic(), news.episode))

    def stop(self, why: str) -> None:
        """End it, healed. Once is enough."""
        self._events.put_nowait(Stop(self.clock.monotonic(), why))

    async def run(self, stand: Callable[[], Stand]) -> Progress:
        """Until it is judged. `stand`: how the gateway stands."""
        progress = steps.begin(self.clock.monotonic())
        self.turned(progress)
        while progress.phase is not Phase.JUDGED:
            event = await self._next(stand)
            after = steps.advance(self.terms, progress, event)
            if after.phase is not progress.phase:
                self.turned(after)
                after = await self._obey(after)
            progress = after
        return progress

    async def _next(self, stand: Callable[[], Stand]) -> Event:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(TICK):
                return await self._events.get()
        return Tick(self.clock.monotonic(), stand().live)

    async def _obey(self, progress: Progress) -> Progress:
        """Do what the new phase asks for, until one comes that asks for nothing."""
        acts = {Phase.ARMING: self._wound, Phase.REVERTING: self._heal}
        while act := acts.get(progress.phase):
            progress = steps.advance(self.terms, progress, await act())
            self.turned(progress)
        return progress

    async def _wound(self) -> Event:
        try:
            before = await self.injector.look()
            self.receipt = replace(self.receipt, before=before, written=self.clock.wall())
            self.file = self.receipts.write(self.receipt)
            asked = self.clock.monotonic()
            await self.injector.inject(self.receipt)
            await self._until(injected=True)
        except ClientError as error:
            return Failed(self.clock.monotonic(), str(error))
        return Done(Span(asked, self.clock.monotonic()))

    async def _heal(self) -> Event:
        asked = self.clock.monotonic()
        if self.file is None:  # no receipt, so no wound
            return Done(Span(asked, asked))
        bitten = None
        with contextlib.suppress(ClientError):  # what counts is the undo
            bitten = (await self.injector.status(self.receipt)).bitten
        why = await heal(self.injector, self.receipt)
        if why:
            return Failed(self.clock.monotonic(), why)
        try:
            self.file = self.receipts.heal(self.file)
        except OwnFault as error:
            return Failed(self.clock.monotonic(), str(error))
        return Done(Span(asked, self.clock.monotonic()), bitten)

    async def _until(self, *, injected: bool) -> None:
        for _ in range(TRIES):
            status = await self.injector.status(self.receipt)
            if status.injected is injected:
                return
            await asyncio.sleep(PAUSE)
        raise OwnFault("the injector took it, and does not show it")


async def heal(injector: Injector, receipt: Receipt) -> str:
    """Undo the wound and prove it; gives why it could not be proved, empty when it was. May be done again."""
    why = "the injector took it, and still shows it"
    for _ in range(TRIES):
        try:
            await injector.revert(receipt)
            if (await injector.status(receipt)).reverted:
                return ""
        except ClientError as error:
            why = str(error)
        await asyncio.sleep(PAUSE)
    return why
