"""A cluster with the chart installed for as many tenants as a figure needs, and its sentinels."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import yaml

from tests.deploy import chart
from tests.deploy.chart import Object
from tests.support import manifests
from tests.support.child import Child
from tests.support.controlplane import ControlPlane
from tests.support.sentinels import Sentinel

SYSTEM = 2
"""The targets that are no tenant's: kube-system and the release's namespace."""


@dataclass(frozen=True)
class Town:
    """A control plane, and the chart's objects as they were rendered and applied."""

    cluster: ControlPlane
    rendered: list[Object]

    @property
    def apiserver(self) -> Child:
        assert self.cluster.apiserver is not None, "it runs for as long as the `with` block of `town`"
        return self.cluster.apiserver

    def config(self, tenant: str, **isolation: Any) -> Object:
        """The sentinel.yaml of a tenant as rendered, but for the settings named."""
        found: Object = yaml.safe_load(chart.configuration(self.rendered, tenant))
        return {**found, "isolation": {**found["isolation"], **isolation}}

    def sentinel(self, tenant: str, config: Object | None = None) -> Sentinel:
        """Its sentinel as in its pod, with the rendered configuration unless told another."""
        return Sentinel(self.cluster, config or self.config(tenant), namespace=tenant)

    def data(self, name: str) -> dict[str, str]:
        """The content of a ConfigMap that the chart leaves in the release's namespace."""
        content: dict[str, str] = chart.one(self.rendered, "ConfigMap", name, chart.RELEASE)["data"]
        return content


def tenants(count: int) -> list[str]:
    return [f"team-{number}" for number in range(1, count + 1)]


@contextmanager
def town(count: int, *, witnessed: bool = False) -> Iterator[Town]:
    """So many tenants of one namespace each, and no Prometheus Operator. `witnessed`: installed with a witness."""
    chosen = (chart.witnessed if witnessed else chart.values)(monitor={"enabled": False})
    chosen["tenants"] = [{"name": name, "namespaces": [name]} for name in tenants(count)]
    rendered = chart.render(chosen)
    with ControlPlane() as cluster:
        cluster.admin.apply(*(manifests.namespace(name) for name in (*tenants(count), chart.RELEASE)))
        cluster.admin.apply(*rendered)
        yield Town(cluster, rendered)


def tenants_for(targets: int) -> int:
    """How many tenants make so many targets for each of their sentinels."""
    return targets - SYSTEM + 1


def readers(namespace: str) -> Object:
    """The Role to which a hole binds."""
    return manifests.role(namespace, "readers", manifests.rule(["get", "list"], ["secrets"]))


def hole(reader: str, victim: str) -> Object:
    """A RoleBinding that lets one tenant's sentinel read another's secrets."""
    return manifests.role_binding(victim, f"hole-{reader}", manifests.of_account(reader), role="readers")
