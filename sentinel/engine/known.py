"""What is known of one gateway: it outlives the driver that learnt it, when the configuration is read again.

driver --stops--> Known --same gateway, new file--> next driver        an outage goes on, and so does the day
\\--another gateway, or none--> told as censored  its tokens are spent all the same
"""

from dataclasses import dataclass, field, replace

from sentinel.core.gateway.allowance import Allowance
from sentinel.core.gateway.cooldown import Providers
from sentinel.core.gateway.failover import Failover, Line
from sentinel.core.gateway.pace import Pace, Usual
from sentinel.core.gateway.retry_after import Pledge


@dataclass
class Known:
    """Grows as its driver learns. `allowances`: of the gateway by an empty name, of each provider by its own."""

    failover: Failover
    allowances: dict[str, Allowance]
    line: Line = field(default_factory=Line)
    number: int = 0  # of the next probe
    pace: Pace = field(default_factory=Pace)
    usual: Usual = field(default_factory=Usual)
    providers: Providers = field(default_factory=Providers)
    pledges: tuple[Pledge, ...] = ()

    def under(self, within: float, budgets: dict[str, Allowance]) -> "Known":
        """The same, with the promise and the budgets of another file."""
        self.failover = replace(self.failover, within=within)
        self.allowances = spent(budgets, self.allowances)
        # Of a provider that is not asked itself any more nothing would ever be known again.
        asked = {name: since for name, since in self.providers.well_since.items() if name in budgets}
        self.providers = replace(self.providers, well_since=asked)
        return self


def spent(budgets: dict[str, Allowance], before: dict[str, Allowance]) -> dict[str, Allowance]:
    """These budgets, with what was spent of those before: another file is no other day."""
    return {
        name: replace(row, day=old.day, spent_in=old.spent_in, spent_out=old.spent_out)
        if (old := before.get(name)) is not None
        else row
        for name, row in budgets.items()
    }
