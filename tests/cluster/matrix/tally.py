"""What the matrix found, in one line at the end of the run."""

from dataclasses import dataclass, field


@dataclass
class Tally:
    """Counts of the rows that were played."""

    detected: int = 0
    missed: int = 0
    disturbances: int = 0
    false: int = 0
    rounds: list[int] = field(default_factory=list)

    @property
    def line(self) -> str:
        """Empty when no row was played."""
        if not (self.detected or self.missed or self.disturbances):
            return ""
        found = f"grants: {self.detected} detected, {self.missed} missed"
        if self.rounds:
            found += f" (rounds to the breach: most {max(self.rounds)})"
        return f"{found}; disturbances: {self.disturbances}, {self.false} false"


TALLY = Tally()
