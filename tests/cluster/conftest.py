"""What the tests of this folder share: servers that outlive a test, and may be restarted by it."""

from collections import Counter
from collections.abc import Iterator

import pytest

from tests import conftest


@pytest.fixture(autouse=True)
def _no_process_left_behind() -> Iterator[None]:
    """By command line, not by process id: a server that a test stopped and started again is the same one."""
    before = Counter(map(conftest.name_of, conftest.children()))
    yield
    left = Counter(map(conftest.name_of, conftest.children())) - before
    if left:
        pytest.fail(f"child processes left behind: {', '.join(sorted(left))}")
