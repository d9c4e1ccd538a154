"""The doctor: what is missing around us, seen from where it runs.

    API server  token  whoami  canary  decoys  discovery  doors     as every round asks them
    version     CRDs   clock   DNS     keys                         what everybody needs
    relay       roster         a closed pair                        what a tenant needs
    Alertmanager, Prometheus                                        what a tenant must not reach, and the witness must

It asks with the daemon's own probe, so that what it calls fine is what the daemon will find. It
changes nothing: to the relay it pushes an empty list, and elsewhere it connects and hangs up.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urlsplit

from sentinel.clients import reach
from sentinel.clients.clock import Clock
from sentinel.clients.kube import Connection
from sentinel.clients.reach import Reach
from sentinel.core.api.gates import OWN_GATES, UNSEEN, Gate, Light, Lights, dimmest
from sentinel.core.api.plan import Plan
from sentinel.errors import ClientError, OwnFault, Refused, Throttled, TimedOut, Unreachable
from sentinel.joins.relaying import client_of
from sentinel.joins.verify_alerting import Places
from sentinel.joins.world import World, plan_of
from sentinel.probes import kube_review
from sentinel.probes.kube_read import KubeRead
from sentinel.reports.diagnosis import Diagnosis, Finding, State
from sentinel.settings import Settings
from sentinel.tools import checkup, cluster_checkup

CLOCK_SECONDS = 10.0
"""A push stands for 90 s by our clock; far from that, a page would be over before it is heard."""
CONNECT_SECONDS = 2.0
_AT_ONCE = 8
_MONITORING = ("monitoring", "observability", "prometheus", "openshift-monitoring", "kube-prometheus-stack")
_SERVICES = (
    ("alertmanager-operated", 9093),
    ("alertmanager-main", 9094),
    ("alertmanager", 9093),
    ("prometheus-operated", 9090),
    ("prometheus-k8s", 9091),
    ("prometheus", 9090),
    ("prometheus-server", 80),
)

_HINTS = {
    Gate.TOKEN: "mount a projected token of this account, with a life of at least two rounds",
    Gate.WHOAMI: "compare the pod's serviceAccountName with the configured tenant and namespace",
    Gate.READY: "compare the address and the CA; is the API server up?",
    Gate.CANARY: "apply the chart: the Role and RoleBinding `sentinel`, Secret and ConfigMap `sentinel-beacon`",
    Gate.DECOY: "apply the chart: the decoys in the release's namespace, and the Role for the open one",
}
_NO_WAY = "no way to Alertmanager"
_DOOR_HINT = "apply the chart with all tenants: the Role and RoleBinding `sentinel-door` in that namespace"


class Place(NamedTuple):
    """Where something may listen."""

    host: str
    port: int

    def __str__(self) -> str:
        """As people write it."""
        return f"{self.host}:{self.port}"


NOWHERE = Place("192.0.2.1", 9093)
"""Kept for documentation: nobody is there. Who connects to it has a proxy that takes everything."""


@dataclass
class Doctor:
    """One examination. `places`: Alertmanagers that must not be reached from here, besides the usual ones.

    `prometheus`: in place of the configured one, for whoever looks from a machine that may reach it.
    """

    settings: Settings
    environ: Mapping[str, str]
    places: Sequence[Place] = ()
    prometheus: str | None = None

    async def examine(self) -> Diagnosis:
        """Look at everything, in turn. Raises ConfigError for one who must not run."""
        clock = Clock()
        found = await (self._witness(clock) if self.settings.is_witness else self._tenant(clock))
        return Diagnosis((*found, await checkup.names(self.settings), *checkup.keys(self.settings)))

    async def _tenant(self, clock: Clock) -> list[Finding]:
        world = World(self.settings, self.environ, clock)
        await world.prepare()
        found = [
            *await self._kubernetes(world),
            await self._clock(world, clock),
            await self._relay(),
            *await checkup.border(self.settings),
        ]
        if self.prometheus is None:
            return [*found, *await self._forbidden()]
        why = "not looked at: a machine that reaches Prometheus says nothing of a tenant's pod"
        return [*found, Finding(_NO_WAY, State.LEFT_OUT, why), *await self._alerting(self.prometheus)]

    async def _witness(self, clock: Clock) -> list[Finding]:
        found = await cluster_checkup.witness(self.settings, self.environ, clock)
        prometheus = self.prometheus or self.settings.alerting.prometheus
        if prometheus is None:
            why = "alerting.prometheus is not set: nobody works out how long a page takes"
            return [*found, Finding("Prometheus", State.LEFT_OUT, why, "name it, or pass --prometheus")]
        return [*found, *await self._alerting(prometheus)]

    async def _alerting(self, prometheus: str) -> list[Finding]:
        named = self.settings.paging.direct if self.settings.is_witness else ()
        tenants = [tenant.name for tenant in self.settings.tenants]
        return await checkup.alerting(Places(prometheus, named), tenants)

    async def _kubernetes(self, world: World) -> list[Finding]:
        plan = plan_of(self.settings)
        probe = world.probe(plan)
        try:
            lights = await _look(probe, plan)
        except OwnFault as error:
            return [Finding("API server", State.FAIL, str(error), _HINTS[Gate.READY])]
        accounts = [who.name for who in probe.identities if not who.anonymous]
        found = [finding for name in accounts for finding in _controls(name, lights[name])]
        served = lights[accounts[0]]
        return [
            *found,
            cluster_checkup.version(await _version(world)),
            _discovery(plan, served),
            cluster_checkup.types(served.types),
            *_doors(plan, accounts, lights),
        ]

    async def _clock(self, world: World, clock: Clock) -> Finding:
        try:
            api = world.endpoint()
            theirs = await reach.date_of(f"{api.url}/version", api.trust(), CONNECT_SECONDS)
        except OwnFault:
            theirs = None
        if theirs is None:
            return Finding("clock", State.WARN, "the API server did not say what time it is")
        apart = clock.wall() - theirs
        fine = abs(apart) <= CLOCK_SECONDS
        detail = f"{abs(apart):.0f} s {'ahead of' if apart > 0 else 'behind'} the API server's"
        return Finding("clock", State.OK if fine else State.FAIL, detail, "synchronise this node's clock")

    async def _relay(self) -> Finding:
        url = self.settings.paging.relay
        if url is None:
            return Finding("relay", State.LEFT_OUT, "paging.relay is not set: the rules page alone")
        async with client_of(self.settings) as client:
            try:
                _, took = await client.greet()
            except ClientError as error:
                return Finding("relay", State.FAIL, str(error), _relay_hint(error))
        return Finding("relay", State.OK, f"{url} takes our token ({took * 1000:.0f} ms)")

    async def _forbidden(self) -> list[Finding]:
        """From a tenant's side nobody may reach who pages, and who can be silenced there."""
        topic = _NO_WAY
        usual = () if self.settings.paging.direct else tuple(usual_places(self.settings.isolation.release))
        places = tuple(dict.fromkeys((*self.places, *usual)))
        nowhere, *tried = await _tried((NOWHERE, *places))
        found = dict(zip(places, tried, strict=True))
        if nowhere is Reach.OPEN:
            detail = f"{NOWHERE} connects, where nobody is: a proxy answers for everybody"
            return [Finding(topic, State.WARN, detail, "try it from a pod without a service mesh")]
        rows = [_reached(topic, place) for place, how in found.items() if how is Reach.OPEN]
        untried = [str(place) for place, how in found.items() if how is Reach.UNTRIED]
        if untried:
            detail = f"{len(untried)} of {len(places)} addresses could not be tried, the first {untried[0]}"
            rows.append(Finding(topic, State.WARN, detail, "does this machine find names, and has it a network?"))
        if self.settings.paging.direct:
            why = "paging.direct gives it to this tenant, who can silence and invent pages"
            rows.append(Finding(topic, State.LEFT_OUT, why))
        return rows or [Finding(topic, State.OK, f"none of {len(places)} addresses connects")]


async def _version(world: World) -> str | None:
    api = world.endpoint()
    try:
        held = api.own.read()
        async with Connection(api.url, api.trust(), cluster_checkup.TIMEOUT, world.clock) as connection:
            return await kube_review.version(connection, held.text if held is not None else None)
    except OwnFault:
        return None


async def _look(probe: KubeRead, plan: Plan) -> Mapping[str, Lights]:
    """Every control of a round, before and after; no question."""
    async with probe.connect() as vantage:
        if not await vantage.open(plan.scope.targets):
            await vantage.suspect()
            before = vantage.lights()
            await vantage.close()
            after = vantage.lights()
            return {name: dimmest(before[name], after[name]) for name in before}
        return vantage.lights()


def _controls(identity: str, lights: Lights) -> Iterator[Finding]:
    names = {Gate.READY: "API server"}
    ready = lights.own.get(Gate.READY, UNSEEN).up
    for gate in OWN_GATES:
        light = lights.own.get(gate, UNSEEN)
        topic = names.get(gate, f"{gate.value} ({identity})")
        # What was not asked, since the API server was not ready, is neither there nor missing.
        unknown = not ready and gate not in (Gate.TOKEN, Gate.READY)
        yield _finding(topic, light, _HINTS[gate], unknown=unknown)


def _finding(topic: str, light: Light, hint: str, *, unknown: bool = False) -> Finding:
    if light.up:
        return Finding(topic, State.OK, light.detail)
    return Finding(topic, State.WARN if unknown else State.FAIL, light.detail, hint)


def _discovery(plan: Plan, lights: Lights) -> Finding:
    if lights.types is None:
        return Finding("discovery", State.WARN, "the API server did not say which types it serves")
    wanted = {question.resource.label for question in plan.questions}
    absent = sorted(wanted - lights.types)
    if absent:
        hint = "questions about them prove nothing; is this the API server that you mean?"
        return Finding("discovery", State.FAIL, f"not served: {', '.join(absent)}", hint)
    return Finding("discovery", State.OK, f"{len(lights.types)} types served, {len(wanted)} asked about")


def _doors(plan: Plan, accounts: Sequence[str], lights: Mapping[str, Lights]) -> Iterator[Finding]:
    shut = 0
    for target in plan.scope.targets:
        for name in accounts:
            asked = bool(lights[name].doors)
            door = lights[name].doors.get(target, UNSEEN)
            wire = lights[name].tripwires.get(target, UNSEEN)
            worst = next((light for light in (door, wire) if not light.up), None)
            if worst is not None:
                shut += 1
                yield _finding(f"door of {target} ({name})", worst, _DOOR_HINT, unknown=not asked)
    if not shut:
        yield Finding("doors", State.OK, f"{len(plan.scope.targets)} targets, all open")


def _relay_hint(error: ClientError) -> str:
    match error:
        case Refused():
            return "is this account's tenant in the witness's configuration, and the token's audience tenant-sentinel?"
        case Unreachable() | TimedOut():
            return "is the witness up, does a NetworkPolicy let us out, and is paging.relay_ca its CA?"
        case Throttled():
            return "wait a moment; if it lasts, somebody in this tenant floods the relay"
        case OwnFault():
            return "mount the projected token and the CA that paging.relay_token and paging.relay_ca name"
        case _:
            return "look into the witness's log"


def _reached(topic: str, place: Place) -> Finding:
    hint = "apply deploy/network-policy-monitoring.yaml: who can push can silence, and invent pages"
    return Finding(topic, State.FAIL, f"{place} connects from here", hint)


async def _tried(places: Sequence[Place]) -> list[Reach]:
    few = asyncio.Semaphore(_AT_ONCE)

    async def attempt(place: Place) -> Reach:
        async with few:
            return await reach.connect(place.host, place.port, CONNECT_SECONDS)

    return await asyncio.gather(*map(attempt, places))


def place_of(text: str) -> Place:
    """The place that somebody wrote: a URL, or host and port. Raises ValueError with a sentence."""
    try:
        parts = urlsplit(text if "//" in text else f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host:
        raise ValueError(f"found {text[:80]!r}, expected a URL or an address such as alertmanager.monitoring.svc:9093")
    return Place(host, port or {"https": 443}.get(parts.scheme, 9093))


def usual_places(release: str) -> Iterator[Place]:
    """Where Alertmanager and Prometheus usually are, by their Services' names."""
    for namespace in dict.fromkeys((*_MONITORING, release)):
        for service, port in _SERVICES:
            yield Place(f"{service}.{namespace}.svc", port)
