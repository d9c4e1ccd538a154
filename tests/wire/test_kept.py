"""A connection that is held open, over a policy that comes later: whether it still answers, and with what."""

import socket
import threading
import time
from contextlib import contextmanager, suppress

import pytest

from sentinel.clients.kept import MOST_UNANSWERED, Kept
from sentinel.core.net.challenge import CHALLENGE_BYTES, Challenge, Signer, answered, asked, is_answer
from sentinel.core.net.crossing import Family, Path, Protocol
from sentinel.core.net.landing import TIMEOUT, Attempt
from tests.support.eventually import eventually

SIGNER = Signer(b"s" * 32)
SHORT, LONG = 0.3, 20.0


class Far:
    """A beacon's end of one connection after the other; what it hears it answers, unless it is told not to."""

    def __init__(self, host):
        self.server = socket.socket()
        self.server.bind((host, 0))
        self.server.listen(16)
        self.place = self.server.getsockname()
        self.mute = self.over = False
        self.ended = 0
        self.peers: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self):
        while True:
            peer, _ = self.server.accept()
            if self.over:
                peer.close()
                return
            self.peers.append(peer)
            thread = threading.Thread(target=self._talk, args=(peer,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _talk(self, peer):
        got, waiting = b"", []
        while True:
            data = b""
            with suppress(OSError):
                data = peer.recv(4096)
            if not data:
                self.ended += 1
                return
            got += data
            while len(got) >= CHALLENGE_BYTES:
                raw, got = got[:CHALLENGE_BYTES], got[CHALLENGE_BYTES:]
                waiting.append(answered(raw, "team-b", "uid-b", SIGNER))
                if not self.mute:
                    for answer in waiting[:-1]:
                        peer.sendall(answer)
                        time.sleep(0.05)  # each is read by itself
                    peer.sendall(waiting[-1])
                    waiting.clear()

    def end(self):
        self.over = True
        for peer in self.peers:
            with suppress(OSError):
                peer.shutdown(socket.SHUT_RDWR)
        socket.create_connection(self.place).close()
        for thread in self._threads:
            thread.join()
        for sock in (*self.peers, self.server):
            sock.close()


@contextmanager
def far(host="127.0.0.1"):
    found = Far(host)
    try:
        yield found
    finally:
        found.end()


@pytest.fixture
def kept():
    found = Kept()
    yield found
    found.close()


_numbers = iter(range(10**6))


def attempt(place):
    nonce = next(_numbers).to_bytes(16)
    raw = asked(Challenge(nonce, "team-a", "uid-a", "uid-b", Protocol.TCP, Family.V4, Path.KEPT), SIGNER)
    return Attempt(place[0], place[1], Protocol.TCP, raw)


def is_right(landing, tried):
    return not landing.error and is_answer(landing.reply, tried.payload, SIGNER.public)


def test_a_connection_that_answered_is_held_and_asked_again(kept):
    with far() as there:
        first = attempt(there.place)
        (opened,) = kept.open([first], LONG)
        assert is_right(opened, first)
        assert kept.places() == {there.place}

        for _ in range(3):
            again = attempt(there.place)
            (landing,) = kept.ask([again], LONG)
            assert is_right(landing, again)
        assert len(there.peers) == 1


def test_several_places_at_once_are_answered_each_by_its_own(kept):
    with far() as one, far("127.0.0.2") as other:
        tried = [attempt(one.place), attempt(other.place)]
        assert all(map(is_right, kept.open(tried, LONG), tried))
        tried = [attempt(other.place), attempt(one.place)]
        assert all(map(is_right, kept.ask(tried, LONG), tried))


def test_nothing_is_asked_where_nothing_is_held(kept):
    with far() as there:
        (landing,) = kept.ask([attempt(there.place)], LONG)

        assert landing.error == "ENOTCONN"
        assert not there.peers


def test_who_does_not_answer_is_not_held(kept):
    with far() as there:
        there.mute = True
        (landing,) = kept.open([attempt(there.place)], SHORT)

        assert landing.error == TIMEOUT
        assert not kept.places()


def test_what_comes_late_is_not_taken_for_the_answer_to_the_next(kept):
    with far() as there:
        kept.open([attempt(there.place)], LONG)
        there.mute = True
        for _ in range(MOST_UNANSWERED - 1):
            assert kept.ask([attempt(there.place)], SHORT)[0].error == TIMEOUT
        there.mute = False

        again = attempt(there.place)
        (landing,) = kept.ask([again], LONG)
        assert is_right(landing, again)


def test_who_says_nothing_three_times_is_let_go(kept):
    with far() as there:
        kept.open([attempt(there.place)], LONG)
        there.mute = True
        ends = [kept.ask([attempt(there.place)], SHORT)[0].error for _ in range(MOST_UNANSWERED + 1)]

    assert ends == [TIMEOUT] * MOST_UNANSWERED + ["ENOTCONN"]


def test_an_answer_forgives_silence_before_it(kept):
    with far() as there:
        kept.open([attempt(there.place)], LONG)
        for _ in range(2):
            there.mute = True
            for _ in range(MOST_UNANSWERED - 1):
                kept.ask([attempt(there.place)], SHORT)
            there.mute = False
            assert not kept.ask([attempt(there.place)], LONG)[0].error


def test_a_connection_that_the_far_side_closed_is_gone(kept):
    with far() as there:
        kept.open([attempt(there.place)], LONG)
        there.peers[0].shutdown(socket.SHUT_RDWR)
        (landing,) = kept.ask([attempt(there.place)], LONG)

    assert landing.error in ("ENOTCONN", "")  # closed before, or while it was asked
    assert not landing.reply
    assert not kept.places()


def test_opened_again_there_is_still_one(kept):
    with far() as there:
        for _ in range(2):
            kept.open([attempt(there.place)], LONG)
        assert len(there.peers) == 2
        eventually(lambda: there.ended == 1, LONG)
        assert kept.places() == {there.place}


def test_only_what_is_wanted_is_kept(kept):
    with far() as one, far("127.0.0.2") as other:
        kept.open([attempt(one.place), attempt(other.place)], LONG)
        kept.keep_only({other.place})
        assert kept.places() == {other.place}


def test_two_questions_over_one_connection_in_one_batch_are_one_too_many(kept):
    with far() as there:
        kept.open([attempt(there.place)], LONG)
        first, second = attempt(there.place), attempt(there.place)
        landings = kept.ask([first, second], LONG)

    assert is_right(landings[0], first)
    assert landings[1].error == "ENOTCONN"
