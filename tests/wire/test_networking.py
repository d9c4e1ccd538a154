"""The network's part of the daemon: what lives as long as the process, and what is built anew with the settings."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from sentinel.clients.clock import Clock
from sentinel.engine import tasks
from sentinel.engine.crossings import Crossings
from sentinel.joins.networking import Networking
from sentinel.settings import Settings, load
from sentinel.sinks.metrics import Metrics
from tests.engine.scripted import Ledger
from tests.support.ports import free_port
from tests.wire.test_crossing import Hub, Way

MOST_SECONDS = 30.0
FILE = """
cluster: c
tenant: team-a
tenants: [{{name: team-a, namespaces: [team-a]}}, {{name: team-b, namespaces: [team-b]}}]
network: {{enabled: true, every: 1s, timeout: 200ms, beacon: {{port: {port}}}}}
paging: {{relay: "https://witness.sentinel-system.svc:8443"}}
"""


@contextlib.asynccontextmanager
async def running(network: Networking, settings: Settings, relay: Any) -> AsyncIterator[None]:
    """One generation, as the daemon runs it."""
    async with network.generation(settings, relay) as generation, tasks.running() as start:
        for name, task in generation.tasks.items():
            start(name, task)
        yield


async def until(is_so: Any) -> None:
    async with asyncio.timeout(MOST_SECONDS):
        while not is_so():
            await asyncio.sleep(0.05)


@pytest.fixture
def hub() -> Hub:
    return Hub(free_port())


@pytest.fixture
def settings(tmp_path: Path, hub: Hub) -> Settings:
    path = tmp_path / "sentinel.yaml"
    path.write_text(FILE.format(port=hub.port))
    return load(path, {})


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr("sentinel.joins.networking.pod_uid", lambda _: "team-a-1")
    ledger = Ledger()
    made = Networking(Metrics(), Crossings(0.0, (ledger,)), Clock())
    yield made, ledger
    made.close()


async def test_the_key_and_what_is_believed_outlive_a_reload_and_the_port_is_free_in_between(network, settings, hub):
    made, ledger = network
    async with running(made, settings, Way(hub, "team-a")):
        await until(lambda: hub.heard.get("team-a-1") and ledger.rounds)
    key = hub.beacons["team-a"].key
    standings = len(made.book.standings)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", hub.port)

    rounds = len(ledger.rounds)
    async with running(made, settings, Way(hub, "team-a")):
        await until(lambda: len(ledger.rounds) > rounds)

    assert hub.beacons["team-a"].key == key
    assert len(made.book.standings) == standings > 0


async def test_stopping_in_the_middle_of_a_round_leaves_nothing_and_complains_of_nothing(network, settings, hub):
    made, ledger = network
    for _ in range(5):
        ledger.records.clear()
        async with running(made, settings, Way(hub, "team-a")):
            await until(lambda: ledger.records)


async def test_without_a_pod_of_our_own_all_is_inconclusive_and_says_why(network, settings, hub, monkeypatch):
    from sentinel.errors import OwnFault

    def nobody(_: Settings) -> str:
        raise OwnFault("paging.relay_token: bound to no pod")

    monkeypatch.setattr("sentinel.joins.networking.pod_uid", nobody)
    made, ledger = network
    async with running(made, settings, Way(hub, "team-a")):
        await until(lambda: ledger.rounds)

    (red,) = [row.light for row in ledger.rounds[-1].gates]
    assert not red.up and "bound to no pod" in red.detail
    assert {record.verdict.reason.value for record in ledger.records} == {"roster"}
    assert not hub.beacons


async def test_the_metrics_of_the_network_are_there_at_0_and_not_the_breaches(network, settings, hub):
    made, ledger = network
    async with running(made, settings, Way(hub, "team-a")):
        await until(lambda: ledger.rounds)

    names = {
        (sample.name, *sample.labels.values())
        for family in made.metrics.registry.collect()
        for sample in family.samples
    }
    assert ("sentinel_breaches_total", "net/tcp") in names
    assert ("sentinel_gate_up", "lighthouse", "self") in names
    assert ("sentinel_inconclusive", "team-b", "arrivals") in names
    assert ("sentinel_period_seconds", "network") in names
    assert ("sentinel_beacon_answers_total", "udp") in names
    closed_by_proof = ("sentinel_breach_since_timestamp_seconds", "sentinel_unattributed_since_timestamp_seconds")
    assert not [name for name in names if name[0] in closed_by_proof]
