"""Two tenants on an API server of their own, and a front before it that can lie."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import trustme

from tests.cluster.lookout import Lookout
from tests.deploy import chart
from tests.support import manifests
from tests.support.controlplane import CONTROLLERS, ControlPlane
from tests.support.proxy import Proxy

NAMESPACES = ("sentinel-system", "team-a", "team-b")
MOST_ROUNDS = 40
"""Until everything is proven: two rounds are usual, and a busy machine answers some questions late."""


@dataclass
class Ground:
    """`look` is the sentinel of team-a, a new one for each test; `people` signs the certificates of persons."""

    cluster: ControlPlane
    front: Proxy
    objects: list[chart.Object]
    people: trustme.CA
    look: Lookout = field(init=False)

    @property
    def door(self) -> chart.Object:
        return chart.one(self.objects, "RoleBinding", "sentinel-door", "team-b")

    @property
    def decoy(self) -> chart.Object:
        return next(
            found
            for found in chart.of_kind(self.objects, "RoleBinding")
            if found["metadata"]["namespace"] == "sentinel-system" and "decoy" in found["metadata"]["name"]
        )

    @property
    def own_binding(self) -> chart.Object:
        return chart.one(self.objects, "RoleBinding", "sentinel", "team-a")

    def install(self) -> None:
        """What the chart gives, again: whatever a test took away is back."""
        self.cluster.admin.apply(*(manifests.namespace(name) for name in NAMESPACES))
        self.cluster.admin.apply(*self.objects)


@contextmanager
def prepared() -> Iterator[Ground]:
    tenants = [{"name": name, "namespaces": [name]} for name in ("team-a", "team-b")]
    # 0.02 makes rounds of 200 ms; the tiers come round within five of them.
    config = {"isolation": {"within": "50s", "sweep": "50s", "qps": 20_000}}
    values = {"tenants": tenants, "timeScale": 0.02, "config": config, "monitor": {"enabled": False}}
    cluster, people = ControlPlane(controllers=CONTROLLERS), trustme.CA()
    people.cert_pem.write_to_path(str(cluster.folder / "people.crt"))
    cluster.flags["client-ca-file"] = str(cluster.folder / "people.crt")
    with cluster, Proxy(cluster) as front:
        made = Ground(cluster, front, chart.render(chart.values() | values), people)
        made.install()
        cluster.admin.apply(manifests.account("team-a", "other"))
        yield made
