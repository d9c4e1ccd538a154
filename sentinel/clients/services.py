"""The Service in front of a tenant's sentinel, and where the API server itself is reached."""

import asyncio
import json
import socket
from urllib.parse import quote, urlsplit

from sentinel.clients.kube import JSON, Connection, Request
from sentinel.core.net import address, pod
from sentinel.core.net.address import Address
from sentinel.core.net.pod import Service
from sentinel.errors import BadReply, OwnFault, Unreachable

_MOST_BYTES = 512 * 1024
_SLICE = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes"
"""Where every API server writes its own addresses."""


async def service(connection: Connection, bearer: str, namespace: str, name: str) -> Service | None:
    """One Service; None where there is none. Raises OwnFault when refused, BadReply when not understood."""
    body = await _read(connection, f"/api/v1/namespaces/{quote(namespace)}/services/{quote(name)}", bearer)
    try:
        return None if body is None else pod.service(json.loads(body))
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise BadReply(f"Service {name} in {namespace}: the reply is none") from error


async def api_servers(connection: Connection, bearer: str) -> frozenset[Address]:
    """The addresses of all API servers, by their own word. Raises as `service`."""
    body = await _read(connection, _SLICE, bearer)
    try:
        rows = [] if body is None else json.loads(body)["endpoints"] or []
        texts = [str(text) for row in rows for text in row["addresses"]]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadReply("endpoints of the API server: the reply is none") from error
    return frozenset(found for text in texts if (found := address.parsed(text)) is not None)


async def resolved(url: str) -> frozenset[Address]:
    """The addresses of the host in this URL. Raises Unreachable when it cannot be resolved."""
    host = urlsplit(url).hostname or ""
    try:
        rows = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        raise Unreachable(f"{host}: {error.strerror or error}") from error
    return frozenset(found for row in rows if (found := address.parsed(str(row[4][0]))) is not None)


async def _read(connection: Connection, path: str, bearer: str) -> bytes | None:
    reply = await connection.ask(Request("GET", path, bearer, JSON, keep=_MOST_BYTES))
    if reply.status == 404:
        return None
    if reply.status != 200:
        raise OwnFault(f"{path}: {reply.detail or reply.status}, expected 200")
    return reply.body
