"""Child processes end with the show, whatever they think of it."""

import os
import sys
from pathlib import Path

import pytest

from sentinel.demo.programs import running
from sentinel.errors import OwnFault
from tests.support.eventually import eventually

DEAF = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
time.sleep(600)
"""


def command(code: str) -> list[str]:
    return [sys.executable, "-c", code]


async def test_one_that_runs_is_ended_when_the_block_is_left(tmp_path: Path) -> None:
    async with running("sleeper", command("import time; time.sleep(600)"), tmp_path / "log", {}) as one:
        one.must_run()

    with pytest.raises(OwnFault, match="sleeper ended with -15"):
        one.must_run()


async def test_one_that_ends_by_itself_is_told_with_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(OwnFault, match=r"(?s)speaker ended with 3; it said:.*no such planet"):
        async with running(
            "speaker",
            command("import sys; print('no such planet'); sys.exit(3)"),
            tmp_path / "log",
            {},
        ) as one:
            await one._process.wait()
            one.must_run()


async def test_one_that_is_deaf_to_sigterm_is_killed_with_all_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sentinel.demo.programs._PATIENCE_SECONDS", 0.2)
    log = tmp_path / "log"

    async with running("deaf", command(DEAF), log, dict(os.environ)):
        eventually(lambda: log.read_text().strip(), 10)

    grandchild = int(log.read_text())
    eventually(lambda: not is_alive(grandchild), 5, "the grandchild is gone")


async def test_its_environment_is_what_it_was_given(tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with running("env", command("import os; print(sorted(os.environ))"), log, {"ONLY": "this"}) as one:
        await one._process.wait()

    assert "ONLY" in log.read_text()
    assert "HOME" not in log.read_text()


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"
