"""What `sentinel explain` says about the network: which policy, or which missing one, and whether it is enforced.

measured: it got through    the policies read: it may cross       a policy is missing, or a rule lets it in
measured: it got through    the policies read: it may not cross   not enforced
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sentinel.core.api.rbac import Made, Selector
from sentinel.core.api.reply import clean
from sentinel.core.net.crossing import Crossing
from sentinel.core.net.netpol import Peer, Policy, PortRule, Reading, Ruling, Side, Way
from sentinel.core.net.netpol_remedy import Shutting
from sentinel.core.page import rfc3339

OPEN, SHUT, UNKNOWN = "open", "shut", "unknown"
_SHOWN = 10
_NOT_ENFORCED = (
    "nobody enforces it: the network plug-in reads no NetworkPolicies, or not on this way (a node's own network,"
    " a Service's address, a mesh's proxy), or has not got to it yet, or the connection is older than the policy"
)


@dataclass(frozen=True, slots=True)
class Crossed:
    """One asker and one target. `measured`: it got through, and still does as far as anybody has proven.

    `foreign`: policies of kinds that are not read; `unseen`: kinds that could not be looked for; `missing`:
    what could not be read, and without which there are no readings.
    """

    title: str
    crossings: tuple[Crossing, ...]
    measured: bool = False
    readings: tuple[Reading, ...] = ()
    shuttings: tuple[Shutting, ...] = ()
    foreign: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    note: str = ""

    @property
    def state(self) -> str:
        """What was measured counts more than what was read. Shut is what every policy was read for, and read shut."""
        if self.measured or any(reading.open for reading in self.readings):
            return OPEN
        return UNKNOWN if not self.readings or self.foreign or self.unseen else SHUT

    @property
    def unenforced(self) -> tuple[Policy, ...]:
        """The policies that should have blocked what got through: only where nothing that was read lets it in."""
        if not self.measured or any(reading.open for reading in self.readings):
            return ()
        return tuple(dict.fromkeys(policy for reading in self.readings for policy in reading.blockers))


def told(case: Crossed) -> Iterator[str]:
    """For people, line by line."""
    yield clean(case.title, 400)
    for crossing in case.crossings[:_SHOWN]:
        word = "GOT THROUGH" if case.measured else "asked"
        yield f"  {word}: {crossing.text} to {clean(crossing.target)}"
    if case.note:
        yield f"  {case.note}"
    for texts in _alike(case.readings):
        yield from texts
    if case.unenforced:
        names = ", ".join(_policy(policy) for policy in case.unenforced)
        yield f"  NOT ENFORCED: {names} should block this, and it got through"
        yield f"    {_overruled(case)}"
    if case.shuttings:
        yield "to close it (nothing is run; each line is needed):"
    for shutting in case.shuttings:
        yield f"  {shutting.command}"
        yield from (f"      {clean(note, 400)}" for note in shutting.notes)
        yield from (f"      or: {one}" for one in shutting.instead)
    yield from (f"there is one that this reading does not cover: {what}" for what in case.foreign)
    yield from (f"whether there is another kind of policy is not known: {what}" for what in case.unseen)
    yield from (f"not read: {what}" for what in case.missing)


def _overruled(case: Crossed) -> str:
    if case.foreign:
        return f"one of another kind allows it before it is asked (see below), or {_NOT_ENFORCED}"
    return _NOT_ENFORCED


def _alike(readings: tuple[Reading, ...]) -> list[list[str]]:
    """Pairs of pods about which the same is said are told once, with their number."""
    found: dict[tuple[str, ...], list[Reading]] = {}
    for reading in readings:
        found.setdefault(tuple(_sides(reading)), []).append(reading)
    return [[_opening(same), *sides] for sides, same in list(found.items())[:_SHOWN]]


def _opening(same: list[Reading]) -> str:
    packet = same[0].packet
    more = f", and {len(same) - 1} more like it" if len(same) > 1 else ""
    may = "may cross" if same[0].open else "may not cross"
    return (
        f"  {may} by these policies: {packet.protocol} {packet.family.value} from {clean(packet.asker.text)}"
        f" to port {packet.port} of {clean(packet.target.text)}{more}"
    )


def _sides(reading: Reading) -> Iterator[str]:
    yield from _side(reading.egress, "out of")
    yield from _side(reading.ingress, "into")


def _side(ruling: Ruling, words: str) -> Iterator[str]:
    where = f"    {words} {clean(ruling.pod.namespace)}"
    if ruling.pod.host:
        yield f"{where}: the pod is on its node's network, where policies are not defined to hold"
    elif not ruling.policies:
        yield f"{where}: no policy selects the pod for {ruling.side.value}, so everything may pass"
    elif not ruling.ways:
        yield f"{where}: no rule lets it pass; selected by {', '.join(map(_policy, ruling.policies[:_SHOWN]))}"
    for way in ruling.ways[:_SHOWN]:
        yield f"{where}: {_policy(way.policy)} lets it pass by its rule {way.number + 1}: {_way(way)}"
        yield f"      policy {_made(way.policy.made)}"


def _policy(policy: Policy) -> str:
    return clean(f'NetworkPolicy "{policy.name}/{policy.namespace}"', 400)


def _way(way: Way) -> str:
    word = "from" if way.side is Side.INGRESS else "to"
    who = "everybody" if way.peer is None else _peer(way.rule.peers[way.peer], way.policy.namespace)
    ports = ", ".join(_port(port) for port in way.rule.ports) or "every port"
    return clean(f"{word} {who}, {ports}", 600)


def _peer(peer: Peer, at_home: str) -> str:
    if peer.block:
        excepted = f" but {', '.join(peer.excepted)}" if peer.excepted else ""
        return f"addresses {peer.block}{excepted}"
    pods = f"pods with {_selector(peer.pods)}" if peer.pods else "every pod"
    if peer.namespaces is None:
        return f"{pods} of {at_home}"
    return f"{pods} of " + (f"namespaces with {_selector(peer.namespaces)}" if peer.namespaces else "every namespace")


def _selector(selector: Selector) -> str:
    return " and ".join(" ".join((need.key, need.operator, *sorted(need.values))) for need in selector)


def _port(port: PortRule) -> str:
    if port.port is None:
        return f"every port of {port.protocol}"
    return f"{port.protocol} {port.port}" + (f"-{port.last}" if port.last is not None else "")


def _made(found: Made) -> str:
    created = f"made {rfc3339(found.created)}" if found.created is not None else "made at an unknown time"
    return f"{created}, last written by {found.manager or '?'}"


def as_json(case: Crossed) -> dict[str, Any]:
    """For programs."""
    return {
        "title": clean(case.title, 400),
        "state": case.state,
        "measured": case.measured,
        "crossings": [{"question": one.text, "target": clean(one.target)} for one in case.crossings],
        "readings": [_reading(reading) for reading in case.readings],
        "not_enforced": [policy.text for policy in case.unenforced],
        "closings": [
            {"commands": [one.command], "notes": list(one.notes), "instead": list(one.instead)}
            for one in case.shuttings
        ],
        "not_covered": list(case.foreign),
        "missing": [*case.missing, *case.unseen],
    }


def _reading(reading: Reading) -> dict[str, Any]:
    packet = reading.packet
    return {
        "from": clean(packet.asker.text),
        "to": clean(packet.target.text),
        "port": packet.port,
        "protocol": packet.protocol,
        "family": packet.family.value,
        "open": reading.open,
        "egress": _ruling(reading.egress),
        "ingress": _ruling(reading.ingress),
    }


def _ruling(ruling: Ruling) -> dict[str, Any]:
    return {
        "open": ruling.open,
        "selected_by": [clean(policy.text) for policy in ruling.policies],
        "let_in_by": [{"policy": clean(way.policy.text), "rule": way.number, "text": _way(way)} for way in ruling.ways],
    }
