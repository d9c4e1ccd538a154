"""`sentinel once gateway/NAME`: one completion, now, and all that may be told of it.

When each thing came, what it was worth and by which rule, who answered and by which sign. What was
asked and what was answered is not shown: its length is, so that a reader sees that it was there.
"""

from dataclasses import dataclass
from typing import Any

from sentinel import gateways
from sentinel.clients.clock import Clock
from sentinel.clients.completions import Completions, trust
from sentinel.core.gateway.canary import Canary
from sentinel.core.gateway.completion import Heard
from sentinel.core.gateway.outcome import EXCLUDED, Judged, judge
from sentinel.gateways import Asker
from sentinel.settings import Settings
from sentinel.settings.gateways import Gateway

CHECK = "gateway"


@dataclass(frozen=True, slots=True)
class Seen:
    """One completion: what came, and what it was worth."""

    gateway: str
    nonce: str
    heard: Heard
    judged: Judged

    @property
    def exit_code(self) -> int:
        """0 answered, 1 not, 3 when it says nothing of the gateway's providers."""
        if self.judged.good:
            return 0
        return 3 if self.judged.outcome in EXCLUDED else 1

    @property
    def timeline(self) -> tuple[tuple[str, float], ...]:
        """What came when, in seconds from the beginning."""
        heard, transcript = self.heard, self.heard.transcript
        moments = (
            ("connected", heard.connected),
            ("headers", heard.answered),
            ("first byte", _since(heard, transcript.first_byte)),
            ("first thought", _since(heard, transcript.first_thought)),
            ("first token", _since(heard, transcript.first_token)),
            ("last token", _since(heard, transcript.last_token)),
            ("end", heard.took),
        )
        return tuple((what, at) for what, at in moments if at is not None)

    @property
    def withheld(self) -> tuple[str, ...]:
        """What was there and is not shown."""
        transcript = self.heard.transcript
        lengths = ((len(transcript.text), "characters of text"), (transcript.size, "bytes of the body"))
        headers = (len(self.heard.headers), "headers")
        return ("the prompt", "the key", *(f"{count} {what}" for count, what in (*lengths, headers) if count))

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        judged = self.judged
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
            "timeline": {what: round(at, 4) for what, at in self.timeline},
            "tokens": self.heard.transcript.tokens,
            "longest_gap": round(judged.gap, 4),
            "withheld": list(self.withheld),
        }


def names(settings: Settings) -> tuple[str, ...]:
    """What can be asked for."""
    return tuple(f"{CHECK}/{gateway.name}" for gateway in settings.gateways)


async def ask(settings: Settings, name: str, *, stream: bool = True) -> Seen:
    """Ask once. `name` is one of `names`. Raises OwnFault for a CA file that is none."""
    gateway = next(gateway for gateway in settings.gateways if f"{CHECK}/{gateway.name}" == name)
    asker = gateways.asker_of(settings)
    clock, canary = Clock(), Canary(asker.nonce())
    async with Completions(trust(gateway.ca), clock) as session:
        probe = gateways.probe_of(gateway, gateways.Way(session), clock)
        heard = await probe.ask(canary, stream=stream)
    return _seen(gateway, canary, heard, asker)


def _seen(gateway: Gateway, canary: Canary, heard: Heard, asker: Asker) -> Seen:
    judged = judge(heard, canary, gateways.expected_of(gateway, asker.others))
    return Seen(gateway.name, canary.nonce, heard, judged)


def text(seen: Seen) -> str:
    """For people."""
    judged, served = seen.judged, seen.judged.served
    who = f"{served.provider} ({served.evidence or 'no sign of a provider'})"
    rows = [
        ("gateway", seen.gateway),
        ("outcome", judged.outcome.value + (", slow" if judged.slow else "")),
        ("because", judged.rule),
        ("answered by", who),
        ("status", "none" if judged.status is None else str(judged.status)),
        ("looked like", judged.level.value),
        *([("gives away", ", ".join(judged.leaks))] if judged.leaks else []),
        *([("isolation", "THE ANSWER TO ANOTHER TENANT")] if judged.cross_talk else []),
        *(((f"{what} at", f"{at:.3f} s") for what, at in seen.timeline)),
        ("tokens", f"{seen.heard.transcript.tokens}, longest pause {judged.gap:.3f} s"),
        ("request id", f"tenant-sentinel-{seen.nonce}"),
        ("not shown", ", ".join(seen.withheld)),
    ]
    width = max(len(name) for name, _ in rows)
    return "".join(f"{name:<{width}}  {value}\n" for name, value in rows)


def _since(heard: Heard, at: float | None) -> float | None:
    return None if at is None else at - heard.start
