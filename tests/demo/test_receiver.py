"""Pages arrive, from a pusher or from Alertmanager's webhook."""

import aiohttp

from sentinel.demo.receiver import Page, Receiver

NOON = 1_800_000_000.0
LABELS = {"alertname": "SentinelIsolationBreach", "target": "team-b"}


async def send(path: str, body: object) -> list[Page]:
    pages: list[Page] = []
    async with (
        Receiver(lambda: NOON, pages.append) as receiver,
        aiohttp.ClientSession() as session,
        session.post(receiver.url + path, json=body) as reply,
    ):
        assert reply.status == 200
    return pages


async def test_a_push_that_ends_in_the_future_fires_and_one_that_ended_is_resolved() -> None:
    ends = ["2027-01-15T08:01:00.000Z", "2027-01-15T08:00:00.000Z", "2027-01-15T07:00:00Z"]

    pages = await send("/api/v2/alerts", [{"labels": LABELS, "endsAt": end} for end in ends])

    assert [page.resolved for page in pages] == [False, True, True]
    assert {page.via for page in pages} == {"push"}
    assert pages[0].labels == LABELS


async def test_a_notification_is_taken_at_its_word() -> None:
    alerts = [
        {"status": status, "labels": LABELS, "annotations": {"summary": "s"}} for status in ("firing", "resolved")
    ]

    pages = await send("/webhook", {"alerts": alerts})

    assert [(page.via, page.resolved) for page in pages] == [("webhook", False), ("webhook", True)]
    assert pages[0].annotations == {"summary": "s"}
