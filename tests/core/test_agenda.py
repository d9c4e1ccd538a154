"""A round's agenda: the tiers' turns come round in time, and the budget of what is open is kept."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.core import agenda
from sentinel.core.agenda import Agenda, Rotation, turn
from sentinel.core.answer import Answer, Observation
from sentinel.core.api.plan import make
from sentinel.core.api.question import CLUSTER, Question, in_namespace
from sentinel.core.api.resources import SECRETS
from sentinel.core.standing import Standing, advance
from sentinel.core.verdict import Reason, State, Verdict
from tests.core.scopes import scope

HELD = Verdict(State.HELD, Reason.DENIED)
OPEN = Verdict(State.BREACHED, Reason.SERVED)
BLIND = Verdict(State.INCONCLUSIVE, Reason.CANARY)


def standing(*verdicts, at=100.0):
    found = Standing()
    for round_, verdict in enumerate(verdicts, start=1):
        found, _ = advance(found, verdict, Observation(Answer.DENIED, at + round_), round_)
    return found


def batches(count, size=2):
    return [tuple(in_namespace("self", "get", SECRETS, f"ns-{n}-{k}") for k in range(size)) for n in range(count)]


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 500))
def test_law_any_whole_period_of_slots_asks_every_batch_exactly_once(count, slots, start):
    all_, rotation = batches(count), Rotation(slot=start - 1)
    for _ in range(3):
        asked: list[Question] = []
        for slot in range(start, start + slots):
            got, rotation = turn(rotation, all_, slot, slots)
            asked += got
        start += slots
        assert sorted(asked, key=str) == sorted((q for batch in all_ for q in batch), key=str)


@given(st.integers(1, 40), st.integers(1, 40), st.lists(st.integers(1, 5), min_size=1, max_size=60))
def test_law_skipped_slots_are_made_up_for_and_no_batch_is_overtaken(count, slots, gaps):
    all_, rotation, slot = batches(count, 1), Rotation(), -1
    order: list[Question] = []
    for gap in gaps:
        slot += gap
        got, rotation = turn(rotation, all_, slot, slots)
        assert len(got) <= 2 * -(-count // slots)
        order += got
    assert order == [all_[n % count][0] for n in range(len(order))]


def test_without_batches_nothing_is_due_and_the_rotation_goes_on():
    assert turn(Rotation(), [], 5, 12) == ((), Rotation(0, 5))


def test_the_same_slot_twice_asks_nothing_twice():
    _, rotation = turn(Rotation(), batches(12), 3, 12)

    assert turn(rotation, batches(12), 3, 12)[0] == ()


PLAN = make(scope(10))
SECOND = [q for batch in PLAN.tier2 for q in batch]
THIRD = [q for batch in PLAN.tier3 for q in batch]
ALL_HELD = {q: standing(HELD, HELD) for q in PLAN.questions}


def made(standings, suspects=(), turns=((), ())):
    urgent = [q for q, seen in standings.items() if seen.breach is not None]
    return agenda.make(PLAN, {**ALL_HELD, **standings}, [*urgent, *suspects], turns)


def test_when_all_is_quiet_a_round_is_its_turns_and_the_cluster_wide_secrets():
    quiet = made({}, turns=((SECOND[3],), (THIRD[4],)))

    assert quiet.questions == (PLAN.tier1[0], SECOND[3], THIRD[4])


def test_an_open_breach_is_asked_first_and_in_every_round():
    assert made({THIRD[7]: standing(OPEN)}).questions[0] == THIRD[7]
    assert made({THIRD[7]: standing(OPEN, BLIND, HELD)}).questions[0] == THIRD[7]


def test_the_longest_unasked_of_the_open_is_asked_first():
    open_ = {THIRD[1]: standing(OPEN, at=300.0), THIRD[2]: standing(OPEN, at=200.0), THIRD[3]: standing(OPEN, at=250.0)}

    assert made(open_).open == (THIRD[2], THIRD[3], THIRD[1])


def test_a_suspect_that_was_never_asked_goes_before_what_is_open():
    suspect = in_namespace("self", "delete", SECRETS, "team-001")

    assert made({THIRD[1]: standing(OPEN)}, [suspect]).open == (suspect, THIRD[1])


@pytest.mark.parametrize(
    "verdicts",
    [
        pytest.param((), id="never-asked"),
        pytest.param((BLIND,), id="inconclusive"),
        pytest.param((HELD,), id="held-once"),
        pytest.param((HELD, HELD, BLIND), id="blinded"),
    ],
)
def test_what_is_not_held_twice_in_a_row_is_asked_again_at_once(verdicts):
    assert made({THIRD[5]: standing(*verdicts)}).overdue == (THIRD[5],)


def test_overdue_secrets_go_before_the_rest_and_the_longest_unasked_first():
    late = {
        THIRD[0]: standing(BLIND, at=0.0),
        SECOND[0]: standing(BLIND, at=900.0),
        SECOND[9]: standing(BLIND, at=800.0),
    }

    assert made(late).overdue == (SECOND[9], SECOND[0], THIRD[0])


def test_at_the_start_the_budget_is_spent_on_what_was_never_asked():
    first = agenda.make(PLAN, {}, (), ((), ()))

    assert len(first.overdue) == PLAN.round_budget
    assert set(first.overdue) <= set(SECOND)


@given(st.data(), st.integers(0, 200), st.integers(0, 200))
def test_law_open_suspected_and_overdue_questions_never_take_more_than_half_the_share(data, opens, doubted):
    known = {q: standing(OPEN, at=float(n % 7)) for n, q in enumerate(THIRD[:opens])}
    suspects = [in_namespace("self", "delete", SECRETS, f"ns-{n}") for n in range(doubted)]

    found = agenda.make(PLAN, known, [*known, *suspects], ((), ()))

    assert len(found.open) + len(found.overdue) <= PLAN.round_budget


@given(st.integers(0, 120), st.integers(0, 120), st.integers(0, 120))
def test_law_what_the_trip_wire_finds_in_the_round_does_not_go_beyond_it_either(opens, late, doubted):
    before = Agenda(tuple(THIRD[:opens])[: PLAN.round_budget], PLAN.tier1, (), tuple(SECOND[:late]), ())
    known = {q: standing(OPEN) for q in before.open}
    suspects = [replace(SECOND[0], identity="self", target="x", name=f"s{n}") for n in range(doubted)]

    found = agenda.suspecting(before, PLAN, known, suspects)

    assert len(found.open) + len(found.overdue) <= max(PLAN.round_budget, len(found.open))
    assert len(found.open) <= PLAN.round_budget
    assert set(suspects[: PLAN.round_budget]) <= set(found.open), "what was never asked is asked at once"


def test_what_a_wider_breach_stands_for_uses_up_no_budget():
    """Else the wide question itself would wait behind a hundred that are not asked, and never close."""
    wide = PLAN.tier1[0]
    known = {q: standing(OPEN, at=1.0) for q in THIRD[:150]} | {wide: standing(OPEN, at=500.0)}
    late = {q: standing(BLIND) for q in SECOND[:150] if q.target != CLUSTER}

    found = agenda.make(PLAN, {**ALL_HELD, **known, **late}, known, ((), ()), lambda q: q.target != CLUSTER)

    assert found.open == (wide,)
    assert found.overdue == ()


def test_a_question_due_for_two_reasons_is_asked_once():
    both = made({SECOND[0]: standing(OPEN)}, [SECOND[0]], ((SECOND[0],), ()))

    assert both.questions.count(SECOND[0]) == 1


def test_doors_are_opened_for_namespaces_and_not_for_the_cluster():
    assert CLUSTER not in agenda.targets(PLAN.questions)
    assert agenda.targets([SECOND[0], SECOND[0], *PLAN.tier1]) in ((SECOND[0].target,), ())
