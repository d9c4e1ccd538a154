"""The fault that sentinel's own proxy holds: one at a time, with an owner and an end.

It ends by itself, whatever becomes of the drill that set it: the undo of last resort.
"""

from dataclasses import dataclass, replace
from typing import Any

from sentinel.core.drill.fault import Fault

LONGEST = 3600.0
"""Seconds: no drill needs a provider dead for longer."""


@dataclass(frozen=True, slots=True)
class Held:
    """The fault, whose it is, and until when. Monotonic seconds."""

    run: str
    fault: Fault
    until: float
    bitten: int = 0  # requests that met it

    def met(self) -> "Held":
        """One more request met it."""
        return replace(self, bitten=self.bitten + 1)


def standing(held: Held | None, now: float) -> Held | None:
    """The fault, if it stands now."""
    return held if held is not None and now < held.until else None


def as_json(held: Held | None, now: float) -> dict[str, Any]:
    """For whoever asks what stands."""
    if held is None:
        return {"run": None, "fault": None, "seconds": 0.0, "bitten": 0}
    seconds = round(held.until - now, 3)
    return {"run": held.run, "fault": held.fault.as_json(), "seconds": seconds, "bitten": held.bitten}
