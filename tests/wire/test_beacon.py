"""The beacon's port on loopback: who asks rightly is answered rightly, whatever everybody else does meanwhile."""

import asyncio
import contextlib
import dataclasses
import os
import resource
import socket
import threading
import time
from collections import Counter

import pytest

from sentinel.clients.dial import dial
from sentinel.core.net import carried, challenge
from sentinel.core.net.challenge import Refusal
from sentinel.core.net.crossing import Family, Protocol
from sentinel.core.net.landing import Attempt, Landing
from sentinel.core.net.roster import Beacon
from sentinel.errors import OwnFault
from sentinel.web import beacon
from sentinel.web.beacon import Listener
from sentinel.web.respondent import MOST_TIMES, Respondent
from tests.support.eventually import eventually
from tests.support.lit import ASKER, BEACON, asked, counts, flood, process
from tests.support.lit import STRANGER as OTHER

LONG = 20.0
"""Seconds, on a machine that is busy."""
ROSTER = {
    "uid-a": Beacon("team-a", "team-a", "uid-a", 7462, key=ASKER.public),
    "uid-b": Beacon("team-b", "team-b", "uid-b", 7462, key=BEACON.public),
    "uid-b2": Beacon("team-b", "team-b", "uid-b2", 7462, key=OTHER.public),
    "uid-new": Beacon("team-c", "team-c", "uid-new", 7462),
}
ADDRESS = {Family.V4: "127.0.0.1", Family.V6: "::1"}


@dataclasses.dataclass
class Lit:
    """A beacon that burns, and what it has seen."""

    roster: dict[str, Beacon] = dataclasses.field(default_factory=lambda: dict(ROSTER))
    arrived: list[bytes] = dataclasses.field(default_factory=list)
    answers: Counter[str] = dataclasses.field(default_factory=Counter)
    refusals: Counter[str] = dataclasses.field(default_factory=Counter)
    connections: int = 0
    port: int = 0

    def find(self, uid):
        return self.roster.get(uid)

    def note_connections(self, number):
        self.connections = number

    @contextlib.asynccontextmanager
    async def burning(self, host=""):
        respondent = Respondent(
            "team-b",
            "uid-b",
            BEACON,
            self.find,
            arrived=self.arrived.append,
            answered=lambda protocol: self.answers.update([protocol]),
            refused=lambda why: self.refusals.update([why]),
        )
        listener = Listener(respondent.reply, lambda why: self.refusals.update([why]), self.note_connections)
        async with listener.serve(0, host) as self.port:
            yield self


@pytest.fixture
async def lit():
    async with Lit().burning() as burning:
        yield burning


def changed(raw):
    """All but one bit of it."""
    return raw[:-1] + bytes([raw[-1] ^ 1])


async def told(lit, raw, protocol=Protocol.TCP, host="127.0.0.1", timeout=LONG) -> Landing:
    """How it ended, from a thread of its own."""
    payload = carried.payload(protocol, raw, host, lit.port)
    (landing,) = await asyncio.to_thread(dial, [Attempt(host, lit.port, protocol, payload)], timeout)
    return landing


def is_right(landing, raw, protocol=Protocol.TCP):
    return challenge.is_answer(carried.answer(protocol, landing.reply), raw, BEACON.public)


async def until(look, what=""):
    """Wait for a condition of this very loop."""
    async with asyncio.timeout(LONG):
        while not look():
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("protocol", Protocol)
@pytest.mark.parametrize("host", ["127.0.0.1", "127.33.4.5", "::1"])
async def test_who_asks_rightly_is_answered_by_each_protocol_at_each_address(lit, protocol, host):
    raw = asked(protocol=protocol)
    landing = await told(lit, raw, protocol, host)

    assert is_right(landing, raw, protocol), landing
    assert lit.arrived == [raw]
    assert lit.answers == {protocol: 1}
    assert not lit.refusals


@pytest.mark.parametrize("host", ["127.0.0.1", "127.33.4.5"])
async def test_where_the_kernel_has_no_other_family_it_listens_by_the_one_there_is(monkeypatch, host):
    monkeypatch.setattr(beacon, "_has_v6", lambda: False)
    async with Lit().burning() as lit:
        for protocol in Protocol:
            raw = asked(protocol=protocol)
            assert is_right(await told(lit, raw, protocol, host), raw, protocol)
        assert (await told(lit, asked(), host="::1")).error == "ECONNREFUSED"


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_on_one_address_it_listens_there(host):
    async with Lit().burning(host) as lit:
        for protocol in Protocol:
            raw = asked(protocol=protocol)
            assert is_right(await told(lit, raw, protocol, host), raw, protocol)


def seen(lit):
    """What was refused so far."""
    return {str(why): number for why, number in lit.refusals.items()}


# Who asks.


async def test_one_of_the_own_tenant_is_answered_and_is_no_arrival(lit):
    for raw in (asked("uid-b2", signer=OTHER), asked("uid-b", signer=BEACON)):
        assert is_right(await told(lit, raw), raw)

    assert lit.arrived == []
    assert not lit.refusals


async def test_behind_a_service_any_pod_of_the_tenant_is_meant(lit):
    raw = asked(meant="uid-b2")

    assert is_right(await told(lit, raw), raw)
    assert lit.arrived == [raw]
    assert not lit.refusals


@pytest.mark.parametrize("meant", ["uid-a", "uid-gone"])
async def test_who_meant_somebody_else_is_told_who_is_here_and_it_is_no_arrival(lit, meant):
    raw = asked(meant=meant)
    landing = await told(lit, raw)

    answer = challenge.answer_in(landing.reply)
    assert answer is not None
    assert (answer.tenant, answer.uid) == ("team-b", "uid-b")
    assert is_right(landing, raw)
    assert lit.arrived == []
    assert seen(lit) == {"astray": 1}


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        pytest.param(asked("uid-nobody"), Refusal.STRANGER, id="nobody on the roster"),
        pytest.param(asked("uid-new"), Refusal.STRANGER, id="somebody who has no key yet"),
        pytest.param(asked(signer=OTHER), Refusal.FORGED, id="somebody in another's name"),
        pytest.param(changed(asked()), Refusal.FORGED, id="a signature that was changed"),
        pytest.param(asked("uid-b", signer=ASKER), Refusal.FORGED, id="somebody in our own name"),
        pytest.param(asked(protocol=Protocol.UDP), Refusal.ASTRAY, id="a datagram's challenge, carried over"),
    ],
)
async def test_who_has_no_right_to_an_answer_hears_nothing(lit, raw, why):
    landing = await told(lit, raw)

    assert (landing.connected, landing.reply) == (True, b"")
    assert landing.error in ("", "ECONNRESET")
    assert lit.arrived == []
    assert seen(lit) == {why: 1}


async def test_the_roster_may_change_at_any_time(lit):
    raw = asked()
    del lit.roster["uid-a"]
    assert not (await told(lit, raw)).reply
    lit.roster["uid-a"] = ROSTER["uid-a"]
    assert is_right(await told(lit, raw), raw)
    lit.roster["uid-a"] = dataclasses.replace(ROSTER["uid-a"], key=OTHER.public)
    assert not (await told(lit, asked())).reply


async def test_the_same_challenge_again_has_the_same_answer_and_arrives_once(lit):
    raw = asked()
    landings = [await told(lit, raw) for _ in range(5)]

    assert all(is_right(landing, raw) for landing in landings)
    assert len({landing.reply for landing in landings}) == 1
    assert lit.arrived == [raw]


async def test_a_challenge_that_is_repeated_without_end_is_not_answered_without_end(lit):
    raw = asked()
    reader, writer = await asyncio.open_connection("127.0.0.1", lit.port)
    for _ in range(MOST_TIMES):
        writer.write(raw)
        assert len(await reader.readexactly(challenge.ANSWER_BYTES)) == challenge.ANSWER_BYTES
    writer.write(raw)

    assert await reader.read() == b""
    assert seen(lit) == {"repeated": 1}
    writer.close()


# One connection.


async def test_one_connection_is_asked_as_often_as_one_likes(lit):
    reader, writer = await asyncio.open_connection("127.0.0.1", lit.port)
    for _ in range(20):
        raw = asked()
        for part in (raw[:3], raw[3:100], raw[100:]):
            writer.write(part)
            await asyncio.sleep(0)
        assert challenge.is_answer(await reader.readexactly(challenge.ANSWER_BYTES), raw, BEACON.public)
    writer.close()


async def test_several_challenges_at_once_are_answered_one_after_the_other(lit):
    raws = [asked() for _ in range(9)]
    reader, writer = await asyncio.open_connection("127.0.0.1", lit.port)
    writer.write(b"".join(raws))
    for raw in raws:
        assert challenge.is_answer(await reader.readexactly(challenge.ANSWER_BYTES), raw, BEACON.public)
    writer.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_ready_is_said_while_it_listens(lit, host):
    reader, writer = await asyncio.open_connection(host, lit.port)
    for _ in range(3):
        writer.write(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert await reader.readexactly(6) == b"ready\n"
    writer.write(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")

    assert (await reader.read()).startswith(b"HTTP/1.1 200 OK\r\n")
    assert not lit.refusals
    writer.close()


async def test_what_is_not_served_is_not_found(lit):
    reader, writer = await asyncio.open_connection("127.0.0.1", lit.port)
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")

    assert (await reader.read()).startswith(b"HTTP/1.1 404 Not Found\r\n")
    assert seen(lit) == {"garbage": 1}
    writer.close()


# What is no challenge.


@pytest.mark.parametrize(
    "garbage",
    [
        pytest.param(b"SSH-2.0-x\r\n", id="another protocol"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", id="TLS"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", id="HTTP/2"),
        pytest.param(b"\0" * 1000, id="zeros"),
        pytest.param(b"TSC\x01" + b"\xff" * 220, id="our first bytes and nonsense"),
        pytest.param(b"TSC\x02" + b"a" * 220, id="another version"),
        pytest.param(b"GET /beacon\r\n\r\n", id="half a request"),
        pytest.param(b"POST /beacon HTTP/1.1\r\nContent-Length: 9999999\r\n\r\n", id="a request with a body"),
        pytest.param(b"GET /" + b"a" * 10_000, id="a request without end"),
        pytest.param(b"GET /beacon HTTP/1.1\r\nSentinel-Challenge: !\r\n\r\n", id="a header that is no base64"),
        pytest.param(b"GET /beacon HTTP/1.1\r\nSentinel-Challenge: QUFB\r\n\r\n", id="a header that is no challenge"),
    ],
)
async def test_garbage_ends_the_connection_and_is_counted_once(lit, garbage):
    reader, writer = await asyncio.open_connection("127.0.0.1", lit.port)
    writer.write(garbage)
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(LONG):
            assert await reader.read() == b""
    writer.close()

    await until(lambda: not lit.connections)
    assert seen(lit) == {"garbage": 1}
    raw = asked()
    assert is_right(await told(lit, raw), raw)


async def test_who_goes_in_the_middle_is_garbage_and_who_only_looks_is_nothing(lit):
    _, writer = await asyncio.open_connection("127.0.0.1", lit.port)
    writer.close()
    _, half = await asyncio.open_connection("127.0.0.1", lit.port)
    half.write(asked()[:100])
    half.write_eof()

    await until(lambda: lit.refusals)
    await until(lambda: not lit.connections)
    assert seen(lit) == {"garbage": 1}
    half.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize(
    "datagram",
    [b"", b"x", asked(protocol=Protocol.UDP)[:-1], asked(protocol=Protocol.UDP) + b"\0", b"x" * 224, b"x" * 60_000],
    ids=["empty", "one byte", "one too few", "one too many", "as long as a challenge", "giant"],
)
async def test_a_datagram_that_is_no_challenge_is_answered_with_nothing(lit, host, datagram):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.connect((host, lit.port))
        sock.send(datagram)
        await until(lambda: lit.refusals)
        sock.setblocking(False)
        # The next answer is the first thing that comes back.
        raw = asked(protocol=Protocol.UDP)
        sock.send(raw)
        await until(lambda: lit.answers)
        assert challenge.is_answer(sock.recv(70_000), raw, BEACON.public)

    assert seen(lit) == {"garbage": 1}


async def test_no_datagram_is_answered_with_a_larger_one(lit):
    raw = asked(protocol=Protocol.UDP)
    landing = await told(lit, raw, Protocol.UDP)

    assert 0 < len(landing.reply) <= len(raw)


# Who takes their time, and who comes in crowds.


async def test_who_is_slow_is_let_go_and_everybody_else_is_not(lit, monkeypatch):
    monkeypatch.setattr(beacon, "FIRST_SECONDS", 0.5)
    monkeypatch.setattr(beacon, "_SWEEP_SECONDS", 0.1)
    kept_reader, kept_writer = await asyncio.open_connection("127.0.0.1", lit.port)
    raw = asked()
    kept_writer.write(raw)
    await kept_reader.readexactly(challenge.ANSWER_BYTES)

    async def drip(data):
        reader, writer = await asyncio.open_connection("127.0.0.1", lit.port)
        for byte in data:
            writer.write(bytes([byte]))
            if writer.transport.is_closing() or reader.at_eof():
                break
            await asyncio.sleep(0.05)
        writer.close()

    slow = carried.payload(Protocol.HTTP, asked(protocol=Protocol.HTTP), "127.0.0.1", lit.port)
    await asyncio.gather(drip(slow[:60]), drip(asked()[:60]), drip(b""))

    await until(lambda: lit.refusals["slow"] >= 2)
    again = asked()
    kept_writer.write(again)
    answer = await kept_reader.readexactly(challenge.ANSWER_BYTES)
    assert challenge.is_answer(answer, again, BEACON.public)
    kept_writer.close()


async def test_who_asks_without_reading_is_let_go(lit):
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    sock.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(sock, ("127.0.0.1", lit.port))
    with contextlib.suppress(OSError):
        async with asyncio.timeout(LONG):
            while not lit.refusals:
                await loop.sock_sendall(sock, b"GET /readyz HTTP/1.1\r\n\r\n")
                await asyncio.sleep(0)
    sock.close()

    await until(lambda: not lit.connections)
    assert set(seen(lit)) <= {"slow", "flooded"}
    assert lit.refusals


async def test_who_says_more_at_once_than_anybody_has_to_say_is_let_go(lit):
    _, writer = await asyncio.open_connection("127.0.0.1", lit.port)
    await until(lambda: lit.connections)
    writer.write(asked() * 60)

    await until(lambda: not lit.connections)
    assert seen(lit) == {"flooded": 1}
    writer.close()


async def test_a_crowd_that_says_nothing_takes_nobody_elses_place(lit, monkeypatch):
    monkeypatch.setattr(beacon, "FIRST_SECONDS", 60.0)
    loop = asyncio.get_running_loop()
    crowd = []
    try:
        for number in range(1000):
            sock = socket.socket()
            sock.setblocking(False)
            crowd.append(sock)
            sock.bind((f"127.0.{number % 7}.{number % 40 + 1}", 0))
            await loop.sock_connect(sock, ("127.0.0.1", lit.port))
            if number % 50 == 0:
                raw = asked()
                assert is_right(await told(lit, raw), raw)
            assert lit.connections <= beacon.MOST_CONNECTIONS
        await until(lambda: lit.refusals["crowded"] >= 700)
        for protocol in Protocol:
            raw = asked(protocol=protocol)
            assert is_right(await told(lit, raw, protocol), raw, protocol)
    finally:
        for sock in crowd:
            sock.close()
    assert set(seen(lit)) == {"crowded"}


async def test_one_address_that_connects_without_end_drops_its_own(lit, monkeypatch):
    monkeypatch.setattr(beacon, "FIRST_SECONDS", 60.0)
    loop = asyncio.get_running_loop()
    bystander = await asyncio.open_connection("127.0.0.1", lit.port, local_addr=("127.9.9.9", 0))
    await until(lambda: lit.connections == 1)
    crowd = [socket.socket() for _ in range(200)]
    for sock in crowd:
        sock.setblocking(False)
        await loop.sock_connect(sock, ("127.0.0.1", lit.port))
    await until(lambda: lit.refusals["crowded"] == 200 - beacon.MOST_OF_ONE)

    assert lit.connections == beacon.MOST_OF_ONE + 1
    raw = asked()
    bystander[1].write(raw)
    assert challenge.is_answer(await bystander[0].readexactly(challenge.ANSWER_BYTES), raw, BEACON.public)
    for sock in crowd:
        sock.close()
    bystander[1].close()


async def test_who_asked_rightly_keeps_the_connection_while_a_crowd_comes(lit, monkeypatch):
    monkeypatch.setattr(beacon, "FIRST_SECONDS", 60.0)
    loop = asyncio.get_running_loop()
    reader, writer = await asyncio.open_connection("127.0.0.1", lit.port)
    writer.write(asked())
    await reader.readexactly(challenge.ANSWER_BYTES)
    crowd = []
    for number in range(400):
        sock = socket.socket()
        sock.setblocking(False)
        crowd.append(sock)
        sock.bind((f"127.0.1.{number % 200 + 1}", 0))
        await loop.sock_connect(sock, ("127.0.0.1", lit.port))
    await until(lambda: lit.refusals["crowded"] >= 100)

    raw = asked()
    writer.write(raw)
    assert challenge.is_answer(await reader.readexactly(challenge.ANSWER_BYTES), raw, BEACON.public)
    writer.close()
    for sock in crowd:
        sock.close()


async def test_a_flood_of_forgeries_is_refused_before_it_costs_a_signature(lit, monkeypatch):
    checked = Counter[str]()
    real = challenge.is_asked_by

    def counted(raw, key):
        checked["all"] += 1
        return real(raw, key)

    monkeypatch.setattr(challenge, "is_asked_by", counted)
    forged = [asked(protocol=Protocol.UDP, signer=OTHER) for _ in range(50)]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.66", 0))
        sock.connect(("127.0.0.1", lit.port))
        for number in range(1500):
            sock.send(forged[number % 50])
            if number % 20 == 0:
                await asyncio.sleep(0)
        await until(lambda: lit.refusals["flooded"] > 0)

    # 200 are what an address nobody knows has at the start, 100 more each second.
    assert lit.refusals["forged"] == checked["all"] < 1500
    raw = asked(protocol=Protocol.UDP)
    assert is_right(await told(lit, raw, Protocol.UDP), raw, Protocol.UDP)


async def test_without_files_it_waits_and_goes_on_afterwards(lit):
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    sock = socket.socket()
    sock.setblocking(False)
    hoard = []
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (200, limits[1]))
        with contextlib.suppress(OSError):
            while True:
                hoard.append(os.dup(0))
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", lit.port))
        await until(lambda: lit.refusals["crowded"])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        for number in hoard:
            os.close(number)
    raw = asked()
    await asyncio.get_running_loop().sock_sendall(sock, raw)
    async with asyncio.timeout(LONG):
        answer = await asyncio.get_running_loop().sock_recv(sock, 4096)
    assert challenge.is_answer(answer, raw, BEACON.public)
    sock.close()


async def test_a_port_that_somebody_has_is_our_own_fault(lit):
    with pytest.raises(OwnFault, match=f"network.beacon.port: cannot listen on port {lit.port}: "):
        async with Listener(lambda *_: None).serve(lit.port):
            pass


async def test_when_it_is_over_nothing_is_left():
    async with Lit().burning() as lit:
        _, writer = await asyncio.open_connection("127.0.0.1", lit.port)
        await until(lambda: lit.connections)

    assert lit.connections == 0
    assert (await told(lit, asked())).error == "ECONNREFUSED"
    async with Listener(lambda *_: None).serve(lit.port, "127.0.0.1") as port:
        assert port == lit.port
    writer.close()


# Under a flood, as a process of its own.


def test_under_a_flood_good_askers_are_answered_and_memory_is_flat(tmp_path):
    over = threading.Event()
    with process(tmp_path) as (child, port):
        right = 0
        flooders = [threading.Thread(target=flood, args=(port, over, which)) for which in range(2)]
        try:
            for _ in range(3):
                ask_all(port)
            for thread in flooders:
                thread.start()
            eventually(lambda: counts(child).get("forged", 0) > 100, LONG)
            before, began = child.resident_mib(), time.monotonic()
            while (lasted := time.monotonic() - began) < 4.0 or (right < 10 and lasted < 3 * LONG):
                right += ask_all(port)
        finally:
            over.set()
            for thread in flooders:
                if thread.ident:
                    thread.join()
        after, found = child.resident_mib(), counts(child)

    assert right >= 10
    assert after - before < 4.0
    assert {"forged", "garbage"} <= set(found)
    assert found["most"] <= beacon.MOST_CONNECTIONS


def ask_all(port):
    """Three by each protocol, as an asker does; how many protocols had the right answer. None may have a wrong one."""
    right = 0
    for protocol in Protocol:
        raw = asked(protocol=protocol)
        payload = carried.payload(protocol, raw, "127.0.0.1", port)
        landings = dial([Attempt("127.0.0.1", port, protocol, payload)] * 3, 3.0)
        replies = {carried.answer(protocol, landing.reply) for landing in landings} - {b""}
        assert all(challenge.is_answer(reply, raw, BEACON.public) for reply in replies)
        right += bool(replies)
    return right
