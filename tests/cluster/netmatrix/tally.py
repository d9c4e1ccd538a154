"""What the matrix of the network found, in one line at the end of the run."""

from dataclasses import dataclass, field


@dataclass
class NetTally:
    """Counts of the rows that were played. `rounds`: until each breach was there."""

    right: int = 0
    wrong: int = 0
    disturbances: int = 0
    breached: int = 0
    held: int = 0
    rounds: list[int] = field(default_factory=list)

    @property
    def line(self) -> str:
        """Empty when no row was played."""
        if not (self.right or self.wrong or self.disturbances):
            return ""
        openings = self.right + self.wrong
        share = 100 * self.right // openings if openings else 100
        found = f"network: {self.right} of {openings} openings became the right breach ({share} %)"
        if self.rounds:
            found += f", in {max(self.rounds)} rounds at most"
        told = f"{self.disturbances} disturbances, {self.breached} called a breach, {self.held} wrongly held"
        return f"{found}; {told}"


NET_TALLY = NetTally()
