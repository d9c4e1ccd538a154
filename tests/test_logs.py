"""The log: whatever is put into it, no token and no control character comes out."""

import io
import json
import logging
import re
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from sentinel import logs

TOKEN = "eyJhbGciOiJSUzI1NiIsImtpZCI6IngifQ.eyJpc3MiOiJodHRwczovL2t1YmVybmV0ZXMifQ.c2lnbmF0dXJl-_c2lnbmF0dXJl"


class Out(io.StringIO):
    @property
    def lines(self) -> list[str]:
        return self.getvalue().splitlines()

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines]


@pytest.fixture
def out() -> Iterator[Out]:
    stream = Out()
    root = logging.getLogger()
    handlers, level = [*root.handlers], root.level
    yield stream
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


def said(value: object, form: logs.Format = "json") -> str:
    """The line that comes of a value."""
    stream = io.StringIO()
    logs.configure("info", form, stream)
    structlog.get_logger().info("something.happened", value=value)
    return stream.getvalue()


def test_an_event_is_one_line_of_json_with_time_level_and_name(out):
    logs.configure("info", "json", out)

    structlog.get_logger().warning("gate.red", gate="door", targets=["team-b"])

    (event,) = out.events
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", event.pop("timestamp"))
    assert event == {"level": "warning", "event": "gate.red", "gate": "door", "targets": ["team-b"]}


def test_an_event_for_people_is_one_line_without_what_is_empty(out):
    logs.configure("info", "console", out)

    structlog.get_logger().error("breach.opened", question="list secrets", target="team-b", cause="", code=None)

    (line,) = out.lines
    assert re.fullmatch(r'\d\d:\d\d:\d\d\.\d{3} ERROR   breach\.opened  question="list secrets"  target=team-b', line)


def test_what_is_below_the_level_is_not_said_and_costs_a_call_that_does_nothing(out):
    logs.configure("info", "json", out)
    log = structlog.get_logger().bind()

    log.debug("question.asked", question="list secrets")

    assert out.lines == []
    assert log.debug.__name__ == "_nop"


@pytest.mark.parametrize(
    "text",
    [
        TOKEN,
        f"Bearer {TOKEN}",
        f"authorization: bearer {TOKEN}",
        "Bearer opaque-0123456789",
        "BEARER%20opaque-0123456789",
        f"x{TOKEN}",
        TOKEN[:40],
        TOKEN[:20] + "\x1b[0m" + TOKEN[20:],
        TOKEN[:20] + "\x00" + TOKEN[20:],
        TOKEN[:20] + "\u200b" + TOKEN[20:],
        "e\x00yJhbGciOiJSUzI1NiJ9",
        "B\x07earer opaque-0123456789",
        "Bearer\r\nopaque-0123456789",
        "x" * 500 + TOKEN,
        "x" * 8180 + TOKEN,
        json.dumps({"token": TOKEN}),
    ],
)
@pytest.mark.parametrize("form", ["json", "console"])
def test_no_token_gets_into_a_line(out, text, form):
    line = said({"deep": [text]}, form) + said(text, form) + said(RuntimeError(text), form) + said({text: 1}, form)

    assert not leaks(line), line


PLAIN = st.text(max_size=40)
HOSTILE = st.one_of(
    PLAIN,
    st.sampled_from(["\x1b[31m", "\x1b]0;title\x07", "\x9b1m", "\r", "\n", "\u2028", "\u202e", "\ud800", "\x7f", "\0"]),
    st.just(TOKEN),
    st.integers(1, len(TOKEN)).map(lambda end: TOKEN[:end]),
    st.just(f"Bearer {TOKEN}"),
)
TEXT = st.lists(HOSTILE, max_size=6).map("".join)
VALUE = st.recursive(
    st.one_of(TEXT, st.integers(), st.floats(), st.none(), st.booleans(), st.binary(max_size=20)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXT, inner, max_size=4)),
    max_leaves=12,
)


@given(value=VALUE, event=TEXT)
def test_a_line_is_a_line_whatever_is_put_into_it(value, event):
    for form in ("json", "console"):
        stream = io.StringIO()
        logs.configure("info", form, stream)
        structlog.get_logger().info(event, value=value)
        text = stream.getvalue()

        assert text.endswith("\n")
        assert text[:-1].isprintable()
        assert not leaks(text)
    structlog.reset_defaults()


@given(value=VALUE)
def test_what_json_says_can_be_read_and_nothing_in_it_is_long(value):
    event = json.loads(said(value))
    structlog.reset_defaults()

    assert all(len(text) <= logs.MOST_TEXT for text in texts(event))
    assert all(text.isprintable() for text in texts(event))


def test_long_values_lists_and_depths_are_cut(out):
    logs.configure("info", "json", out)
    deep: Any = "bottom"
    for _ in range(50):
        deep = [deep]

    structlog.get_logger().info("x", text="a" * 10_000_000, many=list(range(100_000)), deep=deep)

    (line,) = out.lines
    assert len(line) < 2_000
    assert out.events[0]["text"] == "a" * (logs.MOST_TEXT - 1) + "…"


def test_a_value_by_the_name_of_a_secret_is_not_said(out):
    logs.configure("info", "json", out)

    structlog.get_logger().info("x", headers={"Authorization": "Basic b3BlbjpzZXNhbWU=", "Accept": "image/png"})

    assert out.events[0]["headers"] == {"Authorization": "[redacted]", "Accept": "image/png"}


def test_what_is_harmless_is_said_as_it_is(out):
    text = 'RBAC: allowed by RoleBinding "reads/team-b" of Role "r" to ServiceAccount "sentinel/team-a" – äöü 漢字'

    assert json.loads(said(text))["value"] == text


def test_an_exception_is_said_in_one_line_without_its_values(out):
    logs.configure("info", "json", out)

    try:
        secret = TOKEN  # noqa: F841  # a traceback with values would show it
        raise ValueError(f"first line\nsecond line {TOKEN}")
    except ValueError:
        structlog.get_logger().exception("round.failed", round=3)

    (event,) = out.events
    assert event["level"] == "error"
    assert event["exception"] == "ValueError: first line second line [redacted]"
    assert event["trace"][-1].endswith("test_an_exception_is_said_in_one_line_without_its_values")


def test_libraries_are_led_through_the_same_pipe(out):
    logs.configure("info", "json", out)

    logging.getLogger("asyncio").error("Task was destroyed: \x1b[31m%s\n%s", TOKEN, "more")
    logging.getLogger("aiohttp.access").info("GET /metrics")

    (event,) = out.events
    assert (event["event"], event["logger"], event["level"]) == ("library.message", "asyncio", "error")
    assert event["message"] == "Task was destroyed: [redacted] more"


def test_a_library_that_formats_wrongly_is_heard_all_the_same(out):
    logs.configure("info", "json", out)

    # Past pytest's own handler, which does not like it.
    (ours,) = (handler for handler in logging.getLogger().handlers if type(handler).__module__ == logs.__name__)

    ours.handle(logging.LogRecord("library", logging.WARNING, "", 0, "%d things", ("many",), None))

    assert out.events[0]["message"] == "%d things"


def test_setting_up_again_says_nothing_twice(out):
    logs.configure("info", "json", out)
    logs.configure("error", "json", out)

    logging.getLogger("asyncio").error("once")

    assert len(out.lines) == 1


def test_a_reader_that_is_gone_stops_nobody(out):
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError(32, "nobody reads")

    logs.configure("info", "json", Gone())

    structlog.get_logger().error("breach.opened")
    logging.getLogger("asyncio").error("nor here")


def test_by_default_it_is_said_on_standard_error(out, monkeypatch):
    monkeypatch.setattr(sys, "stderr", out)
    logs.configure()

    structlog.get_logger().info("sentinel.started")

    assert out.events[0]["event"] == "sentinel.started"


def leaks(text: str) -> bool:
    """Whether more than the beginning of a token is left, or anything behind the word."""
    jwt = re.search(r"[eE][yY][jJ][A-Za-z0-9_-]{6}", text)
    return bool(jwt) or "opaque" in text or "c2lnbmF0dXJl" in text


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)
