"""What the witness looks up of each tenant besides the questions: accounts nobody asks as, and its configuration.

Both are lists of names and one checksum, asked for once a minute. What cannot be read is not known:
then nothing is said, and the log says why.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from sentinel.clients import census
from sentinel.clients.clock import Clock
from sentinel.clients.endpoint import Endpoint
from sentinel.clients.kube import Connection
from sentinel.errors import ClientError, OwnFault
from sentinel.settings import Tenant
from sentinel.settings.identities import OWN_ACCOUNT

EVERY_SECONDS = 60.0

_log = structlog.get_logger()


@dataclass
class Census:
    """One tenant's. `show_unwatched` and `show_match` are told what is known."""

    tenant: Tenant
    endpoint: Callable[[], Endpoint]
    timeout: float
    clock: Clock
    show_unwatched: Callable[[float], None]
    show_match: Callable[[bool | None], None]
    every: float = EVERY_SECONDS
    unwatched: tuple[str, ...] = field(default=(), init=False)
    _trouble: str = field(default="", init=False)

    async def run(self) -> None:
        """For ever."""
        while True:
            await self.take()
            await asyncio.sleep(self.every)

    async def take(self) -> None:
        """Look once."""
        try:
            endpoint = self.endpoint()
            held = endpoint.own.read()
            bearer = held.text if held is not None else ""
            async with Connection(endpoint.url, endpoint.trust(), self.timeout, self.clock) as connection:
                await self._count(connection, bearer)
                await self._compare(connection, bearer)
        except ClientError as error:
            self._tell(str(error))
        else:
            self._tell("")

    async def _count(self, connection: Connection, bearer: str) -> None:
        asked = {_full(name, self.tenant.namespaces[0]) for name in (OWN_ACCOUNT, *self.tenant.accounts)}
        there: set[str] = set()
        for namespace in self.tenant.namespaces:
            names = await census.service_accounts(connection, bearer, namespace)
            there |= {f"{namespace}/{name}" for name in names}
        self.unwatched = tuple(sorted(there - asked))
        self.show_unwatched(len(self.unwatched))

    async def _compare(self, connection: Connection, bearer: str) -> None:
        if self.tenant.config_hash is None:
            return
        try:
            found = await census.config_hash(connection, bearer, self.tenant.namespaces[0])
        except OwnFault:
            self.show_match(None)
            raise
        self.show_match(found == self.tenant.config_hash)

    def _tell(self, trouble: str) -> None:
        if trouble and trouble != self._trouble:
            _log.warning("census.failed", subject=self.tenant.name, detail=trouble)
        self._trouble = trouble


def _full(account: str, home: str) -> str:
    return account if "/" in account else f"{home}/{account}"
