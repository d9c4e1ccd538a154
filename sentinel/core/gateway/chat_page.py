"""One visit to the page where users chat: what they could see of it, and what that was worth.

    open -> a field to write in -> the canary is sent -> look, look, look ... -> Visit -> judge -> Judged

The same promise as the gateway's, one step further out: an answer, or the message that was agreed
on, and never a trace of a program. Only what is visible counts; what the page holds and does not
show is nobody's experience. The first rule that fits names the outcome. A `Judged` has closed words
and numbers only. `probes.chat_page` gives a `Visit`.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from sentinel.core.gateway import leaks
from sentinel.core.gateway.canary import Canary, Song, compare


class Outcome(StrEnum):
    """What a visit was worth, to whoever wanted an answer."""

    HARNESS_ERROR = "harness_error"  # ours: no browser, or it hung; says nothing about the page
    ELSEWHERE = "elsewhere"  # the page leads to another host, such as a login: nothing was written there
    UNREACHABLE = "unreachable"  # no page at all
    UNGRACEFUL = "ungraceful"  # something that nobody should see
    GRACEFUL = "graceful"  # the message that was agreed on for bad times
    GOOD = "good"  # a whole answer
    CUT = "cut"  # an answer that began and has no end
    WRONG_CONTENT = "wrong_content"  # words that are neither the answer nor agreed on
    SILENT = "silent"  # nothing to read, for as long as a user would wait


EXCLUDED = frozenset((Outcome.HARNESS_ERROR, Outcome.ELSEWHERE))
"""What says nothing of how the page treats its users."""
KEPT = frozenset((Outcome.GOOD, Outcome.GRACEFUL))
"""The promise: an answer or a graceful message."""


class Mishap(StrEnum):
    """Why a visit ended before its time; a closed set."""

    UNREACHED = "unreached"  # no such name, no connection, no TLS
    LATE = "late"  # the page did not open in time
    ELSEWHERE = "elsewhere"  # it led to another host
    NO_PROMPT = "no-prompt"  # it has no field to write in, or nothing to press
    STUCK = "stuck"  # the page no longer does anything
    CRASHED = "crashed"  # the page's process ended
    HEAVY = "heavy"  # it took more memory than we allow
    BROWSER = "browser"  # ours: no browser, or one that hangs
    LAG = "lag"  # ours: our own loop slept meanwhile
    BUG = "bug"  # ours: it says so in the log


OURS = frozenset((Mishap.BROWSER, Mishap.LAG, Mishap.BUG))
"""What says nothing about the page."""

PAGE_RULES = (
    ("raw-json", re.compile(r"[{\[]\s*\"[^\"\n]{1,80}\"\s*[:,]")),
    ("stack-trace", re.compile(r"\bat [\w.$<>]+\([\w.]+:\d+\)|\bgoroutine \d+ \[|\bpanic: ")),
)
"""What users may not read and programs may: these rules are of pages only."""
_WORD = re.compile(r"\w")
OTHER_TENANT = "other-tenant"
"""Stands for the answer to another tenant, which is the worst that can be given away."""
NAMES = (*leaks.NAMES, *(name for name, _ in PAGE_RULES))
"""The rules that can be switched off."""
LEAKS = (*NAMES, leaks.EXTRA, OTHER_TENANT)
"""The values of the label `rule`."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What is known in advance about one page."""

    messages: tuple[str, ...] = ()
    grace: float = 10.0  # seconds in which the agreed message must be there
    leaks: tuple[re.Pattern[str], ...] = ()
    no_leaks: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Sight:
    """What is visible at one moment."""

    text: str = field(default="", repr=False)  # of the whole page, and of its dialogs
    answer: str = field(default="", repr=False)  # of what answers us


@dataclass(frozen=True, slots=True)
class Visit:
    """What came of one visit. Times in seconds since it began, as the user waited."""

    start: float  # the caller's monotonic clock
    at: float  # wall clock, for evidence
    took: float = 0.0
    status: int | None = None  # of the page itself
    opened: float | None = None  # there was a field to write in
    sent: float | None = None
    before: str = field(default="", repr=False)  # what was visible when it was sent
    first: float | None = None  # the first piece of the answer was visible
    message: float | None = None  # an agreed message was
    sight: Sight = field(default_factory=Sight)  # the last look
    mishap: Mishap | None = None
    picture: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Judged:
    """One visit's outcome and what stands beside it. No words of the page are in it."""

    outcome: Outcome
    rule: str  # what decided
    took: float
    status: int | None = None
    opened: float | None = None
    first: float | None = None  # from sending to the first visible piece of the answer
    leaks: tuple[str, ...] = ()

    @property
    def breach(self) -> bool:
        """Whether the user had neither an answer nor the agreed message."""
        return self.outcome not in KEPT and self.outcome not in EXCLUDED


def in_a_row(before: int, judged: Judged) -> int:
    """How many breaches there were in a row; what says nothing changes nothing."""
    if judged.outcome in EXCLUDED:
        return before
    return before + 1 if judged.breach else 0


def answer_of(answers: Sequence[str], known: Sequence[str]) -> str:
    """What answers us: those that were not there before, and those that read differently now."""
    return "\n".join(answer for place, answer in enumerate(answers) if place >= len(known) or answer != known[place])


def begun(sight: Sight, canary: Canary) -> bool:
    """Whether a piece of our answer is visible; a placeholder such as "Thinking" is none."""
    return compare(canary, sight.answer) in (Song.WHOLE, Song.TAIL_MISSING, Song.REPEATED)


def agreed(text: str, expected: Expected) -> bool:
    """Whether one of the agreed messages stands there, however it is broken into lines."""
    flat = " ".join(text.split()).casefold()
    return any(" ".join(message.split()).casefold() in flat for message in expected.messages)


def enough(sight: Sight, canary: Canary, expected: Expected) -> bool:
    """Whether more looks can change nothing: the answer is whole, or what is there may not be there."""
    known = compare(canary, sight.answer) in (Song.WHOLE, Song.FOREIGN)
    return known or agreed(sight.text, expected) or bool(given_away(sight.text, expected))


def given_away(text: str, expected: Expected) -> tuple[str, ...]:
    """The names of the rules that this visible text breaks."""
    found = leaks.found(text, expected.leaks, expected.no_leaks)
    return (*found, *(name for name, rule in PAGE_RULES if name not in expected.no_leaks and rule.search(text)))


def judge(visit: Visit, canary: Canary, expected: Expected) -> Judged:
    """The outcome of a visit."""
    case = _Case(visit, expected, compare(canary, visit.sight.answer), canary.nonce)
    outcome, rule = next((outcome, rule) for outcome, fits in RULES if (rule := fits(case)))
    first = None if visit.first is None or visit.sent is None else visit.first - visit.sent
    told = case.leaks if outcome is Outcome.UNGRACEFUL else ()
    return Judged(outcome, rule, visit.took, visit.status, visit.opened, first, told)


@dataclass(frozen=True)
class _Case:
    """All that the rules look at."""

    visit: Visit
    expected: Expected
    song: Song
    nonce: str

    @property
    def leaks(self) -> tuple[str, ...]:
        found = given_away(self.visit.sight.text, self.expected)
        return (*found, OTHER_TENANT) if self.song is Song.FOREIGN else found

    @property
    def new(self) -> bool:
        """Whether there are words that were not there before, besides our own question; three dots are none."""
        before = set(self.visit.before.splitlines())
        lines = (*self.visit.sight.text.splitlines(), *self.visit.sight.answer.splitlines())
        return any(_WORD.search(line) and line not in before and self.nonce not in line for line in lines)


# The rules. Each gives a few words of what fitted, or nothing.


def _harness(case: _Case) -> str:
    mishap = case.visit.mishap
    return mishap.value if mishap in OURS else ""


def _elsewhere(case: _Case) -> str:
    return "led to another host" if case.visit.mishap is Mishap.ELSEWHERE else ""


def _ungraceful(case: _Case) -> str:
    return "gives away: " + ", ".join(case.leaks) if case.leaks else ""


def _graceful(case: _Case) -> str:
    at = _message(case)
    return "an agreed message" if at is not None and at <= case.expected.grace else ""


def _late(case: _Case) -> str:
    return "an agreed message, and too late" if _message(case) is not None else ""


def _message(case: _Case) -> float | None:
    """Seconds until the agreed message was visible: since the question, or since the beginning without one."""
    at = case.visit.message
    return None if at is None else at - (case.visit.sent or 0.0)


def _good(case: _Case) -> str:
    return "a whole answer" if case.song is Song.WHOLE else ""


def _unreachable(case: _Case) -> str:
    return "no page" if case.visit.mishap is Mishap.UNREACHED else ""


def _broken(case: _Case) -> str:
    return _BROKEN.get(case.visit.mishap, "") if case.visit.mishap else ""


_BROKEN = {Mishap.CRASHED: "the page crashed", Mishap.HEAVY: "the page took too much memory"}


def _status(case: _Case) -> str:
    status = case.visit.status or 0
    return f"status {status}, and no agreed message" if status >= 400 else ""


def _cut(case: _Case) -> str:
    return "an answer without its end" if case.song is Song.TAIL_MISSING else ""


def _wrong(case: _Case) -> str:
    if case.visit.sent is None and case.visit.sight.text.strip():
        return "no field to write in" if case.visit.mishap is Mishap.NO_PROMPT else ""
    return "neither the answer nor an agreed message" if case.visit.sent is not None and case.new else ""


def _silent(case: _Case) -> str:
    if case.visit.mishap is Mishap.STUCK:
        return "the page does nothing any more"
    if case.visit.sent is None:
        return "nothing to see" if case.visit.status is not None else "did not open in time"
    return "no answer in time"


RULES: Sequence[tuple[Outcome, Callable[[_Case], str]]] = (
    (Outcome.HARNESS_ERROR, _harness),
    (Outcome.ELSEWHERE, _elsewhere),
    (Outcome.UNGRACEFUL, _ungraceful),
    (Outcome.GRACEFUL, _graceful),
    (Outcome.UNGRACEFUL, _late),
    (Outcome.GOOD, _good),
    (Outcome.UNREACHABLE, _unreachable),
    (Outcome.UNGRACEFUL, _broken),
    (Outcome.UNGRACEFUL, _status),
    (Outcome.CUT, _cut),
    (Outcome.WRONG_CONTENT, _wrong),
    (Outcome.SILENT, _silent),
)
"""The whole law. What fits first is what it was."""


@dataclass(frozen=True, slots=True)
class Visited:
    """The news of one visit. `picture`: the name of the file that shows it, empty where none was kept."""

    gateway: str
    at: float  # wall clock, of its beginning
    judged: Judged
    nonce: str
    row: int  # breaches in a row, this one included
    picture: str = ""
