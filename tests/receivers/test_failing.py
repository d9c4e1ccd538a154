"""What becomes of a page when a vendor is down, in a hurry, silent, or says no: by a real Alertmanager, as README has it.

                   5xx, silence           429                        another 4xx
    PagerDuty      tried again at once    tried again at once        given up until the next group_interval
    Opsgenie       tried again at once    tried again at once        the same
    Slack, Teams,  tried again at once    given up until the next    the same
    webhook                               group_interval

What was given up is tried again with the group, as long as the alert lasts. One that is over before then was never told.
"""

import re
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from tests.receivers import pages
from tests.receivers.desk import KINDS, Desk, desk
from tests.support.eventually import eventually
from tests.support.vendors.vendor import Received, Vendor

NOW = datetime.now(UTC)
_COUNTED = re.compile(r'alertmanager_notifications_failed_total\{integration="([a-z0-9]+)",.*\} ([0-9.]+)')


def given_up(here: Desk) -> Counter[str]:
    """Notifications that Alertmanager gave up, by integration: what `alertmanager_notifications_failed_total` counts."""
    found: Counter[str] = Counter()
    for integration, count in _COUNTED.findall(here.manager.get("/metrics")):
        found[integration] += int(float(count))
    return found


def answers(here: Desk, vendor: Vendor) -> list[int]:
    """What this test's requests were answered, in order."""
    return [one.answered for one in vendor.received if here.town in str(one.body)]


def arrived(here: Desk, vendor: Vendor) -> Received:
    return vendor.wait_for(lambda one: here.town in str(one.body) and 200 <= one.answered < 300)


def test_an_error_of_the_vendors_is_tried_again_until_it_is_taken(here: Desk) -> None:
    before = given_up(here)
    for vendor in here.vendors:
        vendor.then(500, 503)
    here.letters.then(451, 451)

    here.send(pages.pushed(NOW))

    for vendor in here.vendors:
        arrived(here, vendor)
        assert answers(here, vendor)[:2] == [500, 503]
    here.letter()
    assert given_up(here) == before, "within one attempt of the group"


def test_too_many_requests_are_tried_again_at_once_by_those_who_know_the_word(here: Desk) -> None:
    before = given_up(here)
    for vendor in here.vendors:
        vendor.then(429)

    here.send(pages.pushed(NOW))

    for vendor in here.vendors:
        arrived(here, vendor)
        assert answers(here, vendor)[0] == 429
    assert given_up(here) - before == {"slack": 1, "msteamsv2": 1}, "these come with the group's next turn"


def test_what_is_refused_is_given_up_and_tried_again_with_the_group(here: Desk) -> None:
    before = given_up(here)
    for vendor in here.vendors:
        vendor.then(400)

    here.send(pages.pushed(NOW))

    for vendor in here.vendors:
        arrived(here, vendor)
    assert given_up(here) - before == {"pagerduty": 1, "slack": 1, "opsgenie": 1, "msteamsv2": 1}


def test_a_page_that_was_refused_and_is_over_before_the_next_turn_is_lost(here: Desk) -> None:
    alert = here.moved(pages.pushed(NOW))
    here.slack.then(400)
    here.manager.send(alert)
    here.slack.wait_for(lambda one: one.answered == 400)

    here.manager.send(pages.over(alert))

    here.told(here.pagerduty, "'resolve'")  # a later turn of the same group
    assert answers(here, here.slack) == [400]


def test_a_vendor_that_says_nothing_costs_one_attempt_and_not_the_page(tmp_path: Path) -> None:
    """Alertmanager waits for ten seconds, or a group_interval where that is longer. Others are told meanwhile."""
    with desk(tmp_path, *KINDS) as here:
        here.begin(0)
        for silent in (here.pagerduty, here.slack):
            silent.then(0)
        here.send(pages.pushed(NOW))

        for vendor in here.vendors:
            arrived(here, vendor)
        assert [answers(here, vendor)[0] for vendor in here.vendors] == [0, 0, 202, 202]


def test_a_secret_that_is_changed_is_used_without_a_reload(tmp_path: Path) -> None:
    with desk(tmp_path, "pagerduty") as here:
        here.begin(0)
        (tmp_path / "sentinel-pagerduty" / "routing_key").write_text("f" * 32)
        here.send(pages.pushed(NOW))

        assert here.told(here.pagerduty)["routing_key"] == "f" * 32


def test_a_wrong_key_is_refused_and_counted(tmp_path: Path) -> None:
    with desk(tmp_path, "pagerduty") as here:
        here.begin(0)
        (tmp_path / "sentinel-pagerduty" / "routing_key").write_text("too short")
        here.send(pages.pushed(NOW))

        refused = here.pagerduty.wait_for(lambda one: one.answered == 400)
        assert refused.problems == ("Length of 'routing_key' is incorrect (should be 32 characters)",)
        eventually(lambda: given_up(here)["pagerduty"], 30, "it is counted")
