"""How a thing can be given: through which binding, to whom, and by what shape of a rule.

A way makes the objects that open the border, its binding last, and says who will find it open, where,
and how the API server names the cause.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.cluster.matrix.classes import CLASSES, Class
from tests.support import manifests
from tests.support.manifests import Dict

TENANT, TARGET = "team-a", "team-b"
EVERYWHERE = "*"
ACCOUNT = manifests.of_account(TENANT)
OWN_GROUP = manifests.of_group(f"system:serviceaccounts:{TENANT}")
ALL_ACCOUNTS = manifests.of_group("system:serviceaccounts")
AUTHENTICATED = manifests.of_group("system:authenticated")
UNAUTHENTICATED = manifests.of_group("system:unauthenticated")
ANONYMOUS = manifests.of_user("system:anonymous")
FURTHER = "worker"
"""An ordinary account of the tenant's, as which only the witness asks."""
PEOPLE = "oidc:team-a-developers"
"""The tenant's people, as whom nobody can ask."""
WORKER = manifests.of_account(TENANT, FURTHER)
DEFAULT = manifests.of_account(TENANT, "default")
DEVELOPERS = manifests.of_group(PEOPLE)
BY_NAME = manifests.of_user(f"system:serviceaccount:{TENANT}:sentinel")


@dataclass(frozen=True)
class Opening:
    """What is applied, and what must come of it. `cause` is how the API server names the binding."""

    objects: tuple[Dict, ...]
    target: str
    identity: str
    cause: str
    name: str = ""
    """The object that the question must name; empty: any."""
    asked: Class | None = None
    """The class that a page must name, where it is not the one that is given."""


Way = Callable[[Class, str], Opening]
"""From a class and a name that nothing else has."""


Over = Mapping[str, list[str]]
"""Words of a rule in place of the class's own: verbs, resources, groups, names."""
NARROW: Over = {}


def rule(given: Class, over: Over = NARROW) -> Dict:
    words = {"verbs": [given.verb], "resources": [given.resource], "groups": [given.group], **over}
    return manifests.rule(words["verbs"], words["resources"], over.get("names", ()), words["groups"])


ALL: Over = {"verbs": ["*"], "resources": ["*"], "groups": ["*"]}
GRAVEST = Class("api/secrets", "list", "secrets")
"""What stands for everything: one hole, one page."""


def by_role(subject: Dict = ACCOUNT, *, over: Over = NARROW, target: str = TARGET, identity: str = "self") -> Way:
    """A Role in the target, bound there: the narrowest."""

    def way(given: Class, name: str) -> Opening:
        objects = manifests.grant(target, name, subject, rule(given, over))
        asked = over["names"][0] if "names" in over else ""
        return Opening(tuple(objects), target, identity, f'RoleBinding "{name}/{target}"', asked, _gravest(over))

    return way


def by_cluster_role(subject: Dict = ACCOUNT) -> Way:
    """A ClusterRole, bound in the target alone."""

    def way(given: Class, name: str) -> Opening:
        binding = manifests.role_binding(TARGET, name, subject, kind="ClusterRole")
        objects = manifests.cluster_role(name, rule(given)), binding
        return Opening(objects, TARGET, "self", f'RoleBinding "{name}/{TARGET}" of ClusterRole')

    return way


def everywhere(subject: Dict = ACCOUNT, *, over: Over = NARROW, identity: str = "self") -> Way:
    """A ClusterRole, bound for the whole cluster: one hole, one page, with target `*`."""

    def way(given: Class, name: str) -> Opening:
        objects = manifests.cluster_role(name, rule(given, over)), manifests.cluster_role_binding(name, subject)
        asked = over["names"][0] if "names" in over else ""
        cause = f'ClusterRoleBinding "{name}"'
        return Opening(objects, EVERYWHERE, identity, cause, asked, _gravest(over) or _reading(given, over))

    return way


def _gravest(over: Over) -> Class | None:
    return GRAVEST if over == ALL else None


def _reading(given: Class, over: Over) -> Class | None:
    """Of a cluster-wide rule with every verb the gravest is asked, which is to read all of it."""
    if over.get("verbs") != ["*"] or given.sub:
        return None
    return next(row for row in CLASSES if (row.verb, row.label, row.sub) == ("list", given.label, ""))


def aggregated(*, wide: bool = False) -> Way:
    """A ClusterRole without a rule of its own: the controller manager fills it from another one."""

    def way(given: Class, name: str) -> Opening:
        label = {f"matrix.example.com/{name}": "true"}
        part = manifests.cluster_role(f"{name}-part", rule(given))
        part["metadata"]["labels"] = label
        whole = manifests.cluster_role(name)
        del whole["rules"]  # they are the controller's
        whole["aggregationRule"] = {"clusterRoleSelectors": [{"matchLabels": label}]}
        if wide:
            binding = manifests.cluster_role_binding(name, ACCOUNT)
            return Opening((part, whole, binding), EVERYWHERE, "self", f'ClusterRoleBinding "{name}"')
        binding = manifests.role_binding(TARGET, name, ACCOUNT, kind="ClusterRole")
        return Opening((part, whole, binding), TARGET, "self", f'RoleBinding "{name}/{TARGET}"')

    return way


def stock(role: str) -> Way:
    """One of Kubernetes' own ClusterRoles, bound in the target."""

    def way(given: Class, name: str) -> Opening:
        binding = manifests.role_binding(TARGET, name, ACCOUNT, role=role, kind="ClusterRole")
        asked = GRAVEST if role == "cluster-admin" else None
        cause = f'RoleBinding "{name}/{TARGET}" of ClusterRole "{role}"'
        return Opening((binding,), TARGET, "self", cause, asked=asked)

    return way


def into_stock(role: str) -> Way:
    """A label puts the rule into a stock ClusterRole that was bound long ago."""

    def way(given: Class, name: str) -> Opening:
        binding = manifests.role_binding(TARGET, name, ACCOUNT, role=role, kind="ClusterRole")
        part = manifests.cluster_role(name, rule(given))
        part["metadata"]["labels"] = {f"rbac.authorization.k8s.io/aggregate-to-{role}": "true"}
        return Opening((binding, part), TARGET, "self", f'RoleBinding "{name}/{TARGET}" of ClusterRole "{role}"')

    return way


def among_others() -> Way:
    """One of many subjects, by its user name, in one of many rules."""

    def way(given: Class, name: str) -> Opening:
        others = [manifests.of_user(f"somebody-{number}") for number in range(20)]
        rules = [manifests.rule(["get"], [f"harmless{number}"], groups=["none.example.com"]) for number in range(20)]
        role = manifests.role(TARGET, name, *rules, rule(given))
        binding = manifests.role_binding(TARGET, name, *others, BY_NAME)
        return Opening((role, binding), TARGET, "self", f'RoleBinding "{name}/{TARGET}"')

    return way


def detour(what: Class, *, names: bool) -> Way:
    """May become another account of the target that holds the grant itself."""

    def way(given: Class, name: str) -> Opening:
        holder = manifests.account(TARGET, name)
        held = manifests.grant(TARGET, f"{name}-held", manifests.of_account(TARGET, name), rule(given))
        over: Over = {"names": [name]} if names else NARROW
        opening = manifests.grant(TARGET, name, ACCOUNT, rule(what, over))
        cause = f'RoleBinding "{name}/{TARGET}"'
        asked = name if names else ""
        return Opening((holder, *held, *opening), TARGET, "self", cause, asked, asked=what)

    return way


def wide_detour(what: Class, who: str) -> Way:
    """May become a person, or a member of a group, that holds the grant itself."""

    def way(given: Class, name: str) -> Opening:
        subject = manifests.of_user(who) if what.plural == "users" else manifests.of_group(who)
        held = manifests.grant(TARGET, f"{name}-held", subject, rule(given))
        role = manifests.cluster_role(name, rule(what, {"names": [who]}))
        binding = manifests.cluster_role_binding(name, ACCOUNT)
        return Opening((*held, role, binding), EVERYWHERE, "self", f'ClusterRoleBinding "{name}"', who, asked=what)

    return way
