"""What is said of the witness's ways to be told: its watch, what it refuses, what it knows of Prometheus."""

from tests.alerts import rules
from tests.alerts.pages import Pages, common, links
from tests.alerts.table import At, since
from tests.alerts.test_self_records import EXPECTED


def test_who_is_not_told_of_what_is_named_with_what_is_lost_by_it() -> None:
    pages = Pages(rules.shipped(2, witness=True, verified=True), slot=3600)

    pages.begins(
        "SentinelWatchBroken",
        {'sentinel:watch_broken:missed{kind="Role"}': since(-60, 3)},
        common("SentinelWatchBroken", "warning", kind="Role"),
        links("SentinelWatchBroken", board="self")
        | {
            "summary": "The witness is not told of changes.",
            "description": "The witness's watch of Role did not tell of changes that a list then found. What opens is found "
            "by the rounds only, within the promise, and not at once.",
        },
    )
    pages.begins(
        "SentinelRelayRefusing",
        EXPECTED | {'sentinel:relay_refusing:pushes{tenant="a"}': since(-300)},
        common("SentinelRelayRefusing", "warning", tenant="a"),
        links("SentinelRelayRefusing", "?var-tenant=a", "self")
        | {
            "summary": "A tenant's pages do not get through to the witness.",
            "description": "Pages of the sentinel of tenant a have not been taken by the witness for at least five minutes. "
            "Its breaches page by the rules all the same, later, and without the request and the command.",
            "owner": "Payments",
            "contact": "#payments",
        },
    )
    pages.begins(
        "SentinelPagingUnverified",
        {'sentinel_page_verified_timestamp_seconds{job="sentinel-witness"}': At(-1805)},
        common("SentinelPagingUnverified", "warning"),
        links("SentinelPagingUnverified", board="paging")
        | {
            "summary": "Nobody knows whether pages come in time.",
            "description": "The witness could not read all of Prometheus and the Alertmanagers for 30m 5s. Whether a page "
            "comes, and how soon, is not known meanwhile.",
        },
    )
    pages.judge()
