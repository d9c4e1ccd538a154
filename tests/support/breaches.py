"""Records and rounds as the engine makes them, for those who are told of them."""

from collections.abc import Mapping

from sentinel.core.answer import Answer, Observation
from sentinel.core.api.gates import Gate, Light
from sentinel.core.api.question import Question, in_namespace
from sentinel.core.api.resources import SECRETS
from sentinel.core.page import Party, Sender
from sentinel.core.record import GateRow, Record, Round, Series, series_of
from sentinel.core.standing import Standing, advance
from sentinel.core.verdict import Reason, State, Verdict

USER = "system:serviceaccount:team-a:sentinel"
LIST = in_namespace("self", "list", SECRETS, "team-b")
GET = in_namespace("self", "get", SECRETS, "team-b")
SERIES = series_of(LIST)
SENDER = Sender(
    cluster="prod-eu1",
    namespace="sentinel-system",
    tenant="team-a",
    parties=(
        Party("team-a", ("team-a",), owner="Payments", contact="#payments"),
        Party("team-b", ("team-b", "team-b-jobs"), owner="Search"),
    ),
)


def question_of(record: Record) -> Question:
    """What was asked of the API server."""
    assert isinstance(record.question, Question), "a record of the network"
    return record.question


_BREACHED = Verdict(State.BREACHED, Reason.SERVED)
_HELD = Verdict(State.HELD, Reason.DENIED)


class Belief:
    """One question's standing, moved by what is seen of it."""

    def __init__(self, question: Question = LIST, *, proven: float | None = None) -> None:
        self.question = question
        self.standing = Standing(last_proven=proven)
        self._round = 0

    def served(self, at: float, *, subsumed: bool = False) -> Record:
        """Let in."""
        seen = Observation(Answer.SERVED, at, code=406, audit_id="a-1")
        return self._record(seen, _BREACHED, subsumed=subsumed)

    def held(self, at: float) -> Record:
        """Denied, every gate green, in a round of its own."""
        return self._record(Observation(Answer.DENIED, at, code=403, audit_id="a-2"), _HELD)

    def blind(self, at: float) -> Record:
        """Nothing could be asked."""
        seen = Observation(Answer.SILENT, at)
        return self._record(seen, Verdict(State.INCONCLUSIVE, Reason.SILENT))

    def _record(self, seen: Observation, found: Verdict, *, subsumed: bool = False) -> Record:
        self._round += 1
        self.standing, change = advance(self.standing, found, seen, self._round)
        return Record(self.question, seen, found, self.standing, change, subsumed, user=USER)


def a_round(
    at: float,
    breach_since: Mapping[Series, float] | None = None,
    *,
    wrong: frozenset[str] = frozenset(),
    gates: tuple[GateRow, ...] = (),
) -> Round:
    """A round that ended; `breach_since` as believed, 0 for what is proven shut."""
    return Round(
        number=1,
        ended=at,
        took=0.5,
        questions=40,
        coverage=1.0,
        periods={1: 10.0, 2: 120.0, 3: 1800.0},
        gates=gates,
        breach_since=breach_since or {},
        wrong_identity=wrong,
    )


def whoami(identity: str, light: Light) -> GateRow:
    """The gate that says who we are."""
    return GateRow(Gate.WHOAMI, identity, light, since=0.0)
