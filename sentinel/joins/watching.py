"""What the witness sees the moment it happens: the watched objects, joined to whom a change concerns.

    Watch x 6 --Change--> Rbac (a new value) --affected--> news: subject, identity, target, grants

It is an accelerator. What it misses is found by the rounds, and it is only believed about *where to
look*: every answer comes from a real question.
"""

import random
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import structlog

from sentinel.clients.clock import Clock
from sentinel.clients.endpoint import Endpoint
from sentinel.clients.tokens import Token
from sentinel.clients.watch import Change, Event, Health, Key, Kind, Pace, Watch
from sentinel.core.api import rbac_object
from sentinel.core.api.affected import Affected, People, Person, affected
from sentinel.core.api.question import Question
from sentinel.core.api.rbac import ANONYMOUS as NOBODY
from sentinel.core.api.rbac import Binding, Rbac, Role, who_of_account, who_of_group
from sentinel.core.evidence import GROUP
from sentinel.core.net import pod
from sentinel.core.net.pod import Policy
from sentinel.core.page import rfc3339
from sentinel.settings import ANONYMOUS, SELF, Settings, Tenant
from sentinel.settings.identities import OWN_ACCOUNT
from sentinel.sinks.witness_metrics import WitnessMetrics

_RBAC = "/apis/rbac.authorization.k8s.io/v1"

_log = structlog.get_logger()


def people_of(settings: Settings) -> People:
    """Every identity that is watched over, and where it must be denied."""
    found = [person for tenant in settings.tenants for person in _of_tenant(settings, tenant)]
    return People(tuple(found))


def _of_tenant(settings: Settings, tenant: Tenant) -> Iterator[Person]:
    others = {space for other in settings.tenants if other.name != tenant.name for space in other.namespaces}
    targets = frozenset(others | {*settings.isolation.system})
    home = tenant.namespaces[0]
    for identity, account in ((SELF, OWN_ACCOUNT), *((name, name) for name in tenant.accounts)):
        namespace, _, name = account.rpartition("/")
        yield Person(tenant.name, identity, who_of_account(namespace or home, name), targets)
    for group in tenant.groups:
        yield Person(tenant.name, f"{GROUP}{group}", who_of_group(group), targets)
    yield Person(tenant.name, ANONYMOUS, NOBODY, targets | {*tenant.namespaces})


def _role(kind: str) -> Callable[[Mapping[str, Any]], Role | Binding]:
    return lambda item: rbac_object.role(item, kind)


def _binding(kind: str) -> Callable[[Mapping[str, Any]], Role | Binding]:
    return lambda item: rbac_object.binding(item, kind)


_KINDS: dict[str, Kind[Any]] = {
    "Role": Kind("roles", f"{_RBAC}/roles", _role("Role")),
    "ClusterRole": Kind("clusterroles", f"{_RBAC}/clusterroles", _role("ClusterRole")),
    "RoleBinding": Kind("rolebindings", f"{_RBAC}/rolebindings", _binding("RoleBinding")),
    "ClusterRoleBinding": Kind("clusterrolebindings", f"{_RBAC}/clusterrolebindings", _binding("ClusterRoleBinding")),
    "Namespace": Kind("namespaces", "/api/v1/namespaces", lambda item: str(item["metadata"]["name"])),
    "NetworkPolicy": Kind(
        "networkpolicies",
        "/apis/networking.k8s.io/v1/networkpolicies",
        pod.policy,
    ),
}
KINDS = tuple(kind.name for kind in _KINDS.values())
_OF_RBAC = ("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding")


class OwnToken:
    """The endpoint's own token, whenever the endpoint is known."""

    def __init__(self, endpoint: Callable[[], Endpoint]) -> None:
        """Nothing is read yet."""
        self._endpoint = endpoint

    def read(self) -> Token | None:
        """The token. Raises OwnFault."""
        return self._endpoint().own.read()


@dataclass
class Watching:
    """All watches. `news` is told whom a change concerns; `home` is where the decoys are.

    `policies` is told the NetworkPolicies of the chart's own whenever they change.
    """

    endpoint: Callable[[], Endpoint]
    clock: Clock
    metrics: WitnessMetrics
    people: People
    home: str
    news: Callable[[Collection[Affected]], None]
    pace: Pace | None = None
    policies: Callable[[Collection[Policy]], None] = lambda _: None
    rbac: Rbac = field(default_factory=Rbac)
    _ours: dict[Key, Policy] = field(default_factory=dict)
    _waiting: set[str] = field(default_factory=lambda: set(_OF_RBAC))
    _down: set[str] = field(default_factory=lambda: set(KINDS))

    @property
    def is_fresh(self) -> bool:
        """Whether what is known of roles and bindings is all there is, as far as the watches tell."""
        names = {_KINDS[kind].name for kind in _OF_RBAC}
        return not self._waiting and not names & self._down

    def cause(self, subject: str, identity: str, questions: Iterable[Question]) -> str:
        """Which binding lets an identity in, in a line; empty where none that we know of does."""
        who = next((one.who for one in self.people.all if (one.subject, one.identity) == (subject, identity)), None)
        paths = (path for question in questions if who is not None for path in self.rbac.paths(who, question))
        path = next(paths, None)
        if path is None:
            return ""
        made = path.binding.made
        when = f", changed {rfc3339(made.changed)}" if made.changed is not None else ""
        by = f" by {made.manager}" if made.manager else ""
        return f"It is let in by {path.text}{when}{by}."

    def watches(self) -> Iterator[Watch[Any]]:
        """One for each kind, to be run for ever."""
        source = OwnToken(self.endpoint)
        for name, kind in _KINDS.items():
            self.metrics.expect_watch(kind.name)
            yield Watch(
                kind,
                self.endpoint,
                source,
                partial(self._take, name),
                self._show,
                clock=self.clock,
                rng=random.Random(),  # noqa: S311  # spreads retries, guards nothing
                pace=self.pace,
            )

    def _take(self, kind: str, change: Change[Any]) -> None:
        before = self.rbac
        if change.event is not Event.SYNCED:
            self.metrics.count_change(change.kind, missed=change.missed)
        if kind in _OF_RBAC:
            self.rbac = self._with(kind, change)
        if kind == "NetworkPolicy":
            self._take_policy(change)
        if kind in self._waiting and change.event is Event.SYNCED:
            self._waiting.discard(kind)
            return
        if self._waiting:
            # The picture is not whole yet: what would be told is not what changed.
            return
        created = [change.value] if kind == "Namespace" and change.event is Event.ADDED and change.value else []
        self._tell(affected(before, self.rbac, self.people, created))

    def _take_policy(self, change: Change[Policy]) -> None:
        if change.event is Event.SYNCED:
            self._ours = {key: found for key, found in change.everything.items() if found.ours}
        elif change.value is not None and change.value.ours:
            self._ours[change.key] = change.value
        else:
            self._ours.pop(change.key, None)
        self.policies(self._ours.values())

    def _with(self, kind: str, change: Change[Any]) -> Rbac:
        if change.event is Event.SYNCED:
            others = (known for known in self.rbac.objects() if known.kind != kind)
            return Rbac.of([*others, *change.everything.values()])
        if change.value is None:
            return self.rbac.without_object(kind, *change.key)
        return self.rbac.with_object(change.value)

    def _tell(self, found: Iterable[Affected]) -> None:
        unwanted = [row for row in found if not row.is_wanted(self.home)]
        if unwanted:
            self.news(unwanted)

    def _show(self, health: Health) -> None:
        (self._down.discard if health.up else self._down.add)(health.kind)
        self.metrics.show_watch(health)
        if not health.up:
            _log.warning("watch.down", kind=health.kind, detail=health.detail)
