"""Eternal tasks: a task that returns is an error, not a silence. All have names."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from sentinel.errors import SentinelError


class TaskEndedError(SentinelError):
    """A task that should run until it is cancelled came back by itself."""


async def forever(name: str, task: Callable[[], Awaitable[None]]) -> None:
    """Run a task that must not return. Raises TaskEndedError when it does.

    A TaskGroup does not notice a task that merely returns, so this is said here.
    """
    await task()
    raise TaskEndedError(f"task {name!r} returned, expected it to run until it is stopped")


Start = Callable[[str, Callable[[], Awaitable[None]]], None]


@asynccontextmanager
async def running() -> AsyncIterator[Start]:
    """Gives a function that starts an eternal task under a human name; all end with the block.

    When one of them fails or returns, the block is cancelled and an ExceptionGroup says why.
    """
    started: list[asyncio.Task[None]] = []
    async with asyncio.TaskGroup() as group:

        def start(name: str, task: Callable[[], Awaitable[None]]) -> None:
            started.append(group.create_task(forever(name, task), name=name))

        try:
            yield start
        finally:
            for task in started:
                task.cancel()
