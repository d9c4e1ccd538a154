"""The trip-wire of one target: what its rules reviews have said so far.

A single review may fail for many reasons, and a denial is proven by the other gates all the same;
so the gate turns red only when three in a row failed. Before the first good one it is red.
"""

from dataclasses import dataclass, replace

from sentinel.core.api.gates import Light
from sentinel.core.api.rules import Grant, Review, door

REDS = 3
"""Failed reviews in a row that turn the gate red."""


@dataclass(frozen=True, slots=True)
class Wire:
    """The trip-wire of one identity at one target."""

    reds: int = REDS
    detail: str = "not reviewed yet"
    incomplete: bool = False
    beyond: frozenset[Grant] = frozenset()  # grants listed beyond what is known
    clean: bool = False  # the last good review listed nothing beyond

    @property
    def light(self) -> Light:
        """The gate `tripwire`."""
        return Light(up=self.reds < REDS, detail="" if self.reds < REDS else self.detail)


def failed(wire: Wire, detail: str) -> Wire:
    """The wire after a review that did not come back well."""
    return replace(wire, reds=min(wire.reds + 1, REDS), detail=detail, clean=False)


def reviewed(wire: Wire, target: str, review: Review, beyond: frozenset[Grant]) -> Wire:
    """The wire after a good review of this target; one without our door proves nothing."""
    seen = replace(wire, incomplete=review.incomplete, beyond=beyond)
    if door(target) not in review.grants:
        return failed(seen, "the review does not list our door")
    return replace(seen, reds=0, detail="", clean=not beyond)
