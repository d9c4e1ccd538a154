"""The rows: which class is given in which way. The rule, so that nobody has to read 200 rows:

    1  every class in its narrowest way: a Role in the target, or for what exists at cluster scope only
       a ClusterRole bound for the cluster
    2  every class that exists in namespaces, once more for the whole cluster (target `*`)
    3  the gravest classes in every other way
    4  the stock ClusterRoles, other targets, and detours

Left out, because it cannot be: a Role with a type that exists at cluster scope only (RBAC has nothing
to match it with); `resourceNames` for list, create and deletecollection (the authorizer has no name
to compare); an impersonated user or group by a RoleBinding (they are in no namespace); anything given
to the anonymous that only a rules review would find (a review is about the one who asks, and they
cannot ask). Further accounts and groups of people are the witness's: a tenant's own sentinel has no
token of theirs.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from tests.cluster.matrix import ways
from tests.cluster.matrix.classes import CLASSES, POWER, Class, named
from tests.cluster.matrix.ways import Opening, Way

SEED = 4
SAMPLE = 20
"""Rows of a sample; the disturbances have ten."""


@dataclass(frozen=True)
class Grant:
    """One row of the matrix. `number` makes the names in it its own."""

    number: int
    given: Class
    by: str
    way: Way

    @property
    def name(self) -> str:
        return f"{self.given.text}, {self.by}"

    @property
    def opening(self) -> Opening:
        return self.way(self.given, f"row-{self.number}")

    @property
    def asked(self) -> Class:
        """What a page must name."""
        return self.opening.asked or self.given


NARROWEST: dict[str, Way] = {"Role, to the account": ways.by_role()}
NARROWEST_WIDE: dict[str, Way] = {"ClusterRoleBinding, to the account": ways.everywhere()}

IN_THE_TARGET: dict[str, Way] = {
    "ClusterRole by RoleBinding, to the account": ways.by_cluster_role(),
    "Role, to its user name": ways.by_role(ways.BY_NAME),
    "Role, to the group of its namespace": ways.by_role(ways.OWN_GROUP),
    "Role, to all accounts": ways.by_role(ways.ALL_ACCOUNTS),
    "Role, to everybody with a name": ways.by_role(ways.AUTHENTICATED),
    "Role, every verb": ways.by_role(over={"verbs": ["*"]}),
    "Role, every type of the group": ways.by_role(over={"resources": ["*", "*/*"]}),
    "Role, every group": ways.by_role(over={"groups": ["*"]}),
    "Role, everything": ways.by_role(over=ways.ALL),
    "Role, as one of many subjects and rules": ways.among_others(),
    "aggregated ClusterRole by RoleBinding": ways.aggregated(),
    "label into the stock view": ways.into_stock("view"),
    "label into the stock edit": ways.into_stock("edit"),
    "Role, in kube-system": ways.by_role(target="kube-system"),
    "Role, in the sentinels' namespace": ways.by_role(target="sentinel-system"),
}
FOR_ALL: dict[str, Way] = {
    "ClusterRoleBinding, to the group of its namespace": ways.everywhere(ways.OWN_GROUP),
    "ClusterRoleBinding, to all accounts": ways.everywhere(ways.ALL_ACCOUNTS),
    "ClusterRoleBinding, to everybody with a name": ways.everywhere(ways.AUTHENTICATED),
    "ClusterRoleBinding, every verb": ways.everywhere(over={"verbs": ["*"]}),
    "ClusterRoleBinding, everything": ways.everywhere(over=ways.ALL),
    "aggregated ClusterRole by ClusterRoleBinding": ways.aggregated(wide=True),
}
BY_NAME: dict[str, Way] = {
    "Role, one object by name": ways.by_role(over={"names": ["database"]}),
    "ClusterRoleBinding, one object by name": ways.everywhere(over={"names": ["database"]}),
}
TO_STRANGERS: dict[str, Way] = {
    "Role, to the anonymous": ways.by_role(ways.ANONYMOUS, identity="anonymous"),
    "Role, to everybody without a name": ways.by_role(ways.UNAUTHENTICATED, identity="anonymous"),
}
TO_STRANGERS_FOR_ALL: dict[str, Way] = {
    "ClusterRoleBinding, to the anonymous": ways.everywhere(ways.ANONYMOUS, identity="anonymous"),
    "ClusterRoleBinding, to everybody without a name": ways.everywhere(ways.UNAUTHENTICATED, identity="anonymous"),
}
TO_FURTHER_ACCOUNTS: dict[str, Way] = {
    "Role, to a further account": ways.by_role(ways.WORKER, identity=ways.FURTHER),
    "Role, to the default account": ways.by_role(ways.DEFAULT, identity="default"),
    "ClusterRoleBinding, to a further account": ways.everywhere(ways.WORKER, identity=ways.FURTHER),
    "Role, everything, to a further account": ways.by_role(ways.WORKER, over=ways.ALL, identity=ways.FURTHER),
}
TO_PEOPLE: dict[str, Way] = {
    "Role, to a group of people": ways.by_role(ways.DEVELOPERS, identity=f"group:{ways.PEOPLE}"),
    "ClusterRoleBinding, to a group of people": ways.everywhere(ways.DEVELOPERS, identity=f"group:{ways.PEOPLE}"),
    "Role, everything, to a group of people": ways.by_role(
        ways.DEVELOPERS, over=ways.ALL, identity=f"group:{ways.PEOPLE}"
    ),
}

GRAVEST = (
    "list secrets",
    "create pods/exec",
    "create serviceaccounts/token",
    "create pods",
    "list networkchaos.chaos-mesh.org",
)
NAMED = (
    "get secrets",
    "get configmaps",
    "get pods/log",
    "create pods/exec",
    "create pods/portforward",
    "create services/proxy",
    "create serviceaccounts/token",
    "patch secrets",
    "patch pods/ephemeralcontainers",
    "get widgets.acme.example.com",
)
"""Classes of which one object can be given by its name."""
TO_ANYBODY = ("list secrets", "get secrets", "list configmaps", "get pods", "list leases.coordination.k8s.io")
"""What the anonymous are asked about, an excerpt."""
STOCK = {
    "view": ("list configmaps", "get pods", "get pods/log", "list services"),
    "edit": ("get secrets", "create pods", "create pods/exec", "create serviceaccounts/token"),
    "admin": ("create rolebindings.rbac.authorization.k8s.io",),
    "cluster-admin": ("list secrets",),
}
IMPERSONATE = "impersonate serviceaccounts"


def _pairs() -> Iterator[tuple[Class, str, Way]]:
    for given in CLASSES:
        yield from _with(given, NARROWEST_WIDE if given.wide else NARROWEST)
    for given in CLASSES:
        if not given.wide:
            yield from _with(given, NARROWEST_WIDE)
    for text in GRAVEST:
        yield from _with(named(text), IN_THE_TARGET | FOR_ALL)
        yield from _with(named(text), TO_FURTHER_ACCOUNTS | TO_PEOPLE)
    for text in NAMED:
        yield from _with(named(text), BY_NAME)
    for text in TO_ANYBODY:
        yield from _with(named(text), TO_STRANGERS)
    yield from _with(named("list secrets"), TO_STRANGERS_FOR_ALL)
    yield from _stock()
    yield from _detours()


def _with(given: Class, chosen: dict[str, Way]) -> Iterator[tuple[Class, str, Way]]:
    for by, way in chosen.items():
        yield given, by, way


def _stock() -> Iterator[tuple[Class, str, Way]]:
    for role, texts in STOCK.items():
        for text in texts:
            yield named(text), f"the stock {role} by RoleBinding", ways.stock(role)


def _detours() -> Iterator[tuple[Class, str, Way]]:
    account = named(IMPERSONATE)
    for text in ("list secrets", "create pods/exec"):
        yield named(text), "by way of another account, by name", ways.detour(account, names=True)
        yield named(text), "by way of any account of the target", ways.detour(account, names=False)
    users, groups = (row for row in POWER if row.verb == "impersonate" and row.wide)
    yield named("list secrets"), "by way of a person", ways.wide_detour(users, "jane@example.com")
    yield named("list secrets"), "by way of a group", ways.wide_detour(groups, "team-b-devs")


def _numbered() -> Iterator[Grant]:
    for number, (given, by, way) in enumerate(_pairs()):
        yield Grant(number, given, by, way)


GRANTS = tuple(_numbered())


def sample() -> tuple[Grant, ...]:
    """The same few in every run."""
    return tuple(random.Random(SEED).sample(GRANTS, SAMPLE))
