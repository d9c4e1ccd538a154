"""A webhook authorizer behind RBAC, as policy engines and clouds have it, that does what a test wants.

    authorizer = WebhookAuthorizer(authority_of=cluster)
    cluster.flags |= authorizer.flags        # and start the API server again

It is asked only what RBAC did not allow. `answer` decides: no opinion, a denial, a grant, an
evaluation error, an error, or silence until the API server's own time-out.
"""

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import yaml

from tests.support.callback import Answer, Call, Callback
from tests.support.controlplane import ControlPlane
from tests.support.manifests import Dict

TIMEOUT = 300
"""Milliseconds that the API server waits for it; an error is asked again five times, silence is not."""

Attributes = Callable[[Dict], Dict]


def says(status: Dict) -> Callable[[Call], Answer]:
    def answer(call: Call) -> Answer:
        asked = call.json
        return Answer(200, {"apiVersion": asked["apiVersion"], "kind": asked["kind"], "status": status})

    return answer


no_opinion = says({"allowed": False})
denies = says({"allowed": False, "denied": True, "reason": "no policy matched"})
errs = says({"allowed": False, "evaluationError": "the policy engine has no policies"})


def breaks(call: Call) -> Answer:
    """An error of its own, as a policy engine says it that is restarting."""
    return Answer(500, b"internal error")


def hangs(call: Call) -> Answer:
    """Takes the question and says nothing."""
    return Answer(200, b"", delay=60.0)


def grants(user: str, verb: str, resource: str, namespace: str) -> Callable[[Call], Answer]:
    """Allows just this; no opinion about the rest."""
    wanted = {"verb": verb, "resource": resource, "namespace": namespace}

    def answer(call: Call) -> Answer:
        spec = call.json["spec"]
        asked = spec.get("resourceAttributes", {})
        fits = spec["user"] == user and all(asked.get(key) == value for key, value in wanted.items())
        return (says({"allowed": True, "reason": "policy 17"}) if fits else no_opinion)(call)

    return answer


class WebhookAuthorizer:
    """Answers while the `with` block lasts; `flags` make the API server ask it.

    cached: seconds for which the API server keeps what it said (none by default).
    """

    def __init__(self, cluster: ControlPlane, *, cached: int = 0) -> None:
        self._cluster = cluster
        self._cached = cached
        self.server = Callback(cluster, no_opinion)

    def __enter__(self) -> Self:
        self.server.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.server.__exit__(kind, error, trace)

    @property
    def answer(self) -> Callable[[Call], Answer]:
        return self.server.answer

    @answer.setter
    def answer(self, chosen: Callable[[Call], Answer]) -> None:
        self.server.answer = chosen

    @property
    def flags(self) -> dict[str, str | None]:
        """Over the API server's; the file is beside its others."""
        file = self._cluster.folder / "authorization.yaml"
        file.write_text(yaml.safe_dump(self._chain(self._kubeconfig())))
        return {"authorization-mode": None, "authorization-config": str(file)}

    def _kubeconfig(self) -> Path:
        cluster = {"server": self.server.url, "certificate-authority": str(self._cluster.ca_file)}
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "authorizer", "cluster": cluster}],
            "users": [{"name": "apiserver", "user": {}}],
            "contexts": [{"name": "authorizer", "context": {"cluster": "authorizer", "user": "apiserver"}}],
            "current-context": "authorizer",
        }
        path = self._cluster.folder / "authorizer.kubeconfig"
        path.write_text(yaml.safe_dump(content))
        return path

    def _chain(self, kubeconfig: Path) -> Dict:
        webhook = {
            "timeout": f"{TIMEOUT}ms",
            "authorizedTTL": f"{self._cached}s",
            "unauthorizedTTL": f"{self._cached}s",
            "cacheAuthorizedRequests": bool(self._cached),
            "cacheUnauthorizedRequests": bool(self._cached),
            "subjectAccessReviewVersion": "v1",
            "matchConditionSubjectAccessReviewVersion": "v1",
            "failurePolicy": "NoOpinion",
            "connectionInfo": {"type": "KubeConfigFile", "kubeConfigFile": str(kubeconfig)},
        }
        authorizers = [{"type": "RBAC", "name": "rbac"}, {"type": "Webhook", "name": "webhook", "webhook": webhook}]
        return {
            "apiVersion": "apiserver.config.k8s.io/v1",
            "kind": "AuthorizationConfiguration",
            "authorizers": authorizers,
        }
