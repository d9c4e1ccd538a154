"""Whether a gateway keeps our answers and others' apart: cross-talk is a breach of isolation.

    a sign of somebody else, anywhere in it        served: a breach, at once, whatever the rest is worth
    a whole answer with our own mark and no other  denied: held
    anything else                                  proves nothing: inconclusive

An answer that is missing, cut, broken, refused or an old one of ours shows neither that answers are kept
apart nor that they are not. `engine.apart` keeps what is believed of it.
"""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from sentinel.core.answer import Answer, Mark, Observation
from sentinel.core.asked import CROSSTALK, GATEWAY
from sentinel.core.gateway.canary import REQUEST_ID
from sentinel.core.gateway.news import Probed
from sentinel.core.gateway.outcome import Judged, Outcome

IDENTITY = "self"
"""Whose key it is: each sentinel has one."""
_MOST_SIGNS = 3
_ACCOUNTS = "system:serviceaccount:"


@dataclass(frozen=True, slots=True)
class Apart:
    """Whether this gateway keeps our answers and others' apart: what is held or breached."""

    gateway: str

    @property
    def check(self) -> str:
        """The class of promise."""
        return CROSSTALK

    @property
    def identity(self) -> str:
        """Who asks."""
        return IDENTITY

    @property
    def target(self) -> str:
        """The gateway: it is what mixes answers up, whoever else's they are."""
        return f"{GATEWAY}{self.gateway}"

    @property
    def text(self) -> str:
        """For people."""
        return f"complete with {self.gateway}"

    @property
    def chosen(self) -> tuple[str, ...]:
        """Nobody but the configuration has a word in it."""
        return ()

    def reproduce(self, user: str, groups: tuple[str, ...] = ()) -> str:
        """The command that has the same sentinel ask once more, since its key is there only; `user`: its account."""
        del groups
        home, _, name = user.removeprefix(_ACCOUNTS).partition(":")
        if not user.startswith(_ACCOUNTS) or not name:
            return ""
        return shlex.join(["kubectl", "-n", home, "exec", f"svc/{name}", "--", "sentinel", "once", self.target])


def observe(probed: Probed, names: Mapping[str, str]) -> Observation:
    """What came back, to the question whether answers are kept apart. `names`: as of `Foreign.text`."""
    judged = probed.judged
    evidence = "; ".join(sign.text(names) for sign in judged.foreign[:_MOST_SIGNS])
    return Observation(
        _answer(judged),
        probed.at + judged.took,
        took=judged.took,
        code=judged.status,
        detail=evidence or judged.outcome.value,
        audit_id=f"{REQUEST_ID}{probed.nonce}",
        mark=Mark.FOREIGN if judged.foreign else None,
        place=evidence,
    )


def _answer(judged: Judged) -> Answer:
    if judged.foreign:
        return Answer.SERVED
    if judged.good:
        return Answer.DENIED
    if judged.outcome is Outcome.HARNESS_ERROR:
        return Answer.UNASKED
    if judged.status is None:
        return Answer.SILENT
    return Answer.LIMITED if judged.status == 429 else Answer.BROKEN
