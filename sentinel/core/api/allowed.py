"""Wanted grants: what `isolation.allow` covers, and nothing that it does not say.

An exception is read as a Role is: `get` is not `list`, a resource is not its subresources, and names
are those names. So it can be narrower than the grant it stands for, and then the rest is a breach.
It can also be older than its last day, and then all of it is.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta

from sentinel.core.api.question import Question
from sentinel.core.api.rules import Grant

EVERYTHING = "*"
"""All verbs, or all types with their subresources, as in a Role; `to: "*"` is the cluster scope."""
EVERYBODY = "*"
"""`from: "*"`: all tenants, and whoever has no token."""
ANONYMOUS = "anonymous"
"""`from: anonymous`: whoever has no token."""
AUTHENTICATED = "system:authenticated"
"""All accounts, and nobody without a token: what a distribution binds to this group."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """One exception. `name` is unique among them and becomes a label; `until` is its last day, UTC."""

    name: str
    source: str
    target: str
    verbs: frozenset[str]
    resources: tuple[str, ...]
    names: frozenset[str] = frozenset()
    until: date | None = None
    reason: str = ""
    owner: str = ""
    builtin: bool = False  # given by the distribution, not by the configuration

    @property
    def ends(self) -> float | None:
        """The end of its last day, wall seconds; None when it is for good."""
        if self.until is None:
            return None
        return datetime.combine(self.until + timedelta(days=1), time(), UTC).timestamp()

    @property
    def what(self) -> str:
        """For people: `get, list configmaps (exchange-rates)`."""
        names = f" ({', '.join(sorted(self.names))})" if self.names else ""
        return f"{', '.join(sorted(self.verbs))} {', '.join(self.resources)}{names}"

    @property
    def text(self) -> str:
        """For people: until when it is allowed, by whom and why."""
        until = f" until {self.until.isoformat()}" if self.until else ""
        return f"allowed{until} by {self.owner}: {self.reason}"

    def holds_at(self, now: float) -> bool:
        """Whether it still holds; `now` in wall seconds."""
        return self.ends is None or now < self.ends

    def is_for(self, tenant: str, *, anonymous: bool) -> bool:
        """Whether it is about this tenant's accounts, or about those who have none."""
        ours = (ANONYMOUS,) if anonymous else (AUTHENTICATED, tenant)
        return self.source == EVERYBODY or self.source in ours

    def covers(self, question: Question) -> bool:
        """Whether it allows just this, whoever asks."""
        kind = _kind(question.resource.plural, question.resource.group, question.subresource)
        return (
            question.target == self.target
            and not self.verbs.isdisjoint((question.verb, EVERYTHING))
            and self._has(kind)
            and (not self.names or question.asked_name in self.names)
        )

    def allows(self, grant: Grant, target: str) -> bool:
        """Whether it allows all that this rule of a review grants there."""
        plural, _, subresource = grant.resource.partition("/")
        return (
            target == self.target
            and not self.verbs.isdisjoint((grant.verb, EVERYTHING))
            and self._has(_kind(plural, grant.group, subresource))
            and (not self.names or grant.name in self.names)
        )

    def _has(self, kind: str) -> bool:
        """`pods/log` is named as such or by `pods/*`, never by `pods`."""
        whole = kind.partition("/")[0] + "/*" if "/" in kind else kind
        return any(named in (EVERYTHING, kind, whole) for named in self.resources)


def _kind(plural: str, group: str, subresource: str) -> str:
    label = f"{plural}.{group}" if group else plural
    return f"{label}/{subresource}" if subresource else label


@dataclass(frozen=True, slots=True)
class Exceptions:
    """All exceptions of a cluster, as they concern one tenant's sentinel."""

    tenant: str = ""
    anonymous: frozenset[str] = frozenset()  # names of the identities that have no token
    all: tuple[Allowance, ...] = ()

    @property
    def ours(self) -> tuple[Allowance, ...]:
        """Those about this tenant, or about those who have no token."""
        return tuple(row for row in self.all if any(row.is_for(self.tenant, anonymous=who) for who in (False, True)))

    def covering(self, question: Question, now: float) -> Allowance | None:
        """The first exception that allows this question at this moment, None when none does."""
        rows = self._of(question.identity, now)
        return next((row for row in rows if row.covers(question)), None)

    def split(
        self, grants: Iterable[Grant], identity: str, target: str, now: float
    ) -> tuple[frozenset[Grant], frozenset[str]]:
        """What of these rules nobody wants, and the names of the exceptions that want the others."""
        rows = self._of(identity, now)
        unwanted, used = set(), set()
        for grant in grants:
            wanting = [row.name for row in rows if row.allows(grant, target)]
            used.update(wanting[:1])
            if not wanting:
                unwanted.add(grant)
        return frozenset(unwanted), frozenset(used)

    def _of(self, identity: str, now: float) -> list[Allowance]:
        anonymous = identity in self.anonymous
        return [row for row in self.all if row.holds_at(now) and row.is_for(self.tenant, anonymous=anonymous)]


@dataclass
class Uses:
    """When each exception was last seen to be needed. Times in wall seconds."""

    _last: dict[str, float] = field(default_factory=dict)
    _reviews: dict[tuple[str, str], float] = field(default_factory=dict)

    def note(self, name: str, at: float) -> None:
        """A question was let in by it, or a review lists what it wants."""
        self._last[name] = at

    def review(self, whose: tuple[str, str], wanted: Collection[str], at: float) -> None:
        """A good review of this identity at this target lists these."""
        self._reviews[whose] = at
        for name in wanted:
            self.note(name, at)

    def last(self, name: str, now: float) -> float:
        """Its last use; as long as there was none, the moment at which we were first asked."""
        return self._last.setdefault(name, now)

    def reviewed(self, identity: str, target: str) -> float:
        """The last good review there; the beginning of time when there was none."""
        return self._reviews.get((identity, target), 0.0)


def named(pairs: Collection[tuple[str, str]]) -> list[str]:
    """Names for exceptions from and to these: unique, and the same as long as their order is."""
    seen: dict[str, int] = {}
    names = []
    for source, target in pairs:
        name = f"{source}->{target}"
        seen[name] = seen.get(name, 0) + 1
        names.append(name if seen[name] == 1 else f"{name} #{seen[name]}")
    return names
