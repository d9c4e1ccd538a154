"""A question and an identity as people write them: on a command line, in a page."""

from sentinel.core.api.question import ACCOUNT, CLUSTER, Question
from sentinel.core.api.rbac import ANONYMOUS, Who, who_of_account
from sentinel.core.api.resources import FURTHER, NAMESPACES, RESOURCES, VIRTUAL, Resource, check_of, known
from sentinel.core.net.crossing import Crossing, Family, Path, Protocol
from sentinel.core.net.netpol_crossing import crossings_of

_KNOWN = (*RESOURCES, *FURTHER, *VIRTUAL)
_PREFIX = "system:serviceaccount:"
_SUBRESOURCES = frozenset(
    ("log", "exec", "attach", "portforward", "proxy", "ephemeralcontainers", "token", "approval", "eviction", "status")
)


def question(identity: str, verb: str, what: str, namespace: str | None, subresource: str = "") -> Question:
    """`get`, `secrets/beacon` as a question; `what` may hold a group, a name: `deployments.apps/web`."""
    label, _, name = what.partition("/")
    resource = _resource(label, namespaced=namespace is not None)
    if resource == NAMESPACES and namespace and not name:
        name = namespace
    where = namespace if resource.namespaced else None
    return Question(identity, verb, resource, where, namespace or CLUSTER, name, subresource)


def told(identity: str, text: str, target: str) -> Question | None:
    """A question as `Question.text` writes it, in a page; None when it is none."""
    verb, _, what = text.strip().partition(" ")
    label, _, rest = what.partition("/")
    first, _, further = rest.partition("/")
    subresource = first if first in _SUBRESOURCES else ""
    name = further if subresource else rest
    if not verb.isalpha() or not label or " " in what:
        return None
    namespace = None if target == CLUSTER else target
    return question(identity, verb, f"{label}/{name}" if name else label, namespace, subresource)


def crossings(identity: str, what: str, namespace: str) -> tuple[Crossing, ...]:
    """`tcp`, or `tcp/v6`, as questions to the network. Raises ValueError for what is none."""
    protocol, _, family = what.partition("/")
    if protocol not in set(Protocol) or family not in ("", *Family):
        raise ValueError(f"{what}: expected tcp, udp or http, with /v4 or /v6 for one family")
    if not family:
        return crossings_of(f"net/{protocol}", identity, namespace)
    return (Crossing(identity, namespace, Protocol(protocol), Family(family), Path.POD),)


def home(user: str) -> str:
    """The namespace of an account, by its user name; empty for anybody else."""
    namespace, _, name = user.removeprefix(_PREFIX).partition(":")
    return namespace if name and ACCOUNT.format(namespace, name) == user else ""


def who(user: str, groups: tuple[str, ...] = ()) -> Who:
    """The user with the groups that the API server gives them anyway, and these."""
    if user == ANONYMOUS.user:
        return Who(user, tuple(dict.fromkeys((*ANONYMOUS.groups, *groups))))
    namespace, _, name = user.removeprefix(_PREFIX).partition(":")
    if name and ACCOUNT.format(namespace, name) == user:
        return Who(user, tuple(dict.fromkeys((*who_of_account(namespace, name).groups, *groups))))
    return Who(user, tuple(dict.fromkeys((*groups, "system:authenticated"))))


def _resource(label: str, *, namespaced: bool) -> Resource:
    plural, _, group = label.partition(".")
    found = known(plural, group)
    if found is None and not group:
        # As with kubectl `deployments` will do, where only one type of ours is called so.
        found = next((row for row in _KNOWN if row.plural == plural), None)
    return found or Resource(plural, group, "v1", check_of(plural, group), namespaced)
