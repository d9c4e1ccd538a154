"""Where the API server is and how it proves itself: in a pod read directly, else from a kubeconfig.

A pod needs three files and two variables; the library that reads kubeconfigs costs 70 MiB and is
imported only by those who have one.
"""

import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sentinel.clients.tokens import FileToken, Source
from sentinel.errors import OwnFault

SERVICE_ACCOUNT_DIR = "/var/run/secrets/kubernetes.io/serviceaccount"


@dataclass
class Endpoint:
    """The API server's address, its CA, and the source of `own` tokens."""

    url: str
    own: Source
    ca_file: Path | None = None
    tls: ssl.SSLContext | None = None
    in_pod: bool = False
    refresh: Callable[[], Awaitable[None]] | None = None  # renews the own token, where a file says
    _seen: int = field(default=0, repr=False)

    def trust(self) -> ssl.SSLContext | None:
        """The TLS context; made again when the CA file changed. Raises OwnFault."""
        if self.ca_file is None:
            return self.tls
        try:
            mark = self.ca_file.stat().st_mtime_ns
            if self.tls is None or mark != self._seen:
                self.tls, self._seen = ssl.create_default_context(cafile=str(self.ca_file)), mark
        except (OSError, ssl.SSLError) as error:
            message = f"CA file {self.ca_file}: {type(error).__name__}, expected PEM certificates"
            raise OwnFault(message) from error
        return self.tls


def in_pod(environ: Mapping[str, str]) -> Endpoint | None:
    """The endpoint that a pod is given, None outside one."""
    host = environ.get("KUBERNETES_SERVICE_HOST", "")
    port = environ.get("KUBERNETES_SERVICE_PORT", "")
    if not host or not port:
        return None
    folder = service_account_dir(environ)
    name = f"[{host}]" if ":" in host else host
    return Endpoint(
        f"https://{name}:{port}",
        FileToken(folder / "token"),
        ca_file=folder / "ca.crt",
        in_pod=True,
    )


def service_account_dir(environ: Mapping[str, str]) -> Path:
    """The folder of token, ca.crt and namespace."""
    return Path(environ.get("SENTINEL_SERVICE_ACCOUNT_DIR") or SERVICE_ACCOUNT_DIR)


def usual_kubeconfig(environ: Mapping[str, str]) -> str:
    """The kubeconfig that kubectl would take."""
    return environ.get("KUBECONFIG") or str(Path("~/.kube/config").expanduser())
