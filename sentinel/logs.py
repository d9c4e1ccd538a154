"""Set-up of the log: one event per line on standard error, and nothing in it that must not be there.

    event --> stripped (control characters, ANSI) --> redacted (tokens) --> cut --> JSON | for people

In this order: a token with an escape code in its middle is a token again once that is stripped, and
half a token that was cut off is still recognised by its beginning.

Values may come from outside, by whatever way, so it is done here for all of them, once. Libraries
that log by themselves (asyncio, aiohttp) are led through the same pipe.
"""

import contextlib
import json
import logging
import math
import re
import sys
import traceback
from collections.abc import Mapping, MutableMapping
from datetime import UTC, datetime
from typing import Any, Literal, TextIO

import structlog

MOST_TEXT = 512
"""Characters of one value."""
MOST_ITEMS = 50
"""Of one list or mapping."""
MOST_DEPTH = 4
_MOST_READ = 8192
"""Characters looked at at all; a huge reply must not cost us the time to clean it."""
_MOST_FRAMES = 20
REDACTED = "[redacted]"

# CSI and OSC sequences as a whole: of "\x1b[31mred" nothing but "red" should stay.
_ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x9b[0-?]*[ -/]*[@-~]")
_TOKEN = re.compile(
    r"(?i:\bbearer)(?:\s|%20|\+)+[A-Za-z0-9._~+/%=-]+"  # whatever follows the word
    r"|[eE][yY][jJ][A-Za-z0-9_-]{6,}(?:\.[A-Za-z0-9_-]*)*"  # a JWT, or a part of one: {"… in base64
)
_SECRET_KEYS = frozenset({"authorization", "cookie", "password", "set-cookie", "token"})

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["json", "console"]


def configure(level: Level = "info", form: Format = "json", stream: TextIO | None = None) -> None:
    """Log from `level` on to `stream`, by default standard error, which `kubectl logs` shows too.

    Standard output is for results. A call below `level` is a function that does nothing.
    """
    out = stream or sys.stderr
    number = getattr(logging, level.upper())
    structlog.configure(
        processors=[_stamp, _tell_exception, _clean_event, _RENDERERS[form]],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=lambda *_: _Lines(out),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    for handler in [*root.handlers]:
        if isinstance(handler, _Libraries):
            root.removeHandler(handler)
    root.addHandler(_Libraries())
    # What they say below a warning is about themselves.
    root.setLevel(max(number, logging.WARNING))


def clean(value: object) -> Any:
    """A value fit for a log line: no control character, no token, not longer than `MOST_TEXT`."""
    return _clean(value, MOST_DEPTH)


def clean_text(text: str, limit: int = MOST_TEXT) -> str:
    """The same for text; `limit` in characters."""
    known = text[:_MOST_READ]
    if not (known.isascii() and known.isprintable()):
        known = "".join(map(_printable, _ANSI.sub("", known)))
    known = _TOKEN.sub(_redact, known)
    whole = len(known) <= limit and len(text) <= _MOST_READ
    return known if whole else known[: limit - 1] + "…"


def _clean(value: object, depth: int) -> Any:
    match value:
        case None | bool() | int():
            return value
        case float() if math.isfinite(value):
            return value
        case Mapping() if depth:
            return {clean_text(str(key)): _value_of(key, item, depth) for key, item in _first(value.items())}
        case list() | tuple() | set() | frozenset() if depth:
            return [_clean(item, depth - 1) for item in _first(value)]
        case _:
            return clean_text(str(value))


def _value_of(key: object, item: object, depth: int) -> Any:
    return REDACTED if str(key).lower() in _SECRET_KEYS else _clean(item, depth - 1)


def _first(items: Any) -> list[Any]:
    return [item for item, _ in zip(items, range(MOST_ITEMS), strict=False)]


def _printable(char: str) -> str:
    """What separates words becomes a space; what shows nothing, or hides or reorders, is dropped."""
    if char.isprintable():
        return char
    return " " if char.isspace() else ""


def _redact(found: re.Match[str]) -> str:
    return f"Bearer {REDACTED}" if found[0][0] in "bB" else REDACTED


Event = MutableMapping[str, Any]


def _stamp(_: object, method: str, event: Event) -> Event:
    """When, how bad and what come first: so a person reads the line."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    name = event.pop("event", "")
    level = {"exception": "error", "warn": "warning"}.get(method, method)
    return {"timestamp": now, "level": level, "event": name, **event}


def _tell_exception(_: object, __: str, event: Event) -> Event:
    """An exception as its own words and the way to it: file, line and function, nothing of values."""
    given = event.pop("exc_info", None)
    if given is True:
        given = sys.exc_info()[1]
    elif isinstance(given, tuple):
        given = given[1]
    if isinstance(given, BaseException):
        event["exception"] = f"{type(given).__name__}: {given}"
        event["trace"] = [
            f"{frame.f_code.co_filename}:{line} {frame.f_code.co_name}"
            for frame, line in [*traceback.walk_tb(given.__traceback__)][-_MOST_FRAMES:]
        ]
    return event


def _clean_event(_: object, __: str, event: Event) -> Event:
    return {key: _value_of(key, value, MOST_DEPTH) for key, value in event.items()}


def _as_json(_: object, __: str, event: Event) -> str:
    # ASCII only: whatever reads it, in whatever encoding, reads the same.
    return json.dumps(event)


def _for_people(_: object, __: str, event: Event) -> str:
    """`03:12:55.120 WARNING breach.opened  target=team-b  question="list secrets"`."""
    when = event.pop("timestamp")[11:-1]
    level, name = event.pop("level").upper(), event.pop("event")
    fields = "  ".join(f"{key}={_word(value)}" for key, value in event.items() if value not in (None, ""))
    return f"{when} {level:<7} {name}  {fields}".rstrip()


def _word(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return json.dumps(text, ensure_ascii=False) if isinstance(value, str) and " " in text else text


_RENDERERS: Mapping[str, Any] = {"json": _as_json, "console": _for_people}


class _Lines:
    """Where the lines go. A reader that is gone or a full disk must not end what we are here for."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def msg(self, line: str) -> None:
        """Write it, as one piece."""
        with contextlib.suppress(OSError, ValueError):
            self._out.write(line + "\n")
            self._out.flush()

    debug = info = warning = error = critical = exception = msg


class _Libraries(logging.Handler):
    """Leads what libraries log through our pipe, so that it is cleaned, cut and shaped alike."""

    def emit(self, record: logging.LogRecord) -> None:
        """Say it as an event of ours."""
        try:
            message = record.getMessage()
        except Exception:  # noqa: BLE001  # a library's wrong format string is no reason to die
            message = str(record.msg)
        log = structlog.get_logger()
        write = log.error if record.levelno >= logging.ERROR else log.warning
        write("library.message", logger=record.name, message=message, exc_info=record.exc_info)
