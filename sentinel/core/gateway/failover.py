"""How long users were without an answer when a provider died: two bounds, and never a single figure.

    served by A      A dies          nobody answers          served by B
    ...--a-----|.......x....b====b.......b====b.........[c-----]--c--c--...
               e_a     ^    fault is in (e_a, e_b]      ^     e_c
                       |    recovery is in (s_c', e_c]  |  c' is the last bad probe before c
                       the true figure lies between  F_lower = s_c' - e_b  and  F_upper = e_c - e_a

A probe sees the world only when it begins and when it ends, so the truth is known to an interval.
`F_upper` begins with the last good answer and ends with the first good one *received*; `F_lower`
counts what nobody can dispute, and leaves the duration of the answer itself out, so that the
interval holds both the moment of the switch and the moment of the first answer after it. With bad
probes missing altogether (the next request simply went elsewhere) it is 0.

`advance` takes samples in the order in which they *began*: overlapping probes end in any order, and
`Line` puts them right. Driven by `engine.gateway`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from sentinel.core.gateway.completion import Heard
from sentinel.core.gateway.outcome import EXCLUDED, GOOD, Judged
from sentinel.core.gateway.provider import UNKNOWN

STABLE = 3
"""Good answers in a row that end an episode."""


class Kind(StrEnum):
    """What a probe was to a user."""

    GOOD = "good"  # an answer
    BAD = "bad"  # none, or one that is no good
    OURS = "ours"  # we do not know, by our own fault


@dataclass(frozen=True, slots=True)
class Sample:
    """One probe. Seconds of one clock that never jumps."""

    start: float
    end: float
    kind: Kind
    provider: str = UNKNOWN
    alive: float | None = None  # of a bad one: when its provider was last heard, a token before the end


def sample_of(heard: Heard, judged: Judged) -> Sample:
    """The probe as a sample. What says nothing about the gateway's providers is ours."""
    if judged.outcome in EXCLUDED:
        return Sample(heard.start, heard.end, Kind.OURS)
    kind = Kind.GOOD if judged.outcome in GOOD else Kind.BAD
    return Sample(heard.start, heard.end, kind, judged.served.provider, heard.transcript.last_token)


class Verdict(StrEnum):
    """What an episode means for the promise."""

    PASS = "pass"  # the upper bound is within the promise
    VIOLATION = "violation"  # even the lower bound is beyond it
    INDETERMINATE = "indeterminate"  # the promise lies between the bounds
    RIGHT_CENSORED = "right_censored"  # we stopped while it lasted
    LEFT_CENSORED = "left_censored"  # it had begun before we did
    SELF_RECOVERED = "self_recovered"  # the same provider came back, so nothing took over
    INVALID = "invalid"  # we were disturbed ourselves meanwhile


@dataclass(frozen=True, slots=True)
class Bounds:
    """The truth lies between these, seconds."""

    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class Episode:
    """What happened, once it is over. Times are those of the samples."""

    verdict: Verdict
    source: str  # who answered before
    to: str  # who answered after
    began: float  # the first bad probe's start; without one, that of the first answer from elsewhere
    ended: float  # the end of the first good answer of the stable run; of our watching, when censored
    first: Bounds | None = None  # until the first good answer, though bad ones may follow it
    stable: Bounds | None = None  # until the first of `STABLE` good ones in a row: this is judged
    user: float | None = None  # who asked with the first bad probe and tried again waited as long
    bad: int = 0

    def pages(self, within: float) -> bool:
        """Whether somebody is to be woken: proven beyond the promise, or felt beyond it."""
        felt = self.user is not None and self.user >= within and self.verdict is not Verdict.INVALID
        return felt or self.verdict is Verdict.VIOLATION


@dataclass(frozen=True, slots=True)
class Failback:
    """The primary answers again, without a gap. `at`: the end of its first answer."""

    source: str
    at: float


@dataclass(frozen=True, slots=True)
class Failover:
    """What is known of one gateway. Give `within` in seconds; the rest grows."""

    within: float
    primary: str
    steady: str | None = None  # who answered last; None before anybody has
    goods: tuple[Sample, ...] = ()  # of `steady`: all that may still be the last before a fault
    open: "_Open | None" = None
    blind: bool = False  # our own fault, told already


@dataclass(frozen=True, slots=True)
class _Run:
    """Good answers in a row."""

    start: float  # of the first
    end: float  # the earliest end among them: by then there was an answer
    count: int
    to: str
    disturbed: bool = False  # our own fault came after them: they stand, and what follows does not


@dataclass(frozen=True, slots=True)
class _Open:
    """An episode that lasts."""

    began: float
    bad: int = 0
    bad_start: float | None = None  # of the first bad one
    last_bad: float | None = None  # of the latest: until then it lasted
    seen: float = float("inf")  # the earliest end of a bad one, or of an answer from elsewhere: the fault was there
    first: Bounds | None = None
    user: float | None = None
    run: _Run | None = None


Told = Episode | Failback


def advance(state: Failover, sample: Sample) -> tuple[Failover, Told | None]:
    """The next state, and what came to its end with this sample. In the order of `start`."""
    match sample.kind:
        case Kind.OURS:
            return _ours(state, sample)
        case Kind.BAD:
            return _bad(replace(state, blind=False), sample)
        case Kind.GOOD:
            state = replace(state, blind=False)
            return _calm(state, sample) if state.open is None else _good(state, state.open, sample)


def close(state: Failover, now: float) -> Episode | None:
    """What is told of an episode that still lasts when we stop."""
    episode = state.open
    if episode is None or episode.bad_start is None:
        return None
    if episode.run is not None:
        episode = _broken(state, episode)
    return Episode(
        Verdict.RIGHT_CENSORED,
        state.steady or UNKNOWN,
        UNKNOWN,
        episode.began,
        now,
        first=episode.first,
        user=episode.user,
        bad=episode.bad,
    )


@dataclass(frozen=True, slots=True)
class Live:
    """How an open episode stands, seconds: proven so far, and felt so far by who asked first."""

    lower: float = 0.0
    user: float = 0.0


def live(state: Failover, now: float) -> Live | None:
    """How it stands; None when users are answered, and when nothing can be said."""
    episode = state.open
    if episode is None or episode.bad_start is None or episode.run is not None:
        return None
    return Live(_lower(episode), (now - episode.bad_start) if episode.user is None else episode.user)


def _calm(state: Failover, sample: Sample) -> tuple[Failover, Told | None]:
    name = sample.provider
    if name == UNKNOWN or state.steady in (None, UNKNOWN, name):
        return _still(state, sample), None
    if name == state.primary:
        assert state.steady is not None, "it was somebody, a line above"
        back = Failback(state.steady, sample.end)
        return replace(state, steady=name, goods=(sample,)), back
    return _good(state, _Open(sample.start), sample)


def _still(state: Failover, sample: Sample) -> Failover:
    """Answered as before. An answer that ended before this one began tells nothing that this one does not."""
    steady = sample.provider if sample.provider != UNKNOWN else state.steady or UNKNOWN
    goods = (*(good for good in state.goods if good.end > sample.start), sample)
    return replace(state, steady=steady, goods=goods)


def _ours(state: Failover, sample: Sample) -> tuple[Failover, Told | None]:
    """Nothing is known of this time: what was open is told as invalid, and whatever follows begins anew."""
    episode = state.open
    if episode is not None and episode.run is not None:
        return replace(state, open=replace(episode, run=replace(episode.run, disturbed=True))), None
    if episode is None and (state.blind or state.steady is None):
        return replace(state, goods=()), None
    return replace(state, open=None, goods=(), blind=True), _invalid(state, episode, sample)


def _invalid(state: Failover, episode: _Open | None, sample: Sample) -> Episode:
    began, bad = (sample.start, 0) if episode is None else (episode.began, episode.bad)
    return Episode(Verdict.INVALID, state.steady or UNKNOWN, UNKNOWN, began, sample.end, bad=bad)


def _bad(state: Failover, sample: Sample) -> tuple[Failover, Told | None]:
    episode, told = state.open, None
    if episode is not None and episode.run is not None and episode.run.disturbed:
        told, episode = _invalid(state, episode, sample), None
        state = replace(state, goods=())
    episode = _broken(state, episode or _Open(sample.start))
    if sample.alive is not None and sample.provider == state.steady:
        # Cut off in the middle: until its last token all was well.
        state = _still(state, replace(sample, end=sample.alive))
    first = episode.bad_start is None
    episode = replace(
        episode,
        began=sample.start if first else episode.began,
        bad=episode.bad + 1,
        bad_start=sample.start if first else episode.bad_start,
        last_bad=sample.start,
        seen=min(episode.seen, sample.end),
    )
    return replace(state, open=episode), told


def _broken(state: Failover, episode: _Open) -> _Open:
    """The run of good answers is over; what was measured until its first one stays."""
    run = episode.run
    if run is None:
        return episode
    elsewhere = run.to not in (UNKNOWN, state.steady)
    return replace(
        episode,
        run=None,
        first=episode.first or _bounds(state, episode, run),
        user=_felt(episode, run),
        seen=min(episode.seen, run.end) if elsewhere else episode.seen,
    )


def _good(state: Failover, episode: _Open, sample: Sample) -> tuple[Failover, Told | None]:
    same = sample.provider == state.steady != UNKNOWN
    if same and episode.bad and sample.end <= episode.seen:
        # It began after the first bad one and ended before it: the fault may have come between.
        return _still(state, sample), None
    run = _further(episode.run, sample)
    episode = replace(episode, run=run)
    if run.count >= STABLE or (same and episode.first is None):
        return _ended(state, episode, run, sample)
    return replace(state, open=episode), None


def _further(run: _Run | None, sample: Sample) -> _Run:
    if run is None:
        return _Run(sample.start, sample.end, 1, sample.provider)
    to = run.to if run.to != UNKNOWN else sample.provider
    return replace(run, end=min(run.end, sample.end), count=run.count + 1, to=to)


def _ended(state: Failover, episode: _Open, run: _Run, sample: Sample) -> tuple[Failover, Episode]:
    stable = _bounds(state, episode, run)
    verdict = _verdict(state, episode, run, stable)
    told = Episode(
        verdict,
        state.steady or UNKNOWN,
        run.to,
        episode.began,
        run.end,
        first=(episode.first or stable) if verdict in _MEASURED else None,
        stable=stable if verdict in _MEASURED else None,
        user=_felt(episode, run),
        bad=episode.bad,
    )
    steady = sample.provider if sample.provider != UNKNOWN else run.to
    return replace(state, open=None, steady=steady, goods=(sample,)), told


_MEASURED = frozenset((Verdict.PASS, Verdict.VIOLATION, Verdict.INDETERMINATE))


def _verdict(state: Failover, episode: _Open, run: _Run, stable: Bounds | None) -> Verdict:
    if run.to == state.steady != UNKNOWN and episode.first is None and episode.bad:
        return Verdict.SELF_RECOVERED
    if stable is None:
        return Verdict.LEFT_CENSORED
    if stable.upper < state.within:
        return Verdict.PASS
    return Verdict.VIOLATION if stable.lower >= state.within else Verdict.INDETERMINATE


def _bounds(state: Failover, episode: _Open, run: _Run) -> Bounds | None:
    """None when nobody had answered before it began."""
    if not state.goods:
        return None
    seen = min(episode.seen, run.end)
    alive = max(good.end if good.end <= seen else good.start for good in state.goods)
    return Bounds(_lower(episode), max(0.0, run.end - alive))


def _lower(episode: _Open) -> float:
    return 0.0 if episode.last_bad is None else max(0.0, episode.last_bad - episode.seen)


def _felt(episode: _Open, run: _Run) -> float | None:
    if episode.user is not None or episode.bad_start is None:
        return episode.user
    return run.end - episode.bad_start


@dataclass(frozen=True, slots=True)
class _Place:
    number: int
    sample: Sample | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """Probes in the order in which they began; those that have ended wait for the earlier ones."""

    places: tuple[_Place, ...] = ()

    def begin(self, number: int) -> "Line":
        """A probe began. Numbers grow with the time of the beginning."""
        return Line((*self.places, _Place(number)))

    def end(self, number: int, sample: Sample | None) -> "tuple[Line, tuple[Sample, ...]]":
        """It ended, without a sample if it was cancelled: the line, and what need not wait any longer."""
        places = [
            _Place(number, sample) if place.number == number else place
            for place in self.places
            if place.number != number or sample is not None
        ]
        ready = []
        while places and (first := places[0].sample) is not None:
            ready.append(first)
            places.pop(0)
        return Line(tuple(places)), tuple(ready)

    @property
    def waiting(self) -> tuple[Sample, ...]:
        """What has ended and waits for an earlier one."""
        return tuple(place.sample for place in self.places if place.sample is not None)


def ahead(state: Failover, samples: Iterable[Sample]) -> Failover:
    """The state as it would be with these: to look at, while an earlier probe still hangs."""
    for sample in samples:
        state, _ = advance(state, sample)
    return state
