"""What runs beside what when `make test` shares the suite out to workers, a unit at a time.

    worker 1   cluster .......................................... | core/...
    worker 2   deploy ... | paging/test_truth.py | wire/test_kills.py | alerts/test_blind.py | ... | core/...
    worker 3   paging/test_notify.py | wire/test_ledger.py | alerts/test_breach.py | ... | core/...

The tests of a unit stay together and in their order: they share a server that takes long to start, or they
would be late beside one another. All that lives by the clock with a control plane of its own is one unit: two of
them side by side take both cores, and each is late. Long units are given out first, files of short tests last, so
that all workers end at once.
"""

import contextlib
import os
import random
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.cluster.matrix.tally import TALLY
from tests.cluster.netmatrix.tally import NET_TALLY

FIRST = ("tests/cluster", "tests/deploy", "tests/paging", "tests/wire", "tests/alerts", "tests/dashboards")
"""Folders with real servers, the longest units first."""
LAST = ("tests/engine", "tests/settings", "tests/core")
PRESSED = ("tests/cluster", "tests/paging", "tests/cli", "tests/wire/test_kills", "tests/wire/test_gateway")
"""Where lateness is measured, or ends a wait."""
POLITE = 5
"""The niceness of all the others: a third of their weight."""
_BASE = os.getpriority(os.PRIO_PROCESS, 0)

TOLD: list[str] = []
"""The tallies of the workers that are done."""


class Shards(LoadScopeScheduling):  # type: ignore[misc]  # it has no types
    """xdist's own scheduler with our units, in our order."""

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)


def unit_of(nodeid: str) -> str:
    """The name of what this test must not be torn from."""
    file = nodeid.partition("::")[0]
    match file.split("/"):
        case ["tests", "cluster" | "deploy" | "receivers" as folder, *_]:
            return f"tests/{folder}"
        case _:
            return file


def rank(nodeid: str) -> int:
    """Tests of a lower one are given out earlier."""
    folder = "/".join(nodeid.split("/")[:2])
    return FIRST.index(folder) if folder in FIRST else len(FIRST) + (folder in LAST)


def pytest_xdist_setupnodes() -> None:
    """Workers number the tests: tables that were made of sets must have one order in all of them."""
    os.environ.setdefault("PYTHONHASHSEED", str(random.getrandbits(32)))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Shards:
    config.option.loadscopereorder = False  # by the number of tests; `rank` knows better
    return Shards(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: rank(item.nodeid))


def tallies() -> list[str]:
    """What the matrices found in this process, a line for each that was played."""
    return [line for line in (TALLY.line, NET_TALLY.line) if line]


def pytest_runtest_logstart(nodeid: str) -> None:
    """Whoever lives by the clock gets a core when it wants one; the others take what is left."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        with contextlib.suppress(PermissionError):  # back again only as root
            os.setpriority(os.PRIO_PROCESS, 0, _BASE + POLITE * (not nodeid.startswith(PRESSED)))


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if (output := getattr(session.config, "workeroutput", None)) is not None:
        output["tallies"] = tallies()


def pytest_testnodedown(node: Any) -> None:
    TOLD.extend(getattr(node, "workeroutput", {}).get("tallies", ()))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What the matrices found, also when all of it is well."""
    for line in (*tallies(), *TOLD):
        terminalreporter.write_line(line)
