"""One completion in full: every piece with its moment, the longest pause marked, and no word of it told."""

import json
from dataclasses import replace

import pytest

from sentinel.core.gateway.completion import Heard, Trouble
from sentinel.core.gateway.dialect import Dialect
from sentinel.core.gateway.outcome import judge
from sentinel.core.gateway.timeline import timeline
from sentinel.core.gateway.transcript import MOST_BEATS, Listener
from sentinel.reports.completion import Seen, text
from tests.core.gateway import recorded as r

THOUGHT = r.event({"choices": [{"delta": {"reasoning_content": "Hm."}}]})


def heard(*parts, trouble=None, took=2.0, dialect=Dialect.OPENAI_CHAT, stream=True):
    """Parts that came, each with its second since the beginning at 100 s."""
    listener = Listener(dialect, "text/event-stream" if stream else "application/json")
    for at, part in parts:
        listener.feed(part.encode(), 100 + at)
    return Heard(
        100.0,
        1_700_000_000.0,
        took,
        stream,
        status=200,
        headers={"x-litellm-model-id": "openai", "set-cookie": "sweet"},
        connected=0.01,
        answered=0.02,
        trouble=trouble,
        transcript=listener.finish(100 + took),
    )


def came(one):
    return [(round(moment.at, 3), moment.what) for moment in timeline(one)]


def longest(one):
    return [moment.what for moment in timeline(one) if moment.longest]


def seen(one):
    return Seen("chat", r.ASKED.nonce, one, judge(one, r.ASKED, r.expected()))


HEALTHY = heard(
    (0.1, r.ROLE), (0.3, THOUGHT), (0.5, r.said(1)), (0.6, r.chunk("2 ")), (1.4, r.chunk("3 ")), (1.5, r.STOP + r.DONE)
)


def test_every_piece_has_its_moment_and_a_role_is_no_token():
    assert came(HEALTHY) == [
        (0.0, "asked"),
        (0.01, "connected"),
        (0.02, "headers"),
        (0.1, "first byte"),
        (0.1, "no text"),
        (0.3, "thought 1"),
        (0.5, "token 1"),
        (0.6, "token 2"),
        (1.4, "token 3"),
        (1.5, "finish reason"),
        (1.5, "mark of the end"),
        (2.0, "end"),
    ]


def test_each_moment_says_how_long_it_was_waited_for():
    assert sum(moment.after for moment in timeline(HEALTHY)) == pytest.approx(2.0)


def test_the_longest_pause_is_marked_once_and_none_before_the_first_token():
    assert longest(HEALTHY) == ["token 3"]
    assert longest(heard((0.1, r.ROLE), (1.5, r.said(1)), (1.6, r.chunk("2 ")), (1.9, r.STOP))) == ["finish reason"]


def test_the_silence_of_a_stream_that_stalled_is_its_longest_pause():
    stalled = heard((0.1, r.said(1)), (0.4, r.chunk("2 ")), trouble=Trouble.IDLE)

    assert longest(stalled) == ["end: idle"]


def test_without_a_token_no_pause_is_marked():
    assert longest(heard((0.1, r.ROLE), trouble=Trouble.LATE_TOKEN)) == []
    assert longest(heard((1.0, r.chat("1 2 3")), stream=False)) == []


def test_what_never_came_is_not_in_it():
    refused = replace(r.heard(None, trouble=Trouble.REFUSED), connected=None, answered=None)

    assert [what for _, what in came(refused)] == ["asked", "end: refused"]


@pytest.mark.parametrize(
    ("part", "what"),
    [
        pytest.param(r.event(r.LITELLM_IN_BAND), "error", id="an error in the stream"),
        pytest.param(r.event({"type": "ping"}), "no text", id="a ping"),
        pytest.param(r.event("{nonsense"), "no JSON", id="no JSON"),
        pytest.param(r.event("{nonsense", "error"), "error", id="an error that is no JSON"),
        pytest.param(r.event({"x": 1}, "error"), "error", id="an error by its name"),
    ],
)
def test_what_is_no_text_is_named(part, what):
    assert came(heard((0.2, part)))[4] == (0.2, what)


@pytest.mark.parametrize(
    ("dialect", "body", "what"),
    [
        (Dialect.ANTHROPIC, r.claude(["a", "b"]), ["no text", "no text", "token 1", "token 2", "finish reason"]),
        (Dialect.OPENAI_RESPONSES, r.responses(["a", "b"]), ["no text", "token 1", "token 2"]),
        (Dialect.GEMINI, r.gemini(["a", "b"]), ["token 1", "token 2", "finish reason"]),
    ],
)
def test_tokens_are_counted_in_every_dialect(dialect, body, what):
    told = [name for _, name in came(heard((0.2, body), dialect=dialect))]

    assert told[4:-1][: len(what)] == what
    assert "mark of the end" in told[-3:]


def test_a_flood_of_events_costs_no_more_than_its_beginning():
    flood = heard((0.1, r.chunk("x") * (MOST_BEATS + 50)))

    assert len(flood.transcript.beats) == MOST_BEATS
    assert flood.transcript.tokens == MOST_BEATS + 50


def test_both_forms_tell_the_same_moments():
    one = seen(HEALTHY)

    rows = one.as_json()["timeline"]
    lines = [line for line in text(one).splitlines() if " ms  " in line]
    assert [(f"{row['at_ms']:.1f}", row["what"]) for row in rows] == [
        (line.split()[0], line.rpartition(" ms  ")[2].partition("  <-")[0]) for line in lines
    ]
    assert [row["what"] for row in rows if row["longest"]] == ["token 3"]
    assert "token 3  <- longest pause" in text(one)
    assert one.as_json()["longest_pause_ms"] == 800.0


SECRETS = ("Hm.", "sweet", "Count from", "salary", "4711", "1 2 3")


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(THOUGHT + r.chunk("the salary is 4711") + r.STOP + r.DONE, id="another's answer"),
        pytest.param(r.said() + r.STOP + r.DONE, id="the canary's answer"),
        pytest.param(r.event({"error": {"message": "salary 4711", "type": "sweet", "code": "4711"}}), id="an error"),
        pytest.param("<html>salary 4711 at x.js:1:2</html>", id="a page"),
    ],
)
def test_no_word_of_any_answer_key_or_header_is_told(body):
    one = seen(heard((0.2, body)))

    for told in (text(one), json.dumps(one.as_json())):
        assert not [word for word in SECRETS if word in told]
    assert "not shown" in text(one)
    assert "2 headers" in one.withheld
    assert any("bytes of the body" in row for row in one.withheld)
