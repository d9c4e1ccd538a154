"""What may be given away, one row per question class: the verb, the type, and what a page must call it.

The RBAC words and the promise (`check`) are written down here by hand. `probe` is what the question
is asked of by name, where that is not the name of our choice: a rule with `resourceNames` is about it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

RBAC = "rbac.authorization.k8s.io"
CERTIFICATES = "certificates.k8s.io"
ADMISSION = "admissionregistration.k8s.io"
CHAOS = "chaos-mesh.org"
OWN = "acme.example.com"
AGGREGATED = "metal.example.com"


@dataclass(frozen=True)
class Class:
    """`verb` on `plural[/sub].group`; `wide`: it exists at cluster scope only."""

    check: str
    verb: str
    plural: str
    group: str = ""
    sub: str = ""
    wide: bool = False

    @property
    def resource(self) -> str:
        """As a rule names it."""
        return f"{self.plural}/{self.sub}" if self.sub else self.plural

    @property
    def label(self) -> str:
        """As `kubectl` writes the type."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def text(self) -> str:
        return f"{self.verb} {self.label}" + (f"/{self.sub}" if self.sub else "")

    @property
    def key(self) -> tuple[str, str, str]:
        return self.verb, self.label, self.sub


def _rows(check: str, verbs: str, types: str, *, wide: bool = False) -> Iterator[Class]:
    for verb in verbs.split():
        for found in types.split():
            label, _, sub = found.partition("/")
            plural, _, group = label.partition(".")
            yield Class(check, verb, plural, group, sub, wide)


READS = (
    *_rows("api/secrets", "list get", "secrets"),
    *_rows("api/configmaps", "list get", "configmaps"),
    *_rows(
        "api/workloads",
        "list get",
        "pods deployments.apps statefulsets.apps daemonsets.apps jobs.batch cronjobs.batch",
    ),
    *_rows("api/access", "list get", f"serviceaccounts roles.{RBAC} rolebindings.{RBAC}"),
    *_rows("api/metadata", "list get", "events events.events.k8s.io endpointslices.discovery.k8s.io services"),
    *_rows("api/metadata", "list get", "leases.coordination.k8s.io persistentvolumeclaims"),
    *_rows("api/metadata", "list get", "ingresses.networking.k8s.io networkpolicies.networking.k8s.io"),
    *_rows("api/metadata", "list get", "namespaces", wide=True),
    *_rows("api/configmaps", "watch", "configmaps"),
    *_rows("api/workloads", "watch", "pods"),
    *_rows("api/access", "watch", f"roles.{RBAC}"),
    *_rows("api/metadata", "watch", "events"),
)
"""What is simply read."""

AS_GOOD_AS_READING = (
    *_rows("api/secrets", "watch patch deletecollection", "secrets"),
    *_rows("api/exec", "get", "pods/log"),
    *_rows("api/exec", "create get", "pods/exec pods/attach pods/portforward pods/proxy services/proxy"),
    *_rows("api/exec", "patch update", "pods/ephemeralcontainers"),
    *_rows("api/exec", "create get", "nodes/proxy", wide=True),
)
"""What gives the same away by another door."""

POWER = (
    *_rows("api/escalation", "create", "serviceaccounts/token"),
    *_rows("api/escalation", "impersonate", "serviceaccounts"),
    *_rows("api/escalation", "impersonate", "users groups", wide=True),
    *_rows("api/escalation", "impersonate:serviceaccount", "serviceaccounts.authentication.k8s.io"),
    *_rows("api/escalation", "impersonate:user-info", "users.authentication.k8s.io", wide=True),
    *_rows("api/escalation", "escalate bind", f"roles.{RBAC}"),
    *_rows("api/escalation", "escalate bind", f"clusterroles.{RBAC}", wide=True),
    *_rows("api/escalation", "create", f"certificatesigningrequests.{CERTIFICATES}", wide=True),
    *_rows("api/escalation", "update patch", f"certificatesigningrequests.{CERTIFICATES}/approval", wide=True),
    *_rows("api/escalation", "approve sign", f"signers.{CERTIFICATES}", wide=True),
    *_rows(
        "api/escalation",
        "create patch",
        f"mutatingwebhookconfigurations.{ADMISSION} validatingwebhookconfigurations.{ADMISSION}",
        wide=True,
    ),
    *_rows("api/escalation", "patch", "namespaces"),
    *_rows("api/escalation", "create patch", "endpoints endpointslices.discovery.k8s.io"),
    *_rows("api/escalation", "create", "pods deployments.apps statefulsets.apps daemonsets.apps replicasets.apps"),
    *_rows("api/escalation", "create", "jobs.batch cronjobs.batch replicationcontrollers secrets"),
    *_rows("api/escalation", "create patch", f"roles.{RBAC} rolebindings.{RBAC}"),
    *_rows("api/escalation", "update delete", "secrets configmaps deployments.apps"),
    *_rows("api/escalation", "patch", "pods deployments.apps services"),
    *_rows("api/escalation", "create patch", f"clusterroles.{RBAC} clusterrolebindings.{RBAC}", wide=True),
)
"""What lets one take the rest."""

STRANGE = (
    *_rows("api/custom", "list get watch", f"networkchaos.{CHAOS} widgets.{OWN} gizmos.{AGGREGATED}"),
    *_rows("api/escalation", "create patch", f"networkchaos.{CHAOS} widgets.{OWN} gizmos.{AGGREGATED}"),
)
"""Types that the cluster has and Kubernetes has not: Chaos Mesh's, one of our own, an aggregated one."""

CLASSES = (*READS, *AS_GOOD_AS_READING, *POWER, *STRANGE)


def named(text: str) -> Class:
    """The class with this text, e.g. `create pods/exec`."""
    (found,) = (row for row in CLASSES if row.text == text)
    return found
