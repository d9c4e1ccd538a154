"""The real processes in front of a gateway: its primary dies, and their own /metrics say how long nobody answered.

There is no API server here: isolation is not proven, which is none of the gateway's business.
"""

import asyncio
import json
import sys
import time
from collections.abc import Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from sentinel.core.gateway import canary
from tests.support.authority import Authority
from tests.support.eventually import eventually
from tests.support.ports import free_port
from tests.support.rawserver import raw_server
from tests.support.sentinels import Metrics, Sentinel
from tests.support.switching import Stub

pytestmark = pytest.mark.asyncio

HEARD = {"check": "crosstalk", "identity": "self", "target": "gateway/chat"}
WITNESSED = "sentinel_witness_breach_since_timestamp_seconds"
PATIENCE = 90.0
"""Seconds for what takes a few, on a machine that may be busy."""
NAMED = {"cluster": "c", "tenants": [{"name": name, "namespaces": [name]} for name in ("team-a", "team-b")]}


@dataclass
class Nowhere:
    """An API server's address where nobody listens."""

    ca_file: Path
    host: str = "127.0.0.1"
    port: int = field(default_factory=free_port)


def gateway(url: str, key: Path) -> dict[str, Any]:
    return {
        "name": "chat",
        "url": f"{url}/v1/chat/completions",
        "preset": "litellm",
        "model": "chat",
        "key": {"file": str(key)},
        "providers": [
            {"name": "openai", "direct": {"url": f"{url}/direct", "model": "m", "every": "1s"}},
            {"name": "backup"},
        ],
        "baseline": "1s",
        "patience": {"first_token": "3s", "total": "3s"},
        "burst": "500ms",
        "every": "1s",
    }


@asynccontextmanager
async def started(stub, tmp_path, command, *, every="10s", within="30s", **config):
    """`sentinel run` or `witness` beside this gateway; stopped, not killed, at the end. `every`: a round of the API."""
    (tmp_path / "key").write_text("abc\n")
    authority = Authority(tmp_path)
    rounds = {"every": every, "timeout": "500ms"}
    if command == "witness":
        files = {"cert": str(authority.certificate_file), "key": str(authority.key_file)}
        config |= {
            "relay": {"listen": f"127.0.0.1:{free_port()}"} | files,
            "isolation": {"witness_share": 0.25} | rounds,
        }
    else:
        config["isolation"] = config.get("isolation", {}) | rounds
    async with raw_server(None, stub.behave) as server:
        config |= NAMED | {"gateways": [gateway(server.url, tmp_path / "key") | {"failover": {"within": within}}]}
        nowhere = Nowhere(authority.ca_file)
        with Sentinel(
            cast("Any", nowhere), config, namespace="team-a", token="x", server=nowhere, command=command
        ) as made:
            yield made
            assert await asyncio.to_thread(made.stop) < 20


async def until(made: Sentinel, holds: Callable[[], object]) -> None:
    def tried() -> object:
        made.process.must_run()
        try:
            return holds()
        except (OSError, KeyError):  # it does not listen yet, or does not name it yet
            return None

    await asyncio.to_thread(eventually, tried, PATIENCE, lambda: made.process.log_tail(20))


async def one_failover(stub, folder):
    """The witness beside a primary that dies and needs three seconds: its metrics then, and the verdicts in its log."""
    async with started(stub, folder, "witness") as made:
        await until(made, lambda: answered(made, "served_primary") >= 3 and serving(made) == "openai")
        before = episodes(made, "invalid")
        stub.switch, stub.dies = 3.0, time.monotonic()
        await until(made, lambda: episodes(made, "pass") or lost(made, before))
        seen = made.metrics()
        await until(made, lambda: serving(made) == "backup")
        return seen, [line["verdict"] for line in made.log_lines(event="gateway.episode")]


async def test_the_witness_measures_a_failover_and_its_metrics_say_so(tmp_path):
    for number in range(5):
        stub, folder = Stub(), tmp_path / str(number)
        folder.mkdir()
        seen, told = await one_failover(stub, folder)
        if seen.sum("sentinel_gateway_failover_events_total", verdict="pass"):
            break  # else this machine was too busy for us, which is told as `invalid`

    lower, upper = (
        seen.value("sentinel_gateway_failover_seconds_sum", stage="stable", bound=b) for b in ("lower", "upper")
    )
    assert (
        seen.value("sentinel_gateway_failover_events_total", verdict="pass", **{"from": "openai", "to": "backup"}) == 1
    )
    assert lower <= 3.0 <= upper
    assert not seen.sum("sentinel_gateway_failover_pages_total")
    assert seen.sum("sentinel_gateway_provider_probes_total", provider="openai")
    assert [verdict for verdict in told if verdict != "invalid"] == ["pass"]
    assert all(asked["x-request-id"].startswith(f"tenant-sentinel-{canary.tag('witness')}") for asked in stub.headers)


async def test_a_witness_that_stood_still_says_nothing_of_the_gateway_and_wakes_nobody(tmp_path):
    """As on a node without a free processor: answers had come, and nobody was there to read them in time."""
    stub = Stub(takes=1.1)
    async with started(stub, tmp_path, "witness") as made:
        await until(made, lambda: answered(made, "served_primary") >= 3)
        known, before = episodes(made, "invalid"), answered(made, "served_primary")

        made.process.pause()
        await asyncio.sleep(5)
        made.process.resume()
        await until(made, lambda: answered(made, "served_primary") >= before + 3)
        seen = made.metrics()

    assert episodes_of(seen) == {"invalid"}
    assert seen.sum("sentinel_gateway_failover_events_total", verdict="invalid") > known
    assert outcomes_of(seen) == {"served_primary", "harness_error"}
    assert not seen.sum("sentinel_gateway_failover_pages_total")
    assert not seen.sum("sentinel_gateway_failover_open_seconds")


async def test_a_tenants_sentinel_asks_with_its_own_nonce_and_no_provider_itself(tmp_path):
    stub = Stub()
    async with started(stub, tmp_path, "run", tenant="team-a") as made:
        await until(made, lambda: answered(made, "served_primary") >= 2)
        seen = made.metrics()

    assert all(asked["x-request-id"].startswith(f"tenant-sentinel-{canary.tag('team-a')}") for asked in stub.headers)
    assert not seen.all("sentinel_gateway_provider_probes_total")
    assert seen.value("sentinel_gateway_period_seconds", gateway="chat") == 1.0


async def test_a_gateway_comes_and_goes_with_the_file_and_nothing_is_restarted(tmp_path):
    stub = Stub()
    async with started(stub, tmp_path, "run", tenant="team-a") as made:
        await until(made, lambda: answered(made, "served_primary"))
        whole = yaml.safe_load(made.config_file.read_text())

        made.config_file.write_text(yaml.safe_dump(whole | {"gateways": []}))
        await until(made, lambda: not made.metrics().all("sentinel_gateway_period_seconds"))
        before = len(stub.headers)
        made.config_file.write_text(yaml.safe_dump(whole))
        await until(made, lambda: len(stub.headers) > before and serving(made) == "openai")

        assert not [line for line in made.log_lines() if "exception" in line]


def answered(made: Sentinel, outcome: str) -> float:
    return made.metrics().sum("sentinel_gateway_probes_total", gateway="chat", outcome=outcome)


def episodes(made: Sentinel, verdict: str) -> float:
    return made.metrics().sum("sentinel_gateway_failover_events_total", verdict=verdict)


def outcomes_of(seen: Metrics) -> set[str]:
    found = seen.all("sentinel_gateway_probes_total", gateway="chat")
    return {dict(labels)["outcome"] for labels, value in found.items() if value}


def episodes_of(seen: Metrics) -> set[str]:
    found = seen.all("sentinel_gateway_failover_events_total", gateway="chat")
    return {dict(labels)["verdict"] for labels, value in found.items() if value}


def lost(made: Sentinel, before: float) -> bool:
    """We were disturbed ourselves meanwhile, and the switch was not measured."""
    return episodes(made, "invalid") > before and serving(made) == "backup"


def serving(made: Sentinel) -> str:
    found = made.metrics().all("sentinel_gateway_serving_provider", gateway="chat")
    return next((dict(labels)["provider"] for labels, value in found.items() if value), "")


async def test_a_pod_that_does_not_hold_the_lease_asks_no_gateway(tmp_path):
    """Nobody can hold it here: there is no API server."""
    stub = Stub()
    lease = {"isolation": {"lease": "sentinel"}}
    async with started(stub, tmp_path, "run", tenant="team-a", **lease) as made:
        # Each half a second of its own: three periods of the gateway.
        await until(made, lambda: made.metrics().value("sentinel_loop_lag_seconds_count") >= 6)
        seen = made.metrics()

    assert stub.headers == []
    assert not seen.all("sentinel_gateway_period_seconds")


async def test_who_has_no_gateway_pays_for_none():
    code = "import sys, sentinel.daemon, sentinel.witness; sys.exit('sentinel.joins.gateways' in sys.modules)"

    program = await asyncio.create_subprocess_exec(sys.executable, "-c", code)

    assert await program.wait() == 0


@pytest.mark.parametrize("command", ["run", "witness"])
async def test_an_answer_to_somebody_else_is_a_breach_until_two_clean_ones_whatever_file_comes(tmp_path, command):
    stub, journal = Stub(mixes="team-b"), tmp_path / "journal.jsonl"
    own = {"journal": {"path": str(journal)}} | ({"tenant": "team-a"} if command == "run" else {})
    name = "sentinel_breach_since_timestamp_seconds" if command == "run" else WITNESSED
    async with started(stub, tmp_path, command, every="1s", **own) as made:
        await until(made, lambda: made.metrics().value(name, **HEARD))
        since = made.metrics().value(name, **HEARD)

        whole = yaml.safe_load(made.config_file.read_text())
        made.config_file.write_text(yaml.safe_dump(whole | {"log": {"level": "debug"}}))
        await until(made, lambda: made.log_lines(event="config.taken") and made.metrics().value(name, **HEARD) == since)
        where = f"/api/v1/breaches{'' if command == 'run' else '?tenant=witness'}"
        await until(made, lambda: made.console(where))
        shown = await asyncio.to_thread(made.console, where)
        assert [(row["check"], row["target"], row["active"]) for row in shown] == [("crosstalk", "gateway/chat", True)]
        assert f"mark {canary.tag('team-b')}, of tenant team-b" in shown[0]["place"]

        stub.mixes = ""
        await until(made, lambda: made.metrics().value(name, **HEARD) == 0)
        opened, closed = (made.log_lines(event=f"breach.{turn}") for turn in ("opened", "closed"))
        assert [row["check"] for row in (*opened, *closed)] == ["crosstalk", "crosstalk"]

    kept = [json.loads(line) for line in journal.read_text().splitlines()]
    assert [row["event"] for row in kept if row.get("check") == "crosstalk"] == ["opened", "closed"]
