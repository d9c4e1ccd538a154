"""A question: who asks what of whom. It is what can be held or breached.

It knows in which form it may be asked without touching anything (`Form`), and how it stands in a URL;
body and headers are in `core/api/wire.py`. The rule: at a name that nothing has, or with several locks on
the request of which each alone would do; what cannot be asked so is asked as a review.
"""

import shlex
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import lru_cache
from urllib.parse import quote

from sentinel.core.api.resources import (
    ABSENT_NAME,
    ABSENT_NAMESPACE,
    BEACON,
    CONFIGMAPS,
    NAMESPACES,
    SECRETS,
    Resource,
    check_of,
    is_own,
)

METHODS = {
    "get": "GET",
    "list": "GET",
    "watch": "GET",
    "create": "POST",
    "update": "PUT",
    "patch": "PATCH",
    "delete": "DELETE",
    "deletecollection": "DELETE",
}
"""The verbs that are requests; the others are only ever asked of the authorizer."""
MOST_SHARED = 100_000
"""Questions that are one value wherever they are planned: a witness plans the same ones for every tenant."""
READS = ("get", "list", "watch")
COLLECTIVE = ("list", "watch", "deletecollection")
"""The verbs that are about a collection and have no name."""
CONNECTED = ("exec", "attach", "portforward", "proxy")
"""Subresources behind which somebody else answers, a kubelet or a backend that may forge anything."""
LONG_RUNNING = ("log", *CONNECTED)
"""Subresources whose replies lack the flow schema, a denial's too."""
CLUSTER = "*"
"""The target of a cluster-scope question."""
ACCOUNT = "system:serviceaccount:{}:{}"
"""A ServiceAccount's user name, from its namespace and name."""
_ACCOUNTS = "serviceaccounts"
# What an update, a patch or deletecollection of Secrets gives back: the first does not have the data.
_SECRETS_READ_BY = (*READS, "patch", "deletecollection")
REVIEW_PATH = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
WHOAMI_PATH = "/apis/authentication.k8s.io/v1/selfsubjectreviews"


class Form(StrEnum):
    """In which form a question is asked, and so what proves its answer (`core/api/reply.py`)."""

    REQUEST = "request"  # the real request, with an Accept that no type has
    LONG = "long"  # the real request to a long-running subresource, never upgraded
    IMPERSONATE = "impersonate"  # whoami, in somebody else's name
    REVIEW = "review"  # what the API server's own code would ask its authorizer


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
    def form(self) -> Form:
        """How it is asked without touching anything."""
        if self.verb in READS and not self.subresource and not self._is_selective:
            return Form.REQUEST
        if self.impersonated:
            return Form.IMPERSONATE
        if self.verb not in METHODS or self._is_selective or not self._is_harmless:
            return Form.REVIEW
        return Form.LONG if self.subresource in LONG_RUNNING else Form.REQUEST

    @property
    def _is_harmless(self) -> bool:
        """Whether the real request can neither change anything nor reach anybody but the API server."""
        if self.subresource == "log" and self.verb not in READS:
            return False  # there is no such request, so nothing says what one would do
        if self.is_absent or (self.verb == "create" and not self.subresource):
            return True
        if self.verb in READS:
            return self.subresource not in CONNECTED
        # Something may be there. The locks on a write are those of the API server itself, and nothing
        # is ever deleted but what gives its data back when it is.
        if self.subresource in CONNECTED or not is_own(self.resource.group) or self.verb == "delete":
            return False
        return self.verb != "deletecollection" or self.resource == SECRETS

    @property
    def _is_selective(self) -> bool:
        """Whether it is about one object of a collection, which only a selector could ask for."""
        return bool(self.name) and self.verb in COLLECTIVE

    @property
    def is_absent(self) -> bool:
        """Whether nothing can be where it asks."""
        return self.name == ABSENT_NAME or self.namespace == ABSENT_NAMESPACE

    @property
    def impersonated(self) -> str:
        """The user in whose name it is asked, empty when in our own."""
        if self.verb != "impersonate" or self.resource.group or not _fits_a_header(self.name):
            return ""
        if self.resource.plural == _ACCOUNTS and self.namespace:
            return ACCOUNT.format(self.namespace, self.name)
        return self.name if self.resource.plural == "users" else ""

    @property
    def check(self) -> str:
        """The class of promise, a closed label."""
        reads = _SECRETS_READ_BY if self.resource == SECRETS else READS
        if self.verb in reads and not self.subresource:
            return self.resource.check
        plural, group = self.resource.plural, self.resource.group
        return check_of(plural, group, self.subresource, write=self.verb not in READS)

    @property
    def text(self) -> str:
        """For people: `list secrets`, `get secrets/sentinel-beacon`."""
        kind = self.resource.label + (f"/{self.subresource}" if self.subresource else "")
        return f"{self.verb} {kind}" + (f"/{self.name}" if self.name else "")

    @property
    def chosen(self) -> tuple[str, ...]:
        """What whoever writes a Role chooses."""
        return self.name, self.subresource

    @property
    def method(self) -> str:
        """The HTTP method of what is sent."""
        return METHODS[self.verb] if self.form in _REQUESTS else "POST"

    @property
    def path(self) -> str:
        """Path and query of what is sent. Never a selector: it would change the question."""
        form = self.form
        if form not in _REQUESTS:
            return WHOAMI_PATH if form is Form.IMPERSONATE else REVIEW_PATH
        where = f"/namespaces/{quote(self.namespace)}" if self.namespace else ""
        tail = f"/{quote(self.name, safe='')}" if self.asked_name else ""
        sub = f"/{self.subresource}" if self.subresource else ""
        return f"{self.resource.root}{where}/{self.resource.plural}{tail}{sub}{self._query}"

    @property
    def _query(self) -> str:
        # A dry run of a token request gives a working token; to a stream it would mean nothing.
        if self.subresource == "token" or self.subresource in LONG_RUNNING:
            return ""
        return _QUERY.get(self.verb, _DRY)

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
        """The name that the authorizer repeats; what is to be created has none yet, but its parent has."""
        return "" if self.verb == "create" and not self.subresource else self.name

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
        words += ["-n", self.asked_namespace] if self.asked_namespace else ["--all-namespaces"]
        return shlex.join(words)


# limit=1 also where we expect a denial: a denied list without it is charged ten seats.
_QUERY = {"get": "", "list": "?limit=1", "watch": "?watch=1&timeoutSeconds=1"}
_DRY = "?dryRun=All"
_REQUESTS = (Form.REQUEST, Form.LONG)


@lru_cache(MOST_SHARED)
def in_namespace(identity: str, verb: str, resource: Resource, namespace: str, subresource: str = "") -> Question:
    """The planned question about one type in one namespace; named verbs ask an absent name."""
    name = _name_of(verb, resource, subresource)
    if resource.namespaced:
        return Question(identity, verb, resource, namespace, namespace, name, subresource)
    return Question(identity, verb, resource, None, CLUSTER, name, subresource)


@lru_cache(MOST_SHARED)
def of_namespace(identity: str, verb: str, namespace: str) -> Question:
    """About the Namespace object itself, which is authorised in itself."""
    return Question(identity, verb, NAMESPACES, None, namespace, namespace)


@lru_cache(MOST_SHARED)
def at_cluster_scope(identity: str, verb: str, resource: Resource, subresource: str = "") -> Question:
    """The same at cluster scope; verbs with a name are asked in a namespace that does not exist."""
    if verb in ("list", "watch"):
        return Question(identity, verb, resource, None, CLUSTER)
    if not resource.namespaced:
        return in_namespace(identity, verb, resource, CLUSTER, subresource)
    inside = in_namespace(identity, verb, resource, ABSENT_NAMESPACE, subresource)
    return replace(inside, target=CLUSTER, name=ABSENT_NAME if inside.name else "")


def widened(question: Question) -> Question:
    """What the same grant for the whole cluster would answer."""
    return at_cluster_scope(question.identity, question.verb, question.resource, question.subresource)


def _name_of(verb: str, resource: Resource, subresource: str) -> str:
    if subresource:
        return ABSENT_NAME
    if verb in (*COLLECTIVE, "create") or verb not in (*METHODS, "impersonate"):
        return ""
    # The beacon exists, so a read granted by resourceNames on it is seen; a write never goes to it.
    return BEACON if verb == "get" and resource in (SECRETS, CONFIGMAPS) else ABSENT_NAME


def _fits_a_header(name: str) -> bool:
    return bool(name) and name.isascii() and name.isprintable() and name == name.strip()
