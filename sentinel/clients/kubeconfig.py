"""A kubeconfig as an endpoint, exec plug-ins and OIDC included: kubernetes-asyncio reads it.

Imported only where there is a kubeconfig: the library costs 70 MiB and half a second.
"""

import ssl
from pathlib import Path

from kubernetes_asyncio import client, config
from kubernetes_asyncio.config import ConfigException

from sentinel.clients.endpoint import Endpoint
from sentinel.clients.tokens import HeldToken, Token, parse
from sentinel.errors import OwnFault

_BEARER = "Bearer "


class Kubeconfig:
    """One context of a kubeconfig; `refresh` renews the token where the file says how."""

    def __init__(self, path: str, context: str | None) -> None:
        """Nothing is read yet."""
        self._path = path
        self._context = context
        self._settings = client.Configuration()
        self._own = HeldToken(f"kubeconfig {path}: not loaded")

    async def load(self) -> Endpoint:
        """The endpoint. Raises OwnFault when the file or context is unusable."""
        try:
            await config.load_kube_config(
                config_file=self._path, context=self._context, client_configuration=self._settings
            )
            endpoint = Endpoint(str(self._settings.host), self._own, tls=self._tls(), refresh=self.refresh)
        except (ConfigException, OSError, ValueError, KeyError, ssl.SSLError) as error:
            raise OwnFault(f"kubeconfig {self._path}: {type(error).__name__}: {error}") from error
        await self.refresh()
        return endpoint

    async def refresh(self) -> None:
        """Renew the token (exec plug-ins, OIDC); keeps the reason when that fails."""
        try:
            header = await self._settings.get_api_key_with_prefix("BearerToken")
            self._own.put(self._token(header))
        except (ConfigException, OSError, ValueError, OwnFault) as error:
            self._own.excuse(f"kubeconfig {self._path}: {type(error).__name__}")

    def _token(self, header: str | None) -> Token:
        if header is None or not header.startswith(_BEARER):
            raise OwnFault(f"kubeconfig {self._path}: found no token, expected a context with one")
        return parse(header.removeprefix(_BEARER).strip(), self._path)

    def _tls(self) -> ssl.SSLContext:
        ca = self._settings.ssl_ca_cert
        return ssl.create_default_context(cafile=str(Path(ca)) if ca else None)
