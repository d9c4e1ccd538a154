"""The pictures of breaches: the newest few in a folder, for our own eyes.

They show what a page showed, and that may be what nobody should see. So only their owner can read
them, their number is bounded, and nothing else in the folder is ever touched.
"""

import contextlib
import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import structlog

from sentinel.core.gateway.chat_page import Judged

_OURS = re.compile(r"sentinel-[a-z0-9-]+-\d{8}T\d{6}\.\d{3}Z-[a-z_]+\.jpg")
_log = structlog.get_logger()


@dataclass(frozen=True)
class Album:
    """A folder, and how many pictures it holds at most."""

    folder: Path
    most: int

    def keep(self, gateway: str, judged: Judged, at: float, picture: bytes) -> str:
        """The name of the file, empty where it cannot be written, which the log says."""
        moment = datetime.fromtimestamp(at, UTC).strftime("%Y%m%dT%H%M%S.%f")[:-3]
        name = f"sentinel-{gateway}-{moment}Z-{judged.outcome.value}.jpg"
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._write(name, picture)
            self._forget()
        except OSError as error:
            _log.error("page.picture_lost", gateway=gateway, folder=str(self.folder), why=type(error).__name__)
            return ""
        return name

    def _write(self, name: str, picture: bytes) -> None:
        """Whole or not at all, and never through a link that somebody has put there."""
        half = self.folder / f".{name}"
        with contextlib.suppress(FileNotFoundError):
            half.unlink()
        handle = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(picture)
        half.replace(self.folder / name)

    def _forget(self) -> None:
        known = [entry.name for entry in self.folder.iterdir() if _OURS.fullmatch(entry.name)]
        known.sort(key=lambda name: name.rsplit("-", 2)[1])
        for name in known[: -self.most]:
            (self.folder / name).unlink(missing_ok=True)
