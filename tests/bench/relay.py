"""The relay: 500 pushes at once, from 50 tenants, each with a token that a real API server has to review first."""

import asyncio
import contextlib
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import uvloop

from sentinel.clients.alertmanager import Receiver
from sentinel.clients.clock import Clock
from sentinel.clients.endpoint import Endpoint
from sentinel.clients.relay import RelayClient
from sentinel.clients.token_review import TokenReviews
from sentinel.clients.tokens import FileToken
from sentinel.core import page
from sentinel.core.api.resources import CHECKS
from sentinel.core.claim import Claim, Expected
from sentinel.engine.hints import Hints
from sentinel.settings import Address
from sentinel.web.relay import Door, Relay
from sentinel.web.tls import Certificate
from tests.bench.table import Row, spread
from tests.support import manifests
from tests.support.controlplane import ControlPlane

TENANTS = 50
PUSHES = 10
"""Of each tenant, at once."""
RUNS = 7
SYSTEM = "relay-system"


def measure() -> Iterator[Row]:
    with ControlPlane() as cluster, tempfile.TemporaryDirectory(prefix="sentinel-relay-") as name:
        folder = Path(name)
        names = [f"bench-{number:02}" for number in range(TENANTS)]
        _install(cluster, names, folder)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:  # as the daemon runs
            cold, warm = runner.run(_measure(cluster, names, folder))
    yield Row(
        f"relay: {TENANTS * PUSHES} pushes at once from {TENANTS} tenants, all accepted; nobody known, nothing connected",
        spread(cold, 2, "s"),
        "≤ 1 s",
    )
    yield Row("relay: the same, tokens reviewed before and connections open", spread(warm, 2, "s"), "≤ 1 s")


def _install(cluster: ControlPlane, names: Sequence[str], folder: Path) -> None:
    rule = manifests.rule(["create"], ["tokenreviews"], groups=["authentication.k8s.io"])
    cluster.admin.apply(
        *(made for name in (SYSTEM, *names) for made in (manifests.namespace(name), manifests.account(name))),
        manifests.cluster_role("relay-witness", rule),
        manifests.cluster_role_binding("relay-witness", manifests.of_account(SYSTEM)),
    )
    (folder / "witness").write_text(cluster.token_for(SYSTEM))
    for name in names:
        (folder / name).write_text(cluster.token_for(name, audiences=["tenant-sentinel"]))


async def _measure(cluster: ControlPlane, names: Sequence[str], folder: Path) -> tuple[list[float], list[float]]:
    """Seconds, of each run. Every run begins with a relay that knows nobody."""
    cold: list[float] = []
    warm: list[float] = []
    for _ in range(RUNS):
        async with _relay(cluster, names, folder) as (taken, url), contextlib.AsyncExitStack() as stack:
            ca = cluster.authority.ca_file
            made = [RelayClient(url, folder / name, ca, timeout=30.0) for name in names]
            clients = [await stack.enter_async_context(client) for client in made]
            for client in clients:
                client._way.trust()  # fifty tenants would read their CA in fifty processes
            for took in (cold, warm):
                start = time.monotonic()
                await asyncio.gather(
                    *(client.post(Receiver(url), [_alert(number)]) for number in range(PUSHES) for client in clients)
                )
                took.append(time.monotonic() - start)
            assert sum(taken.values()) == 2 * TENANTS * PUSHES, taken
            assert len(taken) == TENANTS, taken
    return cold, warm


@contextlib.asynccontextmanager
async def _relay(cluster: ControlPlane, names: Sequence[str], folder: Path) -> AsyncIterator[tuple[Counter[str], str]]:
    """With the limits as shipped. It shares this process, and one core, with its clients."""
    taken: Counter[str] = Counter()

    def take(tenant: str, _: Claim) -> bool:
        taken[tenant] += 1
        return True

    clock = Clock()
    api = Endpoint(cluster.url, FileToken(folder / "witness"), ca_file=cluster.ca_file)
    doors = {f"system:serviceaccount:{name}:sentinel": Door(name, Expected(frozenset({"team-b"}))) for name in names}
    certificate = Certificate(cluster.authority.certificate_file, cluster.authority.key_file)
    async with TokenReviews(lambda: api, "tenant-sentinel", clock) as reviews:
        relay = Relay(
            doors,
            reviews,
            take,
            Hints(0),
            clock,
            rate=10.0,
            burst=100.0,
            count=lambda _: None,
            count_alerts=lambda *_: None,
            count_hint=lambda _: None,
        )
        async with relay.serve(Address("127.0.0.1", 0), certificate) as where:
            yield taken, f"https://{where}"


def _alert(number: int) -> dict[str, Any]:
    labels = {
        "alertname": "SentinelIsolationBreach",
        "check": CHECKS[number % len(CHECKS)],
        "identity": f"i-{number // len(CHECKS)}",
        "target": "team-b",
    }
    told = {"summary": "A tenant is let in where it must be denied.", "description": "word " * 200}
    return page.body(page.Page(labels, told, time.time() - 1), time.time() + 90)


if __name__ == "__main__":
    for row in measure():
        print(row)
