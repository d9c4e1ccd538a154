"""The pager in front of real Alertmanagers, and beside servers that are not well."""

import asyncio
import contextlib
import socket
import statistics
import threading
import time
from collections import Counter
from dataclasses import replace

import pytest

from sentinel.clients.alertmanager import Alertmanagers, Receiver
from sentinel.clients.clock import Clock
from sentinel.core import page
from sentinel.core.record import Series, series_of
from sentinel.errors import BadReply, OwnFault, Refused, Throttled, TimedOut, Unreachable
from sentinel.sinks.pager import Pager
from tests.support.alertmanager import Alertmanager, config
from tests.support.breaches import LIST, SENDER, SERIES, Belief, a_round
from tests.support.eventually import eventually
from tests.support.pairs import PAIRS
from tests.support.ports import free_port
from tests.support.webhook import Webhook

SOON = 20.0
"""Seconds for what takes milliseconds: the machine may be busy, and the test is not a benchmark."""


@pytest.fixture
def phone():
    with Webhook() as made:
        yield made


def route(phone):
    return config(phone.url, group_wait="0s", group_interval="1s", group_by=["alertname", "target"])


@pytest.fixture
def alertmanager(phone):
    with Alertmanager(route(phone)) as made:
        yield made


@pytest.fixture(params=PAIRS, ids=str)
def either(phone, request):
    """Of either age: for what an Alertmanager makes of pushes, and not of how they come."""
    with Alertmanager(route(phone), binary=request.param.alertmanager) as made:
        yield made


class Counts(Counter[str]):
    def __init__(self):
        super().__init__()
        self.delays: list[float] = []


@contextlib.asynccontextmanager
async def paging(*urls, timeout=5.0, **timers):
    """A pager that runs; gives it and what it counted."""
    counts = Counts()
    async with Alertmanagers(timeout) as client:
        pager = Pager(
            urls,
            SENDER,
            client,
            Clock(),
            count=lambda result: counts.update([result]),
            delay=counts.delays.append,
            **timers,
        )
        task = asyncio.create_task(pager.run(), name="pager")
        try:
            yield pager, counts
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def within(seconds, look):
    """What `look` gives once it is true, asked in a thread so that the pager goes on."""
    return await asyncio.to_thread(eventually, look, seconds)


async def arrival(phone, status, **labels):
    return await asyncio.to_thread(phone.wait_for_alert, status, SOON, **labels)


def base(server):
    return server.url.removesuffix("/page")


async def test_a_breach_arrives_as_a_page_and_its_proof_as_the_end(phone, either):
    async with paging(either.url, repeat=0.5) as (pager, counts):
        pager.put(Belief(proven=time.time() - 10).served(time.time()))

        fired = await arrival(phone, "firing", alertname="SentinelIsolationBreach", path="push")
        alert = fired.alerts()[0]
        assert alert["labels"]["target"] == "team-b"
        assert "kubectl auth can-i list secrets" in alert["annotations"]["description"]
        await within(SOON, lambda: counts.delays)  # the phone may ring before we have our 200
        assert counts.delays[0] < SOON

        pager.end_round(a_round(time.time(), {SERIES: 0.0}))
        await arrival(phone, "resolved", alertname="SentinelIsolationBreach")
        assert counts.keys() == {"accepted"}


async def test_repeats_keep_it_firing_and_when_they_end_it_runs_out_by_itself(phone, alertmanager):
    async with paging(alertmanager.url, repeat=0.8) as (pager, counts):
        pager.put(Belief().served(time.time()))
        await arrival(phone, "firing")
        await within(SOON, lambda: counts["accepted"] >= 7)  # a push stands for 2.4 s: longer than one, and two

        assert [d.status for d in phone.deliveries] == ["firing"]
        assert len(alertmanager.alerts(target="team-b")) == 1

    await arrival(phone, "resolved")


async def test_a_killed_alertmanager_is_told_again(phone, alertmanager):
    async with paging(alertmanager.url, repeat=0.5) as (pager, counts):
        pager.put(Belief().served(time.time()))
        await arrival(phone, "firing")
        await asyncio.to_thread(alertmanager.kill)
        await within(SOON, lambda: counts["unreachable"])

        await asyncio.to_thread(alertmanager.start)

        await within(SOON, lambda: alertmanager.alerts(target="team-b"))


async def test_reopened_is_firing_again(phone, either):
    belief = Belief()
    async with paging(either.url, repeat=0.8) as (pager, counts):
        pager.put(belief.served(time.time()))
        await arrival(phone, "firing")
        pager.put(belief.held(time.time()))
        pager.put(belief.held(time.time()))
        pager.end_round(a_round(time.time(), {SERIES: 0.0}))
        await arrival(phone, "resolved")
        phone.clear()

        pager.put(belief.served(time.time()))

        await arrival(phone, "firing")
        told = counts["accepted"]
        await within(SOON, lambda: counts["accepted"] > told + 2)  # an old end could hide in a repeat
        assert {d.status for d in phone.deliveries} == {"firing"}


def silent():
    """Accepts, and never says a word."""
    server = socket.create_server(("127.0.0.1", 0))
    return contextlib.closing(server), f"http://127.0.0.1:{server.getsockname()[1]}"


@contextlib.contextmanager
def ill(how):
    """The URL of a server that is not well."""
    if how == "dead":
        yield f"http://127.0.0.1:{free_port()}"
    elif how == "silent":
        server, url = silent()
        with server:
            yield url
    elif how == "slow":
        with Webhook(delay=3600) as server:
            yield base(server)
    else:
        with Webhook(answer=int(how)) as server:
            yield base(server)


@pytest.mark.parametrize(
    ("how", "result"),
    [
        ("dead", "unreachable"),
        ("silent", "unreachable"),
        ("slow", "unreachable"),
        ("400", "refused"),
        ("429", "refused"),
        ("500", "unreachable"),
        ("302", "unreachable"),
    ],
)
async def test_beside_one_that_is_not_well_the_other_gets_the_page(phone, alertmanager, how, result):
    with ill(how) as url:
        async with paging(url, alertmanager.url, timeout=0.5) as (pager, counts):
            await within(SOON, lambda: len(pager._outlets) == 2)
            began = time.monotonic()
            pager.put(Belief().served(time.time()))

            fired = await arrival(phone, "firing", target="team-b")
            print(f"beside {how}: page after {1000 * (fired.monotonic - began):.1f} ms")
            await within(SOON, lambda: counts[result])

            await within(SOON, lambda: counts["accepted"])
            assert counts == {result: 1, "accepted": 1}


async def test_every_address_of_a_name_is_found(phone, alertmanager):
    port = alertmanager.url.rpartition(":")[2]
    async with paging(f"dns+http://localhost:{port}") as (pager, _):
        pager.put(Belief().served(time.time()))

        await arrival(phone, "firing", target="team-b")


async def test_two_alertmanagers_get_it_both(phone):
    with Alertmanager(route(phone)) as one, Alertmanager(route(phone)) as two:
        async with paging(one.url, two.url) as (pager, _):
            pager.put(Belief().served(time.time()))

            await within(SOON, lambda: one.alerts(path="push") and two.alerts(path="push"))


async def test_a_flush_delivers_what_was_queued_and_the_page_stays(phone, alertmanager):
    async with paging(alertmanager.url) as (pager, _):
        await within(SOON, lambda: pager._outlets)
        pager.put(Belief().served(time.time()))
        await pager.flush(2.0)

    assert len(alertmanager.alerts(target="team-b")) == 1
    await arrival(phone, "firing")
    assert [d.status for d in phone.deliveries] == ["firing"]


async def test_forty_breaches_and_how_long_each_took(phone, alertmanager):
    took: list[float] = []
    async with paging(alertmanager.url) as (pager, counts):
        for number in range(40):
            question = replace(LIST, target=f"team-{number}", namespace=f"team-{number}")
            began = time.monotonic()
            pager.put(Belief(question).served(time.time()))
            fired = await arrival(phone, "firing", target=series_of(question).target)
            took.append(1000 * (fired.monotonic - began))
        await within(SOON, lambda: len(counts.delays) == len(took))

    took.sort()
    print(f"breach to webhook, ms: median {statistics.median(took):.1f}, max {took[-1]:.1f}, n={len(took)}")
    assert counts == {"accepted": 40}


def answering(raw):
    """A server that says these bytes to the first who connects."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve():
        with contextlib.suppress(OSError), server.accept()[0] as peer:
            peer.recv(65536)
            peer.sendall(raw)
            if raw:
                peer.recv(65536)

    thread = threading.Thread(target=serve)
    thread.start()
    return server, thread, f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", None),
        (b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n", None),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 23\r\n\r\n<html>Please log in</ht", BadReply),
        (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", BadReply),
        (b"HTTP/1.1 400 Bad Request\r\nContent-Length: 4\r\n\r\nno\x1b\n", Refused),
        (b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", Refused),
        (b"HTTP/1.1 429 Slow\r\nContent-Length: 0\r\n\r\n", Throttled),
        (b"HTTP/1.1 503 Away\r\nContent-Length: 0\r\n\r\n", BadReply),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000, BadReply),
        (b"HTTP/1.1 500 No\r\nContent-Length: 99999999\r\n\r\n" + b"x" * 100_000, BadReply),
        (b"SSH-2.0-OpenSSH\r\n", BadReply),
        (b"", Unreachable),
    ],
)
async def test_every_answer_has_one_meaning(raw, error):
    server, thread, url = answering(raw)
    alert = page.body(page.breach_page(SENDER, page.Case(SERIES, 1.0)), 2.0)
    try:
        async with Alertmanagers(0.5) as client:
            if error is None:
                await client.post(Receiver(url), [alert])
                return
            with pytest.raises(error) as raised:
                await client.post(Receiver(url), [alert])
            assert len(str(raised.value)) < 300
            assert str(raised.value).isprintable()
    finally:
        server.close()
        thread.join()


async def test_silence_ends_with_the_timeout():
    server, url = silent()
    with server:
        async with Alertmanagers(0.2) as client:
            with pytest.raises(TimedOut, match=r"within 0\.2 s"):
                await client.post(Receiver(url), [])


async def test_no_proxy_of_the_environment_is_asked(phone, alertmanager, monkeypatch):
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    async with paging(alertmanager.url) as (pager, _):
        pager.put(Belief().served(time.time()))

        await arrival(phone, "firing")


async def test_what_is_behind_a_url():
    async with Alertmanagers() as client:
        assert await client.resolve("http://am.example:9093/x/") == (Receiver("http://am.example:9093/x"),)
        found = await client.resolve("dns+http://127.0.0.1:9093/x/")
        assert [(one.url, one.name) for one in found] == [("http://127.0.0.1:9093/x", "127.0.0.1")]
        assert Receiver("http://[::1]:9093") in await client.resolve("dns+http://[::1]:9093")
        with pytest.raises(OwnFault, match="is not found"):
            await client.resolve("dns+http://nowhere.invalid:9093")


async def test_the_host_is_the_name_and_not_the_address():
    heard: list[str] = []
    server = await asyncio.start_server(lambda r, w: hear(r, w, heard), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, Alertmanagers() as client:
        (found,) = [one for one in await client.resolve(f"dns+http://localhost:{port}") if "127" in one.url]
        await client.post(found, [])

    assert f"Host: localhost:{port}" in heard[0]


def test_an_address_of_a_name_is_held_to_the_names_certificate_and_a_url_to_its_own():
    assert Receiver("https://10.0.0.1:9093", "am.example").tls == "am.example"
    assert Receiver("http://10.0.0.1:9093", "am.example").tls is None
    assert (Receiver("https://am.example").tls, Receiver("https://am.example").headers) == (None, None)


async def hear(reader, writer, heard):
    heard.append((await reader.readuntil(b"\r\n\r\n")).decode())
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    await writer.drain()
    writer.close()
    await writer.wait_closed()


def test_an_exotic_series_is_taken_too(phone, either):
    series = Series("api/custom", "anonymous", "*")
    made = page.breach_page(SENDER, page.Case(series, time.time()))

    either.send(page.body(made, time.time() + 60))

    assert phone.wait_for_alert("firing", SOON, target="*", check="api/custom")
