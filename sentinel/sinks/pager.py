r"""The push: the same page as the rule's, a scrape and two evaluations earlier.

    Record, Round --> Notice --> Outlet --post--> Alertmanager     one outlet each, none waits for
                        ^   \--> Outlet --post--> Alertmanager     another
                        |____ every `repeat` seconds, all of them again

The rules are the authority, and this is the accelerator. Alertmanager keeps alerts in memory only,
so what stands is said again and again, each time with an end of its own: a dead sentinel's pushes
run out by themselves, and the rule goes on. Nothing but a Round that shows proof resolves a page;
stopping resolves nothing. The end is said a little later than it is known: the rule, which learns of
it by a scrape, would be left standing alone, and Alertmanager would page for it anew.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

import structlog
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from sentinel.clients.alertmanager import Receiver
from sentinel.clients.clock import Clock
from sentinel.core import page
from sentinel.core.api.gates import Gate
from sentinel.core.page import Alert, Case, Page, Sender
from sentinel.core.record import Record, Round, Series, series_of
from sentinel.core.standing import Breach, Turn
from sentinel.errors import BadReply, ClientError, Refused, Throttled, Unreachable

REPEAT = 30.0
"""Seconds. Alertmanager's own advice for senders is not to be silent for longer."""
RESOLVED_FOR = 300.0
"""Seconds for which an end is repeated, for an Alertmanager that was away meanwhile."""
HOLD = 3.0
"""In repeats: how long a page stands by itself. Two may be lost."""
MOST_WAITING = 1000
"""Notices that wait for one Alertmanager; there is one per series."""
MOST_PATIENCE = 30.0
"""Seconds for which somebody may make us wait; by then it is time for the next repeat anyway."""
_TRIES = 3
_SOONER = 0.1
"""In repeats: how soon a name is looked up again that was not found."""

_log = structlog.get_logger(__name__)


class Key(NamedTuple):
    """What makes two notices the same alert; `series` has an identity only for `IDENTITY`."""

    alert: Alert
    series: Series


@dataclass(frozen=True, slots=True)
class Notice:
    """What is to be said about one alert. `closed`: when proof ended it, wall seconds."""

    key: Key
    page: Page
    closed: float | None = None

    def body(self, now: float, hold: float) -> dict[str, Any]:
        """The alert to post; while it fires it stands for `hold` seconds by itself."""
        return page.body(self.page, now + hold if self.closed is None else self.closed)


class Client(Protocol):
    """The way to the Alertmanagers; `clients.alertmanager.Alertmanagers` is the real one."""

    async def post(self, receiver: Receiver, alerts: Sequence[dict[str, Any]]) -> None:
        """Hand over alerts; raises ClientError."""
        ...

    async def resolve(self, url: str) -> tuple[Receiver, ...]:
        """All receivers behind a URL; raises ClientError."""
        ...


class Outlet:
    """One Alertmanager and what waits for it: the newest notice of each alert."""

    def __init__(
        self,
        receiver: Receiver,
        post: Callable[[Receiver, Sequence[Notice]], Any],
        count: Callable[[str], None],
        accepted: Callable[[Notice], None],
    ) -> None:
        """`count` is told accepted, refused, unreachable or dropped, once per notice."""
        self._receiver = receiver
        self._post = post
        self._count = count
        self._accepted = accepted
        self._waiting: dict[Key, Notice] = {}
        self._filled = asyncio.Event()
        self._sending = asyncio.Lock()
        self._trouble = ""

    def put(self, notice: Notice) -> None:
        """Queue a notice. It replaces one about the same alert; the oldest make room."""
        older = self._waiting.pop(notice.key, None)
        if older is not None and (older.closed is None) != (notice.closed is None):
            self._count("dropped")
        if len(self._waiting) >= MOST_WAITING:
            self._waiting.pop(next(iter(self._waiting)))
            self._count("dropped")
        self._waiting[notice.key] = notice
        self._filled.set()

    async def run(self) -> None:
        """Send what is put, as soon as it is; never returns."""
        while True:
            await self._filled.wait()
            await self.drain()

    async def drain(self) -> None:
        """Send until nothing waits. What cannot be delivered is counted, and comes again."""
        async with self._sending:
            while self._waiting:
                await self._send()
            self._filled.clear()

    async def _send(self) -> None:
        batch, self._waiting = self._waiting, {}
        try:
            await self._post(self._receiver, tuple(batch.values()))
        except Throttled as error:
            self._tell("refused", str(error), len(batch))
            await self._wait(batch, error.after)
        except ClientError as error:
            refused = isinstance(error, Refused)
            self._tell("refused" if refused else "unreachable", str(error), len(batch))
        except asyncio.CancelledError:
            # Stopped in the middle: `flush` has a last word with it.
            self._waiting = batch | self._waiting
            raise
        else:
            self._tell("accepted", "", len(batch))
            for notice in batch.values():
                self._accepted(notice)

    async def _wait(self, batch: dict[Key, Notice], after: float) -> None:
        """Asked to slow down: not before they said, and not later than the next repeat would come."""
        if not after:
            return
        # What was put meanwhile is newer.
        self._waiting = batch | self._waiting
        await asyncio.sleep(min(after, MOST_PATIENCE))

    def _tell(self, result: str, trouble: str, notices: int) -> None:
        for _ in range(notices):
            self._count(result)
        if bool(trouble) != bool(self._trouble):
            event = "page not delivered" if trouble else "page delivered again"
            log = _log.error if trouble else _log.info
            log(event, alertmanager=str(self._receiver), result=result, detail=trouble)
        self._trouble = trouble


class Pager:
    """A sink that pages. `put` and `end_round` never block; `run` does the sending."""

    def __init__(
        self,
        urls: Iterable[str],
        sender: Sender,
        client: Client,
        clock: Clock,
        *,
        count: Callable[[str], None],
        delay: Callable[[float], None],
        repeat: float = REPEAT,
        resolved_for: float = RESOLVED_FOR,
        linger: float = 0.0,
    ) -> None:
        """`repeat`, `resolved_for` and `linger`, for which an end is held back, in seconds.

        `count` is told the result of each push (accepted, refused, unreachable, dropped), `delay`
        the seconds from first evidence to the first accepted push of a page.
        """
        self._urls = tuple(dict.fromkeys(urls))
        self._sender = sender
        self._client = client
        self._clock = clock
        self._count = count
        self._delay = delay
        self.paged: Callable[[Alert, Series, float, float], None] = lambda *_: None
        """Told of a page's first acceptance: what it is about, its first evidence, and the seconds since."""
        self._repeat = repeat
        self._resolved_for = resolved_for
        self._cases: dict[Series, Case] = {}
        self._notices: dict[Key, Notice] = {}
        self._linger = linger
        self._ending: dict[Key, asyncio.TimerHandle] = {}
        self._ended: dict[Key, float] = {}  # monotonic
        self._untold: set[Key] = set()
        self._found: dict[str, tuple[Receiver, ...]] = {}
        self._outlets: dict[Receiver, Outlet] = {}
        self._look = asyncio.Event()

    def put(self, record: Record) -> None:
        """Page at once when a breach opens, and whenever another question joins it."""
        if record.subsumed or not _is_paged(record.standing.breach):
            return
        series = series_of(record.question)
        before = self._cases.get(series)
        case = page.learn(before, record)
        if case is None or case is before:
            return
        self._cases[series] = case
        opened = record.change is not None and record.change.turn is Turn.OPENED
        if opened or before is None:
            self._open(case)

    def pass_on(self, alert: Alert, series: Series, told: Page) -> None:
        """Page on somebody else's word; what we saw ourselves says more, and stays."""
        if series not in self._cases:
            self._say(Notice(Key(alert, series), told))

    def over(self, alert: Alert, series: Series, at: float) -> None:
        """What was passed on has ended, by proof. `at` in wall seconds."""
        self._close(Key(alert, series), at)

    def end_round(self, report: Round) -> None:
        """Resolve what is proven shut; take up what stands and was not told."""
        for series, since in report.breach_since.items():
            if not since:
                self._close(Key(Alert.BREACH, series), report.ended)
            elif series not in self._cases:
                self._open(Case(series, since))
        self._see_identities(report)

    async def run(self) -> None:
        """Send, repeat, and follow the addresses; never returns."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._repeating(), name="pages repeated")
            await self._following(group)

    async def flush(self, within: float) -> None:
        """Send what is queued, for at most so many seconds. Resolves nothing.

        Also after `run` was cancelled: what it was sending then is sent here.
        """
        try:
            async with asyncio.timeout(within):
                await asyncio.gather(*(outlet.drain() for outlet in self._outlets.values()))
        except TimeoutError:
            _log.error("pages left behind", within=within)

    def _open(self, case: Case) -> None:
        self._cases[case.series] = case
        self._say(self._notice(case))

    def _notice(self, case: Case) -> Notice:
        return Notice(Key(Alert.BREACH, case.series), page.breach_page(self._sender, case))

    def _say(self, notice: Notice) -> None:
        key = notice.key
        if (ending := self._ending.pop(key, None)) is not None:
            ending.cancel()
        if key not in self._notices or self._ended.pop(key, None) is not None:
            self._untold.add(key)
        self._notices[key] = notice
        self._push(notice)
        # An Alertmanager that came up since the last look must hear it too.
        self._look.set()

    def _close(self, key: Key, at: float) -> None:
        notice = self._notices.get(key)
        self._cases.pop(key.series, None)
        if notice is None or notice.closed is not None or key in self._ending:
            return
        if self._linger > 0:
            self._ending[key] = asyncio.get_running_loop().call_later(self._linger, self._end, key, at)
        else:
            self._end(key, at)

    def _end(self, key: Key, at: float) -> None:
        self._ending.pop(key, None)
        self._notices[key] = replace(self._notices[key], closed=at)
        self._ended[key] = self._clock.monotonic()
        self._push(self._notices[key])

    def _see_identities(self, report: Round) -> None:
        whoami = {row.identity: row.light for row in report.gates if row.gate is Gate.WHOAMI}
        for identity in report.wrong_identity:
            key = _identity_key(identity)
            if key not in self._notices or key in self._ended or key in self._ending:
                detail = whoami[identity].detail if identity in whoami else ""
                about = page.identity_page(self._sender, identity, detail, report.ended)
                self._say(Notice(key, about))
        for key in [key for key in self._notices if key.alert is Alert.IDENTITY]:
            identity = key.series.identity
            # Whoami without an answer takes nothing back; an identity nobody asks as is gone.
            proven = identity not in whoami or whoami[identity].up
            if proven and identity not in report.wrong_identity:
                self._close(key, report.ended)

    def _push(self, notice: Notice) -> None:
        for url in self._urls:
            if not self._found.get(url) and self._found:
                self._count("unreachable")
        for outlet in self._outlets.values():
            outlet.put(notice)

    async def _repeating(self) -> None:
        while True:
            await asyncio.sleep(self._repeat)
            self._forget()
            # What was learnt since: more questions, the cause.
            self._notices |= {made.key: made for made in map(self._notice, self._cases.values())}
            for notice in self._notices.values():
                self._push(notice)

    def _forget(self) -> None:
        horizon = self._clock.monotonic() - self._resolved_for
        for key in [key for key, ended in self._ended.items() if ended < horizon]:
            del self._ended[key], self._notices[key]

    async def _following(self, group: asyncio.TaskGroup) -> None:
        """Keep one outlet per address; a new one is told all that stands."""
        tasks: dict[Receiver, asyncio.Task[None]] = {}
        while True:
            self._look.clear()
            await self._find()
            wanted = {receiver for found in self._found.values() for receiver in found}
            for gone in tasks.keys() - wanted:
                tasks.pop(gone).cancel()
                del self._outlets[gone]
            for receiver in sorted(wanted - tasks.keys(), key=str):
                outlet = self._outlets[receiver] = self._outlet(receiver)
                tasks[receiver] = group.create_task(outlet.run(), name=f"pages to {receiver}")
            await self._until_next_look()

    async def _find(self) -> None:
        for url in self._urls:
            try:
                self._found[url] = await self._client.resolve(url)
            except ClientError as error:
                # Where it was before is the best guess.
                if url not in self._found:
                    _log.error("alertmanager not found", url=url, detail=str(error))
                self._found.setdefault(url, ())

    async def _until_next_look(self) -> None:
        missing = not all(self._found.values())
        try:
            async with asyncio.timeout(self._repeat * (_SOONER if missing else 1.0)):
                await self._look.wait()
        except TimeoutError:
            return

    def _outlet(self, receiver: Receiver) -> Outlet:
        outlet = Outlet(receiver, self._post, self._count, self._accepted)
        for notice in self._notices.values():
            outlet.put(notice)
        return outlet

    async def _post(self, receiver: Receiver, notices: Sequence[Notice]) -> None:
        """A few tries, close together; who is away for longer hears it with the next repeat."""
        async for attempt in AsyncRetrying(
            stop=stop_after_attempt(_TRIES),
            wait=wait_exponential(multiplier=0.1, max=1.0),
            retry=retry_if_exception_type((Unreachable, BadReply)),
            reraise=True,
        ):
            with attempt:
                now = self._clock.wall()
                hold = HOLD * self._repeat
                await self._client.post(receiver, [notice.body(now, hold) for notice in notices])

    def _accepted(self, notice: Notice) -> None:
        if notice.closed is None and notice.key in self._untold:
            self._untold.discard(notice.key)
            seconds = max(0.0, self._clock.wall() - notice.page.starts_at)
            self._delay(seconds)
            self.paged(*notice.key, notice.page.starts_at, seconds)


def _is_paged(breach: Breach | None) -> bool:
    """Of a packet that somebody took without saying who they are the rule warns, and nobody is woken."""
    return breach is None or breach.is_attributed


def _identity_key(identity: str) -> Key:
    return Key(Alert.IDENTITY, Series("", identity, ""))
