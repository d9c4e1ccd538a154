"""The primary behind a real litellm dies: how long nobody answered, by our machine, holds the truth.

What that was is told by the servers behind it: from the moment at which the primary listens no more to the
moment at which the backup has answered its first question.
"""

import asyncio
import contextlib
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from sentinel import settings
from sentinel.clients.clock import Clock
from sentinel.core.gateway.failover import Episode, Verdict
from sentinel.core.gateway.news import Ended, Probed
from sentinel.core.gateway.outcome import GOOD, Outcome
from sentinel.joins import gateways
from sentinel.joins.gateways import Asker
from tests.support.litellm import Litellm, Model, litellm
from tests.support.providers import provider
from tests.support.rawserver import Asked, Peer, raw_server

PATIENCE = 120.0
"""Seconds until an episode must be over: a machine that is busy takes long to start even a retry."""
AS_IT_COMES: dict[str, Any] = {}
TUNED = {"num_retries": 0, "allowed_fails": 1, "cooldown_time": 10}


@dataclass
class Heard:
    """The news of one gateway."""

    told: list[Any] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, news):
        self.told.append(news)
        self.changed.set()

    def of(self, kind):
        return [news for news in self.told if isinstance(news, kind)]

    def outcomes(self):
        return [news.judged.outcome for news in self.of(Probed)]

    async def until(self, done):
        async with asyncio.timeout(PATIENCE):
            while not done():
                self.changed.clear()
                await self.changed.wait()


@dataclass(frozen=True)
class Fall:
    """One death of the primary: what was said of it, and how long it really was."""

    episode: Episode
    truth: float
    outcomes: list[Outcome]
    slowest: float


def config(gateway: Litellm) -> str:
    row = {
        "name": "chat",
        "url": gateway.url,
        "preset": "litellm",
        "model": "m",
        "key": {"file": str(gateway.key_file)},
        "providers": [{"name": "openai"}, {"name": "backup"}],
        "streamed": 1.0,
    }
    tenants = [{"name": "team-a", "namespaces": ["team-a"]}]
    return yaml.safe_dump({"cluster": "c", "tenant": "team-a", "tenants": tenants, "gateways": [row]})


async def fall(folder: Path, router: dict[str, Any]) -> Fall:
    """What came of it."""
    answers: list[float] = []

    async def backup(peer: Peer, asked: Asked) -> None:
        await provider(peer, asked)
        if asked.line.startswith("POST"):
            answers.append(time.monotonic())

    heard = Heard()
    async with contextlib.AsyncExitStack() as primary, raw_server(None, backup) as two:
        one = await primary.enter_async_context(raw_server(None, provider))
        with litellm(folder, {"m": Model(f"{one.url}/ok/stream/v1", f"{two.url}/ok/stream/v1")}, **router) as gateway:
            (folder / "s.yaml").write_text(config(gateway))
            loaded = settings.load(folder / "s.yaml", {})
            async with gateways.asked(loaded.gateways, Asker("witness", fast=True), Clock(), [heard]):
                await heard.until(lambda: heard.outcomes()[-3:] == [Outcome.SERVED_PRIMARY] * 3)
                died = time.monotonic()
                await primary.aclose()
                await heard.until(lambda: heard.of(Ended))
    slowest = max(news.judged.took for news in heard.of(Probed))
    return Fall(heard.of(Ended)[0].episode, answers[0] - died, heard.outcomes(), slowest)


@pytest.mark.parametrize("router", [AS_IT_COMES, TUNED], ids=["as it comes", "tuned"])
async def test_the_primary_dies_and_the_truth_lies_between_the_bounds(tmp_path, router):
    for attempt in range(3):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        found = await fall(folder, router)
        if found.episode.verdict is not Verdict.INVALID:  # this machine was too busy for us
            break

    first = found.episode.first
    assert first is not None
    print(
        f"{found.episode.verdict}: {first.lower:.2f} to {first.upper:.2f} s, in truth {found.truth:.2f} s; "
        f"slowest answer {found.slowest:.2f} s; {found.outcomes.count(Outcome.FAILED_OVER)} answers of the backup, "
        f"{sum(outcome not in GOOD for outcome in found.outcomes)} bad ones"
    )
    assert found.episode.verdict in (Verdict.PASS, Verdict.INDETERMINATE)
    assert first.lower <= found.truth <= first.upper
    assert (found.episode.source, found.episode.to) == ("openai", "backup")
    assert Outcome.FAILED_OVER in found.outcomes
