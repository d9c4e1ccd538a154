"""Joins journals on a disk with what is said of them: files in, a verdict and an account out.

    folder, files --find--> journals --line by line--> Check (core/audit/verified.py)
                                              \\------> Accounting (core/audit/account.py)

Nothing is asked over the network, nothing is written, and a line is forgotten when the next one is read.
"""

import json
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from sentinel.clients.journal_file import UNCHAINED
from sentinel.core.audit import anchors as told
from sentinel.core.audit import chain, drilled
from sentinel.core.audit.account import Account, Accounting
from sentinel.core.audit.anchors import Anchors
from sentinel.core.audit.drilled import Drilled
from sentinel.core.audit.verified import Check, Verified
from sentinel.errors import OwnFault

_DAY = re.compile(r"(?P<base>.+)\.\d{4}-\d\d-\d\d")
_LONGEST_LINE = 1 << 24
_LOOKED_AT = 1 << 16
_ASKED = b'"event":"asked"'
_AT = re.compile(rb'"at":"([^"]{20,40})"')


@dataclass(frozen=True)
class Found:
    """One journal: its days, the oldest first. `unchained`: files beside it in which nothing is sealed."""

    name: str
    files: tuple[Path, ...]
    unchained: tuple[str, ...] = ()


def find(paths: Sequence[Path]) -> tuple[Found, ...]:
    """The journals in these folders and files; of a file its other days, too. Raises OwnFault where there are none."""
    found: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            found |= dict.fromkeys(sorted({_base(file) for file in path.rglob("*") if _is_of_a_journal(file)}))
        elif path.exists() or _days(path):
            found[_base(path)] = None
        else:
            raise OwnFault(f"{path}: no such file or folder")
    if not found:
        raise OwnFault(f"{', '.join(map(str, paths))}: no journal there")
    return tuple(_journal(base, paths) for base in found)


def verify(journals: Iterable[Found], anchors: Anchors) -> tuple[Verified, ...]:
    """How far each can be believed. Raises OwnFault."""
    return tuple(_read(journal, anchors, None) for journal in journals)


def account(
    journals: Sequence[Found],
    since: float,
    until: float,
    anchors: Anchors,
    cluster: str = "",
    drills: Sequence[Path] = (),
) -> Account:
    """What they say of this time, wall seconds, as far as they can be believed. Raises OwnFault.

    `drills`: files with what `sentinel drill run -o json` said, besides what the journals have of drills.
    """
    run = [*map(_drilled, drills)]
    accounting = Accounting(since, until, cluster)
    seen = accounting.close({journal.name: _read(journal, anchors, accounting) for journal in journals})
    chains = (one.verified.head.chain for one in seen.sources if one.verified.head is not None)
    # Who hands in what the journal has, too, does not make it two.
    handed = {one.run: one for one in run if since <= one.started <= until}
    merged = sorted((handed | {one.run: one for one in seen.drills}).values(), key=lambda one: one.started)
    return replace(seen, lost=(*anchors.elsewhere(chains), *anchors.contradicting), drills=tuple(merged))


def gather(source: str) -> Anchors:
    """The heads in a file, `-` for standard input; none where no file is named. Raises OwnFault."""
    if not source:
        return Anchors()
    try:
        if source == "-":
            return told.gather(sys.stdin)
        with Path(source).open(encoding="utf-8", errors="replace") as lines:
            return told.gather(lines)
    except OSError as error:
        raise OwnFault(f"{source}: {error.strerror or type(error).__name__}") from error


def _drilled(file: Path) -> Drilled:
    try:
        return drilled.read(json.loads(file.read_bytes()))
    except OSError as error:
        raise OwnFault(f"{file}: {error.strerror or type(error).__name__}") from error
    except ValueError as error:
        raise OwnFault(f"{file}: expected what `sentinel drill run -o json` says: {error}") from error


def _read(journal: Found, anchors: Anchors, accounting: Accounting | None) -> Verified:
    check = Check(journal.name, anchors, unchained=journal.unchained)
    for file in journal.files:
        check.begin(file.name)
        for line in _lines(file):
            sealed = check.take(line.removesuffix(b"\n"), whole=line.endswith(b"\n"))
            if check.broken is not None:
                return check.close()
            if sealed is None or accounting is None:
                continue
            at = _AT.search(sealed.body) if _ASKED in sealed.body else None
            if at is not None:
                # By far the most lines, of which only matters that somebody was there.
                accounting.touch(journal.name, datetime.fromisoformat(at[1].decode()).timestamp())
            else:
                accounting.take(journal.name, sealed.row())
    return check.close()


def _lines(file: Path) -> Iterator[bytes]:
    try:
        with file.open("rb") as opened:
            while line := opened.readline(_LONGEST_LINE):
                yield line
    except OSError as error:
        raise OwnFault(f"{file}: {error.strerror or type(error).__name__}") from error


def _journal(base: Path, paths: Sequence[Path]) -> Found:
    files = (*_days(base), *((base,) if base.exists() else ()))
    beside = base.parent.glob(f"{base.name}.*{UNCHAINED}*")
    folder = next((path for path in paths if path.is_dir() and base.is_relative_to(path)), base.parent)
    return Found(str(base.relative_to(folder)), files, tuple(sorted(file.name for file in beside)))


def _days(base: Path) -> tuple[Path, ...]:
    return tuple(sorted(base.parent.glob(f"{base.name}.????-??-??")))


def _base(file: Path) -> Path:
    match = _DAY.fullmatch(file.name)
    return file if match is None else file.with_name(match["base"])


def _is_of_a_journal(file: Path) -> bool:
    """Whether some line near its beginning is sealed; that its first one is, is for the check to say."""
    if not file.is_file() or UNCHAINED in file.name:
        return False
    try:
        with file.open("rb") as opened:
            return any(chain.read(line) for line in opened.read(_LOOKED_AT).split(b"\n"))
    except OSError:
        return False
