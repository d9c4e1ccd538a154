"""From a breach's record to the webhook, without the API server: one at a time, and five hundred at once."""

import asyncio
import contextlib
import statistics
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

from sentinel.clients.alertmanager import Alertmanagers
from sentinel.clients.clock import Clock
from sentinel.core.record import Record
from sentinel.sinks.pager import Pager
from tests.bench.table import Row
from tests.support.alertmanager import Alertmanager, config
from tests.support.breaches import LIST, SENDER, Belief
from tests.support.eventually import eventually
from tests.support.webhook import Webhook

APART = 200
"""Breaches one after the other, each an incident of its own."""
AT_ONCE = 500
VICTIMS = 50
"""Whose incidents they are: ten readers each."""
SOON = 60.0


def measure() -> Iterator[Row]:
    with Webhook() as phone, Alertmanager(_route(phone)) as manager:
        yield asyncio.run(_one_by_one(manager, phone))
    with Webhook() as phone, Alertmanager(_route(phone)) as manager:
        yield asyncio.run(_at_once(manager, phone))


def _route(phone: Webhook) -> dict[str, object]:
    # group_interval as shipped: whoever came too late for the first page of its incident waits for the next.
    return config(phone.url, group_wait="0s", group_interval="15s", group_by=["alertname", "cluster", "target"])


async def _one_by_one(manager: Alertmanager, phone: Webhook) -> Row:
    took = []
    async with _pager(manager) as (pager, _):
        for number in range(APART):
            record = _breach(f"team-{number}", "secrets")
            began = time.monotonic()
            pager.put(record)
            seen = await asyncio.to_thread(phone.wait_for_alert, "firing", SOON, target=f"team-{number}")
            took.append(1000 * (seen.monotonic - began))
            await asyncio.sleep(0.02)
    figures = f"median {statistics.median(took):.1f} ms, max {max(took):.1f} ms, n {len(took)}"
    return Row("breach's record to webhook, push, group_wait 0", figures, "median ≤ 10 ms, max ≤ 100 ms")


async def _at_once(manager: Alertmanager, phone: Webhook) -> Row:
    targets = [f"team-{number % VICTIMS}" for number in range(AT_ONCE)]
    records = [_breach(target, f"identity-{number}") for number, target in enumerate(targets)]
    async with _pager(manager) as (pager, accepted):
        began = time.monotonic()
        for record in records:
            pager.put(record)
        await asyncio.to_thread(eventually, lambda: len(accepted) >= AT_ONCE, SOON, "all are accepted")
        last = accepted[-1] - began
        await asyncio.to_thread(eventually, lambda: len(_told(phone)) >= AT_ONCE, SOON, "all are told")
    first = [one for one in phone.deliveries if one.monotonic < began + 10]
    pages = f"{len(first)} pages for {VICTIMS} incidents, {AT_ONCE - len(_told(phone))} lost"
    return Row(
        f"{AT_ONCE} breaches at once: all pushes accepted; pages within ten seconds",
        f"{last:.2f} s; {pages}",
        "≤ 2 s; one per incident, none lost",
    )


def _told(phone: Webhook) -> set[tuple[str, str]]:
    labels = (alert["labels"] for one in phone.deliveries for alert in one.alerts())
    return {(found["target"], found["identity"]) for found in labels}


def _breach(target: str, identity: str) -> Record:
    return Belief(replace(LIST, target=target, namespace=target, identity=identity)).served(time.time())


@contextlib.asynccontextmanager
async def _pager(manager: Alertmanager) -> AsyncIterator[tuple[Pager, list[float]]]:
    """A pager that runs and knows its Alertmanager; and when each push was accepted, monotonic."""
    accepted: list[float] = []
    async with Alertmanagers(5.0) as client:
        pager = Pager(
            [manager.url],
            SENDER,
            client,
            Clock(),
            count=lambda result: accepted.append(time.monotonic()) if result == "accepted" else None,
            delay=lambda _: None,
        )
        task = asyncio.create_task(pager.run(), name="pager")
        await asyncio.sleep(0.5)  # until it has found it, as it has long before a breach
        try:
            yield pager, accepted
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
