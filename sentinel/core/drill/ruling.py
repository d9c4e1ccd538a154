"""What a drill proved: the first rule that fits, with a sentence that says why.

    Terms + Progress  ->  the rules of RULES, from the top  ->  Ruling

What was seen to be broken fails, however the drill ended; only then its own troubles count. A drill
whose fault nobody met, or nobody noticed, has proved nothing at all.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sentinel.core.drill.progress import By, Cut, Phase, Progress, Terms
from sentinel.core.gateway.failover import Bounds
from sentinel.core.gateway.failover import Verdict as Ended


class Verdict(StrEnum):
    """What a drill means."""

    PASS = "pass"  # all that was expected was seen
    FAIL = "fail"  # something else was
    INCONCLUSIVE = "inconclusive"  # nothing is proven, by us or by the fault
    ABORTED = "aborted"  # ended before its time, and healed


@dataclass(frozen=True, slots=True)
class Ruling:
    """The verdict and the sentence."""

    verdict: Verdict
    why: str


def rule(terms: Terms, progress: Progress) -> Ruling:
    """The ruling on a drill that is over."""
    return next(ruling for fits in RULES if (ruling := fits(terms, progress)))


def broken(terms: Terms, progress: Progress) -> tuple[str, ...]:
    """The promises that were seen to be broken, by name; none where the drill did not fail."""
    if rule(terms, progress).verdict is not Verdict.FAIL:
        return ()

    def fails(fits: Callable[[Terms, Progress], Ruling | None]) -> bool:
        ruling = fits(terms, progress)
        return ruling is not None and ruling.verdict is Verdict.FAIL

    return tuple(name for name, rules in _PROMISES.items() if any(map(fails, rules)))


def _crossed(_: Terms, progress: Progress) -> Ruling | None:
    if not progress.tally.cross_talk:
        return None
    return Ruling(Verdict.FAIL, "the answer to another tenant was given")


def _uninjected(terms: Terms, progress: Progress) -> Ruling | None:
    if progress.injected is not None:
        return None
    if progress.cut is Cut.STOPPED:
        return Ruling(Verdict.ABORTED, f"{progress.why}, before anything was broken")
    if progress.cut is not None:
        return Ruling(Verdict.INCONCLUSIVE, f"the fault was not seen to be there: {progress.why}")
    seen = f", last seen: {progress.last}" if progress.last else ""
    said = f"before the fault, {terms.primary} did not answer steadily within {terms.gate:g} s{seen}"
    return Ruling(Verdict.INCONCLUSIVE, f"{said}; nothing was broken")


def _unmet(terms: Terms, progress: Progress) -> Ruling | None:
    """Whatever was seen, it was something else."""
    if progress.bitten != 0 or progress.cut is Cut.STOPPED:
        return None
    said = f"the fault did not bite: no request of {terms.primary}'s met it; does the gateway go another way?"
    return Ruling(Verdict.INCONCLUSIVE, said)


def _ungraceful(terms: Terms, progress: Progress) -> Ruling | None:
    tally = progress.tally
    if not terms.graceful or not tally.ungraceful:
        return None
    return Ruling(Verdict.FAIL, f"{_times(tally.ungraceful, 'ungraceful answer')}: {'; '.join(tally.rules)}")


def _beyond(terms: Terms, progress: Progress) -> Ruling | None:
    if terms.by is By.GRACEFUL:
        return None
    episode = progress.episode
    if episode is not None and episode.verdict is Ended.VIOLATION and episode.stable is not None:
        said = f"{episode.to} answered after {_between(episode.stable)}, which is not within {terms.within:g} s"
        return Ruling(Verdict.FAIL, said)
    if episode is None and progress.unanswered.lower >= terms.within:
        return Ruling(Verdict.FAIL, f"nobody answered for at least {progress.unanswered.lower:.1f} s")
    return None


def _disturbed(_: Terms, progress: Progress) -> Ruling | None:
    return Ruling(Verdict.INCONCLUSIVE, progress.why) if progress.cut is Cut.DISTURBED else None


def _cut_short(_: Terms, progress: Progress) -> Ruling | None:
    return Ruling(Verdict.ABORTED, progress.why) if progress.cut is not None else None


def _unbitten(terms: Terms, progress: Progress) -> Ruling | None:
    if progress.tally.changed(terms.primary):
        return None
    answered = dict(progress.tally.served).get(terms.primary, 0)
    said = f"the fault did not bite: {terms.primary} gave {_times(answered, 'whole answer')} while it stood"
    return Ruling(Verdict.INCONCLUSIVE, said)


def _between_bounds(terms: Terms, progress: Progress) -> Ruling | None:
    episode = progress.episode
    if terms.by is By.GRACEFUL or episode is None or episode.stable is None or episode.verdict is Ended.PASS:
        return None
    said = f"{episode.to} answered after {_between(episode.stable)}; the {terms.within:g} s lie between these bounds"
    return Ruling(Verdict.INCONCLUSIVE, said)


def _nobody_else(terms: Terms, progress: Progress) -> Ruling | None:
    if terms.by is By.GRACEFUL or progress.episode is not None:
        return None
    stood = _lasted(progress, Phase.OBSERVING)
    verdict = Verdict.FAIL if stood >= terms.within else Verdict.INCONCLUSIVE
    return Ruling(verdict, f"no other provider took over in the {stood:.1f} s that the fault stood")


def _not_back(terms: Terms, progress: Progress) -> Ruling | None:
    if terms.failback is None or progress.back is not None or progress.reverted is None:
        return None
    said = f"{terms.primary} did not answer again within {terms.failback:g} s of the undo"
    return Ruling(Verdict.FAIL, said)


def _passed(terms: Terms, progress: Progress) -> Ruling:
    episode = progress.episode
    if terms.by is By.GRACEFUL or episode is None or episode.stable is None:
        return Ruling(Verdict.PASS, "every answer was one that people can read")
    return Ruling(Verdict.PASS, f"{episode.to} answered after {_between(episode.stable)}, within {terms.within:g} s")


RULES: Sequence[Callable[[Terms, Progress], Ruling | None]] = (
    _crossed,
    _uninjected,
    _unmet,
    _ungraceful,
    _beyond,
    _disturbed,
    _cut_short,
    _unbitten,
    _between_bounds,
    _nobody_else,
    _not_back,
    _passed,
)
"""The whole law. What fits first is what the drill proved."""


_PROMISES = {
    "tenant": (_crossed,),
    "graceful": (_ungraceful,),
    "within": (_beyond, _nobody_else),
    "failback": (_not_back,),
}
"""What is promised, and the rules that can tell that it was broken."""


def _lasted(progress: Progress, phase: Phase) -> float:
    """Seconds that this phase took."""
    begun = [at for _, at in progress.passed]
    return next((end - at for (name, at), end in zip(progress.passed, begun[1:], strict=False) if name is phase), 0.0)


def _between(bounds: Bounds) -> str:
    return f"{bounds.lower:.1f} to {bounds.upper:.1f} s"


def _times(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
