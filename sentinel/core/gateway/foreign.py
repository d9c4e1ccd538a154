"""Signs of somebody else in what a gateway gave us: another sentinel's mark, another key, another cache.

Marks are looked for in the text, in errors and in headers, since caches bring back those as well. By its
seal a mark is known without any name; whose it is says who knows the names, and nothing of the text is kept.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from sentinel.core.gateway import canary, provider
from sentinel.core.gateway.canary import Canary
from sentinel.core.gateway.completion import Heard
from sentinel.core.gateway.provider import Shown, Sign
from sentinel.core.page import WITNESS

_MOST_LOOKED_AT = 1000
_HEADER = re.compile(r"[a-z0-9-]{1,60}")
_TOLD = re.compile(rf"\bmark ([0-9a-f]{{{canary.TAG_LENGTH}}})\b")


@dataclass(frozen=True, slots=True)
class Foreign:
    """One sign of somebody else. `tag`: whose mark; empty where a sign says only that it is not ours."""

    where: str
    tag: str = ""

    def text(self, names: Mapping[str, str]) -> str:
        """For people. `names`: tag -> whose it is, as far as that is known here."""
        if not self.tag:
            return f"{self.where} says that it is not ours"
        whose = names.get(self.tag, "a sentinel that is not known here")
        return f"{self.where} bears mark {self.tag}, of {whose}"


def found(heard: Heard, shown: Shown, ours: Canary, signs: Iterable[Sign]) -> tuple[Foreign, ...]:
    """All that shows somebody else in what was heard. `signs`: where it says whose it is, and what is ours."""
    marked: dict[str, Foreign] = {}
    for where, text in _texts(heard):
        for tag in ours.foreign((text,)):
            marked.setdefault(tag, Foreign(where, tag))
    return (*marked.values(), *(Foreign(sign.evidence) for sign in signs if provider.belies(sign, shown)))


def _texts(heard: Heard) -> Iterator[tuple[str, str]]:
    transcript = heard.transcript
    yield from (("its text", transcript.text), ("its body", transcript.body), ("its id", transcript.id))
    for name, value in heard.headers.items():
        # Names come from outside, too.
        yield (f"header {name}" if _HEADER.fullmatch(name) else "a header"), value[:_MOST_LOOKED_AT]


def whose(tenants: Iterable[str]) -> dict[str, str]:
    """Whose each mark is, by name: under `disclosure: opaque` a tenant knows but its own, and the witness all."""
    return {canary.tag(name): f"tenant {name}" for name in tenants} | {canary.tag(WITNESS): "the witness"}


def named(told: str, names: Mapping[str, str]) -> str:
    """Whose the marks are that somebody else told of, who may not know the names."""
    tags = dict.fromkeys(tag for tag in _TOLD.findall(told) if tag in names)
    return " ".join(f"Mark {tag} is that of {names[tag]}." for tag in tags)
