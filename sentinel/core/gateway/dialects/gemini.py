"""Gemini's generateContent. The model and whether it streams stand in the address; ends with `finishReason`."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from sentinel.core.gateway.piece import NOTHING, Piece, Wanted, count, failure_of, first, items, mapping, text

_FINISHES = {"STOP": "stop", "MAX_TOKENS": "length"}


def path(base: str, wanted: Wanted) -> str:
    """The address of this model; what is configured ends with the version, as in `https://host/v1beta`."""
    method = "streamGenerateContent?alt=sse" if wanted.stream else "generateContent"
    return f"{base.rstrip('/')}/models/{quote(wanted.model, safe='')}:{method}"


def headers(key: str) -> dict[str, str]:
    """The header that carries the key."""
    return {"x-goog-api-key": key}


def body(wanted: Wanted) -> dict[str, Any]:
    """The request."""
    return {
        "contents": [{"role": "user", "parts": [{"text": wanted.prompt}]}],
        "generationConfig": {"maxOutputTokens": wanted.most_tokens, "temperature": 0},
    }


def read(doc: Mapping[str, Any]) -> Piece:
    """A chunk, or a whole answer: they look the same."""
    failure = failure_of(doc)
    if failure is None and "candidates" not in doc and "promptFeedback" not in doc:
        return NOTHING
    candidate = first(doc.get("candidates"))
    parts = [mapping(part) for part in items(mapping(candidate.get("content")).get("parts"))]
    finish = text(candidate.get("finishReason"))
    usage = mapping(doc.get("usageMetadata"))
    return Piece(
        known="candidates" in doc or "promptFeedback" in doc,
        text="".join(text(part.get("text")) for part in parts if part.get("thought") is not True),
        thought="".join(text(part.get("text")) for part in parts if part.get("thought") is True),
        finish=_FINISHES.get(finish, finish.lower()),
        done=bool(finish),
        failure=failure,
        id=text(doc.get("responseId")),
        model=text(doc.get("modelVersion")),
        tokens_in=count(usage.get("promptTokenCount")),
        tokens_out=count(usage.get("candidatesTokenCount")),
    )
