"""The journal as the settings describe it: which file, whose, and who hears of its head."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from sentinel.clients.anchor import AnchorClient
from sentinel.clients.clock import Clock
from sentinel.clients.journal_file import JournalFile
from sentinel.clients.kube import noted_by
from sentinel.core.page import Alert
from sentinel.core.record import Series
from sentinel.settings import Settings
from sentinel.sinks.journal import Counts, Journal

FLUSH_SECONDS = 1.5
"""For the last lines; with the pages' it stays under five."""
WITNESS_SECONDS = 300.0
"""Between two lines about the rounds of one tenant that say the same: it has those of all tenants."""


class Journaling:
    """What lasts over a reload: whether the process has said that it began."""

    def __init__(self, by: str, counts: Counts, clock: Clock) -> None:
        """`by`: the tenant, or `witness`."""
        self._by, self._counts, self._clock = by, counts, clock
        self._turn = "started"

    @contextlib.asynccontextmanager
    async def generation(self, settings: Settings, *, stops: Callable[[], bool]) -> AsyncIterator[tuple[Journal, ...]]:
        """It takes what is sent and put until the block ends, if there is one. `stops`: the process ends then."""
        chosen = settings.journal
        if chosen.path is None:
            yield ()
            return
        file = JournalFile(Path(chosen.path), chosen.keep.total_seconds(), chosen.most_a_day)
        every = WITNESS_SECONDS if settings.is_witness else 0.0
        async with contextlib.AsyncExitStack() as stack:
            anchor = await stack.enter_async_context(AnchorClient(chosen.anchor)) if chosen.anchor else None
            journal = Journal(file, self._by, self._counts, self._clock, anchor, every, settings.cluster)
            journal.note_process(self._turn, tenants=len(settings.tenants))
            self._turn = "reloaded"
            stack.push_async_callback(journal.flush, FLUSH_SECONDS)
            stack.enter_context(noted_by(journal.note))
            try:
                yield (journal,)
            finally:
                if stops():
                    journal.note_process("stopped")


def tasks_of(journal: Journal) -> Mapping[str, Callable[[], Awaitable[None]]]:
    """What runs for it, by name."""
    return {"journal": journal.run, "heads of the journal": journal.tell_heads}


def paged_to(journal: Sequence[Journal], tenant: str) -> Callable[[Alert, Series, float, float], None]:
    """Who is told of pages about this tenant that were accepted for the first time."""

    def paged(alert: Alert, series: Series, since: float, seconds: float) -> None:
        for kept in journal:
            kept.note_page(tenant, alert, series, since, seconds)

    return paged
