"""What `sentinel once gateway/NAME` says: one completion in full, and no word of it.

Nothing is cut out of what was said: the report is made of moments, closed words, counts and names
from our own configuration, and no field of it can hold a word of a prompt, a key, a header's value
or an answer, be it the canary or not. What was there and is not shown is told by its count. A
rule's name says what an error gives away; what it matched is not told.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sentinel.core.gateway.canary import REQUEST_ID
from sentinel.core.gateway.completion import Heard
from sentinel.core.gateway.outcome import EXCLUDED, Judged
from sentinel.core.gateway.timeline import Moment, timeline

_NEVER = ("the prompt", "the key", "the values of headers")


@dataclass(frozen=True, slots=True)
class Seen:
    """One completion: what came, and what it was worth."""

    gateway: str
    nonce: str
    heard: Heard
    judged: Judged
    names: Mapping[str, str] = field(default_factory=dict)  # whose the marks are

    @property
    def exit_code(self) -> int:
        """0 answered, 1 not, or with a sign of somebody else, 3 when it says nothing of the gateway's providers."""
        if self.judged.good:
            return 1 if self.judged.cross_talk else 0
        return 3 if self.judged.outcome in EXCLUDED else 1

    @property
    def timeline(self) -> tuple[Moment, ...]:
        """What came when."""
        return timeline(self.heard)

    @property
    def longest(self) -> Moment | None:
        """What came after the longest pause of the stream; None before there was a token."""
        return next((moment for moment in self.timeline if moment.longest), None)

    @property
    def withheld(self) -> tuple[str, ...]:
        """What was there and is not shown."""
        transcript = self.heard.transcript
        lengths = ((len(transcript.text), "characters of text"), (transcript.size, "bytes of the body"))
        headers = (len(self.heard.headers), "headers")
        return (*_NEVER, *(f"{count} {what}" for count, what in (*lengths, headers) if count))

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        judged, longest = self.judged, self.longest
        return {
            "gateway": self.gateway,
            "outcome": judged.outcome.value,
            "rule": judged.rule,
            "provider": judged.served.provider,
            "evidence": judged.served.evidence,
            "fallback": judged.served.fallback,
            "attempts": judged.served.attempts,
            "status": judged.status,
            "stream": judged.stream,
            "slow": judged.slow,
            "level": judged.level.value,
            "kind": None if judged.kind is None else judged.kind.value,
            "leaks": list(judged.leaks),
            "retry_after": judged.retry_after,
            "cross_talk": judged.cross_talk,
            "stale": judged.stale,
            "nonce": self.nonce,
            "timeline": [_row(moment) for moment in self.timeline],
            "tokens": self.heard.transcript.tokens,
            "longest_pause_ms": None if longest is None else _ms(longest.after),
            "withheld": list(self.withheld),
        }


def text(seen: Seen) -> str:
    """For people: what it was worth, then the stream, a line for each thing that came."""
    facts = _facts(seen)
    width = max(len(name) for name, _ in facts)
    lines = [f"{name:<{width}}  {value}" for name, value in facts]
    lines += ["", f"{'AT':>12} {'AFTER':>12}  WHAT CAME", *map(_line, seen.timeline)]
    lines += ["", f"{'not shown':<{width}}  {', '.join(seen.withheld)}"]
    return "\n".join(lines) + "\n"


def _facts(seen: Seen) -> list[tuple[str, str]]:
    judged, served = seen.judged, seen.judged.served
    return [
        ("gateway", seen.gateway),
        ("outcome", judged.outcome.value + (", slow" if judged.slow else "")),
        ("because", judged.rule),
        ("answered by", f"{served.provider} ({served.evidence or 'no sign of a provider'})"),
        *([("gateway says", _said(seen))] if _said(seen) else []),
        ("status", "none" if judged.status is None else str(judged.status)),
        ("looked like", judged.level.value),
        *([("gives away", ", ".join(judged.leaks))] if judged.leaks else []),
        *(("isolation", f"MEANT FOR SOMEBODY ELSE: {sign.text(seen.names)}") for sign in judged.foreign),
        *([("cache", "an older answer to us")] if judged.stale else []),
        *([("retry after", f"{judged.retry_after:.0f} s")] if judged.retry_after is not None else []),
        ("tokens", str(seen.heard.transcript.tokens)),
        ("request id", f"{REQUEST_ID}{seen.nonce}"),
    ]


def _said(seen: Seen) -> str:
    """The gateway's own words about who answered, which need not be so."""
    served = seen.judged.served
    fallback = {None: "", True: "a fallback", False: "no fallback"}[served.fallback]
    attempts = "" if served.attempts is None else f"{served.attempts} retries"
    return ", ".join(filter(None, (fallback, attempts)))


def _line(moment: Moment) -> str:
    mark = "  <- longest pause" if moment.longest else ""
    return f"{1000 * moment.at:9.1f} ms {f'+{1000 * moment.after:.1f}':>9} ms  {moment.what}{mark}"


def _row(moment: Moment) -> dict[str, Any]:
    return {"at_ms": _ms(moment.at), "after_ms": _ms(moment.after), "what": moment.what, "longest": moment.longest}


def _ms(seconds: float) -> float:
    return round(1000 * seconds, 3)
