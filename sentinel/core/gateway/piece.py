"""What one document of an answer says, whatever its dialect: text, an end, an error, who wrote it.

A streamed answer is many documents, one per event; an answer in one piece is one. What is missing
or of another type than it should be counts as not said: a gateway may send anything.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple


@dataclass(frozen=True, slots=True)
class Failure:
    """An error that was told: its words are kept for judging and shown to nobody."""

    kind: str = ""  # its `type`, `code` or `status`, cut
    envelope: bool = False  # it has the form that the dialect's clients understand


class Piece(NamedTuple):  # sixty are made for each answer, and this kind costs a fifth of a dataclass
    """What one document adds to the answer."""

    known: bool = False  # it has the form of this dialect
    text: str = ""
    thought: str = ""  # reasoning, which is no answer yet
    finish: str = ""  # the reason to stop: `stop`, `length`, ...
    done: bool = False  # it is the dialect's own mark of the end
    failure: Failure | None = None
    id: str = ""
    model: str = ""
    fingerprint: str = ""
    tokens_in: int | None = None  # as counted by whoever answered
    tokens_out: int | None = None


NOTHING = Piece()
"""A document that this dialect does not know."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for, in any dialect. The prompt is in no repr and in no log."""

    model: str
    prompt: str
    most_tokens: int
    stream: bool


def mapping(value: Any) -> Mapping[str, Any]:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def items(value: Any) -> Sequence[Any]:
    """The value if it is a list, else an empty one."""
    return value if isinstance(value, list) else ()


def first(value: Any) -> Mapping[str, Any]:
    """The first of a list of objects, else an empty one."""
    rows = items(value)
    return mapping(rows[0]) if rows else {}


def text(value: Any) -> str:
    """The value if it is text, else nothing."""
    return value if isinstance(value, str) else ""


def count(value: Any) -> int | None:
    """The value if it can be a number of tokens, else None."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1_000_000 else None


_MOST_KIND = 60


def failure_of(doc: Mapping[str, Any]) -> Failure | None:
    """The error that any dialect's document may carry at its top, None when there is none.

    A gateway reports errors in its own words whatever the dialect. `"error": null` is no error.
    """
    told = doc.get("error")
    if isinstance(told, dict) and told:
        kinds = (told.get(key) for key in ("type", "code", "status"))
        kind = next((str(kind)[:_MOST_KIND] for kind in kinds if isinstance(kind, (str, int))), "")
        return Failure(kind, envelope=bool(text(told.get("message"))))
    if told:
        return Failure(text(doc.get("error_type"))[:_MOST_KIND])  # TGI's is flat
    if "html-message" in doc:
        return Failure("html-message")  # Portkey's, of what it could not translate
    if doc.get("object") == "error":
        return Failure(text(doc.get("type"))[:_MOST_KIND])  # older vLLM's is flat
    return None
