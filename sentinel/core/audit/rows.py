"""Rows: what the journal holds, kind by kind, as it is written; each is one line of its own.

    file  torn  lost                      about the journal itself (chain.py, clients/journal_file.py)
    process                               started, reloaded, stopped
    asked                                 every request that was sent (core/api/ledger.py)
    round                                 what is believed of one tenant: coverage, proofs, what is open or inconclusive
    opened closed allowed blinded proven forgotten      belief about one question turned
    paged                                 a push was accepted for the first time
    drilled                               a drill is over, with all that it says (reports/drill.py)
    episode                               users of a gateway were without an answer

No secret and nothing of a tenant's is in any of them: names, verbs, closed words, times and numbers.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sentinel import __version__
from sentinel.core.api.reply import clean
from sentinel.core.gateway import course_json
from sentinel.core.gateway.course import Course
from sentinel.core.page import Alert, rfc3339
from sentinel.core.record import Record, Round, Series
from sentinel.core.standing import Breach
from sentinel.core.verdict import Reason, State


def process_row(turn: str, by: str, **about: Any) -> dict[str, Any]:
    """The process began, took another configuration, or ends as it was told. `by`: whose journal it is."""
    return {"event": "process", "turn": turn, "by": by, "version": __version__, **about}


def record_row(record: Record, tenant: str = "") -> dict[str, Any]:
    """A change of belief about one question."""
    assert record.change is not None, "only changes are noted"
    question, seen = record.question, record.observation
    row: dict[str, Any] = {
        "event": record.change.turn.value,
        "tenant": tenant,
        "check": question.check,
        "question": clean(question.text),
        "identity": question.identity,
        "user": clean(record.user),
        "target": question.target,
        "answer": seen.answer.value,
        "verdict": record.verdict.state.value,
        "reason": record.verdict.reason.value,
        "code": seen.code,
        "audit_id": clean(seen.audit_id, 64),
        "subsumed": record.subsumed,
    }
    if record.change.breach is not None:
        row["breach"] = _breach_row(record.change.breach)
    return row


def drilled_row(result: Mapping[str, Any]) -> dict[str, Any]:
    """A drill is over. `result`: as `sentinel drill run -o json` says it."""
    return {"event": "drilled", **result}


@dataclass
class Tally:
    """What was answered since the last line about a round: verdicts, and proven denials by target."""

    verdicts: Counter[str] = field(default_factory=Counter)
    proofs: Counter[str] = field(default_factory=Counter)
    rounds: int = 0
    questions: int = 0
    coverage: float = 1.0
    took: float = 0.0

    def take(self, record: Record) -> None:
        """One question was asked and judged."""
        if not record.asked:
            return
        verdict = record.verdict
        self.verdicts[verdict.state.value] += 1
        if verdict.state is State.HELD and verdict.reason is not Reason.ALLOWED:
            self.proofs[record.question.target] += 1

    def end(self, report: Round) -> None:
        """A round ended."""
        self.rounds += 1
        self.questions += report.questions
        self.coverage = min(self.coverage, report.coverage)
        self.took = max(self.took, report.took)


def round_row(
    report: Round, tenant: str = "", tally: Tally | None = None, unwatched: int | None = None
) -> dict[str, Any]:
    """What is believed when a round ends; of several that say the same the last, with sums, lowest and longest."""
    if tally is None:
        tally = Tally()
        tally.end(report)
    return {
        "event": "round",
        "tenant": tenant,
        "number": report.number,
        "rounds": tally.rounds,
        "took": round(tally.took, 3),
        "questions": tally.questions,
        "verdicts": dict(tally.verdicts),
        "proofs": dict(tally.proofs),
        "coverage": round(tally.coverage, 4),
        "oldest_proof": {target: rfc3339(at) for target, at in report.oldest_proof.items()},
        **believed(report),
        **({"unwatched": unwatched} if unwatched is not None else {}),
    }


def believed(report: Round) -> dict[str, Any]:
    """What of a round is news when it is another than before: all but times and counts."""
    told = {
        "uncovered": list(report.installed.uncovered),
        "left_out": report.installed.left_out,
        "review_only": sorted(report.review_only),
        "incomplete": sorted(report.incomplete),
        "wrong_identity": sorted(report.wrong_identity),
        "not_applicable": {target: list(ways) for target, ways in sorted(report.not_applicable.items())},
        "unattributed": _unattributed(report),
    }
    return {
        "breaches": _open(report.breach_since),
        "inconclusive": {
            target: sorted(reason.value for reason in reasons)
            for target, reasons in sorted(report.inconclusive.items())
            if reasons
        },
        "gates_down": sorted({row.gate.value for row in report.gates if not row.light.up}),
        **{name: value for name, value in told.items() if value},
    }


def paged_row(alert: Alert, series: Series, tenant: str, since: float, seconds: float) -> dict[str, Any]:
    """An Alertmanager, or the witness, took a page for the first time. `seconds`: since the first evidence."""
    return {
        "event": "paged",
        "alert": alert.value,
        "tenant": tenant,
        **series._asdict(),
        "since": rfc3339(since),
        "seconds": round(seconds, 3),
    }


def episode_row(course: Course) -> dict[str, Any]:
    """Users of a gateway were without an answer: the bounds, and the probes they were seen by."""
    return {"event": "episode", "gateway": course.gateway, "course": course_json.written(course)}


def _open(breach_since: Mapping[Series, float]) -> list[dict[str, Any]]:
    return [{**series._asdict(), "since": rfc3339(since)} for series, since in sorted(breach_since.items()) if since]


def _unattributed(report: Round) -> list[dict[str, Any]]:
    rows = sorted(report.unattributed.items())
    return [{"check": check, "target": target, "since": rfc3339(since)} for (check, target), since in rows if since]


def _breach_row(breach: Breach) -> dict[str, Any]:
    def moment(at: float | None) -> str | None:
        return None if at is None else rfc3339(at)

    return {
        "since": moment(breach.since),
        "last": moment(breach.last),
        "closed_before": moment(breach.closed_before),
        "ended": moment(breach.ended),
        "code": breach.code,
        "audit_id": clean(breach.audit_id, 64),
        "cause": clean(breach.cause, 300),
        **({"place": clean(breach.place, 200)} if breach.place else {}),
    }
