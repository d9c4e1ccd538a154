"""Our voice on the network: a fresh challenge for every socket, and whose answer came back on it.

Who we are is what the roster says of our key; who answered is what the roster says of theirs.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from sentinel.clients.clock import Clock
from sentinel.core.answer import Answer, Mark, Observation
from sentinel.core.net import carried, challenge, net_reply
from sentinel.core.net.challenge import Challenge, Signer
from sentinel.core.net.landing import Attempt, Landing
from sentinel.core.net.net_plan import Shot
from sentinel.core.net.roster import Beacon, Roster


@dataclass(frozen=True, slots=True)
class Said:
    """A socket's challenge: what it was asked for, the bytes, and the number by which its arrival is known."""

    shot: Shot
    raw: bytes
    nonce: bytes
    at: float
    node: str = ""  # ours

    @property
    def attempt(self) -> Attempt:
        """The socket that says it."""
        shot = self.shot
        payload = carried.payload(shot.way.protocol, self.raw, shot.address, shot.port)
        return Attempt(shot.address, shot.port, shot.way.protocol, payload, shot.after)

    def place(self, found: Beacon | None = None) -> str:
        """Where it went, for people: the address, and the pod that answered or was meant."""
        where = f"[{self.shot.address}]" if ":" in self.shot.address else self.shot.address
        who = found or self.shot.beacon
        return f"{where}:{self.shot.port}" + (f", pod {who.uid}{self._apart(who)}" if who is not None else "")

    def _apart(self, who: Beacon) -> str:
        """Policies are enforced by each node: it matters whether the packet left ours, and which that is."""
        if not self.node or not who.node:
            return ""
        return f", {'on' if self.node == who.node else 'on another node than'} {self.node}"


@dataclass(frozen=True)
class Voice:
    """Speaks with this process's key."""

    signer: Signer
    clock: Clock
    rng: random.Random

    def say(self, shots: Sequence[Shot], own: Beacon) -> list[Said]:
        """What to say on each of these sockets; `own`: who we are. Fresh sockets of one question say the same."""
        at, known = self.clock.wall(), {}
        said = []
        for shot in shots:
            to = (shot.way, shot.address, shot.crossing)
            if to not in known:
                known[to] = self._challenge(shot, own)
            said.append(Said(shot, *known[to], at, own.node))
        return said

    def _challenge(self, shot: Shot, own: Beacon) -> tuple[bytes, bytes]:
        nonce = self.rng.randbytes(challenge.NONCE_BYTES)
        meant = shot.beacon.uid if shot.beacon is not None else own.uid
        what = Challenge(nonce, own.tenant, own.uid, meant, *shot.way)
        return challenge.asked(what, self.signer), nonce


def who(said: Said, landing: Landing, roster: Roster) -> Beacon | None:
    """Whose signed answer this is; None where it is nobody's that the roster knows."""
    reply = carried.answer(said.shot.way.protocol, landing.reply)
    found = challenge.answer_in(reply)
    if found is None:
        return None
    known = (*roster.beacons, *roster.askers, *((roster.lighthouse,) if roster.lighthouse is not None else ()))
    signers = (beacon for beacon in known if beacon.uid == found.uid)
    return next((one for one in signers if challenge.is_answer(reply, said.raw, one.key)), None)


def observe(said: Said, landing: Landing, found: Beacon | None, timeout: float, *, live: bool) -> Observation:
    """What came back on a question's socket; `found`: whose signed answer it was. `timeout` in seconds."""
    crossing = said.shot.crossing
    is_target = None if found is None or crossing is None else found.target == crossing.target
    nonce, place = said.nonce.hex(), said.place(found)
    return net_reply.observe(landing, timeout, live=live, is_target=is_target, place=place, nonce=nonce)


def arrival(said: Said) -> Observation:
    """Over there they received it, and we nothing: one direction is open."""
    return Observation(
        Answer.SERVED,
        said.at,
        detail="it arrived, and nothing came back",
        audit_id=said.nonce.hex(),
        mark=Mark.ARRIVED,
        place=said.place(),
    )
