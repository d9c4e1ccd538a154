"""A control plane of our own: etcd, kube-apiserver and, where wanted, its manager.

    with ControlPlane() as cluster:
        cluster.admin.apply(manifests.namespace("team-a"), manifests.account("team-a"))
        token = cluster.token_for("team-a", "sentinel")

Without a manager a new namespace gets no `default` account, a deleted one stays
Terminating, and the ClusterRoles view, edit and admin have no rules.
"""

import contextlib
import ssl
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

from tests import parts
from tests.support.apiclient import ApiClient
from tests.support.authority import AccountKey, Authority
from tests.support.child import Child
from tests.support.eventually import eventually
from tests.support.ports import free_port

ISSUER = "https://kubernetes.default.svc.cluster.local"
ADMIN = "only-for-tests"
START = 60.0
"""Seconds to become ready: 3 to 5 are usual here, the rest is for a busy machine."""

CONTROLLERS = (
    "serviceaccount-controller",
    "root-ca-certificate-publisher-controller",
    "namespace-controller",
    "clusterrole-aggregation-controller",
)
"""What the tests miss without a manager, and nothing that needs nodes."""


class ControlPlane:
    """Ready when the `with` block begins. `url` and `ca_file` stay the same over restarts.

    flags: the API server's, over ours; None takes one away. `flags` may be changed
    between a stop and a start.
    controllers: names for the controller manager, none for no manager.
    """

    def __init__(
        self,
        *,
        anonymous: bool = True,
        flags: Mapping[str, str | None] | None = None,
        controllers: Sequence[str] = (),
    ) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="sentinel-cluster-")
        self.folder = Path(self._temporary.name)
        self._port, self._etcd_port, self._peer_port = free_port(), free_port(), free_port()
        self.flags: dict[str, str | None] = {"anonymous-auth": str(anonymous).lower()}
        self.flags |= flags or {}
        self._controllers = tuple(controllers)
        self.authority = Authority(self.folder)
        self.account_key = AccountKey(self.folder, ISSUER)
        self.url = f"https://127.0.0.1:{self._port}"
        self.ca_file = self.authority.ca_file
        self.admin = self.client(ADMIN)
        self._etcd: Child | None = None
        self._manager: Child | None = None
        self.apiserver: Child | None = None

    def __enter__(self) -> Self:
        try:
            self._start_etcd()
            self.start_apiserver()
            if self._controllers:
                self._start_manager()
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
        # Nothing of it is kept, so nothing needs to end in good order.
        for server in (self._manager, self.apiserver, self._etcd):
            if server:
                server.kill()
        self._temporary.cleanup()

    @property
    def host(self) -> str:
        return "127.0.0.1"

    @property
    def port(self) -> int:
        return self._port

    def client(self, token: str | None) -> ApiClient:
        """Requests with this token; None: as anonymous."""
        return ApiClient(self.url, self.ca_file, token)

    def account(self, namespace: str, name: str = "sentinel") -> ApiClient:
        """Requests as this ServiceAccount."""
        return self.client(self.token_for(namespace, name))

    def token_for(
        self,
        namespace: str,
        name: str = "sentinel",
        *,
        audiences: Sequence[str] | None = None,
        seconds: int = 3600,
        pod: dict[str, Any] | None = None,
    ) -> str:
        """A token as a kubelet gets it, through TokenRequest (600 s at least); with `pod`, bound to it."""
        spec: dict[str, Any] = {"expirationSeconds": seconds, "audiences": list(audiences or [])}
        if pod is not None:
            meta = pod["metadata"]
            spec["boundObjectRef"] = {"apiVersion": "v1", "kind": "Pod", "name": meta["name"], "uid": meta["uid"]}
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
        return str(self.admin.must("POST", path, body)["status"]["token"])

    def signed_token(self, namespace: str, name: str = "sentinel", *, seconds: float) -> str:
        """A token of the cluster's own key; negative `seconds`: it expired that long ago.

        The API server lets an expired one through for 60 s more (clock skew).
        """
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}"
        uid = self.admin.must("GET", path)["metadata"]["uid"]
        return self.sign(self.account_key.claims(namespace, name, uid, seconds))

    def sign(self, claims: dict[str, Any]) -> str:
        """A token with exactly these claims, signed as the API server signs its own."""
        return self.account_key.sign(claims)

    def kubeconfig(self, path: Path, token: str) -> Path:
        """Writes a kubeconfig for this token to `path`."""
        cluster = {"server": self.url, "certificate-authority": str(self.ca_file)}
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "tests", "cluster": cluster}],
            "users": [{"name": "tests", "user": {"token": token}}],
            "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": "tests"}}],
            "current-context": "tests",
        }
        path.write_text(yaml.safe_dump(content))
        return path

    def start_apiserver(self) -> None:
        """On the same port, with the same data; returns when it is ready."""
        self.apiserver = self._start("kube-apiserver", self._apiserver_flags())
        self._wait(self.apiserver, self.is_ready)

    def stop_apiserver(self) -> None:
        """SIGTERM, and waits for its end."""
        if self.apiserver:
            self.apiserver.terminate()

    def kill_apiserver(self) -> None:
        """SIGKILL: it is gone when this returns."""
        if self.apiserver:
            self.apiserver.kill()

    def is_ready(self) -> bool:
        with contextlib.suppress(ssl.SSLError):
            return self.admin.request("GET", "/readyz", timeout=5).status == 200
        return False

    def _start(self, name: str, flags: Mapping[str, str | None]) -> Child:
        words = [f"--{flag}={value}" for flag, value in flags.items() if value is not None]
        return Child([parts.find(name), *words], self.folder / f"{name}.log")

    def _wait(self, server: Child, ready: Callable[[], bool]) -> None:
        def look() -> bool:
            server.must_run()
            return ready()

        eventually(look, START, lambda: f"{server.name} is ready\n{server.log_tail()}")

    def _start_etcd(self) -> None:
        url, peer = (f"http://127.0.0.1:{port}" for port in (self._etcd_port, self._peer_port))
        self._etcd = self._start(
            "etcd",
            {
                "data-dir": str(self.folder / "etcd"),
                "listen-client-urls": url,
                "advertise-client-urls": url,
                "listen-peer-urls": peer,
                "initial-advertise-peer-urls": peer,
                "initial-cluster": f"default={peer}",
                # The data need not survive the machine, only the API server.
                "unsafe-no-fsync": "true",
                "log-level": "warn",
            },
        )

    def _apiserver_flags(self) -> dict[str, str | None]:
        tokens = self.folder / "tokens.csv"
        tokens.write_text(f'{ADMIN},admin,admin,"system:masters"\n')
        tokens.chmod(0o600)
        return {
            "etcd-servers": f"http://127.0.0.1:{self._etcd_port}",
            "bind-address": "127.0.0.1",
            "secure-port": str(self._port),
            "tls-cert-file": str(self.authority.certificate_file),
            "tls-private-key-file": str(self.authority.key_file),
            "authorization-mode": "RBAC",
            "token-auth-file": str(tokens),
            "service-account-issuer": ISSUER,
            "service-account-key-file": str(self.account_key.public_file),
            "service-account-signing-key-file": str(self.account_key.private_file),
            "service-cluster-ip-range": "10.0.0.0/24",
            # It has no address to advertise but loopback, which endpoints may not hold.
            "endpoint-reconciler-type": "none",
            "profiling": "false",
        } | self.flags

    def _start_manager(self) -> None:
        config = str(self.kubeconfig(self.folder / "manager.kubeconfig", ADMIN))
        self._manager = self._start(
            "kube-controller-manager",
            {
                "kubeconfig": config,
                "controllers": ",".join(self._controllers),
                "root-ca-file": str(self.ca_file),
                "service-account-private-key-file": str(self.account_key.private_file),
                "leader-elect": "false",
                "secure-port": "0",
            },
        )
        self._wait(self._manager, self._manager_has_worked)

    def _manager_has_worked(self) -> bool:
        accounts = "/api/v1/namespaces/default/serviceaccounts/default"
        view = "/apis/rbac.authorization.k8s.io/v1/clusterroles/view"
        done: dict[str, Callable[[], object]] = {
            "serviceaccount-controller": lambda: self.admin.request("GET", accounts).status == 200,
            "clusterrole-aggregation-controller": lambda: self.admin.must("GET", view)["rules"],
        }
        return all(done[name]() for name in self._controllers if name in done)
