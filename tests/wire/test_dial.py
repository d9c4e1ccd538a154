"""Real sockets on loopback, and every way in which one can end."""

import os
import resource
import socket
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from sentinel.clients.dial import CANCELLED, MOST_REPLY, dial
from sentinel.core.net import carried, crossing
from sentinel.core.net.challenge import Challenge, Signer, answered, asked
from sentinel.core.net.crossing import Family, Protocol
from sentinel.core.net.landing import TIMEOUT, Attempt

SIGNER = Signer(b"s" * 32)
RAW = asked(Challenge(b"n" * 16, "team-a", "uid-a", "uid-b", Protocol.TCP, Family.V4, crossing.Path.POD), SIGNER)
REPLY = answered(RAW, "team-b", "uid-b", SIGNER)
SHORT = 0.3
"""Seconds, where silence is what is waited for."""
LONG = 20.0
"""Seconds, where something else is, on a machine that is busy."""


@contextmanager
def listener(talk, host="127.0.0.1", backlog=128):
    """A server in a thread: `talk` has each connection, one after the other."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as server:
        server.bind((host, 0))
        server.listen(backlog)
        over = threading.Event()

        def serve():
            while True:
                peer, _ = server.accept()
                with peer:
                    if over.is_set():
                        return
                    with suppress(OSError):
                        talk(peer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            over.set()
            with socket.socket(family) as last:
                last.connect((host, server.getsockname()[1]))
            thread.join()


@contextmanager
def datagrams(host="127.0.0.1"):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.bind((host, 0))
        yield sock


def answer(peer):
    peer.sendall(answered(peer.recv(4096), "team-b", "uid-b", SIGNER))


def tcp(port, address="127.0.0.1", **more):
    return Attempt(address, port, Protocol.TCP, RAW, **more)


def udp(port, address="127.0.0.1"):
    return Attempt(address, port, Protocol.UDP, RAW)


def one(attempt, timeout=LONG, **more):
    (landing,) = dial([attempt], timeout, **more)
    return landing


def files():
    return [entry.name for entry in Path("/proc/self/fd").iterdir()]


@pytest.fixture(autouse=True)
def nothing_left_open():
    before = set(files())
    yield
    assert set(files()) == before


def closed_port():
    """One on which nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.45.6.7", "::1"])
def test_an_answer_over_tcp(host):
    before = time.time()
    with listener(answer, host) as port:
        landing = one(tcp(port, host))

    assert (landing.connected, landing.error, landing.reply) == (True, "", REPLY)
    assert before - 0.01 <= landing.began <= time.time()
    assert 0 < landing.took < LONG


def test_an_answer_over_http():
    def talk(peer):
        assert b"GET /beacon" in peer.recv(4096)
        peer.sendall(carried.response("200 OK", REPLY, keep=True))

    with listener(talk) as port:
        landing = one(Attempt("127.0.0.1", port, Protocol.HTTP, carried.payload(Protocol.HTTP, RAW, "127.0.0.1", port)))

    assert (landing.connected, landing.error) == (True, "")
    assert carried.answer(Protocol.HTTP, landing.reply) == REPLY


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_an_answer_over_udp(host):
    with datagrams(host) as sock:
        port = sock.getsockname()[1]

        def talk():
            said, peer = sock.recvfrom(4096)
            sock.sendto(answered(said, "team-b", "uid-b", SIGNER), peer)

        thread = threading.Thread(target=talk)
        thread.start()
        landing = one(udp(port, host))
        thread.join()

    assert (landing.connected, landing.error, landing.reply) == (True, "", REPLY)


def test_a_datagram_that_was_lost_is_sent_again():
    with datagrams() as sock:
        seen: list[bytes] = []

        def talk():
            while len(seen) < 3:
                said, peer = sock.recvfrom(4096)
                seen.append(said)
            sock.sendto(REPLY, peer)

        thread = threading.Thread(target=talk)
        thread.start()
        landing = one(udp(sock.getsockname()[1]))
        thread.join()

    assert landing.reply == REPLY
    assert seen == [RAW] * 3


@pytest.mark.parametrize("protocol", [Protocol.TCP, Protocol.UDP])
def test_a_port_on_which_nobody_listens_refuses(protocol):
    landing = one(Attempt("127.0.0.1", closed_port(), protocol, RAW))

    assert (landing.connected, landing.error, landing.reply) == (False, "ECONNREFUSED", b"")


def test_a_listener_whose_queue_is_full_is_silent():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        with socket.create_connection(server.getsockname()):
            landing = one(tcp(server.getsockname()[1]), SHORT)

    assert (landing.connected, landing.error, landing.reply) == (False, TIMEOUT, b"")
    assert landing.took >= SHORT


def test_who_takes_a_datagram_and_says_nothing_is_silent():
    with datagrams() as sock:
        landing = one(udp(sock.getsockname()[1]), SHORT)

    assert (landing.connected, landing.error) == (False, TIMEOUT)


def test_who_connects_and_says_nothing_is_connected_and_silent():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(5)
        landing = one(tcp(server.getsockname()[1]), SHORT)

    assert (landing.connected, landing.error, landing.reply) == (True, TIMEOUT, b"")


def test_a_connection_that_is_reset_midway_keeps_what_came():
    def talk(peer):
        peer.recv(4096)
        peer.sendall(REPLY[:50])
        # What came was read before the reset: the far side waits until nothing is in flight.
        while outstanding(peer):
            time.sleep(0.01)
        time.sleep(0.2)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    with listener(talk) as port:
        landing = one(tcp(port))

    assert (landing.connected, landing.error, landing.reply) == (True, "ECONNRESET", REPLY[:50])


def outstanding(sock):
    import array
    import fcntl
    import termios

    left = array.array("i", [0])
    fcntl.ioctl(sock, termios.TIOCOUTQ, left)
    return left[0]


def test_who_closes_without_a_word_has_said_nothing():
    with listener(lambda peer: peer.recv(4096)) as port:
        landing = one(tcp(port))

    assert (landing.connected, landing.error, landing.reply) == (True, "", b"")


@pytest.mark.parametrize("garbage", [b"SSH-2.0-OpenSSH_9.2\r\n", b"\0" * 300, b"TSA\x02" + b"x" * 300])
def test_garbage_is_taken_as_it_is_and_nobody_waits_for_more(garbage):
    said = threading.Event()

    def talk(peer):
        peer.sendall(garbage)
        said.wait(LONG)

    with listener(talk) as port:
        landing = one(tcp(port))
        said.set()

    assert landing.connected
    assert landing.error in ("", "ECONNRESET")
    assert garbage.startswith(landing.reply)
    assert landing.took < LONG


def test_of_endless_bytes_only_so_many_are_kept():
    def talk(peer):
        peer.recv(4096)
        while True:
            peer.sendall(b"TSA\x01" + b"x" * 65536)

    with listener(talk) as port:
        landing = one(tcp(port), whole=lambda attempt, got: False)

    assert (landing.connected, landing.error, len(landing.reply)) == (True, "", MOST_REPLY)


def test_a_slow_drip_ends_with_the_time():
    over = threading.Event()

    def talk(peer):
        peer.recv(4096)
        for byte in REPLY:
            peer.sendall(bytes([byte]))
            if over.wait(0.05):
                return

    with listener(talk) as port:
        landing = one(tcp(port), SHORT * 2)
        over.set()

    assert (landing.connected, landing.error) == (True, TIMEOUT)
    assert 0 < len(landing.reply) < len(REPLY)
    assert REPLY.startswith(landing.reply)


def test_half_open_is_closed_with_what_came():
    def talk(peer):
        peer.recv(4096)
        peer.sendall(REPLY[:10])
        peer.shutdown(socket.SHUT_WR)
        peer.recv(1)

    with listener(talk) as port:
        landing = one(tcp(port))

    assert (landing.connected, landing.error, landing.reply) == (True, "", REPLY[:10])


def test_a_datagram_that_is_none_of_ours_is_told_and_an_empty_one_passed_over():
    with datagrams() as sock:

        def talk():
            _, peer = sock.recvfrom(4096)
            sock.sendto(b"", peer)
            sock.sendto(b"x" * 2000, peer)

        thread = threading.Thread(target=talk)
        thread.start()
        landing = one(udp(sock.getsockname()[1]))
        thread.join()

    assert (landing.connected, landing.error, landing.reply) == (True, "", b"x" * MOST_REPLY)


def test_half_an_answer_in_a_datagram_is_no_part_of_the_next():
    with datagrams() as sock:

        def talk():
            _, peer = sock.recvfrom(4096)
            sock.sendto(REPLY[:100], peer)
            sock.sendto(REPLY, peer)

        thread = threading.Thread(target=talk)
        thread.start()
        landing = one(udp(sock.getsockname()[1]))
        thread.join()

    assert landing.reply == REPLY


@pytest.mark.parametrize("address", ["", "localhost", "team-b.svc", "10.0.0.256", "::1%lo:", "127.0.0.1\0"])
def test_a_name_is_never_looked_up(address):
    assert one(tcp(7462, address)).error == "EINVAL"


@pytest.mark.parametrize("port", [-1, 65536, 10**9])
def test_a_port_that_is_none(port):
    assert one(tcp(port)).error == "EINVAL"


def test_many_addresses_at_once_land_in_the_order_given():
    with socket.socket() as server:
        server.bind(("0.0.0.0", 0))  # all of 127.0.0.0/8
        server.listen(256)
        port = server.getsockname()[1]
        over = threading.Event()

        def serve():
            server.settimeout(0.1)
            while not over.is_set():
                try:
                    peer, _ = server.accept()
                except TimeoutError:
                    continue
                with peer:
                    peer.settimeout(LONG)
                    peer.recv(4096)
                    # An answer that tells them apart.
                    peer.sendall(b"X" + peer.getsockname()[0].encode())

        thread = threading.Thread(target=serve)
        thread.start()
        addresses = [f"127.0.{number // 200}.{number % 200 + 1}" for number in range(600)]
        landings = dial([tcp(port, address) for address in addresses], LONG, cap=64)
        over.set()
        thread.join()

    assert [landing.reply for landing in landings] == [b"X" + address.encode() for address in addresses]


def test_all_kinds_of_ends_in_one_batch():
    with listener(answer) as port, datagrams() as mute:
        silent = mute.getsockname()[1]
        refused = closed_port()
        batch = [tcp(port), udp(silent), tcp(refused), tcp(1, "nobody")] * 20
        landings = dial(batch, 2.0)

    assert [landing.error for landing in landings] == ["", TIMEOUT, "ECONNREFUSED", "EINVAL"] * 20
    assert all(landing.reply == REPLY for landing in landings[::4])


def test_nobody_opens_more_sockets_than_allowed():
    with datagrams() as sock:
        peak, over = [0], threading.Event()
        before = len(files())

        def watch():
            while not over.is_set():
                peak[0] = max(peak[0], len(files()))

        thread = threading.Thread(target=watch)
        thread.start()
        dial([udp(sock.getsockname()[1])] * 40, 0.1, cap=10)
        over.set()
        thread.join()

    # The listing itself is one, epoll another.
    assert peak[0] - before <= 12


def test_what_is_to_come_later_comes_later():
    times = []
    with listener(lambda peer: times.append(time.monotonic())) as port:
        started = time.monotonic()
        landings = dial([tcp(port, after=0.4), tcp(port), tcp(port, after=0.2)], LONG)

    assert [landing.connected for landing in landings] == [True] * 3
    assert landings[1].began < landings[2].began < landings[0].began
    assert landings[2].began - landings[1].began >= 0.15
    assert times[1] - started >= 0.2
    assert times[2] - started >= 0.4


def test_new_sockets_are_ramped_up():
    refused = closed_port()
    started = time.monotonic()
    dial([tcp(refused)] * 60, LONG, rate=100)

    assert time.monotonic() - started >= (60 - 16) / 100 * 0.9


@contextmanager
def only_so_many_files(free):
    """All others are taken."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    hoard = []
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (100, limits[1]))
        with suppress(OSError):
            while True:
                hoard.append(os.dup(0))
        for _ in range(free):
            os.close(hoard.pop())
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        for number in hoard:
            os.close(number)


def test_without_files_the_sockets_that_have_none_say_so():
    with datagrams() as sock, only_so_many_files(4):  # one of them is epoll's
        landings = dial([udp(sock.getsockname()[1])] * 10, SHORT)

    assert [landing.error for landing in landings] == [TIMEOUT] * 3 + ["EMFILE"] * 7


def test_without_any_file_all_say_so():
    with datagrams() as sock, only_so_many_files(0):
        landings = dial([udp(sock.getsockname()[1])] * 3, SHORT)

    assert [landing.error for landing in landings] == ["EMFILE"] * 3


def test_who_is_told_to_stop_stops_at_once():
    stop = threading.Event()
    with datagrams() as sock:
        timer = threading.Timer(0.2, stop.set)
        timer.start()
        started = time.monotonic()
        landings = dial([udp(sock.getsockname()[1]), tcp(1, after=500.0)], 500.0, stop=stop)
        timer.join()

    assert [landing.error for landing in landings] == [CANCELLED] * 2
    assert time.monotonic() - started < LONG


class Stalled:
    """A clock that leaps once, as it does for a process that was stopped."""

    def __init__(self, after, by):
        self._start, self._after, self._by = time.monotonic(), after, by

    def monotonic(self):
        now = time.monotonic()
        return now + (self._by if now - self._start > self._after else 0.0)

    def wall(self):
        return time.time()


def test_a_loop_that_was_late_itself_says_so():
    with datagrams() as sock:
        stalled = one(udp(sock.getsockname()[1]), 2.0, clock=Stalled(0.3, 1.5))

    assert stalled.error == TIMEOUT
    assert stalled.late >= 1.4


class Overslept:
    """A clock that stands until the answer was sent, and then says that it is half a minute later."""

    def __init__(self):
        self.asked, self.waiting, self.sent = threading.Event(), threading.Event(), threading.Event()

    def talk(self, peer):
        said = peer.recv(4096)
        self.asked.set()
        assert self.waiting.wait(LONG)
        peer.sendall(answered(said, "team-b", "uid-b", SIGNER))
        self.sent.set()

    def monotonic(self):
        if not self.asked.is_set():
            return time.monotonic()
        self.waiting.set()
        assert self.sent.wait(LONG)
        return time.monotonic() + 30.0

    def wall(self):
        return time.time()


def test_what_came_while_we_were_late_is_seen_before_anybody_is_called_silent():
    clock = Overslept()
    with listener(clock.talk) as port:
        landing = one(tcp(port), LONG, clock=clock)

    assert (landing.error, landing.reply) == ("", REPLY)
    assert landing.late >= 29.0


def test_nothing_to_do_is_done_at_once():
    assert dial([], 1.0) == []
