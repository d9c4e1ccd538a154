"""A node's kubelet, asked as nobody: who may list its pods may as a rule also run commands in them.

    10250  TLS    401 | 403 that names us anonymous    denied
                  200                                  served: every tenant's pods on that node are open
    10255  plain  200                                  served: it has no authorization at all

Our token is never sent there. A kubelet's certificate is its own, as a rule, so nobody says who would
get it, and a node that was taken over would collect the accounts of every tenant. What the token may do
is asked of the API server (`get nodes/proxy`), whose authorizer the kubelet asks in its turn.
"""

import shlex
from dataclasses import dataclass
from enum import IntEnum

from sentinel.core import http_reply
from sentinel.core.answer import Answer, Observation
from sentinel.core.api.question import CLUSTER
from sentinel.core.net.crossing import Family
from sentinel.core.net.landing import Landing

CHECK = "net/node"
PATH = "/pods"
_NOBODY = "Forbidden (user=system:anonymous, verb=get, resource=nodes, subresource"
"""As a kubelet of 1.36 begins it (`pkg/kubelet/server/server.go`); older ones have one subresource."""
_UNKNOWN = "Unauthorized"


class Port(IntEnum):
    """Where a kubelet listens."""

    SECURE = 10250  # TLS; anonymous unless that was switched off
    READ_ONLY = 10255  # no TLS, no authentication; off by default since 1.16


@dataclass(frozen=True, slots=True)
class NodeQuestion:
    """One kubelet whose pods we should not list. The address is the node's, by its pods' status."""

    identity: str
    node: str
    address: str
    port: Port

    @property
    def check(self) -> str:
        """The class of promise, a closed label."""
        return CHECK

    @property
    def target(self) -> str:
        """Whoever has pods there."""
        return CLUSTER

    @property
    def family(self) -> Family:
        """By which the node is reached."""
        return Family.V6 if ":" in self.address else Family.V4

    @property
    def text(self) -> str:
        """For people: `list pods of the kubelet on node-7, 10.0.0.7 port 10250`."""
        return f"list pods of the kubelet on {self.node}, {self.address} port {self.port:d}"

    @property
    def chosen(self) -> tuple[str, ...]:
        """Words of the command that we did not choose."""
        return (self.address,)

    def reproduce(self, user: str, groups: tuple[str, ...] = ()) -> str:
        """The same request without reading pods, for a shell in a pod of the tenant."""
        del user, groups
        host = f"[{self.address}]" if self.family is Family.V6 else self.address
        scheme = "https" if self.port is Port.SECURE else "http"
        return shlex.join(["curl", "-skI", f"{scheme}://{host}:{self.port:d}{PATH}"])


def observe(landing: Landing, port: Port) -> Observation:
    """What came back to `GET /pods` without a token."""
    code = http_reply.status_of(landing)
    if code is None:
        return http_reply.unanswered(landing)
    answer = Answer.BROKEN
    if 200 <= code < 300:
        answer = Answer.SERVED
    elif port is Port.SECURE and _is_denial(code, http_reply.body_of(landing)):
        answer = Answer.DENIED
    return Observation(answer, landing.began, landing.took, code)


def _is_denial(code: int, body: str) -> bool:
    # Anybody can say 403; these are the words of a kubelet to somebody without a name.
    return (code == 401 and body.strip() == _UNKNOWN) or (code == 403 and body.startswith(_NOBODY))
