"""What is believed of everything together: coverage, the oldest proofs, and which breaches stand.

A series of `sentinel_breach_since` is set to 0 only by proof: every planned question of it held in
two consecutive rounds, and the trip-wire clean. Where neither a breach nor that proof is there,
nothing is said, so that a restart does not look like proof.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sentinel.core.api.plan import Plan
from sentinel.core.api.question import CLUSTER, Question
from sentinel.core.api.resources import CHECKS
from sentinel.core.record import Series, series_of
from sentinel.core.standing import PROOFS_TO_CLOSE, Standing
from sentinel.core.verdict import Reason, State

LATENT_ROUNDS = 2
"""In a starting API server the same text appears for roles that exist."""
FRESH_PERIODS = 2.0
"""Proven within two of its tier's stretched periods: the question is covered."""

_NEW = Standing()


@dataclass(frozen=True, slots=True)
class Beliefs:
    """The standings of all questions at one moment, seen from the plan."""

    plan: Plan
    standings: Mapping[Question, Standing]
    clean: Mapping[tuple[str, str], int]  # (identity, target) -> clean reviews in a row
    subsumed: frozenset[Question]
    started: float

    def proven(self, question: Question) -> float | None:
        """When this question was last answered conclusively; None when never.

        What a wider breach stands for is known as long as that breach is.
        """
        if self.subsumed and question in self.subsumed:
            return self._widest(question.identity)
        return self.standings.get(question, _NEW).last_conclusive

    def coverage(self, now: float) -> float:
        """Share of the planned questions proven within two periods of their tier."""
        total = fresh = 0
        for tier, questions in self._tiers():
            horizon = now - FRESH_PERIODS * self.plan.period(tier)
            for question in questions:
                proof = self.proven(question)
                total += 1
                fresh += proof is not None and proof >= horizon
        return fresh / total if total else 0.0

    def uncovered(self) -> tuple[str, ...]:
        """Installed types of which some planned question was never answered conclusively, by label."""
        installed = frozenset(row.label for row in self.plan.scope.installed)
        if not installed:
            return ()
        asked = (q for q in self.plan.questions if q.resource.label in installed)
        return tuple(sorted({question.resource.label for question in asked if self.proven(question) is None}))

    def oldest_proofs(self) -> dict[str, float]:
        """Per target the oldest last proof among its questions of tiers 1 and 2.

        The process's start stands for a question that was never proven. Time in wall seconds.
        """
        oldest: dict[str, float] = {}
        for _, questions in list(self._tiers())[:2]:
            for question in questions:
                proof = self.proven(question) or self.started
                oldest[question.target] = min(oldest.get(question.target, proof), proof)
        return oldest

    def inconclusive(self) -> dict[str, frozenset[Reason]]:
        """Per target the reasons why something about it cannot be proven.

        What was not asked yet is no reason of its own: coverage shows it.
        """
        reasons: dict[str, set[Reason]] = defaultdict(set)
        for question, standing in self.standings.items():
            verdict = standing.verdict
            doubted = verdict.state is State.INCONCLUSIVE and verdict.reason is not Reason.UNPROVEN
            if doubted and question not in self.subsumed:
                reasons[question.target].add(verdict.reason)
        return {target: frozenset(found) for target, found in reasons.items()}

    def latent(self) -> frozenset[str]:
        """Targets where a role that does not exist (any more) is bound to us."""
        rows = self.standings.items()
        return frozenset(q.target for q, standing in rows if standing.latent >= LATENT_ROUNDS)

    def breach_since(self) -> dict[Series, float]:
        """First evidence per series with an open breach, 0 per series proven shut."""
        found = dict.fromkeys(self._shut(), 0.0)
        for question, standing in self.standings.items():
            if standing.breach is None or question in self.subsumed:
                continue
            series = series_of(question)
            since = standing.breach.since
            found[series] = min(found.get(series) or since, since)
        return found

    def is_held(self, series: Series) -> bool:
        """Whether every known question of a series was held twice, whatever its trip-wire says."""
        beyond = (question for question in self._unplanned() if series_of(question) == series)
        return self._all_held((*self.plan.series.get(series, ()), *beyond))

    def _shut(self) -> Iterable[Series]:
        """Series with every known question held twice, and a trip-wire clean twice."""
        members: dict[Series, bool] = dict.fromkeys(self._known_series(), True)
        members |= {series: self._all_held(planned) for series, planned in self.plan.series.items()}
        for question in self._unplanned():
            series = series_of(question)
            members[series] = members.get(series, True) and self._all_held((question,))
        return (series for series, shut in members.items() if shut and self._is_clean(series))

    def _all_held(self, questions: Iterable[Question]) -> bool:
        return all(self.standings.get(question, _NEW).streak >= PROOFS_TO_CLOSE for question in questions)

    def _unplanned(self) -> Iterable[Question]:
        # What was suspected, and what a plan of earlier had.
        return (question for question in self.standings if question not in self.plan)

    def _known_series(self) -> Iterable[Series]:
        # Classes without planned questions are watched by the trip-wire alone.
        for identity, target in self.clean:
            yield from (Series(check, identity, target) for check in CHECKS)

    def _is_clean(self, series: Series) -> bool:
        if series.identity in self.plan.scope.anonymous:
            return True
        return self.clean.get((series.identity, series.target), 0) >= PROOFS_TO_CLOSE

    def _widest(self, identity: str) -> float | None:
        rows = self.standings.items()
        wide = (s.last_conclusive for q, s in rows if q.identity == identity and _is_wide(q, s))
        return max((at for at in wide if at is not None), default=None)

    def _tiers(self) -> Iterable[tuple[int, Iterable[Question]]]:
        yield 1, self.plan.tier1
        for tier, batches in ((2, self.plan.tier2), (3, self.plan.tier3)):
            yield tier, (question for batch in batches for question in batch)


def _is_wide(question: Question, standing: Standing) -> bool:
    return question.target == CLUSTER and standing.breach is not None
