"""Portkey, the real one, in front of two providers that the test controls: what users get is called what it is.

The outcomes stand here as a person gave them who read the bytes that came.
"""

import asyncio
from typing import Any

from sentinel.core.gateway.outcome import Kind, Outcome, judge
from tests.core.gateway import recorded as r
from tests.support.portkey import PATIENT, QUICK, Portkey, portkey
from tests.support.providers import provider
from tests.support.rawserver import raw_server

O = Outcome  # noqa: E741
EXPECTED = r.expected("portkey", grace=60.0)
PRIMARY, BACKUP, NOBODY = "openai", "backup", "unknown"
BEFORE_ITS_FIRST_WORD = [
    ("ok", "ok", O.SERVED_PRIMARY, PRIMARY),
    ("other-model", "ok", O.SERVED_PRIMARY, PRIMARY),  # what a gateway says of the model shows nobody
    ("500", "ok", O.FAILED_OVER, BACKUP),
    ("429", "ok", O.FAILED_OVER, BACKUP),
    ("html", "ok", O.FAILED_OVER, BACKUP),
    ("401", "ok", O.FAILED_OVER, BACKUP),
    ("404", "ok", O.FAILED_OVER, BACKUP),
    ("reset", "ok", O.FAILED_OVER, BACKUP),
    ("hang", "ok", O.FAILED_OVER, BACKUP),
    ("empty", "ok", O.EMPTY_SUCCESS, PRIMARY),
    ("error-inside", "ok", O.ERROR_IN_STREAM, PRIMARY),
    ("500", "500", O.STRUCTURED_ERROR, BACKUP),
    ("429", "429", O.STRUCTURED_ERROR, BACKUP),
    ("401", "401", O.STRUCTURED_ERROR, BACKUP),
    ("404", "404", O.STRUCTURED_ERROR, BACKUP),
    ("hang", "hang", O.STRUCTURED_ERROR, BACKUP),
    ("reset", "reset", O.UNGRACEFUL_ERROR, BACKUP),
    ("html", "html", O.UNGRACEFUL_ERROR, BACKUP),
]
"""(the primary, the backup, what it was, who is said to have answered), streamed or not."""
SILENT, UNENDED = Kind.SILENT, Kind.NO_TERMINATOR
AFTER_IT = [
    ("dies-at-once", (O.EMPTY_SUCCESS, None, PRIMARY), (O.UNGRACEFUL_ERROR, None, NOBODY)),
    ("abort", (O.TRUNCATED_STREAM, UNENDED, PRIMARY), (O.UNGRACEFUL_ERROR, None, NOBODY)),
    ("clean-end", (O.TRUNCATED_STREAM, UNENDED, PRIMARY), (O.UNGRACEFUL_ERROR, None, NOBODY)),
    ("stall", (O.STALLED_STREAM, None, PRIMARY), (O.TIMEOUT_HEADERS, None, NOBODY)),
    ("fabricated", (O.TRUNCATED_STREAM, SILENT, PRIMARY), (O.TRUNCATED_STREAM, SILENT, PRIMARY)),
    ("twice", (O.CORRUPTED_STREAM, None, PRIMARY), (O.CORRUPTED_STREAM, None, PRIMARY)),
    ("spliced", (O.CORRUPTED_STREAM, None, PRIMARY), (O.WRONG_CONTENT, None, PRIMARY)),
]
"""(the primary, what of it was left of a stream, and of an answer in one piece). Portkey tries nobody else then."""


async def asked(gateway: Portkey, rows: list[tuple[str, str, bool]]) -> tuple[dict[Any, Any], list[str]]:
    """Each row (the primary, the backup, streamed?) as it was judged, all at once, and what came to the backup."""

    async def ask(primary: str, backup: str, stream: bool) -> Any:
        how = "stream" if stream else "whole"
        urls = f"{one.url}/{primary}/{how}/v1", f"{two.url}/{backup}/{how}/v1"
        waits, deadlines = (3.0 if primary == "hang" else 30.0), (QUICK if primary == "stall" else PATIENT)
        return judge(await gateway.ask(*urls, stream=stream, waits=waits, deadlines=deadlines), r.ASKED, EXPECTED)

    async with raw_server(None, provider) as one, raw_server(None, provider) as two:
        judged = await asyncio.gather(*(ask(*row) for row in rows))
        return dict(zip(rows, judged, strict=True)), [request.line for request in two.asked]


async def test_what_fails_before_its_first_word_is_taken_over_or_called_what_it_is(gateway):
    wanted = {
        (primary, backup, stream): (outcome, provider)
        for primary, backup, outcome, provider in BEFORE_ITS_FIRST_WORD
        for stream in (True, False)
    }

    found, _ = await asked(gateway, list(wanted))

    assert {row: (judged.outcome, judged.served.provider) for row, judged in found.items()} == wanted
    gives_away = set(found["reset", "reset", True].leaks)
    assert {"html-message", "exception-name"} <= gives_away, "the words of its runtime, and no error for programs"


async def test_what_breaks_after_it_is_called_by_the_way_it_broke(gateway):
    wanted = {
        (primary, "ok", stream): if_streamed if stream else if_whole
        for primary, if_streamed, if_whole in AFTER_IT
        for stream in (True, False)
    }

    found, taken_over = await asked(gateway, list(wanted))

    told = {row: (judged.outcome, judged.kind, judged.served.provider) for row, judged in found.items()}
    assert told == wanted
    assert taken_over == []


async def test_a_gateway_that_was_killed_is_unreachable(tmp_path):
    with portkey(tmp_path) as gateway:
        before, _ = await asked(gateway, [("ok", "ok", True)])
        gateway.child.kill()
        after, _ = await asked(gateway, [("ok", "ok", True), ("ok", "ok", False)])

    assert {judged.outcome for judged in before.values()} == {O.SERVED_PRIMARY}
    assert {judged.outcome for judged in after.values()} == {O.GATEWAY_UNREACHABLE}
