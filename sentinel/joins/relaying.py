"""The relay as the settings describe it: the witness's side, and a tenant's."""

from collections.abc import Callable

from sentinel.clients.clock import Clock
from sentinel.clients.relay import RelayClient
from sentinel.clients.tokens import FileToken
from sentinel.core.api.question import CLUSTER
from sentinel.core.asked import GATEWAY
from sentinel.core.claim import Claim, Expected
from sentinel.engine.hints import Hints
from sentinel.engine.roll import Roll
from sentinel.errors import OwnFault
from sentinel.settings import Settings, Tenant
from sentinel.settings.identities import OWN_ACCOUNT
from sentinel.web.relay import Door, Relay, Reviewer
from sentinel.web.rollcall import RollCall


def client_of(settings: Settings) -> RelayClient:
    """A tenant's way to the witness. Only for settings that have a `paging.relay`."""
    paging = settings.paging
    assert paging.relay is not None, "asked only where there is one"
    return RelayClient(paging.relay, paging.relay_token, paging.relay_ca)


def pod_uid(settings: Settings) -> str:
    """The uid of the pod we are in, by the token that the relay asks for. Raises OwnFault."""
    path = settings.paging.relay_token
    claims = FileToken(path).read().claims
    if claims is None or not claims.pod:
        hint = "mount a projected token, which the kubelet binds to its pod"
        raise OwnFault(f"paging.relay_token: the token in {path} is bound to no pod; {hint}")
    return claims.pod


def doors_of(settings: Settings) -> dict[str, Door]:
    """User name of each expected sentinel -> its tenant, and what that may speak of."""
    return {
        f"system:serviceaccount:{tenant.namespaces[0]}:{OWN_ACCOUNT}": Door(tenant.name, _expected(settings, tenant))
        for tenant in settings.tenants
    }


def homes_of(settings: Settings) -> dict[str, str]:
    """The namespace in which each tenant's sentinel lives -> the tenant."""
    return {tenant.namespaces[0]: tenant.name for tenant in settings.tenants}


def ids_of(settings: Settings) -> dict[str, str]:
    """What others know each tenant by, where that is not its name; empty: by nothing."""
    if settings.disclosure == "names":
        return {}
    return {tenant.name: tenant.id or "" for tenant in settings.tenants}


def relay_of(
    settings: Settings,
    reviewer: Reviewer,
    take: Callable[[str, Claim], bool],
    hints: Hints,
    clock: Clock,
    *,
    count: Callable[[str], None],
    count_alerts: Callable[[str, str, int], None],
    count_hint: Callable[[str], None],
    roll: Roll | None = None,
) -> Relay:
    """The relay of these settings, which are a witness's. The callbacks: see `Relay`.

    `roll`: where the network is proven too.
    """
    assert settings.relay is not None, "the settings of a witness"
    return Relay(
        doors_of(settings),
        reviewer,
        take,
        hints,
        clock,
        settings.relay.rate,
        settings.relay.burst,
        count=count,
        count_alerts=count_alerts,
        count_hint=count_hint,
        rollcall=None if roll is None else RollCall(roll, clock),
    )


def _expected(settings: Settings, tenant: Tenant) -> Expected:
    """What its sentinel asks about. Under `opaque` that is no namespace of others: a guess must not be confirmed.

    Over the network it asks about them all the same, by the ids that it was given.
    """
    others = [other for other in settings.tenants if other.name != tenant.name]
    ids = ids_of(settings)
    if ids:
        known = [id_ for other in others if (id_ := ids.get(other.name))]
    else:
        known = [space for other in others for space in other.namespaces]
    targets = frozenset({*known, *settings.isolation.system, CLUSTER})
    return Expected(targets, gateways=frozenset(f"{GATEWAY}{gateway.name}" for gateway in settings.gateways))
