"""The canary: a small answer known in advance, by which a lie is seen that has every mark of success.

    Count from 1 to 12 ..., then write END-<nonce>     ->     1 2 3 4 5 6 7 8 9 10 11 12 END-<nonce>

A missing tail is a truncated answer, a count that begins again is one spliced from two, and the
nonce tells for whom it was written. A nonce is `<tag of the tenant><chance>`: an answer with the
tag of another tenant belongs to them, and reached us all the same.
"""

import hashlib
import re
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

LAST = 12
TAG_LENGTH = 6
CHANCE_LENGTH = 8
_SEQUENCE = " ".join(str(number) for number in range(1, LAST + 1))
_MARK = re.compile(rf"END-([0-9a-f]{{{TAG_LENGTH + CHANCE_LENGTH}}})(?![0-9a-f])")
_BEGIN = re.compile(r"(?<!\w)1(?!\w)")
_SEPARATORS = re.compile(r"[\s,;.:*`|]+")
_ENDING = re.compile(r"END\S*")
_NUMBER = re.compile(r"(?<!\w)\d{1,3}(?!\w)")


def tag(tenant: str) -> str:
    """The part of a nonce that says whose it is."""
    return hashlib.sha256(tenant.encode()).hexdigest()[:TAG_LENGTH]


@dataclass(frozen=True, slots=True)
class Canary:
    """What one probe asks for. `nonce` is as `tag` and eight hex digits of chance."""

    nonce: str

    @property
    def prompt(self) -> str:
        """What is asked."""
        return f"Count from 1 to {LAST} separated by spaces, then write END-{self.nonce}. Write nothing else."

    @property
    def song(self) -> str:
        """What should come back."""
        return f"{_SEQUENCE} END-{self.nonce}"


class Song(StrEnum):
    """How what came back compares with what should have."""

    WHOLE = "whole"  # all of it, in whatever punctuation
    TAIL_MISSING = "tail-missing"  # it begins as it should and ends too early
    REPEATED = "repeated"  # it begins again, or says something twice
    STALE = "stale"  # an older answer to us: a cache
    FOREIGN = "foreign"  # the answer to another tenant
    OTHER = "other"  # something else


def compare(canary: Canary, text: str, others: Collection[str] = ()) -> Song:
    """How `text` compares. `others` are the tags of the other tenants."""
    marks = _MARK.findall(text)
    foreign = [mark for mark in marks if mark != canary.nonce]
    if any(mark[:TAG_LENGTH] in others for mark in foreign):
        return Song.FOREIGN
    if any(mark[:TAG_LENGTH] == canary.nonce[:TAG_LENGTH] for mark in foreign):
        return Song.STALE
    return _compare(canary, text)


def _compare(canary: Canary, text: str) -> Song:
    begin = _BEGIN.search(text)
    if begin is None:
        return Song.OTHER
    sung = _SEPARATORS.sub(" ", text[begin.start() :]).strip()
    if canary.song.startswith(sung):
        return Song.WHOLE if sung == canary.song else Song.TAIL_MISSING
    if _repeats(canary, sung):
        return Song.REPEATED
    return Song.WHOLE if sung.startswith(f"{canary.song} ") else Song.OTHER


def _repeats(canary: Canary, sung: str) -> bool:
    if sung.count(canary.nonce) > 1:
        return True
    numbers = [int(number) for number in _NUMBER.findall(_ENDING.sub(" ", sung))]
    counted = [number for number in numbers if 1 <= number <= LAST]
    return len(counted) > len(set(counted))
