"""Anthropic's messages. Ends with `message_stop` and never with `[DONE]`; a `ping` is no token."""

from collections.abc import Mapping
from typing import Any

from sentinel.core.gateway.piece import NOTHING, Failure, Piece, Wanted, count, failure_of, items, mapping, text

VERSION = "2023-06-01"
"""The only one there has been since."""
_FINISHES = {"end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length"}
_SILENT = frozenset(("ping", "content_block_start", "content_block_stop"))


def path(base: str, wanted: Wanted) -> str:
    """The whole address, as configured."""
    del wanted
    return base


def headers(key: str) -> dict[str, str]:
    """The header that carries the key, and the version, which is asked for."""
    return {"x-api-key": key, "anthropic-version": VERSION}


def body(wanted: Wanted) -> dict[str, Any]:
    """The request."""
    asked: dict[str, Any] = {
        "model": wanted.model,
        "messages": [{"role": "user", "content": wanted.prompt}],
        "max_tokens": wanted.most_tokens,
        "temperature": 0,
    }
    return asked | {"stream": True} if wanted.stream else asked


def read(doc: Mapping[str, Any]) -> Piece:
    """An event, or a whole message."""
    kind = text(doc.get("type"))
    if kind in _SILENT:
        return Piece(known=True)
    if kind in _READERS:
        return _READERS[kind](doc)
    failure = failure_of(doc)
    return Piece(failure=failure) if failure else NOTHING


def _start(doc: Mapping[str, Any]) -> Piece:
    message = mapping(doc.get("message"))
    tokens = count(mapping(message.get("usage")).get("input_tokens"))
    return Piece(known=True, id=text(message.get("id")), model=text(message.get("model")), tokens_in=tokens)


def _delta(doc: Mapping[str, Any]) -> Piece:
    delta = mapping(doc.get("delta"))
    return Piece(known=True, text=text(delta.get("text")), thought=text(delta.get("thinking")))


def _closing(doc: Mapping[str, Any]) -> Piece:
    finish = text(mapping(doc.get("delta")).get("stop_reason"))
    tokens = count(mapping(doc.get("usage")).get("output_tokens"))
    return Piece(known=True, finish=_FINISHES.get(finish, finish), tokens_out=tokens)


def _stop(doc: Mapping[str, Any]) -> Piece:
    del doc
    return Piece(known=True, done=True)


def _error(doc: Mapping[str, Any]) -> Piece:
    return Piece(known=True, failure=failure_of(doc) or Failure("error"))


def _whole(doc: Mapping[str, Any]) -> Piece:
    finish = text(doc.get("stop_reason"))
    usage = mapping(doc.get("usage"))
    return Piece(
        known=True,
        text="".join(text(mapping(block).get("text")) for block in items(doc.get("content"))),
        finish=_FINISHES.get(finish, finish),
        done=bool(finish),
        id=text(doc.get("id")),
        model=text(doc.get("model")),
        tokens_in=count(usage.get("input_tokens")),
        tokens_out=count(usage.get("output_tokens")),
    )


_READERS = {
    "message": _whole,
    "message_start": _start,
    "content_block_delta": _delta,
    "message_delta": _closing,
    "message_stop": _stop,
    "error": _error,
}
