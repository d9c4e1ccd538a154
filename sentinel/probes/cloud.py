"""Asks the cloud's metadata service for a version or an id: that it replies at all is the breach.

our lighthouse answers | GET | our lighthouse answers
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from sentinel.clients.peek import Peek
from sentinel.core.answer import Observation
from sentinel.core.net import metadata
from sentinel.core.net.crossing import Family
from sentinel.core.net.metadata import CLOUDS, CloudQuestion, Endpoint
from sentinel.core.verdict import Reason
from sentinel.probes.node import Egress


@dataclass(frozen=True)
class CloudProbe:
    """One cloud. `families`: those that our own pod has; `place` says where an endpoint is, a test has its own."""

    cloud: str
    peek: Peek
    egress: Egress
    families: Callable[[], Collection[Family]]
    identity: str = "self"
    place: Callable[[Endpoint], tuple[str, int]] = lambda endpoint: (endpoint.address, metadata.PORT)
    check: str = metadata.CHECK
    silence_counts: bool = True
    allowed: str = ""

    def questions(self) -> Collection[CloudQuestion]:
        """Every address of the cloud's that our pod could have a way to."""
        ours = self.families()
        known = (row for row in CLOUDS[self.cloud] if row.family in ours)
        return [CloudQuestion(self.identity, self.cloud, endpoint) for endpoint in known]

    async def controls(self, questions: Collection[CloudQuestion]) -> Mapping[CloudQuestion, Reason]:
        """The lighthouse of each family."""
        cut = {family: await self.egress(family) for family in sorted({q.family for q in questions})}
        return {q: reason for q in questions if (reason := cut[q.family]) is not None}

    async def ask(self, question: CloudQuestion) -> Observation:
        """One request for something that is no secret."""
        address, port = self.place(question.endpoint)
        landing = await self.peek.at(address, port, question.endpoint.path, question.endpoint.header)
        return metadata.observe(landing)
