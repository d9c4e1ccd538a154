"""The last results in memory, failures kept longer than successes; what the console shows."""

from collections import OrderedDict, deque
from dataclasses import dataclass
from itertools import islice

from sentinel.core.question import Question
from sentinel.core.record import GateRow, Record, Round
from sentinel.core.standing import Breach, Turn
from sentinel.core.verdict import State

_RECORDS = 1_000
_FAILURES = 1_000
_BREACHES = 500


@dataclass(slots=True)
class _Seen:
    """A breach, open or ended, and the last record that spoke of it."""

    breach: Breach
    record: Record


class History:
    """The sink that remembers."""

    def __init__(self, tenant: str) -> None:
        """Nothing was seen yet."""
        self.tenant = tenant
        self.round: Round | None = None
        self.latest: dict[Question, Record] = {}
        self._records: deque[Record] = deque(maxlen=_RECORDS)
        self._failures: deque[Record] = deque(maxlen=_FAILURES)
        self._breaches: OrderedDict[tuple[Question, float], _Seen] = OrderedDict()

    def put(self, record: Record) -> None:
        """Remember a record."""
        self.latest[record.question] = record
        self._records.append(record)
        if record.verdict.state is not State.HELD:
            self._failures.append(record)
        change = record.change
        breach = change.breach if change is not None else record.standing.breach
        if breach is not None:
            self._remember(record, breach)
        if change is not None and change.turn is Turn.FORGOTTEN:
            del self.latest[record.question]

    def end_round(self, report: Round) -> None:
        """Remember what is believed."""
        self.round = report

    def status(self) -> dict[str, object]:
        """As `/api/v1/status` gives it."""
        report = self.round
        return {
            "standings": [_standing_row(record) for record in self.latest.values()],
            "gates": [_gate_row(row) for row in report.gates] if report is not None else [],
            "coverage": report.coverage if report is not None else 0.0,
            "tenant": self.tenant,
        }

    def breaches(self) -> list[dict[str, object]]:
        """As `/api/v1/breaches` gives them: newest first, kept after they end."""
        rows = (self._breach_row(seen) for seen in self._breaches.values())
        return sorted(rows, key=lambda row: -float(str(row["since"])))

    def records(self, check: str, target: str, limit: int) -> list[dict[str, object]]:
        """The newest records, failures among them for longer."""
        both = sorted({*map(id, self._records), *map(id, self._failures)})
        known = {id(record): record for record in (*self._failures, *self._records)}
        found = (known[one] for one in both)
        wanted = [
            record
            for record in found
            if (not check or record.question.check == check) and (not target or record.question.target == target)
        ]
        newest = sorted(wanted, key=lambda record: -record.observation.at)
        return [_record_row(record) for record in islice(newest, limit)]

    def _remember(self, record: Record, breach: Breach) -> None:
        self._breaches[record.question, breach.since] = _Seen(breach, record)
        while len(self._breaches) > _BREACHES:
            self._breaches.popitem(last=False)

    def _breach_row(self, seen: _Seen) -> dict[str, object]:
        question, breach = seen.record.question, seen.breach
        return {
            "check": question.check,
            "question": question.text,
            "identity": question.identity,
            "tenant": self.tenant,
            "target": question.target,
            "since": breach.since,
            "last_proven": seen.record.standing.last_proven,
            "last": breach.last,
            "active": breach.ended is None,
            "code": breach.code,
            "audit_id": breach.audit_id,
            "reproduce": question.reproduce(seen.record.user),
            "cause": breach.cause,
            "closed_before": breach.closed_before,
            "ended": breach.ended,
            "subsumed": seen.record.subsumed,
        }


def _standing_row(record: Record) -> dict[str, object]:
    question, standing = record.question, record.standing
    return {
        "check": question.check,
        "question": question.text,
        "identity": question.identity,
        "target": question.target,
        "verdict": standing.state.value,
        "reason": standing.reason.value,
        "since": standing.since,
        "last_proven": standing.last_proven,
    }


def _gate_row(row: GateRow) -> dict[str, object]:
    return {
        "gate": row.gate.value,
        "identity": row.identity,
        "target": row.target,
        "up": row.light.up,
        "since": row.since,
        "detail": row.light.detail,
    }


def _record_row(record: Record) -> dict[str, object]:
    question, seen = record.question, record.observation
    return {
        "at": seen.at,
        "check": question.check,
        "question": question.text,
        "identity": question.identity,
        "target": question.target,
        "answer": seen.answer.value,
        "code": seen.code,
        "took": seen.took,
        "detail": seen.detail,
        "audit_id": seen.audit_id,
        "verdict": record.verdict.state.value,
        "reason": record.verdict.reason.value,
    }
