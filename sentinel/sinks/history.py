r"""What the console shows: the latest of everything, in memory, and failures longer than successes.

    put --> latest per question        end_round --> the last round
        \-> rings, one per state
        \-> incidents: open ones, and the last that ended
        \-> turns of belief

Nothing is made into words until somebody looks: `snapshot` copies references, and all the rest is
done on the copy, which another thread may do.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sentinel import __version__
from sentinel.core.api.plan import Plan
from sentinel.core.asked import Asked, is_network
from sentinel.core.evidence import command, explanation
from sentinel.core.record import ExceptionRow, GateRow, Installed, Record, Round
from sentinel.core.standing import Breach, Standing, Turn
from sentinel.core.verdict import State

SUCCESSES_KEPT = 500
"""Records; a quarter of a minute at ten tenants, which is enough to see that it works."""
FAILURES_KEPT = 1000
"""Records of each other state: an outage must not wash away the breach before it."""
INCIDENTS_KEPT = 200
"""Breaches that ended; who comes on Monday wants to see the weekend's."""
TURNS_KEPT = 500
"""Turns of belief; a blind hour is two of each question."""
STRAYS_KEPT = 5000
"""Questions that no plan holds: the trip-wire asks what a Role names, and may name thousands."""
_TIDY_SECONDS = 60.0
_STRAY_PERIODS = 2.0
_NO_ROUND = ("no round has ended yet",)
_UNASKED = Standing()


@dataclass(frozen=True, slots=True)
class Incident:
    """A breach of one question, open or ended. Times are wall seconds."""

    question: Asked
    user: str
    breach: Breach
    last_proven: float | None
    subsumed: bool
    ending: Turn | None = None  # closed by proof, allowed, or forgotten; None while open

    def as_json(self, tenant: str) -> dict[str, Any]:
        """One row of `/api/v1/breaches`; `tenant` is whose sentinel was let in."""
        question, breach = self.question, self.breach
        return {
            "check": question.check,
            "question": question.text,
            "identity": question.identity,
            "tenant": tenant,
            "target": question.target,
            "since": breach.since,
            "last_proven": self.last_proven,
            "last": breach.last,
            "active": self.ending is None,
            "code": breach.code,
            "audit_id": breach.audit_id,
            "reproduce": command(question, self.user),
            "explain": explanation(question, self.user),
            "user": self.user,
            "reason": breach.reason.value,
            "cause": breach.cause,
            "place": breach.place,
            "closed_before": breach.closed_before,
            "ended": breach.ended,
            "ending": self.ending and self.ending.value,
            "subsumed": self.subsumed,
        }


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All of it at one moment. Nothing in it changes; rows are made when asked for."""

    tenant: str
    round: Round | None
    planned: tuple[Asked, ...]
    latest: Mapping[Asked, Standing]
    incidents: tuple[Incident, ...]
    records_: tuple[Record, ...]
    turns_: tuple[Record, ...]

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why we are not ready; empty when we are."""
        return _NO_ROUND if self.round is None else self.round.reasons

    def status(self) -> dict[str, Any]:
        """The answer to `/api/v1/status`. Times are wall seconds, null for never."""
        return {**self.summary(), "standings": self.standings()}

    def summary(self) -> dict[str, Any]:
        """The same without a row for each question."""
        report = self.round
        return {
            "tenant": self.tenant,
            "version": __version__,
            "ready": not self.reasons,
            "reasons": list(self.reasons),
            "coverage": report.coverage if report is not None else 0.0,
            "gates": [_gate_row(row) for row in report.gates] if report is not None else [],
            "installed": _installed_row(report.installed) if report is not None else None,
            "exceptions": [_exception_row(row) for row in report.exceptions] if report is not None else [],
            "round": _round_row(report) if report is not None else None,
        }

    def standings(self) -> list[dict[str, Any]]:
        """What is believed of each question; what is planned and was not asked yet is unproven."""
        all_ = dict.fromkeys(self.planned, _UNASKED) | dict(self.latest)
        return [_standing_row(question, standing) for question, standing in all_.items()]

    def breaches(self) -> list[dict[str, Any]]:
        """Open ones and those that ended, newest first."""
        newest = sorted(self.incidents, key=lambda incident: incident.breach.since, reverse=True)
        return [incident.as_json(self.tenant) for incident in newest]

    def records(
        self, check: str = "", target: str = "", limit: int = 100, *, held: bool | None = None
    ) -> list[dict[str, Any]]:
        """The last records, newest first; of one check or target, held or not held, only where that is named."""
        wanted = (
            record
            for record in sorted(self.records_, key=lambda record: record.observation.at, reverse=True)
            if (not check or record.question.check == check)
            and (not target or record.question.target == target)
            and (held is None or held is (record.verdict.state is State.HELD))
        )
        return [_record_row(record) for record, _ in zip(wanted, range(limit), strict=False)]

    def turns(self) -> list[dict[str, Any]]:
        """The last turns of belief that are no breach, newest first."""
        return [_turn_row(record) for record in reversed(self.turns_)]


class History:
    """The sink that keeps it. `put` copies nothing and makes nothing."""

    def __init__(self, tenant: str) -> None:
        """`tenant`: whose sentinel this is."""
        self.round: Round | None = None
        self.turned = 0
        """How often belief turned, or what keeps us from proving: whoever looks should look again."""
        self._tenant = tenant
        self._planned: dict[Asked, None] = {}
        self._latest: dict[Asked, Standing] = {}
        self._open: dict[Asked, Incident] = {}
        self._ended: deque[Incident] = deque(maxlen=INCIDENTS_KEPT)
        self._turns: deque[Record] = deque(maxlen=TURNS_KEPT)
        self._tidied = 0.0
        self._rings: dict[State, deque[Record]] = {
            State.HELD: deque(maxlen=SUCCESSES_KEPT),
            State.BREACHED: deque(maxlen=FAILURES_KEPT),
            State.INCONCLUSIVE: deque(maxlen=FAILURES_KEPT),
        }

    def expect(self, plan: Plan) -> None:
        """Show what this plan asks, also before it was asked, and nothing that it asks no more."""
        planned: dict[Asked, None] = dict.fromkeys(plan.questions)
        self.turned += planned != self._planned
        self._planned = planned
        self._latest = {
            question: standing
            for question, standing in self._latest.items()
            if question in self._planned or standing.breach is not None
        }

    def stand_by(self) -> None:
        """Forget what is believed but of the network: another pod asks, or we begin anew. What was seen stays."""
        self.turned += 1
        self.round = None
        self._planned = {}
        self._latest = {asked: known for asked, known in self._latest.items() if is_network(asked.check)}
        self._open = {asked: known for asked, known in self._open.items() if is_network(asked.check)}

    def put(self, record: Record) -> None:
        """Keep one question's answer."""
        self._latest[record.question] = record.standing
        self._rings[record.verdict.state].append(record)
        if record.change is not None or record.standing.breach is not None:
            self._note(record)

    def end_round(self, report: Round) -> None:
        """Keep what is believed."""
        if self.round is None or self.round.reasons != report.reasons:
            self.turned += 1
        self.round = report
        if report.ended - self._tidied >= _TIDY_SECONDS:
            self._tidied = report.ended
            self._tidy(report.ended - _STRAY_PERIODS * max(report.periods.values(), default=0.0))

    def snapshot(self) -> Snapshot:
        """A copy that stays as it is while we go on."""
        return Snapshot(
            tenant=self._tenant,
            round=self.round,
            planned=tuple(self._planned),
            latest=self._latest.copy(),
            incidents=(*self._open.values(), *self._ended),
            records_=tuple(record for ring in self._rings.values() for record in ring),
            turns_=tuple(self._turns),
        )

    def status(self) -> dict[str, Any]:
        """As `Snapshot.status`, of now."""
        return self.snapshot().status()

    def breaches(self) -> list[dict[str, Any]]:
        """As `Snapshot.breaches`, of now."""
        return self.snapshot().breaches()

    def records(self, check: str = "", target: str = "", limit: int = 100) -> list[dict[str, Any]]:
        """As `Snapshot.records`, of now."""
        return self.snapshot().records(check, target, limit)

    def _note(self, record: Record) -> None:
        question, standing, change = record.question, record.standing, record.change
        self.turned += change is not None
        if standing.breach is not None:
            self._open[question] = Incident(
                question, record.user, standing.breach, standing.last_proven, record.subsumed
            )
        elif change is not None and change.breach is not None:
            self._end(record, change.breach, change.turn)
        if change is not None and change.turn in (Turn.BLINDED, Turn.PROVEN):
            self._turns.append(record)

    def _end(self, record: Record, breach: Breach, turn: Turn) -> None:
        was = self._open.pop(record.question, None)
        user = record.user or (was.user if was is not None else "")
        proven = record.standing.last_proven or (was.last_proven if was is not None else None)
        subsumed = was.subsumed if was is not None else record.subsumed
        self._ended.append(Incident(record.question, user, breach, proven, subsumed, turn))
        if turn is Turn.FORGOTTEN:
            self._latest.pop(record.question, None)

    def _tidy(self, horizon: float) -> None:
        """Let go of strays that were not asked since `horizon`, and of the oldest beyond the limit."""
        strays = [
            question
            for question, standing in self._latest.items()
            if question not in self._planned and standing.breach is None
        ]
        surplus = max(0, len(strays) - STRAYS_KEPT)
        for number, question in enumerate(strays):
            if number < surplus or (self._latest[question].last_asked or 0.0) < horizon:
                del self._latest[question]


def _standing_row(question: Asked, standing: Standing) -> dict[str, Any]:
    return {
        "check": question.check,
        "question": question.text,
        "identity": question.identity,
        "target": question.target,
        "verdict": standing.state.value,
        "reason": standing.reason.value,
        "since": standing.since,
        "last_asked": standing.last_asked,
        "last_proven": standing.last_proven,
        "allowed_by": standing.verdict.by if standing.breach is None else "",
    }


def _exception_row(row: ExceptionRow) -> dict[str, Any]:
    wanted = row.allowance
    return {
        "exception": wanted.name,
        "from": wanted.source,
        "to": wanted.target,
        "what": wanted.what,
        "owner": wanted.owner,
        "reason": wanted.reason,
        "until": wanted.until.isoformat() if wanted.until is not None else None,
        "in_use": row.in_use,
        "expired": row.expired,
        "unused": row.unused,
    }


def _installed_row(found: Installed) -> dict[str, Any]:
    return {
        "read": found.read,
        "asked": found.asked,
        "left_out": found.left_out,
        "uncovered": list(found.uncovered),
        "stale": list(found.stale),
    }


def _gate_row(row: GateRow) -> dict[str, Any]:
    return {
        "gate": row.gate.value,
        "identity": row.identity,
        "up": row.light.up,
        "since": row.since,
        "detail": "" if row.light.up else row.light.detail,
        "target": row.target,
    }


def _round_row(report: Round) -> dict[str, Any]:
    return {
        "number": report.number,
        "ended": report.ended,
        "oldest_end": report.ended if report.oldest_end is None else report.oldest_end,
        "took": report.took,
        "questions": report.questions,
        "periods": {str(tier): period for tier, period in report.periods.items()},
        "oldest_proof": dict(report.oldest_proof),
        "latent": sorted(report.latent),
        "review_only": sorted(report.review_only),
        "incomplete": sorted(report.incomplete),
        "wrong_identity": sorted(report.wrong_identity),
        "unattributed": [
            {"check": check, "target": target, "since": since}
            for (check, target), since in sorted(report.unattributed.items())
            if since
        ],
        "not_applicable": {target: list(ways) for target, ways in report.not_applicable.items()},
    }


def _record_row(record: Record) -> dict[str, Any]:
    question, seen = record.question, record.observation
    return {
        "at": seen.at,
        "check": question.check,
        "question": question.text,
        "identity": question.identity,
        "target": question.target,
        "answer": seen.answer.value,
        "code": seen.code,
        "took": round(seen.took, 6),
        "verdict": record.verdict.state.value,
        "reason": record.verdict.reason.value,
        "detail": seen.detail,
        "place": seen.place,
        "audit_id": seen.audit_id,
        "asked": record.asked,
        "subsumed": record.subsumed,
        "turn": record.change.turn.value if record.change is not None else None,
    }


def _turn_row(record: Record) -> dict[str, Any]:
    change = record.change
    assert change is not None, "only turns are kept"
    proven = change.turn is Turn.PROVEN
    return {
        "at": change.at,
        "turn": change.turn.value,
        "check": record.question.check,
        "question": record.question.text,
        "identity": record.question.identity,
        "target": record.question.target,
        # What was in the way, or is.
        "reason": (change.before if proven else change.after).reason.value,
    }
