"""The plan: every question there is, how often each is asked, and what that costs.

Questions grow with the square of the tenants, and audit volume, not CPU, is the limit. So there are
three tiers and one budget for the cluster, of which each daemon takes its share:

    tier 1  each round        trip-wire of every target, the cluster-scope list of secrets
    tier 2  within `within`   secrets of every target, the gravest at cluster scope, most of `anonymous`
    tier 3  within `sweep`    everything else

Where the budget does not suffice, periods are stretched, and the stretched ones are published:
nothing is dropped, and nobody is told a period that is not kept.
"""

import math
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby

from sentinel.core.api import powers
from sentinel.core.api.allowed import Allowance, Exceptions
from sentinel.core.api.question import CLUSTER, Form, Question, at_cluster_scope, in_namespace
from sentinel.core.api.resources import NAMESPACES, RESOURCES, SECRETS, Resource
from sentinel.core.record import Series, series_of

BATCH = 20
"""Questions of one identity about one target under one pair of doors."""
TRIPWIRE_SHARE = 0.6
"""Of what is left after the controls, the trip-wire takes at most this; it covers most."""
TIER2_SHARE = 2 / 3
"""Of what the trip-wire leaves, tier 2 takes this, tier 3 the rest."""
AUDIT_BYTES = 1_370
"""One audit event of a pod-bound token at level Metadata, measured."""
PAGE_SECONDS = 80.0
"""From the evidence to the page by rule, worst case, with the shipped rules and route: scrape 10 +
its timeout 5, evaluation 10, group_interval 15, one unreachable Alertmanager 15, a resend 25."""

Batch = tuple[Question, ...]


@dataclass(frozen=True, slots=True)
class Scope:
    """What the plan is made from. Durations in seconds; `qps` is the whole cluster's budget."""

    tenant: str
    tenants: tuple[tuple[str, tuple[str, ...]], ...]  # name, namespaces
    system: tuple[str, ...]
    accounts: tuple[str, ...]  # names of the identities that have a token, `self` first
    anonymous: tuple[str, ...]  # names of those that have none, on purpose
    every: float
    within: float
    sweep: float
    timeout: float
    qps: float
    part: float = 1.0  # of `qps` that is for sentinels like this one; a witness has the rest
    allow: tuple[Allowance, ...] = ()  # asked like the rest, and judged as wanted
    installed: tuple[Resource, ...] = ()  # types beyond our own list, as discovery names them

    @property
    def targets(self) -> tuple[str, ...]:
        """The namespaces of everybody else: other tenants' and the system's."""
        others = [ns for name, spaces in self.tenants if name != self.tenant for ns in spaces]
        return tuple(dict.fromkeys([*others, *self.system]))

    @property
    def everywhere(self) -> tuple[str, ...]:
        """The namespaces of all, ours included: what `anonymous` is asked about."""
        spaces = [ns for _, spaces in self.tenants for ns in spaces]
        return tuple(dict.fromkeys([*spaces, *self.system]))

    @property
    def exceptions(self) -> Exceptions:
        """What is wanted, as it concerns the one who asks."""
        return Exceptions(self.tenant, frozenset(self.anonymous), self.allow)

    @property
    def share(self) -> float:
        """Requests per second that this daemon may spend."""
        return self.qps * self.part / max(1, len(self.tenants))


@dataclass(frozen=True)
class Plan:
    """The questions in the order of their rotation, and the stretched periods in seconds.

    What is asked of it in every round is worked out once.
    """

    scope: Scope
    tier1: Batch
    tier2: tuple[Batch, ...]
    tier3: tuple[Batch, ...]
    every: float
    within: float
    sweep: float

    @cached_property
    def questions(self) -> tuple[Question, ...]:
        """Every planned question once."""
        return tuple(dict.fromkeys([*self.tier1, *_flat(self.tier2), *_flat(self.tier3)]))

    @cached_property
    def series(self) -> Mapping[Series, tuple[Question, ...]]:
        """The planned questions of each series."""
        found: defaultdict[Series, list[Question]] = defaultdict(list)
        for question in self.questions:
            found[series_of(question)].append(question)
        return {series: tuple(members) for series, members in found.items()}

    @cached_property
    def _known(self) -> frozenset[Question]:
        return frozenset(self.questions)

    def __contains__(self, question: Question) -> bool:
        """Whether it is planned."""
        return question in self._known

    def period(self, tier: int) -> float:
        """The stretched period of a tier, seconds."""
        return (self.every, self.within, self.sweep)[tier - 1]

    def slots(self, tier: int) -> int:
        """How many rounds one period of this tier spans."""
        return max(1, math.floor(self.period(tier) / self.every + 1e-9))

    @property
    def round_budget(self) -> int:
        """Requests that one round may spend on open questions and retries, besides the plan."""
        return max(2, math.floor(self.scope.share * self.every / 2))

    @property
    def rate(self) -> float:
        """Requests per second of this daemon, controls included."""
        per_round = _controls(self.scope) + _tier1_cost(self.scope)
        second = _cost(self.tier2) / self.within + _cost(self.tier3) / self.sweep
        return per_round / self.every + second

    @property
    def cluster_rate(self) -> float:
        """Requests per second of all daemons together."""
        return self.rate * len(self.scope.tenants)

    @property
    def audit_gb_per_day(self) -> float:
        """Audit volume of the whole cluster, one stage per request, in 10^9 bytes a day."""
        return self.cluster_rate * AUDIT_BYTES * 86_400 / 1e9

    @property
    def worst_page(self) -> float:
        """Seconds from the opening of a hole to the page: the slower of trip-wire and tier 2."""
        return max(self.every, self.within) + self._after

    @property
    def worst_page_sweep(self) -> float:
        """The same for what only the sweep finds: grants that no rules review shows."""
        return self.sweep + self._after

    @property
    def _after(self) -> float:
        # The question itself and the second whoami may each take the whole timeout.
        return 2 * self.scope.timeout + PAGE_SECONDS


def make(scope: Scope) -> Plan:
    """The plan for one daemon. Pure: the same scope gives the same plan in every pod."""
    tier1 = tuple(at_cluster_scope(who, "list", SECRETS) for who in scope.accounts)
    tier2 = tuple(_batches(_tier2(scope, tier1)))
    tier3 = tuple(_batches(_tier3(scope)))
    return Plan(scope, tier1, tier2, tier3, *_periods(scope, _cost(tier2), _cost(tier3)))


def glance_cost(scope: Scope, targets: int) -> int:
    """Requests of a short round out of turn: controls, and a review and two doors for each target."""
    return _controls(scope) + 3 * targets * len(scope.accounts)


def enough_qps(plan: Plan, promise: float) -> float | None:
    """The smallest budget, in tens, with which the worst page keeps the promise (seconds).

    None when no budget does: the configured periods are too long by themselves.
    """
    costs = _cost(plan.tier2), _cost(plan.tier3)
    for step in range(1, 10_001):
        qps = 10.0 * step
        scope = replace(plan.scope, qps=qps)
        every, within, sweep = _periods(scope, *costs)
        trial = replace(plan, scope=scope, every=every, within=within, sweep=sweep)
        if trial.worst_page <= promise:
            return qps
    return None


def _periods(scope: Scope, tier2: int, tier3: int) -> tuple[float, float, float]:
    controls, wire = _controls(scope), _tier1_cost(scope)
    # The trip-wire is asked in every round, so it is the round that is stretched.
    every = max(scope.every, (controls + wire / TRIPWIRE_SHARE) / scope.share)
    left = scope.share - (controls + wire) / every
    within = max(scope.within, every, tier2 / (left * TIER2_SHARE))
    sweep = max(scope.sweep, within, tier3 / (left * (1 - TIER2_SHARE)))
    return every, within, sweep


def _controls(scope: Scope) -> int:
    # readyz, one whoami (or /version) each; per account the absent namespace's review, and the
    # canary and both decoys, before and after.
    accounts = len(scope.accounts)
    return 1 + accounts + len(scope.anonymous) + 7 * accounts


def _tier1_cost(scope: Scope) -> int:
    return (len(scope.targets) + 1) * len(scope.accounts)


def _cost(batches: Sequence[Batch]) -> int:
    # A pair of doors brackets each batch that is about one namespace.
    doors = sum(2 for batch in batches if batch[0].target != CLUSTER)
    # Beside a review one of our own canary, once in a round.
    reviews = sum(any(question.form is Form.REVIEW for question in batch) for batch in batches)
    return doors + reviews + sum(len(batch) for batch in batches)


def _tier2(scope: Scope, tier1: Batch) -> Iterator[Question]:
    for who in scope.accounts:
        for target in scope.targets:
            yield from (in_namespace(who, verb, SECRETS, target) for verb in ("list", "get"))
        lists = (at_cluster_scope(who, "list", resource) for resource in (*RESOURCES, *scope.installed))
        yield from (question for question in lists if question not in tier1)
        yield from powers.gravest_for_all(who, anonymous=False)
    yield from _anonymous(scope)


def _ours(scope: Scope) -> list[str]:
    """Our part of what is asked without a token: whole targets, dealt out by hash.

    What the answer is does not depend on who asks, so one daemon's question serves all.
    """
    names = sorted(name for name, _ in scope.tenants)
    units = sorted([*scope.everywhere, CLUSTER], key=lambda unit: (_hash(unit), unit))
    return [unit for i, unit in enumerate(units) if names[i % len(names)] == scope.tenant]


def _anonymous(scope: Scope) -> Iterator[Question]:
    for who in scope.anonymous:
        for target in _ours(scope):
            if target == CLUSTER:
                lists = (*RESOURCES, *scope.installed)
                yield from (at_cluster_scope(who, "list", resource) for resource in lists)
                yield in_namespace(who, "get", NAMESPACES, target)
                yield from powers.gravest_for_all(who, anonymous=True)
            else:
                yield from _inside(who, target, RESOURCES)
                yield from powers.gravest_inside(who, target, anonymous=True)


def _tier3(scope: Scope) -> Iterator[Question]:
    others = [resource for resource in RESOURCES if resource is not SECRETS]
    for who in scope.accounts:
        for target in scope.targets:
            yield from _inside(who, target, (*others, *scope.installed))
            yield from powers.gravest_inside(who, target, anonymous=False)
            yield from powers.rest_inside(who, target, anonymous=False)
        yield from powers.rest_for_all(who, anonymous=False)
        yield in_namespace(who, "get", NAMESPACES, CLUSTER)
        yield from (in_namespace(who, "get", row, CLUSTER) for row in scope.installed if not row.namespaced)
    for who in scope.anonymous:
        for target in _ours(scope):
            if target == CLUSTER:
                yield from powers.rest_for_all(who, anonymous=True)
            else:
                yield from _inside(who, target, scope.installed)
                yield from powers.rest_inside(who, target, anonymous=True)


def _inside(who: str, target: str, resources: Iterable[Resource]) -> Iterator[Question]:
    for resource in resources:
        if resource.namespaced:
            yield from (in_namespace(who, verb, resource, target) for verb in ("list", "get"))


def _batches(questions: Iterable[Question]) -> Iterator[Batch]:
    """Questions of one identity and target together, in an order that hashes decide."""
    unique = dict.fromkeys(questions)
    ordered = sorted(unique, key=lambda question: (_shuffle(question), question.text))
    for _, group in groupby(ordered, key=lambda question: (question.identity, question.target)):
        members = list(group)
        for start in range(0, len(members), BATCH):
            yield tuple(members[start : start + BATCH])


def _shuffle(question: Question) -> tuple[int, str, str]:
    return _hash(f"{question.identity}/{question.target}"), question.identity, question.target


def _hash(key: str) -> int:
    return zlib.crc32(key.encode())


def _flat(batches: Iterable[Batch]) -> Iterator[Question]:
    return (question for batch in batches for question in batch)
