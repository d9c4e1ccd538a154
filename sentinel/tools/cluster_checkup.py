"""What the doctor asks the API server besides the controls of a round: its version, its types, the witness's rights.

The rights are asked in one review each, as the witness, or of the witness by whoever may review others: an
administrator. From anywhere else they would be somebody else's.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from sentinel.clients import endpoint
from sentinel.clients.clock import Clock
from sentinel.clients.endpoint import Endpoint
from sentinel.clients.kube import Connection
from sentinel.errors import ClientError
from sentinel.probes import kube_review
from sentinel.reports.diagnosis import Finding, State
from sentinel.settings import Settings

OLDEST = (1, 29)
"""The first with flowcontrol.apiserver.k8s.io/v1, which the chart uses."""
OPERATOR = ("podmonitors.monitoring.coreos.com", "prometheusrules.monitoring.coreos.com")
TIMEOUT = 5.0
"""Seconds, for one reply."""
_RBAC, _NETWORK = "rbac.authorization.k8s.io", "networking.k8s.io"
_WATCHED = (
    *(f"{plural}.{_RBAC}" for plural in ("roles", "rolebindings", "clusterroles", "clusterrolebindings")),
    "namespaces",
    f"networkpolicies.{_NETWORK}",
)
_CREATED = ("tokenreviews.authentication.k8s.io", "subjectaccessreviews.authorization.k8s.io")


def version(said: str | None) -> Finding:
    """`said`: the API server's gitVersion, None when it did not say."""
    found = re.match(r"v?(\d+)\.(\d+)", said or "")
    if found is None:
        return Finding(
            "version", State.WARN, "the API server did not say its version", "may this account get /version?"
        )
    if (int(found[1]), int(found[2])) < OLDEST:
        wanted = f"Kubernetes {OLDEST[0]}.{OLDEST[1]} or newer"
        return Finding("version", State.FAIL, f"Kubernetes {said}", f"the chart needs {wanted}")
    return Finding("version", State.OK, f"Kubernetes {said}")


def types(served: frozenset[str] | None) -> Finding:
    """Whether the Prometheus Operator's kinds are there, by which the chart is scraped and brings its rules."""
    if served is None:
        return Finding("CRDs", State.WARN, "the API server did not say which types it serves")
    if absent := [label for label in OPERATOR if label not in served]:
        detail = f"not served: {', '.join(absent)}; no Prometheus Operator"
        return Finding("CRDs", State.LEFT_OUT, detail, "install with monitor.enabled: false, and load the ConfigMaps")
    return Finding("CRDs", State.OK, "those of the Prometheus Operator are served")


async def witness(settings: Settings, environ: Mapping[str, str], clock: Clock) -> list[Finding]:
    """Everything that the witness needs of the API server."""
    try:
        way = await _way(settings, environ, clock)
        held = way.own.read()
        token = held.text if held is not None else None
        async with Connection(way.url, way.trust(), TIMEOUT, clock) as connection:
            return await _looked(settings, connection, token)
    except ClientError as error:
        hint = "compare the address and the CA; is the API server up?"
        return [
            Finding("API server", State.FAIL, str(error), hint),
            _unseen("rights", "the API server does not answer"),
        ]


async def _way(settings: Settings, environ: Mapping[str, str], clock: Clock) -> Endpoint:
    if (found := endpoint.in_pod(environ)) is not None and settings.kubernetes.kubeconfig is None:
        return found
    from sentinel.clients.kubeconfig import Kubeconfig  # noqa: PLC0415  # costs 70 MiB

    path: Path | str = settings.kubernetes.kubeconfig or endpoint.usual_kubeconfig(environ)
    return await Kubeconfig(str(path), settings.kubernetes.context, clock).load(certificates=True)


async def _looked(settings: Settings, connection: Connection, token: str | None) -> list[Finding]:
    who = await kube_review.whoami(connection, token)
    if not who.user:
        detail = f"whoami: {kube_review.said(who.reply)}"
        hint = "is it up, and is the token or certificate one of its own?"
        return [Finding("API server", State.FAIL, detail, hint), _unseen("rights", "nobody says who we are")]
    roots = await kube_review.group_roots(connection, token)
    wanted = frozenset(root for root in roots or () if "monitoring.coreos.com" in root)
    served = None if roots is None else await kube_review.served_types(connection, token, wanted)
    return [
        Finding("API server", State.OK, f"knows us as {who.user}"),
        version(await kube_review.version(connection, token)),
        types(None if served is None else frozenset(served)),
        await _rights(settings, connection, token, who.user),
    ]


async def _rights(settings: Settings, connection: Connection, token: str | None, user: str) -> Finding:
    expected = f"system:serviceaccount:{settings.isolation.release}:sentinel-witness"
    other = "" if user == expected else expected
    lacking = []
    for verb, label, namespace in _wanted(settings):
        allowed = await kube_review.may(connection, token, verb, label, namespace, other)
        if isinstance(allowed, str):
            return _unseen("rights", f"we are {user} here, and not {expected}: {allowed}" if other else allowed)
        if not allowed:
            lacking.append(f"{verb} {label}{f' in {namespace}' if namespace else ''}")
    if lacking:
        hint = "apply the chart: ClusterRole and Roles `sentinel-witness`, and their bindings"
        return Finding("rights", State.FAIL, f"may not {', '.join(lacking[:3])}; {len(lacking)} in all", hint)
    return Finding("rights", State.OK, "all that the chart gives the witness")


def _wanted(settings: Settings) -> Iterator[tuple[str, str, str]]:
    yield from ((verb, label, "") for label in _WATCHED for verb in ("get", "list", "watch"))
    yield from (("create", label, "") for label in _CREATED)
    yield from (("create", "serviceaccounts/token", one.namespaces[0]) for one in settings.tenants if one.namespaces)


def _unseen(topic: str, why: str) -> Finding:
    return Finding(topic, State.WARN, f"not seen from here: {why}", "run it in the witness's pod")
