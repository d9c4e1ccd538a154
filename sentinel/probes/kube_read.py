"""Asks the API server what it must deny, from one connection, between controls it must answer.

    readyz  whoami  canary  decoys  doors | trip-wire  questions | canary  decoys  doors

`KubeRead` is the probe: what does not change between rounds. `KubeVantage` is one round's
connection: who we are on it, and which controls were green before and after.
"""

from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from sentinel.clients.clock import Clock
from sentinel.clients.endpoint import Endpoint
from sentinel.clients.kube import Connection, Request, request_of
from sentinel.clients.tokens import Token
from sentinel.core.answer import Answer, Observation
from sentinel.core.api import rules, token, tripwire
from sentinel.core.api.allowed import Exceptions
from sentinel.core.api.discovery import Catalog
from sentinel.core.api.gates import Gate, Light, Lights
from sentinel.core.api.question import CLUSTER, Form, Question, in_namespace
from sentinel.core.api.reply import ANONYMOUS, Caller, classify, reviewed
from sentinel.core.api.resources import (
    ABSENT_NAMESPACE,
    DECOY,
    DECOY_CLOSED,
    NAMESPACES,
    SECRETS,
    VIRTUAL,
    Resource,
    is_own,
)
from sentinel.core.api.rules import Grant, Review
from sentinel.core.api.tripwire import Wire
from sentinel.core.api.wire import JSON, review_of, wire_of
from sentinel.errors import OwnFault
from sentinel.kinds import Confirmation, Suspicion
from sentinel.probes import kube_discovery, kube_review
from sentinel.probes.identity import Identity

_GREEN = Light(up=True)
_BACKEND = "denied by the backend, granted by the API server"
_TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
_VIRTUAL = frozenset(resource.label for resource in VIRTUAL)


@dataclass
class KubeRead:
    """Reads that must be denied. Durations in seconds; `home` is where the decoys are.

    What it remembers between rounds is about the API server and itself, never a verdict: which
    types are served, when a door was last really read, and what the trip-wires said.
    """

    endpoint: Callable[[], Endpoint]
    identities: tuple[Identity, ...]
    own_namespace: str
    home: str
    targets: tuple[str, ...]
    timeout: float
    every: float
    within: float
    clock: Clock
    discovery: float = 60.0
    found: Catalog | None = None
    found_at: float = 0.0
    exceptions: Exceptions = field(default_factory=Exceptions)
    door_read: dict[str, float] = field(default_factory=dict)
    wires: dict[tuple[str, str], Wire] = field(default_factory=dict)

    @property
    def types(self) -> Mapping[str, Resource] | None:
        """What is served, by label; None as long as that is not known."""
        return self.found.types if self.found is not None else None

    @asynccontextmanager
    async def connect(self) -> AsyncIterator["KubeVantage"]:
        """One connection for one round. Raises OwnFault when the CA or address is unusable."""
        endpoint = self.endpoint()
        connection = Connection(endpoint.url, endpoint.trust(), self.timeout, self.clock)
        async with connection:
            yield KubeVantage(self, connection)


class KubeVantage:
    """One round's connection; see `kinds.Vantage` for what each method promises."""

    def __init__(self, probe: KubeRead, connection: Connection) -> None:
        """Nothing is asked before `open`."""
        self._probe = probe
        self._connection = connection
        self._tokens: dict[str, Token] = {}
        self._callers: dict[str, Caller] = {}
        self._own: dict[str, dict[Gate, Light]] = {}
        self._doors: dict[str, dict[str, Light]] = {}
        self._reviewing: dict[str, bool] = {}
        self._wide: dict[str, frozenset[Grant]] = {}

    @property
    def intact(self) -> bool:
        """Whether no second connection was opened."""
        return self._connection.opened == 1

    def user(self, identity: str) -> str:
        """By whoami's word in this round, else as expected."""
        caller = self._callers.get(identity)
        expected = (who.expect for who in self._probe.identities if who.name == identity)
        return caller.user if caller is not None and caller.user else next(expected, "")

    async def open(self, targets: Collection[str]) -> str:
        """Readyz first: a starting API server denies what is granted, perfectly."""
        self._read_tokens()
        ready = await self._ready()
        for who in self._probe.identities:
            self._own[who.name][Gate.READY] = ready
        if ready.up:
            await self._introduce()
            await self._discover()
            await self._controls()
            await self._ask_doors(targets)
        return "" if ready.up else ready.detail

    async def doors(self, targets: Collection[str]) -> None:
        """Open further doors, for the targets that the trip-wire suspects."""
        await self._ask_doors([target for target in targets if not self._opened(target)])

    async def suspect(self, only: Collection[str] | None = None) -> list[Suspicion]:
        """The cluster-wide rules first: they are subtracted from every target's."""
        targets = [target for target in self._probe.targets if only is None or target in only]
        found = []
        for who in self._accounts():
            bearer = self._tokens[who.name].text
            absent = await self._review(bearer, ABSENT_NAMESPACE)
            if isinstance(absent, str):
                found.append(Suspicion(who.name, CLUSTER, known=False))
                found += [self._unreviewed(who, target, absent) for target in targets]
                continue
            wide = self._wide[who.name] = rules.wide(absent)
            # What an exception wants cluster-wide is subtracted from the targets' reviews all the same.
            found.append(await self._suspect_wide(who, absent, *self._unwanted(wide, who, CLUSTER)))
            for target in targets:
                found.append(await self._suspect(who, target, wide))
        return found

    async def ask(self, question: Question) -> Observation:
        """The real request, and what its reply is worth."""
        bearer = self._bearer(question.identity)
        if bearer is None and question.identity not in self._callers:
            return Observation(Answer.UNASKED, self._probe.clock.wall(), detail="no token")
        caller = self._callers.get(question.identity, Caller("", ""))
        if question.form is Form.REVIEW:
            caller = replace(caller, reviews=await self._reviews(question.identity, caller))
        reply = await self._connection.ask(request_of(wire_of(question), bearer))
        seen = classify(question, reply, caller)
        if seen.answer is Answer.DENIED and self._may_be_forged(question):
            again = reviewed(question, await self._connection.ask(request_of(review_of(question), bearer)), caller)
            return replace(seen, answer=Answer.SERVED, detail=_BACKEND) if again.answer is Answer.SERVED else seen
        return seen

    def _may_be_forged(self, question: Question) -> bool:
        """Whether a backend may have denied what the API server itself lists as granted.

        What is behind an aggregated API can write the authorizer's own words, header by header.
        """
        if is_own(question.resource.group):
            return False
        wire = self._wire(question.identity, question.target)
        return rules.covers(wire.beyond | self._wide.get(question.identity, frozenset()), question)

    async def _reviews(self, identity: str, caller: Caller) -> bool:
        """Whether reviews know our own canary; asked when the first one of this round needs it."""
        if identity not in self._reviewing:
            beacon = in_namespace(identity, "get", SECRETS, self._probe.own_namespace)
            request = request_of(review_of(beacon), self._bearer(identity))
            seen = reviewed(beacon, await self._connection.ask(request), caller)
            self._reviewing[identity] = seen.answer is Answer.SERVED
        return self._reviewing[identity]

    async def confirm(self, question: Question) -> Confirmation:
        """Whoami once more: only when it positively names somebody else is this no breach."""
        who = self._identity(question.identity)
        bearer = self._bearer(question.identity)
        if bearer is None:
            return Confirmation()
        again = await kube_review.whoami(self._connection, bearer)
        # It is the same token: who was named at the opening counts, also when the second word is lost.
        opening = self._callers.get(question.identity)
        named = {again.user, opening.user if opening is not None else ""} - {""}
        if named - {who.expect}:
            return Confirmation(somebody_else=True)
        return Confirmation(cause=await kube_review.cause(self._connection, bearer, question))

    async def close(self) -> None:
        """The controls again, and every door that was opened."""
        opened = {target for doors in self._doors.values() for target in doors}
        self._doors = {who: {} for who in self._doors}
        for own in self._own.values():
            own.pop(Gate.CANARY, None)
            own.pop(Gate.DECOY, None)
        await self._controls()
        await self._ask_doors(opened)

    def _read_tokens(self) -> None:
        now = self._probe.clock.wall()
        for who in self._probe.identities:
            self._own[who.name], self._doors[who.name] = {}, {}
            if not who.anonymous:
                self._own[who.name][Gate.TOKEN] = self._read_token(who, now)

    def _read_token(self, who: Identity, now: float) -> Light:
        try:
            held = who.source.read()
        except OwnFault as error:
            return Light(up=False, detail=str(error))
        if held is None:
            return Light(up=False, detail="no token")
        self._tokens[who.name] = held
        if who.opaque and held.claims is None:
            return _GREEN
        return token.light_of(held.claims, who.expect, now, 2 * self._probe.every)

    async def _ready(self) -> Light:
        bearer = next((held.text for held in self._tokens.values()), None)
        reply = await self._connection.ask(Request("GET", "/readyz", bearer, JSON, keep=64))
        if reply.status == 401 and bearer is not None:
            # Our token is what is wrong, not the server; whoami will say so by name.
            reply = await self._connection.ask(Request("GET", "/readyz", None, JSON, keep=64))
            if reply.status == 401:
                return Light(up=False, detail="401 with and without our token")
        if reply.status == 200 and reply.body.strip() == b"ok" and self.intact:
            return _GREEN
        return Light(up=False, detail=f"readyz: {kube_review.said(reply)}")

    async def _introduce(self) -> None:
        for who in self._probe.identities:
            light = await (self._stranger(who) if who.anonymous else self._name(who))
            self._own[who.name][Gate.WHOAMI] = light

    async def _name(self, who: Identity) -> Light:
        bearer = self._bearer(who.name)
        if bearer is None:
            return Light(up=False, detail="no token to ask with")
        answer = await kube_review.whoami(self._connection, bearer)
        if not answer.user:
            return Light(up=False, detail=f"whoami: {kube_review.said(answer.reply)}")
        self._callers[who.name] = Caller(answer.user, answer.reply.flow)
        if answer.user != who.expect:
            detail = f"the API server takes us for {answer.user}, expected {who.expect}"
            return Light(up=False, detail=detail, identity=True)
        return _GREEN

    async def _stranger(self, who: Identity) -> Light:
        reply = await self._connection.ask(Request("GET", "/version", None, JSON, keep=4096))
        self._callers[who.name] = Caller(ANONYMOUS, reply.flow, anonymous=True)
        fine = reply.status in (200, 401)
        return Light(up=fine, detail="" if fine else f"version: {kube_review.said(reply)}")

    async def _discover(self) -> None:
        probe, now = self._probe, self._probe.clock.monotonic()
        if probe.found is not None and now < probe.found_at + probe.discovery:
            return
        bearer = next((held.text for held in self._tokens.values()), None)
        found = await kube_discovery.read_catalog(self._connection, bearer)
        if found is not None:
            probe.found = found.after(probe.found or Catalog(), probe.clock.wall())
            probe.found_at = now

    async def _controls(self) -> None:
        for who in self._accounts():
            if not self.intact:
                return
            own = self._own[who.name]
            own[Gate.CANARY] = await self._canary(who)
            own[Gate.DECOY] = await self._decoys(who)

    async def _canary(self, who: Identity) -> Light:
        beacon = in_namespace(who.name, "get", SECRETS, self._probe.own_namespace)
        return _served(await self.ask(beacon), "own beacon")

    async def _decoys(self, who: Identity) -> Light:
        asked = replace(in_namespace(who.name, "get", SECRETS, self._probe.home), name=DECOY)
        light = _served(await self.ask(asked), "open decoy")
        if not light.up:
            return light
        seen = await self.ask(replace(asked, name=DECOY_CLOSED))
        if seen.answer is Answer.DENIED:
            return _GREEN
        return Light(up=False, detail=f"closed decoy: {seen.answer.value}, expected denied")

    async def _ask_doors(self, targets: Collection[str]) -> None:
        for who in self._accounts():
            for target in targets:
                if target != CLUSTER and self.intact:
                    self._doors[who.name][target] = await self._door(who, target)

    async def _door(self, who: Identity, target: str) -> Light:
        door = Question(who.name, "get", NAMESPACES, None, target, target)
        key, now = f"{who.name}/{target}", self._probe.clock.monotonic()
        if now < self._probe.door_read.get(key, -1e9) + self._probe.within:
            return _served(await self.ask(door), "door")
        # Once per `within` a real read, of names only: nothing else says that it exists.
        path = f"{door.path}?includeObject=None"
        bearer = self._bearer(who.name)
        reply = await self._connection.ask(Request("GET", path, bearer, _TABLE, keep=8192))
        if reply.status != 200:
            return Light(up=False, detail=f"door: {kube_review.said(reply)}")
        self._probe.door_read[key] = now
        return _GREEN

    def _unwanted(
        self, grants: frozenset[Grant], who: Identity, target: str
    ) -> tuple[frozenset[Grant], frozenset[str]]:
        return self._probe.exceptions.split(grants, who.name, target, self._probe.clock.wall())

    async def _suspect_wide(
        self, who: Identity, absent: Review, wide: frozenset[Grant], wanted: frozenset[str]
    ) -> Suspicion:
        found = rules.wide_suspects(wide, who.name, self._types())
        questions, only = found.questions, found.review_only
        return Suspicion(who.name, CLUSTER, questions, only, not wide, absent.incomplete, grants=wide, wanted=wanted)

    async def _suspect(self, who: Identity, target: str, wide: frozenset[Grant]) -> Suspicion:
        bearer = self._tokens[who.name].text
        found = await self._review(bearer, target)
        if isinstance(found, str):
            return self._unreviewed(who, target, found)
        beyond, wanted = self._unwanted(rules.suspicious(found, wide, target, self._probe.home), who, target)
        wire = tripwire.reviewed(self._wire(who.name, target), target, found, beyond)
        self._probe.wires[who.name, target] = wire
        asked = rules.suspects(beyond, who.name, target, self._types())
        # RBAC that is not loaded lists nothing: that takes back no suspicion.
        known = wire.reds == 0 or bool(beyond or wanted)
        return Suspicion(
            who.name, target, asked.questions, asked.review_only, wire.clean, wire.incomplete, known, wanted=wanted
        )

    async def _review(self, bearer: str, namespace: str) -> Review | str:
        # On a connection that is another one by now each review could take the whole timeout.
        if not self.intact:
            return "the connection was lost"
        return await kube_review.review(self._connection, bearer, namespace)

    def _unreviewed(self, who: Identity, target: str, why: str) -> Suspicion:
        wire = tripwire.failed(self._wire(who.name, target), why)
        self._probe.wires[who.name, target] = wire
        return Suspicion(who.name, target, incomplete=wire.incomplete, known=False)

    def _wire(self, who: str, target: str) -> Wire:
        return self._probe.wires.get((who, target), Wire())

    def _types(self) -> Collection[Resource]:
        return (self._probe.types or {}).values()

    def catalog(self) -> Catalog | None:
        """As it was read last; an older one is better than none."""
        return self._probe.found

    def lights(self) -> dict[str, Lights]:
        """Each identity's lights; one without a token borrows what `self` was answered."""
        # What no discovery can name is the authorizer's own.
        types = None if self._probe.types is None else _VIRTUAL.union(self._probe.types)
        owner = next(who.name for who in self._probe.identities if not who.anonymous)
        lights = {}
        for who in self._probe.identities:
            lender = owner if who.anonymous else who.name
            wires = {t: w.light for (name, t), w in self._probe.wires.items() if name == lender}
            own = {**self._own[lender], **self._own[who.name]}
            lights[who.name] = Lights(own, dict(self._doors[lender]), wires, types)
        return lights

    def _opened(self, target: str) -> bool:
        return any(target in doors for doors in self._doors.values())

    def _accounts(self) -> list[Identity]:
        """The identities that have a token, and were named by the API server."""
        return [who for who in self._probe.identities if who.name in self._tokens]

    def _identity(self, name: str) -> Identity:
        return next(who for who in self._probe.identities if who.name == name)

    def _bearer(self, name: str) -> str | None:
        held = self._tokens.get(name)
        return held.text if held is not None else None

    def _any_bearer(self) -> str | None:
        return next((held.text for held in self._tokens.values()), None)


def _served(observation: Observation, what: str) -> Light:
    if observation.answer is Answer.SERVED:
        return _GREEN
    return Light(up=False, detail=f"{what}: {observation.answer.value} ({observation.detail})")
