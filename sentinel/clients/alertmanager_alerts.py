"""The alerts that one Alertmanager has now, as far as they have these labels."""

from typing import Any
from urllib.parse import urlencode

from sentinel.clients.alertmanager import Receiver
from sentinel.clients.reading import Reader


async def standing(reader: Reader, receiver: Receiver, **labels: str) -> Any:
    """Its list, as JSON that nobody has looked at. Raises ClientError with a sentence."""
    wanted = urlencode([("filter", f'{name}="{value}"') for name, value in labels.items()])
    return await reader.get(f"{receiver}/api/v2/alerts?{wanted}", receiver.headers, receiver.tls)
