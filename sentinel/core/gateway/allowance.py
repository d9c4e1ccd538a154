"""What asking may cost in a day: tokens and money, counted for each target, and what happens near the end.

    0 % ---------------- full pace ---------------- 80 % -- slower, so that it lasts -- 100 % -- stop
                                                                              until midnight, UTC

Slower first, since a monitor that is blind in the evening is worse than one that looks less often.
`engine.gateway` spends, and `sinks.gateway_metrics` publishes what is left.
"""

from dataclasses import dataclass, replace

DAY = 86_400.0
FULL_PACE = 0.8
"""The share that is spent without a thought."""


@dataclass(frozen=True, slots=True)
class Price:
    """Money for a million tokens; whose currency is the operator's affair."""

    tokens_in: float = 0.0
    tokens_out: float = 0.0

    def of(self, tokens_in: int, tokens_out: int) -> float:
        """What these cost."""
        return (tokens_in * self.tokens_in + tokens_out * self.tokens_out) / 1e6


@dataclass(frozen=True, slots=True)
class Allowance:
    """The day's budget of one target, and what of it is spent. None: as much as it takes."""

    tokens: int | None = None
    money: float | None = None
    price: Price = Price()
    day: int = 0  # since the epoch
    spent_in: int = 0
    spent_out: int = 0

    @property
    def spent_money(self) -> float:
        """What was spent today."""
        return self.price.of(self.spent_in, self.spent_out)

    @property
    def share(self) -> float:
        """The share that is spent, of whichever of the two runs out first."""
        shares = [0.0]
        if self.tokens is not None:
            shares.append((self.spent_in + self.spent_out) / self.tokens)
        if self.money is not None:
            shares.append(self.spent_money / self.money)
        return max(shares)


def spend(allowance: Allowance, wall: float, tokens_in: int, tokens_out: int) -> Allowance:
    """After these were used. A new day begins with nothing spent."""
    allowance = on(allowance, wall)
    return replace(
        allowance,
        spent_in=allowance.spent_in + tokens_in,
        spent_out=allowance.spent_out + tokens_out,
    )


def on(allowance: Allowance, wall: float) -> Allowance:
    """As it stands at this moment (seconds since the epoch)."""
    day = int(wall // DAY)
    return allowance if day == allowance.day else replace(allowance, day=day, spent_in=0, spent_out=0)


def period(allowance: Allowance, wall: float, every: float, tokens: int) -> float | None:
    """The period that the budget allows where `every` is wanted, seconds; None: it is used up.

    `tokens`: what one probe takes, about. In the last fifth, what is left is made to last until midnight.
    """
    allowance = on(allowance, wall)
    if allowance.share >= 1:
        return None
    if allowance.share < FULL_PACE:
        return every
    rest = DAY - wall % DAY
    return max(every, rest / max(1.0, _left(allowance, tokens)))


def _left(allowance: Allowance, tokens: int) -> float:
    """How many probes are left, going by the share: it is what runs out."""
    spent = allowance.spent_in + allowance.spent_out
    return spent / allowance.share * (1 - allowance.share) / max(1, tokens)
