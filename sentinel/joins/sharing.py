"""The Lease that the pods of one tenant share, reached as everything else is: in a pod, or by a kubeconfig."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from sentinel.clients.endpoint import Endpoint
from sentinel.clients.lease import LeaseClient
from sentinel.core.lease import Lease
from sentinel.joins.world import World


def name_of_pod(environ: Mapping[str, str]) -> str:
    """Who we are in the Lease. Not the pod alone: a container that was restarted knows nothing of the one before."""
    return f"{environ.get('HOSTNAME') or 'sentinel'}_{secrets.token_hex(4)}"


@dataclass
class Shared:
    """A Lease and the way to it."""

    world: World
    client: LeaseClient

    async def read(self) -> Lease:
        """As it stands. Raises ClientError."""
        return await self.client.read(await self._endpoint())

    async def write(self, lease: Lease, /) -> Lease | None:
        """Over the one that was read last; None when somebody else was faster. Raises ClientError."""
        return await self.client.write(self.world.endpoint(), lease)

    async def _endpoint(self) -> Endpoint:
        if self.world.found is None:
            await self.world.prepare()
        return self.world.endpoint()
