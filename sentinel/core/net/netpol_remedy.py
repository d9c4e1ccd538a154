"""What closes a way through the network: the narrowest change, as a command for a person, never run by us.

Policies forbid nothing, so a target that none selects needs one, and a rule that lets in has to be narrowed
where it stands. Always on the target's side: what the asker's tenant may edit itself keeps nobody out.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sentinel.core.api.rbac import Requirement
from sentinel.core.api.remedy import shell
from sentinel.core.net.netpol import Peer, Policy, Reading, Side, Way

NAME_OF_SPACE = "kubernetes.io/metadata.name"
"""The API server sets it on every Namespace, to its name, and nobody can change it."""
_OTHERS = (
    "from then on the pods of {} take only what some policy allows: what comes from outside of the cluster"
    " (load balancers, Ingresses on the node's network) has to be allowed there, too"
)
_BLOCK = "the rule names addresses, and pods change theirs: name pods or namespaces in its place"
_MANAGED = "field manager {} wrote it: change it there too, or it comes back"


@dataclass(frozen=True, slots=True)
class Shutting:
    """One command, what to know before, and what else would do. Applied together they close every way in."""

    command: str
    notes: tuple[str, ...] = ()
    instead: tuple[str, ...] = ()


def shuttings(readings: Iterable[Reading]) -> tuple[Shutting, ...]:
    """What closes all of these that are open, each command once."""
    found = (one for reading in readings if reading.open for one in _shut(reading))
    return tuple({one.command: one for one in found}.values())


def _shut(reading: Reading) -> Iterator[Shutting]:
    asker = reading.packet.asker.namespace
    if not reading.ingress.policies:
        yield _fence(reading.ingress.pod.namespace, asker)
        return
    for policy in dict.fromkeys(way.policy for way in reading.ingress.ways):
        yield _narrowed(policy, [way for way in reading.ingress.ways if way.policy == policy], asker)


def _fence(namespace: str, asker: str) -> Shutting:
    """A policy where there is none: everybody in the cluster but the one namespace; or the usual one."""
    narrow = _applied(namespace, f"keep-out-{asker}", [_all_but(asker)])
    usual = _applied(namespace, "only-from-here", [{"podSelector": {}}])
    return Shutting(narrow, (_OTHERS.format(namespace),), (f"{usual}   # nobody but its own pods",))


def _applied(namespace: str, name: str, peers: list[dict[str, Any]]) -> str:
    manifest = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{"from": peers}]},
    }
    return f"kubectl apply -f - <<<{shell(_json(manifest))}"


def _narrowed(policy: Policy, ways: list[Way], asker: str) -> Shutting:
    # From the end, so that no index moves.
    ordered = sorted(ways, key=lambda way: (way.number, -1 if way.peer is None else way.peer), reverse=True)
    gone: set[int] = set()
    # Only as it was when it was read: by then index 0 may be another rule.
    test = {"op": "test", "path": "/metadata/resourceVersion", "value": policy.version}
    steps = [test, *(step for way in ordered for step in _steps(way, ordered, asker, gone))]
    what = f"networkpolicy/{policy.name}"
    command = shell("kubectl", "patch", what, "-n", policy.namespace, "--type=json", "-p", _json(steps))
    return Shutting(command, tuple(_notes(policy, ordered)))


def _steps(way: Way, ways: list[Way], asker: str, gone: set[int]) -> Iterator[dict[str, Any]]:
    """Of one rule or peer. A rule that loses all of its peers would mean everybody, so it goes as a whole."""
    rule = f"/spec/{Side.INGRESS.value}/{way.number}"
    if way.peer is None:
        yield {"op": "add", "path": f"{rule}/from", "value": [_all_but(asker)]}
        return
    peer = way.rule.peers[way.peer]
    place = f"{rule}/from/{way.peer}"
    if peer.namespaces is not None:
        yield from _excluding(place, peer, asker)
    elif len(_removed(way, ways)) < len(way.rule.peers):
        yield {"op": "remove", "path": place}
    elif way.number not in gone:
        gone.add(way.number)
        yield {"op": "remove", "path": rule}


def _removed(way: Way, ways: list[Way]) -> list[Way]:
    """The ways of the same rule whose peers can only be taken away."""
    same = (one for one in ways if one.number == way.number and one.peer is not None)
    return [one for one in same if one.peer is not None and one.rule.peers[one.peer].namespaces is None]


def _excluding(place: str, peer: Peer, asker: str) -> Iterator[dict[str, Any]]:
    # Written anew as a whole: of a selector we know what it requires, not in which of its two forms.
    kept = [_expression(need) for need in peer.namespaces or ()]
    selector = {"matchExpressions": [*kept, _not_in(asker)]}
    yield {"op": "replace", "path": f"{place}/namespaceSelector", "value": selector}


def _expression(need: Requirement) -> dict[str, Any]:
    values = {"values": sorted(need.values)} if need.operator in ("In", "NotIn") else {}
    return {"key": need.key, "operator": need.operator, **values}


def _all_but(namespace: str) -> dict[str, Any]:
    return {"namespaceSelector": {"matchExpressions": [_not_in(namespace)]}}


def _not_in(namespace: str) -> dict[str, Any]:
    return {"key": NAME_OF_SPACE, "operator": "NotIn", "values": [namespace]}


def _notes(policy: Policy, ways: list[Way]) -> Iterator[str]:
    if any(way.peer is not None and way.rule.peers[way.peer].block for way in ways):
        yield _BLOCK
    if any(way.peer is None for way in ways):
        yield _OTHERS.format(policy.namespace)
    if policy.made.manager and not policy.made.manager.startswith("kubectl"):
        yield _MANAGED.format(policy.made.manager)


def _json(value: Mapping[str, Any] | list[Any]) -> str:
    return json.dumps(value, separators=(",", ":"))
