"""What a visit was worth is what its user would say: an answer, the agreed message, or neither."""

import re
from dataclasses import replace
from typing import Any

import pytest

from sentinel.core.gateway import canary, chat_page
from sentinel.core.gateway.canary import Canary
from sentinel.core.gateway.chat_page import (
    LEAKS,
    NAMES,
    Expected,
    Judged,
    Mishap,
    Outcome,
    Sight,
    Visit,
    agreed,
    answer_of,
    begun,
    enough,
    in_a_row,
    judge,
)

OURS = canary.tag("visitor")
THEIR_MARK, OUR_OLD_MARK = (f"END-{canary.nonce(tag, '99999999')}" for tag in (canary.tag("team-a"), OURS))
ASKED = Canary(canary.nonce(OURS, "00112233"))
SORRY = "We are very busy. Please try again in a minute."
EXPECTED = Expected((SORRY,))
CHROME = "Acme Chat\nSend"
O = Outcome  # noqa: E741


def visit(answer: str = "", text: str | None = None, **more: Any) -> Visit:
    """A page that opened, on which something was sent; unless told otherwise, all that is new is the answer."""
    shown = f"{CHROME}\n{ASKED.prompt}\n{answer}" if text is None else text
    seen = Visit(0.0, 1.0, took=3.0, status=200, opened=0.5, sent=1.0, before=CHROME, sight=Sight(shown, answer))
    return replace(seen, **more)


def unsent(text: str, **more: Any) -> Visit:
    """A page on which nothing could be written."""
    return visit("", text, opened=None, sent=None, before="", **more)


CASES = [
    ("a whole answer", visit(ASKED.song, first=1.4), O.GOOD),
    ("whole, with words before it", visit(f"Sure! {ASKED.song}"), O.GOOD),
    ("half of it", visit("1 2 3 4 5"), O.CUT),
    ("the agreed message", visit(SORRY, message=2.0), O.GRACEFUL),
    ("the agreed message in place of the page", unsent(SORRY, status=503, message=0.4), O.GRACEFUL),
    ("the agreed message after the grace", visit(SORRY, message=11.5), O.UNGRACEFUL),
    ("the agreed message and a trace", visit(f"{SORRY}\nKeyError: x", message=2.0), O.UNGRACEFUL),
    ("a Python trace", visit("Traceback (most recent call last):"), O.UNGRACEFUL),
    ("a Java trace", visit("at com.acme.Chat.answer(Chat.java:42)"), O.UNGRACEFUL),
    ("raw JSON", visit('{"error": {"message": "no"}}'), O.UNGRACEFUL),
    ("a raw list", visit('[ "error", 500 ]'), O.UNGRACEFUL),
    ("an answer, and an address of ours in a corner", visit(ASKED.song, f"{ASKED.song}\n10.0.0.7"), O.UNGRACEFUL),
    ("the answer to a tenant", visit(f"1 2 3 {THEIR_MARK}"), O.UNGRACEFUL),
    ("a status of 500 and polite words", unsent("Not now.", status=500), O.UNGRACEFUL),
    ("a page that crashed", visit(mishap=Mishap.CRASHED), O.UNGRACEFUL),
    ("a page that took all memory", visit(mishap=Mishap.HEAVY), O.UNGRACEFUL),
    ("words that nobody agreed on", visit("Oops, something went wrong."), O.WRONG_CONTENT),
    ("the same outside of the answers", visit("", f"{CHROME}\n{ASKED.prompt}\nOops."), O.WRONG_CONTENT),
    ("an older answer to us", visit(f"1 2 3 {OUR_OLD_MARK}"), O.WRONG_CONTENT),
    ("no field to write in", unsent("Welcome", mishap=Mishap.NO_PROMPT), O.WRONG_CONTENT),
    ("three dots for ever", visit("…"), O.SILENT),
    ("nothing but our own question", visit(), O.SILENT),
    ("a blank page", unsent("", mishap=Mishap.NO_PROMPT), O.SILENT),
    ("a page that never opens", unsent("", status=None, mishap=Mishap.LATE), O.SILENT),
    ("a page that hangs with its words on it", unsent(CHROME, mishap=Mishap.STUCK), O.SILENT),
    ("no page", unsent("", status=None, mishap=Mishap.UNREACHED), O.UNREACHABLE),
    ("another host's page", unsent("Log in", mishap=Mishap.ELSEWHERE), O.ELSEWHERE),
    ("no browser", unsent("", status=None, mishap=Mishap.BROWSER), O.HARNESS_ERROR),
    ("we slept", visit(SORRY, message=20.0, mishap=Mishap.LAG), O.HARNESS_ERROR),
]


@pytest.mark.parametrize(("seen", "outcome"), [row[1:] for row in CASES], ids=[row[0] for row in CASES])
def test_a_visit_was_worth_what_its_user_would_say(seen: Visit, outcome: Outcome) -> None:
    judged = judge(seen, ASKED, EXPECTED)

    assert judged.outcome is outcome
    assert judged.rule
    assert judged.breach == (outcome not in (O.GOOD, O.GRACEFUL, O.ELSEWHERE, O.HARNESS_ERROR))


def test_the_time_to_the_first_piece_counts_from_sending() -> None:
    assert judge(visit(ASKED.song, first=1.4), ASKED, EXPECTED).first == pytest.approx(0.4)


def test_no_word_of_the_page_is_in_a_judgement_or_in_any_repr() -> None:
    seen = visit("Traceback (most recent call last): secret-word")

    judged = judge(seen, ASKED, EXPECTED)

    assert judged.leaks == ("python-traceback",)
    assert "secret-word" not in f"{judged!r} {seen!r}"


def test_a_rule_that_is_off_and_one_that_was_added_are_heeded() -> None:
    expected = replace(EXPECTED, no_leaks=frozenset(("raw-json",)), leaks=(re.compile("acme-internal"),))

    assert judge(visit('{"a": 1}'), ASKED, expected).outcome is O.WRONG_CONTENT
    assert judge(visit("acme-internal"), ASKED, expected).leaks == ("extra",)
    assert set(NAMES) < set(LEAKS)


def test_a_message_is_known_over_line_breaks_and_capitals() -> None:
    assert agreed("x\nWE ARE VERY busy.\n Please try\nagain in a minute. y", EXPECTED)
    assert not agreed("We are busy.", EXPECTED)


def test_a_placeholder_is_no_first_piece_and_a_number_is() -> None:
    assert not begun(Sight(answer="Thinking…"), ASKED)
    assert begun(Sight(answer="1 2"), ASKED)


@pytest.mark.parametrize(("answer", "done"), [("1 2", False), ("Oops", False), (ASKED.song, True), (SORRY, True)])
def test_looking_ends_when_more_looks_can_change_nothing(answer: str, done: bool) -> None:
    assert enough(Sight(f"{CHROME}\n{answer}", answer), ASKED, EXPECTED) is done


def test_answers_that_were_there_before_are_not_ours_unless_they_change() -> None:
    assert answer_of(["Hello", "1 2"], ["Hello"]) == "1 2"
    assert answer_of(["Hello"], ["Hello"]) == ""
    assert answer_of(["1 2"], [""]) == "1 2"


def test_breaches_are_counted_in_a_row_and_what_says_nothing_changes_nothing() -> None:
    def told(outcome: Outcome) -> Judged:
        return Judged(outcome, "", 1.0)

    row, seen = 0, []
    for outcome in (O.SILENT, O.UNGRACEFUL, O.HARNESS_ERROR, O.ELSEWHERE, O.CUT, O.GRACEFUL, O.SILENT):
        row = in_a_row(row, told(outcome))
        seen.append(row)

    assert seen == [1, 2, 2, 2, 3, 0, 1]


def test_every_outcome_can_come_out() -> None:
    assert {outcome for outcome, _ in chat_page.RULES} == set(Outcome) == {outcome for _, _, outcome in CASES}
