"""What a process has started, and how much memory all of it takes, as /proc says.

A number may be given to another process as soon as one is gone, so a process is its number and the
moment of its start.
"""

import contextlib
import os
import signal
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

PROC = Path("/proc")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Process(NamedTuple):
    """One process, dead or alive, that somebody has yet to wait for."""

    pid: int
    started: int  # clock ticks since the machine began


def below(*above: int) -> frozenset[Process]:
    """The processes that these have started, and theirs, without themselves."""
    numbers = (int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit())
    known = [known for number in numbers if (known := _read(number)) is not None]
    pids, found = set(above), set[Process]()
    while more := {process for process, parent_ in known if parent_ in pids} - found:
        found |= more
        pids |= {process.pid for process in more}
    return frozenset(process for process in found if process.pid not in above)


def parent(process: Process) -> int:
    """Who has to wait for it; 0 where it is gone."""
    found = _read(process.pid)
    return found[1] if found is not None and found[0] == process else 0


def there(processes: Collection[Process]) -> frozenset[Process]:
    """Those that are not gone."""
    return frozenset(process for process in processes if parent(process))


def memory(processes: Collection[Process]) -> int:
    """Bytes that these take together: what is their own, and the largest share of what they have in common."""
    sizes = [size for process in processes if (size := _size(process.pid)) is not None]
    return sum(own for own, _ in sizes) + max((shared for _, shared in sizes), default=0)


def kill(processes: Collection[Process]) -> None:
    """End them at once."""
    for process in there(processes):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)


def reap(processes: Collection[Process]) -> frozenset[Process]:
    """Wait for the dead among these that became our children: as process 1 of a pod nobody else does.

    Gives those that are still there, to be looked at again: one dies, and comes to us, in its own time.
    """
    for process in processes:
        if parent(process) == os.getpid():
            with contextlib.suppress(ChildProcessError):
                os.waitpid(process.pid, os.WNOHANG)
    return there(processes)


def _read(pid: int) -> tuple[Process, int] | None:
    """The process of this number, and its parent's."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        # The name, in parentheses, may hold anything. What follows it: state, parent, ..., the start as the 20th.
        words = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        return Process(pid, int(words[19])), int(words[1])
    return None


def _size(pid: int) -> tuple[int, int] | None:
    with contextlib.suppress(OSError, ValueError, IndexError):
        _, resident, shared, *_ = map(int, (PROC / str(pid) / "statm").read_text().split())
        return (resident - shared) * _PAGE, shared * _PAGE
    return None
