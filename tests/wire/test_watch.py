"""The watch on a real API server, and on one that breaks, forgets, falls silent or lies."""

import asyncio
import http.client
import json
import random
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from sentinel.clients.clock import Clock
from sentinel.clients.endpoint import Endpoint
from sentinel.clients.feed import LINE_BYTES, Restart, Splitter
from sentinel.clients.tokens import HeldToken, Token, parse
from sentinel.clients.watch import MOST_CHANGES, Change, Event, Health, Kind, Pace, Watch
from tests.support import manifests, proxy
from tests.support.controlplane import ControlPlane
from tests.support.eventually import eventually
from tests.support.proxy import Proxy
from tests.support.streams import Streams

SPACE = "watched"
SOON = 20.0
"""Seconds for what takes milliseconds, on a machine that may be busy."""
BRISK = Pace(lasts=(60, 60), silence=30.0, check_every=60.0, check_least=0.05, grace=0.5, first=0.05, longest=0.4)
CHECKING = Pace(lasts=(60, 60), silence=30.0, check_every=0.3, check_least=0.05, grace=0.5, first=0.05, longest=0.4)


def subjects(item: Any) -> tuple[str, ...]:
    return tuple(subject["name"] for subject in item.get("subjects", ()))


def kind(namespace: str = SPACE) -> Kind[tuple[str, ...]]:
    path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings"
    return Kind("rolebindings", path, subjects)


def binding(name: str, *groups: str, namespace: str = SPACE) -> manifests.Dict:
    return manifests.role_binding(namespace, name, *map(manifests.of_group, groups), role="any")


@dataclass
class Ear:
    """All that a watch told."""

    watch: Watch[tuple[str, ...]]
    changes: list[Change[tuple[str, ...]]] = field(default_factory=list)
    states: list[Health] = field(default_factory=list)

    @property
    def health(self) -> Health:
        return self.watch.health

    @property
    def told(self) -> list[tuple[str, str]]:
        """Without the picture at the beginning: event and name."""
        return [(change.event.value, change.key[1]) for change in self.changes if change.event is not Event.SYNCED]

    @property
    def restarts(self) -> dict[Restart, int]:
        return {reason: count for reason, count in self.health.restarts.items() if count}

    async def until(self, wanted: Any, within: float = SOON) -> float:
        """Seconds until it is so."""
        began = time.monotonic()
        while not wanted():
            if time.monotonic() - began > within:
                raise TimeoutError(f"not within {within} s: {self.told[-10:]} {self.health}")
            await asyncio.sleep(0.005)
        return time.monotonic() - began

    async def up(self) -> None:
        await self.until(lambda: self.health.up)

    async def hears(self, *told: tuple[str, str], within: float = SOON) -> float:
        return await self.until(lambda: self.told == [*told], within)


@pytest.fixture(scope="module")
def space(cluster: ControlPlane) -> Iterator[ControlPlane]:
    reads = manifests.rule(["list", "watch"], ["rolebindings"], groups=["rbac.authorization.k8s.io"])
    cluster.admin.apply(
        manifests.namespace(SPACE),
        manifests.account(SPACE, "witness"),
        *manifests.grant(SPACE, "witness", manifests.of_account(SPACE, "witness"), reads),
    )
    yield cluster
    cluster.admin.delete(manifests.namespace(SPACE))


@pytest.fixture
def admin(space: ControlPlane) -> Iterator[Any]:
    """The administrator; what a test bound is gone when it is over."""
    yield space.admin
    path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{SPACE}/rolebindings"
    for item in space.admin.must("GET", path)["items"]:
        if item["metadata"]["name"] != "witness":
            space.admin.must("DELETE", f"{path}/{item['metadata']['name']}")


@pytest.fixture
def streams(space: ControlPlane) -> Iterator[Streams]:
    with Streams(space) as made:
        yield made


@pytest.fixture
def front(space: ControlPlane, streams: Streams) -> Iterator[Proxy]:
    with Proxy(space) as made:
        made.fault = streams
        yield made


@pytest.fixture
def held(space: ControlPlane) -> HeldToken:
    return holding(space.token_for(SPACE, "witness"))


def holding(text: str) -> HeldToken:
    held = HeldToken("no token yet")
    held.put(parse(text, "the test's"))
    return held


@asynccontextmanager
async def watching(
    cluster: ControlPlane, url: str, held: HeldToken, pace: Pace = BRISK, what: Kind[tuple[str, ...]] | None = None
) -> AsyncIterator[Ear]:
    changes: list[Change[tuple[str, ...]]] = []
    states: list[Health] = []
    where = Endpoint(url, held, ca_file=cluster.ca_file)
    watch = Watch(
        what or kind(),
        lambda: where,
        held,
        changes.append,
        states.append,
        clock=Clock(),
        rng=random.Random(4),
        pace=pace,
    )
    task = asyncio.create_task(watch.run())
    try:
        yield Ear(watch, changes, states)
    finally:
        assert not task.done(), task
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class TestAnHonestServer:
    async def test_a_binding_made_changed_and_taken_away_is_told_at_once(self, space, admin, held):
        async with watching(space, space.url, held) as ear:
            await ear.up()
            admin.apply(binding("one", "people"))
            await ear.hears(("added", "one"))
            admin.apply(binding("one", "others"))
            await ear.until(lambda: len(ear.told) == 2)
            admin.delete(binding("one"))
            await ear.until(lambda: len(ear.told) == 3)

        _, added, modified, deleted = ear.changes
        assert (added.event, added.key, added.previous, added.value) == (Event.ADDED, (SPACE, "one"), None, ("people",))
        assert (modified.event, modified.previous, modified.value) == (Event.MODIFIED, ("people",), ("others",))
        assert (deleted.event, deleted.previous, deleted.value) == (Event.DELETED, ("others",), None)
        assert not any(change.missed for change in ear.changes)

    async def test_what_was_there_before_is_one_picture_and_not_a_change_each(self, space, admin, held):
        names = [f"many-{number}" for number in range(520)]
        for name in names:
            admin.create(binding(name, "people"))

        async with watching(space, space.url, held) as ear:
            await ear.up()
            admin.delete(binding("many-3"))
            await ear.hears(("deleted", "many-3"))

        assert ear.changes[0].event is Event.SYNCED
        assert set(ear.changes[0].everything) == {(SPACE, name) for name in [*names, "witness"]}
        assert ear.health.objects == 520

    async def test_a_change_that_is_none_to_us_is_counted_and_not_told(self, space, admin, held):
        admin.apply(binding("one", "people"))

        async with watching(space, space.url, held) as ear:
            await ear.up()
            admin.patch(binding("one"), {"metadata": {"annotations": {"a": "b"}}})
            await ear.until(lambda: ear.health.events == 1)

        assert ear.told == []

    async def test_quiet_is_no_silence_and_a_stream_that_ends_in_time_is_no_restart(self, space, admin, front, held):
        pace = Pace(lasts=(4, 4), silence=5.0, check_every=600.0)

        async with watching(space, front.url, held, pace) as ear:
            await ear.up()
            await ear.until(lambda: len([r for r in front.requests if "watch=1" in r.path]) == 3)
            admin.apply(binding("one", "people"))
            await ear.hears(("added", "one"))

        assert ear.restarts == {}
        assert all(state.up for state in ear.states)
        assert len([request for request in front.requests if "limit=" in request.path]) == 1

    async def test_a_storm_of_changes_is_no_lie(self, space, admin, held):
        async with watching(space, space.url, held, CHECKING) as ear:
            await ear.up()
            first = ear.health.checked
            await asyncio.to_thread(storm, admin, 150)
            await ear.until(lambda: len(ear.told) >= 300)
            await ear.until(lambda: ear.health.checked != first)

        assert ear.health.missed == 0
        assert ear.restarts == {}

    async def test_a_storm_that_is_costly_to_hear_leaves_the_others_their_time(self, space, admin, held):
        async with watching(space, space.url, held, CHECKING) as ear:
            await ear.up()
            tell = ear.watch._on_change
            busy = 0.0

            def costly(change):
                nonlocal busy
                began = time.monotonic()
                time.sleep(0.02)
                tell(change)
                busy += time.monotonic() - began

            ear.watch._on_change = costly
            began = time.monotonic()
            await asyncio.to_thread(storm, admin, 50)
            await ear.until(lambda: ear.health.objects == 1 and busy > 0)
            share = busy / (time.monotonic() - began)

        assert share < 0.4
        assert ear.health.missed == 0

    async def test_it_ends_when_it_is_told_to_at_whatever_moment_it_is(self, space, held):
        rng, clock = random.Random(5), Clock()
        endpoint = Endpoint(space.url, held, ca_file=space.ca_file)

        async def ended(after):
            watch = Watch(kind(), lambda: endpoint, held, lambda _: None, clock=clock, rng=rng, pace=BRISK)
            task = asyncio.create_task(watch.run())
            await asyncio.sleep(after)
            task.cancel()
            done, _ = await asyncio.wait([task], timeout=SOON)
            return bool(done)

        for _ in range(25):
            assert all(await asyncio.gather(*(ended(rng.uniform(0, 0.12)) for _ in range(8))))

    async def test_the_list_never_asks_for_more_than_a_page_at_once(self, space, admin, front, held):
        async with watching(space, front.url, held) as ear:
            await ear.up()

        lists = [request.path for request in front.requests if "watch=1" not in request.path]
        assert lists
        assert all("limit=500" in path for path in lists)

    async def test_a_list_too_large_to_be_parsed_at_once_is_read_in_smaller_pieces(self, space, admin, front, held):
        for number in range(8):
            admin.create(binding(f"large-{number}", *(f"{i:04}" + "x" * 250 for i in range(2000))))

        async with watching(space, front.url, held) as ear:
            await ear.up()

        assert set(ear.changes[0].everything) >= {(SPACE, f"large-{number}") for number in range(8)}
        assert any("limit=7&" in f"{request.path}&" for request in front.requests)


def storm(admin: Any, count: int) -> None:
    for number in range(count):
        admin.create(binding(f"storm-{number}", "people"))
        admin.delete(binding(f"storm-{number}"))


class TestABrokenStream:
    async def test_a_cut_connection_is_noticed_and_what_changed_meanwhile_is_told(
        self, space, admin, front, streams, held
    ):
        admin.apply(binding("old", "people"), binding("kept", "people"))

        async with watching(space, front.url, held) as ear:
            await ear.up()
            streams.lists = proxy.answers(503)
            front.drop_connections()
            await ear.until(lambda: ear.restarts.get(Restart.LIST))
            admin.delete(binding("old"))
            admin.apply(binding("new", "people"), binding("kept", "others"))
            streams.lists = proxy.passes
            await ear.until(lambda: len(ear.told) == 3)

        assert set(ear.told) == {("deleted", "old"), ("added", "new"), ("modified", "kept")}
        assert ear.restarts[Restart.EOF] == 1
        assert ear.health.missed == 0

    async def test_after_much_has_changed_a_new_picture_is_told_and_not_each_difference(
        self, space, admin, front, streams, held
    ):
        admin.apply(binding("old", "people"))

        async with watching(space, front.url, held) as ear:
            await ear.up()
            streams.lists = proxy.answers(503)
            front.drop_connections()
            await ear.until(lambda: ear.restarts.get(Restart.LIST))
            admin.delete(binding("old"))
            for number in range(MOST_CHANGES):
                admin.create(binding(f"new-{number}", "people"))
            streams.lists = proxy.passes
            await ear.until(lambda: len(ear.changes) == 2)

        assert ear.told == []
        assert len(ear.changes[1].everything) == MOST_CHANGES + 1

    async def test_a_stream_that_ends_before_its_time_begins_anew(self, space, admin, front, streams, held):
        async with watching(space, front.url, held) as ear:
            await ear.up()
            await ear.until(lambda: streams.opened == 1)
            streams.end()
            await ear.until(lambda: streams.opened == 2)
            await ear.up()
            admin.apply(binding("one", "people"))
            await ear.hears(("added", "one"))

        assert ear.restarts == {Restart.EOF: 1}

    async def test_a_frozen_stream_is_noticed_in_its_time_and_what_it_kept_back_is_told(
        self, space, admin, front, streams, held
    ):
        pace = Pace(lasts=(60, 60), silence=1.5, check_every=600.0, first=0.05)

        async with watching(space, front.url, held, pace) as ear:
            await ear.up()
            streams.freeze()
            admin.apply(binding("one", "people"))
            took = await ear.hears(("added", "one"))

        assert ear.restarts.get(Restart.SILENT)
        assert took < 1.5 + 3.0

    async def test_bytes_that_never_become_a_line_are_silence(self, space, admin, front, streams, held):
        def drips(request, forward):
            def body():
                yield b"HTTP/1.1 200 OK\r\n\r\n"
                for _ in range(600):
                    time.sleep(0.05)
                    yield b" "

            return proxy.Answer(raw=body(), hang_up=True)

        streams.watches = drips
        pace = Pace(lasts=(60, 60), silence=0.5, check_every=600.0, first=0.05)

        async with watching(space, front.url, held, pace) as ear:
            await ear.until(lambda: ear.restarts.get(Restart.SILENT, 0) >= 2)

    async def test_a_server_that_takes_the_watch_and_never_answers_is_silent(self, space, front, streams, held):
        streams.watches = proxy.silent()
        pace = Pace(lasts=(60, 60), silence=0.5, check_every=600.0, first=0.05)

        async with watching(space, front.url, held, pace) as ear:
            await ear.until(lambda: ear.restarts.get(Restart.SILENT))

        assert not any(state.up for state in ear.states)

    async def test_an_expired_token_is_refused_until_it_is_exchanged(self, space, admin, front, streams, held):
        good = held.read()
        async with watching(space, front.url, held) as ear:
            await ear.up()
            held.put(Token(space.signed_token(SPACE, "witness", seconds=-600), None))
            streams.end()
            await ear.until(lambda: ear.restarts.get(Restart.REFUSED))
            assert not ear.health.up
            admin.apply(binding("one", "people"))
            held.put(good)
            await ear.hears(("added", "one"))
            await ear.up()

    async def test_a_missing_token_is_refused_and_no_anonymous_request(self, space, front, held):
        async with watching(space, front.url, HeldToken("none yet")) as ear:
            await ear.until(lambda: ear.restarts.get(Restart.REFUSED))

        assert front.requests == []

    async def test_retry_after_is_waited_for(self, space, front, streams, held):
        streams.lists = proxy.answers(429, b"", ("Retry-After", "1"))

        async with watching(space, front.url, held) as ear:
            await ear.until(lambda: ear.restarts.get(Restart.REFUSED))
            asked = len(front.requests)
            streams.lists = proxy.passes
            await ear.up()
            waited = ear.states[-1].since - ear.states[0].since

        assert asked == 1
        assert waited > 0.9

    @pytest.mark.parametrize(
        "said", [proxy.redirects("https://elsewhere/"), proxy.says_html(200), proxy.answers(500), proxy.hangs_up()]
    )
    async def test_a_list_that_is_none_is_asked_for_again(self, space, front, streams, held, said):
        streams.lists = said

        async with watching(space, front.url, held) as ear:
            await ear.until(lambda: ear.restarts.get(Restart.LIST, 0) >= 2)
            streams.lists = proxy.passes
            await ear.up()

    @pytest.mark.parametrize("which", ["lists", "watches"])
    async def test_a_redirect_is_not_followed(self, space, front, streams, held, which):
        setattr(streams, which, proxy.redirects(f"{front.url}/elsewhere"))

        async with watching(space, front.url, held) as ear:
            await ear.until(lambda: sum(ear.restarts.values()) >= 2)

        assert not [request for request in front.requests if "elsewhere" in request.path]

    @pytest.mark.parametrize("said", [proxy.redirects("https://elsewhere/"), proxy.answers(500)])
    async def test_a_watch_that_is_none_begins_anew(self, space, front, streams, held, said):
        streams.watches = said

        async with watching(space, front.url, held) as ear:
            await ear.until(lambda: ear.restarts.get(Restart.ERROR))
            streams.watches = None
            await ear.up()

    async def test_a_server_that_ends_each_stream_at_once_is_asked_ever_more_rarely(self, space, front, streams, held):
        streams.watches = proxy.sends([b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"])
        pace = Pace(lasts=(60, 60), first=0.02, longest=1.0)

        async with watching(space, front.url, held, pace) as ear:
            await ear.until(lambda: ear.restarts.get(Restart.EOF, 0) >= 6)
            lists = [request for request in front.requests if "watch=1" not in request.path]
            waits = [pace.pause(failures, 0.0, random.Random(1)) for failures in (1, 3, 5, 50)]

        assert len(lists) <= 8  # one list for each try, and no more
        assert waits[1] > 3 * waits[0]
        assert waits[2] > 3 * waits[1]
        assert waits[3] <= pace.longest


class TestAnErrorInTheStream:
    async def test_a_410_in_the_stream_leads_to_a_new_list(self, space, admin, front, streams, held):
        async with watching(space, front.url, held) as ear:
            await ear.up()
            await ear.until(lambda: streams.opened == 1)
            streams.say(
                b'{"type":"ERROR","object":{"kind":"Status","status":"Failure","reason":"Expired","code":410}}\n'
            )
            await ear.until(lambda: ear.restarts == {Restart.GONE: 1})
            await ear.up()
            admin.apply(binding("one", "people"))
            await ear.hears(("added", "one"))

    async def test_a_410_in_place_of_the_stream_too(self, space, admin, front, streams, held):
        streams.watches = proxy.says_status(410, "Expired", "too old resource version")

        async with watching(space, front.url, held) as ear:
            await ear.until(lambda: ear.restarts.get(Restart.GONE))
            streams.watches = None
            await ear.up()

    async def test_any_other_error_too(self, space, admin, front, streams, held):
        async with watching(space, front.url, held) as ear:
            await ear.up()
            await ear.until(lambda: streams.opened == 1)
            streams.say(b'{"type":"ERROR","object":{"kind":"Status","code":504}}\n')
            await ear.until(lambda: ear.restarts == {Restart.ERROR: 1})
            await ear.up()

    @pytest.mark.parametrize(
        "line",
        [
            b"nonsense",
            b"[]",
            b'{"type":"ADDED"}',
            b'{"type":"ADDED","object":{}}',
            b'{"type":"ADDED","object":{"metadata":{"name":5}}}',
            b'{"type":"PERHAPS","object":{"metadata":{"name":"x"}}}',
            b'{"type":"ADDED","object":' * 20_000,
            b"x" * (LINE_BYTES + 10),
        ],
        ids=lambda line: line[:48].decode(),
    )
    async def test_a_line_that_makes_no_sense_is_counted_and_passed_over(
        self, space, admin, front, streams, held, line
    ):
        async with watching(space, front.url, held) as ear:
            await ear.up()
            await ear.until(lambda: streams.opened == 1)
            streams.say(line + b"\n")
            await ear.until(lambda: ear.health.skipped == 1)
            admin.apply(binding("one", "people"))
            await ear.hears(("added", "one"))

        assert ear.restarts == {}

    async def test_an_object_that_cannot_be_parsed_is_counted_and_the_next_one_is_told(self, space, admin, held):
        def parse_some(item):
            if item["metadata"]["name"] == "bad":
                raise ValueError("nonsense")
            return subjects(item)

        admin.apply(binding("bad", "people"))
        strict = Kind("rolebindings", kind().path, parse_some)
        async with watching(space, space.url, held, CHECKING, strict) as ear:
            await ear.up()
            admin.apply(binding("bad", "others"), binding("good", "people"))
            await ear.hears(("added", "good"))
            first = ear.health.checked
            await ear.until(lambda: ear.health.checked != first)

        assert ear.health.skipped == 2
        assert ear.health.missed == 0

    async def test_an_object_larger_than_a_line_is_fetched_by_a_list_and_is_no_lie(self, space, admin, held):
        many = [f"{number:05}" + "x" * 120 for number in range(6000)]

        async with watching(space, space.url, held) as ear:
            await ear.up()
            admin.create(binding("huge", *many))
            await ear.hears(("added", "huge"))

        assert ear.changes[-1].value == tuple(many)
        assert not ear.changes[-1].missed
        assert ear.health.skipped == 1
        assert ear.health.missed == 0
        assert ear.restarts == {}


class TestAStreamThatLies:
    @pytest.mark.parametrize("event", ["ADDED", "MODIFIED", "DELETED"])
    async def test_what_it_swallows_is_told_by_the_list_and_counted(self, space, admin, front, streams, held, event):
        admin.apply(binding("changing", "people"), binding("going", "people"))
        streams.swallow = lambda line: event.encode() in line[:20]

        async with watching(space, front.url, held, CHECKING) as ear:
            await ear.up()
            admin.apply(binding("coming", "people"), binding("changing", "others"))
            admin.delete(binding("going"))
            await ear.until(lambda: len(ear.told) == 3)
            await ear.until(lambda: ear.restarts == {Restart.LIED: 1})

        assert set(ear.told) == {("added", "coming"), ("modified", "changing"), ("deleted", "going")}
        assert [change.event.name for change in ear.changes if change.missed] == [event]
        assert ear.health.missed == 1

    async def test_it_is_noticed_within_a_period_and_its_grace(self, space, admin, front, streams, held):
        streams.swallow = lambda line: b'"ADDED"' in line[:20]

        async with watching(space, front.url, held, CHECKING) as ear:
            await ear.up()
            admin.apply(binding("coming", "people"))
            took = await ear.hears(("added", "coming"))

        assert took < 1.1 * CHECKING.check_every + CHECKING.grace + 2.0

    async def test_one_that_is_only_late_is_no_liar(self, space, admin, front, streams, held):
        pace = Pace(lasts=(60, 60), silence=30.0, check_every=0.2, check_least=0.05, grace=10.0)
        kept: list[bytes] = []

        def late(line: bytes) -> bool:
            if b'"ADDED"' not in line[:20] or line in kept:
                return False
            kept.append(line)
            return True

        streams.swallow = late
        listed = threading.Event()

        def tells_when(request, forward):
            answer = forward(request)
            listed.set() if kept else None
            return answer

        streams.lists = tells_when
        async with watching(space, front.url, held, pace) as ear:
            await ear.up()
            admin.apply(binding("coming", "people"))
            await ear.until(listed.is_set)
            await asyncio.sleep(0.5)  # a list has it, and the stream does not, for a while
            assert ear.told == []
            streams.say(kept[0])
            await ear.hears(("added", "coming"))
            first = ear.health.checked
            await ear.until(lambda: ear.health.checked != first)

        assert ear.health.missed == 0
        assert ear.restarts == {}

    async def test_what_happens_while_a_list_is_on_its_way_is_no_lie(self, space, admin, front, streams, held):
        admin.apply(binding("going", "people"), binding("changing", "people"))

        async with watching(space, front.url, held, CHECKING) as ear:
            await ear.up()

            def outruns(request, forward):
                answer = forward(request)
                if not ear.told:
                    admin.delete(binding("going"))
                    admin.apply(binding("changing", "others"), binding("coming", "people"))
                    eventually(lambda: len(ear.told) == 3, SOON)
                return answer

            streams.lists = outruns
            await ear.until(lambda: len(ear.told) == 3)
            first = ear.health.checked
            await ear.until(lambda: ear.health.checked != first)

        assert ear.health.missed == 0
        assert ear.restarts == {}
        assert len(ear.told) == 3

    async def test_a_list_that_fails_for_a_while_does_not_cost_the_stream(self, space, admin, front, streams, held):
        pace = Pace(lasts=(60, 60), silence=30.0, check_every=0.4, check_least=0.05, first=0.05, longest=0.1)

        async with watching(space, front.url, held, pace) as ear:
            await ear.up()
            streams.lists = proxy.answers(500)
            before = len(front.requests)
            await ear.until(lambda: len(front.requests) > before)
            assert ear.health.up
            # Nobody checks it any more: it is not believed for ever.
            await ear.until(lambda: ear.restarts.get(Restart.LIST))
            streams.lists = proxy.passes
            await ear.up()


@pytest.fixture
def forgetful() -> Iterator[ControlPlane]:
    """Without a watch cache: what etcd has compacted is gone."""
    with ControlPlane(flags={"watch-cache": "false"}) as made:
        made.admin.apply(manifests.namespace(SPACE))
        yield made


class TestAServerOfItsOwn:
    async def test_what_etcd_compacted_away_is_listed_again(self, forgetful):
        pace = Pace(lasts=(2, 2), silence=30.0, check_every=600.0, first=0.05)
        held = holding("only-for-tests")

        async with watching(forgetful, forgetful.url, held, pace) as ear:
            await ear.up()
            # The stream of 2 s hears nothing of these, so it goes on from a revision that is gone.
            for number in range(5):
                forgetful.admin.apply(manifests.config_map(SPACE, f"other-{number}"))
            compact(forgetful)
            await ear.until(lambda: ear.restarts.get(Restart.GONE))
            await ear.up()
            forgetful.admin.apply(binding("one", "people"))
            await ear.until(lambda: ("added", "one") in ear.told)

    async def test_a_server_that_starts_again_is_found_again(self, forgetful):
        held = holding("only-for-tests")

        async with watching(forgetful, forgetful.url, held) as ear:
            await ear.up()
            await asyncio.to_thread(forgetful.kill_apiserver)
            await ear.until(lambda: not ear.health.up)
            await asyncio.to_thread(forgetful.start_apiserver)
            forgetful.admin.apply(binding("later", "people"))
            await ear.until(lambda: ("added", "later") in ear.told)
            await ear.up()

        assert ear.restarts[Restart.LIST] >= 1
        assert ear.health.missed == 0


def compact(cluster: ControlPlane) -> None:
    """All of etcd's history up to now."""
    revision = cluster.admin.must("GET", "/api/v1/namespaces")["metadata"]["resourceVersion"]
    etcd = http.client.HTTPConnection("127.0.0.1", cluster._etcd_port, timeout=10)
    try:
        etcd.request("POST", "/v3/kv/compaction", json.dumps({"revision": revision, "physical": True}))
        reply = etcd.getresponse()
        assert reply.status == 200, reply.read()
    finally:
        etcd.close()


class TestLines:
    def test_however_they_are_cut_they_are_the_same(self):
        rng = random.Random(11)
        lines = [bytes(rng.choices(b"ab{}", k=rng.randint(1, 30))) for _ in range(200)]
        text = b"\n".join([*lines, b""])
        for most in (8, 29, 30):
            splitter = Splitter(most)
            found: list[bytes | None] = []
            left = text
            while left:
                size = rng.randint(1, 60)
                found += splitter.feed(left[:size])
                left = left[size:]
            assert found == [line if len(line) <= most else None for line in lines]

    def test_a_line_without_end_is_not_held(self):
        splitter = Splitter(1000)
        for _ in range(10_000):
            assert list(splitter.feed(b"x" * 900)) == []
        assert len(splitter._held) == 0
        assert list(splitter.feed(b"\nnext\n")) == [None, b"next"]
