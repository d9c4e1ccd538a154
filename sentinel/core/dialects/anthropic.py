"""Anthropic's messages. Ends with `message_stop` and never with `[DONE]`; a `ping` is no token."""

from collections.abc import Mapping
from typing import Any

from sentinel.core.piece import NOTHING, Failure, Piece, Wanted, count, failure_of, items, mapping, text

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
    match doc.get("type"):
        case "message":
            return _whole(doc)
        case "message_start":
            return _start(mapping(doc.get("message")))
        case "content_block_delta":
            delta = mapping(doc.get("delta"))
            return Piece(known=True, text=text(delta.get("text")), thought=text(delta.get("thinking")))
        case "message_delta":
            usage = mapping(doc.get("usage"))
            finish = text(mapping(doc.get("delta")).get("stop_reason"))
            return Piece(known=True, finish=_FINISHES.get(finish, finish), tokens_out=count(usage.get("output_tokens")))
        case "message_stop":
            return Piece(known=True, done=True)
        case "error":
            return Piece(known=True, failure=failure_of(doc) or Failure("error"))
        case kind if kind in _SILENT:
            return Piece(known=True)
    failure = failure_of(doc)
    return Piece(failure=failure) if failure else NOTHING


def _start(message: Mapping[str, Any]) -> Piece:
    tokens = count(mapping(message.get("usage")).get("input_tokens"))
    return Piece(known=True, id=text(message.get("id")), model=text(message.get("model")), tokens_in=tokens)


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
