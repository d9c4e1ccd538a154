"""What is told of a breach, in words that are the same in a log line, on the console and in a page."""

import re

from sentinel.core.asked import Asked
from sentinel.core.page import rfc3339
from sentinel.core.standing import Breach

GROUP = "group:"
"""Before the name of a group of people, where an identity is named."""
# Somebody will paste the command into a shell, and whoever writes a Role chooses the names in it.
_HARMLESS = re.compile(r"[A-Za-z0-9_.:/@%+=,* -]{1,1000}")


def window(breach: Breach) -> str:
    """The exposure window: the hole may be older than its evidence, by as much as this shows."""
    opened = f"open at {rfc3339(breach.since)}"
    if breach.closed_before is None:
        return f"never proven closed before, {opened}"
    return f"proven closed at {rfc3339(breach.closed_before)}, {opened}"


def command(question: Asked, user: str) -> str:
    """The line with which a person sees the same decision.

    Empty where nobody told us our name, and where the question holds what a shell could take for
    more than a word.
    """
    if not user or any(" " in word for word in (user, *question.chosen)):
        return ""
    group = question.identity.removeprefix(GROUP) if question.identity.startswith(GROUP) else ""
    line = question.reproduce(user, (group, "system:authenticated") if group else ())
    return line if _HARMLESS.fullmatch(line) else ""


def explanation(question: Asked, user: str) -> str:
    """The line that finds which binding or policy it is, and what closes it; empty where nothing can.

    Made of the same words as `command`, so that what may not be pasted there is not offered here.
    """
    line = command(question, user)
    if question.check in _REACHED:
        protocol = question.check.rpartition("/")[2]
        told = f"sentinel explain reach {protocol} -n {question.target} --user={user}"
        return told if line and _HARMLESS.fullmatch(told) else ""
    if not line.startswith(_CAN_I):
        return ""
    words = line.removeprefix(_CAN_I).removesuffix(" --all-namespaces")
    return f"sentinel explain {words.replace(' --as=', ' --user=').replace(' --as-group=', ' --group=')}"


_REACHED = ("net/tcp", "net/udp", "net/http")
_CAN_I = "kubectl auth can-i "
