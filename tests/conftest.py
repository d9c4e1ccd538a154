"""What every test has: the shared control plane, and the promise to leave nothing behind."""

import asyncio
import functools
import inspect
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, settings

from tests.support.controlplane import CONTROLLERS, ControlPlane
from tests.support.eventually import eventually

pytest_plugins = ["tests.shards"]

# The gate tells the same stories every time: a change is not to blame for a story that nobody had told before it.
# `make laws` looks for new ones. How long a story takes, on a machine that is busy with other things, is no law.
FAIR = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("gate", max_examples=30, derandomize=True, **FAIR)  # type: ignore[arg-type]
settings.register_profile("search", max_examples=1_000, **FAIR)  # type: ignore[arg-type]
settings.load_profile(os.environ.get("LAWS", "gate"))


@pytest.fixture(scope="session")
def cluster() -> Iterator[ControlPlane]:
    """One control plane for all tests that need no own: make your own namespaces in it.

    What a test grants at cluster scope it takes away again.
    """
    with ControlPlane(controllers=CONTROLLERS) as shared:
        yield shared


@pytest.fixture(autouse=True)
def _no_process_left_behind() -> Iterator[None]:
    """A server that outlives its test is a leak here, and would be one in the product."""
    before = children()
    yield
    try:
        # Who was killed takes a moment to be gone.
        eventually(lambda: not children() - before, 5.0)
    except TimeoutError:
        names = ", ".join(sorted(name_of(pid) for pid in children() - before))
        pytest.fail(f"child processes left behind: {names}")


@pytest.fixture(autouse=True)
def _no_log_configured_for_the_next() -> Iterator[None]:
    """A command that runs within a test configures the log of the whole process."""
    yield
    structlog.reset_defaults()


def pytest_configure() -> None:
    # pytest-asyncio asks for "the" loop before it brings its own; asyncio would then
    # make one, which nobody closes. After this it says that there is none.
    asyncio.set_event_loop(None)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    test = getattr(item, "obj", None)
    if inspect.iscoroutinefunction(test):
        item.obj = leaving_no_task(test)  # type: ignore[attr-defined]


def leaving_no_task(test: Any) -> Any:
    """The test, failing when a task that it started is still there at its end.

    It has to be seen from inside: the runner cancels what is left without a word.
    """

    @functools.wraps(test)
    async def watched(*args: Any, **kwargs: Any) -> None:
        before = asyncio.all_tasks()
        await test(*args, **kwargs)
        await asyncio.sleep(0)  # a task cancelled in the last line ends in the next turn
        if left := asyncio.all_tasks() - before:
            names = ", ".join(sorted(task.get_name() for task in left))
            pytest.fail(f"asyncio tasks left behind: {names}")

    return watched


def children() -> set[int]:
    """The process ids of our direct children, also the dead that nobody has waited for.

    Looked at twice: the children of a thread that ends are handed to another one, which may have been read already.
    """
    looks = (Path("/proc/self/task").glob("*/children") for _ in range(2))
    return {int(pid) for files in looks for file in files for pid in read(file).split()}


def name_of(pid: int) -> str:
    return read(Path(f"/proc/{pid}/cmdline")).replace("\0", " ").strip()[:80] or str(pid)


def read(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:  # a thread or process that ended meanwhile
        return ""
