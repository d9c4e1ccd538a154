"""Slots on virtual time: an open loop that skips and never drifts, and knows whether it gets on."""

import asyncio

import pytest

from sentinel.clients.clock import Clock
from sentinel.engine import scheduler, tasks
from sentinel.engine.scheduler import Scheduler
from sentinel.engine.tasks import TaskEndedError

pytestmark = [pytest.mark.asyncio, pytest.mark.looptime(start=1000.0)]


class LoopClock(Clock):
    """The loop's own time, which looptime moves."""

    def wall(self):
        return asyncio.get_running_loop().time()

    def monotonic(self):
        return asyncio.get_running_loop().time()


class Run:
    """A scheduler whose rounds take as long as the test says; keeps when each began."""

    def __init__(self, every=10.0, offset=0.0, took=lambda slot: 0.0) -> None:
        self.every, self.took = every, took
        self.began: list[float] = []
        self.slots: list[int] = []
        self.skipped: list[int] = []
        self.late: list[float] = []
        self.failed = 0
        self.scheduler = Scheduler(
            round_=self.round,
            every=lambda: self.every,
            offset=offset,
            clock=LoopClock(),
            skipped=self.skipped.append,
            late=self.late.append,
            failed=self.fail,
        )

    async def round(self, slot):
        self.began.append(round(asyncio.get_running_loop().time() - 1000.0, 6))
        self.slots.append(slot)
        took = self.took(len(self.slots))
        if took is None:
            raise RuntimeError("our own bug")
        await asyncio.sleep(took)

    def fail(self):
        self.failed += 1

    async def for_seconds(self, seconds):
        try:
            async with asyncio.timeout(seconds):
                await self.scheduler.run()
        except TimeoutError:
            return


async def test_a_round_begins_in_every_slot():
    run = Run()

    await run.for_seconds(45)

    assert run.began == [0, 10, 20, 30, 40]
    assert [b - a for a, b in zip(run.slots, run.slots[1:], strict=False)] == [1] * 4
    assert sum(run.skipped) == 0


async def test_the_first_slot_is_at_our_own_offset_and_the_others_keep_it():
    run = Run(offset=3.7)

    await run.for_seconds(30)

    assert run.began == [3.7, 13.7, 23.7]


async def test_the_time_a_round_takes_does_not_move_the_next():
    run = Run(took=lambda _: 9.9)

    await run.for_seconds(45)

    assert run.began == [0, 10, 20, 30, 40]


async def test_a_slow_round_skips_slots_counts_them_and_never_drifts():
    run = Run(took=lambda number: 25.0 if number == 2 else 1.0)

    await run.for_seconds(65)

    assert run.began == [0, 10, 40, 50, 60]
    assert sum(run.skipped) == 2
    assert run.slots[2] - run.slots[1] == 3, "the slot's number tells how much is owed"


async def test_after_an_hour_of_slow_rounds_the_slots_are_where_they_were():
    run = Run(offset=1.25, took=lambda number: (number * 7) % 31)

    await run.for_seconds(3600)

    assert {round(at % 10, 6) for at in run.began} == {1.25}
    assert len(run.began) + sum(run.skipped) == run.slots[-1] - run.slots[0] + 1


async def test_an_exception_in_a_round_ends_that_round_alone(caplog):
    run = Run(took=lambda number: None if number in (1, 3) else 0.0)

    await run.for_seconds(45)

    assert run.began == [0, 10, 20, 30, 40]
    assert run.failed == 2


async def test_a_changed_period_begins_a_new_count_after_the_slot_that_was_due():
    run = Run()

    async def change():
        await asyncio.sleep(25)
        run.every = 4.0

    async with asyncio.TaskGroup() as group:
        group.create_task(change())
        await run.for_seconds(48)

    assert run.began[:3] == [0, 10, 20]
    assert run.began[3:] == [30, 34, 38, 42, 46]
    assert run.slots == sorted(set(run.slots)), "numbers go on, so that rotations know what is owed"


async def test_a_round_is_late_by_what_its_slot_had_passed():
    run = Run()

    await run.for_seconds(25)

    assert run.late == [0.0, 0.0, 0.0]


async def test_progress_is_a_round_completed_in_the_last_three_periods_and_a_grace():
    run = Run(took=lambda number: 0.0 if number < 4 else 10_000.0)

    task = asyncio.ensure_future(run.for_seconds(150))
    await asyncio.sleep(79)
    before, words = run.scheduler.progress()
    await asyncio.sleep(2)
    after, _ = run.scheduler.progress()
    await task

    assert (before, after) == (True, False), "last completed at 20 s; three periods and 30 s later is 80 s"
    assert words.startswith("last round completed")


async def test_rounds_that_only_fail_are_no_progress():
    run = Run(took=lambda _: None)

    await run.for_seconds(100)

    assert run.scheduler.progress()[0] is False


async def test_a_cancelled_scheduler_stops_in_the_middle_of_a_round():
    run = Run(took=lambda _: 1000.0)

    await run.for_seconds(5)

    assert run.failed == 0


async def test_the_loops_own_lag_is_measured():
    class Late(LoopClock):
        lag = 0.0

        def monotonic(self):
            return super().monotonic() + self.lag

    seen: list[float] = []
    clock = Late()
    task = asyncio.ensure_future(scheduler.measure_lag(clock, seen.append, 0.5))
    await asyncio.sleep(1.1)
    clock.lag = 3.0
    await asyncio.sleep(0.5)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert seen[:2] == [0.0, 0.0]
    assert seen[2] == pytest.approx(3.0)


async def test_a_task_that_returns_is_an_error_and_stops_its_group():
    async def returns():
        await asyncio.sleep(5)

    stopped = []

    async def eternal():
        try:
            await asyncio.Event().wait()
        finally:
            stopped.append(asyncio.get_running_loop().time())

    with pytest.raises(ExceptionGroup) as caught:
        async with tasks.running() as start:
            start("rounds", returns)
            start("pages", eternal)
            await asyncio.sleep(1000)

    assert caught.group_contains(TaskEndedError, match="task 'rounds' returned")
    assert stopped == [1005.0]


async def test_a_task_that_fails_says_why():
    async def fails():
        raise OSError("disk")

    with pytest.raises(ExceptionGroup) as caught:
        async with tasks.running() as start:
            start("journal", fails)
            await asyncio.sleep(1000)

    assert caught.group_contains(OSError, match="disk")


async def test_tasks_have_their_names_and_end_with_the_block():
    async def eternal():
        await asyncio.Event().wait()

    async with tasks.running() as start:
        start("rounds", eternal)
        await asyncio.sleep(0)
        names = {task.get_name() for task in asyncio.all_tasks()}

    assert "rounds" in names
    assert "rounds" not in {task.get_name() for task in asyncio.all_tasks()}
