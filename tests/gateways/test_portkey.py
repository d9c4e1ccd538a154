"""Portkey, the real one, in front of two providers that the test controls: what users get is called what it is."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from sentinel.clients.clock import Clock
from sentinel.clients.completions import Completions
from sentinel.core.gateway.completion import Deadlines
from sentinel.core.gateway.dialect import Dialect
from sentinel.core.gateway.outcome import Kind, Outcome, judge
from sentinel.probes.completion import CompletionProbe
from tests.core.gateway import recorded as r
from tests.parts import find
from tests.support.child import Child
from tests.support.listening import listening
from tests.support.ports import free_port
from tests.support.providers import Provider
from tests.support.rawserver import raw_server

O = Outcome  # noqa: E741
PATIENCE = Deadlines(connect=5.0, first_token=12.0, idle=3.0, total=20.0)


@dataclass
class Portkey:
    """The gateway, its two providers, and the probe."""

    probe: CompletionProbe
    primary: Provider
    backup: Provider

    async def ask(self, primary, backup="ok", *, stream=True):
        self.primary.mode, self.backup.mode = primary, backup
        self.primary.streams = self.backup.streams = stream
        heard = await self.probe.ask(r.ASKED, stream=stream)
        return judge(heard, r.ASKED, r.expected("portkey"))


@asynccontextmanager
async def portkey(tmp_path) -> AsyncIterator[Portkey]:
    primary, backup, port = Provider(), Provider(), free_port()
    async with (
        raw_server(None, primary.behave) as one,
        raw_server(None, backup.behave) as two,
    ):
        targets = [
            {"provider": "openai", "api_key": "k", "custom_host": f"{server.url}/v1", "request_timeout": 2000}
            for server in (one, two)
        ]
        config = json.dumps({"strategy": {"mode": "fallback"}, "targets": targets})
        child = Child([find("portkey-gateway"), f"--port={port}", "--headless"], tmp_path / "portkey.log")
        try:
            await listening(port, child)
            yield Portkey(
                CompletionProbe(
                    url=f"http://127.0.0.1:{port}/v1/chat/completions",
                    dialect=Dialect.OPENAI_CHAT,
                    model="m",
                    completions=Completions(),
                    clock=Clock(),
                    headers={"x-portkey-config": config},
                    deadlines=PATIENCE,
                ),
                primary,
                backup,
            )
        finally:
            child.terminate()


EVERY_WAY = [
    ("ok", "ok", O.SERVED_PRIMARY, "openai"),
    ("500", "ok", O.FAILED_OVER, "backup"),
    ("429", "ok", O.FAILED_OVER, "backup"),
    ("html", "ok", O.FAILED_OVER, "backup"),
    ("401", "ok", O.FAILED_OVER, "backup"),
    ("reset", "ok", O.FAILED_OVER, "backup"),
    ("hang", "ok", O.FAILED_OVER, "backup"),
    ("empty", "ok", O.EMPTY_SUCCESS, "openai"),
    ("500", "500", O.STRUCTURED_ERROR, "backup"),
    ("429", "429", O.STRUCTURED_ERROR, "backup"),
    ("401", "401", O.STRUCTURED_ERROR, "backup"),
    ("hang", "hang", O.STRUCTURED_ERROR, "backup"),
    ("reset", "reset", O.UNGRACEFUL_ERROR, "backup"),
    ("html", "html", O.UNGRACEFUL_ERROR, "backup"),
]
"""(the primary, the backup, what it was, who is said to have answered)"""
STREAMED = [
    ("dies-at-once", O.EMPTY_SUCCESS, None),
    ("abort", O.TRUNCATED_STREAM, Kind.NO_TERMINATOR),
    ("clean-end", O.TRUNCATED_STREAM, Kind.NO_TERMINATOR),
    ("fabricated", O.TRUNCATED_STREAM, Kind.SILENT),
    ("error-inside", O.ERROR_IN_STREAM, None),
    ("stall", O.STALLED_STREAM, None),
    ("twice", O.CORRUPTED_STREAM, None),
]
"""After the first token no gateway fails over: (the primary, what it was, how it was cut)"""


async def test_every_fault_is_called_what_it_is_streamed_and_not(tmp_path):
    async with portkey(tmp_path) as gateway:
        for primary, backup, outcome, provider in EVERY_WAY:
            for stream in (True, False):
                judged = await gateway.ask(primary, backup, stream=stream)
                assert (judged.outcome, judged.served.provider) == (outcome, provider), (
                    primary,
                    backup,
                    stream,
                    judged,
                )


async def test_a_stream_that_breaks_off_is_called_by_the_way_it_broke(tmp_path):
    async with portkey(tmp_path) as gateway:
        for primary, outcome, kind in STREAMED:
            judged = await gateway.ask(primary)
            assert (judged.outcome, judged.kind) == (outcome, kind), (primary, judged)
            assert judged.served.provider == "openai"
        assert gateway.backup.hits == 0


async def test_what_it_says_when_both_are_dead_gives_away_addresses_and_errors(tmp_path):
    async with portkey(tmp_path) as gateway:
        judged = await gateway.ask("reset", "reset")

    assert {"html-message", "exception-name"} <= set(judged.leaks)


@pytest.mark.parametrize("stream", [True, False])
async def test_a_gateway_that_was_killed_is_unreachable(tmp_path, stream):
    async with portkey(tmp_path) as gateway:
        await gateway.ask("ok", stream=stream)

    probe = CompletionProbe(gateway.probe.url, Dialect.OPENAI_CHAT, "m", Completions(), Clock())
    heard = await probe.ask(r.ASKED, stream=stream)

    assert judge(heard, r.ASKED, r.expected("portkey")).outcome is O.GATEWAY_UNREACHABLE
