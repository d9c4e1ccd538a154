"""The beacon's port: TCP, HTTP and UDP on one number, for everybody who can send a packet here.

    first bytes   TSC. -> a challenge, answered on the same connection as often as one comes
                  GET  -> /readyz: 200 while this listener lives; /beacon: a challenge in a header
                  else -> nothing, and the connection ends

Bounded in everything: connections, bytes, time, and the share of the loop that strangers can take.
What does not fit is dropped here, at the edge, and counted. The sockets are read as they are: a
transport for each would cost more than all the rest, and wait for whoever does not read.
"""

import asyncio
import contextlib
import errno
import socket
import struct
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from sentinel.clients.clock import Clock
from sentinel.core.net import carried
from sentinel.core.net.carried import Part, Request
from sentinel.core.net.challenge import ASKED, CHALLENGE_BYTES, Refusal
from sentinel.core.net.crossing import Protocol
from sentinel.errors import OwnFault

MOST_CONNECTIONS = 256
"""In all. At 360 sockets per second, each of which is there for milliseconds, a few are open at a time."""
MOST_PROVEN = 192
"""Of these who have asked rightly once, and may stay; the rest is for who comes anew."""
MOST_OF_ONE = 64
"""Of one address that have not asked rightly yet."""
FIRST_SECONDS = 3.0
"""For the first whole message. An asker says it at once."""
IDLE_SECONDS = 180.0
"""For the next one, on a connection that is kept from one round to another."""
ACCEPTS = 1000.0
"""Connections per second that are taken; the others wait in the kernel. Each costs 0.1 ms."""
DATAGRAMS = 4000.0
"""Datagrams per second that are looked at; the kernel drops the others. Each costs 0.01 ms before a signature."""

_BACKLOG = 512
_AT_ONCE = 8  # before the loop goes on with something else
_MOST_WAITING = 2 * carried.MOST_REQUEST  # bytes that came before those in front of them had their turn
_KERNEL_BYTES = 16 * 1024
_PAUSE_SECONDS = 0.02
_NO_FILES_SECONDS = 0.25
_SWEEP_SECONDS = 0.5
_TRIES = 16  # for one port that is free for both TCP and UDP
_CONTROL = 64
_IP_PKTINFO = 8  # of linux/in.h; Python names it from 3.14 on
_NO_FILES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

Reply = Callable[[bytes, Protocol, str, float], bytes | None]
"""As `Respondent.reply`."""


@dataclass(slots=True)
class _Talk:
    """One connection. Times in monotonic seconds."""

    sock: socket.socket
    source: str
    deadline: float
    proven: bool = False
    got: bytearray = field(default_factory=bytearray)


@dataclass(slots=True)
class _Pace:
    """So many per second, and half a second's worth at once."""

    rate: float
    level: float = 0.0
    at: float = 0.0

    def takes(self, now: float) -> bool:
        """Whether one more is taken now."""
        self.level = min(self.rate / 2, self.level + self.rate * (now - self.at))
        self.at = now
        if self.level < 1.0:
            return False
        self.level -= 1.0
        return True


@dataclass
class Listener:
    """The sockets. `reply` decides; `refused` is told what never came so far, `connections` how many there are."""

    reply: Reply
    refused: Callable[[Refusal], None] = lambda _: None
    connections: Callable[[int], None] = lambda _: None
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        """Nobody is there yet."""
        self._talks: dict[int, _Talk] = {}  # by file number, the oldest first
        self._unproven: Counter[str] = Counter()
        self._accepts, self._datagrams = _Pace(ACCEPTS), _Pace(DATAGRAMS)
        self._timers: set[asyncio.TimerHandle] = set()
        self._sweeping = False

    @contextlib.asynccontextmanager
    async def serve(self, port: int, host: str = "") -> AsyncIterator[int]:
        """Listen until the block ends; gives the real port, where 0 was asked for.

        `host`: an address, or nothing for all of both families. Raises OwnFault when nobody can listen there.
        """
        self._loop = asyncio.get_running_loop()
        stream, datagram = _bind(host, port)
        self._watch(stream, self._accept)
        self._watch(datagram, self._receive)
        try:
            yield stream.getsockname()[1]
        finally:
            for timer in self._timers:
                timer.cancel()
            self._timers.clear()
            for sock in (stream, datagram):
                self._loop.remove_reader(sock)
                sock.close()
            for talk in list(self._talks.values()):
                self._end(talk)

    def _watch(self, sock: socket.socket, ready: Callable[[socket.socket], None]) -> None:
        self._loop.add_reader(sock, ready, sock)

    def _rest(self, sock: socket.socket, ready: Callable[[socket.socket], None], seconds: float) -> None:
        """Look away for a moment: what waits there would call us again at once, for ever."""
        self._loop.remove_reader(sock)
        self._later(seconds, lambda: self._watch(sock, ready))

    def _later(self, seconds: float, what: Callable[[], None]) -> None:
        def run() -> None:
            self._timers.discard(timer)
            what()

        timer = self._loop.call_later(seconds, run)
        self._timers.add(timer)

    # Connections.

    def _accept(self, server: socket.socket) -> None:
        now = self.clock.monotonic()
        for _ in range(_AT_ONCE):
            if not self._accepts.takes(now):
                self._rest(server, self._accept, _PAUSE_SECONDS)
                return
            try:
                sock, peer = server.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in _NO_FILES:
                    self.refused(Refusal.CROWDED)
                    self._rest(server, self._accept, _NO_FILES_SECONDS)
                return
            sock.setblocking(False)
            self._welcome(sock, _source(peer[0]), now)

    def _welcome(self, sock: socket.socket, source: str, now: float) -> None:
        if not self._make_room(source):
            sock.close()
            return
        talk = _Talk(sock, source, now + FIRST_SECONDS)
        self._talks[sock.fileno()] = talk
        self._unproven[source] += 1
        self.connections(len(self._talks))
        self._loop.add_reader(sock, self._hear, talk)
        if not self._sweeping:
            self._sweeping = True
            self._later(_SWEEP_SECONDS, self._sweep)

    def _make_room(self, source: str) -> bool:
        """The oldest that has asked nothing goes: of this address if it has too many, else of all."""
        too_many = self._unproven[source] >= MOST_OF_ONE
        if not too_many and len(self._talks) < MOST_CONNECTIONS:
            return True
        self.refused(Refusal.CROWDED)
        for talk in self._talks.values():
            if not talk.proven and (not too_many or talk.source == source):
                self._end(talk)
                return True
        return False

    def _hear(self, talk: _Talk) -> None:
        try:
            data = talk.sock.recv(carried.MOST_REQUEST)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            if talk.got:
                self.refused(Refusal.GARBAGE)
            self._end(talk)
            return
        talk.got += data
        if len(talk.got) > _MOST_WAITING:
            self._refuse(talk, Refusal.FLOODED)
        else:
            self._go_on(talk)

    def _go_on(self, talk: _Talk) -> None:
        """One message at most: the rest of what came waits until others had their turn."""
        if talk.sock.fileno() < 0 or len(talk.got) < len(ASKED):
            return
        if talk.got.startswith(ASKED):
            done = self._challenged(talk)
        elif carried.is_http(bytes(talk.got[:4])):
            done = self._requested(talk)
        else:
            done = self._refuse(talk, Refusal.GARBAGE)
        if done and talk.got:
            self._loop.call_soon(self._go_on, talk)

    def _challenged(self, talk: _Talk) -> bool:
        if len(talk.got) < CHALLENGE_BYTES:
            return False
        raw = bytes(talk.got[:CHALLENGE_BYTES])
        del talk.got[:CHALLENGE_BYTES]
        answer = self._answer(talk, raw, Protocol.TCP)
        return answer is not None and self._say(talk, answer, proven=True)

    def _requested(self, talk: _Talk) -> bool:
        request = carried.request_in(bytes(talk.got))
        if request is Part.MORE:
            return False
        if not isinstance(request, Request):
            return self._refuse(talk, Refusal.GARBAGE)
        del talk.got[: request.size]
        goes_on = self._serve(talk, request)
        if goes_on and not request.keep:
            self._end(talk)
        return goes_on and request.keep

    def _serve(self, talk: _Talk, request: Request) -> bool:
        where, keep = (request.method, request.path), request.keep
        if where == ("GET", carried.READY_PATH):
            return self._say(talk, carried.response("200 OK", b"ready\n", keep=keep, kind="text/plain"))
        if where == ("GET", carried.HTTP_PATH) and request.challenge is not None:
            answer = self._answer(talk, request.challenge, Protocol.HTTP)
            return answer is not None and self._say(talk, carried.response("200 OK", answer, keep=keep), proven=True)
        self.refused(Refusal.GARBAGE)
        return self._say(talk, carried.response("404 Not Found", b"", keep=keep, kind="text/plain"))

    def _answer(self, talk: _Talk, raw: bytes, protocol: Protocol) -> bytes | None:
        """The answer; with none the connection has ended."""
        answer = self.reply(raw, protocol, talk.source, self.clock.monotonic())
        if answer is None:
            self._end(talk)
        return answer

    def _say(self, talk: _Talk, said: bytes, *, proven: bool = False) -> bool:
        """It is small, and the kernel takes it, unless nobody reads what was said before."""
        try:
            sent = talk.sock.send(said)
        except OSError:
            sent = 0
        if sent < len(said):
            return self._refuse(talk, Refusal.SLOW)
        if proven and not talk.proven and len(self._talks) - self._unproven.total() < MOST_PROVEN:
            talk.proven = True
            self._count_out(talk.source)
        talk.deadline = self.clock.monotonic() + (IDLE_SECONDS if talk.proven else FIRST_SECONDS)
        return True

    def _refuse(self, talk: _Talk, why: Refusal) -> bool:
        self.refused(why)
        self._end(talk)
        return False

    def _end(self, talk: _Talk) -> None:
        number = talk.sock.fileno()
        self._loop.remove_reader(number)
        del self._talks[number]
        if not talk.proven:
            self._count_out(talk.source)
        talk.sock.close()
        self.connections(len(self._talks))

    def _count_out(self, source: str) -> None:
        self._unproven[source] -= 1
        if not self._unproven[source]:
            del self._unproven[source]

    def _sweep(self) -> None:
        now = self.clock.monotonic()
        for talk in [talk for talk in self._talks.values() if talk.deadline <= now]:
            if not talk.proven or talk.got:
                self.refused(Refusal.SLOW)
            self._end(talk)
        self._sweeping = bool(self._talks)
        if self._sweeping:
            self._later(_SWEEP_SECONDS, self._sweep)

    # Datagrams.

    def _receive(self, sock: socket.socket) -> None:
        now = self.clock.monotonic()
        for _ in range(_AT_ONCE):
            if not self._datagrams.takes(now):
                self._rest(sock, self._receive, _PAUSE_SECONDS)
                return
            try:
                raw, control, _, peer = sock.recvmsg(CHALLENGE_BYTES + 1, _CONTROL)
            except OSError:
                return  # nothing there, or news of an answer that did not arrive
            answer = self.reply(raw, Protocol.UDP, _source(peer[0]), now)
            if answer is not None:
                with contextlib.suppress(OSError):
                    sock.sendmsg([answer], _from_where_it_came(control), 0, peer)


def _bind(host: str, port: int) -> tuple[socket.socket, socket.socket]:
    """Both sockets, on one number. Raises OwnFault."""
    error: OSError | None = None
    for _ in range(1 if port else _TRIES):
        try:
            return _bind_once(host, port)
        except OSError as found:
            error = found
    assert error is not None, "tried once at least"
    why = error.strerror or str(error)
    where = f"port {port}" + (f" of {host}" if host else "")
    raise OwnFault(f"network.beacon.port: cannot listen on {where}: {why}; choose another port") from error


def _bind_once(host: str, port: int) -> tuple[socket.socket, socket.socket]:
    stream = _socket(host, port, socket.SOCK_STREAM)
    try:
        stream.listen(_BACKLOG)
        return stream, _socket(host, stream.getsockname()[1], socket.SOCK_DGRAM)
    except OSError:
        stream.close()
        raise


def _socket(host: str, port: int, kind: int) -> socket.socket:
    family = socket.AF_INET if "." in host or not (host or _has_v6()) else socket.AF_INET6
    sock = socket.socket(family, kind | socket.SOCK_NONBLOCK)
    try:
        if kind == socket.SOCK_STREAM:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            # Each connection inherits them: what nobody reads, or we have not read yet, is the kernel's memory.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _KERNEL_BYTES)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _KERNEL_BYTES)
        elif family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        else:
            sock.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(bool(host)))
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    return sock


def _has_v6() -> bool:
    """Whether this kernel has the family at all; addresses may come later."""
    try:
        socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).close()
    except OSError:
        return False
    return True


def _source(address: str) -> str:
    """An address of IPv4 is written as such, whichever socket it came through."""
    return address.removeprefix("::ffff:") if "." in address else address


def _from_where_it_came(control: list[tuple[int, int, bytes]]) -> list[tuple[int, int, bytes]]:
    """The address that was asked is the one that answers: a connected socket takes it from no other."""
    for level, kind, data in control:
        if (level, kind) == (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO) and len(data) >= 20:
            return [(level, kind, data[:16] + struct.pack("=i", 0))]
        if (level, kind) == (socket.IPPROTO_IP, _IP_PKTINFO) and len(data) >= 12:
            return [(level, kind, struct.pack("=i4s4s", 0, data[8:12], b"\0" * 4))]
    return []
