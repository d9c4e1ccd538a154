"""Was an alert delivered? What Alertmanager's own counters say of it, and what they do not.

    notifications_total            + when it begins to tell, so it proves nothing
    notification_requests_total    + after each request, and notification_requests_failed_total if that one failed
    notifications_failed_total     + when it gives up; by reason, where the version has reasons

The counters are of a kind of integration (`webhook`), or of one receiver's where Alertmanager runs with
`--enable-feature=receiver-name-in-metrics`. Whatever else is told by that kind moves them, too. So they prove
something only while no other alert is there that goes that way, and none has just ended whose end is still to be told:
Alertmanager lists no group whose alerts are over, but counts it.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, NamedTuple

from sentinel.core.api.reply import clean
from sentinel.core.paging.reading import mapping, mappings, word, words


class Outcome(StrEnum):
    """What came of one receiver's integrations of a kind."""

    DELIVERED = "delivered"  # the far side took it: what it does with it then is not seen
    FAILED = "failed"  # it did not, or nobody is there who could
    UNPROVEN = "unproven"  # the counters do not say


class Key(NamedTuple):
    """What one counter counts. `receiver` is empty where the counter is that of all receivers."""

    kind: str
    receiver: str = ""


@dataclass(frozen=True, slots=True)
class Tally:
    """The counters of one key: requests that ended, those of them that failed, notifications given up, by reason."""

    requests: int = 0
    refused: int = 0
    given_up: Mapping[str, int] = field(default_factory=dict)

    @property
    def taken(self) -> int:
        """Requests that the far side answered well."""
        return self.requests - self.refused

    @property
    def over(self) -> int:
        """Notifications that are at their end."""
        return self.taken + sum(self.given_up.values())

    def since(self, before: "Tally") -> "Tally | None":
        """What was counted since; None where the counter began anew."""
        lost = {reason: count - before.given_up.get(reason, 0) for reason, count in self.given_up.items()}
        requests, refused = self.requests - before.requests, self.refused - before.refused
        if min(requests, refused, *lost.values(), 0) < 0:
            return None
        return Tally(requests, refused, {reason: count for reason, count in lost.items() if count})

    def plus(self, other: "Tally") -> "Tally":
        """Those of two Alertmanagers."""
        lost = Counter(self.given_up) + Counter(other.given_up)
        return Tally(self.requests + other.requests, self.refused + other.refused, lost)


@dataclass(frozen=True, slots=True)
class Counts:
    """All of one Alertmanager. `groups`: of alerts that it holds, those that are over included."""

    tallies: Mapping[Key, Tally]
    groups: int

    @property
    def by_receiver(self) -> bool:
        """Whether each receiver is counted by itself."""
        return any(key.receiver for key in self.tallies)


@dataclass(frozen=True, slots=True)
class Group:
    """Alerts that are told together. `held`: why ours among them is not told, in words."""

    receiver: str
    names: frozenset[str]
    ours: bool = False
    held: str = ""


def groups(said: Any, label: str, value: str) -> tuple[Group, ...]:
    """From `/api/v2/alerts/groups`; ours has this label. Raises ValueError."""
    return tuple(_group(one, label, value) for one in mappings(said, "groups"))


def _group(own: Mapping[str, Any], label: str, value: str) -> Group:
    receiver = word(mapping(own.get("receiver"), "receiver").get("name"), "receiver.name")
    alerts = list(mappings(own.get("alerts"), "alerts"))
    labels = [mapping(one.get("labels"), "labels") for one in alerts]
    names = frozenset(clean(word(one.get("alertname"), "alertname"), 80) for one in labels)
    ours = [one for one, found in zip(alerts, labels, strict=True) if found.get(label) == value]
    return Group(receiver, names, bool(ours), _held(mapping(ours[0].get("status"), "status")) if ours else "")


def _held(status: Mapping[str, Any]) -> str:
    by = {key: words(status.get(key), key) for key in ("silencedBy", "inhibitedBy", "mutedBy")}
    said = (f"{key.removesuffix('By')} by {', '.join(clean(one, 80) for one in who)}" for key, who in by.items() if who)
    return "; ".join(said)


@dataclass(frozen=True, slots=True)
class Row:
    """One receiver's integrations of one kind; none where it has no destination. `count`: how many there are."""

    receiver: str
    kind: str
    count: int
    outcome: Outcome
    detail: str


@dataclass(frozen=True, slots=True)
class Case:
    """All that was seen. `moved`: what was counted meanwhile, None where a counter began anew.

    `destinations`: per receiver the kind of each. `others`: groups of other alerts, seen at any time.
    `over`: groups at the beginning whose alerts had ended. `copies`: how often it is told: once by those that gossip
    with each other, once by each that does not.
    """

    ours: tuple[Group, ...]
    others: frozenset[Group]
    destinations: Mapping[str, tuple[str, ...]]
    moved: Mapping[Key, Tally | None]
    by_receiver: bool = False
    over: int = 0
    copies: int = 1

    def key(self, receiver: str, kind: str) -> Key:
        """The counter of it."""
        return Key(kind, receiver if self.by_receiver else "")

    def wanted(self) -> Mapping[Key, int]:
        """How many notifications each counter should count."""
        found: Counter[Key] = Counter()
        for receiver in sorted({group.receiver for group in self.ours}):
            found.update(self.key(receiver, kind) for kind in self.destinations.get(receiver, ()))
        return {key: count * self.copies for key, count in found.items()}

    def is_over(self) -> bool:
        """Whether nothing is waited for: each is at its end, or held."""
        free = [group for group in self.ours if not group.held]
        wanted = replace(self, ours=tuple(free)).wanted()
        told = ((self.moved.get(key), count) for key, count in wanted.items())
        return bool(self.ours) and all(tally is not None and tally.over >= count for tally, count in told)

    def beside(self, key: Key) -> frozenset[str]:
        """The names of other alerts that are told by the same."""
        same = (group for group in self.others if key in self._keys(group.receiver))
        return frozenset(name for group in same for name in group.names)

    def _keys(self, receiver: str) -> frozenset[Key]:
        return frozenset(self.key(receiver, kind) for kind in self.destinations.get(receiver, ()))


def judge(case: Case) -> tuple[Row, ...]:
    """A row for each kind of each receiver that our alert goes to."""
    held = {group.receiver: group.held for group in case.ours if group.held}
    rows: list[Row] = []
    for receiver in sorted({group.receiver for group in case.ours}):
        kinds = Counter(case.destinations.get(receiver, ()))
        if not kinds:
            rows.append(Row(receiver, "", 0, Outcome.FAILED, "it has no destination: nobody is told"))
        for kind, count in kinds.items():
            outcome, detail = _judged(case, case.key(receiver, kind))
            if receiver in held and outcome is Outcome.UNPROVEN:
                outcome, detail = Outcome.FAILED, held[receiver]
            rows.append(Row(receiver, kind, count, outcome, detail))
    return tuple(rows)


def _judged(case: Case, key: Key) -> tuple[Outcome, str]:
    tally, wanted = case.moved.get(key), case.wanted()[key]
    if tally is None:
        return Outcome.UNPROVEN, "its counters are not there, or began anew: was the configuration loaded again?"
    doubts = tuple(_doubts(case, key, tally, wanted))
    if doubts:
        return Outcome.UNPROVEN, f"{_counted(tally)}; {'; '.join(doubts)}"
    if tally.taken == wanted:
        return Outcome.DELIVERED, _counted(tally)
    if tally.given_up:
        return Outcome.FAILED, _counted(tally)
    if tally.refused:
        return Outcome.FAILED, f"{_counted(tally)}; Alertmanager goes on trying"
    return Outcome.UNPROVEN, _counted(tally)


def _doubts(case: Case, key: Key, tally: Tally, wanted: int) -> Iterator[str]:
    """Why what was counted may not be ours, or not all of it."""
    if names := case.beside(key):
        yield f"other alerts go there, too, and are counted with it: {_listed(names)}"
    elif case.over:
        yield f"alerts that ended lately ({case.over}) may be what was counted: try again later, or wait with --settle"
    elif tally.over > wanted:
        yield f"more than the {wanted} of this test: something else was told meanwhile"


def _listed(names: Iterable[str], most: int = 3) -> str:
    found: Sequence[str] = sorted(names)
    return ", ".join(found[:most]) + (f" and {len(found) - most} more" if len(found) > most else "")


def _counted(tally: Tally) -> str:
    """In words, e.g. `1 request taken, 2 failed; given up: clientError`."""
    if not tally.requests and not tally.given_up:
        return "no request was counted"
    said = f"{tally.taken} of {tally.requests} requests taken"
    if tally.given_up:
        said += f", {sum(tally.given_up.values())} given up"
        reasons = ", ".join(clean(reason, 40) for reason in sorted(tally.given_up) if reason)
        said += f": {reasons}" if reasons else ""
    return said
