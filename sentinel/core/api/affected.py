"""Whom a change of roles and bindings concerns: whose questions, about which target, to ask now.

    before --\\                     new grants: ask what they suspect
              difference --> Affected
    after  --/                     grants gone: ask what stands open

It proves nothing and forgets nothing: what it leaves out is found by the rounds, and what it names
is asked for real. A cluster-wide grant concerns the target `*`, which stands for all others.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from sentinel.core.api.question import CLUSTER
from sentinel.core.api.rbac import MOST_GRANTS, MOST_OF_A_RULE, Binding, Key, Rbac, Role, Subject, Who
from sentinel.core.api.rules import BASELINE, Grant, controls

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Person:
    """One identity of one tenant, as the authorizer sees it, and the namespaces it must be denied in."""

    subject: str  # the tenant
    identity: str
    who: Who
    targets: frozenset[str]


@dataclass(frozen=True)
class People:
    """All identities that are watched over, found by what a binding may call them."""

    all: tuple[Person, ...]

    @cached_property
    def by_key(self) -> Mapping[Key, tuple[Person, ...]]:
        """User or Group and name -> whom it means."""
        found: defaultdict[Key, list[Person]] = defaultdict(list)
        for person in self.all:
            for key in person.who.keys:
                found[key].append(person)
        return {key: tuple(people) for key, people in found.items()}


@dataclass(frozen=True, slots=True)
class Affected:
    """One identity at one target. Without new grants, and nothing gone: look there all the same."""

    subject: str
    identity: str
    target: str
    grants: frozenset[Grant] = frozenset()  # newly listed
    closes: bool = False  # something was taken away: what stands open may be shut now

    def is_wanted(self, home: str) -> bool:
        """Whether this is nothing but what the chart and Kubernetes themselves give; `home` has the decoys."""
        return bool(self.grants) and not self.closes and self.grants <= BASELINE | controls(self.target, home)


def affected(before: Rbac, after: Rbac, people: People, created: Iterable[str] = ()) -> frozenset[Affected]:
    """Whom the difference concerns. `created`: namespaces that are new.

    Costs what changed, not what there is: namespaces that are the same value are not looked into.
    """
    touched = {
        (space, person)
        for space, subject in _touched(before, after)
        for person in people.by_key.get(subject.key(space), ())
        if not space or space in person.targets
    }
    one, other = Lists(before), Lists(after)
    found = {_compare(one, other, space, person) for space, person in touched}
    seen = {(row.subject, row.identity, row.target) for row in found}
    fresh = (
        Affected(person.subject, person.identity, space)
        for space in created
        for person in people.all
        if space in person.targets and (person.subject, person.identity, space) not in seen
    )
    return frozenset([*found, *fresh])


class Lists:
    """What is listed for somebody, with each role unrolled once: whoever binds everybody must not cost us much."""

    def __init__(self, rbac: Rbac) -> None:
        """Of one value of `rbac`; kept no longer than it is."""
        self._rbac = rbac
        self._of_role: dict[int, frozenset[Grant]] = {}

    def of(self, who: Who, space: str) -> frozenset[Grant]:
        """As `Rbac.rules_of`: in a namespace, or (empty) the cluster-wide rules alone."""
        roles = (self._rbac.role_of(binding) for binding in self._rbac.bindings_to(who, space or None))
        return frozenset().union(*(self._grants(role) for role in roles if role is not None))

    def _grants(self, role: Role) -> frozenset[Grant]:
        # The value is alive as long as `rbac` is, so its id is its own.
        if id(role) not in self._of_role:
            self._of_role[id(role)] = _unrolled(role)
        return self._of_role[id(role)]


def _unrolled(role: Role) -> frozenset[Grant]:
    found: set[Grant] = set()
    for rule in role.rules:
        found.update(rule.grants(MOST_OF_A_RULE if len(found) < MOST_GRANTS else 1))
    return frozenset(found)


def _compare(before: Lists, after: Lists, space: str, person: Person) -> Affected:
    old, new = (lists.of(person.who, space) for lists in (before, after))
    return Affected(person.subject, person.identity, space or CLUSTER, new - old, bool(old - new))


def _touched(before: Rbac, after: Rbac) -> Iterator[tuple[str, Subject]]:
    """Subjects for whom something is different, with the namespace (empty: the cluster) where it is."""
    for name in {*before.spaces, *after.spaces}:
        if before.spaces.get(name) is after.spaces.get(name):
            continue
        old, new = (_inside(rbac, name) for rbac in (before, after))
        for one, other in _pairs(old[1], new[1]):
            yield from ((name, subject) for subject in _renamed(one, other))
        for was, is_now in _pairs(old[0], new[0]):
            role = is_now or was
            if role is not None and (was is None or is_now is None or was.rules != is_now.rules):
                # Bindings that are gone are told of as such.
                yield from _bound(after, role)


def _inside(rbac: Rbac, name: str) -> tuple[Mapping[str, Role], Mapping[str, Binding]]:
    space = rbac.spaces.get(name)
    return (space.roles, space.bindings) if space is not None else ({}, {})


def _pairs(old: Mapping[str, T], new: Mapping[str, T]) -> Iterator[tuple[T | None, T | None]]:
    for name in {**old, **new}:
        one, other = old.get(name), new.get(name)
        if one is not other and one != other:
            yield one, other


def _renamed(old: Binding | None, new: Binding | None) -> Sequence[Subject]:
    """The subjects to whom a binding means something else than before."""
    one, other = (set(binding.subjects) if binding else set() for binding in (old, new))
    same_role = old and new and (old.role_kind, old.role_name) == (new.role_kind, new.role_name)
    return [*(one ^ other if same_role else one | other)]


def _bound(rbac: Rbac, role: Role) -> Iterator[tuple[str, Subject]]:
    for binding in rbac.bindings_of(role):
        yield from ((binding.namespace, subject) for subject in binding.subjects)
