"""The check that every test carries sees what it is there to see."""

import asyncio
import subprocess

import pytest

from tests.conftest import children, leaving_no_task, name_of
from tests.support.eventually import eventually


async def test_a_task_left_behind_fails_its_test() -> None:
    started: list[asyncio.Task[None]] = []

    async def careless() -> None:
        started.append(asyncio.create_task(asyncio.sleep(60), name="lingering"))

    with pytest.raises(pytest.fail.Exception, match="lingering"):
        await leaving_no_task(careless)()
    started[0].cancel()


async def test_a_task_cancelled_in_the_last_line_does_not() -> None:
    async def careful() -> None:
        asyncio.create_task(asyncio.sleep(60)).cancel()

    await leaving_no_task(careful)()


def test_a_process_left_behind_is_seen_by_name() -> None:
    with subprocess.Popen(["sleep", "60"]) as lingering:
        try:
            assert lingering.pid in children()
            # A process has its new name a moment after it has its new program.
            eventually(lambda: name_of(lingering.pid) == "sleep 60", 5, "it is called by its command")
        finally:
            lingering.kill()
    assert lingering.pid not in children()
