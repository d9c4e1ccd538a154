"""Verified: how far a journal can be believed, and where it breaks.

lines of its files --follow--> Check --close--> Verified
                      ^
                   anchors
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sentinel.core.audit import chain
from sentinel.core.audit.anchors import Anchors
from sentinel.core.audit.chain import Break, Fault, Head, Sealed, Walk


class Standing(StrEnum):
    """What is said of a journal."""

    OK = "ok"  # every line is what was written, and no head that was told says otherwise
    BROKEN = "broken"  # something was changed, removed, added or replaced
    EMPTY = "empty"  # there is no line


@dataclass(frozen=True, slots=True)
class Verified:
    """What was found. Sequences count from 1; times are those of the lines, as written."""

    journal: str
    standing: Standing
    head: Head | None = None
    first: int = 0
    first_at: str = ""
    last_at: str = ""
    anchored: int = 0  # the last line of which a head was told elsewhere, and is the same; 0: none
    anchored_at: str = ""
    heads: int = 0  # of this chain, that were given and are the same
    older: int = 0  # of this chain, of lines that are not kept any more
    cuts: int = 0  # places that a kill or a full disk cut off, each told of by the line after it
    torn: bool = False  # the very last line was cut off, and nobody has written since
    broken: Break | None = None
    file: str = ""  # where it breaks
    unchained: tuple[str, ...] = ()  # files beside it in which nothing is sealed

    @property
    def unanchored(self) -> int:
        """Lines at the end that no head told elsewhere vouches for."""
        return 0 if self.head is None else self.head.sequence - max(self.anchored, self.first - 1)

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "journal": self.journal,
            "standing": self.standing.value,
            "chain": self.head.chain if self.head else None,
            "first": self.first,
            "first_at": self.first_at,
            "last": self.head.sequence if self.head else 0,
            "last_at": self.last_at,
            "hash": self.head.hash if self.head else None,
            "anchored": self.anchored,
            "anchored_at": self.anchored_at,
            "unanchored": self.unanchored,
            "heads": self.heads,
            "heads_of_lines_not_kept": self.older,
            "cuts": self.cuts,
            "torn_at_the_end": self.torn,
            "unchained_files": [*self.unchained],
            "break": None
            if self.broken is None
            else {
                "fault": self.broken.fault.value,
                "file": self.file,
                "line": self.broken.line,
                "sequence": self.broken.sequence,
                "expected": self.broken.expected,
                "found": self.broken.found,
            },
        }


@dataclass
class Check:
    """One journal while it is read, file by file and line by line. Follows to the first break."""

    journal: str
    anchors: Anchors = field(default_factory=Anchors)
    walk: Walk = field(default_factory=Walk)
    broken: Break | None = None
    unchained: tuple[str, ...] = ()
    _file: str = ""
    _broken_in: str = ""
    _first_at: str = ""
    _last_at: bytes = b""
    _anchored: tuple[int, bytes] = (0, b"")
    _heads: int = 0

    def begin(self, file: str) -> None:
        """Its next file."""
        self._file = file
        self.walk = chain.next_file(self.walk)

    def take(self, line: bytes, *, whole: bool = True) -> Sealed | None:
        """A line, without its end; gives it when it holds. After a break nothing does."""
        if self.broken is not None:
            return None
        step = chain.step(self.walk, line, whole=whole)
        if isinstance(step, Break):
            self._break(step)
            return None
        self.walk, sealed = step
        return sealed if sealed is not None and self._note(sealed) else None

    def close(self) -> Verified:
        """What is to be said of it."""
        if self.broken is None:
            ends = chain.finish(self.walk) or next(self._missed(), None)
            if ends is not None:
                self._break(ends)
        head = self.walk.head if self.walk.first else None
        standing = Standing.BROKEN if self.broken else Standing.OK if head else Standing.EMPTY
        mine = self.anchors.of(head.chain) if head else []
        return Verified(
            journal=self.journal,
            standing=standing,
            head=head,
            first=self.walk.first,
            first_at=self._first_at,
            last_at=_at(self._last_at),
            anchored=self._anchored[0],
            anchored_at=_at(self._anchored[1]),
            heads=self._heads,
            older=sum(told.sequence < self.walk.first for told in mine),
            cuts=self.walk.cuts,
            torn=self.broken is None and chain.is_torn(self.walk),
            broken=self.broken,
            file=self._broken_in,
            unchained=self.unchained,
        )

    def _note(self, sealed: Sealed) -> bool:
        """False where a head that was told says otherwise."""
        head = self.walk.head
        assert head is not None, "of the line that was just followed"
        self._first_at = self._first_at or _at(sealed.body)
        self._last_at = sealed.body
        told = self.anchors.heads.get((head.chain, head.sequence))
        if told is not None and told != head.hash:
            self._break(Break(Fault.ANCHOR, self.walk.line, head.sequence, told, head.hash))
            return False
        if told is not None:
            self._heads += 1
            self._anchored = (head.sequence, sealed.body)
        return True

    def _missed(self) -> Iterator[Break]:
        """Heads that were told of lines that should be here."""
        head = self.walk.head
        if head is None:
            return
        for told in self.anchors.of(head.chain):
            if told.sequence > head.sequence:
                last = f"{head.sequence}, the last"
                yield Break(Fault.MISSING, self.walk.line, told.sequence, str(told.sequence), last)

    def _break(self, broken: Break) -> None:
        self.broken, self._broken_in = broken, self._file


def _at(body: bytes) -> str:
    return str(Sealed(0, body, "").row().get("at", "")) if body else ""
