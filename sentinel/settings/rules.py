"""What must fit together across the fields, one small rule each.

A rule names what it reads. It is asked only when all of that is well formed, so that one slip of
the hand gives one problem and not five that follow from it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from sentinel.settings.chat_page import MOST_EVERY
from sentinel.settings.duration import written
from sentinel.settings.identities import ANONYMOUS, OWN_ACCOUNT, SELF
from sentinel.settings.isolation import CLUSTER, EVERYBODY
from sentinel.settings.model import Settings
from sentinel.settings.tree import Path


@dataclass(frozen=True)
class Fault:
    """A value that is fine by itself and wrong beside the others."""

    path: Path
    expected: str
    found: str | None = None
    """None: as it was written."""
    hint: str = ""


@dataclass(frozen=True)
class Rule:
    """One thing that must hold, and the keys it looks at."""

    reads: tuple[Path, ...]
    faults: Callable[[Settings], Iterator[Fault]]


RESERVED = (ANONYMOUS, "witness")
"""Names that mean something else wherever the name of a tenant may stand."""

_EVERY, _WITHIN, _SWEEP = ("isolation", "every"), ("isolation", "within"), ("isolation", "sweep")
_TIMEOUT, _SYSTEM, _ALLOW = ("isolation", "timeout"), ("isolation", "system"), ("isolation", "allow")
_RELEASE, _SHARE = ("isolation", "release"), ("isolation", "witness_share")
_TENANTS, _TENANT, _IDENTITIES = ("tenants",), ("tenant",), ("identities",)


def _repeated(names: Iterable[str]) -> Iterator[int]:
    seen: Counter[str] = Counter()
    for index, name in enumerate(names):
        seen[name] += 1
        if seen[name] > 1:
            yield index


def _tenant_names(settings: Settings) -> Iterator[Fault]:
    for index in _repeated(tenant.name for tenant in settings.tenants):
        yield Fault(("tenants", index, "name"), "each tenant once")
    for index, tenant in enumerate(settings.tenants):
        if tenant.name in RESERVED:
            yield Fault(("tenants", index, "name"), f"another name than {' or '.join(RESERVED)}")


def _hidden(settings: Settings) -> Iterator[Fault]:
    for index, tenant in enumerate(settings.tenants):
        others = settings.disclosure == "opaque" and not settings.is_witness and tenant.name != settings.tenant
        if not tenant.namespaces and not others:
            yield Fault(("tenants", index, "namespaces"), "at least one namespace", "none")


def _accounts(settings: Settings) -> Iterator[Fault]:
    for index, tenant in enumerate(settings.tenants):
        spaces = ("", *tenant.namespaces)
        for position, account in enumerate(tenant.accounts):
            path: Path = ("tenants", index, "accounts", position)
            if account.rpartition("/")[0] not in spaces:
                yield Fault(path, f"a ServiceAccount in a namespace of {tenant.name}")
            elif account in (OWN_ACCOUNT, f"{spaces[1]}/{OWN_ACCOUNT}" if tenant.namespaces else ""):
                yield Fault(path, "another account than the sentinel's own", hint="it is asked as in any case")
        for position in _repeated(
            account.removeprefix(f"{spaces[1]}/") if tenant.namespaces else account for account in tenant.accounts
        ):
            yield Fault(("tenants", index, "accounts", position), "each account once")


def _namespaces(settings: Settings) -> Iterator[Fault]:
    owner: dict[str, str] = {}
    for index, tenant in enumerate(settings.tenants):
        for position, namespace in enumerate(tenant.namespaces):
            path: Path = ("tenants", index, "namespaces", position)
            if namespace in owner:
                hint = f"{owner[namespace]} has it already"
                yield Fault(path, "a namespace of one tenant, named once", hint=hint)
            elif namespace.startswith("kube-"):
                yield Fault(path, "a namespace of a tenant", hint="kube- is reserved by Kubernetes")
            owner.setdefault(namespace, tenant.name)


def _system(settings: Settings) -> Iterator[Fault]:
    for index in _repeated(settings.isolation.system):
        yield Fault((*_SYSTEM, index), "each namespace once")
    for index, namespace in enumerate(settings.isolation.system):
        tenant = settings.owner_of(namespace)
        if tenant:
            hint = f"it belongs to {tenant.name}, which would be asked to break into itself"
            yield Fault((*_SYSTEM, index), "a namespace of no tenant", namespace, hint)


def _release(settings: Settings) -> Iterator[Fault]:
    release = settings.isolation.release
    tenant = settings.owner_of(release)
    if tenant:
        hint = f"it belongs to {tenant.name}, which could read and remove the decoys"
        yield Fault(_RELEASE, "a namespace of no tenant", release, hint)


def _tenant(settings: Settings) -> Iterator[Fault]:
    if settings.tenant and settings.tenant not in {tenant.name for tenant in settings.tenants}:
        names = [tenant.name for tenant in settings.tenants]
        some = ", ".join(names[:8]) + (", ..." if names[8:] else "")
        yield Fault(_TENANT, f"one of tenants: {some}")


def _identity_names(settings: Settings) -> Iterator[Fault]:
    for index in _repeated(identity.name for identity in settings.identities):
        yield Fault(("identities", index, "name"), "each identity once")
    if SELF not in {identity.name for identity in settings.identities}:
        yield Fault(_IDENTITIES, f"an identity {SELF}", "none of that name", "its gates bracket all the others")


def _identity_tokens(settings: Settings) -> Iterator[Fault]:
    for index, identity in enumerate(settings.identities):
        path: Path = ("identities", index, "token")
        reserved = {SELF: "own", ANONYMOUS: "none"}
        if identity.name in reserved and identity.token != reserved[identity.name]:
            yield Fault(path, f"{reserved[identity.name]}, which is what {identity.name} means")
        elif identity.token in reserved.values() and identity.name not in reserved:
            hint = f"{identity.token} is the token of {SELF if identity.token == 'own' else ANONYMOUS}"
            yield Fault(path, "request or {file: <path>}", hint=hint)


def _identity_accounts(settings: Settings) -> Iterator[Fault]:
    for index, identity in enumerate(settings.identities):
        path: Path = ("identities", index, "serviceAccount")
        if identity.token == "request" and identity.service_account is None:
            yield Fault(path, "the ServiceAccount to request a token for")
        elif identity.token != "request" and identity.service_account is not None:
            yield Fault(path, "no serviceAccount", hint="it goes with token: request only; for others write expect")


def _identity_users(settings: Settings) -> Iterator[Fault]:
    owners = (tenant for tenant in settings.tenants if tenant.name == settings.tenant and tenant.namespaces)
    home = next((tenant.namespaces[0] for tenant in owners), None)
    if home is None:
        return
    first: dict[str, str] = {}
    for index, identity in enumerate(settings.identities):
        user = identity.user(home)
        known = first.setdefault(user, identity.name) != identity.name
        if known and identity.token not in ("own", "none"):
            yield Fault(("identities", index), "each account once", f"{user} again", f"{first[user]} is that already")


def _timeout(settings: Settings) -> Iterator[Fault]:
    every, timeout = settings.isolation.every, settings.isolation.timeout
    if timeout >= every:
        yield Fault(_TIMEOUT, f"less than isolation.every, {written(every)}", written(timeout))


def _within(settings: Settings) -> Iterator[Fault]:
    every, within = settings.isolation.every, settings.isolation.within
    if within < every:
        yield Fault(_WITHIN, f"at least isolation.every, {written(every)}", written(within))


def _sweep(settings: Settings) -> Iterator[Fault]:
    within, sweep = settings.isolation.within, settings.isolation.sweep
    if sweep < within:
        yield Fault(_SWEEP, f"at least isolation.within, {written(within)}", written(sweep))


def _network(settings: Settings) -> Iterator[Fault]:
    every, timeout = settings.network.every, settings.network.timeout
    if timeout >= every:
        yield Fault(("network", "timeout"), f"less than network.every, {written(every)}", written(timeout))


def _allowed_from(settings: Settings) -> Iterator[Fault]:
    known = {tenant.name for tenant in settings.tenants} | {EVERYBODY, ANONYMOUS}
    for index, grant in enumerate(settings.isolation.allow):
        if grant.source not in known:
            yield Fault((*_ALLOW, index, "from"), f"a tenant, {ANONYMOUS} or {EVERYBODY}")


def _allowed_to(settings: Settings) -> Iterator[Fault]:
    spaces = {space for tenant in settings.tenants for space in tenant.namespaces}
    known = spaces | set(settings.isolation.system) | {CLUSTER}
    for index, grant in enumerate(settings.isolation.allow):
        source = next((tenant for tenant in settings.tenants if tenant.name == grant.source), None)
        if grant.target not in known:
            yield Fault((*_ALLOW, index, "to"), f"a namespace of a tenant or of isolation.system, or {CLUSTER}")
        elif source and grant.target in source.namespaces:
            yield Fault((*_ALLOW, index, "to"), "a namespace of somebody else", hint=f"it is {source.name}'s own")


def _listeners(settings: Settings) -> Iterator[Fault]:
    if settings.web.listen.port == settings.web.console.port:
        yield Fault(("web", "console"), "another port than web.listen", str(settings.web.console))


def _console(settings: Settings) -> Iterator[Fault]:
    if not settings.web.console.is_loopback:
        hint = "it shows breaches to whoever can reach it; use kubectl port-forward"
        yield Fault(("web", "console"), "an address on loopback such as 127.0.0.1:8081", hint=hint)


def _pushes(settings: Settings) -> Iterator[Fault]:
    for index in _repeated(settings.paging.direct):
        yield Fault(("paging", "direct", index), "each Alertmanager once")


def _relayed(settings: Settings) -> Iterator[Fault]:
    if settings.is_witness and settings.paging.relay is not None:
        yield Fault(
            ("paging", "relay"), "none in the witness's own file", hint="it is the relay; give it paging.direct"
        )


def _drill(settings: Settings) -> Iterator[Fault]:
    drill = settings.paging.drill
    # The last one has ended after twice `within`, and its groups in Alertmanager are gone after as long again.
    if drill.every is not None and drill.every < 4 * drill.within:
        least = f"at least four times paging.drill.within, {written(4 * drill.within)}"
        yield Fault(("paging", "drill", "every"), least, written(drill.every))


def _heartbeat(settings: Settings) -> Iterator[Fault]:
    path: Path = ("paging", "heartbeat", "file")
    sees = settings.is_witness and settings.alerting.prometheus is not None and settings.paging.direct
    if settings.paging.heartbeat.file is not None and not sees:
        hint = "it is beaten only while both are seen to work"
        yield Fault(path, "the witness's own file, with alerting.prometheus and paging.direct", hint=hint)


def _share(settings: Settings) -> Iterator[Fault]:
    if settings.is_witness and not settings.isolation.witness_share:
        yield Fault(_SHARE, "a share above 0 in the witness's own file, such as 0.25")


def _gateways(settings: Settings) -> Iterator[Fault]:
    for index in _repeated(gateway.name for gateway in settings.gateways):
        yield Fault(("gateways", index, "name"), "each gateway once")
    for index, gateway in enumerate(settings.gateways):
        names = [provider.name for provider in gateway.providers]
        for position in _repeated(names):
            yield Fault(("gateways", index, "providers", position, "name"), "each provider once")
        if gateway.primary is not None and gateway.primary not in names:
            yield Fault(("gateways", index, "primary"), f"one of its providers: {', '.join(names)}")


def _patience(settings: Settings) -> Iterator[Fault]:
    for index, gateway in enumerate(settings.gateways):
        path: Path = ("gateways", index)
        patience, within = gateway.patience, gateway.failover.within
        if patience.total >= within:
            hint = "a hang must be seen before the promise is broken"
            yield Fault(
                (*path, "patience", "total"),
                f"less than failover.within, {written(within)}",
                written(patience.total),
                hint,
            )
        if patience.first_token > patience.total:
            most = f"at most patience.total, {written(patience.total)}"
            yield Fault((*path, "patience", "first_token"), most, written(patience.first_token))
        if gateway.burst > gateway.baseline:
            yield Fault((*path, "burst"), f"at most baseline, {written(gateway.baseline)}", written(gateway.burst))


def _pages(settings: Settings) -> Iterator[Fault]:
    for index, gateway in enumerate(settings.gateways):
        page = gateway.page
        path: Path = ("gateways", index, "page")
        if page is None:
            continue
        if page.timeout >= gateway.failover.within:
            most = f"less than failover.within, {written(gateway.failover.within)}"
            yield Fault(
                (*path, "timeout"), most, written(page.timeout), "a hang must be seen before the promise is broken"
            )
        if page.every > MOST_EVERY:
            hint = "the rules look a quarter of an hour back"
            yield Fault((*path, "every"), f"at most {written(MOST_EVERY)}", written(page.every), hint)
        if page.timeout > page.every:
            yield Fault((*path, "every"), f"at least page.timeout, {written(page.timeout)}", written(page.every))


def _signs(settings: Settings) -> Iterator[Fault]:
    for index, gateway in enumerate(settings.gateways):
        for position, header in enumerate(gateway.headers):
            if (header.value is None) == (header.file is None):
                yield Fault(("gateways", index, "headers", position), "either value or file")
        for position, provider in enumerate(gateway.providers):
            for place, match in enumerate(provider.match):
                path: Path = ("gateways", index, "providers", position, "match", place)
                if match.where == "id_prefix" and match.key is not None:
                    yield Fault((*path, "key"), "no key", hint="an answer has one id")
                elif match.where != "id_prefix" and match.key is None:
                    yield Fault(path, "a key: the name of a header, or a JSON pointer")


RULES = (
    Rule((_TENANTS,), _tenant_names),
    Rule((_TENANTS,), _namespaces),
    Rule((_TENANTS, _TENANT, ("disclosure",), ("relay",)), _hidden),
    Rule((_TENANTS,), _accounts),
    Rule((_TENANTS, _SYSTEM), _system),
    Rule((_TENANTS, _RELEASE), _release),
    Rule((_TENANTS, _TENANT), _tenant),
    Rule((_IDENTITIES,), _identity_names),
    Rule((_IDENTITIES,), _identity_tokens),
    Rule((_IDENTITIES,), _identity_accounts),
    Rule((_IDENTITIES, _TENANTS, _TENANT), _identity_users),
    Rule((_EVERY, _TIMEOUT), _timeout),
    Rule((_EVERY, _WITHIN), _within),
    Rule((_WITHIN, _SWEEP), _sweep),
    Rule((("network",),), _network),
    Rule((_TENANTS, _ALLOW), _allowed_from),
    Rule((_TENANTS, _SYSTEM, _ALLOW), _allowed_to),
    Rule((("web",),), _listeners),
    Rule((("web", "console"),), _console),
    Rule((("paging", "direct"),), _pushes),
    Rule((("paging", "relay"), ("relay",)), _relayed),
    Rule((("paging", "drill"),), _drill),
    Rule((("paging", "heartbeat"), ("paging", "direct"), ("alerting",), ("relay",)), _heartbeat),
    Rule((_SHARE, ("relay",)), _share),
    Rule((("gateways",),), _gateways),
    Rule((("gateways",),), _patience),
    Rule((("gateways",),), _pages),
    Rule((("gateways",),), _signs),
)
