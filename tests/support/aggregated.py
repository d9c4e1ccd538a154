"""An aggregated API: an APIService of the real API server, and the small server behind it.

    with AggregatedApi(cluster) as api:            # gizmos.metal.example.com/v1, in namespaces
        cluster.admin.request("GET", "/apis/metal.example.com/v1/namespaces/team-b/gizmos")

The front authenticates and authorizes, then hands the request on as it is, `Accept` included, and
the reply back as it is, headers included. `serve` is what the backend makes of an object's path.
"""

from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from tests.support.callback import Answer, Call, Callback
from tests.support.controlplane import ControlPlane
from tests.support.eventually import eventually
from tests.support.manifests import Dict

GROUP = "metal.example.com"
VERSION = "v1"
PLURAL, KIND = "gizmos", "Gizmo"
ROOT = f"/apis/{GROUP}/{VERSION}"
AVAILABLE = 60.0
"""Seconds until the front believes in it: one or two are usual."""
VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]


def ignores_accept(call: Call) -> Answer:
    """A careless backend: the list with everything in it, whatever form was asked for.

    Nothing of it can be deleted: a namespace with such things in it never ends.
    """
    item: Dict = {"apiVersion": f"{GROUP}/{VERSION}", "kind": KIND, "metadata": {"name": "x"}, "secret": "of-team-b"}
    return Answer(200, _list(item))


def honours_accept(call: Call) -> Answer:
    """One built with the API server's own library: 406 to a form that it has not. It has nothing to give."""
    if call.headers.get("accept") != "image/png":
        return Answer(200, _list())
    status: Dict = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "message": "406: Not Acceptable",
        "code": 406,
    }
    return Answer(406, status)


def _list(*items: Dict) -> Dict:
    return {"kind": f"{KIND}List", "apiVersion": f"{GROUP}/{VERSION}", "metadata": {}, "items": [*items]}


def forges_denial(user: str) -> Callable[[Call], Answer]:
    """The authorizer's own 403, word for word, about whoever is named here, with every header of it."""

    def answer(call: Call) -> Answer:
        namespace = call.path.split("/namespaces/")[-1].split("/")[0]
        message = (
            f'{PLURAL}.{GROUP} is forbidden: User "{user}" cannot list resource "{PLURAL}" '
            f'in API group "{GROUP}" in the namespace "{namespace}"'
        )
        body: Dict = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message}
        body |= {"reason": "Forbidden", "details": {"group": GROUP, "kind": PLURAL}, "code": 403}
        return Answer(403, body, (("X-Content-Type-Options", "nosniff"), ("Cache-Control", "no-cache, private")))

    return answer


class AggregatedApi:
    """Served while the `with` block lasts, by the API server and by the backend.

    group: another one, for a second aggregated API on the same API server.
    """

    def __init__(
        self,
        cluster: ControlPlane,
        serve: Callable[[Call], Answer] = honours_accept,
        *,
        group: str = GROUP,
        namespace: str = "default",
    ) -> None:
        self.serve = serve
        self.group = group
        self.root = f"/apis/{group}/{VERSION}"
        self._cluster = cluster
        self._namespace = namespace
        self.backend = Callback(cluster, self._answer)

    def __enter__(self) -> Self:
        self.backend.__enter__()
        try:
            self._cluster.admin.apply(self.service, self.registration)
            eventually(self.is_served, AVAILABLE, lambda: f"{self.group} is served: {self._status()}")
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
            self._cluster.admin.delete(self.registration, self.service)
        finally:
            self.backend.__exit__(kind, error, trace)

    @property
    def service(self) -> Dict:
        """By a name and not by endpoints, which may not be on loopback."""
        return {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"namespace": self._namespace, "name": self.group.replace(".", "-")},
            "spec": {"type": "ExternalName", "externalName": "localhost", "ports": [{"port": self.backend.port}]},
        }

    @property
    def registration(self) -> Dict:
        service = self.service["metadata"] | {"port": self.backend.port}
        spec = {
            "group": self.group,
            "version": VERSION,
            "groupPriorityMinimum": 1000,
            "versionPriority": 10,
            # The front asks for the name `<service>.<namespace>.svc`, which our certificate has not.
            "insecureSkipTLSVerify": True,
            "service": service,
        }
        name = f"{VERSION}.{self.group}"
        return {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {"name": name},
            "spec": spec,
        }

    def is_served(self) -> bool:
        """Through the front, and in what the front says that it serves."""
        seen = self._cluster.admin.request("GET", self.root).status == 200
        groups = self._cluster.admin.must("GET", "/apis")["groups"]
        return seen and any(found["name"] == self.group for found in groups)

    def reads(self) -> list[Call]:
        """What came to the backend about objects."""
        return [call for call in self.backend.calls if f"/{PLURAL}" in call.path]

    def _status(self) -> Any:
        return self._cluster.admin.get(self.registration).get("status")

    def _answer(self, call: Call) -> Answer:
        path = call.path.partition("?")[0].rstrip("/")
        if path == self.root:
            return Answer(200, self._types())
        if f"/{PLURAL}" in path:
            return self.serve(call)
        return Answer(404, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404})

    def _types(self) -> Dict:
        row = {"name": PLURAL, "singularName": "gizmo", "namespaced": True, "kind": KIND, "verbs": VERBS}
        return {
            "kind": "APIResourceList",
            "apiVersion": "v1",
            "groupVersion": f"{self.group}/{VERSION}",
            "resources": [row],
        }
