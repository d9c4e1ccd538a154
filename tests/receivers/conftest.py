"""One Alertmanager for the whole folder; each test forgets what came before it."""

import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.receivers.desk import KINDS, Desk, desk


@pytest.fixture(scope="package")
def open_desk() -> Iterator[Desk]:
    with tempfile.TemporaryDirectory(prefix="sentinel-receivers-") as folder, desk(Path(folder), *KINDS) as here:
        yield here


@pytest.fixture
def here(open_desk: Desk) -> Desk:
    open_desk.begin(next(_NUMBERS))
    return open_desk


_NUMBERS = itertools.count()
