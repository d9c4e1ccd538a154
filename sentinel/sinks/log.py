"""One structured line per change of belief, made to be read with `kubectl logs` at night.

An outage turns hundreds of questions at once; they are told together, per target and reason.
"""

from collections import Counter
from datetime import UTC, datetime

import structlog

from sentinel.core.gates import Gate
from sentinel.core.record import Record, Round
from sentinel.core.standing import Breach, Change, Turn

_log = structlog.get_logger("sentinel")


class LogSink:
    """The sink that logs."""

    def __init__(self) -> None:
        """Nothing was seen yet."""
        self._turned: Counter[tuple[Turn, str, str, str]] = Counter()
        self._lights: dict[tuple[Gate, str, str], bool] = {}

    def put(self, record: Record) -> None:
        """A breach at once; what was blinded or proven at the end of the round."""
        change = record.change
        if change is None:
            return
        match change.turn:
            case Turn.OPENED | Turn.CLOSED | Turn.FORGOTTEN:
                _tell_breach(record, change)
            case Turn.BLINDED | Turn.PROVEN:
                question, reason = record.question, record.verdict.reason.value
                self._turned[change.turn, question.identity, question.target, reason] += 1

    def end_round(self, report: Round) -> None:
        """The round's turns together, and each gate that turned."""
        for (turn, identity, target, reason), count in self._turned.items():
            tell = _log.warning if turn is Turn.BLINDED else _log.info
            tell(f"question.{turn.value}", identity=identity, target=target, reason=reason, questions=count)
        self._turned.clear()
        for row in report.gates:
            key = (row.gate, row.identity, row.target)
            up = row.light.up
            if self._lights.get(key, True) != up:
                tell = _log.info if up else _log.warning
                event = "gate.green" if up else "gate.red"
                tell(event, gate=row.gate.value, identity=row.identity, target=row.target, detail=row.light.detail)
            self._lights[key] = up


def _tell_breach(record: Record, change: Change) -> None:
    question, breach = record.question, change.breach
    if breach is None:
        return
    tell = _log.error if change.turn is Turn.OPENED and not record.subsumed else _log.info
    tell(
        f"breach.{change.turn.value}",
        check=question.check,
        question=question.text,
        identity=question.identity,
        user=record.user,
        target=question.target,
        code=breach.code,
        audit_id=breach.audit_id,
        window=_window(breach),
        cause=breach.cause,
        reproduce=question.reproduce(record.user),
        subsumed=record.subsumed,
    )


def _window(breach: Breach) -> str:
    """The exposure window: between the last proof that it was shut and the proof that it is again."""
    before = "never proven closed" if breach.closed_before is None else f"proven closed at {_iso(breach.closed_before)}"
    ended = "" if breach.ended is None else f", proven closed again at {_iso(breach.ended)}"
    return f"{before}, open at {_iso(breach.since)}{ended}"


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
