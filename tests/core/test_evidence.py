"""What is told of a breach."""

import shlex
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.core.api.question import Question, in_namespace
from sentinel.core.api.resources import SECRETS
from sentinel.core.evidence import command, window
from sentinel.core.standing import Breach
from sentinel.core.verdict import Reason

USER = "system:serviceaccount:team-a:sentinel"
LIST = in_namespace("self", "list", SECRETS, "team-b")
BREACH = Breach(1_795_230_010.25, 1_795_230_020.0, 1_795_230_000.0, 406, "a-1", Reason.SERVED)


def test_the_window_says_when_it_was_last_proven_closed_and_when_it_was_seen_open():
    assert window(BREACH) == "proven closed at 2026-11-21T03:00:00.000Z, open at 2026-11-21T03:00:10.250Z"


def test_what_was_never_proven_closed_has_a_window_without_a_beginning():
    told = window(replace(BREACH, closed_before=None))

    assert told == "never proven closed before, open at 2026-11-21T03:00:10.250Z"


def test_the_command_asks_the_same_question_as_the_same_user():
    assert command(LIST, USER) == f"kubectl auth can-i list secrets --as={USER} -n team-b"


def test_without_a_known_user_there_is_no_command():
    assert command(LIST, "") == ""


@pytest.mark.parametrize(
    "name", ["$(reboot)", "a;reboot", "a|b", "a`b`", "a b", "a\nb", "a>b", "a'b", 'a"b', "a\\b", "a&b", "é", "a\x1b[0m"]
)
def test_a_name_that_means_something_to_a_shell_gives_no_command(name):
    """Whoever writes a Role chooses its resourceNames, and somebody at night pastes the line."""
    named = Question("self", "get", SECRETS, "team-b", "team-b", name)

    assert command(named, USER) == ""
    assert command(LIST, f"{USER}{name}") == ""


@given(name=st.text(max_size=30), user=st.text(max_size=30))
def test_a_command_is_the_same_words_to_a_shell_as_to_us(name, user):
    line = command(Question("self", "get", SECRETS, "team-b", "team-b", name), user)

    assert shlex.split(line) == line.split(" ") if line else True
    assert not set(line) & set("$`\\|&;<>(){}!#~'\"\n\t?[]")
