"""Which wire formats of completions there are, and what a file of `core.gateway.dialects` has to offer."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Protocol

from sentinel.core.gateway.dialects import anthropic, gemini, openai_chat, openai_responses
from sentinel.core.gateway.piece import Piece, Wanted


class Dialect(StrEnum):
    """The wire formats."""

    OPENAI_CHAT = "openai-chat"  # /v1/chat/completions
    OPENAI_RESPONSES = "openai-responses"  # /v1/responses
    ANTHROPIC = "anthropic"  # /v1/messages
    GEMINI = "gemini"  # …:generateContent


class Speaker(Protocol):
    """How a dialect is written and read."""

    def path(self, base: str, wanted: Wanted) -> str:
        """The address to ask, from the configured one."""
        ...

    def headers(self, key: str) -> dict[str, str]:
        """The headers that carry this key."""
        ...

    def body(self, wanted: Wanted) -> dict[str, Any]:
        """The request's JSON."""
        ...

    def read(self, doc: Mapping[str, Any]) -> Piece:
        """What a document says."""
        ...


SPEAKERS: Mapping[Dialect, Speaker] = {
    Dialect.OPENAI_CHAT: openai_chat,
    Dialect.OPENAI_RESPONSES: openai_responses,
    Dialect.ANTHROPIC: anthropic,
    Dialect.GEMINI: gemini,
}


class Terminator(StrEnum):
    """What must stand at the end of a stream, or it was cut off."""

    DONE = "done"  # the mark: `[DONE]`, `message_stop`, `response.completed`, `finishReason`
    FINISH = "finish_reason"  # a reason to stop
    EITHER = "either"  # the default: gateways leave out the one or the other on healthy answers
    BOTH = "both"
