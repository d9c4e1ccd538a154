"""Which of a tenant's pods asks the API server: one at a time, by a Lease that they share. Pure decisions.

    free -----take----> held by us --renew every 2 s--> held by us
    held by another: untouched for 15 s, as we saw it --take--> held by us
    held by us: not renewed for 10 s --> we stop, 5 s before anybody may begin

As client-go does it: the times in the Lease are for people. What counts is when *we* saw it change, by
our own clock that never jumps, so no two clocks need to agree. Nor does its duration: a tenant may edit it.
"""

from dataclasses import dataclass

LASTS = 15.0
"""Seconds without a renewal after which another may take it: Kubernetes' own choice for its controllers."""
STOPS = 10.0
"""Seconds without a renewal after which the holder stops. What it asked last is answered before another begins."""
RETRY = 2.0
"""Seconds between two looks, or two renewals."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The object as it was read. `holder` empty: free. `version`: what an update must name to count."""

    holder: str = ""
    renewed: str = ""
    acquired: str = ""
    transitions: int = 0
    version: str = ""


@dataclass(frozen=True, slots=True)
class Sighting:
    """What was seen, and since when it has not changed: monotonic seconds of our own clock."""

    lease: Lease
    since: float


def see(before: Sighting | None, lease: Lease, now: float) -> Sighting:
    """Look again: only a Lease that was written anew is a living holder's."""
    if before is not None and before.lease.version == lease.version:
        return before
    return Sighting(lease, now)


def may_take(seen: Sighting, me: str, now: float) -> bool:
    """Whether we may write ourselves into it."""
    return seen.lease.holder in ("", me) or now >= seen.since + LASTS


def taken(lease: Lease, me: str, moment: str) -> Lease:
    """The Lease as we write it, renewed or taken over. `moment`: wall time in RFC 3339, for people."""
    if lease.holder == me:
        return Lease(me, moment, lease.acquired, lease.transitions, lease.version)
    return Lease(me, moment, moment, lease.transitions + 1, lease.version)


def released(lease: Lease) -> Lease:
    """The Lease as we leave it, so that the next one need not wait."""
    return Lease("", lease.renewed, lease.acquired, lease.transitions, lease.version)


def held_until(asked: float) -> float:
    """Until when a renewal that was accepted lets us ask. `asked`: monotonic seconds before it was sent."""
    return asked + STOPS
