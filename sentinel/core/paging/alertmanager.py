"""One Alertmanager as it runs: its routes, whom they tell, and what could keep it silent."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sentinel.core.paging import duration, matcher
from sentinel.core.paging.matcher import Matcher, Operator
from sentinel.core.paging.reading import mapping, mappings, texts, word, words
from sentinel.core.paging.route import DEFAULT_INTERVAL, DEFAULT_WAIT, Route

DEEPEST = 32
"""Routes within routes; ours need three."""
MOST_ROUTES = 20_000
"""Five megabytes of configuration have about that many."""


@dataclass(frozen=True, slots=True)
class Inhibition:
    """While an alert that `source` matches fires, those that `target` matches are not told, if `equal` is equal."""

    source: tuple[Matcher, ...]
    target: tuple[Matcher, ...]
    equal: tuple[str, ...]

    def __str__(self) -> str:
        """Short, for people."""
        return f"{{{', '.join(map(str, self.source))}}} -> {{{', '.join(map(str, self.target))}}}"


@dataclass(frozen=True, slots=True)
class Silence:
    """A silence that is active. `ends` as Alertmanager writes it."""

    id: str
    matchers: tuple[Matcher, ...]
    ends: str
    by: str

    def __str__(self) -> str:
        """Short, for people."""
        return f"{self.id} ({', '.join(map(str, self.matchers))}, by {self.by or 'nobody'}, until {self.ends})"


@dataclass(frozen=True, slots=True)
class Alertmanager:
    """What is known of one. `peers`: how many gossip, itself included. `destinations`: per receiver, the kind of
    each, as Alertmanager counts them: `webhook`, `pagerduty`.

    `told`: whether Prometheus posts to it, where that can be seen.
    """

    url: str
    version: str
    route: Route
    destinations: Mapping[str, tuple[str, ...]]
    inhibitions: tuple[Inhibition, ...] = ()
    silences: tuple[Silence, ...] = ()
    peers: int = 1
    settling: bool = False
    told: bool = True


def read(url: str, status: Any, config: Any, silences: Any) -> Alertmanager:
    """From `/api/v2/status`, the configuration in it, and `/api/v2/silences`. Raises ValueError."""
    said = mapping(status, "status")
    cluster = mapping(said.get("cluster"), "cluster")
    whole = mapping(config, "configuration")
    if "route" not in whole:
        raise ValueError("configuration: found no route, expected that of an Alertmanager")
    return Alertmanager(
        url,
        word(mapping(said.get("versionInfo"), "versionInfo").get("version"), "version"),
        _Tree().route(mapping(whole["route"], "route"), None, "route", 0),
        {word(one.get("name"), "receiver"): _kinds(one) for one in mappings(whole.get("receivers"), "receivers")},
        tuple(_inhibition(one) for one in mappings(whole.get("inhibit_rules"), "inhibit_rules")),
        tuple(_silence(one) for one in mappings(silences, "silences") if _active(one)),
        max(1, len(list(mappings(cluster.get("peers"), "peers")))),
        cluster.get("status") == "settling",
    )


class _Tree:
    """Reads routes, and counts them."""

    def __init__(self) -> None:
        self._count = 0

    def route(self, own: Mapping[str, Any], parent: Route | None, place: str, depth: int) -> Route:
        self._count += 1
        if self._count > MOST_ROUTES or depth > DEEPEST:
            raise ValueError(f"{place}: more than {MOST_ROUTES} routes, or {DEEPEST} within each other")
        inherited = parent or Route("", "", group_wait=DEFAULT_WAIT, group_interval=DEFAULT_INTERVAL)
        route = Route(
            place,
            word(own.get("receiver"), f"{place}.receiver") or inherited.receiver,
            _matchers(own, place),
            _timer(own, "group_wait", inherited.group_wait, place),
            _timer(own, "group_interval", inherited.group_interval, place),
            own.get("continue") is True,
            words(own.get("mute_time_intervals"), f"{place}.mute_time_intervals"),
            words(own.get("active_time_intervals"), f"{place}.active_time_intervals"),
        )
        below = [
            self.route(child, route, f"{place}.routes[{number}]", depth + 1)
            for number, child in enumerate(mappings(own.get("routes"), f"{place}.routes"))
        ]
        return _with_children(route, tuple(below))


def _with_children(route: Route, below: tuple[Route, ...]) -> Route:
    own = (route.place, route.receiver, route.matchers, route.group_wait, route.group_interval)
    return Route(*own, route.goes_on, route.mute, route.active, below)


def _timer(own: Mapping[str, Any], key: str, inherited: float, place: str) -> float:
    return inherited if own.get(key) is None else duration.seconds(own[key], f"{place}.{key}")


def _matchers(own: Mapping[str, Any], place: str, prefix: str = "") -> tuple[Matcher, ...]:
    """All three spellings; `prefix` is source_ or target_ in an inhibition."""
    equal, like, new = f"{prefix}match", f"{prefix}match_re", f"{prefix}matchers"
    found = [Matcher(name, Operator.EQUAL, value) for name, value in texts(own.get(equal), f"{place}.{equal}").items()]
    found += [Matcher(name, Operator.MATCHES, value) for name, value in texts(own.get(like), f"{place}.{like}").items()]
    for text in words(own.get(new), f"{place}.{new}"):
        found += matcher.parse(text)
    return tuple(found)


def _kinds(receiver: Mapping[str, Any]) -> tuple[str, ...]:
    ways = {key.removesuffix(_CONFIGS): value for key, value in receiver.items() if key.endswith(_CONFIGS)}
    return tuple(kind for kind, value in ways.items() if isinstance(value, list) for _ in value)


_CONFIGS = "_configs"


def _inhibition(own: Mapping[str, Any]) -> Inhibition:
    if unknown := set(own) - _INHIBITION:
        raise ValueError(f"inhibit_rules: found {min(unknown)!r}, which this version cannot judge")
    equal = words(own.get("equal"), "inhibit_rules.equal")
    place = "inhibit_rules"
    return Inhibition(_matchers(own, place, "source_"), _matchers(own, place, "target_"), equal)


_INHIBITION = {
    "name",
    "equal",
    *(f"{side}_{kind}" for side in ("source", "target") for kind in ("match", "match_re", "matchers")),
}


def _active(own: Mapping[str, Any]) -> bool:
    return mapping(own.get("status"), "silence.status").get("state") == "active"


def _silence(own: Mapping[str, Any]) -> Silence:
    return Silence(
        word(own.get("id"), "silence.id"),
        tuple(_silencing(one) for one in mappings(own.get("matchers"), "silence.matchers")),
        word(own.get("endsAt"), "silence.endsAt"),
        word(own.get("createdBy"), "silence.createdBy"),
    )


def _silencing(own: Mapping[str, Any]) -> Matcher:
    # Before 0.22 there was no isEqual, and every matcher was a positive one.
    key = (own.get("isEqual") is not False, own.get("isRegex") is True)
    return Matcher(word(own.get("name"), "silence.name"), _OPERATORS[key], word(own.get("value"), "silence.value"))


_OPERATORS = {
    (True, False): Operator.EQUAL,
    (False, False): Operator.NOT_EQUAL,
    (True, True): Operator.MATCHES,
    (False, True): Operator.MATCHES_NOT,
}
