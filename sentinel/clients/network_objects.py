"""What decides about packets between two namespaces, read with a person's own rights.

Policies, the two namespaces' labels, and the pods that ask and answer there. Of policies in other
kinds than Kubernetes' own only the names are read: there are too many languages to pretend to know them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from sentinel.clients.kube import Connection
from sentinel.clients.listing import ABSENT, Json, Unlisted, listed, one
from sentinel.core.api.reply import clean
from sentinel.core.net import netpol_object
from sentinel.core.net.netpol import Labels, Pod, Policy

PODS = "app.kubernetes.io/name=sentinel,app.kubernetes.io/component in (tenant,beacon)"
"""Who asks and who answers, as the chart labels them."""
_POLICIES = "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies"
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of policy that is not read. `inside`: it lies in a namespace."""

    group: str
    plural: str
    inside: bool = False


FOREIGN = (
    Kind("policy.networking.k8s.io", "adminnetworkpolicies"),
    Kind("policy.networking.k8s.io", "baselineadminnetworkpolicies"),
    Kind("policy.networking.k8s.io", "clusternetworkpolicies"),
    Kind("cilium.io", "ciliumclusterwidenetworkpolicies"),
    Kind("cilium.io", "ciliumnetworkpolicies", inside=True),
    Kind("crd.projectcalico.org", "globalnetworkpolicies"),
    Kind("crd.projectcalico.org", "networkpolicies", inside=True),
    Kind("crd.antrea.io", "clusternetworkpolicies"),
    Kind("crd.antrea.io", "networkpolicies", inside=True),
)


@dataclass(frozen=True, slots=True)
class Picture:
    """What could be read. `missing`: what could not, and without which nothing can be said.

    `foreign`: the policies there are of kinds that are not read, by name; `unseen`: the kinds that could
    not even be looked for.
    """

    policies: tuple[Policy, ...] = ()
    namespaces: Mapping[str, Labels] = field(default_factory=dict)
    pods: tuple[Pod, ...] = ()
    foreign: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


async def picture(connection: Connection, bearer: str | None, namespaces: tuple[str, str]) -> Picture:
    """Of these two: the asker's and the target's."""
    policies: list[Policy] = []
    pods: list[Pod] = []
    spaces: dict[str, Labels] = {}
    missing: list[str] = []
    for space in dict.fromkeys(namespaces):
        here = f"/api/v1/namespaces/{quote(space)}"
        try:
            spaces[space] = netpol_object.labels(await one(connection, bearer, here))
            for item in await listed(connection, bearer, _POLICIES.format(quote(space))):
                policies += filter(None, [netpol_object.policy(item)])
            for item in await listed(connection, bearer, f"{here}/pods", PODS):
                pods += filter(None, [netpol_object.pod(item)])
        except Unlisted as error:
            missing.append(str(error))
    foreign, unseen = await _foreign(connection, bearer, namespaces)
    return Picture(tuple(policies), spaces, tuple(pods), foreign, unseen, tuple(missing))


async def _foreign(
    connection: Connection, bearer: str | None, namespaces: tuple[str, str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    found: list[str] = []
    unseen: list[str] = []
    for group in dict.fromkeys(kind.group for kind in FOREIGN):
        try:
            versions = await _versions(connection, bearer, group)
            for kind in (kind for kind in FOREIGN if kind.group == group):
                found += _named(kind, await _all(connection, bearer, kind, versions, namespaces))
        except Unlisted as error:
            unseen.append(str(error))
    return tuple(found), tuple(unseen)


async def _versions(connection: Connection, bearer: str | None, group: str) -> tuple[str, ...]:
    """Those served of a group; none where nobody has installed it."""
    try:
        seen = await one(connection, bearer, f"/apis/{group}")
    except Unlisted as error:
        if error.status == ABSENT:
            return ()
        raise
    rows = seen.get("versions")
    named = (row.get("version") for row in rows if isinstance(row, dict)) if isinstance(rows, list) else ()
    return tuple(name for name in named if isinstance(name, str))


async def _all(
    connection: Connection, bearer: str | None, kind: Kind, versions: tuple[str, ...], namespaces: tuple[str, str]
) -> list[Json]:
    """Of the first version that has this type."""
    for version in versions:
        base = f"/apis/{kind.group}/{quote(version)}"
        spaces = [f"/namespaces/{quote(space)}" for space in dict.fromkeys(namespaces)] if kind.inside else [""]
        try:
            return [
                item for space in spaces for item in await listed(connection, bearer, f"{base}{space}/{kind.plural}")
            ]
        except Unlisted as error:
            if error.status != ABSENT:
                raise
    return []


def _named(kind: Kind, items: list[Json]) -> list[str]:
    if not items:
        return []
    names = [_name(item) for item in items]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return [f"{kind.plural}.{kind.group}: {', '.join(names[:_SHOWN])}{more}"]


def _name(item: Json) -> str:
    meta = item.get("metadata")
    found = meta if isinstance(meta, dict) else {}
    space = f"{found['namespace']}/" if found.get("namespace") else ""
    return clean(f"{space}{found.get('name', '?')}", 300)
