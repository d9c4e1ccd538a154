"""When the page drill's turns come, hours of it on virtual time, and what is left of one that is stopped."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from sentinel.clients.clock import Clock
from sentinel.core.page import Alert, Page, Sender
from sentinel.core.paging.formula import Path
from sentinel.core.paging.page_drill import RECEIVER, Health, Limits, Result
from sentinel.joins.page_drill import PageDrill
from sentinel.sinks.page_path_metrics import PagePathMetrics

pytestmark = [pytest.mark.asyncio, pytest.mark.looptime]


class Told:
    """A pager that remembers."""

    def __init__(self) -> None:
        self.said: list[tuple[str, Page | None]] = []

    def pass_on(self, alert: Alert, _: object, page: Page) -> None:
        self.said.append((alert.value, page))

    def over(self, alert: Alert, *_: object) -> None:
        self.said.append((alert.value, None))


class Turns(PageDrill):
    """One whose runs end at once, one after the other as they are given; the last one goes on."""

    results: Sequence[Result] = ()
    began: list[float]

    async def drill(self) -> None:
        """At which second, and how it ends."""
        now = asyncio.get_running_loop().time()
        result = self.results[min(len(self.began), len(self.results) - 1)]
        self.began.append(now)
        for path in Path:
            self.healths[path] = self.healths[path].after(result, now)


def made(kind: type[PageDrill] = Turns, *, healths: dict[Path, Health] | None = None, every: float = 900) -> Any:
    registry, pager = CollectorRegistry(), Told()
    known = healths or dict.fromkeys(Path, Health())
    found: Any = kind(
        ("http://127.0.0.1:9",),
        every,
        60,
        Limits(60, 120),
        Sender("tests", "sentinel-system", "witness"),
        pager,  # type: ignore[arg-type]  # one that remembers
        PagePathMetrics(registry, Clock()),
        Clock(),
        known,
    )
    found.began, found.registry, found.told = [], registry, pager
    return found


async def begins(found: Any, until: float) -> list[float]:
    start = asyncio.get_running_loop().time()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(until):
            await found.run()
    return [round(at - start) for at in found.began]


@pytest.mark.parametrize(
    ("results", "turns"),
    [
        ([Result.ARRIVED], [60, 960, 1860]),
        ([Result.LOST, Result.ARRIVED], [60, 120, 1020, 1920]),
        ([Result.LATE, Result.LOST, Result.LOST, Result.ARRIVED], [60, 120, 180, 240, 1140]),
    ],
)
async def test_a_drill_waits_for_its_turn_and_after_one_that_failed_a_minute(
    results: list[Result], turns: list[int]
) -> None:
    found = made()
    found.results = results

    assert await begins(found, 2000) == turns


async def test_no_drill_begins_before_the_end_of_the_last_one_can_have_been_told() -> None:
    found = made(every=10)
    found.results = [Result.ARRIVED]

    assert await begins(found, 200) == [60, 120, 180]


async def test_a_changed_file_does_not_end_the_page_about_a_broken_way() -> None:
    broken = Health().after(Result.LOST, 1000).after(Result.LOST, 1100)
    found = made(healths={Path.RULE: broken, Path.PUSH: Health()})
    found.results = [Result.LOST]

    await begins(found, 1)

    ((alert, page),) = found.told.said
    assert (alert, page.labels["broken"], page.starts_at) == ("SentinelPagePathBroken", "rule", 1000)


async def test_what_is_broken_by_push_alone_is_not_pushed() -> None:
    broken = Health().after(Result.LOST, 1000).after(Result.LOST, 1100)
    found = made(healths={Path.RULE: Health(), Path.PUSH: broken})
    found.results = [Result.LOST]

    await begins(found, 1)

    assert found.told.said == []


async def test_a_drill_that_is_stopped_is_taken_back() -> None:
    found = made(PageDrill)
    task = asyncio.create_task(found.drill())
    while not found.registry.get_sample_value("sentinel_page_drill"):
        await asyncio.sleep(0)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert found.registry.get_sample_value("sentinel_page_drill") == 0
    assert [(alert, page is not None) for alert, page in found.told.said] == [
        ("SentinelPageDrill", True),
        ("SentinelPageDrill", False),
    ]
    labels = found.told.said[0][1].labels
    assert (labels["severity"], labels["drill"], labels["path"]) == ("none", "page-path", "push")


def posted(number: int, path: str = "push") -> dict[str, Any]:
    labels = {"alertname": "SentinelPageDrill", "drill": "page-path", "path": path}
    return {"alerts": [{"status": "firing", "labels": labels, "annotations": {"drill_run": str(number)}}]}


async def test_only_the_message_of_this_run_counts_and_only_while_it_is_waited_for() -> None:
    found = made(PageDrill)
    found.posted = True
    task = asyncio.create_task(found.drill())
    while not found.registry.get_sample_value("sentinel_page_drill"):
        await asyncio.sleep(0)
    by_push, by_rule = (found.runs[path] for path in (Path.PUSH, Path.RULE))

    found.take(posted(by_push.number - 1))
    found.take(posted(by_rule.number))
    assert not found.runs[Path.PUSH].seen

    found.take(posted(by_push.number))
    assert RECEIVER in found.runs[Path.PUSH].seen

    found.limits = Limits(60, 0)
    await task
    found.take(posted(by_rule.number, "rule"))
    assert not found.runs[Path.RULE].seen
