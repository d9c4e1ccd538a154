"""Server-sent events survive any bytes, in any pieces, in little memory."""

import re
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.core.gateway import sse
from sentinel.core.gateway.sse import MOST_EVENT, MOST_LINE, Event, Parser

GRAMMAR = [b"data: ", b"data:", b"data", b"event: error", b"id: 7", b": ping", b"\n", b"\r", b"\r\n", b"\n\n", b"{}"]
NOISE = [b"\xef\xbb\xbf", "é✓".encode(), b"\xc3", b"\xff", b" ", b"\0", b"[DONE]", b"retry: 1"]
PIECE = st.sampled_from(GRAMMAR) | st.sampled_from(NOISE) | st.binary(max_size=8)
STREAM = st.lists(PIECE, max_size=40).map(b"".join)


def read(*chunks):
    parser = Parser()
    events = [event for chunk in chunks for event in parser.feed(chunk)]
    last = parser.end()
    return [*events, last] if last else events


def pieces(stream, cuts):
    places = sorted({cut % (len(stream) + 1) for cut in cuts})
    return [stream[a:b] for a, b in zip([0, *places], [*places, len(stream)], strict=True)]


@given(STREAM, st.lists(st.integers(0, 1000), max_size=12))
def test_any_split_of_the_bytes_gives_the_same_events(stream, cuts):
    assert read(*pieces(stream, cuts)) == read(stream)


@given(STREAM)
def test_byte_by_byte_gives_the_same_events_as_in_one_piece(stream):
    assert read(*(bytes([byte]) for byte in stream)) == read(stream)


@given(STREAM)
def test_the_events_are_those_of_a_plain_reading_of_the_standard(stream):
    assert read(stream) == by_the_book(stream)


def test_a_line_end_cut_in_two_is_one_line_end():
    assert read(b"data: a\r", b"\ndata: b\r", b"", b"\n\r", b"\n") == [Event("a\nb")]
    assert read(b"data: a\r", b"\r", b"data: b\n\n") == [Event("a"), Event("b")]


def by_the_book(stream):
    """The standard's own words, for a stream that is there as a whole; a last event without its end is taken too."""
    text = stream.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
    events: list[Event] = []
    data: list[str] = []
    name = ""
    for line in [*re.split("\r\n|\r|\n", text), ""]:
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line and data:
            events.append(Event("\n".join(data), name))
        if not line:
            data, name = [], ""
        elif field == "data":
            data.append(value)
        elif field == "event":
            name = value
    if data:
        events.append(Event("\n".join(data), name))
    return events


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: a\n\ndata: b\n\n", [Event("a"), Event("b")]),
        (b"data: a\ndata: b\n\n", [Event("a\nb")]),
        (b"event: error\ndata: {}\n\ndata: x\n\n", [Event("{}", "error"), Event("x")]),
        (b"data:a\r\rdata:b\r\n\r\n", [Event("a"), Event("b")]),
        (b"data:  two spaces\n\n", [Event(" two spaces")]),
        (b"data\n\n", [Event("")]),
        (b": OPENROUTER PROCESSING\n\n: ping\n\n", []),
        (b"event: ping\n\n", []),
        (b"\xef\xbb\xbfdata: a\n\n", [Event("a")]),
        (b"data: caf\xc3\n\n", [Event("caf\ufffd")]),
        (b"data: [DONE]", [Event("[DONE]")]),
        (b"data: [DONE]\n", [Event("[DONE]")]),
        (b'{"error": "no stream at all"}', []),
        (b"", []),
    ],
    ids=repr,
)
def test_events_are_those_that_clients_see(stream, events):
    assert read(stream) == events


def test_a_line_without_end_takes_no_more_memory_than_one_that_is_kept():
    parser = Parser()
    megabyte = b"data: " + b"x" * 1_000_000

    tracemalloc.start()
    for _ in range(300):
        assert parser.feed(megabyte) == []
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    (event,) = parser.feed(b"\n\n")

    assert event.cut
    assert len(event.data) == MOST_LINE - len("data: ")
    assert peak < 4_000_000, "two copies of a chunk while it is cut, and nothing of the three hundred before"


def test_an_event_of_endless_lines_is_cut_and_the_next_one_is_whole():
    parser = Parser()
    for _ in range(2000):
        assert parser.feed(b"data: " + b"x" * 1000 + b"\n") == []

    cut, whole = parser.feed(b"\ndata: y\n\n")

    assert cut.cut
    assert MOST_EVENT - 1000 <= len(cut.data) <= MOST_EVENT
    assert whole == Event("y")


@given(st.integers(-3, 3), st.lists(st.integers(0, 3 * MOST_LINE), max_size=6))
def test_the_limit_does_not_depend_on_the_pieces_either(beyond, cuts):
    stream = b"data: " + b"x" * (MOST_LINE - 6 + beyond) + b"\n\ndata: y\n\n"

    events = read(*pieces(stream, cuts))

    assert events == read(stream)
    assert events[0].cut == (beyond > 0)
    assert events[1] == sse.Event("y")
