"""What an alert's expression waits for: the targets whose series it reads, and the recordings between them and it.

    target --scrape--> series --group A--> recording --group B--> alert

A recording of the alert's own group that stands before it costs nothing: a group is evaluated in
turn. One of another group, or behind it, costs that group's interval. What is recorded from no
scraped series (`vector(1)`) is always there.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from sentinel.core.paging.matcher import whole
from sentinel.core.paging.prometheus import Group, Prometheus, Rule, Target

_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"')
_NAME = re.compile(r"(?<![\w:])[a-zA-Z_:][\w:]*")
_SCRAPED = re.compile(r"(?:sentinel_|process_|chaos_)[a-zA-Z0-9_]+|up|scrape_[a-z_]+")
_JOB = re.compile(r'\bjob\s*(=~|=)\s*"((?:[^"\\]|\\.)*)"')
_OURS = "sentinel.*"
"""The `job`s of an expression that names none."""


@dataclass(frozen=True, slots=True)
class Feed:
    """`recorded`: seconds that recordings of other groups may add. `series`: the scraped names. `jobs`: patterns."""

    recorded: float
    series: frozenset[str]
    jobs: frozenset[str]

    def targets(self, prometheus: Prometheus) -> tuple[Target, ...]:
        """Those that give such series."""
        return tuple(found for found in prometheus.targets if any(whole(job, found.job) for job in self.jobs))


@dataclass(frozen=True, slots=True)
class Spot:
    """A rule and where it stands."""

    group: Group
    number: int
    rule: Rule


class Feeds:
    """Knows the recordings of a Prometheus."""

    def __init__(self, prometheus: Prometheus) -> None:
        """Read where what is recorded."""
        self._recordings: dict[str, list[Spot]] = {}
        for spot in spots(prometheus):
            if not spot.rule.alerts:
                self._recordings.setdefault(spot.rule.name, []).append(spot)

    def of(self, spot: Spot) -> Feed:
        """What this rule waits for."""
        found = self._of(spot, frozenset())
        return Feed(found.recorded, found.series, found.jobs or frozenset({_OURS}))

    def _of(self, spot: Spot, seen: frozenset[str]) -> Feed:
        names = set(_NAME.findall(_TEXT.sub('""', spot.rule.expr)))
        series = {name for name in names if _SCRAPED.fullmatch(name)}
        jobs = {re.escape(value) if sign == "=" else value for sign, value in _JOB.findall(spot.rule.expr)}
        recorded = 0.0
        # A latch reads itself; it is no news that it waits for.
        for name in names & set(self._recordings) - seen:
            for source in self._recordings[name]:
                below = self._of(source, seen | {name})
                series |= below.series
                jobs |= below.jobs
                if below.series:
                    recorded = max(recorded, below.recorded + _crossing(source, spot))
        return Feed(recorded, frozenset(series), frozenset(jobs))


def spots(prometheus: Prometheus) -> Iterator[Spot]:
    """Every rule, where it stands."""
    for group in prometheus.groups:
        for number, rule in enumerate(group.rules):
            yield Spot(group, number, rule)


def _crossing(source: Spot, reader: Spot) -> float:
    before = source.group is reader.group and source.number < reader.number
    return 0.0 if before else source.group.interval
