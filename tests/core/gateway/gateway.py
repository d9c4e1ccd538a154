"""A gateway whose truth is known: when its primary dies, and when the next one answers. No sockets, no clock."""

import heapq
import random
from dataclasses import dataclass, field, replace
from typing import Any

from sentinel.core.gateway import failover
from sentinel.core.gateway.failover import Episode, Failover, Kind, Line, Sample
from sentinel.core.gateway.provider import UNKNOWN

PRIMARY, BACKUP = "openai", "backup"
SUSPECT = 1.2
"""Seconds without an answer after which something is wrong: three times the median."""


@dataclass
class Gateway:
    """The primary dies at `dies`; `switch` seconds later requests go to the backup. Seconds from 0."""

    dies: float
    switch: float
    fault: str  # fast: refused at once; hang: no answer for ten seconds; retry: the backup's, after five seconds
    rng: random.Random
    takes: tuple[float, float] = (0.2, 0.6)  # an answer
    slow: float = 0.0  # the share of answers that take five times as long

    def ask(self, start: float) -> Sample:
        took = self.rng.uniform(*self.takes) * (5 if self.rng.random() < self.slow else 1)
        if start + took <= self.dies:
            return Sample(start, start + took, Kind.GOOD, PRIMARY)
        if start < self.dies:
            # It was under way when the primary died.
            broken = start + 10 if self.fault == "hang" else self.dies + 0.01
            token = start + 0.1 + (self.dies - start - 0.1) // 0.05 * 0.05
            streamed = self.rng.random() < 0.75 and token > start
            return Sample(start, broken, Kind.BAD, PRIMARY if streamed else UNKNOWN, token if streamed else None)
        if start >= self.dies + self.switch:
            return Sample(start, start + took, Kind.GOOD, BACKUP)
        if self.fault == "retry":
            return Sample(start, start + 5 + took, Kind.GOOD, BACKUP)
        return Sample(start, start + (10 if self.fault == "hang" else 0.05), Kind.BAD)


@dataclass
class Watch:
    """Asks it open-loop, twice a second while something is wrong, and hears the answers as they end."""

    gateway: Gateway
    within: float = 30.0
    every: float = 2.0
    fast: float = 0.5
    told: list[Any] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)

    def until(self, end: float, phase: float = 0.0) -> Failover:
        state, line, number = Failover(self.within, PRIMARY), Line(), 0
        due, asked, calm_from = phase, phase, -1000.0
        ends: list[tuple[float, int, Sample]] = []
        while due < end or ends:
            if ends and (due >= end or ends[0][0] <= due):
                now, which, sample = heapq.heappop(ends)
                line, ready = line.end(which, sample)
                state = self.hear(state, ready)
                if sample.kind is not Kind.GOOD or sample.end - sample.start > SUSPECT:
                    calm_from = now
                    due = min(due, max(now, asked + self.fast))
                continue
            sample = self.gateway.ask(due)
            self.samples.append(sample)
            line = line.begin(number)
            heapq.heappush(ends, (sample.end, number, sample))
            number, asked = number + 1, due
            late = any(due - s.start > SUSPECT for _, _, s in ends)
            calm_from = due if late else calm_from
            due += self.fast if due - calm_from < 10 else self.every
        return state

    def hear(self, state: Failover, samples: tuple[Sample, ...]) -> Failover:
        for sample in samples:
            state, told = failover.advance(state, sample)
            if told is not None:
                self.told.append(told)
        return state

    @property
    def episodes(self) -> list[Any]:
        return [told for told in self.told if isinstance(told, Episode)]


def shifted(sample: Sample, by: float) -> Sample:
    return replace(sample, start=sample.start + by, end=sample.end + by)
