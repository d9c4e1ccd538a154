"""`sentinel verify-alerting`: from the live Prometheus and every Alertmanager to how long a page takes at worst.

    Prometheus --whom it tells--> Alertmanagers, or those that were named
        |                             |
        +---------- values -----------+--> core.paging.inspection --> reports.page_time

What cannot be read is told as unknown: a sum is made only of what was seen.
"""

import asyncio
import socket
from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from sentinel.clients import alertmanager_state, prometheus
from sentinel.clients.alertmanager import Alertmanagers, Receiver
from sentinel.clients.reading import Reader
from sentinel.core.paging.alertmanager import Alertmanager
from sentinel.core.paging.inspection import Inspection, Wishes, inspect
from sentinel.core.paging.prometheus import Prometheus
from sentinel.errors import ClientError

_POST = "/api/v2/alerts"
_LOOKUP = 5.0
"""Seconds to find a name."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where to look: URLs. Without Alertmanagers those that Prometheus posts to; `dns+http://` is every replica."""

    prometheus: str
    alertmanagers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Live:
    """What runs, as far as it could be read; `unread` says in sentences what could not."""

    prometheus: Prometheus | None
    managers: tuple[Alertmanager, ...]
    unread: tuple[str, ...]


async def look(places: Places) -> Live:
    """Read everything. Nothing is changed anywhere, and nothing raised for what cannot be read."""
    unread: list[str] = []
    async with Reader() as reader:
        found = await _prometheus(reader, places.prometheus, unread)
        receivers = await _receivers(places, found, unread)
        looked = await asyncio.gather(*(_alertmanager(reader, one) for one in receivers))
    managers = [one for one in looked if isinstance(one, Alertmanager)]
    unread += [str(one) for one in looked if not isinstance(one, Alertmanager)]
    if not receivers and not unread:
        unread.append("no Alertmanager: Prometheus posts to none, and none was named")
    if found is not None and places.alertmanagers:
        managers = await _known(found, managers)
    return Live(found, tuple(managers), tuple(unread))


async def verify(places: Places, wishes: Wishes) -> Inspection:
    """Read everything, and work it out."""
    live = await look(places)
    # Megabytes of routes for each alert take a second; whoever else runs on this loop need not wait for it.
    return await asyncio.to_thread(inspect, live.prometheus, live.managers, wishes, live.unread)


async def _prometheus(reader: Reader, url: str, unread: list[str]) -> Prometheus | None:
    try:
        return await prometheus.look(reader, url.rstrip("/"))
    except ClientError as error:
        unread.append(str(error))
        return None


async def _receivers(places: Places, found: Prometheus | None, unread: list[str]) -> list[Receiver]:
    if not places.alertmanagers:
        told = found.alertmanagers if found is not None else ()
        return [Receiver(url.removesuffix(_POST)) for url in told]
    receivers: list[Receiver] = []
    async with Alertmanagers() as all_of_them:
        for url in places.alertmanagers:
            try:
                receivers += await all_of_them.resolve(url)
            except ClientError as error:
                unread.append(str(error))
    return receivers


async def _alertmanager(reader: Reader, receiver: Receiver) -> Alertmanager | ClientError:
    try:
        return await alertmanager_state.look(reader, receiver)
    except ClientError as error:
        return error


async def _known(found: Prometheus, managers: Sequence[Alertmanager]) -> list[Alertmanager]:
    """Each with whether Prometheus posts to it, by its addresses: the names may differ."""
    told = {place for url in found.alertmanagers for place in await _addresses(url)}
    return [replace(one, told=bool(told & await _addresses(one.url))) for one in managers]


async def _addresses(url: str) -> set[tuple[str, int]]:
    """Where a URL leads; its own host where the name is not found from here."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or {"https": 443}.get(parts.scheme, 80)
    try:
        async with asyncio.timeout(_LOOKUP):
            rows = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError, TimeoutError):
        return {(host, port)}
    return {(host, port), *((str(address[0]), port) for *_, address in rows)}
