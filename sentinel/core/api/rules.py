"""The trip-wire: a rules review covers every verb and type, and proves nothing by itself.

What it lists beyond what every account has, and beyond the grants that we ourselves were given as
controls, is a suspicion. Each is turned into real questions, asked at once: a review proves
breaches at most, never denials.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import product

from sentinel.core.api.question import (
    CLUSTER,
    COLLECTIVE,
    METHODS,
    READS,
    Form,
    Question,
    at_cluster_scope,
    in_namespace,
    of_namespace,
)
from sentinel.core.api.resources import (
    ABSENT_NAMESPACE,
    DECOY,
    DECOY_CLOSED,
    FURTHER,
    NAMESPACES,
    RESOURCES,
    SECRETS,
    VIRTUAL,
    Resource,
    known,
)

MOST_GRANTS = 20_000
"""Grants in one review that are looked at; the stock role `admin` has about 500."""
MOST_QUESTIONS = 250
"""Questions that one target's suspicions may become: all verbs of all our types."""

_VERBS = tuple(verb for verb in METHODS if verb != "deletecollection")
_FURTHER_VERBS = {
    "secrets": ("deletecollection",),
    "serviceaccounts": ("impersonate",),
    "roles.rbac.authorization.k8s.io": ("escalate", "bind"),
    "clusterroles.rbac.authorization.k8s.io": ("escalate", "bind"),
    "signers.certificates.k8s.io": ("approve", "sign"),
}
"""What `*` means besides the requests, where it gives something away."""
_BELOW = {
    "pods": ("exec", "attach", "portforward", "proxy", "log", "ephemeralcontainers"),
    "services": ("proxy",),
    "nodes": ("proxy",),
    "serviceaccounts": ("token",),
    "certificatesigningrequests.certificates.k8s.io": ("approval",),
}
"""The subresources that `*` stands for: those that are as good as reading, or better."""
_VERBS_BELOW = {
    "log": ("get",),
    "exec": ("create", "get"),
    "attach": ("create", "get"),
    "portforward": ("create", "get"),
    "proxy": ("get", "create"),
    "ephemeralcontainers": ("patch", "update"),
    "token": ("create",),
    "eviction": ("create",),
    "binding": ("create",),
}
_VERBS_OF_A_PART = ("patch", "update", "get")
# The API server checks none of them in a Role, and a tenant may write one; they become part of a path.
_NAME = re.compile(r"(?!\.{1,2}\Z)[^\x00-\x20\x7f/%]{1,253}")
_SUBRESOURCE = re.compile(r"[a-z][a-z0-9-]{0,62}")
_VERB = re.compile(r"[a-z][a-z:-]{0,62}")


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
    """One question with target `*` for each cluster-wide rule: its gravest verb, of its gravest type.

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
    verbs, groups, kinds = (question.verb, "*"), (group, "*"), (kind, "*", f"*/{question.subresource}")
    names = ("", question.name)
    return any(
        one.verb in verbs and one.resource in kinds and one.group in groups and one.name in names for one in grants
    )


def opened(grants: frozenset[Grant], breaches: Iterable[Question]) -> frozenset[Grant]:
    """Those of the cluster-wide rules that breaches at cluster scope have shown to be real.

    A rule is all grants that differ in the verb alone, as in `wide_suspects`.
    """
    seen = {_rule(g) for breach in breaches for g in grants if covers(frozenset({g}), breach)}
    return frozenset(grant for grant in grants if _rule(grant) in seen)


def _rule(grant: Grant) -> tuple[str, str, str]:
    return grant.group, grant.resource, grant.name


_GRAVEST = ("impersonate", "escalate", "bind", "list", "get", "watch", "*", "create", "patch", "update")


def _rank(question: Question) -> tuple[int, str]:
    return _gravity_of(question.verb), question.verb


def _gravity(grant: Grant) -> tuple[int, Grant]:
    return _gravity_of(grant.verb), grant


def _gravity_of(verb: str) -> int:
    return _GRAVEST.index(verb) if verb in _GRAVEST else len(_GRAVEST)


def _wide(grant: Grant, identity: str, types: tuple[Resource, ...]) -> Iterator[Question]:
    for verb, resource, subresource in _asked(grant, (*types, *VIRTUAL), wide=True):
        question = at_cluster_scope(identity, verb, resource, subresource)
        if grant.name:
            # A Namespace is asked for in itself, where our own door may be what lets us in.
            if resource == NAMESPACES and verb == "get":
                continue
            where = ABSENT_NAMESPACE if resource.namespaced else None
            question = Question(identity, verb, resource, where, CLUSTER, grant.name, subresource)
        if _is_fit(question, grant):
            yield question


def _questions(grant: Grant, identity: str, target: str, types: tuple[Resource, ...]) -> Iterator[Question]:
    for verb, resource, subresource in _asked(grant, types, wide=False):
        question = _question(identity, verb, resource, target, grant.name, subresource)
        if question is not None and _is_fit(question, grant):
            yield question


def _question(
    identity: str, verb: str, resource: Resource, target: str, name: str, subresource: str
) -> Question | None:
    if resource == NAMESPACES and (name or verb not in (*READS, "create")):
        # A Namespace is authorised in itself: another one's name means nothing here, and to read this
        # one our own door may be what lets us in.
        itself = name in ("", target) and verb != "get"
        return replace(of_namespace(identity, verb, target), subresource=subresource) if itself else None
    planned = in_namespace(identity, verb, resource, target, subresource)
    return replace(planned, target=target, name=name or planned.name)


def _is_fit(question: Question, grant: Grant) -> bool:
    """Whether this can be asked, and is what was granted."""
    in_a_path = question.form in (Form.REQUEST, Form.LONG)
    if not grant.name.isprintable() or (in_a_path and grant.name and not _NAME.fullmatch(grant.name)):
        return False
    if question.subresource:
        # Below an object there is no collection.
        return question.verb not in COLLECTIVE
    # What is to be created has no name yet: such a grant lets nobody in.
    return not grant.name or question.verb != "create"


def _asked(grant: Grant, types: tuple[Resource, ...], *, wide: bool) -> Iterator[tuple[str, Resource, str]]:
    """What one grant lets be asked: verb, type, subresource; the gravest type first."""
    plural, slash, below = grant.resource.partition("/")
    if len(grant.name) > _LONGEST_NAME or (slash and not _SUBRESOURCE.fullmatch(below)):
        return
    for resource in _types(Grant(grant.verb, grant.group, plural, grant.name), types, wide=wide):
        if plural == "*" and below in _VERBS_BELOW and below not in _BELOW.get(resource.label, ()):
            continue
        for subresource in (below,) if plural != "*" or slash else ("", *_BELOW.get(resource.label, ())):
            for verb in _verbs(grant, resource, subresource):
                yield verb, resource, subresource


def _verbs(grant: Grant, resource: Resource, subresource: str) -> tuple[str, ...]:
    every = _every_verb(resource, subresource)
    if grant.verb == "*":
        return every
    # `create *` is `create pods/exec`, and would be `create pods/log` if there were one.
    meant = grant.verb in every if grant.resource.startswith("*") else _VERB.fullmatch(grant.verb)
    return (grant.verb,) if meant else ()


def _every_verb(resource: Resource, subresource: str) -> tuple[str, ...]:
    if subresource:
        return _VERBS_BELOW.get(subresource, _VERBS_OF_A_PART)
    further = _FURTHER_VERBS.get(resource.label, ())
    if resource in VIRTUAL:
        return further or ("impersonate",)
    return tuple(sorted((*_VERBS, *further), key=_gravity_of))


def _types(grant: Grant, types: tuple[Resource, ...], *, wide: bool) -> tuple[Resource, ...]:
    """The types a grant is about: by name from all that is served, `*` over our own lists first."""
    if grant.resource == "*":
        rows = (*RESOURCES, *FURTHER, *VIRTUAL) if wide else (*RESOURCES, *_IN_NAMESPACES)
        ours_of_it = tuple(row for row in rows if grant.group in ("*", row.group))
        # Of a group in which we know no type: whatever is served of it.
        return ours_of_it or tuple(row for row in types if row.group == grant.group)
    if grant.group == "*":
        return tuple(row for row in types if row.plural == grant.resource)
    ours = known(grant.resource, grant.group)
    if ours is not None:
        return (ours,)
    return tuple(row for row in types if (row.plural, row.group) == (grant.resource, grant.group))


_LONGEST_NAME = 253
_IN_NAMESPACES = tuple(row for row in FURTHER if row.namespaced)
