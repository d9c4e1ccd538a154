"""YAML that somebody else's server wrote: events become values in one pass, without recursion, tags or aliases.

Megabytes are usual here, so the parser is the one in C where there is one; building values with it as well
would cost a stack frame for each level, and a process for a text of brackets. Every scalar stays text: who reads
a duration or a label wants it as it was written.
"""

from collections.abc import Iterator
from typing import Any

import yaml

from sentinel.core.api.reply import clean
from sentinel.errors import BadReply

MOST_BYTES = 16 * 1024 * 1024
"""A configuration of five megabytes is a large one, and read in seconds."""
DEEPEST = 100
"""Levels; routes may be 32 within each other, each with two levels of YAML."""
_WORDS: dict[str, bool | None] = {"": None, "null": None, "~": None, "true": True, "false": False}


def loaded(url: str, text: Any) -> Any:
    """The values of a configuration. Raises BadReply."""
    if not isinstance(text, str) or not text.strip():
        raise BadReply(f"{url}: tells no configuration")
    if len(text) > MOST_BYTES:
        raise BadReply(f"{url}: its configuration is larger than {MOST_BYTES // 2**20} MiB, which is more than we read")
    try:
        return _built(yaml.parse(text, Loader=_LOADER))
    except (yaml.YAMLError, ValueError) as error:
        raise BadReply(f"{url}: its configuration is no YAML: {clean(str(error).partition(chr(10))[0])}") from error


_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Open:
    """A mapping or list that is not at its end. `key`: of a mapping, the key whose value is next."""

    def __init__(self, value: dict[str, Any] | list[Any]) -> None:
        self.value = value
        self.key: str | None = None

    def put(self, item: Any) -> None:
        if isinstance(self.value, list):
            self.value.append(item)
        elif self.key is not None:
            self.value[self.key], self.key = item, None
        elif isinstance(item, dict | list):
            raise ValueError("a key that is no text")
        else:
            self.key = str(item)


def _built(events: Iterator[Any]) -> Any:
    stack = [_Open([])]
    for event in events:
        match event:
            case yaml.ScalarEvent():
                stack[-1].put(_scalar(event))
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                stack.append(_Open({} if isinstance(event, yaml.MappingStartEvent) else []))
                if len(stack) > DEEPEST:
                    raise ValueError(f"more than {DEEPEST} levels")
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                done = stack.pop()
                stack[-1].put(done.value)
            case yaml.AliasEvent():
                raise ValueError("an alias, which these servers do not write")
            case _:  # beginnings and ends of the document
                pass
    whole = stack[0].value
    return whole[0] if isinstance(whole, list) and len(whole) == 1 else None


def _scalar(event: Any) -> Any:
    return _WORDS[event.value] if not event.style and event.value in _WORDS else event.value
