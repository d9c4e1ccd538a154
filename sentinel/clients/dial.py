"""Many fresh sockets, one thread, one epoll: each is opened, says its payload, and is told how it ended.

    attempts --after, rate, cap--> connect --> send --> read --> Landing
                                      \\-- errno ----------------/
                                       \\-- timeout, and how late we were ourselves

It blocks, and is called in a thread of its own: a prober must not spend its loop's time, nor take a
loop that was late for the silence of the far side. Whatever the far side does ends in a `Landing`,
whatever we lack (sockets, a route) too, and no socket outlives the call.
"""

import errno
import functools
import ipaddress
import select
import socket
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sentinel.clients.clock import Clock
from sentinel.core.net import carried
from sentinel.core.net.crossing import Protocol
from sentinel.core.net.landing import TIMEOUT, Attempt, Landing

CAP = 512
"""Sockets at the same time. With those of our own beacon they fit into the usual 1024 files."""
RATE = 1000.0
"""New sockets per second: a batch does not begin with a burst that its own loop then answers late."""
MOST_REPLY = 1024
"""Bytes that are kept of a reply; an answer with HTTP's head around it has less than half."""
RESEND_SECONDS = 0.3
"""After which a datagram is sent again: one that is lost is not silence."""
HEARTBEAT_SECONDS = 0.05
"""The longest wait, so that it is noticed when this thread was not run, and heard when it shall stop."""
NOTICED_SECONDS = 0.005
"""By less than this every thread of Python is late."""
CANCELLED = "ECANCELED"
"""In the place of an errno's name: we were told to stop."""

_STEP_SECONDS = 0.004  # the shortest wait: what is due a little later is done together, and costs half
_BURST = 16  # sockets opened without a look at the others
_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
# Edge-triggered: each change is told once, and no socket needs a second call to change what it waits for.
_EVENTS = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET

Whole = Callable[[Attempt, bytes], bool]
"""Whether nothing more is worth waiting for, given what came so far."""
Landed = Callable[[int, Landing], None]
"""Told of each socket, by its place in the batch, as soon as it has ended; in the thread of the batch."""


def is_whole(attempt: Attempt, got: bytes) -> bool:
    """An answer of a beacon, or something that will never be one."""
    return carried.is_whole(attempt.protocol, got)


def dial(
    attempts: Sequence[Attempt],
    timeout: float,
    *,
    cap: int = CAP,
    rate: float = RATE,
    whole: Whole = is_whole,
    stop: threading.Event | None = None,
    clock: Clock | None = None,
    landed: Landed | None = None,
) -> list[Landing]:
    """How each attempt ended, in the order given. It blocks.

    `timeout` in seconds for each socket, from the moment it is opened; `cap` sockets at the same time,
    `rate` new ones per second. Once `stop` is set, what has not ended ends as ECANCELED. What is no
    address of IP ends as EINVAL: names are never looked up here.
    """
    return Batch(attempts, timeout, cap=cap, rate=rate, whole=whole, stop=stop, clock=clock, landed=landed).run()


@dataclass(slots=True)
class Flight:
    """One socket under way; times in monotonic seconds."""

    index: int
    attempt: Attempt
    sock: socket.socket
    began: float
    connected: bool
    got: bytearray = field(default_factory=bytearray)

    @property
    def is_datagram(self) -> bool:
        """Whether nothing is connected here, and what is said may be lost."""
        return self.attempt.protocol is Protocol.UDP


class Batch:
    """One call of `dial`. `open` and `close` are for who keeps connections."""

    def __init__(
        self,
        attempts: Sequence[Attempt],
        timeout: float,
        *,
        cap: int = CAP,
        rate: float = RATE,
        whole: Whole = is_whole,
        stop: threading.Event | None = None,
        clock: Clock | None = None,
        landed: Landed | None = None,
    ) -> None:
        """As `dial`."""
        self._tell = landed
        self._attempts, self._timeout, self._whole = attempts, timeout, whole
        self._cap, self._pause = max(1, cap), 1.0 / rate
        self._stop, self._clock = stop or threading.Event(), clock or Clock()
        self._start = self._clock.monotonic()
        self._to_wall = self._clock.wall() - self._start
        self._due = deque(sorted(range(len(attempts)), key=lambda index: attempts[index].after))
        self._next_open = self._start
        self._flights: dict[int, Flight] = {}  # by file number, the oldest first
        self._resends: deque[tuple[float, Flight]] = deque()
        self._lags: deque[tuple[float, float]] = deque(maxlen=1024)  # when, and by how much: ever less
        self._landed: dict[int, Landing] = {}

    def run(self) -> list[Landing]:
        """Until all have landed."""
        try:
            epoll = select.epoll()
        except OSError as error:
            self._land_all(_name(error))
        else:
            with epoll:
                self._fly(epoll)
        return [self._landed[index] for index in range(len(self._attempts))]

    def open(self, attempt: Attempt) -> tuple[socket.socket, bool]:
        """A socket on its way, and whether it is connected already. Raises OSError, ValueError."""
        kind = socket.SOCK_DGRAM if attempt.protocol is Protocol.UDP else socket.SOCK_STREAM
        family = _family(attempt.address)
        sock = socket.socket(family, kind | socket.SOCK_NONBLOCK)
        try:
            code = sock.connect_ex((attempt.address, attempt.port))
            if code not in (0, errno.EINPROGRESS):
                raise OSError(code, "")  # noqa: TRY301  # closed in one place
        except (OSError, ValueError, OverflowError):
            sock.close()
            raise
        return sock, code == 0

    def close(self, flight: Flight, landing: Landing) -> None:  # noqa: ARG002  # who keeps some wants to know
        """Give a socket back."""
        flight.sock.close()

    def _fly(self, epoll: select.epoll) -> None:
        try:
            while (self._due or self._flights) and not self._stop.is_set():
                self._turn(epoll)
        finally:
            self._land_all(CANCELLED)

    def _turn(self, epoll: select.epoll) -> None:
        """Open what is due, look at what came, and only then say who was silent."""
        began = self._clock.monotonic()
        self._open_due(epoll, began)
        self._resend_due(began)
        before = self._clock.monotonic()
        wait = self._wait(before)
        events = epoll.poll(wait)
        now = self._clock.monotonic()
        for number, mask in events:
            if flight := self._flights.get(number):
                self._advance(flight, mask, now)
        # What our own work took kept the others waiting, as does a thread that was not woken in time.
        late = max(now - before - wait, before - began, self._clock.monotonic() - now)
        if late > NOTICED_SECONDS:
            self._note(now, late)
        # The look came after `before`: whatever had come by then has been seen.
        self._expire(before)

    def _note(self, now: float, late: float) -> None:
        """Of what was late before, only what was later still counts for anybody."""
        while self._lags and self._lags[-1][1] <= late:
            self._lags.pop()
        self._lags.append((now, late))

    def _wait(self, now: float) -> float:
        """Seconds until something is to be done."""
        first = now + HEARTBEAT_SECONDS
        if self._due and len(self._flights) < self._cap:
            first = min(first, max(self._next_open, self._start + self._attempts[self._due[0]].after))
        if self._flights:
            first = min(first, next(iter(self._flights.values())).began + self._timeout)
        if self._resends:
            first = min(first, self._resends[0][0])
        return max(_STEP_SECONDS, first - now)

    def _open_due(self, epoll: select.epoll, now: float) -> None:
        self._next_open = max(self._next_open, now - _BURST * self._pause)
        while self._due and len(self._flights) < self._cap and self._next_open <= now:
            if self._start + self._attempts[self._due[0]].after > now:
                break
            self._next_open += self._pause
            self._begin(epoll, self._due.popleft())

    def _begin(self, epoll: select.epoll, index: int) -> None:
        attempt, now = self._attempts[index], self._clock.monotonic()
        try:
            sock, connected = self.open(attempt)
        except (OSError, ValueError, OverflowError) as error:
            self._landed[index] = Landing(now + self._to_wall, 0.0, error=_name(error))
            return
        flight = Flight(index, attempt, sock, now, connected and attempt.protocol is not Protocol.UDP)
        self._flights[sock.fileno()] = flight
        try:
            epoll.register(sock.fileno(), _EVENTS)
        except OSError as error:
            self._land(flight, now, _name(error))
            return
        if connected:
            self._send(flight, now)

    def _send(self, flight: Flight, now: float) -> None:
        try:
            sent = flight.sock.send(flight.attempt.payload)
        except OSError as error:
            self._land(flight, now, _name(error))
            return
        if sent < len(flight.attempt.payload):
            self._land(flight, now, "ENOBUFS")
        elif flight.is_datagram:
            self._resends.append((now + RESEND_SECONDS, flight))

    def _resend_due(self, now: float) -> None:
        while self._resends and self._resends[0][0] <= now:
            _, flight = self._resends.popleft()
            if flight.index not in self._landed:
                self._send(flight, now)

    def _advance(self, flight: Flight, mask: int, now: float) -> None:
        if not flight.connected and not flight.is_datagram:
            if code := flight.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                self._land(flight, now, _named(code))
                return
            flight.connected = True
            self._send(flight, now)
        if mask & ~select.EPOLLOUT and flight.index not in self._landed:
            self._read(flight, now)

    def _read(self, flight: Flight, now: float) -> None:
        """All there is, until it is enough."""
        while True:
            try:
                data = flight.sock.recv(MOST_REPLY)
            except BlockingIOError:
                return
            except OSError as error:
                self._land(flight, now, _name(error))
                return
            if flight.is_datagram:
                flight.got.clear()
            elif not data:
                self._land(flight, now, "")
                return
            flight.got += data[: MOST_REPLY - len(flight.got)]
            if len(flight.got) >= MOST_REPLY or self._whole(flight.attempt, bytes(flight.got)):
                self._land(flight, now, "")
                return

    def _expire(self, moment: float) -> None:
        while self._flights:
            flight = next(iter(self._flights.values()))
            if flight.began + self._timeout > moment:
                return
            self._land(flight, self._clock.monotonic(), TIMEOUT)

    def _land(self, flight: Flight, now: float, error: str) -> None:
        late = next((lag for moment, lag in self._lags if moment >= flight.began), 0.0)
        landing = Landing(
            flight.began + self._to_wall,
            max(0.0, now - flight.began),
            flight.connected or bool(flight.got),
            error,
            bytes(flight.got),
            late,
        )
        self._landed[flight.index] = landing
        del self._flights[flight.sock.fileno()]
        self.close(flight, landing)
        if self._tell is not None:
            self._tell(flight.index, landing)

    def _land_all(self, error: str) -> None:
        now = self._clock.monotonic()
        for flight in list(self._flights.values()):
            self._land(flight, now, error)
        for index in self._due:
            self._landed[index] = Landing(now + self._to_wall, 0.0, error=error)
        self._due.clear()


@functools.lru_cache(4096)  # the same few hundred in each round
def _family(address: str) -> int:
    found = ipaddress.ip_address(address)
    if "%" in address:
        raise ValueError("an address with an interface is nobody's but this machine's")
    return _FAMILIES[found.version]


def _name(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno is not None:
        return _named(error.errno)
    return "EINVAL"


def _named(code: int) -> str:
    return errno.errorcode.get(code, "EIO")
