"""The trip-wire: a rules review covers every verb and type, and proves nothing by itself.

What it lists beyond what every account has, and beyond the grants that we ourselves were given as
controls, is a suspicion. Each is turned into real questions, asked at once: a review proves
breaches at most, never denials.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product

from sentinel.core.question import (
    CLUSTER,
    METHODS,
    READS,
    Question,
    at_cluster_scope,
    in_namespace,
)
from sentinel.core.resources import (
    ABSENT_NAME,
    ABSENT_NAMESPACE,
    DECOY,
    DECOY_CLOSED,
    NAMESPACES,
    RESOURCES,
    SECRETS,
    Resource,
    known,
)

MOST_GRANTS = 20_000
"""Grants in one review that are looked at; the stock role `admin` has about 500."""
MOST_QUESTIONS = 150
"""Questions that one target's suspicions may become: all verbs of all our types."""

_LONG_RUNNING = frozenset({"log", "exec", "attach", "portforward", "proxy"})
_VERBS = tuple(METHODS)
# The API server checks neither in a Role, and a tenant may write one; both become part of a path.
_NAME = re.compile(r"(?!\.{1,2}\Z)[^\x00-\x20\x7f/%]{1,253}")
_SUBRESOURCE = re.compile(r"[a-z][a-z0-9-]{0,62}")


@dataclass(frozen=True, slots=True, order=True)
class Grant:
    """One verb on one type, `*` for all of them; `name` is empty when every name is meant."""

    verb: str
    group: str
    resource: str
    name: str = ""

    @property
    def text(self) -> str:
        """For people: `get secrets/x`, `* *.*`."""
        kind = f"{self.resource}.{self.group}" if self.group else self.resource
        return f"{self.verb} {kind}" + (f"/{self.name}" if self.name else "")


@dataclass(frozen=True, slots=True)
class Review:
    """What the API server lists of an account's rights in one namespace, as a set.

    `incomplete`: an authorizer that cannot list its rules takes part (a webhook).
    """

    grants: frozenset[Grant]
    incomplete: bool = False


def parse(body: bytes) -> Review | None:
    """The rules of a SelfSubjectRulesReview's reply, None when it is none."""
    try:
        status = json.loads(body)["status"]
        rules = status.get("resourceRules") or []
        grants = frozenset(_within(_grants(rules)))
        return Review(grants, bool(status.get("incomplete")))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _grants(rules: Iterable[dict[str, list[str]]]) -> Iterator[Grant]:
    for rule in rules:
        parts = (rule.get("verbs"), rule.get("apiGroups"), rule.get("resources"))
        names = rule.get("resourceNames") or [""]
        for verb, group, resource, name in product(*(part or [] for part in parts), names):
            yield Grant(str(verb), str(group), str(resource), str(name))


def _within(grants: Iterator[Grant]) -> Iterator[Grant]:
    for count, grant in enumerate(grants):
        if count >= MOST_GRANTS:
            raise ValueError("a review of more grants than we look at")
        yield grant


BASELINE = frozenset(
    {
        Grant("create", "authentication.k8s.io", "selfsubjectreviews"),
        Grant("create", "authorization.k8s.io", "selfsubjectaccessreviews"),
        Grant("create", "authorization.k8s.io", "selfsubjectrulesreviews"),
    }
)
"""What Kubernetes gives every account."""


def door(target: str) -> Grant:
    """Our own control: the target's Namespace, by name."""
    return Grant("get", "", "namespaces", target)


def controls(target: str, home: str) -> frozenset[Grant]:
    """What the chart grants in this target on purpose, as exact tuples; never a question.

    The closed decoy is here too: when it is granted, the gate `decoy` says so.
    """
    decoys = [Grant("get", "", "secrets", name) for name in (DECOY, DECOY_CLOSED)]
    return frozenset([door(target), *(decoys if target == home else [])])


def suspicious(review: Review, wide: frozenset[Grant], target: str, home: str) -> frozenset[Grant]:
    """What this target's review lists beyond baseline, controls and the cluster-wide rules."""
    return review.grants - BASELINE - controls(target, home) - wide


def wide(review: Review) -> frozenset[Grant]:
    """The cluster-wide rules beyond the baseline, from the review of an absent namespace."""
    return review.grants - BASELINE


@dataclass(frozen=True, slots=True)
class Suspects:
    """Suspicions as questions; `review_only` are those that cannot be asked for real."""

    questions: tuple[Question, ...] = ()
    review_only: tuple[Grant, ...] = ()


def suspects(grants: Iterable[Grant], identity: str, target: str, served: Iterable[Resource]) -> Suspects:
    """The real questions that these grants in one namespace lead to."""
    found: dict[Question, None] = {}
    only = []
    types = tuple(served)
    for grant in sorted(grants):
        questions = list(_questions(grant, identity, target, types))
        found.update(dict.fromkeys(questions))
        if not questions:
            only.append(grant)
    gravest = sorted(found, key=lambda question: (question.resource is not SECRETS, _rank(question)))
    return Suspects(tuple(gravest[:MOST_QUESTIONS]), tuple(only))


def wide_suspects(grants: Iterable[Grant], identity: str, served: Iterable[Resource]) -> Suspects:
    """One question with target `*` for each cluster-wide rule: its gravest verb.

    Grants that differ in the verb alone come from one rule; the gravest stands for it. The order is
    ours: the API server's varies, and a list that looks new would be asked anew in every round.
    """
    rules: dict[tuple[str, str, str], list[Grant]] = {}
    for grant in sorted(grants):
        rules.setdefault(_rule(grant), []).append(grant)
    types = tuple(served)
    questions: dict[Question, None] = {}
    only = []
    for members in rules.values():
        asked = [q for grant in sorted(members, key=_gravity) for q in _wide(grant, identity, types)]
        questions.update(dict.fromkeys(asked[:1]))
        only += [] if asked else [min(members, key=_gravity)]
    return Suspects(tuple(questions)[:MOST_QUESTIONS], tuple(sorted(only)))


def covers(grants: frozenset[Grant], question: Question) -> bool:
    """Whether one of these rules grants what is asked."""
    group, plural = question.resource.group, question.resource.plural
    kind = f"{plural}/{question.subresource}" if question.subresource else plural
    options = product((question.verb, "*"), (group, "*"), (kind, "*"), ("", question.name))
    return any(Grant(*option) in grants for option in options)


def opened(grants: frozenset[Grant], breaches: Iterable[Question]) -> frozenset[Grant]:
    """Those of the cluster-wide rules that breaches at cluster scope have shown to be real.

    A rule is all grants that differ in the verb alone, as in `wide_suspects`.
    """
    seen = {_rule(g) for breach in breaches for g in grants if covers(frozenset({g}), breach)}
    return frozenset(grant for grant in grants if _rule(grant) in seen)


def _rule(grant: Grant) -> tuple[str, str, str]:
    return grant.group, grant.resource, grant.name


_GRAVEST = ("list", "get", "watch", "*", "create", "update", "patch", "delete")


def _rank(question: Question) -> int:
    return _GRAVEST.index(question.verb)


def _gravity(grant: Grant) -> tuple[int, Grant]:
    verb = grant.verb
    return _GRAVEST.index(verb) if verb in _GRAVEST else len(_GRAVEST), grant


def _wide(grant: Grant, identity: str, types: tuple[Resource, ...]) -> Iterator[Question]:
    if grant.name:
        yield from _wide_named(grant, identity, types)
        return
    verb = "list" if grant.verb == "*" else grant.verb
    if verb not in METHODS:
        return
    for resource in _types(grant, types):
        yield at_cluster_scope(identity, verb, resource)


def _wide_named(grant: Grant, identity: str, types: tuple[Resource, ...]) -> Iterator[Question]:
    if grant.verb not in ("get", "*") or _NAME.fullmatch(grant.name) is None:
        return
    for resource in _types(grant, types):
        # A Namespace is asked for in itself, where our own door may be what lets us in.
        if resource != NAMESPACES:
            where = ABSENT_NAMESPACE if resource.namespaced else None
            yield Question(identity, "get", resource, where, CLUSTER, grant.name)


def _questions(grant: Grant, identity: str, target: str, types: tuple[Resource, ...]) -> Iterator[Question]:
    plural, slash, subresource = grant.resource.partition("/")
    if subresource in _LONG_RUNNING or subresource == "token":
        return
    if (grant.name and not _NAME.fullmatch(grant.name)) or (slash and not _SUBRESOURCE.fullmatch(subresource)):
        return
    bare = Grant(grant.verb, grant.group, plural, grant.name)
    for verb, resource in product(_verbs(grant), _types(bare, types)):
        # Only a get names its object; a named list or write would be another question.
        if (grant.name and verb != "get") or (subresource and verb in ("create", "list", "watch")):
            continue
        # A Namespace is authorised in itself: by name our own door there may be what lets us in, and
        # a write to an absent one would be another question.
        if resource == NAMESPACES and (grant.name or verb not in (*READS, "create")):
            continue
        yield _question(identity, verb, resource, target, grant.name, subresource)


def _question(identity: str, verb: str, resource: Resource, target: str, name: str, subresource: str) -> Question:
    planned = in_namespace(identity, verb, resource, target).name
    named = name or (ABSENT_NAME if subresource else planned)
    where = target if resource.namespaced else None
    return Question(identity, verb, resource, where, target, named, subresource)


def _verbs(grant: Grant) -> tuple[str, ...]:
    if grant.verb == "*":
        return _VERBS
    return (grant.verb,) if grant.verb in METHODS else ()


def _types(grant: Grant, types: tuple[Resource, ...]) -> tuple[Resource, ...]:
    """The types a grant is about: by name from all that is served, `*` over our own list."""
    if grant.resource == "*":
        return tuple(row for row in RESOURCES if grant.group in ("*", row.group))
    if grant.group == "*":
        return tuple(row for row in types if row.plural == grant.resource)
    ours = known(grant.resource, grant.group)
    if ours is not None:
        return (ours,)
    return tuple(row for row in types if (row.plural, row.group) == (grant.resource, grant.group))
