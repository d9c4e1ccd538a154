"""A network that does what a test tells it, on virtual time: pods, policies, a witness; keys and challenges are real.

NetRound --dial--> policy: what becomes of a packet from us to this pod, on this way, now?
         --roster--> the witness: pods as they are now, reports once a second, arrivals
"""

import asyncio
import random
from collections.abc import Callable, Collection, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

import looptime

from sentinel.clients.clock import Clock
from sentinel.core.net import carried, challenge
from sentinel.core.net.challenge import Challenge, Signer
from sentinel.core.net.crossing import Crossing, Family, Path, Protocol
from sentinel.core.net.landing import TIMEOUT, Attempt, Landing
from sentinel.core.net.net_plan import BLACKHOLES, Terms
from sentinel.core.net.roster import Arrival, Beacon, Roster
from sentinel.core.record import Record, Round
from sentinel.engine.crossings import Crossings
from sentinel.engine.net_kept import Outliving
from sentinel.engine.net_round import NetRound
from sentinel.engine.voice import Voice
from sentinel.errors import ClientError, Unreachable
from tests.engine.scripted import Ledger

WALL = 1_800_000_000.0
TERMS = Terms(("team-b",))


class Virtual(Clock):
    """The loop's own time, which looptime moves."""

    def wall(self) -> float:
        return WALL + self.monotonic()

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()


class Fate(Enum):
    """What becomes of one packet."""

    SERVED = "served"  # the pod answers
    SILENT = "silent"  # dropped on the way there
    ONE_WAY = "one-way"  # it arrives, and the answer is dropped
    REFUSED = "refused"  # ECONNREFUSED
    UNREACHABLE = "unreachable"  # EHOSTUNREACH
    FORBIDDEN = "forbidden"  # EACCES
    TAKEN = "taken"  # connected by a proxy, which says nothing
    GARBAGE = "garbage"  # connected, and answered with something
    STOLEN = "stolen"  # answered by another pod of the roster, with its own signature
    FORGED = "forged"  # answered in the pod's name by one that does not have its key
    NO_FILES = "no-files"  # EMFILE
    NO_ROUTE = "no-route"  # ENETUNREACH
    LATE = "late"  # our own loop was too late to see an answer


ERRORS = {
    Fate.REFUSED: "ECONNREFUSED",
    Fate.UNREACHABLE: "EHOSTUNREACH",
    Fate.FORBIDDEN: "EACCES",
    Fate.NO_FILES: "EMFILE",
    Fate.NO_ROUTE: "ENETUNREACH",
}
ARRIVES = (Fate.SERVED, Fate.ONE_WAY)
SIGNED = (Fate.SERVED, Fate.STOLEN, Fate.FORGED)


@dataclass
class Pod:
    """A pod with a beacon. `reports`: whether it tells the witness what arrives."""

    beacon: Beacon
    signer: Signer
    reports: bool = True
    started: float = 0.0
    arrived: list[tuple[float, bytes, Protocol]] = field(default_factory=list)


def pod(target: str, number: int, **changes: Any) -> Pod:
    signer = Signer(f"{target}/{number}".encode().ljust(32, b"."))
    uid = f"{target}-{number}"
    block = sum(map(ord, target)) % 200
    beacon = Beacon(
        target=target,
        tenant=target,
        uid=uid,
        port=7462,
        addresses=(f"10.1.{block}.{number}", f"fd00::{block:x}:{number:x}"),
        services=(f"10.96.0.{block}",),
        key=signer.public,
        ready=True,
        since=1.0,
        born=1.0,
    )
    return Pod(replace(beacon, **changes), signer)


Policy = Callable[[Challenge, Attempt], Fate]


@dataclass
class Net:
    """The world of team-a: itself, the lighthouse, team-b with one pod unless a test says more."""

    terms: Terms = TERMS
    own: Pod = field(default_factory=lambda: pod("team-a", 1))
    lighthouse: Pod | None = field(default_factory=lambda: pod("sentinel-system", 1))
    pods: list[Pod] = field(default_factory=lambda: [pod("team-b", 1)])
    default: Fate = Fate.SILENT
    policy: Policy | None = None  # of packets to other tenants
    to_own: Fate = Fate.SERVED
    to_lighthouse: Fate = Fate.SERVED
    nobody: Fate = Fate.SILENT
    witness: ClientError | None = None
    number: int = 1
    roundtrip: float = 0.002
    careful: bool = True  # verify what we say, which takes its time
    dialled: list[Attempt] = field(default_factory=list)
    before_dial: Callable[[], None] = lambda: None
    ledger: Ledger = field(default_factory=Ledger)
    clock: Virtual = field(default_factory=Virtual)
    _handed: set[bytes] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.book = Crossings(self.clock.wall(), (self.ledger,), user="system:serviceaccount:team-a:sentinel")
        voice = Voice(self.own.signer, self.clock, random.Random(7))
        self.round = NetRound(self.terms, self.book, self, self.dial, voice, self.clock)

    @property
    def everybody(self) -> list[Pod]:
        return [self.own, *self.pods]

    @property
    def last(self) -> Round:
        return self.ledger.rounds[-1]

    async def roster(self, known: Roster | None = None, *, wait: bool = False) -> Roster:
        """The witness. Reports come once a second; what arrived since the last one comes with the next."""
        await asyncio.sleep(0.01)
        if self.witness is not None:
            raise self.witness
        now = self.clock.monotonic()
        arrivals = [
            Arrival(one.beacon.target, one.beacon.uid, nonce, protocol.value)
            for one in self.pods
            if one.reports
            for at, nonce, protocol in one.arrived
            if nonce not in self._handed and int(at) < int(now)
        ]
        self._handed.update(arrival.nonce for arrival in arrivals)
        heard = {one.beacon.uid: int(now) - int(one.started) for one in self.everybody if one.reports}
        lighthouse = self.lighthouse.beacon if self.lighthouse is not None else None
        beacons = tuple(one.beacon for one in self.everybody)
        return Roster(self.number, beacons, lighthouse, heard, tuple(arrivals))

    async def dial(
        self, attempts: Sequence[Attempt], seconds: float, landed: Callable[[int, Landing], None]
    ) -> list[Landing]:
        self.before_dial()
        self.dialled += attempts
        return await asyncio.gather(*(self._fly(one, index, seconds, landed) for index, one in enumerate(attempts)))

    async def _fly(
        self, attempt: Attempt, index: int, timeout: float, landed: Callable[[int, Landing], None]
    ) -> Landing:
        await asyncio.sleep(attempt.after)
        began = self.clock.wall()
        raw = self._raw(attempt)
        asked = challenge.challenge_in(raw)
        assert asked is not None, "what we sent is no challenge"
        assert not self.careful or challenge.is_asked_by(raw, self.own.signer.public), "and not ours"
        fate, meant = self._fate(asked, attempt)
        if fate in ARRIVES and meant is not None:
            meant.arrived.append((self.clock.monotonic(), asked.nonce, attempt.protocol))
        silent = fate in (Fate.SILENT, Fate.ONE_WAY, Fate.LATE, Fate.TAKEN)
        await asyncio.sleep(timeout if silent else self.roundtrip)
        landing = self._landing(fate, attempt, raw, meant, began, self.clock.wall() - began)
        landed(index, landing)
        return landing

    def _raw(self, attempt: Attempt) -> bytes:
        if attempt.protocol is not Protocol.HTTP:
            return attempt.payload
        request = carried.request_in(attempt.payload)
        assert isinstance(request, carried.Request) and request.challenge is not None
        return request.challenge

    def _fate(self, asked: Challenge, attempt: Attempt) -> tuple[Fate, Pod | None]:
        if attempt.address in BLACKHOLES.values():
            return self.nobody, None
        there = [one for one in self._known() if attempt.address in (*one.beacon.addresses, *one.beacon.services)]
        if not there:
            # It had that address a moment ago, and nobody signs for who is gone.
            return (Fate.SILENT if self.default in SIGNED else self.default), None
        meant = next((one for one in there if one.beacon.uid == asked.beacon), there[0])
        if meant is self.own:
            return self.to_own, meant
        if meant is self.lighthouse:
            return self.to_lighthouse, meant
        return (self.policy(asked, attempt) if self.policy is not None else self.default), meant

    def _known(self) -> list[Pod]:
        return [*self.everybody, *([self.lighthouse] if self.lighthouse is not None else [])]

    def _landing(
        self, fate: Fate, attempt: Attempt, raw: bytes, meant: Pod | None, began: float, took: float
    ) -> Landing:
        tcp = attempt.protocol is not Protocol.UDP
        match fate:
            case Fate.SERVED | Fate.STOLEN | Fate.FORGED:
                assert meant is not None, "nobody signs nothing"
                signer, who = meant.signer, meant.beacon
                if fate is Fate.STOLEN:
                    signer, who = self.own.signer, self.own.beacon
                if fate is Fate.FORGED:
                    signer = Signer(b"x" * 32)
                answer = challenge.answered(raw, who.tenant, who.uid, signer)
                if attempt.protocol is Protocol.HTTP:
                    answer = carried.response("200 OK", answer, keep=False)
                return Landing(began, took, connected=True, reply=answer)
            case Fate.GARBAGE:
                return Landing(began, took, connected=True, reply=b"HTTP/1.1 503 no healthy upstream\r\n\r\n")
            case Fate.TAKEN:
                return Landing(began, took, connected=tcp, error=TIMEOUT)
            case Fate.LATE:
                return Landing(began, took, connected=False, error=TIMEOUT, late=0.9 * took)
            case Fate.SILENT | Fate.ONE_WAY:
                return Landing(began, took, error=TIMEOUT)
        return Landing(began, took, error=ERRORS[fate])

    async def rounds(self, count: int = 1) -> list[Record]:
        """So many rounds in their slots; gives the records of the last."""
        first = 0
        for _ in range(count):
            first = len(self.ledger.records)
            start = self.clock.monotonic()
            await self.round.run()
            await asyncio.sleep(max(0.0, start + self.round.period - self.clock.monotonic()))
        return self.ledger.records[first:]

    def restart(self, one: Pod) -> None:
        """The same pod, ready anew a moment later."""
        one.beacon = replace(one.beacon, since=one.beacon.since + 1.0)


def gone_witness() -> ClientError:
    return Unreachable("https://witness: ConnectionRefusedError")


def crossing(
    target: str = "team-b", protocol: Protocol = Protocol.TCP, family: Family = Family.V4, path: Path = Path.POD
) -> Crossing:
    return Crossing("self", target, protocol, family, path)


def on_virtual_time(work: Coroutine[Any, Any, Any]) -> Any:
    # Nothing here waits for real sockets: time need not hesitate.
    with asyncio.Runner(loop_factory=lambda: looptime.new_event_loop(noop_cycles=3)) as runner:
        return runner.run(work)


class OldLines:
    """Kept connections of this network: `fate` is what becomes of packets on those that were open before."""

    def __init__(self, net: Net) -> None:
        self.net, self.held, self.fate = net, set[tuple[str, int]](), Fate.SERVED

    def places(self) -> frozenset[tuple[str, int]]:
        return frozenset(self.held)

    def keep_only(self, places: Collection[tuple[str, int]]) -> None:
        self.held &= set(places)

    async def open(self, attempts: Sequence[Attempt], seconds: float) -> list[Landing]:
        landings = await self.net.dial(attempts, seconds, lambda _, __: None)
        self.held |= {(a.address, a.port) for a, landing in zip(attempts, landings, strict=True) if landing.reply}
        return landings

    async def ask(self, attempts: Sequence[Attempt], seconds: float) -> list[Landing]:
        assert {(a.address, a.port) for a in attempts} <= self.held, "asked where nothing is held"
        policy, default = self.net.policy, self.net.default
        self.net.policy, self.net.default = None, self.fate
        landings = await self.net.dial(attempts, seconds, lambda _, __: None)
        self.net.policy, self.net.default = policy, default
        if self.fate is not Fate.SERVED:
            self.held.clear()
        return landings


def keeping(net: Net) -> OldLines:
    """Give this network's rounds kept connections."""
    lines = OldLines(net)
    net.round.kept = Outliving(lines, net.book, net.round.voice, net.clock, net.terms.timeout)
    return lines
