"""Challenge and answer: what is signed is what was said, by whom, to whom, and nothing else is ever believed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.core.net import carried, challenge
from sentinel.core.net.carried import Part
from sentinel.core.net.challenge import (
    ANSWER_BYTES,
    ASKED,
    CHALLENGE_BYTES,
    Challenge,
    Signer,
    answer_in,
    answered,
    asked,
    challenge_in,
    is_answer,
    is_asked_by,
)
from sentinel.core.net.crossing import Family, Path, Protocol

ASKER, BEACON, STRANGER = (Signer(bytes([number]) * 32) for number in (1, 2, 3))
UID_A, UID_B = "0e7f0ba5-6c6f-4a4e-9a53-d5a94a2a9a01", "0e7f0ba5-6c6f-4a4e-9a53-d5a94a2a9a02"
PLAIN = Challenge(b"n" * 16, "team-a", UID_A, UID_B, Protocol.TCP, Family.V4, Path.POD)

names = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=63)
uids = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=36)
challenges = st.builds(
    Challenge,
    nonce=st.binary(min_size=16, max_size=16),
    tenant=names,
    uid=uids,
    beacon=uids,
    protocol=st.sampled_from(Protocol),
    family=st.sampled_from(Family),
    path=st.sampled_from(Path),
)


@given(challenges)
def test_what_was_asked_is_read_back_and_is_the_askers(challenge):
    raw = asked(challenge, ASKER)

    assert challenge_in(raw) == challenge
    assert is_asked_by(raw, ASKER.public)
    assert not is_asked_by(raw, STRANGER.public)


@given(challenges, names, uids)
def test_what_was_answered_is_read_back_and_is_the_beacons(challenge, tenant, uid):
    raw = asked(challenge, ASKER)
    reply = answered(raw, tenant, uid, BEACON)

    found = answer_in(reply)
    assert found is not None
    assert (found.nonce, found.tenant, found.uid, found.asker) == (challenge.nonce, tenant, uid, challenge.uid)
    assert is_answer(reply, raw, BEACON.public)
    assert not is_answer(reply, raw, STRANGER.public)


@given(challenges)
def test_no_answer_is_larger_than_its_challenge(challenge):
    raw = asked(challenge, ASKER)

    assert len(answered(raw, "t" * 63, "u" * 36, BEACON)) == ANSWER_BYTES <= CHALLENGE_BYTES == len(raw)


@given(challenges, st.data())
def test_a_challenge_of_which_one_bit_was_changed_is_nobodys(challenge, data):
    raw = bytearray(asked(challenge, ASKER))
    bit = data.draw(st.integers(0, len(raw) * 8 - 1))
    raw[bit // 8] ^= 1 << bit % 8

    assert challenge_in(bytes(raw)) is None or not is_asked_by(bytes(raw), ASKER.public)


@given(challenges, st.data())
def test_an_answer_of_which_one_bit_was_changed_is_none(challenge, data):
    raw = asked(challenge, ASKER)
    reply = bytearray(answered(raw, "team-b", UID_B, BEACON))
    bit = data.draw(st.integers(0, len(reply) * 8 - 1))
    reply[bit // 8] ^= 1 << bit % 8

    assert not is_answer(bytes(reply), raw, BEACON.public)


@given(challenges, challenges)
def test_an_answer_answers_one_challenge(first, second):
    one, other = asked(first, ASKER), asked(second, ASKER)

    assert is_answer(answered(one, "team-b", UID_B, BEACON), other, BEACON.public) is (one == other)


def test_the_same_nonce_asked_by_another_way_has_another_answer():
    udp = asked(Challenge(b"n" * 16, "team-a", UID_A, UID_B, Protocol.UDP, Family.V4, Path.POD), ASKER)

    assert not is_answer(answered(udp, "team-b", UID_B, BEACON), asked(PLAIN, ASKER), BEACON.public)


def test_an_answer_to_somebody_else_is_none_even_if_its_beacon_signs_it():
    raw = asked(PLAIN, ASKER)
    fields = (challenge.ANSWERED, PLAIN.nonce, b"team-b", UID_B.encode(), UID_B.encode())
    body = challenge._ANSWERED.pack(*fields)
    reply = body + BEACON.sign(body + challenge._digest(raw))

    assert answer_in(reply) is not None
    assert not is_answer(reply, raw, BEACON.public)


def test_a_challenge_that_comes_back_is_no_answer():
    raw = asked(PLAIN, ASKER)

    assert answer_in(raw) is None
    assert not is_answer(raw, raw, ASKER.public)


@given(st.binary(max_size=400))
def test_garbage_is_none(garbage):
    assert challenge_in(garbage) is None
    assert answer_in(garbage) is None
    assert not is_asked_by(garbage, ASKER.public)
    assert not is_answer(garbage, garbage, ASKER.public)


@given(st.binary(min_size=CHALLENGE_BYTES - 4, max_size=CHALLENGE_BYTES - 4))
def test_garbage_behind_our_first_bytes_never_raises(garbage):
    raw = ASKED + garbage

    assert not is_asked_by(raw, ASKER.public)
    found = challenge_in(raw)
    assert found is None or challenge_in(asked(found, ASKER)) == found


@pytest.mark.parametrize("key", [b"", b"short", b"\0" * 32, b"\xff" * 32, b"k" * 33])
def test_a_key_that_is_none_proves_nothing(key):
    raw = asked(PLAIN, ASKER)

    assert not is_asked_by(raw, key)
    assert not is_answer(answered(raw, "team-b", UID_B, BEACON), raw, key)


@pytest.mark.parametrize(
    ("at", "value"),
    [
        pytest.param(3, 2, id="another version"),
        pytest.param(20, 0, id="no tenant"),
        pytest.param(21, 0, id="a name after zeros"),
        pytest.param(21, 0x20, id="a space in a name"),
        pytest.param(21, 0x0A, id="a line end in a name"),
        pytest.param(21, 0xC3, id="not ASCII"),
        pytest.param(156, 3, id="a protocol that is none"),
        pytest.param(157, 2, id="a family that is none"),
        pytest.param(158, 3, id="a path that is none"),
        pytest.param(159, 1, id="something where nothing is"),
    ],
)
def test_only_one_writing_of_each_challenge_is_read(at, value):
    raw = bytearray(asked(PLAIN, ASKER))
    raw[at] = value

    assert challenge_in(bytes(raw)) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"nonce": b"short"},
        {"tenant": ""},
        {"tenant": "t" * 64},
        {"uid": "u" * 37},
        {"beacon": "two words"},
        {"beacon": "ümlaut"},
        {"tenant": "ends\0"},
    ],
)
def test_what_could_not_be_read_back_is_not_sent(wrong):
    fields = {name: getattr(PLAIN, name) for name in PLAIN.__slots__}

    with pytest.raises(ValueError):
        asked(Challenge(**{**fields, **wrong}), ASKER)


def test_only_a_challenge_is_answered():
    with pytest.raises(ValueError):
        answered(b"hello", "team-b", UID_B, BEACON)


# How they travel.


@pytest.mark.parametrize("protocol", Protocol)
@given(challenges)
def test_an_answer_arrives_by_each_protocol_and_is_whole_only_at_its_last_byte(protocol, challenge):
    reply = answered(asked(challenge, ASKER), "team-b", UID_B, BEACON)
    sent = carried.response("200 OK", reply, keep=False) if protocol is Protocol.HTTP else reply

    assert carried.answer(protocol, sent) == reply
    assert carried.is_whole(protocol, sent)
    assert not any(carried.is_whole(protocol, sent[:length]) for length in range(len(sent)))


@pytest.mark.parametrize("host", ["10.0.0.1", "fd00::1"])
@given(challenge=challenges)
def test_a_request_is_read_only_as_a_whole(host, challenge):
    raw = asked(challenge, ASKER)
    sent = carried.payload(Protocol.HTTP, raw, host, 7462)

    found = carried.request_in(sent + b"and more")
    assert isinstance(found, carried.Request)
    assert (found.method, found.path, found.size, found.challenge) == ("GET", carried.HTTP_PATH, len(sent), raw)
    assert carried.is_http(sent)
    assert not carried.is_http(raw)
    assert all(carried.request_in(sent[:length]) is Part.MORE for length in range(len(sent)))


@pytest.mark.parametrize("protocol", [Protocol.TCP, Protocol.UDP])
def test_bare_is_bare(protocol):
    assert carried.payload(protocol, b"raw", "10.0.0.1", 7462) == b"raw"


@pytest.mark.parametrize(
    ("protocol", "got"),
    [
        (Protocol.TCP, b"SSH-2.0-OpenSSH_9.2\r\n"),
        (Protocol.TCP, b"HTTP/1.1 400 Bad Request\r\n"),
        (Protocol.UDP, b"\x01"),
        (Protocol.HTTP, b"SSH-2.0-OpenSSH_9.2\r\n"),
        (Protocol.HTTP, b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"),
    ],
)
def test_somebody_else_who_speaks_is_not_waited_for(protocol, got):
    assert carried.is_whole(protocol, got)
    assert answer_in(carried.answer(protocol, got)) is None


@pytest.mark.parametrize(
    "got",
    [
        b"GET /beacon\r\n\r\n",
        b"GET /beacon HTTP/2.0\r\n\r\n",
        b"GET  /beacon HTTP/1.1\r\n\r\n",
        b"\r\n\r\n",
        b"POST /beacon HTTP/1.1\r\nContent-Length: 5\r\n\r\n",
        b"POST /beacon HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET /" + b"a" * carried.MOST_REQUEST,
        b"GET /beacon HTTP/1.1\r\nX: " + b"a" * carried.MOST_REQUEST + b"\r\n\r\n",
    ],
)
def test_a_request_of_another_kind_is_wrong(got):
    assert carried.request_in(got) is Part.WRONG


@given(st.binary(max_size=3000))
def test_no_request_raises(got):
    carried.request_in(got)
    carried.request_in(b"GET /beacon HTTP/1.1\r\n" + got + b"\r\n\r\n")


@given(st.binary(max_size=1000), st.sampled_from(Protocol))
def test_no_reply_raises(got, protocol):
    carried.is_whole(protocol, b"HTTP/1.1 200 OK\r\n" + got)
    carried.answer(protocol, b"HTTP/1.1 200 OK\r\n" + got)
    carried.is_whole(protocol, got)


@pytest.mark.parametrize(
    ("header", "found"),
    [("", None), ("Sentinel-Challenge: !!!\r\n", b""), ("sentinel-challenge:AAAA \r\n", b"\0\0\0")],
)
def test_a_challenge_in_a_header(header, found):
    request = carried.request_in(f"GET /beacon HTTP/1.1\r\n{header}\r\n".encode())

    assert isinstance(request, carried.Request)
    assert request.challenge == found


@pytest.mark.parametrize(
    ("version", "header", "keep"),
    [
        ("1.1", "", True),
        ("1.1", "Connection: close\r\n", False),
        ("1.0", "", False),
        ("1.0", "Connection: Keep-Alive\r\n", True),
    ],
)
def test_who_wants_to_keep_the_connection(version, header, keep):
    request = carried.request_in(f"GET /readyz HTTP/{version}\r\n{header}\r\n".encode())

    assert isinstance(request, carried.Request)
    assert request.keep is keep
