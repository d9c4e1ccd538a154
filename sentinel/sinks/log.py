"""One structured line per change of belief, on standard error.

A breach is told at once, with all its evidence. What was blinded or proven is gathered until the
round ends and told by target and reason: an API server that goes away blinds five hundred questions
in one round, and says so in one line.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import structlog

from sentinel.core.api.gates import Gate, Light
from sentinel.core.evidence import command, window
from sentinel.core.net.net_gates import NetGate
from sentinel.core.page import rfc3339
from sentinel.core.record import ExceptionRow, GateRow, Record, Round
from sentinel.core.standing import Breach, Turn
from sentinel.core.verdict import Reason

TARGETS_TOLD = 3
"""One by one; of more, the names are given in one line."""
NAMES_TOLD = 20
"""Of targets in one line."""
_DEBUG = 10


class _Turned(NamedTuple):
    """What is told together."""

    turn: Turn
    reason: Reason


class LogSink:
    """The sink that writes the lines. `put` and `end_round` do no more than that."""

    def __init__(self, **bound: str) -> None:
        """Takes the level that is configured now; `bound` stands in every line."""
        self._log = structlog.get_logger().bind(**bound)
        self._debug: bool = self._log.is_enabled_for(_DEBUG)
        self._turned: dict[_Turned, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        self._lights: dict[tuple[Gate | NetGate, str, str], GateRow] = {}
        self._flags: dict[str, frozenset[str]] = {}
        self._ready: bool | None = None

    def put(self, record: Record) -> None:
        """Tell a breach now; gather the rest."""
        if self._debug:
            self._log.debug("question.asked", **_asked(record))
        change = record.change
        if change is None:
            return
        if change.breach is not None and change.turn is not Turn.BLINDED:
            self._tell_breach(record, change.breach, change.turn)
        else:
            # Of what is proven now: what was in the way until now.
            source = change.before if change.turn is Turn.PROVEN else change.after
            self._turned[_Turned(change.turn, source.verdict.reason)][record.question.target] += 1

    def end_round(self, report: Round) -> None:
        """Tell what the round changed."""
        self._tell_turned()
        self._tell_gates(report)
        self._tell_flags(report)
        self._tell_ready(report)
        if self._debug:
            took = round(report.took, 3)
            self._log.debug("round.ended", number=report.number, took=took, questions=report.questions)

    def _tell_breach(self, record: Record, breach: Breach, turn: Turn) -> None:
        loud = self._log.error if turn is Turn.OPENED else self._log.warning
        tell = self._log.info if record.subsumed else loud
        tell(f"breach.{turn.value}", **_evidence(record, breach))

    def _tell_turned(self) -> None:
        for (turn, reason), targets in self._turned.items():
            tell = self._log.warning if turn is Turn.BLINDED else self._log.info
            for names in _grouped(targets):
                count = sum(targets[name] for name in names.all)
                tell(f"question.{turn.value}", **names.told, reason=reason.value, questions=count)
        self._turned.clear()

    def _tell_gates(self, report: Round) -> None:
        rows = {(row.gate, row.identity, row.target): row for row in report.gates}
        turned: dict[tuple[Gate | NetGate, str, bool], list[GateRow]] = defaultdict(list)
        for key, row in rows.items():
            before = self._lights.get(key)
            # A gate that is green from the start is not news.
            if row.light.up != (before is None or before.light.up):
                turned[row.gate, row.identity, row.light.up].append(row)
        for (gate, identity, up), changed in turned.items():
            for names in _grouped({row.target: 1 for row in changed}):
                row = next(row for row in changed if row.target in names.all)
                self._tell_gate(gate, identity, row, names, up=up)
        self._lights = rows

    def _tell_gate(self, gate: Gate | NetGate, identity: str, row: GateRow, names: "_Names", *, up: bool) -> None:
        told = {name: value for name, value in names.told.items() if value}
        if up:
            before = self._lights[row.gate, row.identity, row.target]
            told["red_for"] = round(max(0.0, row.since - before.since), 1)
            self._log.info("gate.green", gate=gate.value, identity=identity, **told)
        else:
            told["detail"] = row.light.detail
            self._log.warning("gate.red", gate=gate.value, identity=identity, **told)

    def _tell_flags(self, report: Round) -> None:
        whoami = {row.identity: row.light for row in report.gates if row.gate is Gate.WHOAMI}
        for flag in _FLAGS:
            now = flag.raised(report)
            before = self._flags.get(flag.raised_event, frozenset())
            if risen := sorted(now - before):
                tell = self._log.error if flag.loud else self._log.warning
                tell(flag.raised_event, **{flag.of: risen[:NAMES_TOLD]}, **flag.more(whoami, risen))
            if fallen := sorted(before - now):
                self._log.info(flag.fallen_event, **{flag.of: fallen[:NAMES_TOLD]})
            self._flags[flag.raised_event] = now

    def _tell_ready(self, report: Round) -> None:
        ready = not report.reasons
        if ready and self._ready is not True:
            self._log.info("sentinel.ready")
        if not ready and self._ready is not False:
            self._log.warning("sentinel.not_ready", reasons=list(report.reasons))
        self._ready = ready


class _Names(NamedTuple):
    """Targets of one line: those it is about, and how it names them."""

    all: tuple[str, ...]
    told: dict[str, Any]


def _grouped(targets: Iterable[str]) -> list[_Names]:
    """A line for each of a few targets, one line for many."""
    names = sorted(targets)
    if len(names) <= TARGETS_TOLD:
        return [_Names((name,), {"target": name}) for name in names]
    return [_Names(tuple(names), {"targets": names[:NAMES_TOLD], "target_count": len(names)})]


@dataclass(frozen=True, slots=True)
class _Flag:
    """A set in the round whose rise and fall is news."""

    raised_event: str
    fallen_event: str
    raised: Callable[[Round], frozenset[str]]
    of: str = "targets"
    loud: bool = False

    def more(self, whoami: Mapping[str, Light], risen: list[str]) -> dict[str, Any]:
        """What whoami says, where it is about identities."""
        if self.of != "identities":
            return {}
        return {"detail": "; ".join(whoami[who].detail for who in risen if who in whoami)}


def _named(report: Round, wanted: Callable[[ExceptionRow], bool]) -> frozenset[str]:
    return frozenset(row.allowance.name for row in report.exceptions if wanted(row))


_FLAGS = (
    _Flag("identity.wrong", "identity.right", lambda r: r.wrong_identity, "identities", loud=True),
    _Flag("grant.latent", "grant.latent_gone", lambda r: r.latent),
    _Flag("grant.review_only", "grant.review_only_gone", lambda r: r.review_only),
    _Flag("tripwire.incomplete", "tripwire.complete", lambda r: r.incomplete),
    _Flag("types.uncovered", "types.covered", lambda r: frozenset(r.installed.uncovered), "types"),
    _Flag("types.stale", "types.answering", lambda r: frozenset(r.installed.stale), "groups"),
    _Flag("exception.expired", "exception.renewed", lambda r: _named(r, lambda row: row.expired), "exceptions"),
    _Flag("exception.unused", "exception.needed", lambda r: _named(r, lambda row: row.unused), "exceptions"),
)


def _evidence(record: Record, breach: Breach) -> dict[str, Any]:
    question = record.question
    told: dict[str, Any] = {
        "check": question.check,
        "question": question.text,
        "identity": question.identity,
        "user": record.user,
        "target": question.target,
        "code": breach.code,
        "audit_id": breach.audit_id,
        "reason": breach.reason.value,
        "window": window(breach),
        "cause": breach.cause,
        **({"place": breach.place} if breach.place else {}),
        "reproduce": command(question, record.user),
        "subsumed": record.subsumed,
    }
    if record.verdict.by:
        told["allowed_by"] = record.verdict.by
    if breach.ended is not None:
        told["ended"] = rfc3339(breach.ended)
        told["open_for"] = round(max(0.0, breach.ended - breach.since), 1)
    return told


def _asked(record: Record) -> dict[str, Any]:
    question, seen = record.question, record.observation
    return {
        "check": question.check,
        "question": question.text,
        "identity": question.identity,
        "target": question.target,
        "answer": seen.answer.value,
        "code": seen.code,
        "verdict": record.verdict.state.value,
        "reason": record.verdict.reason.value,
        "took": round(seen.took, 4),
        "audit_id": seen.audit_id,
    }
