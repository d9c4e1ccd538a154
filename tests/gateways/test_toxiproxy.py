"""Toxiproxy between Portkey and its first provider: what users get is called what it is, and the switch is measured."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest

from sentinel import settings
from sentinel.clients.clock import Clock
from sentinel.core.gateway.failover import Verdict
from sentinel.core.gateway.news import Ended, Probed
from sentinel.core.gateway.outcome import Outcome, judge
from sentinel.joins import gateways
from sentinel.joins.gateways import Asker
from tests.core.gateway import recorded as r
from tests.support.portkey import config
from tests.support.providers import provider
from tests.support.rawserver import raw_server
from tests.support.toxiproxy import Toxiproxy, toxiproxy

O = Outcome  # noqa: E741
EXPECTED = r.expected("portkey", grace=60.0)
WAITS = 3.0
"""Seconds that the gateway waits for a provider's headers, where none come."""
TOXICS: dict[str, tuple[dict[str, Any], Outcome, Outcome]] = {
    "late": ({"latency": {"latency": 500}}, O.SERVED_PRIMARY, O.SERVED_PRIMARY),
    "too-late": ({"latency": {"latency": 60_000}}, O.FAILED_OVER, O.FAILED_OVER),
    "slow": ({"bandwidth": {"rate": 1}}, O.SERVED_PRIMARY, O.SERVED_PRIMARY),
    "hole": ({"timeout": {"timeout": 0}}, O.FAILED_OVER, O.FAILED_OVER),
    "reset": ({"reset_peer": {"timeout": 0}}, O.FAILED_OVER, O.FAILED_OVER),
    "cut": ({}, O.FAILED_OVER, O.FAILED_OVER),
    "cut-after-headers": ({"limit_data": {"bytes": 200}}, O.EMPTY_SUCCESS, O.UNGRACEFUL_ERROR),
    "cut-after-words": ({"limit_data": {"bytes": 1000}}, O.TRUNCATED_STREAM, O.SERVED_PRIMARY),
}
"""What stands on the way, and what becomes of a stream and of an answer in one piece, which has 500 bytes."""


async def test_whatever_stands_on_the_way_to_a_provider_the_outcome_is_what_the_user_had(gateway, tmp_path):
    async def ask(name: str, stream: bool) -> Any:
        how = "stream" if stream else "whole"
        urls = f"{ways[name]}/ok/{how}/v1", f"{primary.url}/ok/{how}/v1"
        waits = WAITS if name in ("hole", "too-late") else 30.0
        return judge(await gateway.ask(*urls, stream=stream, waits=waits), r.ASKED, EXPECTED)

    async with toxiproxy(tmp_path) as toxics, raw_server(None, provider) as primary:
        ways = {name: await toxics.proxy(name, primary.url) for name in TOXICS}
        for name, (poison, _, _) in TOXICS.items():
            for kind, attributes in poison.items():
                await toxics.poison(name, kind, attributes)
        await toxics.cut("cut")
        streams = await asyncio.gather(*(ask(name, True) for name in ways))
        pieces = await asyncio.gather(*(ask(name, False) for name in ways))

    found = {name: (stream.outcome, piece.outcome) for name, stream, piece in zip(ways, streams, pieces, strict=True)}
    assert found == {name: (if_streamed, if_whole) for name, (_, if_streamed, if_whole) in TOXICS.items()}
    late = streams[list(ways).index("late")]
    assert late.first_token >= 0.5


class Heard:
    """News of one gateway."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.changed = asyncio.Event()

    def put(self, news: Any) -> None:
        self.told.append(news)
        self.changed.set()

    def of(self, kind: type) -> list[Any]:
        return [news for news in self.told if isinstance(news, kind)]

    async def answered(self, count: int) -> None:
        while len(self.of(Probed)) < count:
            await self.next()

    async def next(self) -> None:
        self.changed.clear()
        async with asyncio.timeout(90):
            await self.changed.wait()


FAULTS = {"cut": Toxiproxy.cut, "hole": lambda toxics, name: toxics.poison(name, "timeout", {"timeout": 0})}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_provider_that_goes_out_of_reach_is_a_switch_between_its_bounds(gateway, tmp_path, fault):
    async with toxiproxy(tmp_path) as toxics:
        for turn in range(4):
            episode, truth = await switched(gateway, toxics, tmp_path, fault, f"{fault}-{turn}")
            if episode.verdict is not Verdict.INVALID:
                break  # else this machine was too busy for us

    assert (episode.source, episode.to, episode.verdict) == ("openai", "backup", Verdict.PASS)
    assert episode.stable.lower <= truth <= episode.stable.upper
    assert truth >= (WAITS if fault == "hole" else 0)


async def switched(gateway, toxics: Toxiproxy, tmp_path, fault: str, name: str) -> tuple[Any, float]:
    """The episode, and the seconds from the fault to the backup's first answer by the providers' clock."""
    answers: list[float] = []

    async def backup(peer, asked):
        await provider(peer, asked)
        answers.append(time.monotonic())

    heard = Heard()
    async with raw_server(None, provider) as one, raw_server(None, backup) as two:
        urls = f"{await toxics.proxy(name, one.url)}/ok/stream/v1", f"{two.url}/ok/stream/v1"
        path, header = tmp_path / f"{name}.yaml", tmp_path / f"{name}.json"
        header.write_text(config(urls, WAITS))
        path.write_text(json.dumps(configured(gateway.url, header)))
        witness = Asker("witness", fast=True)
        async with gateways.asked(settings.load(path, {}).gateways, witness, Clock(), [heard]):
            await heard.answered(3)
            await FAULTS[fault](toxics, name)
            died = time.monotonic()
            while not (ended := [news.episode for news in heard.of(Ended) if news.episode.ended > died]):
                await heard.next()
    return ended[0], answers[0] - died


def configured(url: str, header: Path) -> dict[str, Any]:
    row = {
        "name": "chat",
        "url": url,
        "preset": "portkey",
        "model": "m",
        "headers": [{"name": "x-portkey-config", "file": str(header)}],
        "providers": [{"name": "openai"}, {"name": "backup"}],
        "baseline": "1s",
        "streamed": 1,
    }
    tenants = [{"name": "team-a", "namespaces": ["team-a"]}]
    return {"cluster": "c", "tenant": "team-a", "tenants": tenants, "gateways": [row]}
