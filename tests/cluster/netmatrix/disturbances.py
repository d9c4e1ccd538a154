"""What only breaks: none of it may be taken for a breach, and none of what it hides may be called held.

Most of them are played where nothing protects the target at all: whatever then looks like a denial is a
lie. `local` ones are about one target, and are played beside one another; the others are about us.
"""

import asyncio
import contextlib
import ipaddress
import os
import resource
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sentinel.core.net.crossing import Crossing, Family, Protocol
from tests.cluster.netmatrix.beacons import PORT, standing_in
from tests.support import policies
from tests.support.policies import PROXY_MARK, PROXY_PORT, shut

if TYPE_CHECKING:
    from tests.cluster.netmatrix.stage import Stage

Around = Callable[["Stage", str], AbstractAsyncContextManager[None]]

NEWCOMER = "newcomer"
"""A tenant whose pod gets somebody else's address."""
LOST = 3
"""Packets of ten, on a bad network."""


@dataclass(frozen=True)
class Disturbance:
    """One row. `around(stage, target)` breaks while it lasts; `blinds`: what cannot be proven meanwhile.

    `open`: nothing protects the target meanwhile. `sampled`: also played by `make test`.
    """

    name: str
    around: Around
    blinds: Callable[[Crossing], bool] = lambda asked: True
    local: bool = False
    open: bool = False
    sampled: bool = False


def rows() -> list[Disturbance]:
    """All of them."""
    return [
        Disturbance("target-restarting", restarting, local=True, sampled=True),
        Disturbance("target-restarted-within-the-round", restarted_within, local=True, sampled=True),
        Disturbance("target-gone-and-nothing-protects-it", gone, local=True, open=True, sampled=True),
        Disturbance("target-dead-and-still-listed", dead_and_listed, local=True, open=True, sampled=True),
        Disturbance("listener-dead-and-the-rest-alive", deaf, local=True, open=True, sampled=True),
        Disturbance("listener-dead-behind-its-policy", deaf, local=True, sampled=True),
        Disturbance("address-of-another-tenants-pod", reused, local=True, open=True, sampled=True),
        Disturbance("our-own-policy-on-the-target", neutral_target, local=True, sampled=True),
        Disturbance("target-reports-nothing", unheard, local=True),
        Disturbance("lighthouse-dead", lighthouse_dead, sampled=True),
        Disturbance("own-egress-cut", own_egress_cut, sampled=True),
        Disturbance("own-udp-over-v6-cut", own_udp6_cut, is_udp6),
        Disturbance("own-beacon-dead", own_beacon_dead),
        Disturbance("our-own-policy-on-us", neutral_self),
        Disturbance("witness-away", witness_away),
        Disturbance("no-file-left", no_file_left, sampled=True),
        Disturbance("mesh-that-accepts-everything", proxied, is_stream, sampled=True),
        # What these break is of no use to a question: what is held meanwhile is held.
        Disturbance("clock-jumps", clock_jumps, nothing),
        Disturbance("dns-dead", dns_dead, nothing),
        Disturbance("one-packet-of-three-lost", lossy, nothing),
    ]


def sample() -> list[Disturbance]:
    """Those that `make test` plays."""
    return [row for row in rows() if row.sampled]


def nothing(asked: Crossing) -> bool:
    return False


def is_udp6(asked: Crossing) -> bool:
    return (asked.protocol, asked.family) == (Protocol.UDP, Family.V6)


def is_stream(asked: Crossing) -> bool:
    return asked.protocol is not Protocol.UDP


# About one target.


@contextlib.asynccontextmanager
async def restarting(stage: "Stage", target: str) -> AsyncIterator[None]:
    """Again and again, also while sockets are under way."""

    async def restart() -> None:
        while True:
            await stage.beacons.restart(stage.others[target])
            await asyncio.sleep(1.0)

    task = asyncio.create_task(restart(), name="restarting")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await stage.beacons.restart(stage.others[target])


@contextlib.asynccontextmanager
async def restarted_within(stage: "Stage", target: str) -> AsyncIterator[None]:
    """Once in each round: ready when it begins, and again when it ends, and another process in between."""

    async def restart() -> None:
        seen = stage.asker.net.number
        while True:
            if stage.asker.net.number != seen:
                seen = stage.asker.net.number
                await asyncio.sleep(0.3)
                await stage.beacons.restart(stage.others[target])
            await asyncio.sleep(0.02)

    task = asyncio.create_task(restart(), name="restarting")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await stage.beacons.restart(stage.others[target])


@contextlib.asynccontextmanager
async def gone(stage: "Stage", target: str) -> AsyncIterator[None]:
    host = stage.others[target]
    await stage.beacons.close(host)
    yield
    await stage.beacons.restart(host)


@contextlib.asynccontextmanager
async def dead_and_listed(stage: "Stage", target: str) -> AsyncIterator[None]:
    """The process is dead, and its node is cut off: nobody has told the API server."""
    host = stage.others[target]
    stage.beacons.kubelet.freeze(host.uid)
    await stage.beacons.close(host)
    yield
    stage.beacons.kubelet.freeze(host.uid, frozen=False)
    await stage.beacons.restart(host)


@contextlib.asynccontextmanager
async def deaf(stage: "Stage", target: str) -> AsyncIterator[None]:
    """The listener alone is dead; reports come, and the kubelet has not looked since."""
    host = stage.others[target]
    stage.beacons.kubelet.freeze(host.uid)
    await stage.beacons.deafen(host)
    yield
    stage.beacons.kubelet.freeze(host.uid, frozen=False)
    await stage.beacons.restart(host)


@contextlib.asynccontextmanager
async def reused(stage: "Stage", target: str) -> AsyncIterator[None]:
    """Before anybody has heard that the pod is gone, another tenant's has its address."""
    host, beacons = stage.others[target], stage.beacons
    number = host.pod.number
    beacons.kubelet.freeze(host.uid)
    await beacons.close(host)
    await asyncio.to_thread(stage.lab.remove, host.pod)
    place = await asyncio.to_thread(stage.lab.pod, f"{target}-new", number)
    stranger = await beacons.start(NEWCOMER, place)
    yield
    await beacons.remove(stranger)
    await asyncio.to_thread(stage.lab.remove, place)
    host.pod = await asyncio.to_thread(stage.lab.pod, f"{target}-again", number)
    beacons.kubelet.stop(host.uid)
    beacons.kubelet.run(host.manifest, host.pod)
    await beacons.restart(host)


@contextlib.asynccontextmanager
async def neutral_target(stage: "Stage", target: str) -> AsyncIterator[None]:
    stage.beacons.own_policy(target)
    yield
    stage.beacons.own_policy()


@contextlib.asynccontextmanager
async def unheard(stage: "Stage", target: str) -> AsyncIterator[None]:
    stage.others[target].wire.cut = True
    yield
    stage.others[target].wire.cut = False


# About us.


@contextlib.asynccontextmanager
async def lighthouse_dead(stage: "Stage", target: str) -> AsyncIterator[None]:
    await stage.beacons.deafen(stage.light)
    yield
    await stage.beacons.listen(stage.light)


@contextlib.asynccontextmanager
async def own_egress_cut(stage: "Stage", target: str) -> AsyncIterator[None]:
    await asyncio.to_thread(stage.policy, (), shut(stage.me.pod, None))
    yield
    await asyncio.to_thread(stage.policy, ())


@contextlib.asynccontextmanager
async def own_udp6_cut(stage: "Stage", target: str) -> AsyncIterator[None]:
    await asyncio.to_thread(stage.policy, (), shut(stage.me.pod, None, protocol="udp", family="v6"))
    yield
    await asyncio.to_thread(stage.policy, ())


@contextlib.asynccontextmanager
async def own_beacon_dead(stage: "Stage", target: str) -> AsyncIterator[None]:
    await stage.beacons.deafen(stage.me)
    yield
    await stage.beacons.listen(stage.me)


@contextlib.asynccontextmanager
async def neutral_self(stage: "Stage", target: str) -> AsyncIterator[None]:
    stage.beacons.own_policy(stage.me.tenant)
    yield
    stage.beacons.own_policy()


@contextlib.asynccontextmanager
async def witness_away(stage: "Stage", target: str) -> AsyncIterator[None]:
    stage.me.wire.cut = True
    yield
    stage.me.wire.cut = False


@contextlib.asynccontextmanager
async def no_file_left(stage: "Stage", target: str) -> AsyncIterator[None]:
    """EMFILE, as soon as anybody wants one more."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    # The lowest number that is free: those below it are open, and stay so.
    lowest = os.dup(0)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@contextlib.asynccontextmanager
async def clock_jumps(stage: "Stage", target: str) -> AsyncIterator[None]:
    """Wall time, an hour ahead and back, every third of a second."""

    async def jump() -> None:
        while True:
            stage.asker.clock.ahead = 3600.0 - stage.asker.clock.ahead
            await asyncio.sleep(0.3)

    task = asyncio.create_task(jump(), name="jumping")
    try:
        yield
    finally:
        task.cancel()
        stage.asker.clock.ahead = 0.0


@contextlib.asynccontextmanager
async def dns_dead(stage: "Stage", target: str) -> AsyncIterator[None]:
    """Whoever looks up a name while packets are on their way has made a mistake."""

    real = socket.getaddrinfo

    def dead(host: Any, *more: Any, **rest: Any) -> Any:
        with contextlib.suppress(ValueError):
            ipaddress.ip_address(host)
            return real(host, *more, **rest)
        raise socket.gaierror(socket.EAI_AGAIN, "the resolver is dead")

    socket.getaddrinfo = dead
    try:
        yield
    finally:
        socket.getaddrinfo = real


@contextlib.asynccontextmanager
async def lossy(stage: "Stage", target: str) -> AsyncIterator[None]:
    await asyncio.to_thread(stage.policy, (), [f"numgen random mod 10 < {LOST} drop"])
    yield
    await asyncio.to_thread(stage.policy, ())


@contextlib.asynccontextmanager
async def proxied(stage: "Stage", target: str) -> AsyncIterator[None]:
    """A sidecar as in a service mesh: it accepts for everybody, and then goes on to who was meant."""
    me = stage.me.pod
    with standing_in(me):
        server = await asyncio.start_server(onward(stage), sock=socket.create_server(("::", PROXY_PORT), **BOTH))  # type: ignore[arg-type]
    await asyncio.to_thread(policies.through_proxy, me)
    try:
        yield
    finally:
        await asyncio.to_thread(policies.past_proxy, me)
        server.close()


BOTH = {"family": socket.AF_INET6, "dualstack_ipv6": True}
_ORIGINAL = 80  # SO_ORIGINAL_DST and IP6T_SO_ORIGINAL_DST, of linux/netfilter_ipv4.h and _ipv6/ip6_tables.h
_MARK = 36  # SO_MARK
_WAIT = 1.0


def onward(stage: "Stage") -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], object]:
    """What the sidecar does with a connection."""

    async def welcome(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sock = writer.get_extra_info("socket")
        with contextlib.closing(writer), contextlib.suppress(OSError, TimeoutError):
            with standing_in(stage.me.pod):
                out = socket.socket(socket.AF_INET if "." in meant(sock) else socket.AF_INET6)
            with out:
                out.setblocking(False)
                out.setsockopt(socket.SOL_SOCKET, _MARK, PROXY_MARK)
                loop = asyncio.get_running_loop()
                await asyncio.wait_for(loop.sock_connect(out, (meant(sock), PORT)), _WAIT)
                await loop.sock_sendall(out, await reader.read(4096))
                writer.write(await asyncio.wait_for(loop.sock_recv(out, 4096), _WAIT))
                await writer.drain()

    return welcome


def meant(sock: socket.socket) -> str:
    """The address that was asked for before it was redirected."""
    if sock.getpeername()[0].startswith("::ffff:"):
        raw = sock.getsockopt(socket.SOL_IP, _ORIGINAL, 16)
        return socket.inet_ntop(socket.AF_INET, raw[4:8])
    raw = sock.getsockopt(socket.IPPROTO_IPV6, _ORIGINAL, struct.calcsize("=HHI16sI"))
    return socket.inet_ntop(socket.AF_INET6, raw[8:24])
