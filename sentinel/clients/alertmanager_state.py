"""A live Alertmanager: its configuration, its silences, its peers, as one value."""

import asyncio

from sentinel.clients import foreign_yaml
from sentinel.clients.alertmanager import Receiver
from sentinel.clients.reading import Reader
from sentinel.core.api.reply import clean
from sentinel.core.paging.alertmanager import Alertmanager, read
from sentinel.errors import BadReply


async def look(reader: Reader, receiver: Receiver) -> Alertmanager:
    """How this one runs. Raises ClientError with a sentence."""
    status = await reader.get(f"{receiver}/api/v2/status", receiver.headers, receiver.tls)
    silences = await reader.get(f"{receiver}/api/v2/silences", receiver.headers, receiver.tls)
    written = status.get("config") if isinstance(status, dict) else None
    text = written.get("original") if isinstance(written, dict) else None
    config = await asyncio.to_thread(foreign_yaml.loaded, str(receiver), text)
    try:
        return read(str(receiver), status, config, silences)
    except ValueError as error:
        raise BadReply(f"{receiver}: {clean(str(error), 300)}") from error
