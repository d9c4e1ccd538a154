"""Asks the cluster's DNS for names of other tenants, in the ways in which names are found.

control resolves, absent name does not | the question | the same two again, over the same protocol
"""

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from sentinel.clients.resolver import Resolver
from sentinel.core.answer import Observation
from sentinel.core.api.question import CLUSTER
from sentinel.core.net import enumeration
from sentinel.core.net.enumeration import Heard, Look, NameQuestion
from sentinel.core.net.roster import Roster
from sentinel.core.verdict import Reason

_AT_ONCE = 8
"""Reverse look-ups on their way at the same time."""


@dataclass(frozen=True)
class DnsProbe:
    """One server's word. `own`: our namespaces; `homes`: those of `targets` that should have a Service of ours.

    `address`: our pod's, empty while it is not known.
    """

    resolver: Resolver
    roster: Callable[[], Roster]
    zone: str
    targets: tuple[str, ...]
    homes: tuple[str, ...]
    own: tuple[str, ...]
    control: str
    address: Callable[[], str] = str
    identity: str = "self"
    check: str = enumeration.CHECK
    silence_counts: bool = False
    allowed: str = ""

    def questions(self) -> Collection[NameQuestion]:
        """Two or three ways into each namespace, and two into all."""
        inside = [(look, target) for target in self.targets for look in (Look.WILDCARD, Look.ANY)]
        services = [(Look.SERVICE, target) for target in self.targets if target in self.homes]
        ways = [*inside, *services, (Look.TRANSFER, CLUSTER), (Look.REVERSE, CLUSTER)]
        return [NameQuestion(self.identity, look, target, self.zone) for look, target in ways]

    async def controls(self, questions: Collection[NameQuestion]) -> Mapping[NameQuestion, Reason]:
        """A name that all may resolve, and one that is not there; a Service that is asked for must be."""
        sound = {stream: await self._is_sound(stream) for stream in sorted({q.stream for q in questions})}
        there = {beacon.target for beacon in self.roster().beacons if beacon.services}
        found = {}
        for question in questions:
            if not sound[question.stream]:
                found[question] = Reason.RESOLVER
            elif question.look is Look.SERVICE and question.target not in there:
                found[question] = Reason.LIVE
        return found

    async def ask(self, question: NameQuestion) -> Observation:
        """One question, or for reverse names one per address."""
        if question.look is not Look.REVERSE:
            return enumeration.observe(await self.resolver.ask(question.name, question.kind, stream=question.stream))
        turn = asyncio.Semaphore(_AT_ONCE)
        heard = await asyncio.gather(*(self._name_of(address, turn) for address in self._addresses()))
        return enumeration.observe_names(heard, self.zone, self.own, self.resolver.clock.wall())

    async def _is_sound(self, stream: bool) -> bool:  # noqa: FBT001
        controls = [await self.resolver.ask(self.control, kind, stream=stream) for kind in ("A", "AAAA")]
        absent = await self.resolver.ask(enumeration.absent_in(self.zone), "SRV", stream=stream)
        return enumeration.is_sound(controls, absent)

    def _addresses(self) -> list[str]:
        """Of the others' beacons and Services, and what lies beside our own address."""
        beacons = [beacon for beacon in self.roster().beacons if beacon.target not in self.own]
        known = [address for beacon in beacons for address in (*beacon.addresses, *beacon.services)]
        own = self.address()
        return list(dict.fromkeys([*known, *(enumeration.neighbours(own) if own else ())]))

    async def _name_of(self, address: str, turn: asyncio.Semaphore) -> Heard:
        async with turn:
            return await self.resolver.ask(enumeration.reverse_of(address), "PTR")
