"""Chain: each line of the journal is sealed with a hash over all lines before it.

    {"v":1,"seq":7,"at":…,"event":…,…,"hash":"SHA-256 of (the hash before, as text) + (this line up to here)"}

So no line can be changed, removed or put elsewhere without all that follow being written anew; and
who writes them anew is caught by the heads that were told elsewhere (`anchors`). A file begins with
a line of event `file` that names the chain, the hash before and the oldest line that was kept then,
so each file is to be verified by itself. What a kill cut off is no line: the next one that is
written, event `torn`, says what lies there.

    bytes --step--> Walk     followed so far
               \\--> Break    here it ends, and why
"""

import json
import re
from dataclasses import dataclass, replace
from enum import StrEnum
from hashlib import sha256
from typing import Any, NamedTuple

VERSION = 1
"""Of the form of a line."""
NOTHING = "0" * 64
"""The hash before the first line."""
MOST_PIECES = 100
"""In a row. A kill leaves one, and a kill while that is being told of leaves two."""
_SHOWN = 80
_FIRST = "a first line of event file"
_SEALED = re.compile(rb'\{"v":1,"seq":([1-9][0-9]{0,15}),.*,"hash":"([0-9a-f]{64})"\}', re.DOTALL)
_SEAL_LENGTH = len(',"hash":""}') + 64


class Head(NamedTuple):
    """The last line of a chain: whoever has it has all lines before."""

    chain: str
    sequence: int
    hash: str


class Sealed(NamedTuple):
    """A line taken apart. `body` is what was sealed; that the hash is right is not said yet."""

    sequence: int
    body: bytes
    hash: str

    def row(self) -> dict[str, Any]:
        """What the line says; empty where it is no JSON."""
        try:
            found = json.loads(self.body + b"}")
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}


def seal(head: Head, inner: str) -> tuple[bytes, Head]:
    """The next line, without its end, and the head it makes. `inner`: its members, without braces."""
    sequence = head.sequence + 1
    body = f'{{"v":{VERSION},"seq":{sequence},{inner}'.encode()
    found = _hash(head.hash, body)
    return body + f',"hash":"{found}"}}'.encode(), Head(head.chain, sequence, found)


def read(line: bytes) -> Sealed | None:
    """A line taken apart; None for what was never sealed."""
    match = _SEALED.fullmatch(line)
    if match is None:
        return None
    return Sealed(int(match[1]), line[:-_SEAL_LENGTH], match[2].decode())


def begun(head: Head, oldest: int) -> dict[str, Any]:
    """The first row of a file. `oldest`: the first line that is still kept."""
    return {"event": "file", "chain": head.chain, "prev": head.hash, "oldest": oldest}


def torn(rest: bytes) -> dict[str, Any]:
    """The row about what lies between the last line and this one."""
    return {"event": "torn", "bytes": len(rest), "sha256": sha256(rest).hexdigest()}


class Fault(StrEnum):
    """Why a chain cannot be followed any further."""

    CHANGED = "changed"  # its bytes, or the hash it was sealed with, are not those that were written
    MISSING = "missing"  # the number is not the next one: lines were taken away, added or reordered
    FOREIGN = "foreign"  # no line of the journal, and nothing that a kill left
    REPLACED = "replaced"  # another chain than the one before
    ANCHOR = "anchor"  # a head that was told elsewhere is not this one's


@dataclass(frozen=True, slots=True)
class Break:
    """Where it breaks. `line` counts from 1 within its file; `expected` and `found` are for people."""

    fault: Fault
    line: int
    sequence: int
    expected: str
    found: str


@dataclass(frozen=True, slots=True)
class Walk:
    """How far a chain was followed; of the lines, not of what they say."""

    head: Head | None = None
    first: int = 0  # the number of the first line
    oldest: int = 1  # the first line that should be there
    line: int = 0  # of this file
    pieces: tuple[bytes, ...] = ()  # no lines; a `torn` has to say so
    loose: bool = False  # the last of these has no end
    cuts: int = 0  # places that a kill cut off, and that are accounted for


def next_file(walk: Walk) -> Walk:
    """The same chain, at the beginning of its next file."""
    return replace(walk, line=0)


def step(walk: Walk, line: bytes, *, whole: bool = True) -> tuple[Walk, Sealed | None] | Break:
    """Follow one line, given without its end; `whole`: it had one. Gives what it is, None where it is no line."""
    number = walk.line + 1
    walk = replace(walk, line=number)
    sealed = read(line)
    if sealed is None:
        walk = replace(walk, pieces=(*walk.pieces, line), loose=not whole)
        return (walk, None) if len(walk.pieces) <= MOST_PIECES else _foreign(walk, number - MOST_PIECES)
    ready = _begin(walk, sealed) if number == 1 or walk.pieces else walk
    return ready if isinstance(ready, Break) else _follow(ready, sealed)


def finish(walk: Walk) -> Break | None:
    """What is left to say at the end: lines that should be there, pieces that no kill left."""
    if walk.first > walk.oldest:
        return Break(Fault.MISSING, 1, walk.first, str(walk.oldest), str(walk.first))
    return _foreign(walk, walk.line - len(walk.pieces) + 1) if walk.pieces and not is_torn(walk) else None


def is_torn(walk: Walk) -> bool:
    """Whether the last thing is a piece without an end: the writer was killed, and has not come back."""
    return walk.loose and len(walk.pieces) == 1


def _begin(walk: Walk, sealed: Sealed) -> Walk | Break:
    """A line that comes first in a file, or after what is no line, says so."""
    row = sealed.row()
    if walk.pieces and not row.items() >= torn(b"\n".join(walk.pieces)).items():
        return _foreign(walk, walk.line - len(walk.pieces))
    return _start(walk, row, sealed.sequence) if walk.line == 1 else walk


def _follow(walk: Walk, sealed: Sealed) -> tuple[Walk, Sealed] | Break:
    head, number = walk.head, walk.line
    if head is None:
        return Break(Fault.FOREIGN, number, sealed.sequence, _FIRST, "another one")
    if sealed.sequence != head.sequence + 1:
        return Break(Fault.MISSING, number, sealed.sequence, str(head.sequence + 1), str(sealed.sequence))
    wanted = _hash(head.hash, sealed.body)
    if wanted != sealed.hash:
        return Break(Fault.CHANGED, number, sealed.sequence, wanted, sealed.hash)
    followed = Head(head.chain, sealed.sequence, sealed.hash)
    cuts = walk.cuts + bool(walk.pieces)
    return replace(walk, head=followed, first=walk.first or sealed.sequence, pieces=(), loose=False, cuts=cuts), sealed


def _start(walk: Walk, row: dict[str, Any], sequence: int) -> Walk | Break:
    """A file's first line says which chain it is of."""
    chain, prev, oldest = row.get("chain"), row.get("prev"), row.get("oldest")
    if row.get("event") != "file" or not (isinstance(chain, str) and isinstance(prev, str) and isinstance(oldest, int)):
        return Break(Fault.FOREIGN, 1, sequence, _FIRST, "another one")
    if walk.head is None:
        return replace(walk, head=Head(chain, sequence - 1, prev), oldest=oldest)
    if walk.head.chain != chain:
        return Break(Fault.REPLACED, 1, sequence, f"chain {walk.head.chain}", f"chain {chain}")
    return replace(walk, oldest=oldest)


def _foreign(walk: Walk, line: int) -> Break:
    sequence = walk.head.sequence + 1 if walk.head is not None else 0
    shown = walk.pieces[0][:_SHOWN].decode("utf-8", "replace")
    return Break(Fault.FOREIGN, max(1, line), sequence, "a sealed line", repr(shown))


def _hash(before: str, body: bytes) -> str:
    return sha256(before.encode() + body).hexdigest()
