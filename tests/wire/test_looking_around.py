"""The daemon's network looks around where it is told to, and lets go of what it is not told any more."""

import asyncio
import contextlib

from sentinel import settings
from sentinel.clients.clock import Clock
from sentinel.core.verdict import Reason, State
from sentinel.engine import tasks
from sentinel.engine.crossings import Crossings
from sentinel.joins.networking import Networking
from sentinel.sinks.metrics import Metrics
from tests.settings.conftest import GOOD

QUICK = "network: {enabled: true, every: 300ms, timeout: 100ms, node: {enabled: true}, dns: {enabled: %s, server: 127.0.0.1}}"
"""Nobody there answers for the cluster, so nothing may be proven."""


@contextlib.asynccontextmanager
async def running(network, folder, dns):
    (folder / "s.yaml").write_text(GOOD + QUICK % dns + f"\npaging: {{relay_token: {folder}/none}}\n")
    loaded = settings.load(folder / "s.yaml", {})
    async with network.generation(loaded, None) as generation, tasks.running() as start:
        for name, work in generation.tasks.items():
            start(name, work)
        yield loaded


async def until(look):
    async with asyncio.timeout(60):
        while not look():
            await asyncio.sleep(0.02)


async def test_it_asks_dns_while_it_is_told_to_and_proves_nothing_without_a_server_that_knows_the_cluster(tmp_path):
    metrics, clock = Metrics(), Clock()
    book = Crossings(clock.wall(), (metrics,))
    network = Networking(metrics, book, clock)

    def asked():
        return {q.text: seen.verdict for q, seen in book.standings.items() if q.check == "net/dns"}

    try:
        async with running(network, tmp_path, "true") as loaded:
            await until(asked)
            await until(lambda: len(asked()) == 2 * len(loaded.targets) + 1 + 2)
        told = set(asked().values())
        async with running(network, tmp_path, "false"):
            left = asked()
    finally:
        network.close()

    assert {(verdict.state, verdict.reason) for verdict in told} == {(State.INCONCLUSIVE, Reason.RESOLVER)}
    assert left == {}
    assert not [q for q in book.planned if q.check == "net/dns"]
