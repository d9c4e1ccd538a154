"""A question: who asks what of whom. It is what can be held or breached.

The wire form is part of the value: the real request, with `Accept: image/png`. A denial is the
authorizer's full 403; a grant is 406, given after authorization and before storage, body and
admission. So nothing of a tenant can enter our process, by construction.
"""

import shlex
from dataclasses import dataclass, field, replace
from urllib.parse import quote

from sentinel.core.resources import (
    ABSENT_NAME,
    ABSENT_NAMESPACE,
    BEACON,
    CONFIGMAPS,
    SECRETS,
    Resource,
    check_of,
)

METHODS = {
    "get": "GET",
    "list": "GET",
    "watch": "GET",
    "create": "POST",
    "update": "PUT",
    "patch": "PATCH",
    "delete": "DELETE",
}
"""The verbs that can be asked for real without touching anything; others are review-only."""
READS = ("get", "list", "watch")
CLUSTER = "*"
"""The target of a cluster-scope question."""


@dataclass(frozen=True, slots=True)
class Question:
    """One identity, one verb, one type, one target.

    `namespace` is None at cluster scope. `target` is the namespace it is about, or `*`.
    """

    identity: str
    verb: str
    resource: Resource
    namespace: str | None
    target: str
    name: str = ""
    subresource: str = ""
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Questions are the keys of all that is believed: the hash is computed once."""
        parts = (self.identity, self.verb, self.resource, self.target, self.name, self.subresource)
        object.__setattr__(self, "_hash", hash(parts))

    def __hash__(self) -> int:
        """As equality has it; the namespace follows from the target."""
        return self._hash

    @property
    def check(self) -> str:
        """The class of promise, a closed label."""
        if self.verb in READS and not self.subresource:
            return self.resource.check
        plural, group = self.resource.plural, self.resource.group
        return check_of(plural, group, self.subresource, write=self.verb not in READS)

    @property
    def text(self) -> str:
        """For people: `list secrets`, `get secrets/sentinel-beacon`."""
        kind = self.resource.label + (f"/{self.subresource}" if self.subresource else "")
        return f"{self.verb} {kind}" + (f"/{self.name}" if self.name else "")

    @property
    def method(self) -> str:
        """The HTTP method of the real request."""
        return METHODS[self.verb]

    @property
    def path(self) -> str:
        """Path and query of the real request. Never a selector: it would change the question."""
        where = f"/namespaces/{quote(self.namespace)}" if self.namespace else ""
        tail = f"/{quote(self.name, safe='')}" if self.name and self.verb != "create" else ""
        sub = f"/{self.subresource}" if self.subresource else ""
        return f"{self.resource.root}{where}/{self.resource.plural}{tail}{sub}{_QUERY[self.verb]}"

    @property
    def asked_namespace(self) -> str | None:
        """The namespace that the authorizer names in its denial, None for cluster scope.

        A get of a Namespace is authorised *in* that namespace.
        """
        if self.resource.plural == "namespaces" and not self.resource.group and self.name:
            return self.name
        return self.namespace

    @property
    def asked_name(self) -> str:
        """The name that the authorizer repeats; a create has none yet."""
        return "" if self.verb == "create" else self.name

    def reproduce(self, user: str, groups: tuple[str, ...] = ()) -> str:
        """The command with which a person sees the same decision.

        Quoted: whoever writes a Role that is bound to us chooses the names in it.
        """
        resource = self.resource.label + (f"/{self.name}" if self.asked_name else "")
        words = ["kubectl", "auth", "can-i", self.verb, resource, f"--as={user}"]
        if user == "system:anonymous":
            # Nobody but accounts may ask what they may: without this `can-i` itself is forbidden.
            groups = ("system:unauthenticated", "system:authenticated", *groups)
        words += [f"--as-group={group}" for group in groups]
        if self.subresource:
            words.append(f"--subresource={self.subresource}")
        words += ["-n", self.namespace] if self.namespace else ["--all-namespaces"]
        return shlex.join(words)


# limit=1 also where we expect a denial: a denied list without it is charged ten seats.
_QUERY = {
    "get": "",
    "list": "?limit=1",
    "watch": "?watch=1&timeoutSeconds=1",
    "create": "?dryRun=All",
    "update": "?dryRun=All",
    "patch": "?dryRun=All",
    "delete": "?dryRun=All",
}


def in_namespace(identity: str, verb: str, resource: Resource, namespace: str) -> Question:
    """The planned question about one type in one namespace; named verbs ask an absent name."""
    name = _name_of(verb, resource)
    if resource.namespaced:
        return Question(identity, verb, resource, namespace, namespace, name)
    return Question(identity, verb, resource, None, CLUSTER, name)


def at_cluster_scope(identity: str, verb: str, resource: Resource) -> Question:
    """The same at cluster scope; verbs with a name are asked in a namespace that does not exist."""
    if verb in ("list", "watch"):
        return Question(identity, verb, resource, None, CLUSTER)
    if not resource.namespaced:
        return in_namespace(identity, verb, resource, CLUSTER)
    inside = in_namespace(identity, verb, resource, ABSENT_NAMESPACE)
    return replace(inside, target=CLUSTER, name=ABSENT_NAME if inside.name else "")


def _name_of(verb: str, resource: Resource) -> str:
    if verb in ("list", "watch", "create"):
        return ""
    # The beacon exists, so a read granted by resourceNames on it is seen; a write never goes to it.
    return BEACON if verb == "get" and resource in (SECRETS, CONFIGMAPS) else ABSENT_NAME
