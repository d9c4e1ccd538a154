"""OpenAI's responses. Ends with `response.completed`, `response.incomplete` or `response.failed`."""

from collections.abc import Mapping
from typing import Any

from sentinel.core.gateway.piece import NOTHING, Failure, Piece, Wanted, count, failure_of, items, mapping, text

_ENDS = {"response.completed": "stop", "response.incomplete": "length", "response.failed": ""}
_FINISHES = {"completed": "stop", "incomplete": "length"}


def path(base: str, wanted: Wanted) -> str:
    """The whole address, as configured."""
    del wanted
    return base


def headers(key: str) -> dict[str, str]:
    """The header that carries the key."""
    return {"Authorization": f"Bearer {key}"}


def body(wanted: Wanted) -> dict[str, Any]:
    """The request. `store` is off: a probe leaves nothing behind."""
    asked: dict[str, Any] = {
        "model": wanted.model,
        "input": wanted.prompt,
        "max_output_tokens": wanted.most_tokens,
        "temperature": 0,
        "store": False,
    }
    return asked | {"stream": True} if wanted.stream else asked


def read(doc: Mapping[str, Any]) -> Piece:
    """An event, or a whole response."""
    kind = text(doc.get("type"))
    if doc.get("object") == "response":
        return _whole(doc)
    if kind in _ENDS:
        return _end(kind, mapping(doc.get("response")))
    if kind == "error":
        return Piece(known=True, failure=Failure(text(doc.get("code"))[:60], envelope=bool(text(doc.get("message")))))
    if kind.startswith("response."):
        return _event(kind, doc)
    failure = failure_of(doc)
    return Piece(failure=failure) if failure else NOTHING


def _event(kind: str, doc: Mapping[str, Any]) -> Piece:
    delta, inner = text(doc.get("delta")), mapping(doc.get("response"))
    if kind.startswith("response.reasoning"):
        return Piece(known=True, thought=delta)
    said = delta if kind == "response.output_text.delta" else ""
    return Piece(known=True, text=said, id=text(inner.get("id")), model=text(inner.get("model")))


def _end(kind: str, response: Mapping[str, Any]) -> Piece:
    usage = mapping(response.get("usage"))
    return Piece(
        known=True,
        finish=_ENDS[kind],
        done=True,
        failure=(failure_of(response) or Failure("response.failed")) if kind == "response.failed" else None,
        id=text(response.get("id")),
        model=text(response.get("model")),
        tokens_in=count(usage.get("input_tokens")),
        tokens_out=count(usage.get("output_tokens")),
    )


def _whole(doc: Mapping[str, Any]) -> Piece:
    parts = [mapping(part) for row in items(doc.get("output")) for part in items(mapping(row).get("content"))]
    usage = mapping(doc.get("usage"))
    status = text(doc.get("status"))
    failure = failure_of(doc)
    return Piece(
        known=True,
        text="".join(text(part.get("text")) for part in parts if part.get("type") == "output_text"),
        finish=_FINISHES.get(status, ""),
        done=status in _FINISHES,
        failure=failure or (Failure("response.failed") if status == "failed" else None),
        id=text(doc.get("id")),
        model=text(doc.get("model")),
        tokens_in=count(usage.get("input_tokens")),
        tokens_out=count(usage.get("output_tokens")),
    )
