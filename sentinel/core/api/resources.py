"""The types of things we ask about, and the class of promise each belongs to.

The list is closed: a check class is a Prometheus label. What a cluster serves beyond it is
found by the trip-wire, and judged under `api/custom` or the class that `check_of` gives.
"""

from dataclasses import dataclass

BEACON = "sentinel-beacon"
DECOY = "sentinel-decoy"
DECOY_CLOSED = "sentinel-decoy-closed"
ABSENT_NAME = "sentinel-absent"
"""A name no object has: the answer to a named question does not depend on the object."""
ABSENT_NAMESPACE = "sentinel-absent-namespace"
"""A review of a namespace that does not exist shows the cluster-wide rules, and only those."""


@dataclass(frozen=True, slots=True)
class Resource:
    """One type the API server serves; `group` is empty for the core group."""

    plural: str
    group: str
    version: str
    check: str
    namespaced: bool = True

    @property
    def label(self) -> str:
        """As `kubectl` writes it: `secrets`, `deployments.apps`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def root(self) -> str:
        """The path under which its group and version are served."""
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"


_TABLE = """
api/secrets     secrets
api/configmaps  configmaps
api/workloads   pods deployments.apps statefulsets.apps daemonsets.apps jobs.batch cronjobs.batch
api/access      serviceaccounts roles.rbac.authorization.k8s.io rolebindings.rbac.authorization.k8s.io
api/metadata    events events.events.k8s.io endpointslices.discovery.k8s.io services
api/metadata    leases.coordination.k8s.io persistentvolumeclaims ingresses.networking.k8s.io
api/metadata    networkpolicies.networking.k8s.io
"""
_FURTHER = """
api/workloads   replicasets.apps replicationcontrollers
api/metadata    endpoints
"""
_CLUSTER_WIDE = """
api/access      clusterroles.rbac.authorization.k8s.io clusterrolebindings.rbac.authorization.k8s.io
api/metadata    nodes certificatesigningrequests.certificates.k8s.io
api/metadata    mutatingwebhookconfigurations.admissionregistration.k8s.io
api/metadata    validatingwebhookconfigurations.admissionregistration.k8s.io
"""
_VIRTUAL = """
api/escalation  users groups uids signers.certificates.k8s.io
api/escalation  users.authentication.k8s.io groups.authentication.k8s.io uids.authentication.k8s.io
api/escalation  nodes.authentication.k8s.io userextras.authentication.k8s.io
"""


def _parse(table: str, *, namespaced: bool = True) -> tuple[Resource, ...]:
    rows = []
    for line in table.split("\n"):
        check, *labels = line.split() or [""]
        for label in labels:
            plural, _, group = label.partition(".")
            rows.append(Resource(plural, group, "v1", check, namespaced))
    return tuple(rows)


NAMESPACES = Resource("namespaces", "", "v1", "api/metadata", namespaced=False)
RESOURCES = (*_parse(_TABLE), NAMESPACES)
"""What is read by plan."""
SECRETS = RESOURCES[0]
CONFIGMAPS = RESOURCES[1]
FURTHER = (*_parse(_FURTHER), *_parse(_CLUSTER_WIDE, namespaced=False))
"""What is not read by plan, and may be written, proxied to or bound."""
VIRTUAL = (
    *_parse(_VIRTUAL, namespaced=False),
    *_parse("api/escalation serviceaccounts.authentication.k8s.io"),
)
"""What only the authorizer knows: such a type is served nowhere, and in no discovery."""

CHECKS = (
    "api/secrets",
    "api/configmaps",
    "api/workloads",
    "api/access",
    "api/metadata",
    "api/exec",
    "api/escalation",
    "api/custom",
)

_BY_LABEL = {resource.label: resource for resource in (*RESOURCES, *FURTHER, *VIRTUAL)}
_SERVED_BY_ITSELF = """
apps autoscaling batch policy admissionregistration.k8s.io apiextensions.k8s.io apiregistration.k8s.io
authentication.k8s.io authorization.k8s.io certificates.k8s.io coordination.k8s.io discovery.k8s.io
events.k8s.io flowcontrol.apiserver.k8s.io internal.apiserver.k8s.io networking.k8s.io node.k8s.io
rbac.authorization.k8s.io resource.k8s.io scheduling.k8s.io storage.k8s.io storagemigration.k8s.io
"""
_OWN_GROUPS = frozenset({"", *_SERVED_BY_ITSELF.split()})
_BUILT_IN_GROUPS = (*_OWN_GROUPS, "extensions")
_AS_GOOD_AS_BEING_THERE = ("log", "exec", "attach", "portforward", "proxy", "ephemeralcontainers")


def named(label: str) -> Resource:
    """The type of our own lists with this label; a KeyError is our own mistake."""
    return _BY_LABEL[label]


def known(plural: str, group: str) -> Resource | None:
    """The type of our own lists with this name, None when it is not ours."""
    return _BY_LABEL.get(f"{plural}.{group}" if group else plural)


def is_own(group: str) -> bool:
    """Whether the API server itself serves this group, and no backend behind it that may do as it likes."""
    return group in _OWN_GROUPS


def check_of(plural: str, group: str, subresource: str = "", *, write: bool = False) -> str:
    """The class of promise that a question about this type belongs to."""
    if subresource in _AS_GOOD_AS_BEING_THERE:
        return "api/exec"
    if write:
        return "api/escalation"
    resource = known(plural, group)
    if resource is not None:
        return resource.check
    built_in = group in _BUILT_IN_GROUPS or group.endswith(".k8s.io")
    return "api/metadata" if built_in else "api/custom"
