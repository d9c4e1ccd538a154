"""The folder of receipts: each is on the disk before its wound is made, and stays until the wound is proved healed.

    RUN.json          the wound may be there
    RUN.healed.json   it was there, and is healed

A second drill beside an unhealed wound would measure the first one's: `standing` is asked before, and
`held` keeps two of them from asking at the same time.
"""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path

from sentinel.core.drill.fault import Receipt
from sentinel.errors import OwnFault

_HEALED = ".healed.json"


class Receipts:
    """One folder. All raise OwnFault for what the file system says."""

    def __init__(self, folder: Path) -> None:
        """It is made when it is needed."""
        self.folder = folder

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """For one drill at a time; raises OwnFault while another process has it."""
        with _told(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = (self.folder / "lock").open("w")
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise OwnFault(f"{self.folder}: another drill is running") from error
            yield

    def path(self, run: str) -> Path:
        """Where the receipt of this run is while its wound may be there."""
        return self.folder / f"{run}.json"

    def write(self, receipt: Receipt) -> Path:
        """Write it down; when this returns it survives a power cut."""
        path = self.path(receipt.run)
        text = json.dumps(receipt.as_json(), indent=2) + "\n"
        with _told(path):
            fresh = path.with_suffix(".new")
            with fresh.open("w") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(path)
            self._settle()
        return path

    def heal(self, path: Path) -> Path:
        """Note that its wound is gone. One that was healed before stays as it is."""
        if path.name.endswith(_HEALED) or not path.exists():
            return path
        healed = path.with_name(path.name.removesuffix(".json") + _HEALED)
        with _told(path):
            path.replace(healed)
            self._settle()
        return healed

    def standing(self) -> tuple[Path, ...]:
        """The receipts whose wounds may be there, the oldest name first."""
        with _told(self.folder):
            found = sorted(self.folder.glob("*.json")) if self.folder.is_dir() else []
        return tuple(path for path in found if not path.name.endswith(_HEALED))

    def _settle(self) -> None:
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def read(path: Path) -> Receipt:
    """The receipt in this file. Raises OwnFault for what is none."""
    with _told(path):
        text = path.read_text("utf-8")
    try:
        return Receipt.of_json(json.loads(text))
    except (ValueError, TypeError, KeyError) as error:
        raise OwnFault(f"{path}: no receipt of a drill") from error


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, UnicodeDecodeError) as error:
        raise OwnFault(f"{path}: {getattr(error, 'strerror', None) or type(error).__name__}") from error
