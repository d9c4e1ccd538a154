"""What is believed of everything together: coverage, the oldest proof, and a 0 that is said only by proof."""

from dataclasses import replace

import pytest

from sentinel.core.answer import Answer, Observation
from sentinel.core.api.plan import make
from sentinel.core.api.question import CLUSTER, in_namespace
from sentinel.core.api.resources import CHECKS, SECRETS
from sentinel.core.belief import Beliefs
from sentinel.core.record import Series, series_of
from sentinel.core.standing import Standing, advance
from sentinel.core.verdict import Reason, State, Verdict
from tests.core.scopes import scope

PLAN = make(scope(3))
NOW, STARTED = 1_000_000.0, 900_000.0
HELD = Verdict(State.HELD, Reason.DENIED)
OPEN = Verdict(State.BREACHED, Reason.SERVED)
BLIND = Verdict(State.INCONCLUSIVE, Reason.CANARY)
LIST = in_namespace("self", "list", SECRETS, "team-001")
SERIES = series_of(LIST)
OTHERS = [q for q in PLAN.questions if series_of(q) == SERIES and q != LIST]
CLEAN = {("self", target): 2 for target in (*PLAN.scope.targets, CLUSTER)}


def standing(*verdicts, at=NOW, latent=False):
    found = Standing()
    for round_, verdict in enumerate(verdicts, start=1):
        seen = Observation(Answer.DENIED, at - len(verdicts) + round_, latent=latent)
        found, _ = advance(found, verdict, seen, round_)
    return found


ALL_HELD = {question: standing(HELD, HELD) for question in PLAN.questions}


def believed(changed=None, *, clean=CLEAN, subsumed=(), base=ALL_HELD):
    return Beliefs(PLAN, {**base, **(changed or {})}, clean, frozenset(subsumed), STARTED)


class TestCoverage:
    def test_all_proven_is_one_and_nothing_asked_is_none(self):
        assert believed().coverage(NOW) == 1.0
        assert believed(base={}).coverage(NOW) == 0.0

    def test_it_is_the_share_of_all_planned_questions(self):
        missing = {LIST: Standing()}

        assert believed(missing).coverage(NOW) == pytest.approx(1 - 1 / len(PLAN.questions))

    @pytest.mark.parametrize("tier", [1, 2, 3])
    def test_a_proof_counts_for_two_periods_of_its_tier(self, tier):
        question = {1: PLAN.tier1[0], 2: PLAN.tier2[0][0], 3: PLAN.tier3[0][0]}[tier]
        horizon = 2 * PLAN.period(tier)

        fresh = believed({question: standing(HELD, at=NOW - horizon + 1)}).coverage(NOW)
        stale = believed({question: standing(HELD, at=NOW - horizon - 1)}).coverage(NOW)

        assert (fresh, stale) == (1.0, pytest.approx(1 - 1 / len(PLAN.questions)))

    def test_a_breach_is_not_blindness(self):
        assert believed({LIST: standing(HELD, OPEN)}).coverage(NOW) == 1.0

    def test_inconclusive_answers_age(self):
        blind = standing(HELD, BLIND, BLIND)

        assert believed({LIST: blind}).coverage(NOW + 10) == 1.0
        assert believed({LIST: replace(blind, last_conclusive=None)}).coverage(NOW) < 1.0


class TestOldestProof:
    def test_it_is_the_oldest_of_the_targets_secrets(self):
        found = believed({LIST: standing(HELD, at=NOW - 500)}).oldest_proofs()

        assert found["team-001"] == NOW - 500
        assert found["team-002"] == NOW

    def test_never_proven_is_the_start_of_the_process(self):
        assert believed(base={}).oldest_proofs()["team-001"] == STARTED

    def test_what_only_the_sweep_asks_does_not_age_it(self):
        sweep = {q: standing(HELD, at=NOW - 5000) for batch in PLAN.tier3 for q in batch}

        assert believed(sweep).oldest_proofs()["team-001"] == NOW

    def test_every_target_and_the_cluster_has_one(self):
        asked = {q.target for q in PLAN.questions if q.identity == "self"}

        assert set(believed().oldest_proofs()) >= asked == {*PLAN.scope.targets, CLUSTER}


class TestBreachSince:
    def test_all_proven_shut_is_0_for_every_series_that_is_watched(self):
        found = believed().breach_since()

        assert set(found.values()) == {0.0}
        watched = {Series(check, "self", target) for check in CHECKS for target in (*PLAN.scope.targets, CLUSTER)}
        assert {series for series in found if series.identity == "self"} == watched

    def test_after_a_restart_nothing_is_said(self):
        assert believed(base={}, clean={}).breach_since() == {}

    @pytest.mark.parametrize(
        "last",
        [
            pytest.param((), id="never-asked"),
            pytest.param((HELD,), id="held-once"),
            pytest.param((HELD, HELD, BLIND), id="blinded"),
            pytest.param((OPEN, HELD), id="open-and-held-once"),
        ],
    )
    def test_one_question_that_is_not_held_twice_is_enough_for_no_0(self, last):
        assert believed({LIST: standing(*last)}).breach_since().get(SERIES) != 0.0

    def test_a_breach_shows_its_first_evidence_and_the_earliest_of_several(self):
        found = believed({LIST: standing(OPEN, at=NOW - 50), OTHERS[0]: standing(OPEN, OPEN, at=NOW)}).breach_since()

        assert found[SERIES] == NOW - 50

    @pytest.mark.parametrize("reviews", [0, 1])
    def test_without_a_clean_trip_wire_twice_there_is_no_0(self, reviews):
        found = believed(clean={**CLEAN, ("self", "team-001"): reviews}).breach_since()

        assert SERIES not in found
        assert found[Series("api/secrets", "self", "team-002")] == 0.0

    def test_anonymous_has_no_trip_wire_and_is_proven_by_its_questions(self):
        found = believed(clean={}).breach_since()

        assert {series.identity for series in found} == {"anonymous"}

    def test_an_open_question_that_nobody_planned_is_no_0_either(self):
        extra = in_namespace("self", "delete", SECRETS, "team-001")

        found = believed({extra: standing(OPEN, HELD)}).breach_since()

        assert found[Series("api/escalation", "self", "team-001")] > 0

    def test_what_a_wider_breach_stands_for_is_neither_shown_nor_0(self):
        found = believed({LIST: standing(OPEN)}, subsumed=[LIST]).breach_since()

        assert SERIES not in found


class TestSubsumed:
    def test_it_counts_as_known_as_long_as_the_wider_breach_is_seen(self):
        wide = PLAN.tier1[0]
        base = {**ALL_HELD, wide: standing(OPEN, at=NOW), LIST: standing(HELD, at=NOW - 5000)}

        assert believed(base, subsumed=[LIST]).coverage(NOW) == 1.0
        assert believed(base).coverage(NOW) < 1.0

    def test_and_is_no_reason_to_call_its_target_inconclusive(self):
        assert believed({LIST: standing(BLIND)}, subsumed=[LIST]).inconclusive() == {}


def test_why_something_cannot_be_proven_is_told_by_target():
    found = believed(
        {LIST: standing(BLIND), OTHERS[0]: standing(Verdict(State.INCONCLUSIVE, Reason.DOOR))}
    ).inconclusive()

    assert found == {"team-001": {Reason.CANARY, Reason.DOOR}}


def test_what_was_never_asked_is_no_reason():
    assert believed({LIST: Standing()}).inconclusive() == {}


@pytest.mark.parametrize(("rounds", "targets"), [(1, set()), (2, {"team-001"}), (3, {"team-001"})])
def test_a_missing_role_is_told_when_it_lasts_two_rounds(rounds, targets):
    assert believed({LIST: standing(*[HELD] * rounds, latent=True)}).latent() == targets
