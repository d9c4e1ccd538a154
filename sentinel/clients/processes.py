"""What a process has started, and how much memory all of it takes, as /proc says."""

import contextlib
import os
import signal
from collections.abc import Collection
from pathlib import Path

PROC = Path("/proc")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def parent(pid: int) -> int:
    """Who started it; 0 where it is gone."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        # The name, in parentheses, may hold anything.
        return int((PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[1])
    return 0


def below(pid: int) -> frozenset[int]:
    """The processes that this one has started, and theirs, without itself."""
    parents = {int(entry.name): parent(int(entry.name)) for entry in PROC.iterdir() if entry.name.isdigit()}
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return frozenset(found - {pid})


def memory(pids: Collection[int]) -> int:
    """Bytes that these take together: what is their own, and the largest share of what they have in common."""
    sizes = [size for pid in pids if (size := _size(pid)) is not None]
    return sum(own for own, _ in sizes) + max((shared for _, shared in sizes), default=0)


def kill(pids: Collection[int]) -> None:
    """End them at once. Whoever became our child by that is waited for: as process 1 of a pod nobody else does."""
    for act in (lambda pid: os.kill(pid, signal.SIGKILL), lambda pid: os.waitpid(pid, os.WNOHANG)):
        for pid in pids:
            with contextlib.suppress(ProcessLookupError, ChildProcessError):
                act(pid)


def _size(pid: int) -> tuple[int, int] | None:
    with contextlib.suppress(OSError, ValueError, IndexError):
        _, resident, shared, *_ = map(int, (PROC / str(pid) / "statm").read_text().split())
        return (resident - shared) * _PAGE, shared * _PAGE
    return None
