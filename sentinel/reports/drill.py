"""What `sentinel drill` says: what would be done, and what was seen. For people, and for programs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sentinel.core.drill.fault import Place, Steps, Variant
from sentinel.core.drill.figures import Answers, Change, Measured, Stage
from sentinel.core.drill.progress import Phase, Terms
from sentinel.core.drill.result import Result
from sentinel.core.gateway.failover import Bounds


@dataclass(frozen=True, slots=True)
class Planned:
    """A drill that was only read."""

    drill: str
    hypothesis: str
    gateway: str
    place: Place
    variant: Variant
    steps: Steps
    terms: Terms
    every: float  # seconds between two questions
    receipts: str

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "drill": self.drill,
            "hypothesis": self.hypothesis,
            "gateway": self.gateway,
            "injector": self.place.injector,
            "at": self.place.at,
            "variant": self.variant.value,
            "wound": list(self.steps.wound),
            "undo": list(self.steps.undo),
            "last_resort": self.steps.last_resort,
            "limits": _limits(self.terms),
            "expect": _expected(self.terms),
            "every": self.every,
            "receipts": self.receipts,
        }


def planned_text(planned: Planned) -> str:
    """For people; nothing was touched."""
    terms = planned.terms
    aborts = [
        *([f"nobody answered for {terms.most_unanswered:g} s"] if terms.most_unanswered is not None else []),
        *([f"more than {terms.most_ungraceful} ungraceful answers"] if terms.most_ungraceful is not None else []),
    ]
    facts = [
        ("drill", f"{planned.drill}, {planned.variant.value}"),
        ("hypothesis", planned.hypothesis),
        ("before", f"{terms.primary} answers {planned.gateway} three times in a row, within {terms.gate:g} s"),
        *[("wound", step) for step in planned.steps.wound],
        ("for", f"at most {terms.duration:g} s, asked every {planned.every:g} s"),
        ("abort", ", or ".join([*aborts, "the answer to another tenant", "SIGINT", "SIGTERM"])),
        *[("undo", step) for step in planned.steps.undo],
        ("else", planned.steps.last_resort),
        ("receipt", f"in {planned.receipts}, before the wound"),
        ("expected", "; ".join(_sentences(terms))),
    ]
    return _table(facts)


def _sentences(terms: Terms) -> list[str]:
    by = "every answer is graceful" if terms.by == "graceful" else f"another provider answers within {terms.within:g} s"
    return [
        by,
        *(["no ungraceful error"] if terms.graceful and terms.by != "graceful" else []),
        *([f"{terms.primary} again within {terms.failback:g} s"] if terms.failback is not None else []),
    ]


def _limits(terms: Terms) -> dict[str, Any]:
    abort = {"unanswered": terms.most_unanswered, "ungraceful": terms.most_ungraceful}
    return {"duration": terms.duration, "gate": terms.gate, "abort": abort}


def _expected(terms: Terms) -> dict[str, Any]:
    return {
        "by": terms.by.value,
        "within": terms.within,
        "graceful": terms.graceful,
        "failback": terms.failback,
    }


def as_json(result: Result) -> dict[str, Any]:
    """For programs. Times are seconds from the beginning of the drill; `started` is the wall clock."""
    progress, receipt, tally = result.progress, result.receipt, result.progress.tally
    return {
        "run": receipt.run,
        "drill": receipt.drill,
        "hypothesis": result.hypothesis,
        "gateway": receipt.gateway,
        "injector": receipt.place.injector,
        "fault": receipt.fault.as_json(),
        "verdict": result.ruling.verdict.value,
        "why": result.ruling.why,
        "started": _moment(progress.began + result.wall),
        "phases": [{"phase": phase.value, "at": round(at, 3)} for phase, at in result.phases],
        "injected": _span(result, "injected"),
        "reverted": _span(result, "reverted"),
        "failover": _failover(result),
        "answers": {
            "served": dict(tally.served),
            "bad": tally.bad,
            "slow": tally.slow,
            "ungraceful": tally.ungraceful,
            "rules": list(tally.rules),
            "bitten": progress.bitten,
        },
        "failback": _seconds(result.failback),
        "environment": result.setting.environment,
        "intensity": result.setting.intensity.value,
        "broken": list(result.broken),
        "figures": result.measured.as_json(),
        "receipt": result.receipt_file,
        "unhealed": progress.unhealed,
    }


def _failover(result: Result) -> dict[str, Any]:
    """What was measured; None where no other provider took over."""
    progress = result.progress
    episode = progress.episode
    bounds = None if episode is None else episode.stable
    return {
        "from": result.terms.primary,
        "to": None if episode is None else episode.to,
        "verdict": None if episode is None else episode.verdict.value,
        "lower": None if bounds is None else round(bounds.lower, 3),
        "upper": None if bounds is None else round(bounds.upper, 3),
        "user": None if episode is None else _seconds(episode.user),
        "since_injection": _since_injection(result),
        "within": result.terms.within,
        "unanswered": _seconds(progress.unanswered.lower),
    }


def text(result: Result) -> str:
    """For people: the verdict first, then what was seen, then when."""
    progress, tally = result.progress, result.progress.tally
    episode, receipt = progress.episode, result.receipt
    served = ", ".join(f"{name} {count}" for name, count in tally.served) or "nobody"
    facts = [
        ("drill", f"{receipt.drill}, {receipt.fault.variant.value}, run {receipt.run}"),
        ("hypothesis", result.hypothesis),
        ("verdict", f"{result.ruling.verdict.value.upper()}: {result.ruling.why}"),
        *(
            [("NOT HEALED", f"{progress.unhealed}; sentinel drill undo {result.receipt_file}")]
            * bool(progress.unhealed)
        ),
        *([("failover", f"{episode.source} to {episode.to}")] if episode is not None else []),
        *([("unanswered", _bounds(episode.stable))] if episode is not None and episode.stable is not None else []),
        *([("felt", f"{episode.user:.1f} s")] if episode is not None and episode.user is not None else []),
        ("answered by", f"{served}; {tally.bad} bad, {tally.slow} slow, {tally.ungraceful} ungraceful"),
        *([("met the fault", f"{progress.bitten} requests")] if progress.bitten is not None else []),
        *([("failback", f"{result.failback:.1f} s")] if result.failback is not None else []),
        ("receipt", result.receipt_file or "none: nothing was broken"),
    ]
    started = progress.began + result.wall
    lines = [f"{at:9.1f} s  {_moment(started + at)}  {phase.value}" for phase, at in result.phases]
    when = "\n".join([f"{'AT':>11}  {'UTC':<23}  PHASE", *lines]) + "\n"
    return f"{_table(facts)}\n{_stages(result.measured)}\n{when}"


def _stages(measured: Measured) -> str:
    """Before, while and after, beside each other."""
    head = f"{'':>11}  {'ANSWERS':>7}  {'WHOLE':>7}  {'ERRORS':>7}  {'OF OTHERS':>9}  {'P50':>8}  {'P95':>8}"
    rows = [(stage.value, getattr(measured, stage.value)) for stage in Stage]
    return "".join(f"{line}\n" for line in [head, *(_stage(name, found) for name, found in rows)])


def _stage(name: str, found: Answers) -> str:
    shares = (found.availability_percent, found.error_rate_percent, found.elsewhere_percent)
    whole, errors, others = ("" if share is None else f"{share:.1f} %" for share in shares)
    half, most = ("" if took is None else f"{took:.2f} s" for took in (found.latency_p50, found.latency_p95))
    return f"{name:>11}  {found.answers:>7}  {whole:>7}  {errors:>7}  {others:>9}  {half:>8}  {most:>8}"


def compared_text(found: Mapping[Stage, Mapping[str, Change]]) -> str:
    """Two results beside each other, for people."""
    lines = [f"{'':>8}  {'':<20}  {'BEFORE':>9}  {'AFTER':>9}  {'DELTA':>9}  {'ALLOWED':>9}"]
    for stage, changes in found.items():
        for name, change in changes.items():
            verdict = {True: "", False: "  DIFFERS", None: "  not known"}[change.within]
            unit = "s" if name.startswith("latency") else "%"
            figures = (change.before, change.after, change.delta, change.tolerance)
            cells = "  ".join(f"{'':9}" if figure is None else f"{figure:7.2f} {unit}" for figure in figures)
            lines.append(f"{stage.value:>8}  {name:<20}  {cells}{verdict}")
    return "\n".join(lines) + "\n"


def turn(phase: Phase, seconds: float) -> str:
    """One line for each phase, while people wait."""
    return f"{seconds:6.1f} s  {_DOING[phase]}"


_DOING = {
    Phase.GATING: "is the primary well?",
    Phase.ARMING: "putting the fault there",
    Phase.OBSERVING: "the fault stands",
    Phase.REVERTING: "taking it away",
    Phase.RECOVERING: "does the primary answer again?",
    Phase.JUDGED: "over",
}


def _span(result: Result, name: str) -> dict[str, Any] | None:
    span = getattr(result.progress, name)
    if span is None:
        return None
    began = result.progress.began
    return {"asked": round(span.asked - began, 3), "proved": round(span.proved - began, 3)}


def _since_injection(result: Result) -> float | None:
    """Until the first answer of the stable run, from the moment at which the fault was asked for."""
    progress = result.progress
    if progress.episode is None or progress.injected is None:
        return None
    return _seconds(progress.episode.ended - progress.injected.asked)


def _bounds(bounds: Bounds) -> str:
    return f"at least {bounds.lower:.1f} s, at most {bounds.upper:.1f} s"


def _seconds(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _moment(wall: float) -> str:
    return datetime.fromtimestamp(wall, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]


def _table(facts: Sequence[tuple[str, str]]) -> str:
    width = max(len(name) for name, _ in facts)
    return "".join(f"{name:<{width}}  {value}\n" for name, value in facts)
