"""What was heard of one answer: the bytes go in as they come, with their times, and facts come out.

    chunk, at ->  sse.Parser -> dialect -> Piece -> Transcript       (a stream)
             \\->  kept whole, up to a limit ------> Transcript       (anything else)

`probes.completion` owns a `Listener` per answer and asks it how long to wait on; `core.outcome`
judges the `Transcript`. Of what was said only so much is kept as judging needs, it is in no repr,
and nobody but the judge looks at it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from sentinel.core.gateway import sse
from sentinel.core.gateway.dialect import SPEAKERS, Dialect
from sentinel.core.gateway.dialects.openai_chat import DONE
from sentinel.core.gateway.piece import NOTHING, Failure, Piece

MOST_BODY = 64 * 1024
"""Bytes of an answer in one piece, or of an error, that are kept."""
MOST_STREAM = 512 * 1024
"""Bytes after which a stream is no answer to our question any more: sixty tokens are 20 KiB."""
MOST_TEXT = 4096
"""Characters of the answer's text that are kept; ours has 50."""
MOST_BEATS = 512
"""Events of a stream whose moments are kept; an answer to us has some twenty."""
_BEGINNINGS = (b"data:", b"event:", b"id:", b"retry:", b":")


class Shape(StrEnum):
    """What came after the headers."""

    NOTHING = "nothing"  # not one byte
    STREAM = "stream"  # server-sent events
    ANSWER = "answer"  # a whole answer of this dialect
    JSON = "json"  # some other JSON object
    OTHER = "other"  # anything else: a page, text, bytes


class Came(StrEnum):
    """What an event of a stream brought."""

    TOKEN = "token"  # a piece of text
    THOUGHT = "thought"  # a piece of reasoning
    FINISH = "finish reason"
    DONE = "mark of the end"
    ERROR = "error"
    BROKEN = "no JSON"
    OTHER = "no text"  # a role, a ping, a usage


class Beat(NamedTuple):
    """That something came, and when, on the caller's clock; neither its words nor its length, which tells of them."""

    at: float
    came: Came


@dataclass(frozen=True, slots=True)
class Transcript:
    """The facts of one answer. Times are in seconds of the caller's clock, None where it did not come to that."""

    shape: Shape = Shape.NOTHING
    first_byte: float | None = None
    first_token: float | None = None
    first_thought: float | None = None
    last_token: float | None = None
    gap: float = 0.0  # the longest pause between two tokens
    tokens: int = 0  # pieces of text; of an answer in one piece there is one
    beats: tuple[Beat, ...] = ()  # of a stream: the first `MOST_BEATS` things that came
    size: int = 0  # bytes of the body
    text: str = field(default="", repr=False)
    body: str = field(default="", repr=False)  # of what is no stream, and of a stream's error
    finish: str = ""
    done: bool = False  # the mark of the end came
    failure: Failure | None = None
    bad_events: int = 0  # events that are no JSON, or too long to be one
    garbled: bool = False  # bytes that are no UTF-8
    spliced: bool = False  # two answers in one: its id, model or fingerprint changed on the way
    flooded: bool = False  # more than an answer can be
    tokens_in: int | None = None  # as counted by whoever answered
    tokens_out: int | None = None
    id: str = field(default="", repr=False)
    first: Mapping[str, Any] = field(default_factory=dict, repr=False)  # the first document, and the last:
    last: Mapping[str, Any] = field(default_factory=dict, repr=False)  # where a provider may show itself


def is_stream(content_type: str, begin: bytes) -> bool:
    """Whether what comes is a stream of events, by its type or, since that may be wrong, by its first bytes."""
    return content_type.partition(";")[0].strip().lower() == "text/event-stream" or begin.lstrip().startswith(
        _BEGINNINGS
    )


class Listener:
    """Hears one answer. `feed` until there is no more or `enough`, then `finish`."""

    def __init__(self, dialect: Dialect, content_type: str) -> None:
        """The answer's headers are there, and say that it is of this type."""
        self._read = SPEAKERS[dialect].read
        self._content_type = content_type
        self._parser: sse.Parser | None = None
        self._body = bytearray()
        self._size = 0
        self._first_byte: float | None = None
        self._heard = _Heard()

    @property
    def first_token(self) -> float | None:
        """When the first token came, None before."""
        return self._heard.first_token

    @property
    def last_sign(self) -> float | None:
        """When the last token came, be it of the answer or of a thought; None before."""
        return self._heard.last_sign

    @property
    def enough(self) -> bool:
        """Whether more of it would not be listened to: far more came than an answer can be."""
        return self._size > (MOST_BODY if self._parser is None else MOST_STREAM)

    @property
    def complete(self) -> bool:
        """Whether the stream's mark of the end came: what follows it would belong to nobody."""
        return self._heard.done

    def feed(self, chunk: bytes, at: float) -> None:
        """Hear these bytes, which came at this moment."""
        if not chunk:
            return
        if self._first_byte is None:
            self._first_byte = at
            if is_stream(self._content_type, chunk):
                self._parser = sse.Parser()
        self._size += len(chunk)
        if self._parser is None:
            self._body += chunk[: MOST_BODY - len(self._body)]
            return
        for event in self._parser.feed(chunk):
            self._event(event, at)

    def finish(self, at: float) -> Transcript:
        """What was heard, now that nothing more comes."""
        if self._parser is None:
            return self._whole(at)
        last = self._parser.end()
        if last is not None:
            self._last(last, at)
        return self._heard.told(Shape.STREAM, self._first_byte, self._size, flooded=self.enough)

    def _event(self, event: sse.Event, at: float) -> None:
        if event.data.strip() == DONE:
            self._heard.done = True
            self._heard.beat(at, Came.DONE)
            return
        doc = None if event.cut else _json(event.data)
        if doc is None:
            self._heard.bad(event, at)
            return
        piece = self._read(doc)
        self._heard.take(piece, doc, at)
        if event.name == "error" and self._heard.failure is None:
            self._heard.failure = Failure("error")
        self._heard.beat(at, *(_came(piece) or (Came.ERROR if event.name == "error" else Came.OTHER,)))

    def _last(self, event: sse.Event, at: float) -> None:
        """What stood there without an end is an event if it is whole, and else what a cut leaves behind."""
        if event.data.strip() == DONE or (not event.cut and _json(event.data) is not None):
            self._event(event, at)

    def _whole(self, at: float) -> Transcript:
        heard, body = self._heard, self._body.decode("utf-8", "replace")
        if not self._body:
            return heard.told(Shape.NOTHING, None, 0)
        doc = None if self.enough else _json(body)
        piece = self._read(doc) if doc is not None else NOTHING
        if doc is not None:
            heard.take(piece, doc, at)
        heard.body = body
        shape = Shape.OTHER if doc is None else Shape.ANSWER if piece.known else Shape.JSON
        return heard.told(shape, self._first_byte, self._size, flooded=self.enough)


class _Heard:
    """What is known so far of one answer."""

    def __init__(self) -> None:
        self.first_token: float | None = None
        self.first_thought: float | None = None
        self.last_token: float | None = None
        self.last_sign: float | None = None
        self.gap = 0.0
        self.tokens = 0
        self.beats: list[Beat] = []
        self.text = ""
        self.body = ""
        self.finish = ""
        self.done = False
        self.failure: Failure | None = None
        self.bad_events = 0
        self.garbled = False
        self.spliced = False
        self.tokens_in: int | None = None
        self.tokens_out: int | None = None
        self.names: dict[str, str] = {}
        self.first: Mapping[str, Any] = {}
        self.last: Mapping[str, Any] = {}

    def take(self, piece: Piece, doc: Mapping[str, Any], at: float) -> None:
        self.first = self.first or doc
        self.last = doc
        self._named(piece)
        if piece.thought:
            self.first_thought = at if self.first_thought is None else self.first_thought
            self.last_sign = at
        if piece.text:
            self._token(piece.text, at)
        self.finish = piece.finish or self.finish
        self.done = self.done or piece.done
        self.tokens_in = self.tokens_in if piece.tokens_in is None else piece.tokens_in
        self.tokens_out = self.tokens_out if piece.tokens_out is None else piece.tokens_out
        if piece.failure is not None and self.failure is None:
            self.failure, self.body = piece.failure, json.dumps(doc, ensure_ascii=False)[:MOST_BODY]

    def beat(self, at: float, *came: Came) -> None:
        room = MOST_BEATS - len(self.beats)
        self.beats += [Beat(at, one) for one in came[:room]]

    def bad(self, event: sse.Event, at: float) -> None:
        self.beat(at, Came.ERROR if event.name == "error" else Came.BROKEN)
        self.bad_events += 1
        self.body = self.body or event.data[:MOST_TEXT]
        self.garbled = self.garbled or "\ufffd" in event.data
        if event.name == "error" and self.failure is None:
            self.failure = Failure("error")

    def _token(self, text: str, at: float) -> None:
        self.first_token = at if self.first_token is None else self.first_token
        if self.last_token is not None:
            self.gap = max(self.gap, at - self.last_token)
        self.last_token = self.last_sign = at
        self.tokens += 1
        self.garbled = self.garbled or "\ufffd" in text
        self.text += text[: MOST_TEXT - len(self.text)]

    def _named(self, piece: Piece) -> None:
        for what, name in (("id", piece.id), ("model", piece.model), ("fingerprint", piece.fingerprint)):
            if name and self.names.setdefault(what, name) != name:
                self.spliced = True

    def told(self, shape: Shape, first_byte: float | None, size: int, *, flooded: bool = False) -> Transcript:
        return Transcript(
            shape=shape,
            first_byte=first_byte,
            first_token=self.first_token,
            first_thought=self.first_thought,
            last_token=self.last_token,
            gap=self.gap,
            tokens=self.tokens,
            beats=tuple(self.beats),
            size=size,
            text=self.text,
            body=self.body,
            finish=self.finish,
            done=self.done,
            failure=self.failure,
            bad_events=self.bad_events,
            garbled=self.garbled,
            spliced=self.spliced,
            flooded=flooded,
            tokens_in=self.tokens_in,
            tokens_out=self.tokens_out,
            id=self.names.get("id", ""),
            first=self.first,
            last=self.last,
        )


def _came(piece: Piece) -> tuple[Came, ...]:
    """All that one document brought."""
    signs = (
        (piece.thought, Came.THOUGHT),
        (piece.text, Came.TOKEN),
        (piece.failure, Came.ERROR),
        (piece.finish, Came.FINISH),
        (piece.done, Came.DONE),
    )
    return tuple(came for there, came in signs if there)


def _json(text: str) -> Mapping[str, Any] | None:
    """The object that this text is, None when it is none. Depth and digits are bounded by the text's length."""
    try:
        doc = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return doc if isinstance(doc, dict) else None
