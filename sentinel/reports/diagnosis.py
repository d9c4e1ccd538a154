"""What `sentinel doctor` says: one finding a line, the worst of them as the exit code."""

from dataclasses import asdict, dataclass
from enum import StrEnum


class State(StrEnum):
    """What a finding means to whoever installs us."""

    OK = "ok"  # as it should be
    FAIL = "fail"  # missing or wrong, and the hint says what to do
    WARN = "warn"  # could not be seen from here, and so may be either
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
        """The worst: what fails beats what could not be seen."""
        found = {finding.state for finding in self.findings}
        return next((state for state in (State.FAIL, State.WARN) if state in found), State.OK)

    @property
    def exit_code(self) -> int:
        """0 ok, 1 something fails, 3 something could not be seen."""
        return {State.OK: 0, State.FAIL: 1, State.WARN: 3}[self.state]

    def as_json(self) -> dict[str, object]:
        """For programs."""
        rows = [asdict(finding) | {"state": finding.state.value} for finding in self.findings]
        return {"verdict": self.state.value, "findings": rows}


def text(seen: Diagnosis) -> str:
    """For people: a table, and below each thing that is not ok what to do."""
    wide = max((len(finding.topic) for finding in seen.findings), default=0)
    lines = []
    for finding in seen.findings:
        lines.append(f"{finding.state.value:<9} {finding.topic:<{wide}}  {finding.detail}".rstrip())
        if finding.hint and finding.state is not State.OK:
            lines.append(f"{'':<9} {'':<{wide}}  -> {finding.hint}")
    failing = sum(finding.state is State.FAIL for finding in seen.findings)
    unseen = sum(finding.state is State.WARN for finding in seen.findings)
    lines.append(f"{failing} fail, {unseen} could not be seen from here, of {len(seen.findings)}")
    return "\n".join(lines) + "\n"
