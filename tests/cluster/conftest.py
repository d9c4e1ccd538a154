"""What the tests of this folder share: servers that outlive a test, and may be restarted by it."""

import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import conftest
from tests.cluster.ground import Ground, prepared
from tests.cluster.lookout import Lookout
from tests.cluster.town import Town
from tests.deploy import chart
from tests.support import proxy

HERE = Path(__file__).parent


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What lives in the town comes last: five sentinels would run beside all the others, and make them late.

    All quiet is tested first of it: the others leave their history in the town.
    """
    ours = iter(sorted((item for item in items if item.path.parent == HERE), key=place_of))
    items[:] = [next(ours) if item.path.parent == HERE else item for item in items]


def place_of(item: pytest.Item) -> int:
    if "town" not in getattr(item, "fixturenames", ()) or item.path.name == "test_network.py":  # it has its own
        return 0
    return 1 if item.path.name == "test_quiet.py" else 2


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
