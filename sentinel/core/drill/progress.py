"""How far a drill has come. Each event moves it on; what it asks for is done by `engine.drill`.

    gating --primary well--> arming --proved--> observing --another answered, time over--> reverting --proved-->
      |                        |                    |                                          ^
      | nothing is broken      +--- not proved -----+---------- an abort, a signal ------------+
      v                                                                                        |
    judged <---------------------- the primary is back, or its time is over -- recovering <----+

A drill that wounds only what was well, that knows its wound is there, and that proves it is gone.
Seconds of one clock that never jumps. `ruling` says what it proved.
"""

from dataclasses import dataclass, field, replace
from enum import StrEnum

from sentinel.core.gateway.failover import STABLE, Episode, Live
from sentinel.core.gateway.failover import Verdict as Ended
from sentinel.core.gateway.outcome import EXCLUDED, Judged, Kind, Level, Outcome, Point


class Phase(StrEnum):
    """Where a drill stands."""

    GATING = "gating"  # is the gateway well, and does the primary answer?
    ARMING = "arming"  # the receipt is written, the fault is put there and read back
    OBSERVING = "observing"  # the fault stands
    REVERTING = "reverting"  # it is taken away, and its absence read back
    RECOVERING = "recovering"  # does the primary answer again?
    JUDGED = "judged"  # over


class By(StrEnum):
    """Who is expected to answer while the fault stands."""

    ANOTHER = "another"  # another provider, within the promise
    GRACEFUL = "graceful"  # nobody need, as long as every answer is one that people can read


@dataclass(frozen=True, slots=True)
class Terms:
    """What a drill may do and what it expects. Seconds."""

    primary: str
    within: float  # the promise
    duration: float  # the longest that the fault stands
    gate: float = 30.0  # the longest that the primary is waited for, before
    by: By = By.ANOTHER
    graceful: bool = True  # one answer that nobody should be shown fails it
    point: Point = Point.API
    failback: float | None = 60.0  # None: not waited for
    most_unanswered: float | None = None  # an abort
    most_ungraceful: int | None = None  # an abort


class Cut(StrEnum):
    """Why a drill ended before its time."""

    STOPPED = "stopped"  # somebody said so
    LIMIT = "limit"  # an abort condition of its own
    INJECTOR = "injector"  # the fault could not be put there, or not be seen there
    DISTURBED = "disturbed"  # we were disturbed ourselves


@dataclass(frozen=True, slots=True)
class Span:
    """When something was asked for, and when it was seen to be so."""

    asked: float
    proved: float


@dataclass(frozen=True, slots=True)
class Tally:
    """What was answered while the fault stood."""

    served: tuple[tuple[str, int], ...] = ()  # whole answers, by provider
    bad: int = 0
    slow: int = 0
    ungraceful: int = 0
    rules: tuple[str, ...] = ()  # what decided that these were
    cross_talk: bool = False

    def changed(self, primary: str) -> bool:
        """Whether anything was different for anybody from what it was before."""
        return bool(self.bad or self.slow or any(name != primary for name, _ in self.served))


@dataclass(frozen=True, slots=True)
class Progress:
    """All that is known of one drill."""

    phase: Phase
    passed: tuple[tuple[Phase, float], ...]  # when each began
    row: int = 0  # good answers of the primary, one after the other
    last: str = ""  # the latest answer that was not one of them
    injected: Span | None = None
    reverted: Span | None = None
    episode: Episode | None = None  # in which another provider took over
    unanswered: Live = field(default_factory=Live)  # the longest that lasted while the fault stood
    tally: Tally = field(default_factory=Tally)
    back: float | None = None  # the end of the primary's first answer after the undo
    cut: Cut | None = None
    why: str = ""  # the cut's, in words
    bitten: int | None = None  # requests that met the fault, as the injector counted them
    unhealed: str = ""  # why the undo could not be proved

    @property
    def since(self) -> float:
        """When this phase began."""
        return self.passed[-1][1]

    @property
    def began(self) -> float:
        """When the drill began."""
        return self.passed[0][1]


@dataclass(frozen=True, slots=True)
class Heard:
    """A probe ended."""

    start: float
    end: float
    judged: Judged


@dataclass(frozen=True, slots=True)
class Over:
    """The failover machine told of an episode."""

    at: float
    episode: Episode


@dataclass(frozen=True, slots=True)
class Tick:
    """Time passed. `live`: an outage that lasts."""

    at: float
    live: Live | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """What was asked for, the wound or its undo, was seen to be so."""

    span: Span
    bitten: int | None = None  # of the undo: requests that met the fault, where the injector counts them


@dataclass(frozen=True, slots=True)
class Failed:
    """It was not."""

    at: float
    why: str


@dataclass(frozen=True, slots=True)
class Stop:
    """Somebody wants it to end."""

    at: float
    why: str


Event = Heard | Over | Tick | Done | Failed | Stop


def begin(now: float) -> Progress:
    """A drill that has touched nothing yet."""
    return Progress(Phase.GATING, ((Phase.GATING, now),))


def advance(terms: Terms, progress: Progress, event: Event) -> Progress:
    """The next state."""
    match event:
        case Heard():
            return _heard(terms, progress, event)
        case Over():
            return _over(terms, progress, event)
        case Tick():
            return _tick(terms, progress, event)
        case Done():
            return _done(terms, progress, event)
        case Failed():
            return _failed(progress, event)
        case Stop():
            return _cut(progress, Cut.STOPPED, event.why, event.at)


def _heard(terms: Terms, progress: Progress, heard: Heard) -> Progress:
    judged = heard.judged
    if judged.cross_talk:
        progress = replace(progress, tally=replace(progress.tally, cross_talk=True))
        return _cut(progress, Cut.LIMIT, "the answer to another tenant was given", heard.end)
    match progress.phase:
        case Phase.GATING:
            progress = _in_row(progress, heard)
            return _to(progress, Phase.ARMING, heard.end) if progress.row >= STABLE else progress
        case Phase.ARMING | Phase.OBSERVING | Phase.REVERTING:
            return _limited(terms, _counted(terms, progress, judged), heard.end)
        case Phase.RECOVERING:
            return _recovering(terms, progress, heard)
        case Phase.JUDGED:
            return progress


def _in_row(progress: Progress, heard: Heard) -> Progress:
    if heard.judged.outcome is Outcome.SERVED_PRIMARY:
        return replace(progress, row=progress.row + 1)
    return replace(progress, row=0, back=None, last=f"{heard.judged.outcome.value}, {heard.judged.rule}")


def _counted(terms: Terms, progress: Progress, judged: Judged) -> Progress:
    if judged.outcome in EXCLUDED:
        return progress
    tally = progress.tally
    served = dict(tally.served)
    if judged.good:
        served[judged.served.provider] = served.get(judged.served.provider, 0) + 1
    rule = unfit(judged, terms.point)
    return replace(
        progress,
        tally=replace(
            tally,
            served=tuple(served.items()),
            bad=tally.bad + (not judged.good),
            slow=tally.slow + (judged.good and judged.slow),
            ungraceful=tally.ungraceful + bool(rule),
            rules=tuple(dict.fromkeys((*tally.rules, rule))) if rule else tally.rules,
        ),
    )


_SHOWN = frozenset((Outcome.UNGRACEFUL_ERROR, Outcome.STRUCTURED_ERROR, Outcome.ERROR_IN_STREAM, Outcome.EMPTY_SUCCESS))
"""What was shown to somebody. A silence, or a stream that visibly broke off, is an answer that is missing."""


def unfit(judged: Judged, point: Point) -> str:
    """Why nobody at this point should have been shown this; empty when it is fit, or when nothing was shown."""
    fit = (Level.GOOD, Level.GRACEFUL) if point is Point.USER else (Level.GOOD, Level.GRACEFUL, Level.STRUCTURED)
    if judged.level in fit:
        return ""
    return judged.rule if judged.outcome in _SHOWN or judged.kind is Kind.SILENT else ""


def _limited(terms: Terms, progress: Progress, now: float) -> Progress:
    most = terms.most_ungraceful
    if progress.phase is Phase.OBSERVING and most is not None and progress.tally.ungraceful > most:
        return _cut(progress, Cut.LIMIT, f"more than {most} ungraceful answers", now)
    return progress


def _recovering(terms: Terms, progress: Progress, heard: Heard) -> Progress:
    assert progress.reverted is not None, "it recovers from a wound that is healed"
    if heard.start < progress.reverted.asked:
        return _counted(terms, progress, heard.judged)  # it met the fault
    progress = _in_row(progress, heard)
    if progress.row and progress.back is None:
        progress = replace(progress, back=heard.end)
    return _to(progress, Phase.JUDGED, heard.end) if progress.row >= STABLE else progress


def _over(terms: Terms, progress: Progress, over: Over) -> Progress:
    if progress.phase not in (Phase.ARMING, Phase.OBSERVING):
        return progress
    episode = over.episode
    if episode.verdict is Ended.INVALID:
        return _cut(progress, Cut.DISTURBED, "we were disturbed ourselves meanwhile", over.at)
    if episode.stable is None or episode.to == terms.primary:
        return progress
    progress = replace(progress, episode=progress.episode or episode)
    # While it is armed the undo waits for the proof, which comes next.
    wait = progress.phase is Phase.ARMING or terms.by is By.GRACEFUL
    return progress if wait else _to(progress, Phase.REVERTING, over.at)


def _tick(terms: Terms, progress: Progress, tick: Tick) -> Progress:
    past = tick.at - progress.since
    match progress.phase:
        case Phase.GATING if past >= terms.gate:
            return _to(progress, Phase.JUDGED, tick.at)
        case Phase.OBSERVING:
            return _observed(terms, progress, tick)
        case Phase.RECOVERING if terms.failback is not None and past >= terms.failback and progress.back is None:
            return _to(progress, Phase.JUDGED, tick.at)
    return progress


def _observed(terms: Terms, progress: Progress, tick: Tick) -> Progress:
    if tick.live is not None and tick.live.lower >= progress.unanswered.lower:
        progress = replace(progress, unanswered=tick.live)
    most = terms.most_unanswered
    if most is not None and progress.unanswered.user > most:
        return _cut(progress, Cut.LIMIT, f"nobody was answered for more than {most:g} s", tick.at)
    enough = progress.episode is not None and terms.by is By.ANOTHER
    over = tick.at - progress.since >= terms.duration
    return _to(progress, Phase.REVERTING, tick.at) if enough or over else progress


def _done(terms: Terms, progress: Progress, done: Done) -> Progress:
    span = done.span
    match progress.phase:
        case Phase.ARMING:
            return _to(replace(progress, injected=span), Phase.OBSERVING, span.proved)
        case Phase.REVERTING:
            progress = replace(progress, reverted=span, bitten=done.bitten, row=0)
            wait = progress.cut is None and terms.failback is not None
            return _to(progress, Phase.RECOVERING if wait else Phase.JUDGED, span.proved)
        case _:
            return progress


def _failed(progress: Progress, failed: Failed) -> Progress:
    match progress.phase:
        case Phase.GATING | Phase.ARMING:
            return _cut(progress, Cut.INJECTOR, failed.why, failed.at)
        case _:
            return _to(replace(progress, unhealed=failed.why), Phase.JUDGED, failed.at)


def _cut(progress: Progress, cut: Cut, why: str, now: float) -> Progress:
    """It ends here; what is broken, or may be, is healed first."""
    if progress.phase is not Phase.JUDGED and progress.cut is None:
        progress = replace(progress, cut=cut, why=why)
    match progress.phase:
        case Phase.ARMING | Phase.OBSERVING:
            return _to(progress, Phase.REVERTING, now)
        case Phase.GATING | Phase.RECOVERING:
            return _to(progress, Phase.JUDGED, now)
        case _:
            return progress


def _to(progress: Progress, phase: Phase, now: float) -> Progress:
    return replace(progress, phase=phase, passed=(*progress.passed, (phase, now)))
