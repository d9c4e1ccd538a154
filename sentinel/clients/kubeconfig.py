"""A kubeconfig as an endpoint, exec plug-ins and OIDC included: kubernetes-asyncio reads it.

Imported only where there is a kubeconfig: the library costs 70 MiB and half a second.
"""

import asyncio
import ssl
from pathlib import Path

from kubernetes_asyncio import client, config
from kubernetes_asyncio.config import ConfigException

from sentinel.clients.clock import Clock
from sentinel.clients.endpoint import Endpoint
from sentinel.clients.tokens import HeldToken, NoToken, parse
from sentinel.core.api.reply import clean
from sentinel.errors import OwnFault

_BEARER = "Bearer "
_RENEW_SECONDS = 60.0
"""How often the file is read and its plug-in run again: the library's own interval. It renews nothing by itself."""

_PLUGIN_SECONDS = 30.0
"""An exec plug-in that waits for somebody at a keyboard must not keep the rounds from beginning."""


class Kubeconfig:
    """One context of a kubeconfig; `refresh` renews the token where the file says how."""

    def __init__(self, path: str, context: str | None, clock: Clock) -> None:
        """Nothing is read yet."""
        self._path = path
        self._context = context
        self._clock = clock
        self._renewed = -_RENEW_SECONDS
        self._own = HeldToken(f"kubeconfig {path}: not loaded")

    async def load(self, *, certificates: bool = False) -> Endpoint:
        """The endpoint. Raises OwnFault when the file or context is unusable.

        `certificates`: in place of a token a client certificate will do. For a person's commands, not
        for the sentinel, which asks as several from one connection.
        """
        settings = await self._read()
        if certificates and settings.cert_file and "BearerToken" not in settings.api_key:
            return Endpoint(str(settings.host), NoToken(), tls=self._with_certificate(settings))
        self._take(settings)
        return Endpoint(str(settings.host), self._own, tls=self._tls(settings), refresh=self.refresh)

    async def refresh(self) -> None:
        """Renew the token (exec plug-ins, OIDC, a new file); keeps the reason when that fails."""
        if self._clock.monotonic() < self._renewed + _RENEW_SECONDS:
            return
        try:
            self._take(await self._read())
        except OwnFault as error:
            self._own.excuse(str(error))

    async def _read(self) -> client.Configuration:
        settings = client.Configuration()
        try:
            async with asyncio.timeout(_PLUGIN_SECONDS):
                await config.load_kube_config(
                    config_file=self._path, context=self._context, client_configuration=settings
                )
        except (ConfigException, OSError, ValueError, KeyError) as error:
            raise OwnFault(f"kubeconfig {self._path}: {type(error).__name__}: {clean(str(error))}") from error
        except Exception as error:
            # The library walks through whatever YAML or plug-in's output there is, and trips in its own ways.
            raise OwnFault(f"kubeconfig {self._path}: {type(error).__name__}, expected a kubeconfig") from error
        return settings

    def _take(self, settings: client.Configuration) -> None:
        header = settings.api_key.get("BearerToken")
        if header is None or not header.startswith(_BEARER):
            raise OwnFault(f"kubeconfig {self._path}: found no token, expected a context with one")
        self._own.put(parse(header.removeprefix(_BEARER).strip(), self._path))
        self._renewed = self._clock.monotonic()

    def _with_certificate(self, settings: client.Configuration) -> ssl.SSLContext:
        tls = self._tls(settings)
        try:
            tls.load_cert_chain(str(settings.cert_file), settings.key_file)
        except (OSError, ssl.SSLError) as error:
            message = f"kubeconfig {self._path}: client certificate: {type(error).__name__}, expected PEM"
            raise OwnFault(message) from error
        return tls

    def _tls(self, settings: client.Configuration) -> ssl.SSLContext:
        ca = settings.ssl_ca_cert
        try:
            return ssl.create_default_context(cafile=str(Path(ca)) if ca else None)
        except (OSError, ssl.SSLError) as error:
            raise OwnFault(f"kubeconfig {self._path}: CA: {type(error).__name__}, expected PEM certificates") from error
