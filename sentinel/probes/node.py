"""Asks kubelets, as nobody, for the list of their pods. The list is not read.

    our lighthouse answers, the node's beacon is Ready | GET /pods | the same two again

Which nodes: those where a beacon runs, by the witness's word; our own first.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass

from sentinel.clients.peek import Peek
from sentinel.core.answer import Observation
from sentinel.core.net import address, kubelet
from sentinel.core.net.crossing import Family
from sentinel.core.net.kubelet import PATH, NodeQuestion, Port
from sentinel.core.net.roster import Roster
from sentinel.core.schedule import spread
from sentinel.core.verdict import Reason

MOST_NODES = 32
"""Of one sentinel. Each tenant's has others, so that together they see more."""

Egress = Callable[[Family], Awaitable[Reason | None]]
"""Why what we send may not leave us, by this family; None when the lighthouse answers."""


@dataclass(frozen=True)
class NodeProbe:
    """The kubelets around. `ports`: where each of the two is; a test has its own."""

    peek: Peek
    roster: Callable[[], Roster]
    egress: Egress
    tenant: str
    own_node: Callable[[], str] = str
    identity: str = "self"
    ports: Mapping[Port, int] | None = None
    check: str = kubelet.CHECK
    silence_counts: bool = True
    allowed: str = ""

    def questions(self) -> list[NodeQuestion]:
        """Two ports of each node."""
        hosts = sorted({(beacon.node, beacon.host) for beacon in self.roster().beacons if _is_host(beacon.host)})
        own = self.own_node()
        hosts.sort(key=lambda host: (host[0] != own, spread(f"{self.tenant}/{host[0]}", 1.0)))
        return [NodeQuestion(self.identity, *host, port) for host in hosts[:MOST_NODES] for port in Port]

    async def controls(self, questions: Collection[NodeQuestion]) -> Mapping[NodeQuestion, Reason]:
        """The lighthouse of each family; and a node is alive where its kubelet calls a pod Ready."""
        families = {question.family for question in questions}
        cut = {family: await self.egress(family) for family in sorted(families)}
        live = {beacon.host for beacon in self.roster().beacons if beacon.ready}
        reasons = {q: cut[q.family] or (None if q.address in live else Reason.LIVE) for q in questions}
        return {question: reason for question, reason in reasons.items() if reason is not None}

    async def ask(self, question: NodeQuestion) -> Observation:
        """One request, without a token."""
        port = (self.ports or {}).get(question.port, int(question.port))
        tls = question.port is Port.SECURE
        return kubelet.observe(await self.peek.at(question.address, port, PATH, tls=tls), question.port)


def _is_host(text: str) -> bool:
    """Whether it can be a node's: neither our own loopback nor anything else that no roster may hold."""
    return address.refusal(text) is None
