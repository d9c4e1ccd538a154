"""Asks one gateway in an open loop, and fills the machines of `core` with what comes.

    slots: |--- every ---|--- every ---|.burst.|.burst.|.burst.|--- every ---|
             probe ......... probe .......... probe   (each a task: they overlap, and end in any order)
             ended -> judged -> pace, allowance, cooldown -> Line -> failover -> News

A probe that hangs holds up nobody; a slot that is not used is counted, and the bounds are wider for
it. The witness runs it every two seconds, fast when something is wrong; a tenant every minute, with
its own nonce and key.
"""

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol, Self

import structlog

from sentinel.clients.clock import Clock
from sentinel.core.gateway import allowance, cooldown, failover, pace, retry_after
from sentinel.core.gateway.allowance import Allowance
from sentinel.core.gateway.canary import Canary
from sentinel.core.gateway.completion import OURS, Heard, Trouble
from sentinel.core.gateway.failover import Episode, Failback, Failover, Kind, Sample
from sentinel.core.gateway.news import CameBack, Ended, News, Probed, Skipped, Stand, Tail
from sentinel.core.gateway.outcome import Expected, Judged, Outcome, judge
from sentinel.core.gateway.pace import Pace
from sentinel.core.gateway.retry_after import Pledge
from sentinel.core.gateway.transcript import Shape
from sentinel.core.schedule import spread
from sentinel.engine.disturbance import Disturbances
from sentinel.engine.known import Known
from sentinel.engine.tasks import forever

TOKENS_IN, TOKENS_OUT = 50, 45
"""Of one probe, where nobody counted them."""
_MOST_PLEDGES = 32
_LOOK_AGAIN = 60.0
_log = structlog.get_logger()


class Asks(Protocol):
    """Asks for one completion; whatever comes is a `Heard`."""

    async def ask(self, canary: Canary, *, stream: bool, on_token: Callable[[], None]) -> Heard:
        """Ask once, and call `on_token` at the first token."""
        ...


class Listens(Protocol):
    """A place that news of gateways go to."""

    def put(self, news: News) -> None:
        """Take it; must not block."""
        ...


@dataclass(frozen=True)
class Direct:
    """A provider that is asked itself, and what is known of it in advance."""

    name: str
    asks: Asks
    expected: Expected
    every: float
    allowance: Allowance = field(default_factory=Allowance)


@dataclass(frozen=True)
class Plan:
    """How one gateway is asked. Seconds; `burst` None: never faster, as a tenant, since there are many of them."""

    name: str
    asks: Asks
    expected: Expected
    every: float
    burst: float | None = None
    offset: float = 0.0
    within: float = 30.0
    longest: float = 25.0  # that one probe can take
    streamed: float = 0.75
    allowance: Allowance = field(default_factory=Allowance)
    direct: tuple[Direct, ...] = ()
    place: str = ""  # its address

    @property
    def budgets(self) -> dict[str, Allowance]:
        """Of the gateway itself by an empty name, and of each provider that is asked by its own."""
        return {"": self.allowance} | {row.name: row.allowance for row in self.direct}

    def is_of_the_same(self, other: "Plan") -> bool:
        """Whether what is known by that plan is known of what this one asks."""
        mine, theirs = self.expected, other.expected
        where = (self.name, self.place, mine.primary, mine.providers, mine.preset)
        return where == (other.name, other.place, theirs.primary, theirs.providers, theirs.preset)

    @property
    def capacity(self) -> int:
        """How many probes may be under way: all that hang at the fastest pace, and one more."""
        return math.ceil(self.longest / min(self.every, self.burst or self.every)) + 1


@dataclass
class Driver:
    """Drives one gateway. `nonce` gives a new one each time, with our own tag.

    When it has stopped, `known` is for the next one of the same gateway, or else `close` says how it ended.
    """

    plan: Plan
    clock: Clock
    nonce: Callable[[], str]
    listens: Listens
    disturbances: Disturbances
    known: Known = field(init=False)
    _waiting: int = 0
    _hurry: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        """Nothing is known yet."""
        self.known = Known(Failover(self.plan.within, self.plan.expected.primary), self.plan.budgets)
        self.disturbances.heed(self._disturbed)

    async def run(self) -> None:
        """For ever."""
        async with asyncio.TaskGroup() as group:
            for row in self.plan.direct:
                name = f"{self.plan.name}/{row.name}"
                group.create_task(forever(name, partial(self._ask_directly, row)), name=name)
            await self._slots(group)

    def stand(self) -> Stand:
        """How it stands now: also what has ended, and waits for an earlier probe, counts."""
        known = failover.ahead(self.known.failover, self.known.line.waiting)
        budget = allowance.on(self.known.allowances[""], self.clock.wall())
        return Stand(
            steady=known.steady,
            live=failover.live(known, self.clock.monotonic()),
            fast=self.known.pace.fast,
            waiting=self._waiting,
            period=self._period(),
            spent=budget.share,
            spent_tokens=budget.spent_in + budget.spent_out,
            spent_money=budget.spent_money,
        )

    # When to ask.

    async def _slots(self, group: asyncio.TaskGroup) -> None:
        slot = self.clock.monotonic() + self.plan.offset
        asked = -math.inf
        while True:
            if await self._woken_before(slot):
                fast = self._period()
                slot = slot if fast is None else min(slot, max(self.clock.monotonic(), asked + fast))
                continue
            every = self._period()
            if every is None:
                self._skip("budget", max(1, int(_LOOK_AGAIN // self.plan.every)))
                slot += max(self.plan.every, _LOOK_AGAIN)
                continue
            late = self._late(slot, every)
            if late:
                self._skip("late", late)
                slot += late * every
            if self._waiting >= self.plan.capacity:
                self._skip("capacity")
            else:
                self._begin(group)
            asked, slot = slot, slot + every

    async def _woken_before(self, slot: float) -> bool:
        """Waits for the slot; True when there is a reason to be faster."""
        rest = slot - self.clock.monotonic()
        try:
            async with asyncio.timeout(max(0.0, rest)):
                await self._hurry.wait()
        except TimeoutError:
            return False
        self._hurry.clear()
        return True

    def _late(self, slot: float, every: float) -> int:
        """Slots that are over. None where a timer rang early: those of uvloop do, by up to a millisecond."""
        return max(0, int((self.clock.monotonic() - slot) // every))

    def _period(self) -> float | None:
        wanted = self.plan.burst if self.known.pace.fast and self.plan.burst else self.plan.every
        return self._allowed("", wanted)

    def _allowed(self, target: str, wanted: float) -> float | None:
        return allowance.period(self.known.allowances[target], self.clock.wall(), wanted, TOKENS_IN + TOKENS_OUT)

    def _skip(self, reason: str, slots: int = 1, target: str = "") -> None:
        self.listens.put(Skipped(self.plan.name, reason, slots, target))

    # What is asked, and what came.

    def _begin(self, group: asyncio.TaskGroup) -> None:
        number, self.known.number = self.known.number, self.known.number + 1
        self.known.line = self.known.line.begin(number)
        self._waiting += 1
        group.create_task(self._probe(number), name=f"{self.plan.name} #{number}")

    async def _probe(self, number: int) -> None:
        canary, stream = Canary(self.nonce()), _is_streamed(number, self.plan.streamed)
        sample = None
        try:
            with _Alarm(self.known.usual.suspicious(stream=stream), self._suspect) as alarm:
                heard = await self._asked(self.plan.asks, canary, alarm.off, stream=stream)
            sample = self._ended(heard, canary)
        finally:
            self._waiting -= 1
            self.known.line, ready = self.known.line.end(number, sample)
            self._advance(ready)

    async def _asked(self, asks: Asks, canary: Canary, on_token: Callable[[], None], *, stream: bool) -> Heard:
        start, at = self.clock.monotonic(), self.clock.wall()
        try:
            return await asks.ask(canary, stream=stream, on_token=on_token)
        except Exception:  # noqa: BLE001
            # Our bug: this probe is lost, and seen; the next one is asked all the same.
            _log.exception("gateway.probe_failed", gateway=self.plan.name)
            return Heard(start, at, self.clock.monotonic() - start, stream, trouble=Trouble.BUG)

    def _judged(self, heard: Heard, canary: Canary, expected: Expected) -> tuple[Heard, Judged]:
        """What it was worth. One that ended badly while we were disturbed ourselves is our own affair."""
        judged = judge(heard, canary, expected)
        trouble = None if judged.good or heard.trouble in OURS else self.disturbances.during(heard.start)
        if trouble is None:
            return heard, judged
        heard = replace(heard, trouble=trouble)
        return heard, judge(heard, canary, expected)

    def _ended(self, heard: Heard, canary: Canary) -> Sample:
        heard, judged = self._judged(heard, canary, self.plan.expected)
        sample = failover.sample_of(heard, judged)
        other = judged.outcome is Outcome.FAILED_OVER
        penalty = self.known.usual.penalty(heard.took, stream=heard.stream) if other else None
        self._learn(heard, judged, sample)
        self._told(heard, canary, judged, penalty)
        return sample

    def _learn(self, heard: Heard, judged: Judged, sample: Sample) -> None:
        if judged.outcome is Outcome.SERVED_PRIMARY:
            self.known.usual = self.known.usual.with_(heard.took, heard.first_token, stream=heard.stream)
        self._turn(pace.heard(self.known.pace, sample))
        if sample.kind is Kind.BAD:
            self.known.providers = cooldown.failed(self.known.providers)
        elif sample.kind is Kind.GOOD:
            self.known.providers, tail = cooldown.answered(self.known.providers, sample.end)
            if tail is not None:
                self.listens.put(Tail(self.plan.name, tail))

    def _told(self, heard: Heard, canary: Canary, judged: Judged, penalty: float | None) -> None:
        kept = broken = 0
        if judged.outcome is not Outcome.HARNESS_ERROR:
            self.known.pledges, kept, broken = retry_after.kept(self.known.pledges, heard.start, good=judged.good)
        if judged.retry_after is not None and not judged.good:
            self.known.pledges = (*self.known.pledges, Pledge(heard.end + judged.retry_after))[-_MOST_PLEDGES:]
        tokens_in, tokens_out = self._spend("", heard)
        self.listens.put(
            Probed(
                self.plan.name,
                heard.at,
                judged,
                canary.nonce,
                penalty=penalty,
                promises_kept=kept,
                promises_broken=broken,
                tokens_in=tokens_in,
                tokens_out=tokens_out,
                start=heard.start,
            )
        )

    def _spend(self, target: str, heard: Heard) -> tuple[int, int]:
        tokens = _tokens(heard)
        self.known.allowances[target] = allowance.spend(self.known.allowances[target], self.clock.wall(), *tokens)
        return tokens

    def _suspect(self) -> None:
        self._turn(pace.suspect(self.known.pace, self.clock.monotonic()))

    def _turn(self, after: Pace) -> None:
        turned = after.fast and not self.known.pace.fast
        self.known.pace = after
        if turned and self.plan.burst is not None:
            self._hurry.set()

    def _disturbed(self, begin: float, end: float) -> None:
        number, self.known.number = self.known.number, self.known.number + 1
        self.known.line, ready = self.known.line.begin(number).end(number, Sample(begin, end, Kind.OURS))
        self._advance(ready)

    def _advance(self, samples: tuple[Sample, ...]) -> None:
        for sample in samples:
            self.known.failover, told = failover.advance(self.known.failover, sample)
            match told:
                case Episode():
                    self.listens.put(Ended(self.plan.name, told, told.pages(self.plan.within), self.plan.within))
                case Failback():
                    seconds = cooldown.failback(self.known.providers, self.plan.expected.primary, told.at)
                    self.listens.put(CameBack(self.plan.name, told.source, seconds))

    def close(self) -> None:
        """Nobody goes on: an outage that lasts is told as such."""
        known = failover.ahead(self.known.failover, self.known.line.waiting)
        episode = failover.close(known, self.clock.monotonic())
        if episode is not None:
            self.listens.put(Ended(self.plan.name, episode, episode.pages(self.plan.within), self.plan.within))

    # The providers themselves.

    async def _ask_directly(self, row: Direct) -> None:
        slot = self.clock.monotonic() + spread(f"{self.plan.name}/{row.name}", row.every)
        while True:
            await asyncio.sleep(max(0.0, slot - self.clock.monotonic()))
            every = self._allowed(row.name, row.every)
            if every is None:
                self._skip("budget", target=row.name)
            else:
                await self._direct(row)
            step = every or _LOOK_AGAIN
            late = self._late(slot, step)
            if late:
                self._skip("late", late, row.name)
            slot += (late + 1) * step

    async def _direct(self, row: Direct) -> None:
        canary = Canary(self.nonce())
        heard = await self._asked(row.asks, canary, lambda: None, stream=True)
        heard, judged = self._judged(heard, canary, row.expected)
        if judged.outcome not in (Outcome.HARNESS_ERROR, Outcome.CONFIG_ERROR):
            self.known.providers = cooldown.direct(self.known.providers, row.name, heard.end, good=judged.good)
        tokens = self._spend(row.name, heard)
        self.listens.put(
            Probed(
                self.plan.name,
                heard.at,
                judged,
                canary.nonce,
                target=row.name,
                tokens_in=tokens[0],
                tokens_out=tokens[1],
                start=heard.start,
            )
        )


class _Alarm:
    """Rings once when its time is over, unless it was turned off."""

    def __init__(self, after: float | None, ring: Callable[[], None]) -> None:
        self._handle = None if after is None else asyncio.get_running_loop().call_later(after, ring)

    def off(self) -> None:
        if self._handle is not None:
            self._handle.cancel()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.off()


def _is_streamed(number: int, share: float) -> bool:
    """Evenly over the numbers, so that of any four, three are streamed when the share is 0.75."""
    return math.floor((number + 1) * share) > math.floor(number * share)


def _tokens(heard: Heard) -> tuple[int, int]:
    """What it took, as counted by whoever answered, else as far as can be seen; nothing where nobody answered."""
    transcript = heard.transcript
    if heard.status is None:
        return 0, 0
    answered = transcript.shape in (Shape.STREAM, Shape.ANSWER)
    tokens_in = transcript.tokens_in if transcript.tokens_in is not None else TOKENS_IN if answered else 0
    seen = TOKENS_OUT if transcript.shape is Shape.ANSWER else transcript.tokens
    return tokens_in, transcript.tokens_out if transcript.tokens_out is not None else seen
