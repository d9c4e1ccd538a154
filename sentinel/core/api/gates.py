"""Gates: controls that must be green before a denial counts.

    round    ready token whoami canary door decoy | questions | canary door decoy
             \\________ before __________________/              \\____ after ____/

A light that was not asked is not green: what was not shown cannot vouch for anything. `anonymous`
owns only its whoami; for the rest it borrows the lights of `self` in the same round.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Gate(StrEnum):
    """The controls, in the order in which a red one is named: the nearest cause first."""

    TOKEN = "token"  # fresh for two more rounds, subject as expected
    WHOAMI = "whoami"  # the API server names us
    READY = "ready"  # /readyz 200 on this very connection: a starting server denies everything
    TYPE = "type"  # the type asked about is in discovery: a typo is denied perfectly
    CANARY = "canary"  # our own beacon, granted through a Role and RoleBinding, is granted
    DECOY = "decoy"  # the open decoy is granted and the closed one denied, by the same judge
    DOOR = "door"  # the target's Namespace, granted across the border we test, is granted
    TRIPWIRE = "tripwire"  # the rules review of the target holds our door: RBAC is loaded there


OWN_GATES = (Gate.TOKEN, Gate.WHOAMI, Gate.READY, Gate.CANARY, Gate.DECOY)
"""Gates that stand for an identity as a whole; the others are per type or per target."""
BEFORE = tuple(Gate)
"""What must be green before the questions of an identity that has a token."""
BEFORE_ANONYMOUS = tuple(gate for gate in Gate if gate not in (Gate.TOKEN, Gate.TRIPWIRE))
"""The same without a token: a rules review is about the one who asks."""
AFTER = (Gate.CANARY, Gate.DECOY, Gate.DOOR)
"""What is asked again after the questions."""


@dataclass(frozen=True, slots=True)
class Light:
    """One control's answer: up, or down with a short detail."""

    up: bool
    detail: str = ""
    identity: bool = False  # down because whoami positively names somebody else


UNSEEN = Light(up=False, detail="not asked")


@dataclass(frozen=True, slots=True)
class Lights:
    """One side of the bracket, for one identity: its own gates, and those of each target."""

    own: Mapping[Gate, Light] = field(default_factory=dict)
    doors: Mapping[str, Light] = field(default_factory=dict)
    tripwires: Mapping[str, Light] = field(default_factory=dict)
    types: frozenset[str] | None = None  # labels in discovery; None: not known yet


def first_red(
    lights: Lights, gates: Iterable[Gate], target: str | None, resource: str | None
) -> tuple[Gate, Light] | None:
    """The first of these gates that is not green, None when all are.

    `target` is the namespace whose door and trip-wire count, None for cluster scope. `resource` is
    the label of the type that must be in discovery.
    """
    for gate in gates:
        light = _light(lights, gate, target, resource)
        if not light.up:
            return gate, light
    return None


def dimmest(before: Lights, after: Lights) -> Lights:
    """Both sides of a bracket as one: a gate is green only if it was on either side asked."""
    return Lights(
        {gate: _dim(light, after.own.get(gate)) for gate, light in before.own.items()},
        {target: _dim(light, after.doors.get(target)) for target, light in before.doors.items()},
        before.tripwires,
        before.types,
    )


def _dim(before: Light, after: Light | None) -> Light:
    return before if not before.up or after is None else after


def _light(lights: Lights, gate: Gate, target: str | None, resource: str | None) -> Light:
    match gate:
        case Gate.TYPE:
            return _type_light(lights.types, resource)
        case Gate.DOOR:
            return _OPEN if target is None else lights.doors.get(target, UNSEEN)
        case Gate.TRIPWIRE:
            return _OPEN if target is None else lights.tripwires.get(target, UNSEEN)
        case _:
            return lights.own.get(gate, UNSEEN)


def _type_light(types: frozenset[str] | None, resource: str | None) -> Light:
    if resource is None:
        return _OPEN
    if types is None:
        return Light(up=False, detail="discovery was not read")
    return _OPEN if resource in types else Light(up=False, detail=f"{resource} is not served")


_OPEN = Light(up=True)
