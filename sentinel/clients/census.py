"""Who is in a tenant's namespaces, and what its sentinel was given: names and one checksum, no more.

Lists of accounts are asked for as metadata only. The configuration is the chart's own, and of it
nothing is kept but the adler32.
"""

import json
import zlib
from urllib.parse import quote

from sentinel.clients.kube import JSON, Connection, Request
from sentinel.errors import BadReply, OwnFault

_NAMES = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_MOST_BYTES = 4 * 1024 * 1024
_CONFIG = "sentinel"
_KEY = "sentinel.yaml"


async def service_accounts(connection: Connection, bearer: str, namespace: str) -> frozenset[str]:
    """The names of a namespace's ServiceAccounts. Raises OwnFault when refused, BadReply when not understood."""
    path = f"/api/v1/namespaces/{quote(namespace)}/serviceaccounts"
    body = await _read(connection, Request("GET", path, bearer, _NAMES, keep=_MOST_BYTES))
    try:
        return frozenset(str(item["metadata"]["name"]) for item in json.loads(body)["items"] or ())
    except (ValueError, KeyError, TypeError) as error:
        raise BadReply(f"accounts of {namespace}: the reply is no list") from error


async def config_hash(connection: Connection, bearer: str, namespace: str) -> int | None:
    """The adler32 of the sentinel.yaml that lies in this namespace; None where there is none. Raises as above."""
    path = f"/api/v1/namespaces/{quote(namespace)}/configmaps/{_CONFIG}"
    reply = await connection.ask(Request("GET", path, bearer, JSON, keep=_MOST_BYTES))
    if reply.status == 404:
        return None
    if reply.status != 200:
        raise OwnFault(f"configuration in {namespace}: {reply.detail or reply.status}, expected 200")
    try:
        text = json.loads(reply.body)["data"][_KEY]
        return zlib.adler32(text.encode())
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


async def _read(connection: Connection, asked: Request) -> bytes:
    reply = await connection.ask(asked)
    if reply.status != 200:
        raise OwnFault(f"{asked.path}: {reply.detail or reply.status}, expected 200")
    return reply.body
