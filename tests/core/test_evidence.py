"""What is told of a breach."""

import shlex
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.core.api import spoken
from sentinel.core.api.question import Question, at_cluster_scope, in_namespace, of_namespace
from sentinel.core.api.resources import RESOURCES, SECRETS
from sentinel.core.evidence import command, explanation, window
from sentinel.core.net.crossing import Crossing, Family, Path, Protocol
from sentinel.core.standing import Breach
from sentinel.core.verdict import Reason

USER = "system:serviceaccount:team-a:sentinel"
PODS = next(row for row in RESOURCES if row.label == "pods")
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


WHERE = {
    "list secrets": in_namespace("self", "list", SECRETS, "team-b"),
    "get secrets/sentinel-beacon": in_namespace("self", "get", SECRETS, "team-b"),
    "create pods/exec": in_namespace("self", "create", PODS, "team-b", "exec"),
    "list at cluster scope": at_cluster_scope("self", "list", SECRETS),
    "get a Namespace": of_namespace("self", "get", "team-b"),
}


@pytest.mark.parametrize("question", WHERE.values(), ids=WHERE)
def test_what_explains_it_is_told_the_same_question(question):
    words = explanation(question, USER).split(" ")
    named = dict(word[2:].split("=") for word in words if word.startswith("--"))
    namespace = words[words.index("-n") + 1] if "-n" in words else None

    assert words[:2] == ["sentinel", "explain"]
    assert named.pop("user") == USER
    assert spoken.question("self", words[2], words[3], namespace, **named) == question


def test_people_are_explained_by_their_group_and_anonymous_by_its_own():
    of_group = explanation(replace(LIST, identity="group:devs"), "devs-member")

    assert of_group.startswith("sentinel explain list secrets --user=devs-member --group=devs --group=system:auth")
    assert " --user=system:anonymous --group=system:unauthenticated " in explanation(LIST, "system:anonymous")


def test_what_is_open_over_the_network_is_explained_as_that():
    crossing = Crossing("self", "team-b", Protocol.UDP, Family.V4, Path.POD)

    assert explanation(crossing, USER) == f"sentinel explain reach udp -n team-b --user={USER}"
    assert explanation(crossing, "somebody") == "", "no ServiceAccount, so nobody's pod"


@given(name=st.text(max_size=30), user=st.text(max_size=30))
def test_what_may_not_be_pasted_is_not_offered_in_other_words(name, user):
    question = Question("self", "get", SECRETS, "team-b", "team-b", name)

    assert bool(explanation(question, user)) == bool(command(question, user))
    assert not set(explanation(question, user)) & set("$`\\|&;<>(){}!#~'\"\n\t?[]")
