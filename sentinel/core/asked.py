"""What can be held or breached, of whatever kind: a question to the API server, a crossing of the network.

    Question  api/...    may this identity do this, there?
    Crossing  net/...    may a packet of ours get there?
    Apart     crosstalk  does this gateway give us our own answers only?

Standings, records, sinks and pages know no more of it than this. Each kind is a frozen value with its
own equality: it is the key of all that is believed.
"""

from collections.abc import Hashable
from typing import Protocol

NETWORK = "net/"
"""Before the name of every class of promise that is about the network."""
CROSSTALK = "crosstalk"
"""The class of promise that a gateway gives each tenant its own answers, and nobody else's."""
GATEWAY = "gateway/"
"""Before a gateway's name, where it is a target: a namespace may be called the same, and has no slash."""


class Asked(Hashable, Protocol):
    """One thing asked of one target, again and again."""

    @property
    def check(self) -> str:
        """The class of promise, a closed label."""
        ...

    @property
    def identity(self) -> str:
        """Who asks, a closed label."""
        ...

    @property
    def target(self) -> str:
        """The namespace that it is about, `*`, or `gateway/NAME`: a closed label."""
        ...

    @property
    def text(self) -> str:
        """For people: `list secrets`, `reach tcp pod v4`. Free text, never a label."""
        ...

    @property
    def chosen(self) -> tuple[str, ...]:
        """Words of the command that somebody else may have chosen, such as names in a Role."""
        ...

    def reproduce(self, user: str, groups: tuple[str, ...] = ()) -> str:
        """The command with which a person sees the same; `user` is who asks, by whoami's word."""
        ...


def is_network(check: str) -> bool:
    """Whether this class of promise is about packets and not about permissions."""
    return check.startswith(NETWORK)


def only_there(check: str) -> bool:
    """Whether nobody but who asks can prove it shut: packets come from where it is, answers are to its own key."""
    return is_network(check) or check == CROSSTALK
