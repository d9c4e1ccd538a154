"""The settings turned into what they name: the API server, the identities, the plan, the probe.

Everything that the far side must give (a kubeconfig's token, requested tokens) may be missing for
now: the daemon starts all the same, says what is missing, and takes it when it comes.
"""

import asyncio
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sentinel.clients import endpoint, token_request
from sentinel.clients.clock import Clock
from sentinel.clients.endpoint import Endpoint
from sentinel.clients.kube import Connection
from sentinel.clients.token_request import Account
from sentinel.clients.tokens import FileToken, HeldToken, NoToken, Source, Token
from sentinel.core.api import allowed, distribution
from sentinel.core.api.allowed import Allowance
from sentinel.core.api.gates import Gate
from sentinel.core.api.plan import Plan, Scope
from sentinel.core.api.plan import make as make_plan
from sentinel.core.net.net_plan import Terms
from sentinel.engine.book import Book
from sentinel.errors import ClientError, ConfigError, OwnFault, Problem
from sentinel.probes import kube_review
from sentinel.probes.identity import Identity
from sentinel.probes.kube_read import KubeRead
from sentinel.settings import SELF, Settings, TokenFile
from sentinel.settings import Identity as IdentitySettings

_RETRY_SECONDS = 10.0
_MASTERS = "system:masters"


def scope_of(settings: Settings) -> Scope:
    """The plan's input. Durations become seconds here."""
    isolation = settings.isolation
    anonymous = tuple(who.name for who in settings.identities if who.token == "none")
    accounts = tuple(who.name for who in settings.identities if who.token != "none")
    return Scope(
        tenant=settings.tenant,
        tenants=tuple((tenant.name, tuple(tenant.namespaces)) for tenant in settings.tenants),
        system=tuple(isolation.system),
        accounts=accounts,
        anonymous=anonymous,
        every=isolation.every.total_seconds(),
        within=isolation.within.total_seconds(),
        sweep=isolation.sweep.total_seconds(),
        timeout=isolation.timeout.total_seconds(),
        qps=isolation.qps,
        part=isolation.witness_share if settings.is_witness else 1 - isolation.witness_share,
        allow=(*allowances(settings), *distribution.grants(isolation.distribution)),
    )


def allowances(settings: Settings) -> tuple[Allowance, ...]:
    """The exceptions of the configuration, each with its name."""
    rows = settings.isolation.allow
    names = allowed.named([(row.source, row.target) for row in rows])
    return tuple(
        Allowance(
            name=name,
            source=row.source,
            target=row.target,
            verbs=frozenset(row.verbs),
            resources=row.resources,
            names=frozenset(row.names),
            until=row.until,
            reason=row.reason,
            owner=row.owner,
        )
        for name, row in zip(names, rows, strict=True)
    )


def plan_of(settings: Settings) -> Plan:
    """The plan of these settings."""
    return make_plan(scope_of(settings))


def net_checks_of(settings: Settings) -> tuple[str, ...]:
    """The classes of promise about the network that these settings have asked."""
    network = settings.network
    if not network.enabled:
        return ()
    further = {"net/node": network.node.enabled, "net/cloud": network.cloud is not None, "net/dns": network.dns.enabled}
    return ("net/tcp", "net/udp", "net/http", *(check for check, wanted in further.items() if wanted))


def net_targets_of(settings: Settings) -> tuple[str, ...]:
    """Where each other tenant's beacon is, as the roster names it: its home, or what stands for it."""
    others = (tenant for tenant in settings.tenants if tenant.name != settings.tenant)
    return tuple(tenant.namespaces[0] if tenant.namespaces else tenant.name for tenant in others)


def net_terms_of(settings: Settings) -> Terms:
    """How the network is asked. Durations become seconds here."""
    network = settings.network
    return Terms(
        expected=net_targets_of(settings),
        every=network.every.total_seconds(),
        timeout=network.timeout.total_seconds(),
        port=network.beacon.port,
        attempts=network.attempts,
        sockets=network.sockets,
        identity=SELF,
    )


def unnamed(book: Book) -> frozenset[str]:
    """The identities that whoami did not name in the last round."""
    rows = book.gates.values()
    return frozenset(row.identity for row in rows if row.gate is Gate.WHOAMI and not row.light.up)


def account_of(who: IdentitySettings, home: str) -> Account:
    """The ServiceAccount of a requested token: in the tenant's first namespace, unless it names another."""
    namespace, _, name = (who.service_account or who.name).rpartition("/")
    return Account(namespace or home, name)


@dataclass
class World:
    """The outside as these settings describe it. Nothing is opened before it is asked."""

    settings: Settings
    environ: Mapping[str, str]
    clock: Clock
    found: Endpoint | None = None
    requested: dict[str, HeldToken] = field(default_factory=dict)
    why: str = "the API server's address is not known yet"
    unnamed: Callable[[], Collection[str]] = tuple
    """Identities that the API server does not know by their token: an account that was made anew, say."""

    def __post_init__(self) -> None:
        """In a pod everything is at hand; a kubeconfig is read by `keep`."""
        if self.settings.kubernetes.kubeconfig is None:
            self.found = endpoint.in_pod(self.environ)

    def endpoint(self) -> Endpoint:
        """Where the API server is. Raises OwnFault while that is not known."""
        if self.found is None:
            raise OwnFault(self.why)
        return self.found

    def probe(self, plan: Plan) -> KubeRead:
        """The probe that asks this plan's questions."""
        return KubeRead(
            endpoint=self.endpoint,
            identities=tuple(self._identity(who) for who in self.settings.identities),
            own_namespace=self.settings.home,
            home=self.settings.isolation.release,
            targets=plan.scope.targets,
            timeout=plan.scope.timeout,
            every=plan.every,
            within=plan.within,
            clock=self.clock,
            exceptions=plan.scope.exceptions,
            discovery=self.settings.isolation.discovery.total_seconds(),
        )

    def expiry(self, probe: KubeRead) -> dict[str, float]:
        """When each identity's token ends, wall seconds, as far as it says."""
        found = {}
        for who in probe.identities:
            try:
                held = who.source.read()
            except OwnFault:
                continue
            if held is not None and held.claims is not None and held.claims.expires is not None:
                found[who.name] = held.claims.expires
        return found

    async def keep(self) -> None:
        """For ever: read the kubeconfig, renew what must be renewed, refuse what must not run."""
        while True:
            await self.prepare()
            await asyncio.sleep(_RETRY_SECONDS)

    async def prepare(self) -> None:
        """One try at what is missing or old. Raises ConfigError for one who must not run."""
        if self.found is None:
            await self._load_kubeconfig()
        elif self.found.refresh is not None:
            await self.found.refresh()
        if self.found is not None:
            unnamed = self.unnamed()
            for who in self._requesting():
                await self._request(who, self.found, forced=who.name in unnamed)

    async def _load_kubeconfig(self) -> None:
        from sentinel.clients.kubeconfig import Kubeconfig  # noqa: PLC0415  # costs 70 MiB

        path = self.settings.kubernetes.kubeconfig or endpoint.usual_kubeconfig(self.environ)
        try:
            found = await Kubeconfig(str(path), self.settings.kubernetes.context, self.clock).load()
            await self._refuse_strangers(found, str(path))
        except ClientError as error:
            self.why = str(error)
        else:
            self.found = found

    async def _refuse_strangers(self, found: Endpoint, path: str) -> None:
        """Outside a pod: an administrator would be served everything, and anyone else is not us."""
        held = found.own.read()
        timeout = self.settings.isolation.timeout.total_seconds()
        async with Connection(found.url, found.trust(), timeout, self.clock) as connection:
            answer = await kube_review.whoami(connection, held.text if held else "")
        if not answer.user:
            raise OwnFault(f"kubeconfig {path}: whoami: {kube_review.said(answer.reply)}")
        expected = self.settings.expected_user("self")
        if _MASTERS in answer.groups or answer.user != expected:
            hint = "use a kubeconfig with that account's token"
            raise ConfigError([Problem(path, 0, "kubernetes.kubeconfig", answer.user, expected, hint)])

    async def _request(self, who: IdentitySettings, found: Endpoint, *, forced: bool) -> None:
        held = self._held(who.name)
        if not forced and not self._is_due(held):
            return
        account = account_of(who, self.settings.home)
        timeout = self.settings.isolation.timeout.total_seconds()
        try:
            own = found.own.read()
            bearer = own.text if own is not None else ""
            async with Connection(found.url, found.trust(), timeout, self.clock) as connection:
                held.put(await token_request.request_token(connection, bearer, account))
        except ClientError as error:
            held.excuse(str(error))

    def _is_due(self, held: HeldToken) -> bool:
        try:
            claims = held.read().claims
        except OwnFault:
            return True
        expires = claims.expires if claims is not None and claims.expires is not None else 0.0
        spare = (1 - token_request.RENEW_AT) * token_request.LIFE_SECONDS
        return expires - self.clock.wall() < spare

    def _requesting(self) -> Iterator[IdentitySettings]:
        return (who for who in self.settings.identities if who.token == "request")

    def _held(self, name: str) -> HeldToken:
        return self.requested.setdefault(name, HeldToken(f"token of {name}: not requested yet"))

    def _identity(self, who: IdentitySettings) -> Identity:
        expect = self.settings.expected_user(who.name)
        anonymous = who.token == "none"
        opaque = who.token == "own" and not self._in_pod()
        return Identity(who.name, expect, self._source(who), anonymous, opaque)

    def _in_pod(self) -> bool:
        return self.found is not None and self.found.in_pod

    def _source(self, who: IdentitySettings) -> Source:
        match who.token:
            case "none":
                return NoToken()
            case "own":
                return _Own(self)
            case "request":
                return self._held(who.name)
            case TokenFile() as token:
                return FileToken(Path(token.file))


class _Own:
    """The endpoint's own token, whenever the endpoint is known."""

    def __init__(self, world: World) -> None:
        """Nothing is read yet."""
        self._world = world

    def read(self) -> Token | None:
        """The token. Raises OwnFault."""
        return self._world.endpoint().own.read()
