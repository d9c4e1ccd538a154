"""An answer of HTTP/1.1 survives any bytes, in any pieces, in little memory."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.clients.answer import MOST_LINES, Answer, NotALine

HEADS = [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0 503\n", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 204 No Content\r\n"]
FIELDS = [
    b"Transfer-Encoding: chunked\r\n",
    b"transfer-encoding: gzip, Chunked\n",
    b"Content-Length: 5\r\n",
    b"Content-Length: 0\r\n",
    b"Content-Type: text/event-stream\r\n",
    b" folded\r\n",
    b"no header\r\n",
]
BODY = [
    b"\r\n",
    b"\n",
    b"5\r\nhello\r\n",
    b"0\r\n",
    b"0\r\n\r\n",
    b"A;x=y\r\n0123456789\r\n",
    b"hello",
    b"zz\r\n",
    b"\0",
]
PIECE = st.sampled_from(HEADS) | st.sampled_from(FIELDS) | st.sampled_from(BODY) | st.binary(max_size=6)
ANSWER = st.builds(
    lambda head, fields, body: b"".join((head, *fields, b"\r\n", *body)),
    st.sampled_from(HEADS),
    st.lists(st.sampled_from(FIELDS), max_size=3),
    st.lists(PIECE, max_size=8),
)
STREAM = ANSWER | st.lists(PIECE, max_size=12).map(b"".join)


def answer():
    return Answer("/v1/chat/completions", {"Host": "gateway", "Content-Length": "0"}, b"")


def read(*chunks):
    reader = answer()
    body = b"".join([reader.feed(chunk) for chunk in chunks if not (reader.over or reader.broken)])
    return reader.head, body, reader.broken, reader.end()


def pieces(stream, cuts):
    places = sorted({cut % (len(stream) + 1) for cut in cuts})
    return [stream[a:b] for a, b in zip([0, *places], [*places, len(stream)], strict=True)]


@given(STREAM, st.lists(st.integers(0, 1000), max_size=12))
def test_law_any_split_of_the_bytes_gives_the_same_answer(stream, cuts):
    assert read(*pieces(stream, cuts)) == read(stream)


@given(STREAM)
def test_law_byte_by_byte_gives_the_same_answer_as_in_one_piece(stream):
    assert read(*(bytes([byte]) for byte in stream)) == read(stream)


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=6), st.lists(st.integers(0, 1000), max_size=6))
def test_law_what_was_written_in_chunks_is_read_as_it_was(parts, cuts):
    body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
    stream = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body + b"0\r\n\r\n"

    _, got, broken, whole = read(*pieces(stream, cuts))

    assert (got, broken, whole) == (b"".join(parts), False, True)
    assert read(stream[:-1])[3] is False, "the last byte counts"


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
COUNTED = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
OPEN = b"HTTP/1.1 200 OK\r\n\r\n"


@pytest.mark.parametrize(
    ("stream", "status", "body", "whole"),
    [
        (COUNTED + b"hello", 200, b"hello", True),
        (COUNTED + b"hello and more", 200, b"hello", True),
        (COUNTED + b"hell", 200, b"hell", False),
        (CHUNKED + b"5\r\nhello\r\n0\r\n\r\n", 200, b"hello", True),
        (CHUNKED + b"5;a=b\r\nhello\r\n0\r\nX: trailer\r\n\r\n", 200, b"hello", True),
        (CHUNKED + b"5\r\nhello\r\n", 200, b"hello", False),
        (CHUNKED + b"5\r\nhello\r\n0\r\n", 200, b"hello", False),
        (OPEN + b"hello", 200, b"hello", True),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + COUNTED + b"hello", 200, b"hello", True),
        (b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello", 204, b"", True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 99\r\n\r\n0\r\n\r\n", 200, b"", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 200, b"hello", True),
        (b"HTTP/1.0 200\nContent-Length:5\n\nhello", 200, b"hello", True),
    ],
    ids=repr,
)  # fmt: skip
def test_a_body_ends_where_its_head_says(stream, status, body, whole):
    head, got, broken, ended = read(stream)

    assert head is not None
    assert (head.status, got, broken, ended) == (status, body, False, whole)


@pytest.mark.parametrize(
    ("stream", "body"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", b""),
        (b"\x15\x03\x01\x00\x02\x02F", b""),
        (b"HTTP/2 200\r\n\r\n", b""),
        (b"HTTP/1.1 20 OK\r\n\r\n", b""),
        (b"HTTP/1.1 200 OK\r\nno header\r\n\r\n", b""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", b""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello", b""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: \xc2\xb2\r\n\r\nhello", b""),
        (CHUNKED + b"5\r\nhello\r\nzz\r\n", b"hello"),
        (CHUNKED + b"5\r\nhello\r\n-1\r\n", b"hello"),
        (CHUNKED + b"5\r\nhello and more", b"hello"),
        (CHUNKED + b"FFFFFFFFFFFFFFFFFFFFFF\r\n", b""),
        (CHUNKED + b"\r\n", b""),
    ],
    ids=repr,
)
def test_what_is_no_http_is_broken_and_what_came_before_is_read(stream, body):
    _, got, broken, whole = read(stream)

    assert (got, broken, whole) == (body, True, False)


@pytest.mark.parametrize(
    ("begin", "line"),
    [
        (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 10_000),
        (b"HTTP/1.1 200 OK\r\n", b"X: " + b"y" * 2 * MOST_LINES),
        (CHUNKED, b"5;" + b"x" * 2 * MOST_LINES),
        (CHUNKED + b"0\r\n", b"X: y\r\n" * 10_000),
    ],
    ids=["headers", "a header", "an extension", "trailers"],
)
def test_lines_without_end_are_broken_soon(begin, line):
    reader = answer()

    tracemalloc.start()
    reader.feed(begin)
    for place in range(0, len(line), 4096):
        if not reader.broken:
            reader.feed(line[place : place + 4096])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert reader.broken
    assert peak < 200_000


@pytest.mark.parametrize("value", ["a\r\nX: b", "a\nb", "a\0"])
def test_what_is_no_line_is_not_sent(value):
    with pytest.raises(NotALine):
        Answer("/", {"Host": "gateway", "Content-Length": "0", "Authorization": value}, b"")


def test_the_request_goes_out_as_it_was_given():
    asked = Answer("/v1?a=b", {"Host": "gateway", "X-Config": '{"a": 1}', "Content-Length": "2"}, b"{}")

    assert (
        asked.request == b'POST /v1?a=b HTTP/1.1\r\nHost: gateway\r\nX-Config: {"a": 1}\r\nContent-Length: 2\r\n\r\n{}'
    )
