"""The watch of one kind of object: told at once what changes, and never the one who is believed.

    list --> synced --> stream --line--> change
      ^                    |  \\__ each `check_every` a list, compared with what the stream told
      |____ broken ________|

A watch may break, be compacted away, fall silent or lie; each is noticed within its bound, counted,
and ends in a list, whose differences are delivered as the changes that they are. Of an object only
what `Kind.parse` makes of it is kept.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Generic, TypeVar

from sentinel.clients.clock import Clock
from sentinel.clients.endpoint import Endpoint
from sentinel.clients.feed import Broken, Feed, Line, Restart, Stream
from sentinel.clients.tokens import Source

T = TypeVar("T")
Key = tuple[str, str]
"""Namespace (empty at cluster scope) and name."""

MOST_CHANGES = 50
"""Differences of one list that are told one by one; more of them are a new picture."""
SHARE = 0.2
"""Of a core that the lines of one watch may cost: a tenant that makes and removes bindings without
end must not take all of our time. What it delays is found by the rounds."""
_BREATH = 0.05
"""Seconds of rest that are worth a pause."""
UNCHECKED = 3
"""Periods of checking for which a stream is believed without one."""


@dataclass(frozen=True, slots=True)
class Pace:
    """All durations in seconds."""

    lasts: tuple[int, int] = (240, 300)  # of one stream, as we ask for it; drawn, so that not all end at once
    silence: float = 90.0  # the API server sends a bookmark about each minute
    check_every: float = 60.0  # the list that a lying watch is found by
    check_least: float = 5.0  # between two lists, whatever happens
    grace: float = 5.0  # a stream may be behind a list by this
    first: float = 0.2  # before the first new try, doubled with each that fails
    longest: float = 30.0
    settled: float = 30.0  # a stream that lived as long was none that fails

    def pause(self, failures: int, retry_after: float, rng: random.Random) -> float:
        """Before the next try, after so many that failed in a row (from 1)."""
        grown = min(self.longest, self.first * 2.0 ** min(failures - 1, 16))
        return max(grown * rng.uniform(0.5, 1.0), min(retry_after, 2 * self.longest))


@dataclass(frozen=True, slots=True)
class Kind(Generic[T]):
    """What is watched. `parse` raises ValueError, KeyError, TypeError or AttributeError for nonsense."""

    name: str  # a closed label: `rolebindings`
    path: str
    parse: Callable[[Mapping[str, Any]], T]
    labels: str = ""  # only those: a label selector as in a URL's query


class Event(StrEnum):
    """What a change says."""

    ADDED = "added"
    MODIFIED = "modified"
    DELETED = "deleted"
    SYNCED = "synced"  # the whole picture: `everything`


@dataclass(frozen=True, slots=True)
class Change(Generic[T]):
    """One object that changed, or the whole picture at the beginning.

    `at` is wall time in seconds when we learnt it. `missed`: a list told it, and the watch had not.
    """

    kind: str
    event: Event
    at: float
    key: Key = ("", "")
    value: T | None = None
    previous: T | None = None
    everything: Mapping[Key, T] = field(default_factory=dict)
    missed: bool = False


@dataclass(frozen=True, slots=True)
class Health:
    """How the watch is; counters since the start. `since` and `checked` are wall seconds."""

    kind: str
    up: bool = False
    since: float = 0.0
    checked: float | None = None  # the last list that was compared, or that it began with
    objects: int = 0
    events: int = 0
    missed: int = 0  # found by the list, not told by the watch
    skipped: int = 0  # lines and objects that could not be read
    restarts: Mapping[Restart, int] = field(default_factory=dict)
    detail: str = ""  # why it is down


@dataclass(frozen=True, slots=True)
class _Held(Generic[T]):
    """`value` None: an object that could not be parsed."""

    version: str
    value: T | None


class Watch(Generic[T]):
    """Lists and watches one kind for as long as `run` runs."""

    def __init__(
        self,
        kind: Kind[T],
        endpoint: Callable[[], Endpoint],
        source: Source,
        on_change: Callable[[Change[T]], None],
        on_state: Callable[[Health], None] = lambda _: None,
        *,
        clock: Clock,
        rng: random.Random,
        pace: Pace | None = None,
    ) -> None:
        """Both callbacks are called in the loop and must not block."""
        self._kind = kind
        self._feed = Feed(kind.path, endpoint, source, kind.labels)
        self._on_change, self._on_state = on_change, on_state
        self._clock, self._rng, self._pace = clock, rng, pace or Pace()
        self._held: dict[Key, _Held[T]] = {}
        self._version = ""
        self._synced = False
        self._up = False
        self._since = clock.wall()
        self._checked: float | None = None
        self._detail = "not begun"
        self._counts: Counter[str] = Counter()
        self._restarts: Counter[Restart] = Counter()
        self._stream: Stream | None = None
        self._gone: set[Key] = set()
        self._recheck = asyncio.Event()
        self._owed = 0.0
        self._rested = float("-inf")

    @property
    def health(self) -> Health:
        """How it is now."""
        return Health(
            self._kind.name,
            self._up,
            self._since,
            self._checked,
            len(self._held),
            self._counts["events"],
            self._counts["missed"],
            self._counts["skipped"],
            {reason: self._restarts[reason] for reason in Restart},
            self._detail,
        )

    async def run(self) -> None:
        """For ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow(), name=f"watch of {self._kind.name}")
            group.create_task(self._keep_checking(), name=f"check of the watch of {self._kind.name}")

    async def _follow(self) -> None:
        failures = 0
        while True:
            began = self._clock.monotonic()
            try:
                await self._attempt()
            except Broken as broken:
                lived = self._clock.monotonic() - began
                failures = 1 if lived >= self._pace.settled else failures + 1
                self._restarts[broken.reason] += 1
                self._turn(up=False, detail=str(broken))
                await asyncio.sleep(self._pace.pause(failures, broken.retry_after, self._rng))

    async def _attempt(self) -> None:
        await self._sync()
        while True:
            # A stream that ends when it should goes on where it was: no news is lost.
            await self._listen()

    async def _listen(self) -> None:
        lasts, opened = self._rng.randint(*self._pace.lasts), self._clock.monotonic()
        async with self._feed.watch(self._version, lasts, self._pace.silence) as stream:
            self._stream = stream
            self._turn(up=True)
            try:
                async with aclosing(stream.lines()) as lines:
                    async for line in lines:
                        began = self._clock.monotonic()
                        self._take(line)
                        await self._rest(self._clock.monotonic() - began)
            finally:
                self._stream = None
        if self._clock.monotonic() - opened < lasts - 1.0:
            raise Broken(Restart.EOF, "ended before its time")

    async def _rest(self, took: float) -> None:
        """Leave the others their time; the API server keeps what we do not read, or ends the stream."""
        self._owed += took * (1 / SHARE - 1)
        if self._owed >= _BREATH:
            owed, self._owed = self._owed, 0.0
            await asyncio.sleep(owed)
            self._rested = self._clock.monotonic()

    async def _sync(self) -> None:
        """A whole list; what it says is what is so."""
        before = self._held
        found: dict[Key, _Held[T]] = {}
        self._version = await self._read_list(found, before)
        self._held = found
        self._checked = self._clock.wall()
        self._recheck.clear()
        self._tell_differences(before, found)

    async def _read_list(self, found: dict[Key, _Held[T]], before: Mapping[Key, _Held[T]]) -> str:
        version = ""
        async with aclosing(self._feed.pages()) as pages:
            async for page in pages:
                version = page.version
                for item in page.items:
                    self._read_item(item, found, before)
        return version

    def _read_item(self, item: Mapping[str, Any], found: dict[Key, _Held[T]], before: Mapping[Key, _Held[T]]) -> None:
        named = _key(item)
        if named is None:
            self._counts["skipped"] += 1
            return
        key, version = named
        known = before.get(key)
        same = known is not None and known.version == version
        found[key] = known if known is not None and same else _Held(version, self._parse(item))

    def _tell_differences(self, before: Mapping[Key, _Held[T]], after: Mapping[Key, _Held[T]]) -> None:
        changed = [k for k in {**before, **after} if _value(before.get(k)) != _value(after.get(k))]
        if not self._synced or len(changed) > MOST_CHANGES:
            self._synced = True
            everything = {key: held.value for key, held in after.items() if held.value is not None}
            self._on_change(Change(self._kind.name, Event.SYNCED, self._clock.wall(), everything=everything))
            return
        for key in changed:
            self._tell(key, _value(before.get(key)), _value(after.get(key)))

    def _take(self, line: Line) -> None:
        """One line of the stream. Raises Broken for an error."""
        match line.type:
            case "ADDED" | "MODIFIED" | "DELETED":
                self._counts["events"] += 1
                self._take_event(line)
            case "BOOKMARK":
                self._advance(_version(line.object))
            case "ERROR":
                code = (line.object or {}).get("code")
                raise Broken(Restart.GONE if code == 410 else Restart.ERROR, f"error {code}")
            case _:
                # What it said is unknown, so it has to be looked up.
                self._counts["skipped"] += 1
                self._recheck.set()

    def _take_event(self, line: Line) -> None:
        item = line.object or {}
        named = _key(item)
        if named is None:
            self._counts["skipped"] += 1
            self._recheck.set()
            return
        key, version = named
        self._advance(version)
        held = self._held.get(key)
        if held is not None and _is_later(held.version, version):
            return  # told before, by a list
        if line.type == "DELETED":
            self._gone.add(key)
            self._put(key, None)
        else:
            self._put(key, _Held(version, self._parse(item)))

    def _put(self, key: Key, held: _Held[T] | None, *, missed: bool = False) -> None:
        before = self._held.pop(key, None)
        if held is not None:
            self._held[key] = held
        if _value(before) != _value(held):
            self._tell(key, _value(before), _value(held), missed=missed)

    def _tell(self, key: Key, previous: T | None, value: T | None, *, missed: bool = False) -> None:
        event = Event.MODIFIED
        if previous is None or value is None:
            event = Event.ADDED if previous is None else Event.DELETED
        now = self._clock.wall()
        self._on_change(Change(self._kind.name, event, now, key, value, previous, missed=missed))

    def _parse(self, item: Mapping[str, Any]) -> T | None:
        try:
            return self._kind.parse(item)
        except (ValueError, KeyError, TypeError, AttributeError):
            self._counts["skipped"] += 1
            return None

    def _advance(self, version: str) -> None:
        if version and not _is_later(self._version, version):
            self._version = version

    def _turn(self, *, up: bool, detail: str = "") -> None:
        if up != self._up:
            self._since = self._clock.wall()
        self._up, self._detail = up, detail
        self._on_state(self.health)

    async def _keep_checking(self) -> None:
        while True:
            await asyncio.sleep(self._pace.check_least)
            rest = self._pace.check_every * self._rng.uniform(0.9, 1.1) - self._pace.check_least
            try:
                async with asyncio.timeout(max(0.0, rest)):
                    await self._recheck.wait()
            except TimeoutError:
                pass
            if self._up:
                await self._check()

    async def _check(self) -> None:
        """Compare a list with what the stream told; what it kept from us is a lie, told now."""
        stream, excused = self._stream, self._recheck.is_set()
        began = self._clock.monotonic()
        self._recheck.clear()
        self._gone.clear()
        found: dict[Key, _Held[T]] = {}
        try:
            version = await self._read_list(found, self._held)
        except Broken as broken:
            # A stream that nobody can check for long is no better than none.
            if self._clock.wall() - (self._checked or 0.0) > UNCHECKED * self._pace.check_every:
                self._end(stream, broken)
            return
        untold = await self._untold(found, version, stream)
        if untold is None:
            return
        self._checked = self._clock.wall()
        # It is we who are behind, and not the stream.
        excused = excused or self._rested >= began - self._pace.grace
        for key in untold:
            self._put(key, found.get(key), missed=not excused)
        if untold and not excused:
            self._counts["missed"] += len(untold)
            self._end(stream, Broken(Restart.LIED, f"{len(untold)} objects differ from the list"))
        else:
            self._on_state(self.health)

    async def _untold(self, found: Mapping[Key, _Held[T]], version: str, stream: Stream | None) -> list[Key] | None:
        """What the stream has not told once it was as far as the list, or had its time.

        None when it is another stream by now: that one began with a list of its own.
        """
        until = self._clock.monotonic() + self._pace.grace
        while True:
            if self._stream is not stream:
                return None
            suspect = [key for key in {**self._held, **found} if self._differs(key, found.get(key), version)]
            late = self._clock.monotonic() > until or not _is_later(version, self._version)
            if late or not suspect:
                return suspect
            await asyncio.sleep(self._pace.grace / 50)

    def _differs(self, key: Key, listed: _Held[T] | None, version: str) -> bool:
        held = self._held.get(key)
        if listed is None:
            # Made after the list was: no contradiction.
            return held is not None and not _is_later(held.version, version)
        if held is None:
            return key not in self._gone
        return held.version != listed.version and not _is_later(held.version, listed.version)

    def _end(self, stream: Stream | None, why: Broken) -> None:
        if stream is not None and self._stream is stream:
            stream.abort(why)


def _key(item: Mapping[str, Any]) -> tuple[Key, str] | None:
    """The key and version of an object, None when it has none."""
    meta = item.get("metadata")
    if not isinstance(meta, dict):
        return None
    namespace, name = meta.get("namespace") or "", meta.get("name")
    if not isinstance(namespace, str) or not isinstance(name, str) or not name:
        return None
    return (namespace, name), str(meta.get("resourceVersion") or "")


def _version(item: Mapping[str, Any] | None) -> str:
    meta = (item or {}).get("metadata")
    return str(meta.get("resourceVersion") or "") if isinstance(meta, dict) else ""


def _value(held: _Held[T] | None) -> T | None:
    return held.value if held is not None else None


def _is_later(one: str, other: str) -> bool:
    """Whether this version came after the other; Kubernetes says since 1.35 that they are numbers."""
    return one.isdecimal() and other.isdecimal() and int(one) > int(other)
