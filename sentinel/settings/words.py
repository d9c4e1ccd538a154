"""The small types that the themes share: names, paths, addresses, URLs. Each says what it expects.

Every name here becomes a label of a metric or a part of a request path, so it is checked once, at
the door, and nobody downstream has to think of quotes, slashes or line ends again.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, NamedTuple
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BeforeValidator, PlainSerializer, WithJsonSchema

from sentinel.settings.section import wrong

DNS_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
"""RFC 1123 as Kubernetes checks it: namespaces and our own names."""

DNS_SUBDOMAIN = rf"{DNS_LABEL}(\.{DNS_LABEL})*"
"""The same with dots: ServiceAccounts and most other objects."""


def matching(pattern: str, expected: str, hint: str = "") -> Callable[[object], str]:
    """Make a validator for text that has this form as a whole."""
    compiled = re.compile(pattern)

    def check(value: object) -> str:
        if not isinstance(value, str):
            quote = "write it in quotes" if isinstance(value, (bool, int, float)) else ""
            raise wrong(expected, quote)
        if not compiled.fullmatch(value):
            raise wrong(expected, hint)
        return value

    return check


_SHAPE = "lower-case letters, digits and '-', at most 63"

Name = Annotated[str, BeforeValidator(matching(DNS_LABEL, f"a name ({_SHAPE})"))]
"""A name of our own that becomes a label: a tenant, an identity, a check."""

Namespace = Annotated[str, BeforeValidator(matching(DNS_LABEL, f"the name of a namespace ({_SHAPE})"))]
"""The name of a Kubernetes namespace."""

Account = Annotated[
    str,
    BeforeValidator(
        matching(rf"(?=.{{1,253}}$){DNS_SUBDOMAIN}", "the name of a ServiceAccount, without its namespace")
    ),
]
"""The name of a ServiceAccount."""

ONE_LINE = matching(r"[^\x00-\x1f\x7f-\x9f]{1,200}", "one line of text, 1 to 200 characters")

Text = Annotated[str, BeforeValidator(ONE_LINE)]
"""Free text for people: owner, contact, reason. One line, since it ends in pages and logs."""


class Address(NamedTuple):
    """Where we listen."""

    host: str
    """An IP address or `localhost`; a name could come to mean another interface overnight."""
    port: int
    """1 to 65535."""

    def __str__(self) -> str:
        """Give the form in which it is written: `127.0.0.1:8081`, `[::1]:8081`."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Say whether only processes of this pod (or machine) can reach it."""
        return self.host == "localhost" or ipaddress.ip_address(self.host).is_loopback


_ADDRESS = re.compile(r"(?:\[(?P<six>[^\[\]]+)\]|(?P<host>[^:\[\]]+)):(?P<port>[0-9]{1,6})")


def _address(value: object) -> Address:
    if isinstance(value, Address):
        return value
    match = _ADDRESS.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise wrong('an address and a port such as "127.0.0.1:8081"')
    port = int(match["port"])
    if not 1 <= port <= 65535:
        raise wrong("a port from 1 to 65535")
    return Address(_interface(match["six"] or match["host"]), port)


def _interface(host: str) -> str:
    if host == "localhost":
        return host
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        raise wrong('an IP address to listen on, such as "0.0.0.0:8080"') from None


Listen = Annotated[
    Address,
    BeforeValidator(_address),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "examples": ["127.0.0.1:8081", "[::]:8080"]}),
]
"""An `Address`, written `host:port`."""


def _port(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 65535:
        raise wrong("a port from 1 to 65535")
    return value


Port = Annotated[int, BeforeValidator(_port), WithJsonSchema({"type": "integer", "minimum": 1, "maximum": 65535})]
"""A port number."""


def _rate(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= 100_000:
        raise wrong("a number of requests per second above 0, at most 100000")
    return float(value)


Rate = Annotated[float, BeforeValidator(_rate), WithJsonSchema({"type": "number", "exclusiveMinimum": 0})]
"""Requests per second."""


def _share(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1:
        raise wrong("a share from 0 to less than 1, such as 0.25")
    return float(value)


Share = Annotated[
    float,
    BeforeValidator(_share),
    WithJsonSchema({"type": "number", "minimum": 0, "exclusiveMaximum": 1}),
]
"""A part of a whole."""


def count(least: int, most: int) -> BeforeValidator:
    """Make a validator for a whole number between these."""

    def check(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise wrong(f"a whole number from {least} to {most}")
        return value

    return BeforeValidator(check)


_LABEL_KEY = rf"(?:{DNS_SUBDOMAIN}/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]{{0,61}}[A-Za-z0-9])?"
_LABEL_VALUE = r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?"

Label = Annotated[str, BeforeValidator(matching(f"{_LABEL_KEY}={_LABEL_VALUE}", "a label such as app=web"))]
"""A label of Kubernetes, written `key=value`."""


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise wrong("true or false")
    return value


Flag = Annotated[bool, BeforeValidator(_flag), WithJsonSchema({"type": "boolean"})]
"""Yes or no; `1` and `"yes"` are slips."""


def _path(value: object) -> Path:
    if isinstance(value, Path):
        return value
    if not isinstance(value, str) or not value or re.search(r"[\x00-\x1f\x7f]", value):
        raise wrong("the path of a file")
    return Path(value)


FilePath = Annotated[
    Path, BeforeValidator(_path), PlainSerializer(str, return_type=str), WithJsonSchema({"type": "string"})
]
"""A path; whether the file is there is asked when it is read, since Secrets are mounted late."""


def url(*schemes: str) -> Callable[[str], str]:
    """Make a validator for URLs with one of these schemes and no password in them."""
    example = f"a URL that begins with {' or '.join(f'{scheme}://' for scheme in schemes)}"

    def check(value: object) -> str:
        parts = _split(value)
        if parts is None or parts.scheme not in schemes or not parts.hostname:
            raise wrong(example)
        if "@" in parts.netloc:
            raise wrong("a URL without user and password", "secrets are given as paths of files, never as values")
        if parts.query or parts.fragment:
            raise wrong("a URL without '?' and '#'")
        return str(value)

    return check


def _split(value: object) -> SplitResult | None:
    if not isinstance(value, str) or re.search(r"[\x00-\x20\x7f]", value):
        return None
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        return None
    return parts


HttpUrl = Annotated[str, BeforeValidator(url("http", "https"))]
"""Where we send requests to."""

RelayUrl = Annotated[str, BeforeValidator(url("https"))]
"""Where a token is sent to: never in the clear."""

PushUrl = Annotated[str, BeforeValidator(url("http", "https", "dns+http", "dns+https"))]
"""An Alertmanager; with `dns+`, every address behind the name is one of its replicas."""


def one_of(*words: str) -> Callable[[object], object]:
    """Make a validator that leaves only these words through."""

    def check(value: object) -> object:
        if value not in words:
            raise wrong(f"one of {', '.join(words)}")
        return value

    return check


def _pattern(value: str) -> str:
    try:
        re.compile(value)
    except (re.error, OverflowError, RecursionError) as error:
        raise wrong("a regular expression", str(error)[:80]) from None
    return value


Pattern = Annotated[str, AfterValidator(_pattern)]
"""A regular expression of Python's `re`."""
