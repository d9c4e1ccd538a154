"""What the witness looks up to call the roll: tenants' pods, the Services before them, and the API servers.

    watch of pods in each tenant's home --\\
    Services, twice a minute --------------> Roll
    policies of ours, from the watches ---/

What cannot be looked up is not known: pods whose watch is down are called ready by nobody, and a Service
that cannot be read has no address.
"""

import asyncio
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial

import structlog

from sentinel.clients import services
from sentinel.clients.clock import Clock
from sentinel.clients.endpoint import Endpoint
from sentinel.clients.feed import Restart
from sentinel.clients.kube import Connection
from sentinel.clients.watch import Change, Event, Health, Kind, Pace, Watch
from sentinel.core.net import pod as reading
from sentinel.core.net.address import Address
from sentinel.core.net.pod import Pod, Service
from sentinel.engine.roll import Roll
from sentinel.errors import ClientError, OwnFault
from sentinel.joins.lighthouse import SERVICE as LIGHTHOUSE
from sentinel.joins.lighthouse import Lighthouse
from sentinel.joins.watching import OwnToken
from sentinel.sinks.witness_metrics import WitnessMetrics

PODS = "pods"
"""The label of all these watches together."""
SERVICE = "sentinel"
"""In each tenant's home, as the chart makes it."""
EVERY_SECONDS = 30.0

_log = structlog.get_logger()


@dataclass
class Muster:
    """Everything that is looked up for one roll. `timeout` in seconds, for one reply."""

    roll: Roll
    endpoint: Callable[[], Endpoint]
    clock: Clock
    metrics: WitnessMetrics
    timeout: float
    lighthouse: Lighthouse
    pace: Pace | None = None
    every: float = EVERY_SECONDS
    _healths: dict[str, Health] = field(default_factory=dict, init=False)
    _trouble: dict[str, str] = field(default_factory=dict, init=False)

    def watches(self) -> Iterator[Watch[Pod]]:
        """One for each tenant's home, to be run for ever."""
        self.metrics.expect_watch(PODS)
        source = OwnToken(self.endpoint)
        for namespace in self.roll.homes:
            yield Watch(
                Kind(PODS, f"/api/v1/namespaces/{namespace}/pods", reading.pod, "=".join(reading.BEACON)),
                self.endpoint,
                source,
                partial(self._take, namespace),
                partial(self._see, namespace),
                clock=self.clock,
                rng=random.Random(),  # noqa: S311  # spreads retries, guards nothing
                pace=self.pace,
            )

    async def keep(self) -> None:
        """For ever: what no watch tells."""
        while True:
            await self.look()
            await asyncio.sleep(self.every)

    async def look(self) -> None:
        """Look once."""
        try:
            endpoint = self.endpoint()
            held = endpoint.own.read()
            bearer = held.text if held is not None else ""
            async with Connection(endpoint.url, endpoint.trust(), self.timeout, self.clock) as connection:
                self.roll.take_api_servers(await self._api_servers(connection, bearer, endpoint.url))
                await self._look_at_ourselves(connection, bearer)
                for namespace in self.roll.homes:
                    self.roll.take_service(namespace, await self._service(connection, bearer, namespace, SERVICE))
        except ClientError as error:
            self._tell("", str(error))
        else:
            self._tell("", "")

    async def _look_at_ourselves(self, connection: Connection, bearer: str) -> None:
        found = await self._service(connection, bearer, self.lighthouse.home, LIGHTHOUSE)
        addresses = found.addresses if found is not None and found.is_ours else ()
        self.roll.take_lighthouse(self.lighthouse.beacon(addresses, self.roll.api_servers))

    async def _service(self, connection: Connection, bearer: str, namespace: str, name: str) -> Service | None:
        """None where there is none, or where it cannot be read: what is wrong with one is its own affair."""
        try:
            found = await services.service(connection, bearer, namespace, name)
        except OwnFault as error:
            self._tell(namespace, str(error))
            return None
        self._tell(namespace, "")
        return found

    async def _api_servers(self, connection: Connection, bearer: str, url: str) -> frozenset[Address]:
        known = await services.resolved(url)
        try:
            found = await services.api_servers(connection, bearer)
        except OwnFault as error:
            self._tell("API servers", str(error))
            return known | self.roll.api_servers
        self._tell("API servers", "")
        return known | found

    def _take(self, namespace: str, change: Change[Pod]) -> None:
        if change.event is Event.SYNCED:
            self.roll.take_pods(namespace, change.everything.values())
            return
        self.metrics.count_change(PODS, missed=change.missed)
        known, found = change.previous, change.value
        if known is not None and (found is None or found.uid != known.uid):
            self.roll.drop_pod(known.uid)
        if found is not None:
            self.roll.take_pod(found)

    def _see(self, namespace: str, health: Health) -> None:
        """One watch for each namespace, one row for all of them."""
        before = self._healths.get(namespace)
        self._healths[namespace] = health
        self.roll.take_sight(namespace, seen=health.up)
        all_up = all(name in self._healths and self._healths[name].up for name in self.roll.homes)
        restarts = {why: sum(one.restarts.get(why, 0) for one in self._healths.values()) for why in Restart}
        self.metrics.show_watch(replace(health, up=all_up, restarts=restarts))
        if not health.up and (before is None or before.up):
            _log.warning("watch.down", kind=PODS, namespace=namespace, detail=health.detail)

    def _tell(self, what: str, trouble: str) -> None:
        if trouble and trouble != self._trouble.get(what):
            _log.warning("muster.failed", what=what or "all", detail=trouble)
        self._trouble[what] = trouble
