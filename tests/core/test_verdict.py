"""The law, cell by cell: the tables of the design as rows, and a check that no cell is missing."""

from itertools import product

import pytest

from sentinel.core.answer import Answer, Mark
from sentinel.core.verdict import GREEN, Bracket, Expect, Reason, State, Verdict, judge, reason_of, worst

BRACKETS = {
    "green": GREEN,
    "red-before": Bracket(before=Reason.CANARY),
    "red-after": Bracket(after=Reason.DOOR),
    "red-twice": Bracket(before=Reason.TOKEN, after=Reason.CANARY),
}

# `any` stands for every value of a column. `other`: whoami names somebody else. `silence`: it counts as a denial.
# `review`: nothing was really tried. `allowed`: an exception wants it.
TABLE = """
expect  answer   gates       other  admission  silence  review  allowed  state         reason

denied  served   any         no     no         any      no      no       breached      served
denied  served   any         no     yes        any      no      no       breached      admission
denied  served   any         yes    any        any      any     any      inconclusive  identity
denied  served   any         no     any        any      yes     no       breached      review
denied  served   any         no     any        any      any     yes      held          allowed
denied  denied   green       any    any        any      any     any      held          denied
denied  denied   red-before  any    any        any      any     any      inconclusive  canary
denied  denied   red-after   any    any        any      any     any      inconclusive  door
denied  denied   red-twice   any    any        any      any     any      inconclusive  token
denied  limited  green       any    any        any      any     any      inconclusive  limited
denied  limited  red-before  any    any        any      any     any      inconclusive  canary
denied  limited  red-after   any    any        any      any     any      inconclusive  door
denied  limited  red-twice   any    any        any      any     any      inconclusive  token
denied  absent   green       any    any        any      any     any      inconclusive  absent
denied  absent   red-before  any    any        any      any     any      inconclusive  canary
denied  absent   red-after   any    any        any      any     any      inconclusive  door
denied  absent   red-twice   any    any        any      any     any      inconclusive  token
denied  broken   green       any    any        any      any     any      inconclusive  broken
denied  broken   red-before  any    any        any      any     any      inconclusive  canary
denied  broken   red-after   any    any        any      any     any      inconclusive  door
denied  broken   red-twice   any    any        any      any     any      inconclusive  token
denied  unasked  green       any    any        any      any     any      inconclusive  unasked
denied  unasked  red-before  any    any        any      any     any      inconclusive  canary
denied  unasked  red-after   any    any        any      any     any      inconclusive  door
denied  unasked  red-twice   any    any        any      any     any      inconclusive  token
denied  silent   green       any    any        no       any     any      inconclusive  silent
denied  silent   green       any    any        yes      any     any      held          denied
denied  silent   red-before  any    any        any      any     any      inconclusive  canary
denied  silent   red-after   any    any        any      any     any      inconclusive  door
denied  silent   red-twice   any    any        any      any     any      inconclusive  token

served  served   any         any    any        any      any     any      held          served
served  denied   any         any    any        any      any     any      breached      refused
served  limited  any         any    any        any      any     any      breached      failed
served  absent   any         any    any        any      any     any      breached      failed
served  silent   any         any    any        any      any     any      breached      failed
served  broken   any         any    any        any      any     any      breached      failed
served  unasked  any         any    any        any      any     any      inconclusive  unasked
"""
BOTH = ("no", "yes")
COLUMNS = ([*Expect], [*Answer], [*BRACKETS], BOTH, BOTH, BOTH, BOTH, BOTH)


def cells():
    for line in TABLE.strip().splitlines()[1:]:
        if line:
            *given, state, reason = line.split()
            choices = [all_ if word == "any" else [word] for word, all_ in zip(given, COLUMNS, strict=True)]
            for cell in product(*choices):
                by = "team-a->team-b" if reason == "allowed" else ""
                yield tuple(map(str, cell)), Verdict(State(state), Reason(reason), by)


def sentence(cell):
    expect, answer, gates, other, admission, silence, review, allowed = cell
    extras = [
        word
        for word, there in (
            ("somebody-else", other),
            ("admission", admission),
            ("silence-counts", silence),
            ("by-review", review),
            ("allowed", allowed),
        )
        if there == "yes"
    ]
    return f"{answer}-where-{expect}-is-due-with-gates-{gates}{'-and-' if extras else ''}{'-'.join(extras)}"


@pytest.mark.parametrize(
    ("cell", "verdict"), [pytest.param(cell, verdict, id=sentence(cell)) for cell, verdict in cells()]
)
def test_each_cell_of_the_law(cell, verdict):
    expect, answer, gates, other, admission, silence, review, allowed = cell

    found = judge(
        Answer(answer),
        Expect(expect),
        BRACKETS[gates],
        somebody_else=other == "yes",
        admission=admission == "yes",
        silence_counts=silence == "yes",
        review=review == "yes",
        allowed="team-a->team-b" if allowed == "yes" else "",
    )

    assert found == verdict


def test_the_table_has_every_cell_once():
    told = [cell for cell, _ in cells()]

    assert sorted(told) == sorted(tuple(map(str, cell)) for cell in product(*COLUMNS))


# Of the network. `red`: that a gate is red on either side; silence counts there.
MARKED = """
answer  mark          gates  state         reason

served  none          any    breached      served
served  arrived       any    breached      arrived
served  late          any    breached      late
served  kept          any    breached      kept
served  unattributed  green  breached      unattributed
served  unattributed  red    inconclusive  canary
served  moved         green  inconclusive  moved
served  moved         red    inconclusive  canary
absent  moved         green  inconclusive  moved
absent  moved         red    inconclusive  canary
silent  none          green  held          denied
silent  none          red    inconclusive  canary
denied  none          green  held          denied
denied  none          red    inconclusive  canary
absent  none          green  inconclusive  absent
unasked none          green  inconclusive  unasked
unasked none          red    inconclusive  canary
"""


def marked():
    for line in MARKED.strip().splitlines()[1:]:
        if line:
            answer, mark, gates, state, reason = line.split()
            sides = {"green": ["green"], "red": ["red-before", "red-after-canary"], "any": BRACKETS}[gates]
            for side in sides:
                bracket = Bracket(after=Reason.CANARY) if side == "red-after-canary" else BRACKETS[side]
                id_ = f"{answer}-{mark}-with-gates-{side}-is-{state}"
                yield pytest.param(answer, mark, bracket, Verdict(State(state), Reason(reason)), id=id_)


@pytest.mark.parametrize(("answer", "mark", "bracket", "verdict"), [*marked()])
def test_each_cell_of_the_law_of_the_network(answer, mark, bracket, verdict):
    kind = None if mark == "none" else Mark(mark)

    assert judge(Answer(answer), Expect.DENIED, bracket, mark=kind, silence_counts=True) == verdict


def test_every_mark_has_a_reason_of_its_own_name():
    assert {mark.value for mark in Mark} <= {reason.value for reason in Reason}


def test_an_exception_allows_what_gets_through_but_not_what_nobody_signed_for_between_red_gates():
    kept = judge(Answer.SERVED, Expect.DENIED, GREEN, mark=Mark.KEPT, allowed="team-a->team-b")
    unknown = Bracket(before=Reason.LIVE)
    somebody = judge(Answer.SERVED, Expect.DENIED, unknown, mark=Mark.UNATTRIBUTED, allowed="team-a->team-b")

    assert kept == Verdict(State.HELD, Reason.ALLOWED, "team-a->team-b")
    assert somebody == Verdict(State.INCONCLUSIVE, Reason.LIVE)


def test_every_answer_has_a_reason_of_its_own_name():
    assert [reason_of(answer).value for answer in Answer] == [answer.value for answer in Answer]


def test_the_gate_before_is_named_before_the_gate_after():
    assert Bracket(Reason.READY, Reason.CANARY).red is Reason.READY
    assert Bracket(None, Reason.CANARY).red is Reason.CANARY
    assert GREEN.red is None


HELD = Verdict(State.HELD, Reason.DENIED)
OPEN = Verdict(State.BREACHED, Reason.SERVED)
BLIND = Verdict(State.INCONCLUSIVE, Reason.CANARY)


@pytest.mark.parametrize(
    ("attempts", "expected"),
    [
        pytest.param([], Verdict(State.INCONCLUSIVE, Reason.UNPROVEN), id="no-attempt-proves-nothing"),
        pytest.param([HELD], HELD, id="one-denial-is-held"),
        pytest.param([HELD, HELD], HELD, id="all-denials-are-held"),
        pytest.param([HELD, BLIND, HELD], BLIND, id="inconclusive-beats-held"),
        pytest.param([BLIND, HELD], BLIND, id="in-either-order"),
        pytest.param([HELD] * 9 + [OPEN], OPEN, id="one-success-is-a-breach-and-never-a-majority"),
        pytest.param([OPEN, BLIND, HELD], OPEN, id="breached-beats-inconclusive"),
        pytest.param([BLIND, OPEN], OPEN, id="also-when-seen-last"),
    ],
)
def test_several_attempts_are_as_good_as_the_worst(attempts, expected):
    assert worst(attempts) == expected
