"""One completion from its beginning to its end: each thing that came, and how long it was waited for.

    asked .. connected .. headers .. first byte .. token 1 .. token 2 ...... token 3 .. mark of the end .. end
                                                                  |----| the longest pause

Made of moments and closed words alone, whatever was said: shown by `sentinel once gateway/NAME`.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

from sentinel.core.gateway.completion import Heard
from sentinel.core.gateway.transcript import Came


@dataclass(frozen=True, slots=True)
class Moment:
    """Something came. Seconds: since the beginning, and since the moment before it."""

    at: float
    after: float
    what: str  # a closed word, and of tokens and thoughts their number
    longest: bool = False  # it was waited for longest, of all that came after the first token


def timeline(heard: Heard) -> tuple[Moment, ...]:
    """All moments, in the order in which they came."""
    moments, before = [], 0.0
    for at, what in _moments(heard):
        moments.append(Moment(at, max(0.0, at - before), what))
        before = at
    return _marked(moments, heard)


def _moments(heard: Heard) -> Iterator[tuple[float, str]]:
    yield 0.0, "asked"
    if heard.connected is not None:
        yield heard.connected, "connected"
    if heard.answered is not None:
        yield heard.answered, "headers"
    if heard.transcript.first_byte is not None:
        yield heard.transcript.first_byte - heard.start, "first byte"
    counts: Counter[Came] = Counter()
    for beat in heard.transcript.beats:
        counts[beat.came] += 1
        counted = beat.came in (Came.TOKEN, Came.THOUGHT)
        yield beat.at - heard.start, f"{beat.came.value} {counts[beat.came]}" if counted else beat.came.value
    yield heard.took, "end" if heard.trouble is None else f"end: {heard.trouble.value}"


def _marked(moments: list[Moment], heard: Heard) -> tuple[Moment, ...]:
    """The longest pause of a stream is shown; before its first token nobody reads yet."""
    beats = heard.transcript.beats
    first = next((place for place, beat in enumerate(beats) if beat.came is Came.TOKEN), None)
    if first is None:
        return tuple(moments)
    behind = len(moments) - len(beats) + first
    longest = max(range(behind, len(moments)), key=lambda place: moments[place].after)
    return tuple(replace(moment, longest=place == longest) for place, moment in enumerate(moments))
