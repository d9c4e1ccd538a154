"""Child processes that end with us: their own session, their output in a file, SIGTERM and then worse.

A session of their own keeps the Ctrl-C of the terminal from them: it is for us, and we end them
in order.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

from sentinel.errors import OwnFault

_PATIENCE_SECONDS = 6.0
"""A sentinel ends within five seconds of SIGTERM; what takes longer is killed."""
_TAIL = 5


@contextlib.asynccontextmanager
async def running(name: str, command: Sequence[str], log: Path, env: Mapping[str, str]) -> AsyncIterator[Program]:
    """Starts `command` with its output in `log`; it has ended when the block is left."""
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=dict(env),
            cwd=log.parent,
            start_new_session=True,
        )
    program = Program(name, process, log)
    try:
        yield program
    finally:
        await program.end()


class Program:
    """A child process that was started."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, log: Path) -> None:
        """`log` is where its output goes."""
        self.name = name
        self.log = log
        self._process = process

    def must_run(self) -> None:
        """Raises OwnFault, with its last lines, if it runs no more."""
        if self._process.returncode is not None:
            lines = self.log.read_text(errors="replace").splitlines()[-_TAIL:]
            said = "\n".join(lines) or "nothing"
            raise OwnFault(f"{self.name} ended with {self._process.returncode}; it said:\n{said}")

    async def end(self) -> None:
        """SIGTERM, and SIGKILL to it and all it started when that is not enough."""
        if self._process.returncode is None:
            self._process.terminate()
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await self._process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            await self._process.wait()
