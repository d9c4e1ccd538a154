"""The journal: what changed, what each round found and every request sent, as lines of JSON for an auditor.

    records, rounds, requests, pages, episodes --> rows (core/audit/rows.py) --> a thread --> the file, sealed
                                                                            head of the chain --> log, anchor

The requests are the ledger (`core/api/ledger.py`): with it `sentinel explain` tells them in the API
server's audit log from others in our name.

Writing is done in a thread, so that a slow disk stalls nobody; a full one is counted, logged once,
shown in `sentinel_journal_failing`, and never anybody else's trouble. Whoever can write to the disk
can write a whole chain anew: so its head is told in the log, and to a URL if there is one, every
five minutes. What was told is on the disk by then.
"""

import asyncio
import itertools
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Protocol

import structlog
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from sentinel.clients.clock import Clock
from sentinel.clients.journal_file import JournalFile, Row, day_of
from sentinel.clients.kube import PROCESS, Request, Sent
from sentinel.core.api import ledger, token
from sentinel.core.api.ledger import Asked, Form
from sentinel.core.audit import rows
from sentinel.core.audit.chain import Head
from sentinel.core.audit.rows import Tally
from sentinel.core.gateway.course import MOST_PROBES, Trace, course, trace_of
from sentinel.core.gateway.news import Ended, News, Probed
from sentinel.core.page import Alert, rfc3339
from sentinel.core.record import Record, Round, Series
from sentinel.errors import BadReply, ClientError, Refused, TimedOut, Unreachable

MOST_WAITING = 2000
"""Lines; a round is one, so this is a disk that stood still for hours."""
LEDGER_SHARE = 0.75
"""Of a day's bytes for requests; beyond it they are lost and counted, and what changes still has its place."""
MOST_FORMS = 20_000
"""Different requests remembered by number; a Role may name thousands of things, each asked for once."""
MOST_TOKENS = 100
MOST_SENT = 1000
"""Requests in one line."""
FIRST_HEAD_SECONDS = 10.0
"""After the start: a process that is killed again and again leaves a head, too."""
HEAD_SECONDS = 300.0
"""How often the head of the chain is told. What was written since could be taken away unseen."""
_TRIES = 3
_FORMS = itertools.count(1)
"""Over all journals of the process: after a reload a number still means what it meant."""

_log = structlog.get_logger(__name__)


class Counts(Protocol):
    """Who counts our troubles."""

    def count_lost(self, lines: int) -> None:
        """Lines that could not be written."""
        ...

    def show_journal(self, failing: bool) -> None:  # noqa: FBT001  # a gauge
        """Whether the last line could not be written."""
        ...

    def count_anchor(self, result: str, at: float) -> None:
        """A head was told to the anchor: accepted, refused or unreachable."""
        ...


class Anchor(Protocol):
    """Where heads are told besides the log; `clients.anchor.AnchorClient` is the real one."""

    async def post(self, head: dict[str, Any]) -> None:
        """Hand one over; raises ClientError."""
        ...


@dataclass
class Journal:
    """Takes rows and never blocks; `run` and `tell_heads` do the work. `by`: whose it is."""

    file: JournalFile
    by: str
    counts: Counts
    clock: Clock = field(default_factory=Clock)
    anchor: Anchor | None = None
    every: float = 0.0  # seconds between two lines about rounds of one tenant that say the same
    cluster: str = ""

    def __post_init__(self) -> None:
        """What waits."""
        self._lines: deque[Row] = deque()
        self._lost = 0
        self._filled = asyncio.Event()
        self._writing = asyncio.Lock()
        self._trouble = False
        self._anchored = True
        self._told: Head | None = None
        self._traces: dict[str, deque[Trace]] = {}
        self._requests = _Requests(int(self.file.most * LEDGER_SHARE))

    def of(self, tenant: str) -> "OfTenant":
        """The sink for what is believed of one tenant."""
        return OfTenant(self, tenant)

    def note(self, sent: Sent) -> None:
        """Note a request; written with the round that it belongs to."""
        self._requests.take(sent)
        if len(self._requests.sent) >= MOST_SENT:
            self.tell_requests(sent.at)

    def note_process(self, turn: str, **about: Any) -> None:
        """Note that the process began, took another configuration or ends, after all that was sent before."""
        self._tell_sent()
        self.take(self.clock.wall(), rows.process_row(turn, self.by, **about))

    def note_page(self, tenant: str, alert: Alert, series: Series, since: float, seconds: float) -> None:
        """Note that a page was accepted for the first time."""
        self.take(self.clock.wall(), rows.paged_row(alert, series, tenant, since, seconds))

    def put(self, news: News) -> None:
        """Note an episode of a gateway, with its probes; of what else is told there the metrics have the sums."""
        match news:
            case Probed(target=""):
                self._traces.setdefault(news.gateway, deque(maxlen=MOST_PROBES)).append(trace_of(news))
            case Ended():
                now = self.clock.wall()
                seen = course(news, now - self.clock.monotonic(), self._traces.get(news.gateway, ()))
                self.take(now, rows.episode_row(seen))

    def tell_requests(self, at: float) -> None:
        """Write down what was sent until now."""
        row, lost = self._requests.row(at)
        if lost:
            self._lose(lost)
        if row is not None:
            self.take(at, row)

    def take(self, at: float, row: dict[str, Any]) -> None:
        """Queue a row; with a disk that stands still the oldest make room."""
        if len(self._lines) >= MOST_WAITING:
            self._lines.popleft()
            self._lose(1)
        self._lines.append(Row(at, row))
        self._filled.set()

    async def run(self) -> None:
        """Write what is noted; never returns."""
        while True:
            await self._filled.wait()
            await self._write()

    async def tell_heads(self) -> None:
        """Tell the head every five minutes; never returns."""
        while True:
            await asyncio.sleep(FIRST_HEAD_SECONDS if self._told is None else HEAD_SECONDS)
            await self.tell_head()

    async def tell_head(self) -> None:
        """Tell the head now, in the log and to the anchor, if there is a new one and the disk has it."""
        head = await asyncio.to_thread(self.file.settle)
        if head is None or head == self._told:
            return
        self._told, now = head, self.clock.wall()
        _log.info("journal.head", **head._asdict(), by=self.by)
        if self.anchor is not None:
            await self._post(
                self.anchor, {**head._asdict(), "at": rfc3339(now), "by": self.by, "cluster": self.cluster}
            )

    async def flush(self, within: float) -> None:
        """Write what is left and tell the head, for at most so many seconds."""
        self._tell_sent()
        try:
            async with asyncio.timeout(within):
                await self._write()
                await self.tell_head()
        except TimeoutError:
            _log.error("journal left behind", path=str(self.file.path), lines=len(self._lines))

    def _tell_sent(self) -> None:
        if self._requests.sent:
            self.tell_requests(self._requests.last)

    def _lose(self, lines: int) -> None:
        self._lost += lines
        self.counts.count_lost(lines)

    async def _write(self) -> None:
        async with self._writing:
            self._filled.clear()
            lines, lost = [*self._lines], self._lost
            self._lines.clear()
            self._lost = 0
            if lines:
                done = await asyncio.to_thread(self.file.append, lines, lost)
                self._tell(done.lost, done.trouble)

    def _tell(self, lost: int, trouble: str) -> None:
        if lost:
            self.counts.count_lost(lost)
        self.counts.show_journal(bool(trouble))
        if trouble and not self._trouble:
            _log.error("journal not written", path=str(self.file.path), lines=lost, detail=trouble)
        if self._trouble and not trouble:
            _log.info("journal written again", path=str(self.file.path))
        self._trouble = bool(trouble)

    async def _post(self, anchor: Anchor, head: dict[str, Any]) -> None:
        """A few tries; the next head stands for this one, too."""
        result, trouble = "accepted", ""
        try:
            async for attempt in AsyncRetrying(
                stop=stop_after_attempt(_TRIES),
                wait=wait_exponential(multiplier=0.5, max=5.0),
                retry=retry_if_exception_type((Unreachable, TimedOut, BadReply)),
                reraise=True,
            ):
                with attempt:
                    await anchor.post(head)
        except ClientError as error:
            result, trouble = "refused" if isinstance(error, Refused) else "unreachable", str(error)
        self.counts.count_anchor(result, self.clock.wall())
        if trouble and self._anchored:
            _log.error("journal not anchored", result=result, detail=trouble)
        self._anchored = not trouble


class OfTenant:
    """The sink for what is believed of one tenant. `put` and `end_round` never block."""

    def __init__(self, journal: Journal, tenant: str) -> None:
        """Rounds that say the same are told together for as long as `journal.every` says."""
        self._journal = journal
        self._tenant = tenant
        self._tally = Tally()
        self._told: dict[str, Any] = {}
        self._told_at = float("-inf")
        self.unwatched: int | None = None

    def put(self, record: Record) -> None:
        """Note what changed; what did not is in the rounds' sums."""
        self._tally.take(record)
        if record.change is not None:
            self._journal.take(record.change.at, rows.record_row(record, self._tenant))

    def end_round(self, report: Round) -> None:
        """Note what is believed, and what was sent to know it."""
        self._journal.tell_requests(report.ended)
        self._tally.end(report)
        believed = {**rows.believed(report), "unwatched": self.unwatched}
        if believed == self._told and self._told_at <= report.ended < self._told_at + self._journal.every:
            return
        self._journal.take(report.ended, rows.round_row(report, self._tenant, self._tally, self.unwatched))
        self._told, self._told_at, self._tally = believed, report.ended, Tally()

    def note_unwatched(self, accounts: float) -> None:
        """So many ServiceAccounts of the tenant nobody asks with; told with the next round."""
        self.unwatched = int(accounts)


class _Requests:
    """What was sent and is not written yet, and which requests a reader of today's file knows by number."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.sent: list[Asked] = []
        self.last = 0.0
        self._since = 0.0
        self._numbers: dict[Form, int] = {}
        self._new: dict[int, Form] = {}
        self._users: dict[str, str] = {}
        self._day = ""
        self._bytes = 0

    def take(self, sent: Sent) -> None:
        form = self._form(sent.request)
        number = self._numbers.get(form)
        if number is None:
            if len(self._numbers) >= MOST_FORMS:
                self._numbers.clear()
            number = self._numbers[form] = next(_FORMS)
            self._new[number] = form
        if not self.sent:
            self._since = sent.at
        self.last = max(self.last, sent.at)
        self.sent.append(Asked(sent.number, number, sent.status))

    def row(self, at: float) -> tuple[dict[str, Any] | None, int]:
        """The line for what was sent, or how many lines the day has no room for."""
        if not self.sent:
            return None, 0
        if day_of(at) != self._day:
            # Each day's file is to be read by itself.
            self._day, self._bytes = day_of(at), 0
            self._new = {number: form for form, number in self._numbers.items()} | self._new
        row = ledger.row(PROCESS, self._since, self._new, self.sent)
        size = len(row["asked"]) + sum(len(form.path) + len(form.user) + 32 for form in self._new.values())
        self.sent.clear()
        if self._bytes + size > self._most:
            self._new = {number: form for form, number in self._numbers.items() if number in self._new}
            return None, 1
        self._bytes += size
        self._new = {}
        return row, 0

    def _form(self, request: Request) -> Form:
        return Form(self._user(request.token), request.impersonate, request.method, request.path)

    def _user(self, bearer: str | None) -> str:
        """Whose token it is by its own word; only names are kept."""
        if bearer is None:
            return ""
        if bearer not in self._users:
            if len(self._users) >= MOST_TOKENS:
                self._users.clear()
            claims = token.claims_of(bearer)
            self._users[bearer] = claims.subject if claims is not None and claims.subject else "*"
        return self._users[bearer]
