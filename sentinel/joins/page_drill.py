"""The witness drills the page path: it sends a breach that is none both ways, looks where it comes out, and tells.

gauge, pager --> ... --> Alertmanagers --> drill's route --> door
  ^                          | asked again and again          | posts
  +------ PageDrill ---------+--------------------------------+
             |
             +--> metrics, log, and a push when the rule's way is broken; the rule tells of the push's, and of both
"""

import asyncio
import random
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import structlog

from sentinel.clients import alertmanager_alerts
from sentinel.clients.alertmanager import Alertmanagers, Receiver
from sentinel.clients.clock import Clock
from sentinel.clients.reading import Reader
from sentinel.clients.tokens import FileToken
from sentinel.core import page
from sentinel.core.page import WITNESS, Alert, Sender
from sentinel.core.paging import page_drill
from sentinel.core.paging.formula import Path
from sentinel.core.paging.page_drill import LABEL, NAME, NUMBER, RECEIVER, Health, Limits, Place, Result, Run, Stage
from sentinel.core.record import Series
from sentinel.errors import ClientError
from sentinel.joins.paging import sender_of
from sentinel.settings import Settings
from sentinel.sinks.page_path_metrics import PagePathMetrics
from sentinel.sinks.pager import Pager
from sentinel.web.drill_door import DrillDoor

_LOOK_SECONDS = 5.0
"""For one Alertmanager to list its drills."""
_SOONEST, _LATEST = 0.02, 1.0
"""Seconds between two looks: often while it matters whether it took 5 ms or 50, then once a second."""
_DRILL = Series("", "", NAME)
_ABOUT = {path: Series("", "", f"{NAME}/{path.value}") for path in Path}

_log = structlog.get_logger()


@dataclass
class PageDrill:
    """One drill after another. Seconds. `healths` outlives a reload of the file.

    `again`: after a drill that failed. What begins before Alertmanager has told the end of the last one is no news to
    it, and would be told nobody.
    """

    urls: tuple[str, ...]
    every: float
    again: float
    limits: Limits
    sender: Sender
    pager: Pager
    metrics: PagePathMetrics
    clock: Clock
    healths: dict[Path, Health]
    wakes: bool = False
    posted: bool = False
    """Whether the drill's route ends at our own door."""
    rng: random.Random = field(default_factory=random.SystemRandom)
    runs: dict[Path, Run] = field(default_factory=dict, init=False)
    """The drill of each way that runs, or ran last."""

    async def run(self) -> None:
        """For ever. Not at once: Prometheus has to find us first."""
        self._tell_again()
        await asyncio.sleep(self.limits.within)
        while True:
            await self.drill()
            # What has failed is tried again soon: whether it is broken, and later whether it is mended, is news.
            failed = any(health.failures for health in self.healths.values())
            await asyncio.sleep(self.again if failed else max(self.every, self.again))

    async def drill(self) -> None:
        """Once, both ways at the same time."""
        async with Alertmanagers() as names, Reader(_LOOK_SECONDS) as reader:
            receivers = await self._receivers(names)
            began = self.clock.wall()
            self._send(began, [str(receiver) for receiver in receivers])
            try:
                await self._watch(reader, receivers)
            finally:
                self.metrics.standing.set(0)
                self.pager.over(Alert.DRILL, _DRILL, self.clock.wall())
        for run in self.runs.values():
            self._judge(run, began)
        self._write()

    def take(self, said: Any) -> None:
        """What Alertmanager posted to our door, whatever it is."""
        self._arrived(RECEIVER, said)

    async def _receivers(self, names: Alertmanagers) -> list[Receiver]:
        """All of them; one whose name is not found is one where the drill will not be seen."""
        found: list[Receiver] = []
        for url in self.urls:
            try:
                found += await names.resolve(url)
            except ClientError:
                found.append(Receiver(url))
        return found

    def _send(self, began: float, names: Sequence[str]) -> None:
        places = frozenset(
            {*(Place(Stage.ALERTMANAGER, name) for name in names), *((RECEIVER,) if self.posted else ())}
        )
        now = self.clock.monotonic()
        self.runs = {path: Run(path, self.rng.randrange(1, page_drill.LARGEST), now, places) for path in Path}
        self.metrics.standing.set(self.runs[Path.RULE].number)
        labels = {LABEL: NAME} if self.wakes else {LABEL: NAME, "severity": "none"}
        annotations = {NUMBER: str(self.runs[Path.PUSH].number)}
        self.pager.pass_on(Alert.DRILL, _DRILL, page.drill_page(self.sender, labels, annotations, began))

    async def _watch(self, reader: Reader, receivers: Sequence[Receiver]) -> None:
        """Until both have arrived, or are given up."""
        pause = _SOONEST
        while not all(run.is_over(self.clock.monotonic(), self.limits) for run in self.runs.values()):
            await asyncio.gather(*(self._look(reader, receiver) for receiver in receivers))
            await asyncio.sleep(pause)
            pause = min(_LATEST, 1.2 * pause)

    async def _look(self, reader: Reader, receiver: Receiver) -> None:
        place = Place(Stage.ALERTMANAGER, str(receiver))
        if all(place in run.seen for run in self.runs.values()):
            return
        try:
            said = await alertmanager_alerts.standing(reader, receiver, alertname=Alert.DRILL.value)
        except ClientError:
            # Where it does not answer, the drill is not seen, and that is what is told.
            return
        self._arrived(place, said)

    def _arrived(self, place: Place, said: Any) -> None:
        now = self.clock.monotonic()
        for path, number in page_drill.told(said):
            run = self.runs.get(path)
            if run is not None and run.number == number and not run.is_over(now, self.limits):
                self.runs[path] = run.arrived(place, now)

    def _judge(self, run: Run, began: float) -> None:
        health = self.healths[run.path] = self.healths[run.path].after(run.result(self.limits), began)
        self.metrics.show(run, self.limits, health, began)
        if run.path is Path.RULE and health.is_broken:
            self._push(health, f"Not seen in time by: {'; '.join(self._late(run))}.")
        elif run.path is Path.RULE and not health.failures:
            self.pager.over(Alert.PAGE_PATH, _ABOUT[Path.RULE], self.clock.wall())

    def _push(self, health: Health, missing: str) -> None:
        since = self.clock.wall() if health.since is None else health.since
        told = page.page_path_page(self.sender, Path.RULE.value, missing, since)
        self.pager.pass_on(Alert.PAGE_PATH, _ABOUT[Path.RULE], told)

    def _tell_again(self) -> None:
        """The file has changed, and with it the pager; what stood stands."""
        if (health := self.healths[Path.RULE]).is_broken:
            self._push(health, "It has not been tried again since the configuration changed.")

    def _late(self, run: Run) -> list[str]:
        """For people: where it was not seen, or late."""
        late = sorted(place for place, at in run.seen.items() if at - run.began > self.limits.within)
        return [f"{place.stage.value} {place.name}" for place in (*run.missing, *late)]

    def _write(self) -> None:
        """Each drill, for whoever wants figures; louder when one failed."""
        results = {run.path: run.result(self.limits) for run in self.runs.values()}
        for path, run in self.runs.items():
            fine = results[path] is Result.ARRIVED
            took = {stage.value: round(run.seconds(stage), 3) for stage in Stage if run.seconds(stage) < float("inf")}
            say = _log.info if fine else _log.warning
            say("page_path.drilled", way=path.value, result=results[path].value, seconds=took, late=self._late(run))


def page_drill_of(
    settings: Settings, pager: Pager, metrics: PagePathMetrics, clock: Clock, healths: dict[Path, Health]
) -> PageDrill:
    """As the settings of a witness say, which name a Prometheus and Alertmanagers."""
    chosen = settings.paging.drill
    assert chosen.every is not None, "asked for only then"
    within = chosen.within.total_seconds()
    return PageDrill(
        tuple(map(str, settings.paging.direct)),
        chosen.every.total_seconds(),
        # A push ends one `repeat` later than it is over, see `paging.pager_to`; then a group_interval.
        max(within, 2 * settings.paging.repeat.total_seconds()),
        Limits(within, 2 * within),
        sender_of(settings.model_copy(update={"tenant": WITNESS})),
        pager,
        metrics,
        clock,
        healths,
        wakes=chosen.wakes,
        posted=chosen.listen is not None,
    )


def door_of(settings: Settings, drill: PageDrill) -> AbstractAsyncContextManager[object]:
    """Where Alertmanager posts to, open while the block lasts; nothing where none is configured."""
    chosen = settings.paging.drill
    if chosen.listen is None:
        return nullcontext()
    token = FileToken(chosen.token) if chosen.token is not None else None
    return DrillDoor(drill.take, token).serve(chosen.listen)
