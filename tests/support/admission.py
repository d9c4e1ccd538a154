"""An admission webhook that denies whatever is changed in some namespaces.

    with DenyingWebhook(cluster, "team-b") as webhook:
        ...                                   # each create, update, delete and connect there: 403

Its 403 comes after authorization, and has none of the authorizer's words and headers.
"""

from types import TracebackType
from typing import Any, Self

from tests.support.callback import Answer, Call, Callback
from tests.support.controlplane import ControlPlane
from tests.support.eventually import eventually
from tests.support.manifests import Dict, config_map

WORDS = "nothing may change here"
TRIAL = "admission-trial"
ACTIVE = 30.0
"""Seconds until the API server asks it: usually less than one."""


class DenyingWebhook:
    """Denies while the `with` block lasts. `namespaces` are those it is asked about."""

    def __init__(self, cluster: ControlPlane, *namespaces: str, name: str = "denying") -> None:
        self._cluster = cluster
        self._namespaces = namespaces
        self._name = name
        self.server = Callback(cluster, denies)

    def __enter__(self) -> Self:
        self.server.__enter__()
        try:
            self._cluster.admin.apply(self.registration)
            eventually(self.is_asked, ACTIVE, "the webhook is asked")
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._cluster.admin.delete(self.registration)
        finally:
            self.server.__exit__(kind, error, trace)

    @property
    def registration(self) -> Dict:
        everything = {"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*/*"]}
        chosen = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": list(self._namespaces)}
        hook = {
            "name": f"{self._name}.example.com",
            "admissionReviewVersions": ["v1"],
            "clientConfig": {"url": self.server.url, "caBundle": self.server.ca_bundle},
            "rules": [everything | {"scope": "Namespaced"}],
            "namespaceSelector": {"matchExpressions": [chosen]},
            "sideEffects": "None",
            "failurePolicy": "Fail",
        }
        return {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": self._name},
            "webhooks": [hook],
        }

    def is_asked(self) -> bool:
        """Whether a harmless create, which is never stored, is denied by it."""
        trial = config_map(self._namespaces[0], TRIAL)
        path = f"/api/v1/namespaces/{self._namespaces[0]}/configmaps?dryRun=All"
        reply = self._cluster.admin.request("POST", path, trial)
        return reply.status == 403 and WORDS in reply.message


def denies(call: Call) -> Answer:
    """A 403 with words of its own, to every review."""
    return Answer(200, review(call, {"allowed": False, "status": {"code": 403, "message": WORDS}}))


def review(call: Call, response: Dict) -> Dict:
    asked: Any = call.json
    told = response | {"uid": asked["request"]["uid"]}
    return {"apiVersion": asked["apiVersion"], "kind": asked["kind"], "response": told}
