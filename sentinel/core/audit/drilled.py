"""Drilled: the result of a drill, as `sentinel drill run -o json` prints it, read back for the report."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sentinel.core.audit.pairs import moment
from sentinel.core.drill.ruling import Verdict


@dataclass(frozen=True, slots=True)
class Drilled:
    """One drill that was run. `started` in wall seconds, the bounds in seconds, None where nothing was measured."""

    drill: str
    run: str
    gateway: str
    variant: str
    verdict: Verdict
    why: str
    started: float
    lower: float | None
    upper: float | None
    within: float
    unhealed: str  # why the undo could not be proved; empty when it was
    stood: tuple[float, float | None] | None = None  # from asking for the fault to the proof of its undo, wall seconds


def read(doc: Mapping[str, Any]) -> Drilled:
    """The drill that this is the result of. Raises ValueError for anything else."""
    try:
        started, failover = moment(doc["started"]), doc["failover"]
        if started is None:
            raise ValueError("no result of a drill: started is no time")
        return Drilled(
            drill=str(doc["drill"]),
            run=str(doc["run"]),
            gateway=str(doc["gateway"]),
            variant=str(doc["fault"]["variant"]),
            verdict=Verdict(doc["verdict"]),
            why=str(doc["why"]),
            started=started,
            lower=failover["lower"],
            upper=failover["upper"],
            within=float(failover["within"]),
            unhealed=str(doc["unhealed"]),
            stood=_stood(doc, started),
        )
    except (LookupError, TypeError) as error:
        raise ValueError(f"no result of a drill: {error}") from error


def _stood(doc: Mapping[str, Any], started: float) -> tuple[float, float | None] | None:
    """Nothing, where nothing was broken; what an older version said has no such moments."""
    injected, reverted = doc.get("injected"), doc.get("reverted")
    if injected is None:
        return None
    return started + float(injected["asked"]), None if reverted is None else started + float(reverted["proved"])
