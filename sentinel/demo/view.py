"""What a sentinel says of itself on its console, as values: the show reads nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from sentinel.core.gateway import course_json
from sentinel.core.gateway.course import Course

_TIMEOUT = aiohttp.ClientTimeout(total=2)


@dataclass(frozen=True, slots=True)
class Target:
    """One namespace (or `*`): how many of its questions stand how."""

    name: str
    held: int
    breached: int
    inconclusive: int


@dataclass(frozen=True, slots=True)
class Scene:
    """One look. Times are epoch seconds; `coverage` is a share."""

    ready: bool
    reasons: tuple[str, ...]
    coverage: float
    targets: tuple[Target, ...]
    gates: Mapping[str, bool]
    breaches: tuple[Mapping[str, Any], ...]

    @property
    def questions(self) -> int:
        """All that are asked."""
        return sum(one.held + one.breached + one.inconclusive for one in self.targets)

    @property
    def held(self) -> int:
        """All that are held."""
        return sum(one.held for one in self.targets)

    @property
    def proven(self) -> bool:
        """Whether every question that is to be asked was proven in time, with every gate green."""
        return self.unharmed and self.coverage == 1.0

    @property
    def unharmed(self) -> bool:
        """Whether every question asked so far is held, with every gate green."""
        return 0 < self.questions == self.held and bool(self.gates) and all(self.gates.values())

    def open_breaches(self, target: str) -> list[Mapping[str, Any]]:
        """Those that stand, at `target`."""
        return [one for one in self.breaches if one["active"] and one["target"] == target]


async def look(session: aiohttp.ClientSession, console: str) -> Scene | None:
    """One look at the console at host and port; None while it does not answer."""
    try:
        status = await _json(session, f"http://{console}/api/v1/status")
        breaches = await _json(session, f"http://{console}/api/v1/breaches")
    except (aiohttp.ClientError, TimeoutError):
        return None
    return Scene(
        ready=status["ready"],
        reasons=tuple(status["reasons"]),
        coverage=status["coverage"],
        targets=_targets(status["standings"]),
        gates=_gates(status["gates"]),
        breaches=tuple(breaches),
    )


async def failovers(session: aiohttp.ClientSession, console: str, gateway: str) -> tuple[Course, ...]:
    """The last failovers of this gateway, the latest last; none while the console does not answer."""
    try:
        told = await _json(session, f"http://{console}/api/v1/gateways")
    except (aiohttp.ClientError, TimeoutError):
        return ()
    return tuple(course_json.read(row) for one in told if one["name"] == gateway for row in one["episodes"])


async def _json(session: aiohttp.ClientSession, url: str) -> Any:
    async with session.get(url, timeout=_TIMEOUT, raise_for_status=True) as reply:
        return await reply.json()


def _targets(standings: list[Mapping[str, Any]]) -> tuple[Target, ...]:
    counts: dict[str, Counter[str]] = {}
    for standing in standings:
        counts.setdefault(standing["target"], Counter())[standing["verdict"]] += 1
    return tuple(
        Target(name, found["held"], found["breached"], found["inconclusive"]) for name, found in sorted(counts.items())
    )


def _gates(gates: list[Mapping[str, Any]]) -> dict[str, bool]:
    """By gate: up only where it is up for every identity and target."""
    found: dict[str, bool] = {}
    for row in gates:
        found[row["gate"]] = found.get(row["gate"], True) and bool(row["up"])
    return found
