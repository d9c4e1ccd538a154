"""Whether journals are what was written, in words: `sentinel report verify`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sentinel.core.audit.anchors import Anchors
from sentinel.core.audit.chain import Fault, Head
from sentinel.core.audit.verified import Standing, Verified

_FAULTS = {
    Fault.CHANGED: "this line, or the hash it was sealed with, was changed",
    Fault.MISSING: "lines were taken away, added or put in another order",
    Fault.FOREIGN: "this is no line of the journal, and nothing that a kill left",
    Fault.REPLACED: "another chain stands here",
    Fault.ANCHOR: "its hash is another one than the head that was told elsewhere: it was written anew",
}


@dataclass(frozen=True)
class Verification:
    """All journals that were given. `lost`: the last head of each chain that was told of and is none of these."""

    journals: tuple[Verified, ...]
    lost: tuple[Head, ...] = ()
    contradicting: tuple[Head, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 all are what was written, 1 one is not or is gone, 3 there is nothing to say."""
        if self.lost or self.contradicting or any(one.standing is Standing.BROKEN for one in self.journals):
            return 1
        return 0 if all(one.standing is Standing.OK for one in self.journals) and self.journals else 3

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "journals": [one.as_json() for one in self.journals],
            "heads_without_a_journal": [head._asdict() for head in self.lost],
            "contradicting_heads": [head._asdict() for head in self.contradicting],
        }


def verification(journals: Sequence[Verified], anchors: Anchors) -> Verification:
    """Together with the heads of chains that are nowhere."""
    lost = anchors.elsewhere(one.head.chain for one in journals if one.head is not None)
    return Verification(tuple(journals), lost, anchors.contradicting)


def text(seen: Verification) -> str:
    """For people."""
    lines = (line for one in seen.journals for line in _lines(one))
    return "\n".join((*lines, *_heads(seen))) + "\n"


def _heads(seen: Verification) -> list[str]:
    """What is wrong with the heads that were told."""
    gone, twice = "a head of line {} was told; its journal is not here", "two different heads of line {} were told"
    told = [*((head, gone) for head in seen.lost), *((head, twice) for head in seen.contradicting)]
    return [f"chain {head.chain}: BROKEN: {words.format(head.sequence)}" for head, words in told]


def standing(one: Verified) -> str:
    """One journal in a sentence."""
    if one.head is None and one.broken is None:
        return "nothing is sealed in it"
    if one.broken is not None:
        found = one.broken
        where = f"{one.file}:{found.line}"
        good = f"ok up to line {one.head.sequence}, then " if one.head is not None else ""
        told = f"expected {found.expected}, found {found.found}"
        return f"BROKEN: {good}{where}, sequence {found.sequence}: {_FAULTS[found.fault]} ({told})"
    assert one.head is not None, "neither broken nor empty"
    return f"ok, lines {one.first} to {one.head.sequence}, {one.first_at} to {one.last_at}"


def anchored(one: Verified) -> str:
    """Whether anybody else vouches for it."""
    if one.anchored:
        rest = f"; {one.unanchored} lines since are unanchored" if one.unanchored else ""
        return f"anchored up to line {one.anchored} ({one.anchored_at}) by {one.heads} heads{rest}"
    return f"unanchored since {one.first_at}: whoever could write there could have written all of it anew"


def _lines(one: Verified) -> list[str]:
    found = [f"{one.journal}: {standing(one)}"]
    if one.head is not None:
        found += [f"  chain {one.head.chain}, head {one.head.sequence} {one.head.hash}", f"  {anchored(one)}"]
    if one.older:
        found.append(f"  {one.older} heads are of lines that are not kept any more")
    if one.cuts:
        found.append(f"  cut off by a kill or a full disk, and told of by the next line: {one.cuts}")
    if one.torn:
        found.append("  the last line is torn: its writer was killed, and has not come back")
    if one.unchained:
        found.append(f"  beside it, sealed by nobody: {', '.join(one.unchained)}")
    return found
