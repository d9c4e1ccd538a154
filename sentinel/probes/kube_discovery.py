"""What is served, read as `kubectl` does: two documents, or one per group where there are none such.

A group that cannot be read is stale and hides no other. Only a document that says nothing of a type
takes it away.
"""

import json
from typing import Any

from sentinel.clients.kube import Connection, Request
from sentinel.core.api import discovery
from sentinel.core.api.discovery import Catalog
from sentinel.core.api.reply import Reply

ACCEPT = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"
"""Stable since Kubernetes 1.30; who does not know it gives the older form."""
_LARGE = 8 * 1024 * 1024
_CORE, _GROUPS = "/api", "/apis"


async def read_catalog(connection: Connection, token: str | None) -> Catalog | None:
    """All that is served, None when it could not be read; the token is any account's."""
    found = Catalog()
    for root in (_CORE, _GROUPS):
        reply = await _get(connection, root, token)
        if reply.status != 200:
            return None
        part = discovery.parse(reply.body) or await _one_by_one(connection, root, reply, token)
        if part is None:
            return None
        found |= part
    return found


async def _one_by_one(connection: Connection, root: str, reply: Reply, token: str | None) -> Catalog | None:
    """The older form: a document that names the groups, and one for each of them."""
    paths = _paths(root, reply)
    if paths is None:
        return None
    found = Catalog()
    for group, version in paths:
        path = f"{_GROUPS}/{group}/{version}" if group else f"{_CORE}/{version}"
        found |= _listed(group, version, await _get(connection, path, token))
    return found


def _paths(root: str, reply: Reply) -> list[tuple[str, str]] | None:
    """Group and preferred version of each."""
    try:
        document: dict[str, Any] = json.loads(reply.body)
        if root == _CORE:
            return [("", str(version)) for version in document["versions"][:1]]
        return [(str(row["name"]), str(row["preferredVersion"]["version"])) for row in document["groups"]]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _listed(group: str, version: str, reply: Reply) -> Catalog:
    if reply.status == 404:
        return Catalog()
    try:
        return discovery.listed(group, version, json.loads(reply.body)["resources"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return Catalog(stale=frozenset({group}))


async def _get(connection: Connection, path: str, token: str | None) -> Reply:
    return await connection.ask(Request("GET", path, token, ACCEPT, keep=_LARGE))
