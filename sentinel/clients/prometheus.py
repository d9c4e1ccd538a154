"""A live Prometheus: its configuration, flags, rules, targets, and whom it tells, as one value."""

import asyncio
from typing import Any
from urllib.parse import urlencode

from sentinel.clients import foreign_yaml
from sentinel.clients.reading import Reader
from sentinel.core.api.reply import clean
from sentinel.core.paging.prometheus import Answers, Prometheus, read
from sentinel.errors import BadReply

_PATHS = {
    "config": "status/config",
    "flags": "status/flags",
    "build": "status/buildinfo",
    # Alerts that fire are of no interest, and may be many. An older one does not know the parameter, and sends them.
    "rules": "rules?exclude_alerts=true",
    "targets": "targets?state=active",
    "alertmanagers": "alertmanagers",
}


async def look(reader: Reader, url: str) -> Prometheus:
    """What this one says of itself. Raises ClientError with a sentence."""
    said = {name: await _data(reader, f"{url}/api/v1/{path}") for name, path in _PATHS.items()}
    written = said["config"].get("yaml") if isinstance(said["config"], dict) else None
    config = await asyncio.to_thread(foreign_yaml.loaded, url, written)
    try:
        return read(url, Answers(**(said | {"config": config})))
    except ValueError as error:
        raise BadReply(f"{url}: {clean(str(error), 300)}") from error


async def asked(reader: Reader, url: str, question: str) -> Any:
    """What an instant query gives, as JSON that nobody has looked at. Raises ClientError with a sentence."""
    return await reader.get(f"{url}/api/v1/query?{urlencode({'query': question})}")


async def _data(reader: Reader, url: str) -> Any:
    body = await reader.get(url)
    if not isinstance(body, dict) or body.get("status") != "success" or "data" not in body:
        raise BadReply(f"{url}: found no `status: success` with data, expected the API of Prometheus")
    return body["data"]
