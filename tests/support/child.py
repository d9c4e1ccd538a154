"""A server as our own child process: its log, its end, and what it has cost so far."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
PATIENCE = 20.0
"""Seconds that a server gets to end after SIGTERM before the test has failed."""


class Child:
    """One process, started at once; output goes to `log`, appended over restarts."""

    def __init__(
        self,
        command: Sequence[str | Path],
        log: Path,
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self.name = Path(command[0]).name
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=cwd,
                env=dict(env) if env is not None else None,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative: the signal that ended it."""
        return self._process.poll()

    def must_run(self) -> None:
        """Raises with the end of the log when the process has ended by itself."""
        if (code := self.exit_code) is not None:
            raise RuntimeError(f"{self.name} ended with {code}:\n{self.log_tail()}")

    def log_tail(self, lines: int = 25) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def terminate(self, within: float = PATIENCE) -> float:
        """SIGTERM; the seconds it took to end, TimeoutError (after SIGKILL) if it does not."""
        started = time.monotonic()
        self._process.terminate()
        try:
            self._process.wait(within)
        except subprocess.TimeoutExpired:
            self.kill()
            raise TimeoutError(f"{self.name} still ran {within:g} s after SIGTERM:\n{self.log_tail()}") from None
        return time.monotonic() - started

    def wait(self, within: float) -> int:
        """Its exit code once it has ended by itself; subprocess.TimeoutExpired if it does not."""
        return self._process.wait(within)

    def kill(self) -> None:
        """SIGKILL, and waits until it is gone; no error if it already was."""
        self._process.kill()
        self._process.wait()

    def pause(self) -> None:
        """SIGSTOP: alive, and doing nothing."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def cpu_seconds(self) -> float:
        """User and system time since it started."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def resident_mib(self) -> float:
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
