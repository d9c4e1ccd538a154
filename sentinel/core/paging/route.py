"""Alertmanager's tree of routes: where an alert of ours ends, in every world that its open labels allow.

                    root
                   /    \\
     alertname=~"Sentinel.+"   severity="critical"       the first that matches takes it, and the next one too
           /         \\                                   where it says `continue`
   severity="none"   tenant="team-a"                     in some worlds: then there is more than one end

Receiver and timers are inherited; times at which a route is mute are not.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from sentinel.core.paging.matcher import Labels, Matcher, Operator, Truth

MOST_WORLDS = 4096
"""Ways in which open labels may fall. A hundred routes by tenant are a hundred; more is not looked through."""
DEFAULT_WAIT, DEFAULT_INTERVAL = 30.0, 300.0
"""Seconds: Alertmanager's own group_wait and group_interval, where a configuration names none."""


class TooManyWorlds(ValueError):
    """More ways than we look through: what it comes to cannot be said."""


@dataclass(frozen=True, slots=True)
class Route:
    """One route with what it inherits. Seconds. `place` is the way to it, for people."""

    place: str
    receiver: str
    matchers: tuple[Matcher, ...] = ()
    group_wait: float = DEFAULT_WAIT
    group_interval: float = DEFAULT_INTERVAL
    goes_on: bool = False
    mute: tuple[str, ...] = ()
    active: tuple[str, ...] = ()
    routes: tuple["Route", ...] = ()


World = Mapping[Matcher, bool]
"""How matchers on open labels fell, each as its positive form."""
Caught = tuple[Route, ...]


def ends(root: Route, labels: Labels) -> tuple[tuple[Route, ...], ...]:
    """The routes that take such an alert, in each world, each set of them once. Raises TooManyWorlds."""
    return tuple(dict.fromkeys(caught for caught, _ in _match(root, labels, {})))


def _match(route: Route, labels: Labels, world: World) -> list[tuple[Caught, World]]:
    """What this route and those below it take of such an alert, in each world that is left."""
    found: list[tuple[Caught, World]] = []
    for holds, after in _all_hold(route.matchers, labels, world):
        if holds:
            found += [(caught or (route,), then) for caught, then in _children(route.routes, labels, after)]
        else:
            found.append(((), after))
    return found


def _children(routes: tuple[Route, ...], labels: Labels, world: World) -> list[tuple[Caught, World]]:
    """In turn; `looking` are the worlds in which the next one is asked, too."""
    looking: list[tuple[Caught, World]] = [((), world)]
    taken: list[tuple[Caught, World]] = []
    for route in routes:
        still: list[tuple[Caught, World]] = []
        for caught, before in looking:
            for more, after in _match(route, labels, before):
                goes_on = not more or route.goes_on
                (still if goes_on else taken).append((caught + more, after))
        looking = still
        if len(looking) + len(taken) > MOST_WORLDS:
            raise TooManyWorlds(f"more than {MOST_WORLDS} ways through the routes, by labels known only at the page")
    return taken + looking


def _all_hold(matchers: tuple[Matcher, ...], labels: Labels, world: World) -> list[tuple[bool, World]]:
    holding, failed = [world], []
    for matcher in matchers:
        fell = [way for before in holding for way in _holds(matcher, labels, before)]
        holding = [after for holds, after in fell if holds]
        failed += [(False, after) for holds, after in fell if not holds]
    return [*((True, after) for after in holding), *failed]


def _holds(matcher: Matcher, labels: Labels, world: World) -> list[tuple[bool, World]]:
    truth = matcher.judge(labels)
    if truth is not Truth.OPEN:
        return [(truth is Truth.YES, world)]
    positive = Matcher(matcher.name, _POSITIVE[matcher.operator], matcher.value)
    return [(fell is not matcher.negated, {**world, positive: fell}) for fell in _ways(positive, world)]


def _ways(positive: Matcher, world: World) -> tuple[bool, ...]:
    """How it may fall, given how others of the same label fell: a label has one value."""
    if positive in world:
        return (world[positive],)
    for other, fell in world.items():
        if fell and other.name == positive.name and other.operator is Operator.EQUAL:
            truth = positive.judge(Labels({other.name: other.value}))
            return (True, False) if truth is Truth.OPEN else (truth is Truth.YES,)
    return True, False


_POSITIVE = {
    Operator.EQUAL: Operator.EQUAL,
    Operator.NOT_EQUAL: Operator.EQUAL,
    Operator.MATCHES: Operator.MATCHES,
    Operator.MATCHES_NOT: Operator.MATCHES,
}
