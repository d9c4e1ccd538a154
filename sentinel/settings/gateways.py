"""The LLM gateways that users are promised an answer from. Read and checked; nothing asks by it yet."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal, get_args

from pydantic import BeforeValidator, Field

from sentinel.settings.duration import Duration
from sentinel.settings.section import Section
from sentinel.settings.words import FilePath, HttpUrl, Name, Pattern, Text, one_of

Preset = Literal["litellm", "portkey", "bifrost", "kong", "helicone", "cloudflare", "ngrok", "openrouter", "plain"]
"""How this make of gateway says who answered; `plain` says nothing."""

Place = Literal["header", "json", "sse", "id_prefix"]
"""Where in a reply a provider shows itself."""


class KeyFile(Section):
    """The gateway's key, in a file that is mounted."""

    file: FilePath
    """Read again when it changes. The key itself never stands in the configuration."""


class Match(Section):
    """One sign by which a provider is recognised in a reply."""

    where: Annotated[Place, BeforeValidator(one_of(*get_args(Place)))]
    """In which part of the reply."""

    key: Text | None = None
    """The header's name or the JSON pointer; an id has neither."""

    regex: Pattern
    """What stands there when this provider answered."""


class Provider(Section):
    """One of those who may have answered."""

    name: Name
    """The value of the label `provider`."""

    match: tuple[Match, ...] = ()
    """All must fit. Empty: what the preset knows of a provider of this name."""


class Failover(Section):
    """What was promised for the death of a provider."""

    within: Duration = timedelta(seconds=30)
    """The promise itself: the next one answers within 30 seconds."""


class Gateway(Section):
    """One gateway. Nothing reads this yet; `sentinel check` says so."""

    name: Name
    """The value of the label `gateway`."""

    url: HttpUrl
    """Where completions are asked for."""

    preset: Annotated[Preset, BeforeValidator(one_of(*get_args(Preset)))] = "plain"
    """The make. `plain` assumes nothing, so a wrong guess cannot call the wrong provider by name."""

    model: Text
    """The model asked for."""

    key: KeyFile | None = None
    """`None`: the gateway asks for no key."""

    primary: Name | None = None
    """The provider that should answer; `None`: the first of the list."""

    providers: Annotated[tuple[Provider, ...], Field(min_length=1)]
    """Who may answer, in the order in which they take over."""

    every: Duration = timedelta(seconds=60)
    """Of each tenant: completions cost money. The fast baseline runs once per cluster."""

    failover: Failover = Failover()
    """The limits."""
