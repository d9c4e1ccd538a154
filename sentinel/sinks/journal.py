"""The journal: what changed, what each round found and every request sent, as lines of JSON for an auditor.

The requests are the ledger (`core/api/ledger.py`): with it `sentinel explain` tells them in the API
server's audit log from others in our name.

One file a day. Writing is done in a thread, so that a slow disk stalls nobody; a full one is
counted, logged once, and never anybody else's trouble.
"""

import asyncio
import calendar
import itertools
import json
import os
import time
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import structlog

from sentinel import __version__
from sentinel.clients.kube import PROCESS, Request, Sent
from sentinel.core.api import ledger, token
from sentinel.core.api.ledger import Asked, Form
from sentinel.core.api.reply import clean
from sentinel.core.page import rfc3339
from sentinel.core.record import Record, Round
from sentinel.core.standing import Breach

MOST_WAITING = 2000
"""Lines; a round is one, so this is a disk that stood still for hours."""
MOST_BYTES = 64 * 1024 * 1024
"""Of one day; rounds alone are 3 MB at the default period. More is lost, counted and logged."""
MOST_LEDGER_BYTES = 48 * 1024 * 1024
"""Of these for requests; beyond it they are lost and counted, and what changes still has its place."""
MOST_FORMS = 20_000
"""Different requests remembered by number; a Role may name thousands of things, each asked for once."""
MOST_TOKENS = 100
MOST_SENT = 1000
"""Requests in one line."""
DAY = 86400.0
_FORMS = itertools.count(1)
"""Over all journals of the process: after a reload a number still means what it meant."""

_log = structlog.get_logger(__name__)


class Journal:
    """A sink that keeps changes and rounds in a file. `put` and `end_round` never block."""

    def __init__(self, path: Path, keep: float, *, lost: Callable[[int], None]) -> None:
        """`keep`: seconds after which a day's file is removed. `lost` is told of lines not written."""
        self._path = path
        self._keep = keep
        self._lost = lost
        self._lines: deque[tuple[float, str]] = deque()
        self._filled = asyncio.Event()
        self._writing = asyncio.Lock()
        self._trouble = False
        self._requests = _Requests()

    def note(self, sent: Sent) -> None:
        """Note a request; written with the round that it belongs to."""
        self._requests.take(sent)
        if len(self._requests.sent) >= MOST_SENT:
            self._tell_requests(sent.at)

    def put(self, record: Record) -> None:
        """Note what changed; what did not is in the rounds' sums."""
        if record.change is not None:
            self._take(record.change.at, record_row(record))

    def end_round(self, report: Round) -> None:
        """Note what is believed, and what was sent to know it."""
        self._tell_requests(report.ended)
        self._take(report.ended, round_row(report))

    async def run(self) -> None:
        """Write what is noted; never returns."""
        while True:
            await self._filled.wait()
            await self._write()

    async def flush(self, within: float) -> None:
        """Write what is left, for at most so many seconds."""
        if self._requests.sent:
            self._tell_requests(self._requests.last)
        try:
            async with asyncio.timeout(within):
                await self._write()
        except TimeoutError:
            _log.error("journal left behind", path=str(self._path), lines=len(self._lines))

    def _tell_requests(self, at: float) -> None:
        row, lost = self._requests.row(at)
        if lost:
            self._lost(lost)
        if row is not None:
            self._take(at, row)

    def _take(self, at: float, row: dict[str, Any]) -> None:
        if len(self._lines) >= MOST_WAITING:
            self._lines.popleft()
            self._lost(1)
        text = json.dumps({"at": rfc3339(at), **row}, separators=(",", ":"))
        self._lines.append((at, text))
        self._filled.set()

    async def _write(self) -> None:
        async with self._writing:
            self._filled.clear()
            lines = [*self._lines]
            self._lines.clear()
            if lines:
                self._tell(*await asyncio.to_thread(append, self._path, lines, self._keep))

    def _tell(self, lost: int, trouble: str) -> None:
        if lost:
            self._lost(lost)
        if trouble and not self._trouble:
            _log.error("journal not written", path=str(self._path), lines=lost, detail=trouble)
        self._trouble = bool(trouble)


class _Requests:
    """What was sent and is not written yet, and which requests a reader of today's file knows by number."""

    def __init__(self) -> None:
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
        if _day(at) != self._day:
            # Each day's file is to be read by itself.
            self._day, self._bytes = _day(at), 0
            self._new = {number: form for form, number in self._numbers.items()} | self._new
        row = ledger.row(PROCESS, self._since, self._new, self.sent)
        size = len(row["asked"]) + sum(len(form.path) + len(form.user) + 32 for form in self._new.values())
        self.sent.clear()
        if self._bytes + size > MOST_LEDGER_BYTES:
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


def append(path: Path, lines: Iterable[tuple[float, str]], keep: float) -> tuple[int, str]:
    """Append lines to the files of their days; gives how many were lost, and why.

    Each line comes with its time. The day before is moved to `<path>.<date>` when the first line
    of a new day comes, and what is older than `keep` seconds is removed.
    """
    lost, trouble = 0, ""
    by_day: dict[str, list[str]] = {}
    for at, text in lines:
        by_day.setdefault(_day(at), []).append(text)
    for day, texts in by_day.items():
        try:
            _rotate(path, day, keep)
            lost += _add(path, texts)
            trouble = trouble or (f"more than {MOST_BYTES} bytes in a day" if lost else "")
        except OSError as error:
            lost += len(texts)
            trouble = error.strerror or type(error).__name__
    return lost, trouble


def record_row(record: Record) -> dict[str, Any]:
    """A change of belief about one question."""
    assert record.change is not None, "only changes are noted"
    question, seen = record.question, record.observation
    row: dict[str, Any] = {
        "event": record.change.turn.value,
        "check": question.check,
        "question": clean(question.text),
        "identity": question.identity,
        "user": clean(record.user),
        "target": question.target,
        "answer": seen.answer.value,
        "verdict": record.verdict.state.value,
        "reason": record.verdict.reason.value,
        "code": seen.code,
        "audit_id": clean(seen.audit_id, 64),
        "subsumed": record.subsumed,
    }
    if record.change.breach is not None:
        row["breach"] = _breach_row(record.change.breach)
    return row


def round_row(report: Round) -> dict[str, Any]:
    """What is believed when a round ends."""
    open_ = [
        {**series._asdict(), "since": rfc3339(since)} for series, since in sorted(report.breach_since.items()) if since
    ]
    return {
        "event": "round",
        "version": __version__,
        "number": report.number,
        "took": round(report.took, 3),
        "questions": report.questions,
        "coverage": round(report.coverage, 4),
        "oldest_proof": {target: rfc3339(at) for target, at in report.oldest_proof.items()},
        "breaches": open_,
        **_unattributed(report),
        "inconclusive": {
            target: sorted(reason.value for reason in reasons) for target, reasons in report.inconclusive.items()
        },
        "gates_down": sorted({row.gate.value for row in report.gates if not row.light.up}),
    }


def _unattributed(report: Round) -> dict[str, Any]:
    rows = [
        {"check": check, "target": target, "since": rfc3339(since)}
        for (check, target), since in sorted(report.unattributed.items())
        if since
    ]
    return {"unattributed": rows} if rows else {}


def _breach_row(breach: Breach) -> dict[str, Any]:
    def moment(at: float | None) -> str | None:
        return None if at is None else rfc3339(at)

    return {
        "since": moment(breach.since),
        "last": moment(breach.last),
        "closed_before": moment(breach.closed_before),
        "ended": moment(breach.ended),
        "code": breach.code,
        "audit_id": clean(breach.audit_id, 64),
        "cause": clean(breach.cause, 300),
        **({"place": clean(breach.place, 200)} if breach.place else {}),
    }


def _day(at: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(at))


def _rotate(path: Path, day: str, keep: float) -> None:
    try:
        written = _day(path.stat().st_mtime)
    except FileNotFoundError:
        return
    yesterday = path.with_name(f"{path.name}.{written}")
    # A clock that was set back must not cost the day it went back to.
    if written < day and not yesterday.exists():
        path.rename(yesterday)
        _remove_old(path, day, keep)


def _remove_old(path: Path, today: str, keep: float) -> None:
    oldest = _day(calendar.timegm(time.strptime(today, "%Y-%m-%d")) - keep)
    for old in path.parent.glob(f"{path.name}.????-??-??"):
        if old.name[-10:] < oldest:
            old.unlink()


def _add(path: Path, texts: list[str]) -> int:
    """Append what fits; gives how many lines did not."""
    handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        size = os.fstat(handle).st_size
        # A line that was cut by a full disk or a kill must not swallow the next.
        torn = size > 0 and os.pread(handle, 1, size - 1) != b"\n"
        data = "".join(f"{text}\n" for text in texts).encode()
        if size + len(data) > MOST_BYTES:
            return len(texts)
        data = b"\n" + data if torn else data
        if os.write(handle, data) < len(data):
            raise OSError(0, "the disk took only a part")
        return 0
    finally:
        os.close(handle)
