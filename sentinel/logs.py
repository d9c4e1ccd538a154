"""structlog, set up once, and the redaction: no token, no control character, nothing uncut in a line.

Lines go to stderr: `kubectl logs` shows both streams, and stdout belongs to results.
"""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

MOST_CHARACTERS = 512
"""Of one value. Text from outside is cut where it enters; this is the last door."""

_TOKEN = re.compile(r"(?i:bearer\s+\S+)|eyJ[\w-]{8,}(?:\.[\w-]*){0,2}")
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def configure(level: str, form: str) -> None:
    """Set up logging: `level` as in the settings, `form` json or console."""
    renderer = structlog.processors.JSONRenderer() if form == "json" else structlog.dev.ConsoleRenderer(colors=False)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            redact,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def redact(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Clean every value of an event, however deep it lies."""
    for key, value in event.items():
        event[key] = _clean(value, 20_000 if key == "exception" else MOST_CHARACTERS)
    return event


def _clean(value: Any, most: int) -> Any:
    if isinstance(value, str):
        return _TOKEN.sub("[redacted]", _CONTROL.sub(" ", value))[:most]
    if isinstance(value, dict):
        return {_clean(str(key), most): _clean(inner, most) for key, inner in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_clean(inner, most) for inner in value]
    return value if isinstance(value, (int, float, bool, type(None))) else _clean(str(value), most)
