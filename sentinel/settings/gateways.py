"""The LLM gateways that users are promised an answer from. Keys are files, read at each question."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal, get_args

from pydantic import BeforeValidator, Field, WithJsonSchema

from sentinel.core.gateway import chat_page
from sentinel.settings.chat_page import Page
from sentinel.settings.duration import Duration
from sentinel.settings.section import Section, wrong
from sentinel.settings.words import FilePath, HttpUrl, Name, Pattern, Text, matching, one_of

Preset = Literal["litellm", "portkey", "bifrost", "kong", "helicone", "cloudflare", "ngrok", "openrouter", "plain"]
"""How this make of gateway says who answered; `plain` says nothing."""

Place = Literal["header", "json", "sse", "id_prefix"]
"""Where in a reply a provider shows itself."""

Dialect = Literal["openai-chat", "openai-responses", "anthropic", "gemini"]
"""The wire format. Of `gemini` the url ends with the version, as in `https://host/v1beta`."""

Terminator = Literal["done", "finish_reason", "either", "both"]
"""What must stand at the end of a stream."""


def _number(value: object, expected: str, least: float, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
        raise wrong(expected)
    return float(value)


def _part(value: object) -> float:
    return _number(value, "a share from 0 to 1, such as 0.75", 0, 1)


def _money(value: object) -> float:
    return _number(value, "an amount of money from 0 to 1000000", 0, 1_000_000)


def _tokens(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 10**12:
        raise wrong("a number of tokens, at least 1")
    return value


def _status(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 200 <= value <= 599:
        raise wrong("an HTTP status from 200 to 599")
    return value


Money = Annotated[float, BeforeValidator(_money), WithJsonSchema({"type": "number", "minimum": 0})]
Tokens = Annotated[int, BeforeValidator(_tokens), WithJsonSchema({"type": "integer", "minimum": 1})]
Status = Annotated[int, BeforeValidator(_status), WithJsonSchema({"type": "integer", "minimum": 200, "maximum": 599})]


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


class Ours(Section):
    """One sign by which an answer says whose it is: of which key, of which cache."""

    where: Annotated[Place, BeforeValidator(one_of(*get_args(Place)))]
    """In which part of the reply."""

    key: Text | None = None
    """The header's name or the JSON pointer; an id has neither."""

    regex: Pattern
    """What stands there when it is ours. `TENANT` is replaced by who asks: a tenant's name, or `witness`."""


class Direct(Section):
    """The provider itself, past the gateway: a few questions, to tell "provider down" from "gateway down"."""

    url: HttpUrl
    """Where completions are asked for."""

    dialect: Annotated[Dialect, BeforeValidator(one_of(*get_args(Dialect)))] = "openai-chat"
    """The provider's, which the gateway's need not be."""

    model: Text
    """The model asked for."""

    key: KeyFile | None = None
    """Of the provider's own account; it is sent to nobody else."""

    every: Duration = timedelta(seconds=60)
    """A cooldown's tail is known to this precision."""


class Header(Section):
    """A header that this gateway wants besides."""

    name: Annotated[str, BeforeValidator(matching(r"[A-Za-z0-9-]{1,100}", "the name of a header"))]
    """As it is sent."""

    value: Text | None = None
    """What is no secret."""

    file: FilePath | None = None
    """What is one: the file that has it."""


class Patience(Section):
    """How long a user waits."""

    connect: Duration = timedelta(seconds=2)
    """For name, connection and TLS: within a cluster this takes milliseconds."""

    first_token: Duration = timedelta(seconds=10)
    """Of a stream; an answer in one piece has all of `total`."""

    idle: Duration = timedelta(seconds=5)
    """Between two tokens."""

    total: Duration = timedelta(seconds=25)
    """Below the promise, so that a hang is seen before it is broken."""


class Message(Section):
    """A message that was agreed on for bad times: who reads it knows what to do."""

    regex: Pattern
    """What stands in it."""

    pointer: Text | None = None
    """Where in the JSON; `None`: anywhere in the text."""

    status: tuple[Status, ...] = ()
    """With which status; empty: with any."""


class Leaks(Section):
    """What no user may read, besides the rules that ship."""

    extra: tuple[Pattern, ...] = ()
    """Further patterns, told as the rule `extra`."""

    disable: tuple[Annotated[str, BeforeValidator(one_of(*chat_page.NAMES))], ...] = ()
    """Rules that are off here."""


class Price(Section):
    """Money for a million tokens."""

    input: Money = 0.0
    """What is asked."""

    output: Money = 0.0
    """What is answered."""


class Budget(Section):
    """What asking may cost in a day (UTC), for each process that asks: slower from four fifths on, then not at all."""

    tokens: Tokens | None = 6_000_000
    """At two seconds and some hundred tokens each, a day is four million; the rest is for bursts."""

    money: Money | None = None
    """`None`: tokens are the limit."""

    price: Price = Price()
    """Without it, money is not counted."""


class Provider(Section):
    """One of those who may have answered."""

    name: Name
    """The value of the label `provider`."""

    match: tuple[Match, ...] = ()
    """All must fit. Empty: what the preset knows of a provider of this name."""

    direct: Direct | None = None
    """`None`: it is asked through the gateway only, and nobody can tell whose fault a failure is."""


class Failover(Section):
    """What was promised for the death of a provider."""

    within: Duration = timedelta(seconds=30)
    """The promise itself: the next one answers within 30 seconds."""


class Gateway(Section):
    """One gateway, and the providers behind it."""

    name: Name
    """The value of the label `gateway`."""

    url: HttpUrl
    """Where completions are asked for."""

    dialect: Annotated[Dialect, BeforeValidator(one_of(*get_args(Dialect)))] = "openai-chat"
    """What most gateways speak."""

    preset: Annotated[Preset, BeforeValidator(one_of(*get_args(Preset)))] = "plain"
    """The make. `plain` assumes nothing, so a wrong guess cannot call the wrong provider by name."""

    model: Text
    """The model asked for."""

    key: KeyFile | None = None
    """`None`: the gateway asks for no key."""

    headers: tuple[Header, ...] = ()
    """Such as Portkey's configuration."""

    ca: FilePath | None = None
    """Whom to trust; `None`: whom the system trusts."""

    primary: Name | None = None
    """The provider that should answer; `None`: the first of the list."""

    providers: Annotated[tuple[Provider, ...], Field(min_length=1)]
    """Who may answer, in the order in which they take over."""

    every: Duration = timedelta(seconds=60)
    """Of each tenant: completions cost money. The fast baseline runs once per cluster."""

    baseline: Duration = timedelta(seconds=2)
    """Of the witness, once per cluster: 20 s are proven to be below 30 at this, and at no more than 5 s."""

    burst: Duration = timedelta(milliseconds=500)
    """Of the witness, while something is wrong: the moment of recovery is known to this precision."""

    streamed: Annotated[float, BeforeValidator(_part)] = 0.75
    """The share of probes that stream: streams reveal far more, and not everybody streams."""

    patience: Patience = Patience()
    """After which an answer is late."""

    slow: Duration = timedelta(seconds=5)
    """A whole answer that takes longer is good, and slow."""

    terminator: Annotated[Terminator, BeforeValidator(one_of(*get_args(Terminator)))] = "either"
    """Some gateways leave out the one or the other on healthy answers."""

    point: Annotated[Literal["user", "api"], BeforeValidator(one_of("user", "api"))] = "api"
    """Who reads its errors: people need words, programs a time to come back."""

    graceful: tuple[Message, ...] = ()
    """What was agreed on for bad times."""

    grace: Duration = timedelta(seconds=10)
    """An error must be there by then."""

    leaks: Leaks = Leaks()
    """What no user may read."""

    ours: tuple[Ours, ...] = ()
    """By which an answer to somebody else is known, besides the marks of other sentinels."""

    budget: Budget = Budget()
    """What asking may cost."""

    failover: Failover = Failover()
    """The limits."""

    page: Page | None = None
    """`None`: nobody looks at the page where users read this gateway's answers."""

    @property
    def first(self) -> str:
        """The provider that should answer."""
        return self.primary or self.providers[0].name
