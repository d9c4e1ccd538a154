"""litellm, the real proxy, in front of two providers that the test controls: what users get is called what it is.

The outcomes stand here as a person gave them who read the bytes that came.
"""

import asyncio
from pathlib import Path

from sentinel.core.gateway.completion import Deadlines
from sentinel.core.gateway.outcome import Judged, Kind, Outcome, judge
from tests.core.gateway import recorded as r
from tests.support.litellm import Model, litellm
from tests.support.providers import provider
from tests.support.rawserver import Asked, Peer, RawServer, raw_server

O = Outcome  # noqa: E741
EXPECTED = r.expected("litellm", grace=60.0)
PRIMARY, BACKUP, NOBODY = "openai", "backup", "unknown"
PATIENT = Deadlines(connect=20.0, first_token=90.0, idle=60.0, total=90.0)
QUICK = Deadlines(connect=20.0, first_token=20.0, idle=3.0, total=20.0)
"""For what never comes."""
AT_ONCE = {"num_retries": 0, "disable_cooldowns": True}
"""Each question for itself: no row waits for another one's failure."""
WAITS = 4.0
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"

SILENT = Kind.SILENT
TAKEN_OVER = [(mode, O.FAILED_OVER) for mode in ("500", "429", "html", "401", "404", "reset", "hang", "dies-at-once")]
HALF_A_PIECE = ("abort", "clean-end", "error-inside")
"""What breaks off is taken over as well where one piece was asked for."""
BOTH_FAIL = [(mode, O.UNGRACEFUL_ERROR) for mode in ("500", "429", "html", "401", "404", "reset", "hang")]
"""Each time the same: an error for programs whose text names litellm's classes, its groups and its settings."""
OF_THE_PRIMARY = [
    ("ok", (O.SERVED_PRIMARY, None), (O.SERVED_PRIMARY, None)),
    ("other-model", (O.SERVED_PRIMARY, None), (O.SERVED_PRIMARY, None)),
    ("empty", (O.EMPTY_SUCCESS, None), (O.EMPTY_SUCCESS, None)),
    ("fabricated", (O.TRUNCATED_STREAM, SILENT), (O.TRUNCATED_STREAM, SILENT)),
    ("twice", (O.CORRUPTED_STREAM, None), (O.CORRUPTED_STREAM, None)),
    ("spliced", (O.SERVED_PRIMARY, None), (O.WRONG_CONTENT, None)),  # it writes one model's name over all pieces
]
"""(the primary, what of it was left of a stream, and of an answer in one piece): nobody else is asked."""
ONLY_STREAMED = [
    ("clean-end", (O.TRUNCATED_STREAM, SILENT)),  # litellm writes the end that never came: `stop`, and `[DONE]`
    ("error-inside", (O.ERROR_IN_STREAM, None)),
    ("stall", (O.STALLED_STREAM, None)),
]
"""The same of those that litellm takes over when they are asked for one piece."""


Row = tuple[str, str, bool]
"""The primary, the backup, streamed?"""


def streamed_and_not(*rows: tuple[str, str]) -> list[Row]:
    return [(primary, backup, stream) for primary, backup in rows for stream in (True, False)]


def model(row: Row) -> str:
    primary, backup, stream = row
    return f"{primary}-{backup}-{'stream' if stream else 'whole'}"


def served(row: Row, one: RawServer, two: RawServer) -> Model:
    primary, backup, stream = row
    how = "stream" if stream else "whole"
    waits = WAITS if primary == "hang" else None
    return Model(f"{one.url}/{primary}/{how}/v1", f"{two.url}/{backup}/{how}/v1", waits)


async def asked(folder: Path, rows: list[Row]) -> tuple[dict[Row, Judged], list[str]]:
    """Each as it was judged, all at once, and what came to the backup."""
    async with raw_server(None, provider) as one, raw_server(None, provider) as two:
        with litellm(folder, {model(row): served(row, one, two) for row in rows}, **AT_ONCE) as gateway:

            async def ask(row: Row) -> Judged:
                deadlines = QUICK if row[0] == "stall" else PATIENT
                heard = await gateway.ask(model(row), stream=row[2], deadlines=deadlines)
                return judge(heard, r.ASKED, EXPECTED)

            found = await asyncio.gather(*map(ask, rows))
    return dict(zip(rows, found, strict=True)), questions(two)


def questions(server: RawServer) -> list[str]:
    """Besides these it asks which models there are."""
    return [request.line for request in server.asked if request.line.startswith("POST")]


async def test_what_fails_before_its_first_word_is_taken_over_or_called_what_it_is(tmp_path):
    wanted = {row: (outcome, BACKUP) for mode, outcome in TAKEN_OVER for row in streamed_and_not((mode, "ok"))}
    wanted |= {(mode, "ok", False): (O.FAILED_OVER, BACKUP) for mode in HALF_A_PIECE}
    wanted |= {row: (outcome, NOBODY) for mode, outcome in BOTH_FAIL for row in streamed_and_not((mode, mode))}

    found, _ = await asked(tmp_path, list(wanted))

    assert {row: (judged.outcome, judged.served.provider) for row, judged in found.items()} == wanted
    assert all(judged.served.fallback for row, judged in found.items() if row[1] == "ok")
    assert {row for row, judged in found.items() if "litellm-name" in judged.leaks} == {
        row for row in wanted if row[0] == row[1]
    }


async def test_what_is_no_error_to_litellm_is_called_what_it_is_and_nobody_else_was_asked(tmp_path):
    wanted = {(mode, "ok", True): found for mode, found, _ in OF_THE_PRIMARY}
    wanted |= {(mode, "ok", False): found for mode, _, found in OF_THE_PRIMARY}
    wanted |= {(mode, "ok", True): found for mode, found in ONLY_STREAMED}

    found, taken_over = await asked(tmp_path, list(wanted))

    assert {row: (judged.outcome, judged.kind) for row, judged in found.items()} == wanted
    assert {judged.served.provider for judged in found.values()} == {PRIMARY}
    assert taken_over == []


async def test_a_stream_that_breaks_after_its_first_words_ends_in_an_error_and_nobody_takes_over(tmp_path):
    heard_some = asyncio.Event()

    async def breaks(peer: Peer, asked: Asked) -> None:
        await peer.send(HEAD, *(f"{len(part):x}\r\n{part}\r\n".encode() for part in (r.ROLE, *r.words(4))))
        await heard_some.wait()
        peer.abort()

    async with raw_server(None, breaks) as one, raw_server(None, provider) as two:
        with litellm(tmp_path, {"m": Model(f"{one.url}/v1", f"{two.url}/ok/stream/v1")}, **AT_ONCE) as gateway:
            probe = gateway.probe("m", PATIENT)
            heard = await probe.ask(r.ASKED, stream=True, on_token=heard_some.set)
            judged = judge(heard, r.ASKED, EXPECTED)

    assert judged.outcome is O.ERROR_IN_STREAM
    assert 1 <= judged.tokens_before <= 4
    assert judged.served.provider == PRIMARY
    assert questions(two) == []


async def test_while_all_is_in_cooldown_its_429_is_no_rate_limit_but_an_error_that_nobody_should_read(tmp_path):
    async with raw_server(None, provider) as one:
        dead = f"{one.url}/reset/stream/v1"
        cools = {"num_retries": 0, "allowed_fails": 0, "cooldown_time": 600}
        with litellm(tmp_path, {"m": Model(dead, dead)}, **cools) as gateway:
            found = [judge(await gateway.ask("m", stream=True, deadlines=PATIENT), r.ASKED, EXPECTED) for _ in range(4)]

    last = found[-1]
    assert (last.status, last.outcome, last.served.provider) == (429, O.UNGRACEFUL_ERROR, NOBODY)
    assert last.retry_after is not None
    assert {judged.outcome for judged in found} == {O.UNGRACEFUL_ERROR}


async def test_a_proxy_that_was_killed_is_unreachable(tmp_path):
    async with raw_server(None, provider) as one, raw_server(None, provider) as two:
        rows = streamed_and_not(("ok", "ok"))
        with litellm(tmp_path, {model(row): served(row, one, two) for row in rows}) as gateway:
            before = await gateway.ask(model(rows[0]), stream=True, deadlines=PATIENT)
            gateway.child.kill()
            after = [await gateway.ask(model(row), stream=row[2], deadlines=PATIENT) for row in rows]

    assert judge(before, r.ASKED, EXPECTED).outcome is O.SERVED_PRIMARY
    assert {judge(heard, r.ASKED, EXPECTED).outcome for heard in after} == {O.GATEWAY_UNREACHABLE}
