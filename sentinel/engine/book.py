"""The book: the only memory of what is believed, and the one place where it changes.

    observation --judge--> verdict --advance--> standing, change --> Record --> sinks

Nothing flows back: a sink never calls the engine.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from sentinel.core import agenda, belief, standing, verdict
from sentinel.core.agenda import Agenda, Rotation
from sentinel.core.answer import Answer, Observation
from sentinel.core.api import rules
from sentinel.core.api.allowed import Allowance, Uses
from sentinel.core.api.discovery import MOST_TYPES, Catalog
from sentinel.core.api.gates import (
    AFTER,
    BEFORE,
    BEFORE_ANONYMOUS,
    OWN_GATES,
    Gate,
    Light,
    Lights,
    first_red,
)
from sentinel.core.api.plan import Plan
from sentinel.core.api.plan import make as make_plan
from sentinel.core.api.question import CLUSTER, Question, widened
from sentinel.core.api.resources import Resource, is_own
from sentinel.core.api.rules import Grant
from sentinel.core.record import ExceptionRow, GateRow, Installed, Record, Round, Series, forgotten, series_of
from sentinel.core.standing import Standing, Turn
from sentinel.core.verdict import Bracket, Expect, Reason, State, Verdict
from sentinel.kinds import Confirmation, Sink, Suspicion

_NEW = Standing()
_UNSEEN = Lights()
FORGET_SECONDS = 900.0
"""A question that is no longer planned closes after this, logged: nobody can prove it any more."""
_SWEEPS_UNUSED = 2.0
"""Sweeps without any use of an exception, after which it is reported as no longer needed."""


@dataclass
class Book:
    """What is believed. Times in wall seconds."""

    plan: Plan
    started: float
    sinks: tuple[Sink, ...] = ()
    standings: dict[Question, Standing] = field(default_factory=dict)
    suspicions: dict[tuple[str, str], Suspicion] = field(default_factory=dict)
    doubts: dict[Question, int] = field(default_factory=dict)
    clean: dict[tuple[str, str], int] = field(default_factory=dict)
    rotations: tuple[Rotation, Rotation] = (Rotation(), Rotation())
    gates: dict[tuple[Gate, str, str], GateRow] = field(default_factory=dict)
    users: dict[str, str] = field(default_factory=dict)
    wide: set[Question] = field(default_factory=set)
    forgotten: set[Series] = field(default_factory=set)
    strangers: set[str] = field(default_factory=set)
    uses: Uses = field(default_factory=Uses)
    catalog: Catalog | None = None
    expiry: Callable[[], Mapping[str, float]] = dict
    replanned: Callable[[Plan], None] = lambda _: None
    _rules: dict[str, frozenset[Grant]] = field(default_factory=dict, repr=False)

    def agenda(self, slot: int, now: float) -> Agenda:
        """What the round of this slot asks; takes the tiers' turns."""
        self._forget(now)
        second, next2 = agenda.turn(self.rotations[0], self.plan.tier2, slot, self.plan.slots(2))
        third, next3 = agenda.turn(self.rotations[1], self.plan.tier3, slot, self.plan.slots(3))
        self.rotations = (next2, next3)
        urgent = [*self._opened(), *self._lapsed(now), *self._suspected(now)]
        turns = (second, third)
        return agenda.make(self.plan, self.standings, urgent, turns, self.is_subsumed)

    def glance(self, targets: Collection[str], questions: Iterable[Question] = ()) -> Agenda:
        """A round out of turn: what stands open at these targets, and these questions; takes no turns."""
        opened = [question for question in self._opened() if question.target in targets]
        quiet = Agenda((), (), (), (), ())
        return agenda.suspecting(quiet, self.plan, self.standings, [*opened, *questions])

    def contest(self, series: Series) -> tuple[Question, ...]:
        """Somebody says that this is open: what was proven of it before no longer counts.

        Gives its planned questions, to be asked anew.
        """
        self.clean.pop((series.identity, series.target), None)
        members = self.members(series)
        for question in members:
            if question in self.standings:
                self.standings[question] = replace(self.standings[question], streak=0)
        return members

    def members(self, series: Series) -> tuple[Question, ...]:
        """What is planned or suspected of this series."""
        suspected = (question for question in self.doubts if series_of(question) == series)
        return tuple(dict.fromkeys([*self.plan.series.get(series, ()), *suspected]))

    def suspect(self, found: Iterable[Suspicion], round_: Agenda, now: float) -> Agenda:
        """Take the trip-wire's word; gives the round with what is to be asked at once."""
        for suspicion in found:
            key = (suspicion.identity, suspicion.target)
            self.clean[key] = self.clean.get(key, 0) + 1 if suspicion.clean else 0
            if suspicion.known:
                self.uses.review(key, suspicion.wanted, now)
                self._doubt(key, suspicion)
            else:
                self.suspicions.setdefault(key, suspicion)
        self._rules.clear()
        suspects = [q for q in self._suspected(now) if not self.is_subsumed(q)]
        return agenda.suspecting(round_, self.plan, self.standings, suspects)

    def is_subsumed(self, question: Question) -> bool:
        """Whether a wider breach (target `*`) already stands for this question."""
        if question.target == CLUSTER or not self.wide:
            return False
        if rules.covers(self._open_rules(question.identity), question):
            return True
        wide = widened(question)
        return self.standings.get(wide, _NEW).breach is not None

    def costs_the_connection(self, question: Question) -> bool:
        """Whether it stands open and was answered with data, which a reader that reads nothing must cut off."""
        breach = self.standings.get(question, _NEW).breach
        return breach is not None and not is_own(question.resource.group) and breach.code in range(200, 300)

    def may_be_wider(self, question: Question, now: float) -> bool:
        """Whether this is news, and about a thing that could be open in the whole cluster."""
        known = self.standings.get(question, _NEW).breach is not None or bool(self._wanted(question, now))
        elsewhere = question.target != CLUSTER and question.resource.namespaced
        return elsewhere and not known

    def breached(self, question: Question, seen: Observation, second: Confirmation, round_: int) -> Record:
        """Judge what was served, at once; the second look may only say who was asking."""
        found = verdict.judge(
            seen.answer,
            Expect.DENIED,
            verdict.GREEN,
            somebody_else=second.somebody_else,
            admission=seen.admission,
            review=seen.review,
            allowed=self._wanted(question, seen.at) or self._wanted_wide(question, seen.at),
        )
        return self._take(question, seen, found, round_, cause=second.cause)

    def judged(self, question: Question, seen: Observation, bracket: Bracket, round_: int) -> Record:
        """Judge anything else, when the closing controls are in."""
        return self._take(question, seen, verdict.judge(seen.answer, Expect.DENIED, bracket), round_)

    def unasked(self, question: Question, reason: Reason, now: float, round_: int) -> Record:
        """Note that a question was due and could not be asked."""
        seen = Observation(Answer.UNASKED, now, detail=reason.value)
        return self._take(question, seen, Verdict(State.INCONCLUSIVE, reason), round_, asked=False)

    def bracket(self, question: Question, before: Mapping[str, Lights], after: Mapping[str, Lights]) -> Bracket:
        """The gates around a question, as reasons."""
        anonymous = question.identity in self.plan.scope.anonymous
        gates = BEFORE_ANONYMOUS if anonymous else BEFORE
        return Bracket(
            _red(before.get(question.identity, _UNSEEN), gates, question),
            _red(after.get(question.identity, _UNSEEN), AFTER, question),
        )

    def bracket_of_token(self, lights: Lights) -> Reason | None:
        """Why our own token keeps us from asking, None when it does not."""
        light = lights.own.get(Gate.TOKEN)
        if light is None or light.up:
            return None
        return Reason.IDENTITY if light.identity else Reason.TOKEN

    def see(self, lights: Mapping[str, Lights], now: float) -> None:
        """Remember the gates for those who look: red counts, whichever side it was on."""
        for identity, seen in lights.items():
            own = (Gate.WHOAMI,) if identity in self.plan.scope.anonymous else OWN_GATES
            for gate in own:
                if gate in seen.own:
                    self._light(gate, identity, "", seen.own[gate], now)
            if identity not in self.plan.scope.anonymous:
                for target, light in seen.doors.items():
                    self._light(Gate.DOOR, identity, target, light, now)
                for target, light in seen.tripwires.items():
                    self._light(Gate.TRIPWIRE, identity, target, light, now)
                types = Light(up=seen.types is not None, detail="discovery was not read")
                self._light(Gate.TYPE, identity, "", types, now)

    def cut_off(self, why: str, now: float) -> None:
        """Remember that the API server could not even be called: our CA or its address is missing."""
        for identity in self.plan.scope.accounts:
            self._light(Gate.READY, identity, "", Light(up=False, detail=why), now)

    def end(self, number: int, now: float, took: float, asked: int, ended: str) -> Round:
        """Sum up what is believed and tell the sinks."""
        beliefs = self.beliefs()
        report = Round(
            number=number,
            ended=now,
            took=took,
            questions=asked,
            coverage=beliefs.coverage(now),
            periods={tier: self.plan.period(tier) for tier in (1, 2, 3)},
            gates=tuple(self.gates.values()),
            breach_since=dict.fromkeys(filter(beliefs.is_held, self.forgotten), 0.0) | beliefs.breach_since(),
            oldest_proof=beliefs.oldest_proofs(),
            inconclusive=self._inconclusive(beliefs),
            latent=beliefs.latent(),
            review_only=self._targets(lambda suspicion: bool(suspicion.review_only)),
            incomplete=self._targets(lambda suspicion: suspicion.incomplete),
            wrong_identity=frozenset(self.strangers),
            expiry=self.expiry(),
            reasons=(*((ended,) if ended else ()), *self._not_ready()),
            exceptions=self._exceptions(now),
            installed=self._installed(beliefs),
            planned=len(self.plan.questions),
        )
        for sink in self.sinks:
            sink.end_round(report)
        return report

    def beliefs(self) -> belief.Beliefs:
        """The beliefs of this moment."""
        subsumed = frozenset(q for q in self.plan.questions if self.is_subsumed(q)) if self.wide else frozenset()
        return belief.Beliefs(self.plan, self.standings, self.clean, subsumed, self.started)

    def learn(self, found: Catalog | None) -> None:
        """Take what discovery says: what was installed is planned from the next round on, what is gone is not."""
        if found is None or found is self.catalog:
            return
        self.catalog = found
        if found.installed[:MOST_TYPES] != self.plan.scope.installed:
            # The slots go on as they were, and so do the tiers' turns.
            turns = self.rotations
            self.replan(self.plan)
            self.rotations = turns
            self.replanned(self.plan)

    def replan(self, plan: Plan) -> None:
        """Take another plan; what is believed of questions that stay is kept."""
        if self.catalog is not None:
            plan = make_plan(replace(plan.scope, installed=self.catalog.installed[:MOST_TYPES]))
        self.plan = plan
        self._rules.clear()
        self.rotations = (Rotation(), Rotation())
        # Who can be asked again has to be proven again.
        self.forgotten = {gone for gone in self.forgotten if not self._knows(gone.identity, gone.target)}
        keys = {(who, t) for who in plan.scope.accounts for t in (*plan.scope.targets, CLUSTER)}
        self.clean = {key: count for key, count in self.clean.items() if key in keys}
        self.suspicions = {k: found for k, found in self.suspicions.items() if k in keys}
        suspected = {q for found in self.suspicions.values() for q in found.questions}
        self.doubts = {q: denials for q, denials in self.doubts.items() if q in suspected}
        known = {(who, "") for who in (*plan.scope.accounts, *plan.scope.anonymous)} | keys
        self.gates = {key: row for key, row in self.gates.items() if key[1:] in known}
        self.strangers &= {who for who, _ in known}

    def _take(
        self,
        question: Question,
        seen: Observation,
        found: Verdict,
        round_: int,
        *,
        cause: str = "",
        asked: bool = True,
    ) -> Record:
        before = self.standings.get(question, _NEW)
        after, change = standing.advance(before, found, seen, round_)
        if cause and after.breach is not None:
            after = replace(after, breach=replace(after.breach, cause=cause))
            if change is not None and change.turn is Turn.OPENED:
                change = replace(change, after=after, breach=after.breach)
        if found.by:
            self.uses.note(found.by, seen.at)
        self._believe(question, after)
        subsumed = after.breach is not None and self.is_subsumed(question)
        user = self.users.get(question.identity, "")
        record = Record(question, seen, found, after, change, subsumed, asked, user)
        self._tell(record)
        return record

    def _tell(self, record: Record) -> None:
        for sink in self.sinks:
            sink.put(record)

    def _believe(self, question: Question, after: Standing) -> None:
        self.standings[question] = after
        if question.target == CLUSTER:
            self._widen(question, after)
        if self.forgotten and after.state is not State.HELD:
            self.forgotten.discard(series_of(question))
        if question in self.doubts:
            held = after.verdict.state is State.HELD
            self.doubts[question] = self.doubts[question] + 1 if held else 0

    def _doubt(self, key: tuple[str, str], suspicion: Suspicion) -> None:
        """A rule that is new or changed is asked for real again, whatever was denied before."""
        before = self.suspicions.get(key)
        if before is None or before.questions != suspicion.questions:
            for question in before.questions if before is not None else ():
                self.doubts.pop(question, None)
            self.doubts.update(dict.fromkeys(suspicion.questions, 0))
        self.suspicions[key] = suspicion

    def _installed(self, beliefs: belief.Beliefs) -> Installed:
        found = self.catalog
        if found is None:
            return Installed()
        asked = len(self.plan.scope.installed)
        unknown = (f"*.{group}" for group in sorted(found.unknown))
        uncovered = (*beliefs.uncovered(), *unknown)
        return Installed(found.read, asked, len(found.installed) - asked, uncovered, tuple(sorted(found.stale)))

    def _wanted(self, question: Question, now: float) -> str:
        """The exception by which this may be granted, empty when there is none."""
        found = self.plan.scope.exceptions.covering(question, now)
        return found.name if found is not None else ""

    def _wanted_wide(self, question: Question, now: float) -> str:
        """The same, where the cluster-wide grant that lets us in here too was seen, and is wanted."""
        if question.target == CLUSTER or question.subresource:
            return ""
        wide = widened(question)
        seen = self.standings.get(wide, _NEW).verdict.reason is Reason.ALLOWED
        return self._wanted(wide, now) if seen else ""

    def _lapsed(self, now: float) -> list[Question]:
        """What was let in as wanted, and is wanted no more: it is asked at once, not when its turn comes."""
        rows = self.standings.items()
        allowed = (q for q, seen in rows if seen.verdict.reason is Reason.ALLOWED and self._askable(q))
        return [q for q in allowed if not self._wanted(q, now) and not self._wanted_wide(q, now)]

    def _exceptions(self, now: float) -> tuple[ExceptionRow, ...]:
        rows = [row for row in self.plan.scope.exceptions.ours if not row.builtin]
        if not rows:
            return ()
        let_in = Counter(seen.verdict.by for seen in self.standings.values() if seen.verdict.by)
        return tuple(
            ExceptionRow(row, let_in[row.name], not row.holds_at(now), self._is_unused(row, now)) for row in rows
        )

    def _is_unused(self, row: Allowance, now: float) -> bool:
        """Whether all that it covers was denied for two sweeps, for real, and no review listed it."""
        scope = self.plan.scope
        if now - self.uses.last(row.name, now) < _SWEEPS_UNUSED * self.plan.sweep:
            return False
        covered = [question for question in self.plan.questions if self._is_about(row, question)]
        denied = all(self._is_denied(question) for question in covered)
        if not row.is_for(scope.tenant, anonymous=False):
            return denied and bool(covered)
        fresh = now - 3 * self.plan.every
        return denied and all(self.uses.reviewed(who, row.target) >= fresh for who in scope.accounts)

    def _is_about(self, row: Allowance, question: Question) -> bool:
        scope = self.plan.scope
        return row.covers(question) and row.is_for(scope.tenant, anonymous=question.identity in scope.anonymous)

    def _is_denied(self, question: Question) -> bool:
        seen = self.standings.get(question, _NEW)
        return seen.streak >= standing.PROOFS_TO_CLOSE and seen.verdict.reason is Reason.DENIED

    def _suspected(self, now: float) -> list[Question]:
        """Suspects to ask now: what was denied in two rounds rests for a period of tier 2."""
        rest = now - self.plan.within
        return [
            question
            for question, denials in self.doubts.items()
            if denials < standing.PROOFS_TO_CLOSE or (self.standings[question].last_asked or 0.0) <= rest
        ]

    def _opened(self) -> list[Question]:
        """What stands open and can still be asked."""
        rows = self.standings.items()
        return [q for q, seen in rows if seen.breach is not None and self._askable(q)]

    def _widen(self, question: Question, after: Standing | None) -> None:
        self._rules.clear()
        if after is not None and after.breach is not None:
            self.wide.add(question)
        else:
            self.wide.discard(question)

    def _open_rules(self, identity: str) -> frozenset[Grant]:
        """The cluster-wide rules of this identity that were found to be real, kept until that changes."""
        if identity not in self._rules:
            suspicion = self.suspicions.get((identity, CLUSTER))
            grants = suspicion.grants if suspicion is not None else frozenset()
            breaches = (wide for wide in self.wide if wide.identity == identity)
            self._rules[identity] = rules.opened(grants, breaches)
        return self._rules[identity]

    def _forget(self, now: float) -> None:
        """Close what nobody can ask any more, when long enough has passed; drop what is idle."""
        for question, seen in list(self.standings.items()):
            if question in self.plan or question in self.doubts:
                continue
            if seen.breach is None:
                # Nobody plans or suspects it any more: what it said last would stand for ever.
                del self.standings[question]
            elif not self._askable(question) and (seen.last_asked or now) < now - FORGET_SECONDS:
                self._drop(question, seen, now)

    def _drop(self, question: Question, seen: Standing, now: float) -> None:
        del self.standings[question]
        self._widen(question, None)
        self.forgotten.add(series_of(question))
        self._tell(forgotten(question, seen, now))

    def _askable(self, question: Question) -> bool:
        return self._knows(question.identity, question.target) and self._is_served(question.resource)

    def _is_served(self, resource: Resource) -> bool:
        """Whether this type may still be there; only discovery takes away one that somebody installed."""
        return is_own(resource.group) or self.catalog is None or resource.label in self.catalog.types

    def _knows(self, identity: str, target: str) -> bool:
        scope = self.plan.scope
        known = identity in (*scope.accounts, *scope.anonymous)
        return known and target in (*scope.everywhere, CLUSTER)

    def _inconclusive(self, beliefs: belief.Beliefs) -> dict[str, frozenset[Reason]]:
        found = beliefs.inconclusive()
        for target in self._targets(lambda suspicion: bool(suspicion.review_only)):
            found[target] = found.get(target, frozenset()) | {Reason.REVIEW_ONLY}
        return found

    def _targets(self, wanted: Callable[[Suspicion], bool]) -> frozenset[str]:
        rows = self.suspicions.items()
        return frozenset(target for (_, target), found in rows if wanted(found))

    def _not_ready(self) -> tuple[str, ...]:
        """What keeps an identity from proving anything; a single target's gates are not that."""
        red = (row for row in self.gates.values() if not row.light.up and not row.target)
        return tuple(f"{row.gate.value} of {row.identity}: {row.light.detail}" for row in red)

    def _light(self, gate: Gate, identity: str, target: str, light: Light, now: float) -> None:
        before = self.gates.get((gate, identity, target))
        same = before is not None and before.light.up == light.up
        since = before.since if before is not None and same else now
        self.gates[gate, identity, target] = GateRow(gate, identity, light, since, target)
        if gate is Gate.WHOAMI and light.identity:
            self.strangers.add(identity)
        elif gate is Gate.WHOAMI and light.up:
            # Only our own name ends it: a whoami without an answer takes nothing back.
            self.strangers.discard(identity)


def _red(lights: Lights, gates: tuple[Gate, ...], question: Question) -> Reason | None:
    target = None if question.target == CLUSTER else question.target
    red = first_red(lights, gates, target, question.resource.label)
    if red is None:
        return None
    gate, light = red
    return Reason.IDENTITY if light.identity else Reason(gate.value)
