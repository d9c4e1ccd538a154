"""OpenAI's chat completions, which most gateways speak. Ends with a `finish_reason` and `[DONE]`."""

from collections.abc import Mapping
from typing import Any

from sentinel.core.gateway.piece import NOTHING, Piece, Wanted, count, failure_of, first, items, mapping, text

DONE = "[DONE]"
"""What stands in the last event."""


def path(base: str, wanted: Wanted) -> str:
    """The whole address, as configured."""
    del wanted
    return base


def headers(key: str) -> dict[str, str]:
    """The header that carries the key."""
    return {"Authorization": f"Bearer {key}"}


def body(wanted: Wanted) -> dict[str, Any]:
    """The request. A small answer, as little chance as can be."""
    asked: dict[str, Any] = {
        "model": wanted.model,
        "messages": [{"role": "user", "content": wanted.prompt}],
        "max_tokens": wanted.most_tokens,
        "temperature": 0,
    }
    return asked | {"stream": True} if wanted.stream else asked


def read(doc: Mapping[str, Any]) -> Piece:
    """A chunk, or a whole answer."""
    failure = failure_of(doc)
    choice = first(doc.get("choices"))
    if failure is None and "choices" not in doc:
        return NOTHING
    said = mapping(choice.get("delta")) or mapping(choice.get("message"))
    usage = mapping(doc.get("usage"))
    return Piece(
        known="choices" in doc,
        text=_content(said.get("content")),
        thought=text(said.get("reasoning_content")) or text(said.get("reasoning")),
        finish=text(choice.get("finish_reason")),
        failure=failure,
        id=text(doc.get("id")),
        model=text(doc.get("model")),
        fingerprint=text(doc.get("system_fingerprint")),
        tokens_in=count(usage.get("prompt_tokens")),
        tokens_out=count(usage.get("completion_tokens")),
    )


def _content(value: Any) -> str:
    """Text, or a list of parts with text, as some providers write it."""
    return text(value) or "".join(text(mapping(part).get("text")) for part in items(value))
