"""The book of the network, and of gateways: what is believed of every way, and the one place where it changes.

    observation, bracket --judge--> verdict --advance--> standing, change --> Record --> sinks

It knows no kind of question: whoever asks (crossings, names, kubelets, metadata) says under a name of its
own what it plans, hands in what came back, and ends its rounds. As in `engine/book.py`, nothing but
two rounds of proof ends a breach.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sentinel.core import standing, verdict
from sentinel.core.answer import Answer, Observation
from sentinel.core.api.gates import Light
from sentinel.core.asked import Asked
from sentinel.core.belief import FRESH_PERIODS
from sentinel.core.net.net_gates import NetGate
from sentinel.core.record import GateRow, Record, Round, Series, forgotten, series_of
from sentinel.core.standing import PROOFS_TO_CLOSE, Standing
from sentinel.core.verdict import Bracket, Expect, Reason, State, Verdict
from sentinel.engine.book import FORGET_SECONDS
from sentinel.kinds import Kind, Sink

TIER = "network"
"""The tier of `sentinel_period_seconds`."""
_NEW = Standing()
_GRAVITY = (State.HELD, State.INCONCLUSIVE, State.BREACHED)

Try = tuple[Observation, Bracket]
"""What came back on one socket, and the gates around it."""


@dataclass(frozen=True, slots=True)
class Planned:
    """What one of those who ask has on its list, and how often it asks all of it, seconds."""

    asked: tuple[Asked, ...]
    period: float


@dataclass
class Crossings:
    """What is believed. Times in wall seconds. `user`: as whom we run, for the command in a page."""

    started: float
    sinks: tuple[Sink, ...] = ()
    user: str = ""
    identity: str = "self"
    tier: str = TIER
    standings: dict[Asked, Standing] = field(default_factory=dict)
    gates: dict[tuple[NetGate, str], GateRow] = field(default_factory=dict)
    not_applicable: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    number: int = 0
    _plans: dict[str, Planned] = field(default_factory=dict)
    _known_since: dict[Asked, float] = field(default_factory=dict)
    _suspects: set[tuple[str, str]] = field(default_factory=set)
    _forgotten: set[Series] = field(default_factory=set)

    @property
    def planned(self) -> tuple[Asked, ...]:
        """Everything that anybody asks."""
        return tuple(dict.fromkeys(asked for plan in self._plans.values() for asked in plan.asked))

    def plan(self, source: str, asked: Iterable[Asked], period: float, now: float) -> None:
        """Take what `source` asks from now on; of what it asks no more, only breaches are kept."""
        self._plans[source] = Planned(tuple(dict.fromkeys(asked)), period)
        planned = dict.fromkeys(self.planned)
        self._known_since = {each: self._known_since.get(each, now) for each in planned}
        self.standings = {q: seen for q, seen in self.standings.items() if q in planned or seen.breach is not None}

    def unplan(self, now: float) -> None:
        """Nothing is asked any more by anybody: what stands open ends as everything does that is not configured."""
        for source in [*self._plans]:
            self.plan(source, (), 0.0, now)
        self._plans.clear()
        self.gates.clear()
        self.not_applicable = {}

    def opened(self, kind: type[Kind]) -> list[Kind]:
        """What stands open of this kind of question."""
        return [asked for asked, seen in self.standings.items() if seen.breach is not None and isinstance(asked, kind)]

    def take(
        self,
        asked: Asked,
        seen: Observation,
        bracket: Bracket,
        round_: int | None = None,
        *,
        silence_counts: bool = True,
        allowed: str = "",
    ) -> Record:
        """Judge what came back to one question.

        `round_`: of its source, None where each question is asked once in a round. `silence_counts`: what
        got lost is a denial here, if every gate is green. `allowed`: the exception that wants us let in.
        """
        found = _judge((seen, bracket), silence_counts=silence_counts, allowed=allowed)
        return self._believe(asked, seen, found, round_)

    def take_worst(self, asked: Asked, tries: Sequence[Try], round_: int) -> Record:
        """The same of several sockets, one at least: one that got through is a breach, one blind one spoils proof."""
        judged = [(_judge(each, silence_counts=True), each[0]) for each in tries]
        found, seen = max(judged, key=_gravity)
        return self._believe(asked, seen, found, round_)

    def unasked(self, asked: Asked, reason: Reason, now: float, round_: int, detail: str) -> Record:
        """Note that a question was due and could not be asked."""
        seen = Observation(Answer.UNASKED, now, detail=detail)
        return self._believe(asked, seen, Verdict(State.INCONCLUSIVE, reason), round_, asked_for_real=False)

    def see(self, gate: NetGate, light: Light, now: float, target: str = "") -> None:
        """Remember a gate for those who look; `target` where it is one target's."""
        before = self.gates.get((gate, target))
        same = before is not None and before.light.up == light.up
        since = before.since if before is not None and same else now
        self.gates[gate, target] = GateRow(gate, self.identity, light, since, target)

    def look_only_at(self, targets: Iterable[str]) -> None:
        """Let go of the gates of targets that are not asked about any more."""
        known = {"", *targets}
        self.gates = {key: row for key, row in self.gates.items() if key[1] in known}

    def end(self, now: float, took: float, asked: int) -> Round:
        """Sum up what is believed and tell the sinks. `took` in seconds."""
        self.number += 1
        self._forget(now)
        planned = self.planned
        report = Round(
            number=self.number,
            ended=now,
            took=took,
            questions=asked,
            coverage=self._coverage(now),
            periods=self._periods(),
            gates=tuple(self.gates.values()),
            breach_since=self._breach_since(planned),
            oldest_proof=self.oldest_proofs(),
            inconclusive=self._inconclusive(planned),
            planned=len(planned),
            unattributed=self._unattributed(),
            not_applicable=self.not_applicable,
        )
        for sink in self.sinks:
            sink.end_round(report)
        return report

    def oldest_proofs(self) -> dict[str, float]:
        """Per target the oldest last proof of a crossing; what was never proven counts from when we first knew of it.

        What surrounds the pods is nobody's namespace: that it cannot be proven shows in the coverage and
        among the reasons, and makes no target look blind.
        """
        oldest: dict[str, float] = {}
        crossings = self._plans.get(self.tier)
        for asked in crossings.asked if crossings is not None else ():
            proof = self.standings.get(asked, _NEW).last_conclusive or self._known_since[asked]
            oldest[asked.target] = min(oldest.get(asked.target, proof), proof)
        return oldest

    def _believe(
        self, asked: Asked, seen: Observation, found: Verdict, round_: int | None, *, asked_for_real: bool = True
    ) -> Record:
        before = self.standings.get(asked, _NEW)
        after, change = standing.advance(before, found, seen, before.round + 1 if round_ is None else round_)
        self.standings[asked] = after
        self._forgotten.discard(series_of(asked))
        record = Record(asked, seen, found, after, change, asked=asked_for_real, user=self.user)
        self._tell(record)
        return record

    def _tell(self, record: Record) -> None:
        for sink in self.sinks:
            sink.put(record)

    def _periods(self) -> dict[int | str, float]:
        # That of the crossings, where there are any: the others are asked rarely, on purpose.
        plans = [self._plans[self.tier]] if self.tier in self._plans else [*self._plans.values()]
        return {self.tier: max(plan.period for plan in plans)} if plans else {}

    def _coverage(self, now: float) -> float:
        total = fresh = 0
        for plan in self._plans.values():
            horizon = now - FRESH_PERIODS * plan.period
            for asked in plan.asked:
                proof = self.standings.get(asked, _NEW).last_conclusive
                total += 1
                fresh += proof is not None and proof >= horizon
        return fresh / total if total else 0.0

    def _breach_since(self, planned: Iterable[Asked]) -> dict[Series, float]:
        """First evidence per series with an open breach, 0 per series of which all is proven shut."""
        shut: dict[Series, bool] = dict.fromkeys(self._forgotten, True)
        for asked in dict.fromkeys([*planned, *self.standings]):
            series = series_of(asked)
            held = self.standings.get(asked, _NEW).streak >= PROOFS_TO_CLOSE
            shut[series] = shut.get(series, True) and held
        found = {series: 0.0 for series, all_held in shut.items() if all_held}
        for asked, seen in self.standings.items():
            if seen.breach is not None and seen.breach.is_attributed:
                series = series_of(asked)
                found[series] = min(found.get(series) or seen.breach.since, seen.breach.since)
        return found

    def _unattributed(self) -> dict[tuple[str, str], float]:
        found: dict[tuple[str, str], float] = {}
        for asked, seen in self.standings.items():
            if seen.breach is not None and not seen.breach.is_attributed:
                key = asked.check, asked.target
                found[key] = min(found.get(key, seen.breach.since), seen.breach.since)
        # One that is not open any more was closed by proof, or has a name now.
        over = dict.fromkeys(self._suspects - found.keys(), 0.0)
        self._suspects |= found.keys()
        return over | found

    def _inconclusive(self, planned: Iterable[Asked]) -> dict[str, frozenset[Reason]]:
        reasons: dict[str, set[Reason]] = defaultdict(set)
        for asked in planned:
            last = self.standings.get(asked, _NEW).verdict
            if last.state is State.INCONCLUSIVE and last.reason is not Reason.UNPROVEN:
                reasons[asked.target].add(last.reason)
        return {target: frozenset(found) for target, found in reasons.items()}

    def _forget(self, now: float) -> None:
        """Close what nobody asks any more, when long enough has passed."""
        planned = set(self.planned)
        for asked, seen in list(self.standings.items()):
            if asked in planned or (seen.last_asked or now) >= now - FORGET_SECONDS:
                continue
            del self.standings[asked]
            if seen.breach is not None:
                self._forgotten.add(series_of(asked))
                self._tell(forgotten(asked, seen, now))


def _judge(one: Try, *, silence_counts: bool, allowed: str = "") -> Verdict:
    seen, gates = one
    return verdict.judge(
        seen.answer, Expect.DENIED, gates, silence_counts=silence_counts, mark=seen.mark, allowed=allowed
    )


def _gravity(judged: tuple[Verdict, Observation]) -> tuple[int, bool]:
    found, _ = judged
    # Of two that got through, the one that says who it was.
    return _GRAVITY.index(found.state), found.reason is not Reason.UNATTRIBUTED
