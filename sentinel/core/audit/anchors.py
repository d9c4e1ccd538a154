"""Anchors: heads of a journal's chain that were told elsewhere, in a log or to somebody outside.

Whoever can write where the journal lies can write the whole chain anew. What was told elsewhere
cannot be taken back: a chain that has not the same hash at the same number is another one, and one
that ends before it has lost its end.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sentinel.core.audit.chain import Head

_CHAIN = re.compile(r"""["']?\bchain["']?\s*[:=]\s*["']?([0-9a-f]{6,32})\b""")
_SEQUENCE = re.compile(r"""["']?\bsequence["']?\s*[:=]\s*["']?([1-9][0-9]{0,15})\b""")
_HASH = re.compile(r"""["']?\bhash["']?\s*[:=]\s*["']?([0-9a-f]{64})\b""")


def read(text: str) -> Head | None:
    """The head that a line tells, in JSON or as the log is written for people; None where it tells none."""
    found = [pattern.search(text) for pattern in (_CHAIN, _SEQUENCE, _HASH)]
    if not all(found):
        return None
    chain, sequence, hash_ = (match[1] for match in found if match)
    return Head(chain, int(sequence), hash_)


@dataclass(frozen=True, slots=True)
class Anchors:
    """Heads by chain and number. `contradicting`: two of them say something else of the same line."""

    heads: Mapping[tuple[str, int], str] = field(default_factory=dict)
    contradicting: tuple[Head, ...] = ()

    def of(self, chain: str) -> list[Head]:
        """Those of one chain, in order."""
        return sorted(Head(*key, found) for key, found in self.heads.items() if key[0] == chain)

    def elsewhere(self, chains: Iterable[str]) -> tuple[Head, ...]:
        """The last head of each other chain than these: whoever replaces a journal begins another one."""
        others = {chain for chain, _ in self.heads} - {*chains}
        return tuple(self.of(chain)[-1] for chain in sorted(others))


def gather(lines: Iterable[str]) -> Anchors:
    """All heads that these lines tell."""
    heads: dict[tuple[str, int], str] = {}
    told = filter(None, map(read, lines))
    others = [head for head in told if heads.setdefault((head.chain, head.sequence), head.hash) != head.hash]
    return Anchors(heads, tuple(others))
