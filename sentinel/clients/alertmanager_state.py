"""A live Alertmanager: its configuration, its silences, its peers, as one value."""

import asyncio

from sentinel.clients import foreign_yaml
from sentinel.clients.alertmanager import Receiver, host_of
from sentinel.clients.reading import Reader
from sentinel.core.api.reply import clean
from sentinel.core.paging.alertmanager import Alertmanager, read
from sentinel.errors import BadReply


async def look(reader: Reader, receiver: Receiver) -> Alertmanager:
    """How this one runs. Raises ClientError with a sentence."""
    headers = {"Host": host_of(receiver)} if receiver.name else None
    tls = receiver.name if receiver.name and receiver.url.startswith("https") else None
    status = await reader.get(f"{receiver}/api/v2/status", headers, tls)
    silences = await reader.get(f"{receiver}/api/v2/silences", headers, tls)
    written = status.get("config") if isinstance(status, dict) else None
    text = written.get("original") if isinstance(written, dict) else None
    config = await asyncio.to_thread(foreign_yaml.loaded, str(receiver), text)
    try:
        return read(str(receiver), status, config, silences)
    except ValueError as error:
        raise BadReply(f"{receiver}: {clean(str(error), 300)}") from error
