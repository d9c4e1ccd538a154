"""A cluster of many targets as a sentinel believes it to be, a few of them in trouble: for what is shown of it."""

from dataclasses import replace

from sentinel.core.api.gates import Gate, Light
from sentinel.core.api.plan import Plan, Scope, make
from sentinel.core.api.question import Question
from sentinel.core.record import GateRow
from sentinel.core.standing import Standing
from sentinel.core.verdict import Reason, State, Verdict
from sentinel.sinks.history import History
from tests.support.breaches import Belief, a_round

NOON = 1_795_230_000.0
_DENIED = Verdict(State.HELD, Reason.DENIED)


def plan(targets: int, tenant: str = "team-0000") -> Plan:
    """What `tenant` asks of so many others."""
    names = [f"team-{number:04}" for number in range(1, targets + 1)]
    return make(
        Scope(
            tenant=tenant,
            tenants=((tenant, (tenant,)), *((name, (name,)) for name in names if name != tenant)),
            system=("kube-system",),
            accounts=("self",),
            anonymous=(),
            every=10.0,
            within=120.0,
            sweep=1800.0,
            timeout=4.0,
            qps=100.0,
        )
    )


def wide(targets: int, *, opened: int = 0, blind: int = 0, tenant: str = "team-0000", now: float = NOON) -> History:
    """All proven within the last two minutes, but the first `opened`, which are open, and the next `blind`."""
    kept, known = History(tenant), plan(targets, tenant)
    kept.expect(known)
    names = sorted({question.target for question in known.questions if question.target.startswith("team-")})
    broken, dark = set(names[:opened]), set(names[opened : opened + blind])
    for number, question in enumerate(known.questions):
        at = now - 1 - number % 110
        if question.target in broken and _first(question):
            kept.put(Belief(question, proven=now - 40).served(now - 25))
        elif question.target in dark and question.verb == "list":
            kept.put(Belief(question, proven=now - 300).blind(now - 5))
        else:
            standing = Standing(_DENIED, now - 3600, at, at, at, streak=2, round=1)
            kept._latest[question] = standing
    gates = tuple(GateRow(gate, "self", Light(up=True), now - 3600) for gate in Gate)
    kept.end_round(replace(a_round(now - 2, gates=gates), coverage=1.0 if not dark else 0.97))
    return kept


def _first(question: Question) -> bool:
    return question.check == "api/secrets" and question.verb in ("get", "list")
