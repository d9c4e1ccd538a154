"""Gateways on virtual time: what is asked of them takes as long as they say, and costs no time at all."""

import asyncio
from dataclasses import dataclass, field, replace
from typing import Any

from sentinel.clients.clock import Clock
from sentinel.core.gateway.completion import Heard, Trouble
from sentinel.core.gateway.failover import Kind, Sample
from sentinel.core.gateway.news import CameBack, Ended, Probed, Skipped, Tail
from sentinel.engine.disturbance import Disturbances
from sentinel.engine.gateway import Driver, Plan
from tests.core.gateway import recorded as r

NOON = 20_000 * 86_400.0 + 43_200


class LoopClock(Clock):
    """The loop's own time, which looptime moves. `slept` and `jumped` are added to it; below a `rate` of 1 timers ring early."""

    rate = 1.0
    slept = 0.0
    jumped = 0.0

    def monotonic(self):
        return asyncio.get_running_loop().time() * self.rate + self.slept

    def wall(self):
        return NOON + asyncio.get_running_loop().time() + self.slept + self.jumped


GOOD = {
    provider: [
        r.heard(
            body=(r.ROLE + r.said() + r.STOP + r.DONE) if stream else r.chat(r.ASKED.song),
            stream=stream,
            headers={"x-litellm-model-id": provider},
        )
        for stream in (False, True)
    ]
    for provider in ("openai", "backup", "4f6e")
}
"""By the provider's name: an answer in one piece, and a stream."""
BAD = {
    "refused": r.heard(None, trouble=Trouble.REFUSED),
    "headers": r.heard(None, trouble=Trouble.LATE_HEADERS),
    "cooldown": r.heard(429, r.LITELLM_COOLDOWN, headers={"retry-after": "10"}),
    "resolver": r.heard(None, trouble=Trouble.RESOLVER),
}


@dataclass
class Scripted:
    """Answers as `world` says: a function from the start to (seconds, what: a provider's name or a word of BAD)."""

    world: Any
    clock: LoopClock
    starts: list[float] = field(default_factory=list)
    streams: list[bool] = field(default_factory=list)
    waiting: int = 0
    most_waiting: int = 0

    async def ask(self, canary, *, stream, on_token):
        start, at = self.clock.monotonic(), self.clock.wall()
        self.starts.append(asyncio.get_running_loop().time())
        self.streams.append(stream)
        answer = self.world(asyncio.get_running_loop().time())
        if isinstance(answer, Exception):
            raise answer
        took, what = answer
        self.waiting += 1
        self.most_waiting = max(self.waiting, self.most_waiting)
        try:
            await self._pass(took, on_token, good=what in GOOD)
        finally:
            self.waiting -= 1
        heard = GOOD[what][stream] if what in GOOD else BAD[what]
        end = self.clock.monotonic()
        token = None if heard.transcript.first_token is None else start + (end - start) * 0.3
        transcript = replace(heard.transcript, first_token=token, last_token=None if token is None else end)
        return replace(heard, start=start, at=at, took=end - start, stream=stream, transcript=transcript)

    async def _pass(self, took, on_token, *, good):
        await asyncio.sleep(took * 0.3)
        if good:
            on_token()
        await asyncio.sleep(took * 0.7)


def truth(gateway):
    """The world of a gateway whose truth is known."""

    def world(start: float) -> tuple[float, str]:
        sample: Sample = gateway.ask(start)
        took = sample.end - sample.start
        if sample.kind is Kind.GOOD:
            return took, sample.provider
        return took, "headers" if took > 5 else "refused"

    return world


@dataclass
class Run:
    """A driver on virtual time, and all that it told."""

    world: Any
    options: dict[str, Any] = field(default_factory=dict)
    direct: tuple[Any, ...] = ()
    told: list[Any] = field(default_factory=list)
    jumped: float = 0.0

    def __post_init__(self):
        self.clock = LoopClock()
        self.clock.jumped = self.jumped
        self.asks = Scripted(self.world, self.clock)
        options = {"every": 2.0, "burst": 0.5} | self.options
        plan = Plan("chat", self.asks, r.expected(), direct=self.direct, **options)
        self.disturbances = Disturbances(self.clock)
        self.driver = Driver(plan, self.clock, lambda: r.ASKED.nonce, self, self.disturbances)

    def put(self, news):
        self.told.append(news)

    async def for_seconds(self, seconds):
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self.driver.run()), group.create_task(self.disturbances.watch())]
            await asyncio.sleep(seconds)
            for task in tasks:
                task.cancel()
        self.driver.close()

    def of(self, kind):
        return [news for news in self.told if isinstance(news, kind)]

    @property
    def episodes(self):
        return [news.episode for news in self.of(Ended)]

    @property
    def outcomes(self):
        return [news.judged.outcome for news in self.of(Probed)]

    @property
    def skipped(self):
        return {reason: sum(row.slots for row in self.of(Skipped) if row.reason == reason) for reason in self.reasons}

    @property
    def reasons(self):
        return {row.reason for row in self.of(Skipped)}


__all__ = ["BAD", "GOOD", "CameBack", "Ended", "Heard", "LoopClock", "Probed", "Run", "Skipped", "Tail", "truth"]
