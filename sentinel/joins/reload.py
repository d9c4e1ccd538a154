"""The configuration file while it lasts: looked at, validated first, swapped whole, refused with a line.

A ConfigMap arrives by exchange of a link and without a signal, so the file is looked at every two
seconds; SIGHUP does it at once. A wrong file changes nothing but a metric and a log line.
"""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from sentinel import logs
from sentinel.settings import Settings, config_hash, examine

LOOK_SECONDS = 2.0
"""How often the configuration file is looked at."""

_ANOTHER = "relay: the file of a witness and that of a tenant's sentinel were exchanged"
_log = structlog.get_logger()


@dataclass
class Configured:
    """The settings in effect. `note` is told of each new file: whether it is taken, and its hash."""

    path: Path
    environ: Mapping[str, str]
    settings: Settings
    note: Callable[[bool, int], None]
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    hup: asyncio.Event = field(default_factory=asyncio.Event)
    _seen: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        """The file as it is now is the one that was taken."""
        self._seen = self._mark()
        self.note(True, self._seen)  # a callback has no names

    def listen_to_signals(self) -> None:
        """SIGTERM and SIGINT end, SIGHUP has the file read again."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.end)
        loop.add_signal_handler(signal.SIGHUP, self.hup.set)

    def end(self) -> None:
        """Stop waiting, for good."""
        self.stop.set()
        self.hup.set()

    async def until_stopped_or_changed(self) -> None:
        """Return when there are new settings, or when it is over."""
        while not self.stop.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self.hup.wait()
            if not self.stop.is_set() and self._take(forced=self.hup.is_set()):
                return

    def _take(self, *, forced: bool) -> bool:
        """Validate first, swap whole; keep the old one when the new one is wrong, and say so once."""
        self.hup.clear()
        if self._mark() == self._seen and not forced:
            return False
        self._seen = self._mark()
        examined = examine(self.path, self.environ)
        problems = [str(problem) for problem in examined.problems]
        if examined.settings is None or examined.settings.is_witness != self.settings.is_witness:
            self.note(False, examined.hash)
            _log.error("config.refused", path=str(self.path), problems=problems or [_ANOTHER])
            return False
        self.settings = examined.settings
        logs.configure(self.settings.log.level, self.settings.log.format)
        self.note(True, examined.hash)
        _log.info("config.taken", path=str(self.path), hash=examined.hash)
        return True

    def _mark(self) -> int:
        """What tells one state of the file from another; 0 while it cannot be read."""
        try:
            return config_hash(self.path)
        except OSError:
            return 0
