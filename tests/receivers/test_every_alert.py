"""Every alert of the shipped rules goes through every template, and nothing that a text holds makes a vendor refuse it."""

from datetime import UTC, datetime

from sentinel.core import page
from tests.receivers import pages
from tests.receivers.desk import Desk
from tests.support.eventually import eventually

NOW = datetime.now(UTC)


def refused(here: Desk) -> list[str]:
    return [problem for vendor in here.vendors for problem in vendor.problems]


def failed(here: Desk) -> float:
    """Notifications that Alertmanager gave up, a template that does not render among them."""
    lines = here.manager.get("/metrics").splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("alertmanager_notifications_failed_total{"))


def test_every_alert_that_is_shipped_renders_everywhere_within_the_limits(here: Desk) -> None:
    before = failed(here)
    sent = {
        name: here.moved(alert, cluster=str(number)) for number, (name, alert) in enumerate(pages.shipped().items())
    }  # a cluster each: what inhibits what is not the question here
    loud = {name for name, alert in sent.items() if alert["labels"]["severity"] in ("critical", "warning")}
    assert len(loud) > 35

    here.manager.send(*sent.values())

    def told() -> bool:
        return (
            {one.body["payload"]["class"] for one in here.pagerduty.received}
            == {one.body["attachments"][0]["footer"].split(" ")[0] for one in here.slack.received}
            == {one.body["details"]["alertname"] for one in here.opsgenie.received}
            == loud
        ) and len(here.teams.received) == len(here.letters.letters) == len(here.webhook.deliveries) == len(loud)

    eventually(told, 60, "all were told")
    assert not refused(here)
    assert failed(here) == before
    assert not any("{{" in str(one.body) for vendor in here.vendors for one in vendor.received)


def test_texts_as_long_as_a_page_may_have_stay_within_the_limits(here: Desk) -> None:
    long = pages.pushed(NOW)
    long["annotations"] = {name: f"{name} & " * 2000 for name in long["annotations"]}
    long["annotations"]["runbook_url"] = "https://runbooks.example.com/" + "r" * 5000
    long["labels"] |= {"cluster": "x" * 253, "identity": "group:" + "&" * 253, "tenant": "y" * 253}

    here.manager.send(long)

    for vendor in here.vendors:
        vendor.wait_for(lambda told: "x" * 60 in str(told.body))
    here.letters.wait_for(lambda letter: "x" * 60 in letter["Subject"])
    assert not refused(here)


def test_two_hundred_in_one_incident_stay_within_the_limits(here: Desk) -> None:
    one = pages.pushed(NOW)
    one["annotations"]["description"] = "&" * page.MOST_TEXT
    here.manager.send(*(here.moved(one, tenant=f"team-{number}") for number in range(200)))

    for vendor in here.vendors:
        here.told(vendor, "200")
    here.webhook.wait_for(lambda told: told.body["truncatedAlerts"] == 150, 30)
    assert not refused(here)
