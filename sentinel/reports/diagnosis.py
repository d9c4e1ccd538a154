"""What `sentinel doctor` says: one finding a line, the worst of them as the exit code."""

from dataclasses import asdict, dataclass
from enum import StrEnum


class State(StrEnum):
    """What a finding means to whoever installs us."""

    FINE = "fine"  # as it should be
    MISSING = "missing"  # wrong, and the hint says what to do
    UNKNOWN = "unknown"  # could not be seen from here
    LEFT_OUT = "left out"  # not configured, and that may be on purpose


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing around us. `hint` says what to do where something is missing."""

    topic: str
    state: State
    detail: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All that was found, in the order in which it was looked at."""

    findings: tuple[Finding, ...]

    @property
    def state(self) -> State:
        """Missing beats unknown beats fine."""
        found = {finding.state for finding in self.findings}
        return next((state for state in (State.MISSING, State.UNKNOWN) if state in found), State.FINE)

    @property
    def exit_code(self) -> int:
        """0 fine, 1 something is missing, 3 something could not be seen."""
        return {State.FINE: 0, State.MISSING: 1, State.UNKNOWN: 3}[self.state]

    def as_json(self) -> dict[str, object]:
        """For programs."""
        rows = [asdict(finding) | {"state": finding.state.value} for finding in self.findings]
        return {"verdict": self.state.value, "findings": rows}


def text(seen: Diagnosis) -> str:
    """For people: a table, and below each thing that is missing what to do."""
    wide = max((len(finding.topic) for finding in seen.findings), default=0)
    lines = []
    for finding in seen.findings:
        lines.append(f"{finding.state.value:<9} {finding.topic:<{wide}}  {finding.detail}".rstrip())
        if finding.hint and finding.state is not State.FINE:
            lines.append(f"{'':<9} {'':<{wide}}  -> {finding.hint}")
    missing = sum(finding.state is State.MISSING for finding in seen.findings)
    unknown = sum(finding.state is State.UNKNOWN for finding in seen.findings)
    lines.append(f"{missing} missing, {unknown} unknown, of {len(seen.findings)}")
    return "\n".join(lines) + "\n"
