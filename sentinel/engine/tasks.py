"""Eternal tasks: a task that returns is an error, not a silence. All have names."""

import asyncio
from collections.abc import Awaitable, Callable

from sentinel.errors import SentinelError


class TaskEndedError(SentinelError):
    """A task that should run until it is cancelled came back by itself."""


async def forever(name: str, task: Callable[[], Awaitable[None]]) -> None:
    """Run a task that must not return. Raises TaskEndedError when it does.

    A TaskGroup does not notice a task that merely returns, so this is said here.
    """
    await task()
    raise TaskEndedError(f"task {name!r} returned, expected it to run until it is stopped")


def start(group: asyncio.TaskGroup, name: str, task: Callable[[], Awaitable[None]]) -> None:
    """Start an eternal task under a human name."""
    group.create_task(forever(name, task), name=name)
