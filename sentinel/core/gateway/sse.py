"""Server-sent events, byte by byte: whatever comes, in whatever pieces, the events are the same.

    bytes -> lines (CR, LF or CRLF) -> fields -> Event, at each empty line

Read by `core.transcript` for every completion that is streamed. Written here, since the libraries
that were looked at (httpx-sse, aiohttp-sse-client2, sseclient-py, and what the SDKs have inside)
want whole decoded lines, and keep a line without end in memory until there is no more.
Grammar: the HTML standard, section 9.2.6. Of its fields only `event` and `data` mean anything here.
"""

from typing import NamedTuple

MOST_LINE = 64 * 1024
"""Bytes of one line that are kept. A token takes some hundred; a reasoning block some thousand."""
MOST_EVENT = 256 * 1024
"""Bytes of one event's data that are kept."""
_BOM = b"\xef\xbb\xbf"


class Event(NamedTuple):
    """One event. `cut`: it was longer than is kept, so its data is a beginning only."""

    data: str
    name: str = ""
    cut: bool = False


class Parser:
    """Feed it bytes as they come. It holds one line and one event at most, within the limits."""

    def __init__(self) -> None:
        """At the beginning of a stream, where a byte order mark may stand."""
        self._line = bytearray()
        self._first = True
        self._after_cr = False
        self._name = ""
        self._data: list[str] = []
        self._size = 0
        self._cut = False

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that these bytes complete."""
        if not chunk:
            return []
        if self._after_cr and chunk[0] == 0x0A:
            chunk = chunk[1:]  # the second half of a CRLF that was cut in two
        self._after_cr = chunk[-1:] == b"\r"
        events = []
        for piece in chunk.splitlines(keepends=True):
            self._keep(piece.rstrip(b"\r\n"))
            if piece[-1] in b"\r\n":
                event = self._end_of_line()
                if event is not None:
                    events.append(event)
        return events

    def end(self) -> Event | None:
        """What stood at the end without an empty line after it; None when nothing did.

        The standard drops it. Clients of LLMs take it, and so must who judges what users saw;
        whether it is a whole event or the beginning of one, its reader has to find out.
        """
        self._after_cr = False
        if self._line:
            event = self._end_of_line()
            assert event is None, "a line with something in it ends no event"
        return self._dispatch()

    def _keep(self, piece: bytes) -> None:
        room = MOST_LINE - len(self._line)
        self._line += piece[:room]
        self._cut = self._cut or len(piece) > room

    def _end_of_line(self) -> Event | None:
        line, self._line = bytes(self._line), bytearray()
        if self._first:
            line, self._first = line.removeprefix(_BOM), False
        if not line:
            return self._dispatch()
        name, _, value = line.partition(b":")
        if name == b"data":
            self._add(value.removeprefix(b" "))
        elif name == b"event":
            self._name = value.removeprefix(b" ").decode("utf-8", "replace")
        return None

    def _add(self, value: bytes) -> None:
        room = MOST_EVENT - self._size
        self._cut = self._cut or len(value) > room
        if room > 0:
            self._data.append(value[:room].decode("utf-8", "replace"))
            self._size += len(value) + 1  # and the line end that joins it to the next

    def _dispatch(self) -> Event | None:
        data, name, cut = self._data, self._name, self._cut
        self._data, self._name, self._size, self._cut = [], "", 0, False
        return Event("\n".join(data), name, cut) if data else None
