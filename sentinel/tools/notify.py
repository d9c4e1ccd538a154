"""`sentinel notify test`: one alert that says it is a test, and whether each receiver it goes to is really told.

    counters --> post to every Alertmanager --> groups, counters, again and again --> take it back --> judge
                                                until each receiver took it or not, or `within` is over

It is taken back whatever happens, Ctrl-C too; if this process is killed it ends by itself, soon after `within`.
"""

import asyncio
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sentinel.clients import alertmanager_counts, alertmanager_state
from sentinel.clients.alertmanager import Alertmanagers, Receiver
from sentinel.clients.clock import Clock
from sentinel.clients.reading import Reader
from sentinel.core import page
from sentinel.core.page import Page
from sentinel.core.paging import delivery, sample
from sentinel.core.paging.alertmanager import Alertmanager
from sentinel.core.paging.delivery import Case, Counts, Group, Key, Outcome, Row, Tally
from sentinel.core.paging.formula import PEER_TIMEOUT
from sentinel.core.paging.matcher import Labels
from sentinel.core.paging.route import TooManyWorlds, ends
from sentinel.errors import BadReply, ClientError

WITHIN = 20.0
"""Seconds beyond group_wait. Who does not answer is given up after group_interval: 15 s in the shipped route."""
SETTLE = 60.0
"""Seconds. The end of a page that is over is told within its group_interval, and its group forgotten 30 s later."""
_ANSWER = 10.0
"""Seconds for one answer of an Alertmanager."""
_LASTS = 60.0
"""Seconds beyond `within`, after which it ends although nobody took it back."""
_SOONEST, _LATEST = 0.1, 1.0
"""Seconds between two looks."""
_EMPTY_GROUP = 30.0
"""Seconds for which Alertmanager holds a group that it has told the end of."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is to be sent where. `within` in seconds; without it as long as the routes wait, and some more.

    `settle`: seconds at most, before, for the end of alerts that are over to be told.
    """

    alertmanagers: tuple[str, ...]
    severity: str
    cluster: str = ""
    namespace: str = ""
    within: float | None = None
    settle: float = SETTLE


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of it. `shown`: seconds until every Alertmanager showed it, None if one never did.

    `again`: seconds after which another test is counted by itself. `left`: where it could not be taken back.
    """

    sent: Page
    alertmanagers: tuple[str, ...]
    rows: tuple[Row, ...]
    shown: float | None
    within: float
    again: float
    left: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 every receiver was told, 1 one was not, 3 something is not known."""
        outcomes = {row.outcome for row in self.rows}
        if Outcome.FAILED in outcomes:
            return 1
        return 0 if self.rows and self.shown is not None and Outcome.UNPROVEN not in outcomes else 3

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        rows = [
            {"receiver": row.receiver, "integration": row.kind, "count": row.count}
            | {"outcome": row.outcome.value, "detail": row.detail}
            for row in self.rows
        ]
        return {
            "labels": dict(self.sent.labels),
            "alertmanagers": list(self.alertmanagers),
            "shown_seconds": self.shown,
            "receivers": rows,
            "again_seconds": self.again,
            "not_taken_back": list(self.left),
        }


async def send(wishes: Wishes, rng: random.Random | None = None) -> Trial:
    """Send it, watch it, take it back. Raises ClientError where an Alertmanager cannot be read or does not take it."""
    word, clock = sample.number((rng or random.SystemRandom()).randrange(2**32)), Clock()
    labels = sample.labels(wishes.cluster, wishes.namespace, wishes.severity, word)
    async with Alertmanagers() as senders, Reader(_ANSWER) as reader:
        receivers = [found for url in wishes.alertmanagers for found in await senders.resolve(url)]
        managers = [await alertmanager_state.look(reader, receiver) for receiver in receivers]
        waits, interval = _timers(managers, labels)
        within = waits + _ahead(managers) + WITHIN if wishes.within is None else wishes.within
        watch = _Watch(reader, receivers, managers, word)
        await watch.begin(clock, wishes.settle)
        now = clock.wall()
        sent = sample.page(labels, now, waits)
        try:
            await _post(senders, receivers, page.body(sent, now + within + _LASTS))
            shown = await watch.until_told(clock, within)
        finally:
            left = await _take_back(senders, receivers, page.body(sent, clock.wall()))
    where, rows = tuple(map(str, receivers)), delivery.judge(watch.case())
    return Trial(sent, where, rows, shown, within, interval + _EMPTY_GROUP, left)


def _timers(managers: Sequence[Alertmanager], labels: Mapping[str, str]) -> tuple[float, float]:
    """The longest group_wait and group_interval on its way, seconds. Raises BadReply."""
    try:
        caught = [route for one in managers for ways in ends(one.route, Labels(labels)) for route in ways]
    except TooManyWorlds as error:
        raise BadReply(f"{managers[0].url}: {error}") from error
    return max(route.group_wait for route in caught), max(route.group_interval for route in caught)


def _ahead(managers: Sequence[Alertmanager]) -> float:
    """Seconds that one of them waits at most for peers which have not heard of it, and so will not tell it."""
    asked = sum(one.peers > 1 for one in managers)
    return PEER_TIMEOUT * max((one.peers - asked for one in managers if one.peers > 1), default=0)


async def _post(senders: Alertmanagers, receivers: Sequence[Receiver], body: Mapping[str, Any]) -> None:
    for error in await _posted(senders, receivers, body):
        raise error


async def _take_back(senders: Alertmanagers, receivers: Sequence[Receiver], body: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(map(str, await _posted(senders, receivers, body)))


async def _posted(
    senders: Alertmanagers, receivers: Sequence[Receiver], body: Mapping[str, Any]
) -> Sequence[ClientError]:
    """To each, whatever another one says to it."""
    posts = (senders.post(receiver, [body]) for receiver in receivers)
    ended = await asyncio.gather(*posts, return_exceptions=True)
    for error in ended:
        if error is not None and not isinstance(error, ClientError):
            raise error
    return [error for error in ended if isinstance(error, ClientError)]


@dataclass
class _Watch:
    """What was seen so far, at each Alertmanager."""

    reader: Reader
    receivers: Sequence[Receiver]
    managers: Sequence[Alertmanager]
    word: str
    before: list[Counts] = field(default_factory=list)
    after: list[Counts] = field(default_factory=list)
    ours: dict[Receiver, tuple[Group, ...]] = field(default_factory=dict)
    others: set[Group] = field(default_factory=set)
    over: int = 0

    async def begin(self, clock: Clock, settle: float) -> None:
        """Before it is sent: the counters, as soon as no group is over whose end is still to be told."""
        began = clock.monotonic()
        while True:
            self.others.clear()
            # The groups first: one that leaves the list until they are counted is over.
            held = [await self._groups(receiver) for receiver in self.receivers]
            self.before = self.after = await self._counts()
            self.over = sum(max(0, one.groups - len(shown)) for one, shown in zip(self.before, held, strict=True))
            if not self.over or clock.monotonic() - began >= settle:
                return
            await asyncio.sleep(_LATEST)

    async def until_told(self, clock: Clock, within: float) -> float | None:
        """Seconds until all of them showed it. Comes back when every receiver is at its end, or after `within`."""
        began, pause, shown = clock.monotonic(), _SOONEST, None
        while True:
            last, self.after = self.after, await self._seen()
            now = clock.monotonic()
            if shown is None and len(self.ours) == len(self.receivers):
                shown = now - began
            # A failed request is counted twice, one counter after the other: only what stays is believed.
            is_over = shown is not None and self.case().is_over() and last == self.after
            if is_over or now - began >= within:
                return shown
            await asyncio.sleep(pause)
            pause = min(_LATEST, 1.3 * pause)

    def case(self) -> Case:
        """All of it, to be judged."""
        alone = sum(one.peers == 1 for one in self.managers)
        return Case(
            tuple({group for shown in self.ours.values() for group in shown}),
            frozenset(self.others),
            {name: kinds for one in self.managers for name, kinds in one.destinations.items()},
            _moved(self.before, self.after),
            by_receiver=any(one.by_receiver for one in self.before),
            over=self.over,
            copies=alone + (alone < len(self.managers)),
        )

    async def _seen(self) -> list[Counts]:
        """The counters, and then the groups: whoever moved a counter is still among them. As before where one fails."""
        try:
            counts = await self._counts()
            for receiver in self.receivers:
                await self._groups(receiver)
        except ClientError:
            return self.after
        return counts

    async def _counts(self) -> list[Counts]:
        return [await alertmanager_counts.counts(self.reader, receiver) for receiver in self.receivers]

    async def _groups(self, receiver: Receiver) -> tuple[Group, ...]:
        shown = await alertmanager_counts.held(self.reader, receiver, sample.LABEL, self.word)
        self.others.update(group for group in shown if not group.ours)
        if ours := tuple(group for group in shown if group.ours):
            self.ours[receiver] = ours
        return shown


def _moved(before: Sequence[Counts], after: Sequence[Counts]) -> dict[Key, Tally | None]:
    """Of all Alertmanagers together; None where one of them began anew."""
    found: dict[Key, Tally | None] = {}
    for old, new in zip(before, after, strict=True):
        for key in old.tallies.keys() | new.tallies.keys():
            counted = new.tallies.get(key, Tally()).since(old.tallies.get(key, Tally()))
            known = found.get(key, Tally())
            found[key] = known.plus(counted) if known is not None and counted is not None else None
    return found


def text(seen: Trial) -> str:
    """For people."""
    return "".join(f"{line}\n" for line in _lines(seen))


def _lines(seen: Trial) -> Iterator[str]:
    labels, where = seen.sent.labels, ", ".join(seen.alertmanagers)
    shown = "and never shown by all" if seen.shown is None else f"and shown after {seen.shown:.1f} s"
    yield f"{labels['alertname']} {labels[sample.LABEL]} ({labels['severity']}): taken by {where}, {shown}"
    rows = [(row.outcome.value, row.receiver, _integrations(row), row.detail) for row in seen.rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
    if not rows:
        yield f"unproven  no Alertmanager says to whom it goes, within {seen.within:g} s"
    for one in seen.left:
        yield f"not taken back: {one}; it ends by itself within {seen.within + _LASTS:g} s"
    if not seen.left:
        yield f"taken back; its end is told within {seen.again:g} s, and another test may be unproven meanwhile"


def _integrations(row: Row) -> str:
    return f"{row.kind} x{row.count}" if row.count > 1 else row.kind
