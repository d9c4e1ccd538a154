"""What the tests of this folder share: servers that outlive a test, and may be restarted by it."""

import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import conftest
from tests.cluster.ground import Ground, prepared
from tests.cluster.lookout import Lookout
from tests.cluster.matrix.tally import TALLY
from tests.cluster.netmatrix.tally import NET_TALLY
from tests.cluster.town import Town
from tests.deploy import chart
from tests.support import proxy


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All quiet is tested first of what shares the town: the others leave their history in it."""
    quiet = [item for item in items if item.path.name == "test_quiet.py"]
    others = [item for item in items if item not in quiet]
    towns = (number for number, item in enumerate(others) if "town" in getattr(item, "fixturenames", ()))
    first = next(towns, len(others))
    items[:] = [*others[:first], *quiet, *others[first:]]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What the matrices found, also when all of it is well."""
    for line in filter(None, (TALLY.line, NET_TALLY.line)):
        terminalreporter.write_line(line)


@pytest.fixture(autouse=True)
def _no_process_left_behind() -> Iterator[None]:
    """By command line, not by process id: a server that a test stopped and started again is the same one."""
    before = Counter(map(conftest.name_of, conftest.children()))
    yield
    left = Counter(map(conftest.name_of, conftest.children())) - before
    if left:
        pytest.fail(f"child processes left behind: {', '.join(sorted(left))}")


@pytest.fixture(scope="package")
def town() -> Iterator[Town]:
    """Five tenants under watch. A test that breaks something mends it, and waits until it is seen."""
    with Town() as built:
        yield built


@pytest.fixture(scope="package")
def ground() -> Iterator[Ground]:
    with prepared() as made:
        yield made


@pytest.fixture
def scene(ground: Ground) -> Iterator[Ground]:
    """The ground with a fresh sentinel, in process; an honest front again when the test is over."""
    with tempfile.TemporaryDirectory(prefix="sentinel-scene-") as folder:
        config = chart.configuration(ground.objects, "team-a")
        ground.look = Lookout(ground.cluster, Path(folder), config, namespace="team-a", server=ground.front)
        yield ground
        ground.front.fault = proxy.passes
