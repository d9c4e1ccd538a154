"""Asks of people what nobody can ask as them: a group's rights, by the API server's own word.

    readyz  whoami  canary  decoys  doors | roles and bindings  reviews | canary  decoys  doors

Same order and same gates as `kube_read`, only that each question is a SubjectAccessReview with our
own token. The controls are reviews too, of the tenant's sentinel, of which the chart's grants are
known. The trip-wire costs no request: it evaluates the roles and bindings that the watch keeps.
"""

from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from sentinel.clients import access_review
from sentinel.clients.access_review import Word
from sentinel.clients.clock import Clock
from sentinel.clients.endpoint import Endpoint
from sentinel.clients.kube import Connection, Request
from sentinel.clients.tokens import Source
from sentinel.core.answer import Answer, Observation
from sentinel.core.api import rules, token, tripwire
from sentinel.core.api.affected import Lists
from sentinel.core.api.allowed import Exceptions
from sentinel.core.api.discovery import Catalog
from sentinel.core.api.gates import Gate, Light, Lights
from sentinel.core.api.question import CLUSTER, Question, in_namespace
from sentinel.core.api.rbac import Rbac, Who
from sentinel.core.api.resources import DECOY, DECOY_CLOSED, NAMESPACES, SECRETS, VIRTUAL, Resource
from sentinel.core.api.rules import Grant, Review
from sentinel.core.api.tripwire import Wire
from sentinel.core.api.wire import JSON
from sentinel.core.evidence import GROUP
from sentinel.errors import OwnFault
from sentinel.kinds import Confirmation, Suspicion
from sentinel.probes import kube_discovery, kube_review

USER = "sentinel:review"
"""Somebody of whom nothing is known but the group."""
_GREEN = Light(up=True)
_VIRTUAL = frozenset(resource.label for resource in VIRTUAL)


def group_of(identity: str) -> Who:
    """Whom an identity `group:<name>` stands for."""
    return Who(USER, (identity.removeprefix(GROUP), "system:authenticated"))


@dataclass
class GroupReview:
    """What a tenant's groups of people must be denied. Durations in seconds; `home` has the decoys.

    `source` is our own token, `expect` our own user name. `sentinel` is the tenant's sentinel, whose
    grants by the chart in `own_namespace`, at home and at the doors are the controls.
    """

    endpoint: Callable[[], Endpoint]
    source: Source
    expect: str
    identities: tuple[str, ...]
    sentinel: Who
    own_namespace: str
    home: str
    targets: tuple[str, ...]
    timeout: float
    every: float
    clock: Clock
    rbac: Callable[[], Rbac]
    fresh: Callable[[], bool]
    discovery: float = 60.0
    found: Catalog | None = None
    found_at: float = 0.0
    exceptions: Exceptions = field(default_factory=Exceptions)
    wires: dict[tuple[str, str], Wire] = field(default_factory=dict)

    @asynccontextmanager
    async def connect(self) -> AsyncIterator["GroupVantage"]:
        """One connection for one round. Raises OwnFault when the CA or address is unusable."""
        endpoint = self.endpoint()
        connection = Connection(endpoint.url, endpoint.trust(), self.timeout, self.clock)
        async with connection:
            yield GroupVantage(self, connection)


class GroupVantage:
    """One round's connection; see `kinds.Vantage` for what each method promises."""

    def __init__(self, probe: GroupReview, connection: Connection) -> None:
        """Nothing is asked before `open`."""
        self._probe = probe
        self._connection = connection
        self._bearer: str | None = None
        self._flow = ""
        self._own: dict[Gate, Light] = {}
        self._doors: dict[str, Light] = {}
        self._reasons: dict[Question, str] = {}

    @property
    def intact(self) -> bool:
        """Whether no second connection was opened."""
        return self._connection.opened == 1

    def user(self, identity: str) -> str:
        """The same for all groups: `kubectl auth can-i` wants one beside them."""
        return USER if identity in self._probe.identities else ""

    async def open(self, targets: Collection[str]) -> str:
        """Readyz first: a starting API server denies what is granted, perfectly."""
        self._own[Gate.TOKEN] = self._read_token()
        ready = self._own[Gate.READY] = await self._ready()
        if ready.up and self._bearer is not None:
            self._own[Gate.WHOAMI] = await self._introduce(self._bearer)
            await self._discover(self._bearer)
            await self._controls()
            await self._ask_doors(targets)
        return "" if ready.up else ready.detail

    async def suspect(self, only: Collection[str] | None = None) -> list[Suspicion]:
        """What the known roles and bindings give each group, beyond what everybody has."""
        targets = [target for target in self._probe.targets if only is None or target in only]
        if not self._probe.fresh():
            return [self._unknown(who, target) for who in self._probe.identities for target in (CLUSTER, *targets)]
        lists = Lists(self._probe.rbac())
        found = []
        for who in self._probe.identities:
            wide = rules.wide(Review(lists.of(group_of(who), "")))
            found.append(self._suspect_wide(who, wide))
            found += [self._suspect(lists, who, target, wide) for target in targets]
        return found

    async def doors(self, targets: Collection[str]) -> None:
        """Open further doors, for the targets that the trip-wire suspects."""
        await self._ask_doors([target for target in targets if target not in self._doors])

    def lights(self) -> dict[str, Lights]:
        """The same for every group: all of it is about us and the API server."""
        found = self._probe.found
        # What no discovery can name is the authorizer's own.
        types = None if found is None else _VIRTUAL.union(found.types)
        lights = {}
        for who in self._probe.identities:
            wires = {target: wire.light for (name, target), wire in self._probe.wires.items() if name == who}
            lights[who] = Lights(dict(self._own), dict(self._doors), wires, types)
        return lights

    async def ask(self, question: Question) -> Observation:
        """The API server's word, and what it is worth."""
        word = await self._review(group_of(question.identity), question)
        if word is None:
            return Observation(Answer.UNASKED, self._probe.clock.wall(), detail="no token")
        if word.answer is Answer.SERVED:
            self._reasons[question] = word.reason
        reply = word.reply
        return Observation(
            word.answer,
            reply.at,
            reply.took,
            reply.status or None,
            word.detail,
            reply.nonce,
            latent=word.latent,
            review=True,
        )

    async def confirm(self, question: Question) -> Confirmation:
        """The same word named the binding; who asked for it does not matter to what it says."""
        return Confirmation(cause=self._reasons.get(question, ""))

    def catalog(self) -> Catalog | None:
        """As it was read last; an older one is better than none."""
        return self._probe.found

    async def close(self) -> None:
        """The controls again, and every door that was opened."""
        opened = [*self._doors]
        self._doors.clear()
        self._own.pop(Gate.CANARY, None)
        self._own.pop(Gate.DECOY, None)
        await self._controls()
        await self._ask_doors(opened)

    def _read_token(self) -> Light:
        try:
            held = self._probe.source.read()
        except OwnFault as error:
            return Light(up=False, detail=str(error))
        if held is None:
            return Light(up=False, detail="no token")
        self._bearer = held.text
        if held.claims is None:
            return _GREEN  # a kubeconfig's may say nothing of itself; whoami will
        return token.light_of(held.claims, self._probe.expect, self._probe.clock.wall(), 2 * self._probe.every)

    async def _ready(self) -> Light:
        reply = await self._connection.ask(Request("GET", "/readyz", self._bearer, JSON, keep=64))
        if reply.status == 200 and reply.body.strip() == b"ok" and self.intact:
            return _GREEN
        return Light(up=False, detail=f"readyz: {kube_review.said(reply)}")

    async def _introduce(self, bearer: str) -> Light:
        answer = await kube_review.whoami(self._connection, bearer)
        self._flow = answer.reply.flow
        if not answer.user:
            return Light(up=False, detail=f"whoami: {kube_review.said(answer.reply)}")
        if answer.user == self._probe.expect:
            return _GREEN
        detail = f"the API server takes us for {answer.user}, expected {self._probe.expect}"
        return Light(up=False, detail=detail, identity=True)

    async def _discover(self, bearer: str) -> None:
        probe, now = self._probe, self._probe.clock.monotonic()
        if probe.found is not None and now < probe.found_at + probe.discovery:
            return
        found = await kube_discovery.read_catalog(self._connection, bearer)
        if found is not None:
            probe.found, probe.found_at = found.after(probe.found or Catalog(), probe.clock.wall()), now

    async def _controls(self) -> None:
        if not self.intact:
            return
        beacon = in_namespace("", "get", SECRETS, self._probe.own_namespace)
        self._own[Gate.CANARY] = await self._control(beacon, "the sentinel's own beacon")
        self._own[Gate.DECOY] = await self._decoys()

    async def _decoys(self) -> Light:
        open_one = replace(in_namespace("", "get", SECRETS, self._probe.home), name=DECOY)
        light = await self._control(open_one, "open decoy")
        if not light.up:
            return light
        return await self._control(replace(open_one, name=DECOY_CLOSED), "closed decoy", Answer.DENIED)

    async def _ask_doors(self, targets: Collection[str]) -> None:
        for target in targets:
            if target != CLUSTER and self.intact:
                door = Question("", "get", NAMESPACES, None, target, target)
                self._doors[target] = await self._control(door, "door")

    async def _control(self, question: Question, what: str, expected: Answer = Answer.SERVED) -> Light:
        """What the tenant's sentinel is given on purpose, or not given."""
        word = await self._review(self._probe.sentinel, question)
        if word is not None and word.answer is expected:
            return _GREEN
        said = "no token" if word is None else f"{word.answer.value} ({word.detail})"
        return Light(up=False, detail=f"{what}: {said}, expected {expected.value}")

    async def _review(self, who: Who, question: Question) -> Word | None:
        if self._bearer is None:
            return None
        return await access_review.review(self._connection, self._bearer, self._flow, who, question)

    def _suspect_wide(self, who: str, wide: frozenset[Grant]) -> Suspicion:
        unwanted, wanted = self._unwanted(wide, who, CLUSTER)
        found = rules.wide_suspects(unwanted, who, self._served())
        return Suspicion(who, CLUSTER, found.questions, found.review_only, not unwanted, grants=unwanted, wanted=wanted)

    def _suspect(self, lists: Lists, who: str, target: str, wide: frozenset[Grant]) -> Suspicion:
        listed = lists.of(group_of(who), target)
        # The tenant's sentinel has its door there: without it, what is known is not this namespace.
        control = lists.of(self._probe.sentinel, target) & {rules.door(target)}
        beyond, wanted = self._unwanted(listed - rules.BASELINE - wide, who, target)
        wire = tripwire.reviewed(self._wire(who, target), target, Review(listed | control), beyond)
        self._probe.wires[who, target] = wire
        asked = rules.suspects(beyond, who, target, self._served())
        known = wire.reds == 0 or bool(beyond or wanted)
        return Suspicion(who, target, asked.questions, asked.review_only, wire.clean, known=known, wanted=wanted)

    def _unknown(self, who: str, target: str) -> Suspicion:
        if target != CLUSTER:
            self._probe.wires[who, target] = tripwire.failed(self._wire(who, target), "the watch is not up to date")
        return Suspicion(who, target, known=False)

    def _unwanted(self, grants: frozenset[Grant], who: str, target: str) -> tuple[frozenset[Grant], frozenset[str]]:
        return self._probe.exceptions.split(grants, who, target, self._probe.clock.wall())

    def _wire(self, who: str, target: str) -> Wire:
        return self._probe.wires.get((who, target), Wire())

    def _served(self) -> Collection[Resource]:
        return self._probe.found.types.values() if self._probe.found is not None else ()
