"""One hole is one incident at the vendor, whichever way its alert came, as urgent as its label, and over when all is over."""

from datetime import UTC, datetime

import pytest

from tests.receivers import pages
from tests.receivers.desk import Desk
from tests.support.vendors.vendor import Received

SINCE = datetime(2026, 11, 28, 15, 2, 11, tzinfo=UTC)


def events(here: Desk, action: str) -> list[Received]:
    return [
        one
        for one in here.pagerduty.received
        if here.town in str(one.body["payload"]) and one.body["event_action"] == action
    ]


def test_push_and_rule_are_one_incident_that_ends_when_both_have_ended(here: Desk) -> None:
    push = here.moved(pages.pushed(SINCE))
    rule = here.moved(pages.by_rule(pages.pushed(SINCE)))

    here.manager.send(push)
    first = here.told(here.pagerduty, "'trigger'")
    here.manager.send(rule)  # hidden by the push
    here.manager.send(pages.over(push))
    lasting = here.told(here.pagerduty, "'trigger'", "'num_firing': 1", "'num_resolved': 1")
    assert not events(here, "resolve"), "the rule still says so"
    here.manager.send(pages.over(rule))

    last = here.told(here.pagerduty, "'resolve'")
    assert first["dedup_key"] == lasting["dedup_key"] == last["dedup_key"]
    assert len(events(here, "resolve")) == 1
    close = here.opsgenie.wait_for(lambda one: one.path.endswith(f"/{_alias(here)}/close?identifierType=alias"))
    assert close.answered == 202


def _alias(here: Desk) -> str:
    return str(here.told(here.opsgenie)["alias"])


def test_the_rule_first_is_the_same_incident_too(here: Desk) -> None:
    here.send(pages.by_rule(pages.pushed(SINCE)))
    first = here.told(here.pagerduty)

    here.send(pages.pushed(SINCE))

    both = here.told(here.pagerduty, "as identity self (system")  # the push says more
    assert both["dedup_key"] == first["dedup_key"]


def test_another_victim_is_another_incident_and_another_reader_of_the_same_one_is_not(here: Desk) -> None:
    here.send(pages.pushed(SINCE))
    here.send(pages.pushed(SINCE), tenant="team-c", path="push")
    here.send(pages.pushed(SINCE), target="team-d")

    other = here.told(here.pagerduty, "'component': 'team-d'")
    more = here.told(here.pagerduty, ", one of 2")
    assert len({other["dedup_key"], more["dedup_key"], here.told(here.pagerduty, "team-b")["dedup_key"]}) == 2


@pytest.mark.parametrize(
    ("severity", "word", "priority", "colour"),
    [
        ("critical", "critical", "P1", "danger"),
        ("warning", "warning", "P3", "warning"),
        ("new", "error", "P3", "warning"),
    ],
)
def test_how_urgent_it_is_follows_the_label(here: Desk, severity: str, word: str, priority: str, colour: str) -> None:
    here.send(pages.pushed(SINCE), severity=severity)

    assert here.told(here.pagerduty)["payload"]["severity"] == word
    assert here.told(here.opsgenie)["priority"] == priority
    assert here.attached()["color"] == colour


def test_in_the_shadow_nobody_is_told(here: Desk) -> None:
    here.send(pages.pushed(SINCE), severity="none")
    here.send(pages.pushed(SINCE), target="team-c")

    here.told(here.pagerduty, "team-c")
    assert not [one for vendor in here.vendors for one in vendor.received if "none" in str(one.body)]
