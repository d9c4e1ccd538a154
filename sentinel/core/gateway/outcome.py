"""What one completion was worth: the first rule that fits names its outcome.

    Heard + Expected  ->  who answered  ->  the rules of RULES, from the top  ->  Judged

The order is the argument: our own fault before the gateway's, what broke before what was said, and
a lie (a stream with every mark of success and no end) before a success. `slow` is no outcome but
stands beside it, so that a slow answer of the next provider still counts as a failover.
A `Judged` has closed words and numbers only: what was said stays in the `Heard`.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sentinel.core.gateway import foreign, leaks, provider, retry_after
from sentinel.core.gateway.canary import Canary, Song, compare
from sentinel.core.gateway.completion import OURS, Heard, Trouble
from sentinel.core.gateway.dialect import Dialect, Terminator
from sentinel.core.gateway.foreign import Foreign
from sentinel.core.gateway.provider import UNKNOWN, Preset, Provider, Served, Shown, Sign
from sentinel.core.gateway.transcript import Shape


class Outcome(StrEnum):
    """What a completion was worth, in the order in which it is decided."""

    HARNESS_ERROR = "harness_error"  # ours: says nothing about the gateway
    CONFIG_ERROR = "config_error"  # the gateway refuses us: our key, our model, our request
    GATEWAY_UNREACHABLE = "gateway_unreachable"  # no answer at all
    TIMEOUT_HEADERS = "timeout_headers"  # connected, and then nothing
    TIMEOUT_FIRST_TOKEN = "timeout_first_token"  # headers, and then nothing
    STALLED_STREAM = "stalled_stream"  # tokens, and then nothing, or no end
    ERROR_IN_STREAM = "error_in_stream"  # a success by its status, and then an error
    TRUNCATED_STREAM = "truncated_stream"  # it ended in the middle, said or unsaid
    CORRUPTED_STREAM = "corrupted_stream"  # broken, repeated, or two answers in one
    EMPTY_SUCCESS = "empty_success"  # a success with nothing in it
    DEGRADED_GRACEFUL = "degraded_graceful"  # the message that was agreed on for bad times
    STRUCTURED_ERROR = "structured_error"  # an error that programs understand, and that gives nothing away
    UNGRACEFUL_ERROR = "ungraceful_error"  # any other error
    WRONG_CONTENT = "wrong_content"  # whole, and not what was asked for
    FAILED_OVER = "failed_over"  # good, from another provider than the primary
    SERVED_PRIMARY = "served_primary"  # good, from the primary
    SERVED_UNKNOWN = "served_unknown"  # good, from nobody knows whom


GOOD = frozenset((Outcome.FAILED_OVER, Outcome.SERVED_PRIMARY, Outcome.SERVED_UNKNOWN))
"""The user has an answer."""
EXCLUDED = frozenset((Outcome.HARNESS_ERROR, Outcome.CONFIG_ERROR))
"""Counted, alerted on by themselves, and no part of the gateway's availability."""


class Kind(StrEnum):
    """How a stream was truncated."""

    ABORT = "abort"  # the connection broke
    NO_TERMINATOR = "no_terminator"  # it ended well and without the dialect's mark of an end
    SILENT = "silent"  # with every mark, and a piece missing


class Level(StrEnum):
    """How it looked to whoever waited for it."""

    GOOD = "good"  # an answer
    GRACEFUL = "graceful"  # the agreed message
    STRUCTURED = "structured"  # an error for programs, without leaks
    UNGRACEFUL = "ungraceful"  # silence, or something that nobody should read


class Point(StrEnum):
    """Where it is judged."""

    USER = "user"  # the address that people's pages ask
    API = "api"  # the gateway's own


@dataclass(frozen=True, slots=True)
class Message:
    """A message that was agreed on for bad times: a pattern of its text, or of what a pointer leads to."""

    pattern: re.Pattern[str]
    pointer: str = ""
    statuses: frozenset[int] = frozenset()  # empty: any


@dataclass(frozen=True, slots=True)
class Expected:
    """What is known in advance about one gateway. `ours`: where an answer shows these, they must fit."""

    primary: str
    providers: tuple[Provider, ...]
    preset: Preset
    dialect: Dialect = Dialect.OPENAI_CHAT
    terminator: Terminator = Terminator.EITHER
    ours: tuple[Sign, ...] = ()
    slow: float = 5.0  # seconds: the objective for a whole answer
    grace: float = 10.0  # seconds in which an error must be there to be graceful
    messages: tuple[Message, ...] = ()
    leaks: tuple[re.Pattern[str], ...] = ()
    no_leaks: frozenset[str] = frozenset()  # rules that are off


@dataclass(frozen=True, slots=True)
class Judged:
    """One completion's outcome and all that stands beside it. No words of the reply are in it."""

    outcome: Outcome
    rule: str  # what decided
    served: Served
    level: Level
    stream: bool
    status: int | None
    took: float
    first_token: float | None
    gap: float = 0.0  # the longest pause between two tokens
    kind: Kind | None = None
    slow: bool = False
    tokens_before: int = 0  # that came before an error
    error_type: str = ""  # cut and cleaned; for people, never a label
    retry_after: float | None = None
    leaks: tuple[str, ...] = ()
    foreign: tuple[Foreign, ...] = ()  # signs of somebody else, in any part of it
    stale: bool = False  # an older answer to us: a cache

    @property
    def cross_talk(self) -> bool:
        """Whether somebody else's answer, or a piece of it, reached us."""
        return bool(self.foreign)

    @property
    def good(self) -> bool:
        """Whether the user has an answer."""
        return self.outcome in GOOD


def judge(heard: Heard, canary: Canary, expected: Expected) -> Judged:
    """The outcome of what was heard."""
    case = _case(heard, canary, expected)
    outcome, rule = next((outcome, rule) for outcome, fits in RULES if (rule := fits(case)))
    transcript = heard.transcript
    return Judged(
        outcome=outcome,
        rule=rule,
        served=case.served,
        level=_level(outcome, case),
        stream=heard.stream,
        status=heard.status,
        took=heard.took,
        first_token=heard.first_token,
        gap=transcript.gap,
        kind=_kind(case) if outcome is Outcome.TRUNCATED_STREAM else None,
        slow=heard.took > expected.slow,
        tokens_before=transcript.tokens if outcome is Outcome.ERROR_IN_STREAM else 0,
        error_type=_cleaned(transcript.failure.kind) if transcript.failure else "",
        retry_after=retry_after.seconds(heard.headers, heard.at),
        leaks=case.leaks if outcome not in GOOD else (),
        foreign=foreign.found(heard, case.shown, canary, expected.ours),
        stale=case.song is Song.STALE,
    )


def acceptable(judged: Judged, point: Point) -> bool:
    """Whether this is as bad as it may be at this point: people need words, programs a time to come back."""
    if judged.level in (Level.GOOD, Level.GRACEFUL):
        return True
    told = judged.status in (429, 503, 529) and judged.retry_after is not None
    return point is Point.API and judged.level is Level.STRUCTURED and told


@dataclass(frozen=True, slots=True)
class _Case:
    """All that the rules look at."""

    heard: Heard
    expected: Expected
    shown: Shown
    served: Served
    song: Song
    leaks: tuple[str, ...]
    message: bool  # an agreed message stands there, in time and with no leak

    @property
    def success(self) -> bool:
        return self.heard.status is not None and 200 <= self.heard.status < 300

    @property
    def failed(self) -> bool:
        """Whether there was an answer and it was an error by its status."""
        return self.heard.status is not None and not self.success


def _case(heard: Heard, canary: Canary, expected: Expected) -> _Case:
    transcript = heard.transcript
    shown = Shown(heard.headers, transcript.first, transcript.last, transcript.id, stream=heard.stream)
    told = transcript.body or transcript.text
    found = leaks.found(told, expected.leaks, expected.no_leaks)
    return _Case(
        heard=heard,
        expected=expected,
        shown=shown,
        served=provider.who(shown, expected.providers, expected.preset),
        song=compare(canary, transcript.text),
        leaks=found,
        message=not found and heard.took <= expected.grace and _agreed(heard, expected.messages),
    )


def _agreed(heard: Heard, messages: Sequence[Message]) -> bool:
    transcript = heard.transcript
    for message in messages:
        if message.statuses and heard.status not in message.statuses:
            continue
        pointed = provider.pointed(transcript.last, message.pointer) if message.pointer else None
        said = pointed if isinstance(pointed, str) else "" if message.pointer else transcript.text or transcript.body
        if said and message.pattern.search(said):
            return True
    return False


# The rules. Each gives a few words of what fitted, or nothing.


def _harness(case: _Case) -> str:
    trouble = case.heard.trouble
    return trouble.value if trouble in OURS else ""


def _config(case: _Case) -> str:
    """Refused by the gateway itself; what a provider refuses is the gateway's business."""
    status, failure = case.heard.status, case.heard.transcript.failure
    if case.served.reached or case.message:
        return ""
    if status in (401, 403):
        return f"{status} from the gateway"
    if status == 400 and failure is not None and failure.envelope and failure.kind != "content_filter":
        return "400 from the gateway"
    if status == 404 and failure is not None and "model" in case.heard.transcript.body.lower():
        return "404 of the model"
    return ""


_UNREACHED = frozenset(
    (
        Trouble.DNS,
        Trouble.REFUSED,
        Trouble.UNROUTED,
        Trouble.RESET,
        Trouble.TLS,
        Trouble.CONNECT,
        Trouble.PROTOCOL,
    )
)


def _unreachable(case: _Case) -> str:
    trouble = case.heard.trouble
    return trouble.value if trouble in _UNREACHED else ""


def _late_headers(case: _Case) -> str:
    return "no headers in time" if case.heard.trouble is Trouble.LATE_HEADERS else ""


def _late_token(case: _Case) -> str:
    late = case.heard.trouble in (Trouble.LATE_TOKEN, Trouble.TOO_LONG, Trouble.IDLE)
    return "no token in time" if late and case.success and not case.heard.transcript.tokens else ""


def _stalled(case: _Case) -> str:
    if not case.success or not case.heard.transcript.tokens:
        return ""
    if case.heard.trouble is Trouble.IDLE:
        return "silence between tokens"
    return "no end in time" if case.heard.trouble is Trouble.TOO_LONG else ""


def _error_in_stream(case: _Case) -> str:
    if not case.success or case.heard.transcript.failure is None:
        return ""
    return "an event with an error" if case.heard.transcript.shape is Shape.STREAM else "an error with status 200"


def _truncated(case: _Case) -> str:
    kind = _kind(case)
    return _TRUNCATIONS[kind] if kind else ""


_TRUNCATIONS = {
    Kind.ABORT: "the connection ended in the middle",
    Kind.NO_TERMINATOR: "ended without its mark",
    Kind.SILENT: "every mark of an end, and the canary's tail is missing",
}


def _kind(case: _Case) -> Kind | None:
    transcript = case.heard.transcript
    if not case.success:
        return None
    if case.heard.trouble is Trouble.ABORT:
        return Kind.ABORT
    if not transcript.tokens or transcript.flooded or transcript.bad_events:
        return None
    if transcript.shape is Shape.STREAM and not _terminated(case):
        return Kind.NO_TERMINATOR
    cut = case.song is Song.TAIL_MISSING and transcript.finish != "length"
    return Kind.SILENT if cut else None


def _terminated(case: _Case) -> bool:
    done, finish = case.heard.transcript.done, bool(case.heard.transcript.finish)
    match case.expected.terminator:
        case Terminator.DONE:
            return done
        case Terminator.FINISH:
            return finish
        case Terminator.EITHER:
            return done or finish
        case Terminator.BOTH:
            return done and finish


def _corrupted(case: _Case) -> str:
    transcript = case.heard.transcript
    if not case.success:
        return ""
    if "content-encoding" in case.heard.headers and case.heard.headers["content-encoding"].lower() != "identity":
        return "compressed, though it was not asked for"
    signs = (
        (transcript.flooded, "more than an answer can be"),
        (bool(transcript.bad_events), "an event that is no JSON"),
        (transcript.garbled, "bytes that are no text"),
        (transcript.spliced, "two answers in one"),
        (case.song is Song.REPEATED, "text that repeats itself"),
    )
    return next((said for fits, said in signs if fits), "")


def _empty(case: _Case) -> str:
    transcript = case.heard.transcript
    if not case.success or transcript.tokens:
        return ""
    if transcript.shape is Shape.NOTHING:
        return "not one byte"
    return "no text" if transcript.shape in (Shape.STREAM, Shape.ANSWER) else ""


def _degraded(case: _Case) -> str:
    return "an agreed message" if case.message else ""


def _structured(case: _Case) -> str:
    failure = case.heard.transcript.failure
    status = case.heard.status or 0
    if status < 400 or failure is None or not failure.envelope or case.leaks or case.heard.trouble:
        return ""
    return "an error for programs" if case.heard.took <= case.expected.grace else ""


def _ungraceful(case: _Case) -> str:
    if case.success and case.heard.transcript.shape in (Shape.STREAM, Shape.ANSWER):
        return ""
    if case.leaks:
        return "gives away: " + ", ".join(case.leaks)
    if case.heard.status is not None and 300 <= case.heard.status < 400:
        return "a redirect, which is not followed"
    if case.success:
        return "no completion"
    return "late" if case.heard.took > case.expected.grace else "no error of this dialect"


def _wrong(case: _Case) -> str:
    return "" if case.song is Song.WHOLE else f"the canary: {case.song.value}"


def _failed_over(case: _Case) -> str:
    if case.served.provider == UNKNOWN:
        return "the gateway says that it fell back" if case.served.fallback else ""
    return case.served.evidence if case.served.provider != case.expected.primary else ""


def _primary(case: _Case) -> str:
    return case.served.evidence if case.served.provider == case.expected.primary else ""


def _unknown(case: _Case) -> str:
    return case.served.evidence or "no sign of a provider"


RULES: Sequence[tuple[Outcome, Callable[[_Case], str]]] = (
    (Outcome.HARNESS_ERROR, _harness),
    (Outcome.CONFIG_ERROR, _config),
    (Outcome.GATEWAY_UNREACHABLE, _unreachable),
    (Outcome.TIMEOUT_HEADERS, _late_headers),
    (Outcome.TIMEOUT_FIRST_TOKEN, _late_token),
    (Outcome.STALLED_STREAM, _stalled),
    (Outcome.ERROR_IN_STREAM, _error_in_stream),
    (Outcome.TRUNCATED_STREAM, _truncated),
    (Outcome.CORRUPTED_STREAM, _corrupted),
    (Outcome.EMPTY_SUCCESS, _empty),
    (Outcome.DEGRADED_GRACEFUL, _degraded),
    (Outcome.STRUCTURED_ERROR, _structured),
    (Outcome.UNGRACEFUL_ERROR, _ungraceful),
    (Outcome.WRONG_CONTENT, _wrong),
    (Outcome.FAILED_OVER, _failed_over),
    (Outcome.SERVED_PRIMARY, _primary),
    (Outcome.SERVED_UNKNOWN, _unknown),
)
"""The whole law. What fits first is what it was."""


def _level(outcome: Outcome, case: _Case) -> Level:
    if outcome in GOOD:
        return Level.GOOD
    if case.message:
        return Level.GRACEFUL
    failure = case.heard.transcript.failure
    told = failure is not None and failure.envelope and not case.leaks and case.heard.took <= case.expected.grace
    return Level.STRUCTURED if told and case.heard.trouble is None else Level.UNGRACEFUL


def _cleaned(kind: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "?", kind)[:40]
