"""What `sentinel check` says of the network: what is asked of whom, how many sockets, and how soon it pages."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from sentinel.core.api.plan import PAGE_SECONDS
from sentinel.core.asked import NETWORK
from sentinel.core.net import net_plan
from sentinel.core.net.crossing import Protocol
from sentinel.core.net.net_plan import Terms


@dataclass(frozen=True, slots=True)
class NetForecast:
    """Figures for one beacon of each target, with both families and a Service. Seconds.

    Which families and paths there are, only the roster knows: this is the most.
    """

    targets: tuple[str, ...]
    checks: tuple[str, ...]
    questions: int
    sockets_per_second: float
    open_sockets: int
    wished: float
    period: float
    found_seconds: float
    page_seconds: float
    around_page_seconds: float | None  # of what surrounds the pods and has no beacon; None where nothing is asked
    promise_seconds: float
    kept: bool

    def as_json(self) -> dict[str, object]:
        """The same, for programs."""
        return asdict(self)


def forecast(terms: Terms, checks: tuple[str, ...], promise: float) -> NetForecast:
    """The figures of these terms; `promise`: seconds from the opening of a hole to the page."""
    questions = len(terms.expected) * len(Protocol) * _WAYS
    sockets = questions * terms.attempts
    period = net_plan.period_of(terms, sockets)
    # Its sockets lie apart: the next one comes a period later at the latest, and may take its time.
    found = period + terms.timeout
    # All of them silent, as where every policy drops.
    busy = min(terms.sockets, round(sockets * terms.timeout / max(net_plan.spread_of(terms), terms.timeout)))
    page = found + PAGE_SECONDS
    around = net_plan.ROUNDS_BETWEEN * terms.every + terms.timeout + PAGE_SECONDS if _around(checks) else None
    return NetForecast(
        targets=terms.expected,
        checks=checks,
        questions=questions,
        sockets_per_second=sockets / period,
        open_sockets=busy,
        wished=terms.every,
        period=period,
        found_seconds=found,
        page_seconds=page,
        around_page_seconds=around,
        promise_seconds=promise,
        kept=max(page, around or 0.0) <= promise,
    )


def text(seen: NetForecast) -> str:
    """For people."""
    stretched = f" (stretched from {seen.wished:g} s)" if seen.period > seen.wished * 1.001 else ""
    around = _around(seen.checks)
    crossings = ", ".join(check for check in seen.checks if check not in around)
    lines = [
        f"network: {seen.questions} questions at most about other tenants' beacons, {len(seen.targets)} of them:"
        f" {crossings}, by pod and Service address, over IPv4 and IPv6 where both sides have them",
        f"round             {seen.period:.0f} s{stretched}",
        f"sockets           {seen.sockets_per_second:.0f} a second; {seen.open_sockets} open if all are dropped",
        f"hole to page      {seen.page_seconds:.0f} s at worst, {seen.promise_seconds:.0f} s promised",
    ]
    if seen.around_page_seconds is not None:
        less = f"{', '.join(around)}, which are asked less often"
        lines.append(f"the same          {seen.around_page_seconds:.0f} s for {less}")
    if not seen.kept:
        lines.append("the promise is not kept over the network: shorten network.every, or raise network.sockets")
    return "\n".join(lines) + "\n"


def _around(checks: Iterable[str]) -> list[str]:
    """The classes that are about no beacon."""
    crossings = {f"{NETWORK}{protocol.value}" for protocol in Protocol}
    return [check for check in checks if check not in crossings]


_WAYS = 4
"""Two paths, two families."""
