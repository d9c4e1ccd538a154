"""Portkey, the real gateway, in front of whatever providers a test names in each question.

with portkey(folder) as gateway:
    heard = await gateway.ask("http://127.0.0.1:PORT/hang/stream/v1", backup, stream=True)
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sentinel.clients.clock import Clock
from sentinel.clients.completions import Completions
from sentinel.core.gateway.completion import Deadlines, Heard
from sentinel.core.gateway.dialect import Dialect
from sentinel.probes.completion import CompletionProbe
from tests.core.gateway import recorded as r
from tests.parts import find
from tests.support.child import Child
from tests.support.listening import listening
from tests.support.ports import free_port

PATIENT = Deadlines(connect=20.0, first_token=60.0, idle=60.0, total=60.0)
"""For what comes, however busy this machine is."""
QUICK = Deadlines(connect=20.0, first_token=8.0, idle=2.0, total=8.0)
"""For what never comes."""


def config(providers: Sequence[str], waits: float = 30.0) -> str:
    """Its header: the first provider, and those that it falls back on after so many seconds without headers."""
    targets = [
        {"provider": "openai", "api_key": "k", "custom_host": url, "request_timeout": int(waits * 1000)}
        for url in providers
    ]
    return json.dumps({"strategy": {"mode": "fallback"}, "targets": targets})


@dataclass(frozen=True)
class Portkey:
    """The running gateway."""

    url: str
    child: Child

    async def ask(self, *providers: str, stream: bool, waits: float = 30.0, deadlines: Deadlines = PATIENT) -> Heard:
        """One question, by the real probe. The providers' addresses end in `/v1`."""
        probe = CompletionProbe(
            url=self.url,
            dialect=Dialect.OPENAI_CHAT,
            model="m",
            completions=Completions(),
            clock=Clock(),
            headers={"x-portkey-config": config(providers, waits)},
            deadlines=deadlines,
        )
        return await probe.ask(r.ASKED, stream=stream)


@contextmanager
def portkey(folder: Path) -> Iterator[Portkey]:
    """Runs until the block ends."""
    port = free_port()
    child = Child([find("portkey-gateway"), f"--port={port}", "--headless"], folder / "portkey.log")
    try:
        listening(port, child)
        yield Portkey(f"http://127.0.0.1:{port}/v1/chat/completions", child)
    finally:
        child.terminate()
