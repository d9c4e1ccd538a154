"""What a drill tells others: numbers while it runs and a little longer, a file that stays, a line of a journal.

    turn, answer, receipt, result --> DrillMetrics --> a listener, for scrapes
                                                \\----> a textfile, for a node exporter
                          result  --> a line of a journal, sealed

The textfile is written before the wound is made, so that whoever reads it after a kill knows what may stand.
Nobody who cannot be told stops a drill that has begun: that is logged. Before it begins, it is refused.
"""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import structlog
from prometheus_client import CollectorRegistry, write_to_textfile

from sentinel.clients.clock import Clock
from sentinel.clients.journal_file import JournalFile, Row
from sentinel.clients.receipts import Receipts, read
from sentinel.core.audit.rows import drilled_row
from sentinel.core.drill import figures
from sentinel.core.drill.fault import Receipt, Variant
from sentinel.core.drill.figures import Seen
from sentinel.core.drill.progress import Progress
from sentinel.core.drill.result import Result, Setting
from sentinel.errors import OwnFault
from sentinel.reports import drill as report
from sentinel.settings import Address
from sentinel.settings.journal import Journal
from sentinel.sinks.drill_metrics import ChaosMetrics, DrillMetrics
from sentinel.web.app import Health
from sentinel.web.beside import Beside
from sentinel.web.listener import listening

AGAIN = 5.0
"""Seconds between two textfiles while nothing turns."""
JOURNAL = "drills.jsonl"
"""The file's name where only a folder is named."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Where:
    """Who is told; `linger`: seconds for which numbers are served after the end, so that a scrape sees it."""

    listen: Address | None = None
    linger: float = 30.0
    textfile: Path | None = None
    journal: Path | None = None


class Telling:
    """Of one drill. It is a folder of receipts for whoever drives the drill, and tells what is written there."""

    def __init__(self, drill: str, variant: Variant, receipts: Receipts, where: Where, clock: Clock) -> None:
        """Nothing is told yet."""
        self._registry = CollectorRegistry()
        self._metrics = DrillMetrics(self._registry, drill, variant, clock)
        self._receipts, self._where, self._clock = receipts, where, clock
        self._drill = drill
        self._chaos: ChaosMetrics | None = None
        self._progress: Progress | None = None
        self.seen: list[Seen] = []
        # Whoever writes takes the numbers as they are then: nothing older is ever put in the place of something newer.
        self._writing = threading.Lock()

    def begin(self, setting: Setting) -> None:
        """Tell what stands from before. Raises OwnFault where nothing can be told."""
        self._chaos = ChaosMetrics(self._registry, self._drill, setting)
        self._show_standing()
        self._write()

    def turned(self, progress: Progress) -> None:
        """Tell of a new phase."""
        self._progress = progress
        self._metrics.show(progress)
        self._try_to_write()

    def heard(self, seen: Seen) -> None:
        """Count an answer."""
        self.seen.append(seen)
        if self._progress is not None:
            self._metrics.count(seen, figures.stage(self._progress, seen.start, seen.end))

    def write(self, receipt: Receipt) -> Path:
        """Keep the receipt, and tell of it before its wound is made. Raises OwnFault."""
        path = self._receipts.write(receipt)
        self._show_standing()
        self._try_to_write()
        return path

    def heal(self, path: Path) -> Path:
        """Note that its wound is gone, and tell. Raises OwnFault."""
        healed = self._receipts.heal(path)
        self._metrics.show_healed(self._clock.wall(), len(self._receipts.standing()))
        self._try_to_write()
        return healed

    def end(self, result: Result, journal: Journal) -> None:
        """Tell what it came to. `journal`: how long lines are kept, and how many."""
        self._metrics.show_result(result)
        if self._chaos is not None:
            self._chaos.show_result(result)
        self._try_to_write()
        if self._where.journal is not None:
            self._note(result, self._where.journal, journal)

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Numbers are served, and written again now and then, until the block ends. Raises OwnFault."""
        async with contextlib.AsyncExitStack() as stack:
            if self._where.listen is not None:
                beside = stack.enter_context(Beside())
                health = Health(self._registry, lambda: (True, "drill"), tuple, beside, always_200=True)
                await stack.enter_async_context(listening(health.app(), self._where.listen, "--metrics"))
            writing = asyncio.create_task(self._write_again())
            try:
                yield
            finally:
                writing.cancel()

    async def linger(self, enough: asyncio.Event) -> None:
        """Keep the numbers up for scrapes, if there can be any, or until somebody says that it is enough."""
        if self._where.listen is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(enough.wait(), self._where.linger)

    async def keep_up(self) -> None:
        """The same for who has nothing else to do; where nobody can listen, that is logged."""
        try:
            async with self.listening():
                await self.linger(asyncio.Event())
        except OwnFault as error:
            _log.error("metrics not served", detail=str(error))

    def _show_standing(self) -> None:
        standing = self._receipts.standing()
        last = None
        for path in standing:
            with contextlib.suppress(OwnFault):  # it counts all the same
                found = read(path)
                last = found if last is None or found.written > last.written else last
        self._metrics.show_standing(len(standing), last)

    async def _write_again(self) -> None:
        while True:
            await asyncio.sleep(AGAIN)
            await asyncio.to_thread(self._try_to_write)

    def _try_to_write(self) -> None:
        try:
            self._write()
        except OwnFault as error:
            _log.error("textfile not written", detail=str(error))

    def _write(self) -> None:
        path = self._where.textfile
        if path is None:
            return
        try:
            with self._writing:
                write_to_textfile(str(path), self._registry)  # renamed into its place: nobody reads half of it
        except OSError as error:
            raise OwnFault(f"{path}: {error.strerror or type(error).__name__}") from error

    def _note(self, result: Result, path: Path, journal: Journal) -> None:
        file = JournalFile(path / JOURNAL if path.is_dir() else path, journal.keep.total_seconds(), journal.most_a_day)
        done = file.append([Row(self._clock.wall(), drilled_row(report.as_json(result)))])
        if done.trouble:
            _log.error("journal not written", path=str(file.path), detail=done.trouble)
        else:
            file.settle()
