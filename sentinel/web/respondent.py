"""Whether a challenge is answered: the beacon without its sockets.

    form -> protocol -> seen before? -> asker on the roster? -> turnstile -> signature -> answer
                            \\-> the same answer again                            \\-> arrived

All that is cheap comes before all that is dear. Who is refused hears nothing, and is counted.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from sentinel.core.net import challenge
from sentinel.core.net.challenge import Challenge, Refusal, Signer
from sentinel.core.net.crossing import Protocol
from sentinel.core.net.roster import Beacon
from sentinel.web.turnstile import Turnstile

MOST_SEEN = 2048
"""Challenges whose answers are kept: five seconds of the most that 100 tenants ask, in 1.5 MB."""
MOST_TIMES = 64
"""For one challenge: three sockets, each of which says a datagram seven times, and as many again."""
AGAIN = 0.1
"""What the same answer costs once more, in challenges."""

Find = Callable[[str], Beacon | None]
"""The beacon of this uid as the roster has it now; an asker is one, too."""


@dataclass(slots=True)
class _Seen:
    answer: bytes
    times: int = 1


@dataclass
class Respondent:
    """One beacon. `tenant` and `uid` are its own; `find` may give something else at any time.

    `arrived` is told each challenge that another tenant's asker meant for our tenant, once, as it came;
    `answered` and `refused` are told for counting.
    """

    tenant: str
    uid: str
    signer: Signer
    find: Find
    arrived: Callable[[bytes], None] = lambda _: None
    answered: Callable[[Protocol], None] = lambda _: None
    refused: Callable[[Refusal], None] = lambda _: None
    turnstile: Turnstile = field(default_factory=Turnstile)
    _seen: OrderedDict[bytes, _Seen] = field(default_factory=OrderedDict)

    def reply(self, raw: bytes, protocol: Protocol, source: str, now: float) -> bytes | None:
        """The answer to what came from this address, None for none. `now` in monotonic seconds."""
        found = self._decide(raw, protocol, source, now)
        if isinstance(found, Refusal):
            self.refused(found)
            return None
        self.answered(protocol)
        return found

    def _decide(self, raw: bytes, protocol: Protocol, source: str, now: float) -> bytes | Refusal:
        asked = challenge.challenge_in(raw)
        if asked is None or asked.protocol is not protocol:
            return Refusal.ASTRAY if asked else Refusal.GARBAGE
        if seen := self._seen.get(raw):
            return self._again(seen, source, now)
        return self._first(raw, asked, source, now)

    def _first(self, raw: bytes, asked: Challenge, source: str, now: float) -> bytes | Refusal:
        asker = self.find(asked.uid)
        key = self.signer.public if asked.uid == self.uid else asker.key if asker else b""
        if not key:
            return Refusal.STRANGER
        if not self.turnstile.admits(source, now):
            return Refusal.FLOODED
        if not challenge.is_asked_by(raw, key):
            return Refusal.FORGED
        self.turnstile.vouch(source)
        return self._answer(raw, asked, asker)

    def _again(self, seen: _Seen, source: str, now: float) -> bytes | Refusal:
        if seen.times >= MOST_TIMES:
            return Refusal.REPEATED
        if not self.turnstile.admits(source, now, AGAIN):
            return Refusal.FLOODED
        seen.times += 1
        return seen.answer

    def _answer(self, raw: bytes, asked: Challenge, asker: Beacon | None) -> bytes:
        """Whoever was meant, it is we who answer: so an asker learns that an address has moved.

        Behind a Service's address is any pod of a tenant: one of them is as good as another.
        """
        tenant = self._tenant_of(self.uid) or self.tenant
        answer = challenge.answered(raw, tenant, self.uid, self.signer)
        self._seen[raw] = _Seen(answer)
        if len(self._seen) > MOST_SEEN:
            self._seen.popitem(last=False)
        if asked.beacon != self.uid and self._tenant_of(asked.beacon) != tenant:
            self.refused(Refusal.ASTRAY)
        elif asked.uid != self.uid and (asker is None or asker.tenant != tenant):
            self.arrived(raw)
        return answer

    def _tenant_of(self, uid: str) -> str:
        """By the roster's names, which need not be what anybody calls itself; empty where it has none."""
        found = self.find(uid)
        return found.tenant if found else ""
