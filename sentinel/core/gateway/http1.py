"""One answer of HTTP/1.1, byte by byte: whatever comes, in whatever pieces, its head and its body are the same.

    bytes -> lines of the head -> Head -> body: counted | in chunks | until the connection ends

Read by `clients.exchange`, once for each connection. Written here, since a client's own reader wakes a
task for each piece of a stream, and an answer of sixty tokens has sixty. Grammar: RFC 9112. As lenient as
what users ask with: a line may end without CR, an interim answer is skipped, and trailers are nobody's business.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

MOST_LINE = 8190
"""Bytes of one line of a head, or before a chunk."""
MOST_LINES = 128
"""Lines of a head, and of what may follow the last chunk."""
_BEGIN = b"HTTP/1."
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-9]\d\d)(?: .*)?", re.DOTALL)
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*", re.DOTALL)
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;.*)?", re.DOTALL)
_BODILESS = frozenset((101, 204, 304))


class _NotHttp(ValueError):
    """What came is no answer of HTTP/1.1, or not within the limits."""


@dataclass(frozen=True, slots=True)
class Head:
    """Status and headers, whose names are in lower case; of several with one name, the last."""

    status: int
    headers: Mapping[str, str]


class Reader:
    """Feed it bytes as they come. It holds one head and one line at most.

    `head` is there once it came; `over`: all of the answer is; `broken`: what came last was not HTTP.
    """

    def __init__(self) -> None:
        """At the first byte of a connection."""
        self.head: Head | None = None
        self.over = False
        self.broken = False
        self._raw = bytearray()
        self._lines: list[bytes] = []
        self._left = 0  # bytes of the body, or of this chunk
        self._next: Callable[[], bytes | None] = self._head_line

    def feed(self, data: bytes) -> bytes:
        """The bytes of the body that are among these, up to where it breaks."""
        self._raw += data
        body = []
        try:
            # Each step gives what it read of the body, or None when it needs more than is there.
            while not self.over and (piece := self._next()) is not None:
                body.append(piece)
        except _NotHttp:
            self.broken = True
        return b"".join(body)

    def end(self) -> bool:
        """The connection ended: whether the answer was whole by then."""
        self.over = self.over or self._next == self._until_the_end
        return self.over

    def _line(self) -> bytes | None:
        end = self._raw.find(b"\n")
        if (end if end >= 0 else len(self._raw)) > MOST_LINE:
            raise _NotHttp("a line without end")
        if end < 0:
            return None
        line = bytes(self._raw[:end])
        del self._raw[: end + 1]
        return line.removesuffix(b"\r")

    def _take(self, most: int) -> bytes:
        piece = bytes(self._raw[:most])
        del self._raw[:most]
        return piece

    def _head_line(self) -> bytes | None:
        if not self._lines and not self._raw.startswith(_BEGIN[: len(self._raw)]):
            raise _NotHttp("another protocol")
        line = self._line()
        if line is None:
            return None
        if line:
            self._keep(line)
        else:
            self._head_is_there()
        return b""

    def _keep(self, line: bytes) -> None:
        self._lines.append(line)
        if len(self._lines) > MOST_LINES:
            raise _NotHttp("lines without end")

    def _head_is_there(self) -> None:
        (first, *lines), self._lines = self._lines, []
        status = _STATUS.fullmatch(first)
        if status is None:
            raise _NotHttp("no status")
        code = int(status[1])
        if 100 <= code < 200 and code != 101:
            return  # "go on", "early hints": the answer follows
        fields = [_field(line) for line in lines if line[:1] not in (b" ", b"\t")]  # an old form of going on
        self._begin_body(code, fields)
        self.head = Head(code, dict(fields))

    def _begin_body(self, code: int, fields: list[tuple[str, str]]) -> None:
        codings = [value for name, value in fields if name == "transfer-encoding"]
        lengths = {value for name, value in fields if name == "content-length"}
        if code in _BODILESS:
            self.over = True
        elif codings and codings[-1].rpartition(",")[2].strip().lower() == "chunked":
            self._next = self._chunk_size
        elif codings or not lengths:
            self._next = self._until_the_end
        else:
            self._left = _length(lengths)
            self._next, self.over = self._counted, self._left == 0

    def _counted(self) -> bytes | None:
        piece = self._take(self._left)
        self._left -= len(piece)
        self.over = self._left == 0
        return piece or None

    def _until_the_end(self) -> bytes | None:
        return self._take(len(self._raw)) or None

    def _chunk_size(self) -> bytes | None:
        line = self._line()
        if line is None:
            return None
        size = _SIZE.fullmatch(line)
        if size is None:
            raise _NotHttp("no size of a chunk")
        self._left = int(size[1], 16)
        self._next = self._chunk if self._left else self._trailer
        return b""

    def _chunk(self) -> bytes | None:
        piece = self._take(self._left)
        self._left -= len(piece)
        if not self._left:
            self._next = self._chunk_end
        return piece or None

    def _chunk_end(self) -> bytes | None:
        if self._raw and not b"\r\n".startswith(self._raw[:2]):
            raise _NotHttp("a chunk longer than its size")
        if len(self._raw) < 2:
            return None
        self._next = self._chunk_size
        return self._take(2)[2:]

    def _trailer(self) -> bytes | None:
        line = self._line()
        if line is None:
            return None
        self._keep(line)
        self.over = not line
        return b""


def _field(line: bytes) -> tuple[str, str]:
    found = _FIELD.fullmatch(line)
    if found is None:
        raise _NotHttp("a line of the head that is no header")
    return found[1].decode("ascii").lower(), found[2].decode("utf-8", "replace")


def _length(told: set[str]) -> int:
    if len(told) != 1 or not (length := told.pop()).isascii() or not length.isdigit() or len(length) > 15:
        raise _NotHttp("no length, or two")
    return int(length)
