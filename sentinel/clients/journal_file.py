"""The journal on a disk: a file a day, each line sealed, and whatever happens the chain goes on.

    rows --seal--> one write, to the end of the file        the day turns: it is moved to <path>.<date>
      ^
    the head: what we wrote last, or, if the file is not as we left it, what the disk says

A kill in the middle of a write leaves a piece of a line. It stays where it is, and the next line
says so. Two processes that write to one journal take turns by a lock, so that it has one chain.
All of this blocks: call it in a thread.
"""

import calendar
import contextlib
import fcntl
import json
import os
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from sentinel.core.audit import chain
from sentinel.core.audit.chain import NOTHING, Head
from sentinel.core.page import rfc3339

RESERVE = 4096
"""Bytes of a day that are kept for lines about what is lost and torn."""
LOCK_SECONDS = 2.0
"""For which another writer is waited for; it holds the lock for milliseconds."""
_TAIL = 1 << 20
_LOCK_STEP = 0.01
UNCHAINED = ".unchained"
"""The end of the name of a file in which no line is sealed: of an older version, or cut off at once."""


class Row(NamedTuple):
    """One line to write. `at` in wall seconds."""

    at: float
    what: dict[str, Any]


class Appended(NamedTuple):
    """What became of some rows: the head now, how many are lost, and why (empty: none)."""

    head: Head | None
    lost: int
    trouble: str


@dataclass(frozen=True, slots=True)
class _Left:
    """A file as we left it: nobody else has touched it while it is the same."""

    inode: int
    size: int


@dataclass
class JournalFile:
    """`keep`: seconds after which a day's file is removed. `most`: bytes of one day."""

    path: Path
    keep: float
    most: int
    head: Head | None = field(default=None, init=False)
    _oldest: int = field(default=1, init=False)
    _left: _Left | None = field(default=None, init=False)
    _rest: bytes = field(default=b"", init=False)
    _unended: bool = field(default=False, init=False)
    _unsaid: int = field(default=0, init=False)
    _mutex: threading.Lock = field(default_factory=threading.Lock, init=False)

    def append(self, rows: Sequence[Row], lost: int = 0) -> Appended:
        """Append rows. `lost`: how many more were lost on the way here; the next line says so."""
        written, trouble = 0, ""
        with self._mutex:
            self._unsaid += lost
            try:
                with _locked(self.path):
                    for day in dict.fromkeys(day_of(row.at) for row in rows):
                        wanted = [row for row in rows if day_of(row.at) == day]
                        done = self._append(day, wanted)
                        written += done
                        trouble = trouble or ("" if done == len(wanted) else f"more than {self.most} bytes in a day")
            except _Short as error:
                written, trouble = written + error.lines, "the disk took only a part"
            except OSError as error:
                trouble = error.strerror or type(error).__name__
            self._unsaid += len(rows) - written
            return Appended(self.head, len(rows) - written, trouble)

    def settle(self) -> Head | None:
        """The head, once all up to it is on the disk itself: who tells it elsewhere can be held to it."""
        with self._mutex:
            try:
                handle = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
                try:
                    os.fdatasync(handle)
                finally:
                    os.close(handle)
            except OSError:
                return None
            return self.head

    def _append(self, day: str, rows: Sequence[Row]) -> int:
        """Give how many were written: the rest has no room in this day."""
        self._look()
        if self._is_older_than(day):
            # Before anything is written to it, which makes it today's.
            written = day_of(self.path.stat().st_mtime)
            if self._rest:
                self._write(self._mended(rows[0].at))
            self._rotate(day, written)
        about = self._mended(rows[0].at)
        head, size, lines = self._head(), self._left.size if self._left else 0, []
        for number, row in enumerate([*about, *rows]):
            line, next_ = chain.seal(head, _inner(row))
            size += len(line) + 1
            if size > (self.most if number < len(about) else self.most - RESERVE):
                break
            lines.append(line)
            head = next_
        if not lines or (len(lines) <= len(about) and not self._rest):
            return 0
        self._write_lines(lines, len(about))
        return max(0, len(lines) - len(about))

    def _mended(self, at: float) -> list[Row]:
        """What has to be said first: where a file begins, what was cut off, what was lost."""
        rows = [] if self._left else [Row(at, chain.begun(self._head(), self._oldest))]
        if self._rest:
            rows.append(Row(at, chain.torn(self._rest.removesuffix(b"\n"))))
        if self._unsaid:
            rows.append(Row(at, {"event": "lost", "lines": self._unsaid}))
        return rows

    def _write(self, rows: Sequence[Row]) -> None:
        head, lines = self._head(), []
        for row in rows:
            line, head = chain.seal(head, _inner(row))
            lines.append(line)
        self._write_lines(lines, len(rows))

    def _write_lines(self, lines: Sequence[bytes], about: int) -> None:
        """In one go. What a full disk leaves of it is looked at the next time."""
        self._left = None
        gap = b"\n" if self._unended else b""
        data = gap + b"".join(line + b"\n" for line in lines)
        handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            done = os.write(handle, data)
            if done < len(data):
                whole = data[len(gap) : done].count(b"\n") if done > len(gap) else 0
                raise _Short(max(0, whole - about))
            found = os.fstat(handle)
        finally:
            os.close(handle)
        self._left, self._rest, self._unended = _Left(found.st_ino, found.st_size), b"", False
        if about:
            self._unsaid = 0
        last = chain.read(lines[-1])
        assert last is not None, "sealed a moment ago"
        self.head = Head(self._head().chain, last.sequence, last.hash)

    def _head(self) -> Head:
        if self.head is None:
            self.head = Head(os.urandom(6).hex(), 0, NOTHING)
        return self.head

    def _look(self) -> None:
        """Whether the file is as we left it; else the disk knows better, if it knows more of this chain."""
        try:
            found = self.path.stat()
        except FileNotFoundError:
            self._forget_file()
            return
        if self._left == _Left(found.st_ino, found.st_size):
            return
        if found.st_size == 0:
            self._forget_file()
        elif self._recall([self.path]):
            self._left = _Left(found.st_ino, found.st_size)
        else:
            self.path.rename(_free(self.path.with_name(f"{self.path.name}.{day_of(found.st_mtime)}{UNCHAINED}")))
            self._forget_file()

    def _forget_file(self) -> None:
        """There is none, or nothing in it: the next line begins one."""
        self._left, self._rest, self._unended = None, b"", False
        self._recall(self._rotated())

    def _recall(self, files: Sequence[Path]) -> bool:
        """Take the head from the newest of these that has a sealed line; False where none has."""
        for file in reversed(files):
            found = _tail(file)
            if found is None:
                continue
            head, oldest, rest = found
            if file == self.path:
                self._rest, self._unended = rest.removeprefix(b"\n"), not rest.endswith(b"\n")
            # What we remember and the disk does not is gone from it: the gap has to show.
            if self.head is None or self.head.chain != head.chain or self.head.sequence <= head.sequence:
                self.head, self._oldest = head, oldest
            return True
        return False

    def _is_older_than(self, day: str) -> bool:
        if self._left is None:
            return False
        written = day_of(self.path.stat().st_mtime)
        # A clock that was set back must not cost the day it went back to.
        return written < day and not self.path.with_name(f"{self.path.name}.{written}").exists()

    def _rotate(self, day: str, written: str) -> None:
        self.path.rename(self.path.with_name(f"{self.path.name}.{written}"))
        self._left, self._rest, self._unended = None, b"", False
        if self._remove_old(day):
            found = (chain.read(_first_line(file)) for file in self._rotated())
            # With all of them gone this file is the first.
            self._oldest = next((sealed.sequence for sealed in found if sealed), self._head().sequence + 1)

    def _remove_old(self, today: str) -> bool:
        oldest, removed = day_of(calendar.timegm(time.strptime(today, "%Y-%m-%d")) - self.keep), False
        days = f"{self.path.name}.????-??-??"
        for old in [*self.path.parent.glob(days), *self.path.parent.glob(f"{days}{UNCHAINED}*")]:
            if old.name[len(self.path.name) + 1 :][:10] < oldest:
                old.unlink()
                removed = True
        return removed

    def _rotated(self) -> list[Path]:
        return sorted(self.path.parent.glob(f"{self.path.name}.????-??-??"))


class _Short(OSError):
    """Only so many of the rows' lines are whole on the disk."""

    def __init__(self, lines: int) -> None:
        super().__init__()
        self.lines = lines


def _inner(row: Row) -> str:
    return json.dumps({"at": rfc3339(row.at), **row.what}, separators=(",", ":"))[1:-1]


def _tail(file: Path) -> tuple[Head, int, bytes] | None:
    """A file's last sealed line as a head, the oldest line kept when the file began, and what comes after."""
    first = chain.read(_first_line(file))
    begun = first.row() if first is not None else {}
    if not isinstance(begun.get("chain"), str):
        return None
    window = _TAIL
    while True:
        with file.open("rb") as opened:
            size = opened.seek(0, os.SEEK_END)
            start = opened.seek(max(0, size - window))
            data = opened.read()
        end = len(data)
        while end > 0:
            begin = data.rfind(b"\n", 0, end) + 1
            sealed = chain.read(data[begin:end])
            if sealed is not None:
                head = Head(begun["chain"], sealed.sequence, sealed.hash)
                return head, int(begun.get("oldest", 1)), data[end:]
            end = begin - 1
        if start == 0:
            return None
        window *= 8


def _first_line(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.readline(RESERVE).removesuffix(b"\n")


def _free(path: Path) -> Path:
    names = (path if not number else path.with_name(f"{path.name}.{number}") for number in range(1000))
    return next(name for name in names if not name.exists())


def day_of(at: float) -> str:
    """The day, in UTC, whose file this moment belongs to."""
    return time.strftime("%Y-%m-%d", time.gmtime(at))


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Nobody else writes meanwhile. Raises TimeoutError when somebody goes on doing so."""
    handle = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        ends = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > ends:
                    raise TimeoutError(0, "somebody else holds its lock") from None
                time.sleep(_LOCK_STEP)
        yield
    finally:
        os.close(handle)
