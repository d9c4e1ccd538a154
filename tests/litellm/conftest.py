"""A litellm proxy is 750 MB of packages: `make test-litellm` runs these, `make test` does not."""

import os
from collections.abc import Iterator

import pytest

from sentinel.probes import completion

collect_ignore_glob = [] if os.environ.get("LITELLM") == "real" else ["test_*.py"]


@pytest.fixture(autouse=True)
def _on_a_busy_machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Our own loop is late there now and then, which nothing here is about."""
    monkeypatch.setattr(completion, "LATE", 60.0)
    yield
