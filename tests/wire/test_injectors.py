"""Every injector keeps the same promises, at the real thing: what it breaks it shows, and what it heals is as before."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from sentinel import injectors
from sentinel.clients.clock import Clock
from sentinel.clients.control import Control, Taken
from sentinel.clients.upstream import Upstream
from sentinel.core.drill.fault import Fault, Place, Receipt, Variant
from sentinel.errors import ClientError, Refused
from sentinel.settings.words import Address
from sentinel.web.fault_proxy import FaultProxy, serve
from tests.support.failing_over import Provider, served
from tests.support.ports import free_port
from tests.support.toxiproxy import toxiproxy
from tests.wire.drills import VARIANTS, town

pytestmark = pytest.mark.asyncio


def receipt(place, variant, run="0a1b2c3d"):
    fault = Fault(variant, latency=0.5, kilobytes_per_second=100, after_bytes=10)
    return Receipt(run, "outage", "chat", place, fault, 60.0, 1.0, {"enabled": True})


@asynccontextmanager
async def place(kind, folder) -> AsyncIterator[Place]:
    """A provider behind what this injector can break."""
    async with served(Provider("openai").app()) as provider:
        if kind == "toxiproxy":
            async with toxiproxy(folder) as server:
                await server.proxy("openai", provider)
                yield Place(kind, server.url, "openai")
        else:
            async with Upstream(provider) as upstream:
                listen, control = Address("127.0.0.1", free_port()), Address("127.0.0.1", free_port())
                async with serve(FaultProxy(upstream, Clock()), listen, control):
                    yield Place(kind, f"http://{control}")


KINDS = pytest.mark.parametrize("kind", injectors.INJECTORS)


@KINDS
async def test_what_is_put_there_is_read_back_and_what_is_taken_away_is_gone_twice(tmp_path, kind):
    async with place(kind, tmp_path) as where, Control(where.at) as control:
        made = injectors.injector(where, control)
        for variant in sorted(injectors.variants(kind)):
            wound = replace(receipt(where, variant), before=await made.look())
            before = await made.status(wound)
            await made.inject(wound)
            wounded = await made.status(wound)
            for _ in range(2):
                await made.revert(wound)
                after = await made.status(wound)
                assert (after.injected, after.reverted) == (False, True), variant

            assert (before.injected, before.reverted) == (False, True), variant
            assert (wounded.injected, wounded.reverted) == (True, False), variant


@KINDS
async def test_a_wound_that_stands_is_not_wounded_again(tmp_path, kind):
    async with place(kind, tmp_path) as where, Control(where.at) as control:
        made = injectors.injector(where, control)
        await made.inject(receipt(where, Variant.TIMEOUT))

        with pytest.raises(Refused, match="stand"):
            await made.look()


@KINDS
async def test_only_its_own_wound_is_healed(tmp_path, kind):
    async with place(kind, tmp_path) as where, Control(where.at) as control:
        made = injectors.injector(where, control)
        await made.inject(receipt(where, Variant.TIMEOUT, run="another"))

        await made.revert(receipt(where, Variant.TIMEOUT))

        assert (await made.status(receipt(where, Variant.TIMEOUT, run="another"))).injected


@KINDS
async def test_a_plan_touches_nothing_and_names_the_undo_of_each_step(tmp_path, kind):
    for variant in injectors.variants(kind):
        steps = injectors.injector(Place(kind, "http://127.0.0.1:9", "openai"), Control("x")).plan(Fault(variant))
        assert steps.wound and steps.undo and steps.last_resort


@KINDS
async def test_where_nobody_answers_every_step_says_so_in_our_words(kind):
    where = Place(kind, "http://127.0.0.1:9", "openai")
    async with Control(where.at) as control:
        made, wound = injectors.injector(where, control), receipt(where, Variant.KILL)
        for step in (made.look, *(lambda call=call: call(wound) for call in (made.inject, made.status, made.revert))):
            with pytest.raises(ClientError, match=r"127\.0\.0\.1:9"):
                await step()


async def test_a_toxiproxy_that_others_use_keeps_what_is_theirs(tmp_path):
    async with toxiproxy(tmp_path) as server, Control(server.url) as control:
        await server.proxy("openai", "http://127.0.0.1:9")
        await server.proxy("other", "http://127.0.0.1:9")
        theirs = {"name": "theirs", "type": "latency", "attributes": {"latency": 1}}
        for name in ("openai", "other"):
            await server.call("POST", f"/proxies/{name}/toxics", theirs)
        where = Place("toxiproxy", server.url, "openai")
        made, wound = injectors.injector(where, control), receipt(where, Variant.SLOW)

        await made.look()
        await made.inject(wound)
        assert await server.toxics("openai") == ["theirs", "sentinel-0a1b2c3d-0", "sentinel-0a1b2c3d-1"]
        await made.revert(wound)

        assert [await server.toxics(name) for name in ("openai", "other")] == [["theirs"], ["theirs"]]


async def test_a_proxy_that_somebody_disabled_is_left_alone_and_a_toxic_on_it_is_no_fault(tmp_path):
    async with toxiproxy(tmp_path) as server, Control(server.url) as control:
        await server.proxy("openai", "http://127.0.0.1:9")
        where = Place("toxiproxy", server.url, "openai")
        made, wound = injectors.injector(where, control), receipt(where, Variant.TIMEOUT)
        await made.inject(wound)
        await server.call("PATCH", "/proxies/openai", {"enabled": False})

        assert not (await made.status(wound)).injected
        await made.revert(wound)
        with pytest.raises(Refused, match="disabled already"):
            await made.look()


async def test_drills_through_a_real_toxiproxy_are_survived_and_leave_nothing_there(tmp_path):
    async def one(server, variant):
        """Its town asks through a proxy of that Toxiproxy."""
        async with town(tmp_path / variant) as made:
            way = await server.proxy(variant, made.gateway.providers["openai"])
            made.gateway.providers["openai"] = way
            made.drill = {"fault": {"injector": "toxiproxy", "at": server.url, "target": variant}}
            made.offered = tuple(name for name in VARIANTS if name in injectors.variants("toxiproxy"))
            return variant, await made.run("--variant", variant), await server.call("GET", f"/proxies/{variant}")

    async with toxiproxy(tmp_path) as server, asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(server, name)) for name in VARIANTS if name in injectors.variants("toxiproxy")]
        for variant, seen, proxy in [await task for task in tasks]:
            assert seen.code == 0, (variant, seen.out, seen.err)
            assert (seen.json["verdict"], seen.json["failover"]["to"]) == ("pass", "backup"), variant
            assert (proxy["enabled"], proxy["toxics"]) == (True, []), variant


async def test_control_keeps_one_owner_and_ends_a_fault_by_itself(tmp_path):
    async with place("provider", tmp_path) as where, Control(where.at) as control:
        body = {"run": "a", "seconds": 0.3, "fault": Fault(Variant.KILL).as_json()}
        await control.call("PUT", "/fault", body)

        with pytest.raises(Taken, match="of run a stands"):
            await control.call("PUT", "/fault", body | {"run": "b"})
        async with asyncio.timeout(30):
            while (await control.call("GET", "/fault"))["run"]:
                await asyncio.sleep(0.02)
        await control.call("PUT", "/fault", body | {"run": "b"})


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"run": "", "seconds": 1, "fault": Fault(Variant.KILL).as_json()},
        {"run": "a", "seconds": 0, "fault": Fault(Variant.KILL).as_json()},
        {"run": "a", "seconds": 7200, "fault": Fault(Variant.KILL).as_json()},
        {"run": "a", "seconds": 1, "fault": {"variant": "burn"}},
        {"run": "a", "seconds": 1, "fault": {"variant": "kill", "more": 1}},
    ],
)
async def test_control_takes_nothing_that_it_does_not_understand(tmp_path, body):
    async with place("provider", tmp_path) as where, Control(where.at) as control:
        with pytest.raises(Refused, match="400"):
            await control.call("PUT", "/fault", body)

        assert (await control.call("GET", "/fault"))["run"] is None
