"""One answer of HTTP/1.1 as it comes: whatever the pieces, its head and its body are the same.

    bytes -> h11 -> Head, and what of the body is among them

h11 reads when it is told to, and keeps what came before it met nonsense. aiohttp's own client wakes a
task for each piece of a stream, and an answer of sixty tokens has sixty; its parser, used alone, loses what
came in the same packet as the nonsense. Used by `clients.exchange`, once for each connection.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import h11

MOST_LINES = 16 * 1024
"""Bytes of a head that are waited for, of the line before a chunk, and of what may follow the last one."""
_BEGIN = b"HTTP/1."
_TOLD = (h11.InformationalResponse, h11.Response, h11.Data, h11.EndOfMessage)


class NotALine(ValueError):
    """Something in a request cannot be sent; the text says nothing of it."""


@dataclass(frozen=True, slots=True)
class Head:
    """Status and headers, whose names are in lower case; of several with one name, the last."""

    status: int
    headers: Mapping[str, str]


class Answer:
    """What comes back for one request. Feed it bytes as they come.

    `head` is there once it came; `over`: all of the answer is; `broken`: what came last was not HTTP.
    """

    def __init__(self, target: str, headers: Mapping[str, str], body: bytes) -> None:
        """To a POST, whose bytes are `request`. Raises NotALine."""
        self.head: Head | None = None
        self.over = False
        self.broken = False
        self._begin = b""
        self._connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=MOST_LINES)
        self.request = self._asked(target, headers, body)

    def feed(self, data: bytes) -> bytes:
        """The bytes of the body that are among these, up to where it breaks."""
        if len(self._begin) < len(_BEGIN):
            # h11 would wait for the end of a line that is no status.
            self._begin = (self._begin + data)[: len(_BEGIN)]
            self.broken = not _BEGIN.startswith(self._begin)
        return b"" if self.broken or not data else self._read(data)

    def end(self) -> bool:
        """The connection ended: whether the answer was whole by then."""
        if not (self.over or self.broken):
            self._read(b"")
        return self.over

    def _asked(self, target: str, headers: Mapping[str, str], body: bytes) -> bytes:
        fields = [(name.encode(), value.encode()) for name, value in headers.items()]
        try:
            events = (h11.Request(method="POST", target=target, headers=fields), h11.Data(body), h11.EndOfMessage())
            return b"".join(self._connection.send(event) or b"" for event in events)
        except h11.LocalProtocolError as error:
            raise NotALine from error

    def _read(self, data: bytes) -> bytes:
        body = []
        try:
            self._connection.receive_data(data)
            while not self.over and isinstance(event := self._connection.next_event(), _TOLD):
                if isinstance(event, h11.Data):
                    body.append(bytes(event.data))
                else:
                    self._take(event)
        except h11.ProtocolError:
            self.broken = True
        return b"".join(body)

    def _take(self, event: h11.Event) -> None:
        match event:
            case h11.Response():
                self.head = Head(event.status_code, {_text(name): _text(value) for name, value in event.headers})
            case h11.EndOfMessage():
                self.over = True


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")
