"""Who answered: by signs in the reply, in order, with the evidence; what no sign names is `unknown`.

    configured signs of a provider (all must fit)  ->  else what its make of gateway says, level by level

Two providers on one level are as good as none: who answered is then unknown, and never the primary
by default. Gateways hide this well. What each header means, and when it is missing, was measured
with litellm 1.106 and Portkey 1.15 and read in the documentation of the others (docs/litellm.md).
Used by `core.outcome` for every answer.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sentinel.core.gateway.piece import mapping

UNKNOWN = "unknown"


class Place(StrEnum):
    """Where in a reply a provider shows itself."""

    HEADER = "header"
    JSON = "json"  # a JSON pointer into the answer, or into the first and the last event
    SSE = "sse"  # the same, of streams alone
    ID_PREFIX = "id_prefix"  # the answer's own id


@dataclass(frozen=True, slots=True)
class Sign:
    """One sign. `key`: a header's name or a JSON pointer; an id has none."""

    where: Place
    key: str
    pattern: re.Pattern[str]

    @property
    def evidence(self) -> str:
        """The sign as it is told: where one looked, never what stood there."""
        return f"{self.where.value} {self.key}".strip()


@dataclass(frozen=True, slots=True)
class Provider:
    """One of those who may answer, and the signs by which this is known; none: its preset's."""

    name: str
    signs: tuple[Sign, ...] = ()


@dataclass(frozen=True, slots=True)
class Shown:
    """Where providers show themselves in one reply. Names of headers are in lower case."""

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    first: Mapping[str, Any] = field(default_factory=dict, repr=False)
    last: Mapping[str, Any] = field(default_factory=dict, repr=False)
    id: str = field(default="", repr=False)
    stream: bool = False


@dataclass(frozen=True, slots=True)
class Served:
    """Who answered. `fallback` and `attempts` are the gateway's own words: None where it has none."""

    provider: str = UNKNOWN
    evidence: str = ""
    fallback: bool | None = None
    attempts: int | None = None
    reached: bool = False  # some provider was asked: what came is not the gateway's own refusal


@dataclass(frozen=True, slots=True)
class Preset:
    """What a make of gateway says about who answered.

    `levels`: signs of a provider by its name and its place in the list, from the surest one down.
    `marks`: headers that are there only when a provider was asked; one that ends with `-` is a beginning.
    """

    levels: tuple[Callable[[str, int], Sign], ...] = ()
    fallback: tuple[tuple[str, re.Pattern[str]], ...] = ()
    attempts: str = ""
    marks: tuple[str, ...] = ()


_MOST_LOOKED_AT = 1000


def who(shown: Shown, providers: Sequence[Provider], preset: Preset) -> Served:
    """Who answered, and what else the gateway says about it."""
    name, evidence = _who(shown, providers, preset)
    return Served(
        name,
        evidence,
        _fallback(shown.headers, preset),
        _attempts(shown.headers.get(preset.attempts, "")),
        reached=name != UNKNOWN or _reached(shown, preset),
    )


def _who(shown: Shown, providers: Sequence[Provider], preset: Preset) -> tuple[str, str]:
    configured = [row for row in providers if row.signs and all(fits(sign, shown) for sign in row.signs)]
    if configured:
        return _only([(row.name, " and ".join(sign.evidence for sign in row.signs)) for row in configured])
    for level in preset.levels:
        signs = [(row.name, level(row.name, place)) for place, row in enumerate(providers) if not row.signs]
        found = [(name, sign.evidence) for name, sign in signs if fits(sign, shown)]
        if found:
            return _only(found)
    return UNKNOWN, ""


def _only(found: list[tuple[str, str]]) -> tuple[str, str]:
    return found[0] if len(found) == 1 else (UNKNOWN, "ambiguous")


def fits(sign: Sign, shown: Shown) -> bool:
    """Whether this reply has the sign."""
    return any(sign.pattern.search(value[:_MOST_LOOKED_AT]) for value in _places(sign, shown))


def belies(sign: Sign, shown: Shown) -> bool:
    """Whether something else stands where this sign should."""
    return bool(_places(sign, shown)) and not fits(sign, shown)


def _places(sign: Sign, shown: Shown) -> list[str]:
    match sign.where:
        case Place.HEADER:
            value = shown.headers.get(sign.key.lower())
            return [] if value is None else [value]
        case Place.ID_PREFIX:
            return [shown.id] if shown.id else []
        case Place.SSE if not shown.stream:
            return []
        case Place.JSON | Place.SSE:
            values = (pointed(doc, sign.key) for doc in (shown.first, shown.last))
            return [str(value) for value in values if isinstance(value, (str, int))]


def pointed(doc: Any, pointer: str) -> Any:
    """What a JSON pointer (RFC 6901; its first slash may be missing) leads to, None when to nothing."""
    for raw in pointer.removeprefix("/").split("/"):
        key = raw.replace("~1", "/").replace("~0", "~")
        if isinstance(doc, list):
            doc = doc[int(key)] if key.isascii() and key.isdigit() and int(key) < len(doc) else None
        else:
            doc = mapping(doc).get(key)
    return doc


def _fallback(headers: Mapping[str, str], preset: Preset) -> bool | None:
    told = [pattern.search(headers[name]) is not None for name, pattern in preset.fallback if name in headers]
    return any(told) if told else None


def _attempts(text: str) -> int | None:
    return int(text) if re.fullmatch(r"-?\d{1,4}", text, re.ASCII) else None


def _reached(shown: Shown, preset: Preset) -> bool:
    marks = (*preset.marks, *_OF_PROVIDERS)
    exact = {mark for mark in marks if not mark.endswith("-")}
    begins = tuple(mark for mark in marks if mark.endswith("-"))
    return any(name in exact or name.startswith(begins) for name in shown.headers) or bool(
        pointed(shown.last, "/error/metadata/provider_name")  # OpenRouter's errors
    )


_OF_PROVIDERS = (
    "openai-processing-ms",
    "openai-organization",
    "anthropic-organization-id",
    "anthropic-ratelimit-",
    "apim-request-id",
)


def _header(key: str, pattern: str) -> Callable[[str, int], Sign]:
    def sign(name: str, place: int) -> Sign:
        filled = pattern.replace("NAME", re.escape(name)).replace("PLACE", str(place))
        return Sign(Place.HEADER, key, re.compile(filled, re.IGNORECASE))

    return sign


def _json(key: str) -> Callable[[str, int], Sign]:
    def sign(name: str, place: int) -> Sign:
        del place
        return Sign(Place.JSON, key, re.compile(f"^{re.escape(name)}$", re.IGNORECASE))

    return sign


def _portkey(name: str, place: int) -> Sign:
    # Without a list of targets there is one, and the header says `config`.
    del name
    alone = "$|" if place == 0 else ""
    return Sign(
        Place.HEADER,
        "x-portkey-last-used-option-index",
        re.compile(rf"^config(?:{alone}\.targets\[{place}\])"),
    )


_POSITIVE = re.compile(r"^0*[1-9]")
_TRUE = re.compile(r"^true$", re.IGNORECASE)

PRESETS: Mapping[str, Preset] = {
    # The id is the deployment's `model_info.id`; without one it is a hash, and the address tells.
    # `x-litellm-model-name` is no sign: `openai/…` is what every OpenAI-like provider is called there.
    "litellm": Preset(
        levels=(
            _header("x-litellm-model-id", r"^NAME(?:$|[-_/:.])"),
            _header("x-litellm-model-api-base", r"^https?://(?:[^/]*\.)?NAME\."),
        ),
        fallback=(("x-litellm-attempted-fallbacks", _POSITIVE),),
        attempts="x-litellm-attempted-retries",
        marks=("x-litellm-model-id", "x-litellm-model-api-base", "llm_provider-"),
    ),
    "portkey": Preset(
        levels=(_portkey,),
        fallback=(("x-portkey-last-used-option-index", re.compile(r"^config\.targets\[(?!0\])")),),
        attempts="x-portkey-retry-attempt-count",
        marks=("x-portkey-last-used-option-index",),
    ),
    "bifrost": Preset(
        levels=(
            _header("x-bifrost-routing-info-provider", "^NAME$"),
            _header("x-bifrost-provider", "^NAME$"),
            _json("/extra_fields/provider"),
        ),
        fallback=(("x-bifrost-routing-info-is-fallback", _TRUE), ("x-bifrost-fallback-index", _POSITIVE)),
        marks=("x-bifrost-routing-info-provider", "x-bifrost-provider"),
    ),
    "kong": Preset(levels=(_header("x-kong-llm-model", "^NAME/"),), marks=("x-kong-upstream-latency",)),
    "helicone": Preset(levels=(_header("helicone-provider", "^NAME$"),), marks=("helicone-provider",)),
    "cloudflare": Preset(
        levels=(_header("cf-aig-step", "^PLACE$"),),
        fallback=(("cf-aig-step", _POSITIVE),),
        marks=("cf-aig-step",),
    ),
    "ngrok": Preset(
        levels=(_header("ngrok-aig-model", "^NAME[:/]"),),
        fallback=(("ngrok-aig-attempts", re.compile(r"^(?:[2-9]|[1-9]\d)")),),
        attempts="ngrok-aig-attempts",
        marks=("ngrok-aig-model",),
    ),
    "openrouter": Preset(levels=(_json("/provider"),), marks=("x-generation-id",)),
    "plain": Preset(),
}
"""Every make of gateway that is known. `plain` says nothing, so everything is unknown there."""
