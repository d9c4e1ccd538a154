"""The laws, over any sequence of what a far side may do: the real Book and RoundRunner, driven round by round."""

import asyncio
from collections import defaultdict
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentinel.core.answer import Answer
from sentinel.core.api.gates import Gate
from sentinel.core.api.plan import make
from sentinel.core.api.question import CLUSTER, Question, in_namespace, widened
from sentinel.core.api.resources import SECRETS
from sentinel.core.api.rules import Grant
from sentinel.core.record import series_of
from sentinel.core.standing import Turn
from sentinel.core.verdict import State
from sentinel.errors import OwnFault
from tests.core.scopes import scope
from tests.engine.scripted import Watch, ample
from tests.support.breaches import question_of

SMALL = ample(scope(2, system=()))
QUESTIONS = SMALL.questions
DELETE = in_namespace("self", "delete", SECRETS, "team-001")
POSSIBLE = [*QUESTIONS, DELETE]
GATES = st.sets(st.tuples(st.sampled_from(["before", "after"]), st.sampled_from(Gate)), max_size=2)
GRANTS = st.dictionaries(
    st.sampled_from(["team-001", CLUSTER]),
    st.frozensets(
        st.builds(
            Grant, st.sampled_from(["list", "delete", "*", "bind"]), st.just(""), st.sampled_from(["secrets", "pods"])
        ),
        max_size=2,
    ),
    max_size=2,
)
ROUND = st.fixed_dictionaries(
    {
        "default": st.sampled_from([Answer.DENIED] * 5 + [*Answer]),
        "answers": st.dictionaries(st.sampled_from(POSSIBLE), st.sampled_from(Answer), max_size=4),
        "red": st.one_of(st.just(set()), GATES),
        "somebody_else": st.sampled_from([False] * 6 + [True]),
        "not_ready": st.sampled_from([""] * 6 + ["readyz: 500"]),
        "cannot_connect": st.sampled_from([None] * 8 + [OwnFault("no CA")]),
        "review_fails": st.sampled_from([False] * 4 + [True]),
        "breaks_after": st.sampled_from([None] * 4 + [0, 1, 5]),
        "seconds_each": st.sampled_from([0.0] * 4 + [3.0]),
        "grants": GRANTS,
    }
)
ROUNDS = st.lists(ROUND, min_size=1, max_size=12)


def run(story, look=lambda watch, records: None, watch=None):
    """Runs a story, one dictionary per round, looking after each."""

    watch = watch or Watch(SMALL)

    async def told():  # and nothing given back: asyncio.run writes out whatever a coroutine gives, and a watch is long
        for chapter in story:
            vars(watch.far).update({**chapter, "red": set(chapter["red"]), "answers": dict(chapter["answers"])})
            look(watch, await watch.rounds())

    asyncio.run(told())
    return watch


OWN = [Gate.TOKEN, Gate.WHOAMI, Gate.READY, Gate.TYPE, Gate.CANARY, Gate.DECOY]
SIDES = [("before", gate) for gate in OWN] + [("after", Gate.CANARY), ("after", Gate.DECOY)]


@pytest.mark.parametrize(("side", "gate"), SIDES)
@settings(max_examples=15)
@given(story=st.lists(ROUND, min_size=1, max_size=6))
def test_law_no_sequence_of_observations_with_a_red_gate_ever_gives_held(side, gate, story):
    def look(watch, records):
        ours = [r for r in records if r.question.identity == "self" or gate is not Gate.TOKEN]
        assert State.HELD not in {r.verdict.state for r in ours}
        shut = {series for series, at in watch.last.breach_since.items() if at == 0.0}
        assert not [s for s in shut if s.identity == "self" and s.check == "api/secrets"]

    run([{**chapter, "red": chapter["red"] | {(side, gate)}} for chapter in story], look=look)


@given(st.lists(ROUND, min_size=1, max_size=8), st.sampled_from([Gate.DOOR, Gate.TRIPWIRE]))
def test_law_nor_does_a_red_gate_of_its_target_for_any_question_about_it(story, gate):
    def look(_, records):
        assert not [
            r
            for r in records
            if r.question.target == "team-001" and r.question.identity == "self" and r.verdict.state is State.HELD
        ]

    run([{**chapter, "red": chapter["red"] | {("before", gate)}} for chapter in story], look=look)


@given(ROUNDS)
def test_law_one_served_under_the_expected_identity_is_a_breach_whatever_the_gates(story):
    def look(watch, records):
        for record in records:
            if record.observation.answer is Answer.SERVED:
                expected = State.INCONCLUSIVE if watch.far.somebody_else else State.BREACHED
                assert record.verdict.state is expected
                assert watch.far.somebody_else or record.standing.breach is not None

    run(story, look=look)


@given(ROUNDS)
def test_law_held_is_only_what_was_denied_to_us_between_green_gates_on_one_connection(story):
    def look(watch, records):
        for record in records:
            if record.verdict.state is State.HELD:
                assert record.asked and record.observation.answer is Answer.DENIED
                assert watch.far.breaks_after is None or len(watch.far.asked) <= watch.far.breaks_after
                assert not watch.far.somebody_else and not watch.far.not_ready

    run(story, look=look)


@settings(max_examples=100)
@given(st.lists(ROUND, min_size=2, max_size=14))
def test_law_no_breach_closes_without_two_proofs_of_that_question_in_a_row(story):
    history = defaultdict(list)  # question -> the states of the rounds in which it was judged
    opened = {}

    def look(watch, records):
        for record in records:
            question, change = record.question, record.change
            history[question].append(record.verdict.state)
            if change is not None and change.turn is Turn.OPENED:
                opened[question] = len(history[question])
            if change is not None and change.turn is Turn.CLOSED:
                assert history[question][-2:] == [State.HELD, State.HELD]
                assert len(history[question]) - opened.pop(question) >= 2
            assert change is None or change.turn is not Turn.FORGOTTEN
        for question in opened:
            assert watch.book.standings[question].breach is not None

    run(story, look=look)


@settings(max_examples=100)
@given(st.lists(ROUND, min_size=2, max_size=14))
def test_law_breach_since_is_never_0_without_two_proofs_of_every_question_of_the_series(story):
    history = defaultdict(list)

    def look(watch, records):
        for record in records:
            history[record.question].append(record.verdict.state)
        for series, since in watch.last.breach_since.items():
            members = [q for q in QUESTIONS if series_of(q) == series]
            if since == 0.0:
                assert all(history[q][-2:] == [State.HELD] * 2 for q in members), series
                assert not [q for q, seen in watch.book.standings.items() if seen.breach and series_of(q) == series]
            else:
                breaches = [seen.breach for q, seen in watch.book.standings.items() if series_of(q) == series]
                assert since in {breach.since for breach in breaches if breach}

    run(story, look=look)


@given(ROUNDS)
def test_law_an_open_breach_is_shown_unless_a_wider_one_stands_for_it(story):
    def look(watch, _):
        for question, seen in watch.book.standings.items():
            if seen.breach is not None and not watch.book.is_subsumed(question):
                assert 0 < watch.last.breach_since[series_of(question)] <= seen.breach.since
            if watch.book.is_subsumed(question):
                assert any(wide.identity == question.identity for wide in watch.book.wide)

    run(story, look=look)


@given(ROUNDS)
def test_law_after_any_story_proof_alone_brings_back_the_quiet_state(story):
    """Whatever happened, when all is well again nothing of it is left: no breach, no doubt, no blind spot."""
    watch = run(story)
    quiet = {"default": Answer.DENIED, "answers": {}, "red": set(), "somebody_else": False, "not_ready": ""}
    quiet |= {"cannot_connect": None, "review_fails": False, "breaks_after": None, "seconds_each": 0.0, "grants": {}}

    run([quiet] * 10, watch=watch)

    assert watch.last.coverage == 1.0
    assert watch.last.inconclusive == {} and watch.last.reasons == ()
    assert set(watch.last.breach_since.values()) == {0.0}
    assert set(watch.book.standings) == set(QUESTIONS)


@given(ROUNDS)
def test_law_the_same_story_leads_to_the_same_belief(story):
    assert run(story).book.standings == run(story).book.standings


@settings(max_examples=25)
@given(
    st.integers(2, 8),
    st.floats(5, 400),
    st.floats(20, 200),
    st.floats(200, 1200),
    st.booleans(),
)
def test_law_every_question_is_asked_within_its_tiers_period_when_nothing_goes_wrong(
    tenants, qps, within, sweep, account
):
    accounts = ("self", "billing") if account else ("self",)
    plan = make(scope(tenants, qps=qps, within=within, sweep=sweep, accounts=accounts))
    tiers = {
        q: tier for tier, qs in ((1, [plan.tier1]), (2, plan.tier2), (3, plan.tier3)) for batch in qs for q in batch
    }

    async def told():
        watch = Watch(plan)
        last: dict[Question, int] = {}
        warm = 2 * plan.slots(3) + 2  # until the start, where all is overdue, has passed
        rounds = min(2 * warm + plan.slots(3), 600)
        for number in range(rounds):
            await watch.rounds()
            for question in watch.far.asked:
                before = last.get(question)
                if before is not None and number > warm:
                    waited = (number - before) * plan.every
                    assert waited <= plan.period(tiers[question]) + plan.every * (1 + 1e-6), question.text
                last[question] = number
        if rounds > warm:
            assert set(last) == set(plan.questions)

    asyncio.run(told())


@settings(max_examples=40)
@given(st.integers(2, 8), st.floats(5, 400), st.integers(0, 300), st.integers(0, 200), st.booleans())
def test_law_the_budget_of_a_round_is_kept_whatever_is_open_or_suspected(tenants, qps, opens, doubts, blind):
    plan = make(scope(tenants, qps=qps))
    suspects = frozenset(Grant("get", "", "secrets", f"s{n}") for n in range(doubts))

    async def told():
        watch = Watch(plan)
        watch.far.default = Answer.SILENT if blind else Answer.DENIED
        watch.far.answers = dict.fromkeys(plan.questions[:opens], Answer.SERVED)
        for _ in range(12):
            watch.far.grants = dict.fromkeys(plan.scope.targets, suspects)
            before = watch.book.rotations
            records = await watch.rounds()
            turns = turns_between(before, watch.book.rotations, plan)
            news = [question_of(r) for r in records if r.change is not None and r.change.turn is Turn.OPENED]
            # One look each at what may be open in the whole cluster: it saves a page for every target.
            wider = {widened(q) for q in [*news, *watch.book.doubts]}
            beyond = set(watch.far.asked) - turns - set(plan.tier1) - wider
            assert len(beyond) <= plan.round_budget

    asyncio.run(told())


def turns_between(before, after, plan):
    """The questions of the batches that the two rotations have passed."""
    passed = set()
    for old, new, batches in zip(before, after, (plan.tier2, plan.tier3), strict=True):
        count = len(batches)
        steps = (new.next - old.next) % count if count else 0
        passed |= {q for step in range(steps) for q in batches[(old.next + step) % count]}
        if steps == 0 and new != old:  # all the way round, or not at all: every batch may have had its turn
            passed |= {q for batch in batches for q in batch} if plan.slots(2) == 1 or plan.slots(3) == 1 else set()
    return passed


@pytest.mark.parametrize("tenants", [2, 10, 50])
def test_the_plan_is_kept_for_a_cluster_of(tenants):
    """One whole sweep of the default settings: every planned question is proven, and covered ever after."""
    plan = make(scope(tenants))

    async def told():
        watch = Watch(plan)
        await watch.rounds(plan.slots(3) + 2)
        assert watch.last.coverage == 1.0
        assert len(watch.book.standings) == len(plan.questions)

    asyncio.run(told())


def test_a_slot_that_was_skipped_is_made_up_for():
    plan = replace(make(scope(4)), every=10.0)

    async def told():
        watch = Watch(plan)
        await watch.rounds(plan.slots(3) + 2)
        await watch.rounds(plan.slots(2), skip=1)
        proofs = [watch.book.standings[q].last_proven or 0 for batch in plan.tier2 for q in batch]
        assert min(proofs) >= watch.clock.now - plan.within - 2 * plan.every

    asyncio.run(told())
