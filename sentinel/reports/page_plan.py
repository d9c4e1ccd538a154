"""What `sentinel check` says of the pages where users chat: what is opened, how often, at what cost."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

TOKENS = 95
"""Of one visit, asked and answered; what the page itself adds to the question is not known here."""


@dataclass(frozen=True, slots=True)
class Row:
    """One page. Seconds, visits and tokens of a day."""

    gateway: str
    url: str
    every: float
    timeout: float
    visits_per_day: int
    tokens_per_day: int
    memory_mib: int
    screenshots: int

    def as_json(self) -> dict[str, object]:
        """The same, for programs."""
        return asdict(self)


def row(gateway: str, url: str, every: float, timeout: float, memory_mib: int, screenshots: int) -> Row:
    """The figures of one page."""
    visits = round(86_400 / every)
    return Row(gateway, url, every, timeout, visits, visits * TOKENS, memory_mib, screenshots)


def text(rows: Sequence[Row]) -> str:
    """For people; nothing where there are no pages."""
    if not rows:
        return ""
    lines = [
        f"  page/{seen.gateway}: {seen.url} every {seen.every:g} s, {seen.timeout:g} s at most;"
        f" {seen.visits_per_day:,} visits and {seen.tokens_per_day:,} tokens a day or more,"
        f" {seen.memory_mib} MiB at most, {_pictures(seen.screenshots)}"
        for seen in rows
    ]
    asked = "  each counts from 1 to 12 and wants a nonce back, as a user would type it"
    return "\n".join(["pages, by `sentinel visit`:", *lines, asked]) + "\n"


def _pictures(count: int) -> str:
    return f"the newest {count} breaches are kept as pictures" if count else "no pictures"
