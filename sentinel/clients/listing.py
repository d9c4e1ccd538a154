"""Lists of objects, page by page, with whatever rights the reader has."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from sentinel.clients.kube import JSON, Connection, Request
from sentinel.core.api.reply import Reply
from sentinel.errors import BadReply

Json = Mapping[str, Any]

_PAGE = 250
_MOST_BYTES = 32 * 1024 * 1024
"""Of a page; the largest object has 1.5 MB in etcd."""
ABSENT = 404
"""Nobody serves this type here."""


class Unlisted(BadReply):
    """It could not be listed. `status`: the API server's, 0 for none."""

    def __init__(self, message: str, status: int) -> None:
        """Keep the status."""
        self.status = status
        super().__init__(message)


async def listed(connection: Connection, bearer: str | None, path: str, selector: str = "") -> list[Json]:
    """All objects there, of these labels. Raises Unlisted, whose text says for people what and why not."""
    found: list[Json] = []
    more = ""
    chosen = f"&labelSelector={quote(selector, safe='')}" if selector else ""
    while True:
        query = f"?limit={_PAGE}{chosen}" + (f"&continue={quote(more, safe='')}" if more else "")
        reply = await connection.ask(Request("GET", path + query, bearer, JSON, keep=_MOST_BYTES))
        body = object_of(reply)
        if reply.status != 200 or not isinstance(body.get("items"), list):
            raise Unlisted(f"{_what(path)}: {why(reply)}", reply.status)
        found += (item for item in body["items"] if isinstance(item, dict))
        metadata = body.get("metadata")
        more = str(metadata.get("continue") or "") if isinstance(metadata, dict) else ""
        if not more:
            return found


async def one(connection: Connection, bearer: str | None, path: str) -> Json:
    """One object. Raises Unlisted."""
    reply = await connection.ask(Request("GET", path, bearer, JSON, keep=_MOST_BYTES))
    if reply.status != 200:
        raise Unlisted(f"get {path.rpartition('/')[2]}: {why(reply)}", reply.status)
    return object_of(reply)


def why(reply: Reply) -> str:
    """Why a reply is of no use, for people."""
    if reply.status == 403:
        return "you may not (403)"
    return reply.detail or str(reply.status)


def object_of(reply: Reply) -> Json:
    """The JSON object of a body, empty for anything else."""
    try:
        body = json.loads(reply.body)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _what(path: str) -> str:
    plural = path.rsplit("/", 1)[1]
    group = path.split("/")[2] if path.startswith("/apis/") else ""
    where = path.split("/namespaces/")[1].split("/", maxsplit=1)[0] if "/namespaces/" in path else ""
    return f"list {plural}" + (f".{group}" if group else "") + (f" in {where}" if where else "")
