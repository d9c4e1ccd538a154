"""The witness's look at a tenant's people, in process: reviews, and the roles and bindings as they are now.

What the watch would have told by then is listed here before each round; the watch has its own tests.
"""

from pathlib import Path

from sentinel.core.api import rbac_object
from sentinel.core.api.rbac import Rbac, who_of_account
from sentinel.engine.book import Book
from sentinel.engine.round import RoundRunner
from sentinel.joins.subject import PEOPLE, lanes_of
from sentinel.joins.watching import OwnToken
from sentinel.probes.group_review import GroupReview
from sentinel.settings.identities import OWN_ACCOUNT
from sentinel.sinks.metrics import Metrics
from tests.cluster.lookout import Lookout
from tests.cluster.matrix import ways
from tests.deploy import chart
from tests.support.controlplane import ControlPlane

ACCOUNT = "sentinel-witness"
_LISTS = {"Role": "roles", "ClusterRole": "clusterroles"}
_BINDINGS = {"RoleBinding": "rolebindings", "ClusterRoleBinding": "clusterrolebindings"}


class PeopleLookout(Lookout):
    """Of team-a's groups."""

    def __init__(self, cluster: ControlPlane, folder: Path, config: str) -> None:
        super().__init__(cluster, folder, config, namespace=chart.RELEASE, account=ACCOUNT, subject=ways.TENANT)
        self._cluster = cluster
        settings = self.world.settings
        self.plan = lanes_of(settings)[f"{ways.TENANT}{PEOPLE}"]
        self.metrics_sink = Metrics()
        self.metrics_sink.expect(self.plan)
        self.book = Book(self.plan, self.clock.wall(), (self.metrics_sink, self))
        probe = GroupReview(
            endpoint=self.world.endpoint,
            source=OwnToken(self.world.endpoint),
            expect=f"system:serviceaccount:{chart.RELEASE}:{ACCOUNT}",
            identities=self.plan.scope.accounts,
            sentinel=who_of_account(settings.home, OWN_ACCOUNT),
            own_namespace=settings.home,
            home=settings.isolation.release,
            targets=self.plan.scope.targets,
            timeout=self.plan.scope.timeout,
            every=self.plan.every,
            clock=self.clock,
            rbac=self._listed,
            fresh=lambda: True,
        )
        self.runner = RoundRunner(probe, self.book, self.clock)

    def _listed(self) -> Rbac:
        roles = (rbac_object.role(item, kind) for kind, plural in _LISTS.items() for item in self._items(plural))
        bindings = (rbac_object.binding(i, kind) for kind, plural in _BINDINGS.items() for i in self._items(plural))
        return Rbac.of([*roles, *bindings])

    def _items(self, plural: str) -> list[chart.Object]:
        return list(self._cluster.admin.must("GET", f"/apis/rbac.authorization.k8s.io/v1/{plural}")["items"])
