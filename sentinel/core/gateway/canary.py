"""The canary: a small answer known in advance, by which a lie is seen that has every mark of success.

    Count from 1 to 12 ..., then write END-<nonce>     ->     1 2 3 4 5 6 7 8 9 10 11 12 END-<nonce>

A missing tail is a truncated answer, a count that begins again is one spliced from two, and the
nonce tells for whom it was written. A nonce is `<tag of the tenant><chance><seal>`. The seal is a sum
over the rest, and no secret: by it every sentinel knows the mark of any other, without knowing its
name, and a digit that a model got wrong makes no mark of somebody else.
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

LAST = 12
TAG_LENGTH = 6
CHANCE_LENGTH = 8
SEAL_LENGTH = 6
"""One wrong copy in 16 million passes for somebody's."""
REQUEST_ID = "tenant-sentinel-"
"""Before the nonce, in the request's own id: it comes back in headers, and from caches."""
_SEQUENCE = " ".join(str(number) for number in range(1, LAST + 1))
_MARK = re.compile(rf"(?:END-|{REQUEST_ID})([0-9a-f]{{{TAG_LENGTH + CHANCE_LENGTH + SEAL_LENGTH}}})(?![0-9a-f])")
_BEGIN = re.compile(r"(?<!\w)1(?!\w)")
_SEPARATORS = re.compile(r"[\s,;.:*`|]+")
_ENDING = re.compile(r"END\S*")
_NUMBER = re.compile(r"(?<!\w)\d{1,3}(?!\w)")


def tag(tenant: str) -> str:
    """The part of a nonce that says whose it is."""
    return hashlib.sha256(tenant.encode()).hexdigest()[:TAG_LENGTH]


def nonce(tag_: str, chance: str) -> str:
    """One nonce of the sentinel with this tag; `chance`: eight hex digits."""
    return tag_ + chance + _seal(tag_ + chance)


def marks(text: str) -> tuple[str, ...]:
    """The nonces of sentinels in this text, whosever they are."""
    body = TAG_LENGTH + CHANCE_LENGTH
    return tuple(mark for mark in _MARK.findall(text) if mark[body:] == _seal(mark[:body]))


def _seal(body: str) -> str:
    return hashlib.sha256(f"tenant-sentinel {body}".encode()).hexdigest()[:SEAL_LENGTH]


@dataclass(frozen=True, slots=True)
class Canary:
    """What one probe asks for. `nonce`: see `nonce`."""

    nonce: str

    @property
    def tag(self) -> str:
        """Whose it is."""
        return self.nonce[:TAG_LENGTH]

    def foreign(self, texts: Iterable[str]) -> tuple[str, ...]:
        """The tags of others whose marks stand in these texts."""
        found = (mark[:TAG_LENGTH] for text in texts for mark in marks(text))
        return tuple(dict.fromkeys(tag_ for tag_ in found if tag_ != self.tag))

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


def compare(canary: Canary, text: str) -> Song:
    """How `text` compares."""
    if canary.foreign((text,)):
        return Song.FOREIGN
    if any(mark != canary.nonce for mark in marks(text)):
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
