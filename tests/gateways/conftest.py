"""One real gateway for all tests of a file that do not kill it."""

from collections.abc import Iterator

import pytest

from sentinel.probes import completion
from tests.support.portkey import Portkey, portkey


@pytest.fixture(scope="module")
def gateway(tmp_path_factory) -> Iterator[Portkey]:
    with portkey(tmp_path_factory.mktemp("portkey")) as running:
        yield running


@pytest.fixture(autouse=True)
def _on_a_busy_machine(monkeypatch):
    """Our own loop is late there now and then, which nothing here is about."""
    monkeypatch.setattr(completion, "LATE", 60.0)
