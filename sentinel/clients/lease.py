"""One Lease at the API server, read and written by name. An update that lost a race is told as such."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from sentinel.clients.clock import Clock
from sentinel.clients.endpoint import Endpoint
from sentinel.clients.kube import JSON, Connection, Request
from sentinel.core.api.reply import Reply
from sentinel.core.lease import LASTS, Lease
from sentinel.errors import BadReply

_PATH = "/apis/coordination.k8s.io/v1/namespaces/{}/leases/{}"
_KEEP = 64 * 1024
_CONFLICT = 409
_SECONDS = 3.0
"""For one request: three fit between a renewal and the moment where the holder has to stop."""


@dataclass
class LeaseClient:
    """The Lease of one tenant's pods."""

    namespace: str
    name: str
    clock: Clock
    _raw: Mapping[str, Any] = field(default_factory=dict, init=False)

    async def read(self, found: Endpoint) -> Lease:
        """As it stands. Raises ClientError."""
        return self._lease(await self._ask(found, "GET", None))

    async def write(self, found: Endpoint, lease: Lease) -> Lease | None:
        """Write it over the one that was read last; None when somebody else was faster. Raises ClientError."""
        spec = {
            "holderIdentity": lease.holder,
            "leaseDurationSeconds": int(LASTS),
            "acquireTime": lease.acquired or None,
            "renewTime": lease.renewed or None,
            "leaseTransitions": lease.transitions,
        }
        body = {**self._raw, "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "spec": spec}
        reply = await self._ask(found, "PUT", json.dumps(body).encode())
        return None if reply.status == _CONFLICT else self._lease(reply)

    async def _ask(self, found: Endpoint, method: str, body: bytes | None) -> Reply:
        held = found.own.read()
        path = _PATH.format(quote(self.namespace), quote(self.name))
        request = Request(method, path, held.text if held is not None else None, JSON, body, _KEEP, JSON)
        # A connection for each: a few requests a minute, and none of them may hang on what the one before left behind.
        async with Connection(found.url, found.trust(), _SECONDS, self.clock) as connection:
            return await connection.ask(request)

    def _lease(self, reply: Reply) -> Lease:
        if reply.status != 200:
            raise BadReply(f"lease {self.namespace}/{self.name}: {reply.detail or reply.status}, expected 200")
        try:
            body = json.loads(reply.body)
            spec, meta = body.get("spec") or {}, body["metadata"]
            found = Lease(
                str(spec.get("holderIdentity") or ""),
                str(spec.get("renewTime") or ""),
                str(spec.get("acquireTime") or ""),
                int(spec.get("leaseTransitions") or 0),
                str(meta["resourceVersion"]),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BadReply(f"lease {self.namespace}/{self.name}: {type(error).__name__}, expected a Lease") from error
        self._raw = {"metadata": meta}
        return found
