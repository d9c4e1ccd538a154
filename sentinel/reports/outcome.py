"""What `sentinel once` says: each question's verdict, the worst of them as the exit code."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from sentinel.core.api.allowed import Allowance
from sentinel.core.asked import is_network
from sentinel.core.record import Record
from sentinel.core.verdict import State, worst

EXIT_CODES = {State.HELD: 0, State.BREACHED: 1, State.INCONCLUSIVE: 3}


@dataclass(frozen=True, slots=True)
class Outcome:
    """The records of one round, and why it may have ended early."""

    records: tuple[Record, ...]
    reasons: tuple[str, ...] = ()
    exceptions: tuple[Allowance, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 held, 1 breached, 3 inconclusive; nothing asked is inconclusive."""
        return EXIT_CODES[worst(record.verdict for record in self.records).state]

    def as_json(self) -> dict[str, object]:
        """For programs."""
        return {
            "verdict": worst(record.verdict for record in self.records).state.value,
            "reasons": list(self.reasons),
            "questions": [_row(record) for record in self.records],
        }


def text(seen: Outcome) -> str:
    """For people: what is not held line by line, the rest as counts per target."""
    lines = [f"{'TARGET':<24} {'HELD':>5} {'BREACHED':>9} {'INCONCLUSIVE':>13}"]
    counts: dict[str, Counter[State]] = {}
    for record in seen.records:
        counts.setdefault(record.question.target, Counter())[record.verdict.state] += 1
    for target, states in sorted(counts.items()):
        held, breached, unknown = (states[state] for state in State)
        lines.append(f"{target:<24} {held:>5} {breached:>9} {unknown:>13}")
    lines += ["", *_telling(seen.records), *_allowed(seen)]
    lines += [f"not ready: {reason}" for reason in seen.reasons]
    return "\n".join(lines).rstrip() + "\n"


def _telling(records: Iterable[Record]) -> list[str]:
    """Breaches with their evidence; what is inconclusive for the same reason together."""
    lines: list[str] = []
    unknown: Counter[tuple[str, str]] = Counter()
    for record in records:
        question, verdict = record.question, record.verdict
        if verdict.state is State.BREACHED:
            lines += [
                f"BREACHED {question.identity} may {question.text} in {question.target} ({_evidence(record)})",
                f"         {question.reproduce(record.user)}",
            ]
        elif verdict.state is State.INCONCLUSIVE:
            unknown[question.identity, verdict.reason.value] += 1
    rows = (f"INCONCLUSIVE {count} of {who}: {reason}" for (who, reason), count in sorted(unknown.items()))
    return [*lines, *rows]


def _evidence(record: Record) -> str:
    seen = record.observation
    if is_network(record.question.check):
        return f"{record.verdict.reason.value}, {seen.place or 'place not known'}, challenge {seen.audit_id}"
    return f"HTTP {seen.code}, Audit-Id {seen.audit_id}"


def _allowed(seen: Outcome) -> list[str]:
    """What was let in and is wanted, with until when and by whom."""
    told = {row.name: row.text for row in seen.exceptions}
    return [
        f"ALLOWED {row.question.identity} may {row.question.text} in {row.question.target}: {told[row.verdict.by]}"
        for row in seen.records
        if row.verdict.by in told
    ]


def _row(record: Record) -> dict[str, object]:
    question, seen = record.question, record.observation
    return {
        "check": question.check,
        "question": question.text,
        "identity": question.identity,
        "target": question.target,
        "verdict": record.verdict.state.value,
        "reason": record.verdict.reason.value,
        "allowed_by": record.verdict.by,
        "answer": seen.answer.value,
        "code": seen.code,
        "audit_id": seen.audit_id,
        "took": round(seen.took, 6),
    }
