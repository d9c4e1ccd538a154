"""The gates of the network: what must be green before the silence of a packet is a denial.

    roster live beacon lighthouse neutral proxied | sockets | the same again, and arrivals
    \\________________ before ____________________/           \\______________ after ________/

Each is green for a way (protocol, family, path) or for a pod, and counts for no other: UDP over IPv6 that
works says nothing of TCP over IPv4. What was not shown is not green.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from sentinel.core.api.gates import UNSEEN, Light
from sentinel.core.net.crossing import Crossing, Family, Path, Protocol
from sentinel.core.net.roster import Beacon, Roster
from sentinel.core.verdict import Bracket, Reason


class NetGate(StrEnum):
    """The controls, in the order in which a red one is named; each is a `Reason` of the same name."""

    ROSTER = "roster"  # the witness says, now, which beacons there are, and we are one of them
    BEACON = "beacon"  # our own beacon answers us, on this very way
    LIGHTHOUSE = "lighthouse"  # the witness's does, which all may reach: we are not cut off
    LIVE = "live"  # the target's pod is ready by the kubelet's word, and the same before and after
    NEUTRAL = "neutral"  # no policy of ours selects us or the target
    PROXIED = "proxied"  # an address of nobody is not connected
    ARRIVALS = "arrivals"  # the target's beacon has reported since, so what had arrived is known


class Way(NamedTuple):
    """How packets travel; a control counts for its own way alone."""

    protocol: Protocol
    family: Family
    path: Path

    @property
    def text(self) -> str:
        """For people: `tcp pod v4`."""
        return f"{self.protocol.value} {self.path.value} {self.family.value}"


def way_of(crossing: Crossing) -> Way:
    """The way of a question; what was kept open was opened to the pod."""
    path = Path.POD if crossing.path is Path.KEPT else crossing.path
    return Way(crossing.protocol, crossing.family, path)


BEFORE = (
    NetGate.ROSTER,
    NetGate.BEACON,
    NetGate.LIGHTHOUSE,
    NetGate.LIVE,
    NetGate.NEUTRAL,
    NetGate.PROXIED,
)
"""What must be green before the sockets of a question."""
AFTER = (*BEFORE, NetGate.ARRIVALS)
"""What must be green after them."""
WHO = (NetGate.ROSTER, NetGate.LIVE, NetGate.PROXIED)
"""What says who is there, on both sides: enough for a connection that nobody signed for, which is no silence."""

_OF_PODS = (NetGate.LIVE, NetGate.NEUTRAL, NetGate.ARRIVALS)
OPEN = Light(up=True)


@dataclass(frozen=True, slots=True)
class Side:
    """One side of the bracket. `ways`: of beacon, lighthouse and proxied; `pods`: of the others, by uid."""

    roster: Light = UNSEEN
    ways: Mapping[tuple[NetGate, Way], Light] = field(default_factory=dict)
    pods: Mapping[tuple[NetGate, str], Light] = field(default_factory=dict)

    def light(self, gate: NetGate, way: Way, uid: str) -> Light:
        """One gate, as it is for this way and pod."""
        if gate is NetGate.ROSTER:
            return self.roster
        if gate in _OF_PODS:
            return self.pods.get((gate, uid), UNSEEN)
        return self.ways.get((gate, way), UNSEEN)


def bracket(before: Side, after: Side, way: Way, uids: Iterable[str], *, attributed: bool = True) -> Bracket:
    """The gates around one socket. `uids`: the pods that may have got it, all of which must be green.

    `attributed`: False for one that was connected and not signed for.
    """
    uids = [*uids]
    if not attributed:
        return Bracket(_red(before, WHO, way, uids), _red(after, WHO, way, uids))
    return Bracket(_red(before, BEFORE, way, uids), _red(after, AFTER, way, uids))


def _red(side: Side, gates: Iterable[NetGate], way: Way, uids: list[str]) -> Reason | None:
    if not uids:
        return Reason.ROSTER if not side.roster.up else Reason.LIVE
    for gate in gates:
        if not all(side.light(gate, way, uid).up for uid in uids):
            return Reason(gate.value)
    return None


def roster_light(roster: Roster | None, key: bytes, why: str = "") -> Light:
    """Whether the witness told which beacons there are, and knows us by our key."""
    if roster is None:
        return Light(up=False, detail=why or "the witness has not said which beacons there are")
    if own_of(roster, key) is None:
        return Light(up=False, detail="the witness does not know our own beacon yet")
    return OPEN


def own_of(roster: Roster, key: bytes) -> Beacon | None:
    """Which of the beacons we are: the one with our key."""
    return next((beacon for beacon in roster.beacons if key and beacon.key == key), None)


def live_light(uid: str, before: Roster, after: Roster | None = None) -> Light:
    """Whether this pod is ready, and, where `after` is given, has been all the time between the two."""
    first = _find(uid, before)
    if first is None or not first.ready or not first.key:
        return Light(up=False, detail=_unready(uid, first))
    if after is None:
        return OPEN
    then = _find(uid, after)
    if then is None or not then.ready:
        return Light(up=False, detail=_unready(uid, then))
    if (then.since, then.key, then.addresses) != (first.since, first.key, first.addresses):
        return Light(up=False, detail=f"the beacon of pod {uid} was restarted or moved meanwhile")
    return OPEN


def neutral_light(uid: str, own: Beacon | None, roster: Roster) -> Light:
    """Whether no policy of ours selects either end."""
    target = _find(uid, roster)
    if own is not None and not own.neutral:
        return Light(up=False, detail="a policy of ours selects this sentinel")
    if target is None or not target.neutral:
        return Light(up=False, detail=f"a policy of ours selects pod {uid}")
    return OPEN


def arrivals_light(uid: str, before: Roster, over: Roster, now: Roster) -> Light:
    """Whether this beacon has reported twice since `over`, the roster of a moment when the sockets had ended.

    The first report may have been under way already; the second one began later.
    """
    first, since, heard = (roster.heard.get(uid, 0) for roster in (before, over, now))
    # Another witness, or the same after a restart, counts anew and does not know what had arrived.
    same = before.life == over.life == now.life
    if same and first <= since and heard >= since + REPORTS:
        return OPEN
    return Light(up=False, detail=f"the beacon of pod {uid} has not reported what arrived")


REPORTS = 2


def _find(uid: str, roster: Roster) -> Beacon | None:
    return next((beacon for beacon in roster.beacons if beacon.uid == uid), None)


def _unready(uid: str, found: Beacon | None) -> str:
    if found is None:
        return f"pod {uid} is gone"
    return f"the beacon of pod {uid} is not ready" if found.key else f"the beacon of pod {uid} has no key yet"
