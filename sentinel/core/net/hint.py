"""A hint: targets that a tenant's sentinel should look at now, and where the next one begins."""

import json
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Hint:
    """`targets` to look at, and the number to ask `after` next time."""

    next: int
    targets: frozenset[str]


def parse(body: bytes) -> Hint | None:
    """The hint of a reply, None when it is none."""
    try:
        found = json.loads(body)
        number, targets = found["next"], found["targets"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if not isinstance(number, int) or not isinstance(targets, list):
        return None
    return Hint(number, frozenset(target for target in targets if isinstance(target, str)))
