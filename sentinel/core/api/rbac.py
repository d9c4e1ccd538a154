"""Who may do what by role-based access control: the objects as values, and an index that never changes.

    Who --Subject--> Binding --roleRef--> Role --rules--> Grant
                                            ^-- label selectors -- ClusterRole (aggregation)

Permissions only add up: nothing forbids, so every path that lets somebody in has to be closed. The
API server decides; this says why, and what a changed object may have changed.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product
from math import prod
from typing import TypeVar

from sentinel.core.api.question import Question
from sentinel.core.api.rules import Grant

MOST_GRANTS = 20_000
"""Of one account in one namespace that are told one by one; see `Rule.grants` for the rest."""
MOST_OF_A_RULE = 5_000
"""A Role of 1.5 MB could name ten thousand verbs on ten thousand types."""
MASTERS = "system:masters"
"""Members are allowed everything, by no binding."""
DEFAULTING = "rbac.authorization.kubernetes.io/autoupdate"
"""The API server puts back what it marked so, at each start, when somebody takes a part of it away."""
_ACCOUNT = "system:serviceaccount:{}:{}"

T = TypeVar("T")
Key = tuple[str, str]
"""User or Group, and its name. An account is the user it is known as."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom a binding names: kind User, Group or ServiceAccount."""

    kind: str
    name: str
    namespace: str = ""

    def key(self, within: str) -> Key:
        """Whom it means in a binding of this namespace (empty: cluster-wide)."""
        if self.kind == "ServiceAccount":
            space = self.namespace or within
            return ("User", _ACCOUNT.format(space, self.name)) if space else ("", "")
        return self.kind, self.name


@dataclass(frozen=True, slots=True)
class Rule:
    """Verbs on types of API groups; `names` empty means every name."""

    verbs: tuple[str, ...]
    groups: tuple[str, ...]
    resources: tuple[str, ...]
    names: tuple[str, ...] = ()

    def allows(self, question: Question) -> bool:
        """Whether it allows what is asked, wherever it holds."""
        return (
            _has(self.verbs, question.verb)
            and _has(self.groups, question.resource.group)
            and self._means(question)
            and (not self.names or question.asked_name in self.names)
        )

    def _means(self, question: Question) -> bool:
        plural, sub = question.resource.plural, question.subresource
        kind = f"{plural}/{sub}" if sub else plural
        return _has(self.resources, kind) or (bool(sub) and f"*/{sub}" in self.resources)

    def grants(self, most: int = MOST_OF_A_RULE) -> Iterator[Grant]:
        """One by one. Of more than `most`, the longest lists count as `*`: rather too much than too little."""
        parts = [self.verbs, self.groups, self.resources, self.names or ("",)]
        while prod(map(len, parts)) > most:
            longest = max(range(4), key=lambda at: len(parts[at]))
            parts[longest] = ("",) if longest == 3 else ("*",)
        return (Grant(*words) for words in product(*parts))


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition of a label selector: In, NotIn, Exists or DoesNotExist."""

    key: str
    operator: str
    values: frozenset[str] = frozenset()

    def accepts(self, labels: Mapping[str, str]) -> bool:
        """As Kubernetes has it: what lacks the key is not in any list."""
        match self.operator:
            case "In":
                return labels.get(self.key) in self.values
            case "NotIn":
                return labels.get(self.key) not in self.values
            case "Exists":
                return self.key in labels
            case "DoesNotExist":
                return self.key not in labels
        return False


Selector = tuple[Requirement, ...]
"""All must hold; an empty one selects everything."""


@dataclass(frozen=True, slots=True)
class Made:
    """When an object was made, and by whom its decisive part was written last: wall seconds, a field manager.

    The decisive part is a binding's subjects and a role's rules.
    """

    created: float | None = None
    manager: str = ""
    changed: float | None = None


@dataclass(frozen=True, slots=True)
class Role:
    """A Role, or a ClusterRole (then `namespace` is empty). `aggregates`: whose rules it takes over."""

    kind: str
    namespace: str
    name: str
    rules: tuple[Rule, ...] = ()
    aggregates: tuple[Selector, ...] = ()
    labels: frozenset[tuple[str, str]] = frozenset()
    made: Made = field(default=Made(), compare=False)
    defaulted: bool = False  # the API server mends it at each start

    def takes_over(self, other: "Role") -> bool:
        """Whether the other ClusterRole's rules become its own."""
        if other.kind != "ClusterRole" or other.name == self.name:
            return False
        labels = dict(other.labels)
        return any(all(needed.accepts(labels) for needed in selector) for selector in self.aggregates)


@dataclass(frozen=True, slots=True)
class Binding:
    """A RoleBinding, or a ClusterRoleBinding (then `namespace` is empty)."""

    kind: str
    namespace: str
    name: str
    role_kind: str
    role_name: str
    subjects: tuple[Subject, ...] = ()
    made: Made = field(default=Made(), compare=False)
    defaulted: bool = False

    def means(self, who: "Who") -> tuple[Subject, ...]:
        """Its subjects that are this one, each once, in its own order."""
        keys = who.keys
        return tuple(dict.fromkeys(s for s in self.subjects if s.key(self.namespace) in keys))


@dataclass(frozen=True, slots=True)
class Who:
    """An identity as the authorizer sees it."""

    user: str
    groups: tuple[str, ...] = ()

    @property
    def keys(self) -> frozenset[Key]:
        """By what a binding may mean it."""
        return frozenset([("User", self.user), *(("Group", group) for group in self.groups)])


ANONYMOUS = Who("system:anonymous", ("system:unauthenticated",))


def who_of_account(namespace: str, name: str) -> Who:
    """A ServiceAccount with the groups that it always has."""
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated")
    return Who(_ACCOUNT.format(namespace, name), groups)


def who_of_group(name: str) -> Who:
    """Somebody of whom no more is known than a group, as identity providers name them."""
    return Who("", (name, "system:authenticated"))


@dataclass(frozen=True, slots=True)
class Path:
    """One way in: the subject, the binding, its role and the rules of it that allow what was asked.

    `sources` are the ClusterRoles in which the rules were written, where the role took them over by
    label; empty there too when none has them any more (the controller is behind).
    """

    binding: Binding
    role: Role
    subject: Subject
    rules: tuple[Rule, ...]
    sources: tuple[Role, ...] = ()

    @property
    def rule(self) -> Rule:
        """The first that allows it."""
        return self.rules[0]

    @property
    def text(self) -> str:
        """As the API server writes it: `RoleBinding "x/team-b" of Role "x" to ServiceAccount "s/team-a"`."""
        binding, subject = self.binding, self.subject
        name = f"{binding.name}/{binding.namespace}" if binding.namespace else binding.name
        who = subject.name
        if subject.kind == "ServiceAccount":
            who = f"{who}/{subject.namespace or binding.namespace}"
        return f'{binding.kind} "{name}" of {binding.role_kind} "{binding.role_name}" to {subject.kind} "{who}"'


class _Space:
    """The roles and bindings of one namespace (or, under "", of the cluster). Never changed."""

    def __init__(self, roles: Mapping[str, Role], bindings: Mapping[str, Binding]) -> None:
        self.roles = roles
        self.bindings = bindings

    @cached_property
    def by_subject(self) -> Mapping[Key, tuple[Binding, ...]]:
        found: defaultdict[Key, dict[str, Binding]] = defaultdict(dict)
        for name, binding in sorted(self.bindings.items()):
            for subject in binding.subjects:
                found[subject.key(binding.namespace)][name] = binding
        return {key: tuple(bindings.values()) for key, bindings in found.items()}

    @cached_property
    def by_role(self) -> Mapping[Key, tuple[Binding, ...]]:
        found: defaultdict[Key, list[Binding]] = defaultdict(list)
        for _, binding in sorted(self.bindings.items()):
            found[binding.role_kind, binding.role_name].append(binding)
        return {key: tuple(bindings) for key, bindings in found.items()}

    def of(self, who: Who) -> Iterator[Binding]:
        """Its bindings that mean this one, each once."""
        found = {b.name: b for key in sorted(who.keys) for b in self.by_subject.get(key, ())}
        yield from found.values()


_EMPTY = _Space({}, {})


@dataclass(frozen=True)
class Rbac:
    """All roles and bindings that are known. A changed one is another value; nobody sees it change."""

    spaces: Mapping[str, _Space] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, objects: Iterable[Role | Binding]) -> "Rbac":
        """Of many at once: much cheaper than one by one."""
        roles: defaultdict[str, dict[str, Role]] = defaultdict(dict)
        bindings: defaultdict[str, dict[str, Binding]] = defaultdict(dict)
        for found in objects:
            if isinstance(found, Role):
                roles[found.namespace][found.name] = found
            else:
                bindings[found.namespace][found.name] = found
        return cls({name: _Space(roles[name], bindings[name]) for name in {*roles, *bindings}})

    def with_object(self, changed: Role | Binding) -> "Rbac":
        """With this one, in place of its namesake. Costs a copy of its namespace's names."""
        space = self._space(changed.namespace)
        if isinstance(changed, Role):
            space = _Space({**space.roles, changed.name: changed}, space.bindings)
        else:
            space = _Space(space.roles, {**space.bindings, changed.name: changed})
        return replace(self, spaces={**self.spaces, changed.namespace: space})

    def without_object(self, kind: str, namespace: str, name: str) -> "Rbac":
        """Without that one; fine when it was not there."""
        space = self._space(namespace)
        if kind.endswith("Binding"):
            space = _Space(space.roles, _without(space.bindings, name))
        else:
            space = _Space(_without(space.roles, name), space.bindings)
        return replace(self, spaces={**self.spaces, namespace: space})

    def objects(self) -> Iterator[Role | Binding]:
        """Everything that is known."""
        for space in self.spaces.values():
            yield from space.roles.values()
            yield from space.bindings.values()

    def role_of(self, binding: Binding) -> Role | None:
        """The role that a binding refers to, None when nobody made it."""
        return self.role(binding.role_kind, binding.namespace, binding.role_name)

    def role(self, kind: str, namespace: str, name: str) -> Role | None:
        """A Role of a namespace, or a ClusterRole, whose namespace does not matter."""
        if kind not in ("Role", "ClusterRole") or (kind == "Role" and not namespace):
            return None
        return self._space(namespace if kind == "Role" else "").roles.get(name)

    def binding(self, namespace: str, name: str) -> Binding | None:
        """A RoleBinding, or with an empty namespace a ClusterRoleBinding."""
        return self._space(namespace).bindings.get(name)

    def bindings_of(self, role: Role) -> tuple[Binding, ...]:
        """Those that refer to it, in whatever namespace."""
        spaces = [self._space(role.namespace)] if role.kind == "Role" else [*self.spaces.values()]
        return tuple(binding for space in spaces for binding in space.by_role.get((role.kind, role.name), ()))

    def takers_of(self, role: Role) -> tuple[Role, ...]:
        """The ClusterRoles that take over its rules, directly or through others."""
        wide = self._space("").roles.values()
        found: dict[str, Role] = {}
        waiting = [role]
        while waiting:
            source = waiting.pop()
            new = [taker for taker in wide if taker.name not in found and taker.takes_over(source)]
            found |= {taker.name: taker for taker in new}
            waiting += new
        return tuple(found.values())

    def rules_of(self, who: Who, namespace: str | None) -> frozenset[Grant]:
        """What the API server lists for them in a namespace; None: the cluster-wide rules alone."""
        found: set[Grant] = set()
        for binding in self.bindings_to(who, namespace):
            role = self.role_of(binding)
            for rule in role.rules if role is not None else ():
                found.update(rule.grants(MOST_OF_A_RULE if len(found) < MOST_GRANTS else 1))
        return frozenset(found)

    def paths(self, who: Who, question: Question) -> tuple[Path, ...]:
        """Every way by which they are allowed what is asked, cluster-wide ones first."""
        return tuple(self._paths(who, question))

    def _paths(self, who: Who, question: Question) -> Iterator[Path]:
        for binding in self.bindings_to(who, question.asked_namespace):
            role = self.role_of(binding)
            rules = tuple(rule for rule in role.rules if rule.allows(question)) if role is not None else ()
            if role is not None and rules:
                sources = self._sources(role, question)
                yield from (Path(binding, role, subject, rules, sources) for subject in binding.means(who))

    def bindings_to(self, who: Who, namespace: str | None) -> Iterator[Binding]:
        """The bindings that mean them: the cluster-wide ones, and those of this namespace."""
        yield from self._space("").of(who)
        if namespace:
            yield from self._space(namespace).of(who)

    def _sources(self, role: Role, question: Question) -> tuple[Role, ...]:
        """Where the rules were written that it took over: what takes over itself writes none."""
        wide = self._space("").roles.values()
        seen, waiting, found = {role.name}, [role], []
        while waiting:
            taker = waiting.pop()
            for source in wide:
                if not taker.aggregates or source.name in seen or not taker.takes_over(source):
                    continue
                seen.add(source.name)
                waiting.append(source)
                if not source.aggregates and any(rule.allows(question) for rule in source.rules):
                    found.append(source)
        return tuple(sorted(found, key=lambda source: source.name))

    def _space(self, name: str) -> _Space:
        return self.spaces.get(name, _EMPTY)


def _has(words: tuple[str, ...], wanted: str) -> bool:
    return wanted in words or "*" in words


def _without(names: Mapping[str, T], name: str) -> Mapping[str, T]:
    return {key: value for key, value in names.items() if key != name}
