"""Matchers, judged as Alertmanager judges them, of labels that are not all known in advance.

A label that an alert lacks is the same as an empty one. Regular expressions match the whole value.
Some labels of ours are known only when an alert fires (`tenant`, `target`): of these a matcher is
neither true nor false but *open*, and whoever asks has to think of both.
"""

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum


class Truth(Enum):
    """Whether a matcher holds for an alert of ours."""

    YES = "yes"
    NO = "no"
    OPEN = "open"  # it depends on a label that is known only when it fires, or on a pattern we cannot read


class Operator(StrEnum):
    """How a matcher compares."""

    EQUAL = "="
    NOT_EQUAL = "!="
    MATCHES = "=~"
    MATCHES_NOT = "!~"


@dataclass(frozen=True, slots=True)
class Labels:
    """What is known of an alert's labels: values that are certain, and names whose value is open, or missing."""

    known: Mapping[str, str]
    open: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Matcher:
    """One comparison of one label."""

    name: str
    operator: Operator
    value: str

    def __str__(self) -> str:
        """As it is written in a configuration."""
        return f'{self.name}{self.operator.value}"{self.value}"'

    @property
    def negated(self) -> bool:
        """Whether it holds where the value is another one."""
        return self.operator in (Operator.NOT_EQUAL, Operator.MATCHES_NOT)

    def judge(self, labels: Labels) -> Truth:
        """Whether it holds for these labels."""
        if self.name in labels.open:
            return Truth.OPEN
        found = self._holds(labels.known.get(self.name, ""))
        if found is None:
            return Truth.OPEN
        return Truth.YES if found is not self.negated else Truth.NO

    def _holds(self, value: str) -> bool | None:
        if self.operator in (Operator.EQUAL, Operator.NOT_EQUAL):
            return value == self.value
        return whole(self.value, value)


def whole(pattern: str, value: str) -> bool | None:
    """Whether a regular expression matches all of this value; None where Go's pattern is none of Python's."""
    compiled = _compiled(pattern)
    return None if compiled is None else compiled.fullmatch(value) is not None


@functools.lru_cache(maxsize=65_536)
def _compiled(pattern: str) -> re.Pattern[str] | None:
    try:
        return re.compile(pattern)
    except (re.error, RecursionError, OverflowError):
        return None


def judge(matchers: tuple[Matcher, ...], labels: Labels) -> Truth:
    """Whether all of them hold: one NO is enough to know."""
    found = {matcher.judge(labels) for matcher in matchers}
    if Truth.NO in found:
        return Truth.NO
    return Truth.OPEN if Truth.OPEN in found else Truth.YES


# A name may be quoted (UTF-8 names), a value may be, and in `{a="b", c="d"}` there are several.
_TEXT = r'"(?:[^"\\]|\\.)*"'
_ONE = re.compile(
    rf"\s*(?P<name>{_TEXT}|[a-zA-Z_:][a-zA-Z0-9_:]*)\s*(?P<operator>=~|!~|!=|=)\s*(?P<value>{_TEXT}|[^\"]*?)\s*",
    re.DOTALL,
)
_PARTS = re.compile(rf"(?:{_TEXT}|[^,\"])+", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


def parse(text: str) -> tuple[Matcher, ...]:
    """Read matchers as a configuration has them, one or several. Raises ValueError."""
    inner = text.strip()
    if inner.startswith("{") and inner.endswith("}"):
        inner = inner[1:-1]
    return tuple(_parsed(inner, text))


def _parsed(inner: str, text: str) -> Iterator[Matcher]:
    for part in _PARTS.findall(inner):
        if not part.strip():
            continue
        match = _ONE.fullmatch(part)
        if match is None:
            raise ValueError(f'found {text[:80]!r}, expected a matcher such as severity=~"critical|page"')
        yield Matcher(_unquoted(match["name"]), Operator(match["operator"]), _unquoted(match["value"]))


def _unquoted(text: str) -> str:
    if len(text) < 2 or not text.startswith('"'):
        return text
    return _ESCAPED.sub(lambda found: "\n" if found[1] == "n" else found[1], text[1:-1])
