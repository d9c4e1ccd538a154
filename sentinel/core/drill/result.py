"""What a drill says when it is over: one frozen value, for people and for programs alike."""

from dataclasses import dataclass
from enum import StrEnum

from sentinel.core.drill.fault import Receipt
from sentinel.core.drill.figures import Measured
from sentinel.core.drill.progress import Phase, Progress, Terms
from sentinel.core.drill.ruling import Ruling, Verdict

PASSED, FAILED, NOTHING_PROVEN, OWN_FAULT = 0, 1, 3, 4


class Intensity(StrEnum):
    """How hard a drill hits, as its author judges it: a label of its figures, and nothing else."""

    LIGHT = "light"
    MEDIUM = "medium"
    HEAVY = "heavy"


@dataclass(frozen=True, slots=True)
class Setting:
    """Where a drill was run, and how hard it hits."""

    environment: str = ""
    intensity: Intensity = Intensity.LIGHT


@dataclass(frozen=True, slots=True)
class Result:
    """One drill, over. `wall`: the wall clock minus the clock of its moments."""

    receipt: Receipt
    receipt_file: str  # empty: none was written, since nothing was broken
    hypothesis: str
    terms: Terms
    progress: Progress
    ruling: Ruling
    wall: float
    measured: Measured
    broken: tuple[str, ...] = ()  # the promises that were, by name
    setting: Setting = Setting()

    @property
    def exit_code(self) -> int:
        """0 passed, 1 failed, 3 nothing proven, 4 when the wound may still be there."""
        if self.progress.unhealed:
            return OWN_FAULT
        codes = {Verdict.PASS: PASSED, Verdict.FAIL: FAILED}
        return codes.get(self.ruling.verdict, NOTHING_PROVEN)

    @property
    def phases(self) -> tuple[tuple[Phase, float], ...]:
        """Each phase with the seconds from the drill's beginning to its own."""
        return tuple((phase, at - self.progress.began) for phase, at in self.progress.passed)

    @property
    def failback(self) -> float | None:
        """Seconds from the undo to the end of the primary's first answer; None when there was none."""
        progress = self.progress
        if progress.back is None or progress.reverted is None:
            return None
        return progress.back - progress.reverted.asked
