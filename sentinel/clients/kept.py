"""Connections to beacons that stay open from one round to another: a policy that comes later may miss them.

    open --answered--> held --ask, ask, ...--> answered: still through
                        |  \\-- nothing three times, or closed by the far side --> gone

At most one for each address and port. It blocks as `dial` does, and is not used by two threads at once.
"""

import socket
import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from errno import ENOTCONN

from sentinel.clients.clock import Clock
from sentinel.clients.dial import Batch, Flight
from sentinel.core.net import challenge
from sentinel.core.net.challenge import ANSWER_BYTES
from sentinel.core.net.landing import TIMEOUT, Attempt, Landing

MOST = 128
"""Connections. They are kept to where something stood open, which is the exception."""
MOST_UNANSWERED = 3
"""Challenges in a row. What the kernel still sends again then is of no use, and its late answers would add up."""

Place = tuple[str, int]
"""Address and port."""


@dataclass(slots=True)
class _Held:
    sock: socket.socket
    unanswered: int = 0


class Kept:
    """The connections. `close` ends them all."""

    def __init__(self, clock: Clock | None = None) -> None:
        """None yet."""
        self._clock = clock
        self._held: dict[Place, _Held] = {}

    def places(self) -> frozenset[Place]:
        """Where a connection is held."""
        return frozenset(self._held)

    def open(self, attempts: Sequence[Attempt], timeout: float, stop: threading.Event | None = None) -> list[Landing]:
        """Connect and ask; whoever answers is held from now on, in place of a connection held before.

        As `dial` otherwise. Beyond MOST nothing more is held.
        """
        return _Opening(self._held, attempts, timeout, stop=stop, clock=self._clock).run()

    def ask(self, attempts: Sequence[Attempt], timeout: float, stop: threading.Event | None = None) -> list[Landing]:
        """Ask over what is held, each place once; ENOTCONN where nothing is (any more).

        A landing's reply is the answer to this very challenge, and none of an earlier one that came late.
        """
        landings = _Asking(self._held, attempts, timeout, stop=stop, clock=self._clock).run()
        return [replace(landing, reply=landing.reply[-ANSWER_BYTES:]) for landing in landings]

    def keep_only(self, places: Collection[Place]) -> None:
        """Close the connections to everywhere else."""
        for place in [place for place in self._held if place not in places]:
            self._held.pop(place).sock.close()

    def close(self) -> None:
        """All of them."""
        self.keep_only(())


class _Opening(Batch):
    """Fresh sockets, of which the good ones stay."""

    def __init__(
        self,
        held: dict[Place, _Held],
        attempts: Sequence[Attempt],
        timeout: float,
        *,
        stop: threading.Event | None,
        clock: Clock | None,
    ) -> None:
        super().__init__(attempts, timeout, whole=_is_answered, stop=stop, clock=clock)
        self._held = held
        self._unanswered: dict[Place, int] = {}  # of what was asked in this batch

    def close(self, flight: Flight, landing: Landing) -> None:
        """Hold it, if it answered."""
        place = (flight.attempt.address, flight.attempt.port)
        before = self._held.pop(place, None)
        if before is not None:
            before.sock.close()
        if landing.error or not _is_answered(flight.attempt, landing.reply) or len(self._held) >= MOST:
            flight.sock.close()
        else:
            self._held[place] = _Held(flight.sock)


class _Asking(_Opening):
    """No fresh sockets at all."""

    def open(self, attempt: Attempt) -> tuple[socket.socket, bool]:
        """The one that is held. Raises OSError."""
        place = (attempt.address, attempt.port)
        held = self._held.pop(place, None) if place not in self._unanswered else None
        if held is None:
            raise OSError(ENOTCONN, "")
        try:
            _drain(held.sock)
        except OSError:
            held.sock.close()
            raise
        self._unanswered[place] = held.unanswered
        return held.sock, True

    def close(self, flight: Flight, landing: Landing) -> None:
        """Hold it on, unless it has ended, or says nothing any more."""
        place = (flight.attempt.address, flight.attempt.port)
        unanswered = self._unanswered[place] + 1 if landing.error == TIMEOUT else 0
        is_well = landing.error == TIMEOUT or (not landing.error and _is_answered(flight.attempt, landing.reply))
        if is_well and unanswered < MOST_UNANSWERED:
            self._held[place] = _Held(flight.sock, unanswered)
        else:
            flight.sock.close()


def _drain(sock: socket.socket) -> None:
    """Forget what came late. Raises OSError when the connection has ended meanwhile."""
    while True:
        try:
            if not sock.recv(4096):
                raise OSError(ENOTCONN, "")
        except BlockingIOError:
            return


def _is_answered(attempt: Attempt, got: bytes) -> bool:
    """Whether the last whole answer is to this challenge; nothing but whole answers has come, or it is none."""
    asked = challenge.challenge_in(attempt.payload)
    last = challenge.answer_in(got[-ANSWER_BYTES:])
    return asked is not None and last is not None and last.nonce == asked.nonce
