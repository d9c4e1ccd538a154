"""The chart's AlertmanagerConfig says what the files say: the same page, with nothing mounted, under the operator's own matchers."""

import copy
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sentinel.core.paging import alertmanager, route
from sentinel.core.paging.matcher import Labels
from tests.deploy import chart
from tests.receivers import pages
from tests.receivers.desk import KINDS, SCALE, Desk, addressed, operated_by, secrets
from tests.receivers.operated import configured
from tests.support.breaches import SENDER

SINCE = datetime(2026, 11, 28, 15, 2, 11, tzinfo=UTC)
WAYS: dict[str, dict[str, str]] = {kind: {"secret": f"sentinel-{kind}"} for kind in KINDS}
WAYS["webhook"] |= {"url": "https://example.com"}
WAYS["email"] |= {
    "to": "sre@example.com",
    "from": "tenant-sentinel@example.com",
    "smarthost": "s:587",
    "authUsername": "u",
}
VALUES = chart.values(2, timeScale=SCALE, receivers={"page": WAYS, "ticket": {"slack": WAYS["slack"]}})


def made(**more: Any) -> chart.Object:
    (found,) = chart.of_kind(chart.render({**VALUES, **more}), "AlertmanagerConfig")
    return found


@pytest.fixture(scope="module")
def operated(open_desk: Desk, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """The same vendors, told by an Alertmanager that the operator has configured."""
    folder: Path = tmp_path_factory.mktemp("secrets")
    with operated_by(open_desk, lambda here: addressed(configured(made(), folder), here), folder) as there:
        yield there


def test_a_page_is_the_same_as_by_the_files(here: Desk, operated: Desk) -> None:
    alert = here.moved(pages.pushed(SINCE))
    assert alert["labels"]["namespace"] == chart.RELEASE
    here.manager.send(alert)
    files = said(here)
    here.begin(int(here.town[4:]))  # the same incident, told by the other one

    operated.manager.send(alert)

    assert said(here) == files


def said(here: Desk) -> dict[str, Any]:
    """What each vendor got, but for what names the Alertmanager, its receiver and its group."""
    got = {name: here.told(getattr(here, name)) for name in ("pagerduty", "slack", "opsgenie", "teams")}
    letter = here.letter()
    got["mail"] = letter["Subject"] + "".join(
        part.get_content() for part in letter.walk() if part.get_content_maintype() == "text"
    )
    told: dict[str, Any] = json.loads(re.sub(r"http://[^/]*:\d+|receiver=[^\"'&]*|[0-9a-f]{64}", "…", json.dumps(got)))
    return told


def test_an_alert_of_another_namespace_is_not_ours_to_tell(here: Desk, operated: Desk) -> None:
    """What README warns of: an object in another namespace than the release's would tell nobody anything."""
    strange = here.moved(pages.pushed(SINCE), namespace="elsewhere", target="team-x")
    operated.manager.send(strange, here.moved(pages.pushed(SINCE)))

    here.told(here.pagerduty)
    assert not [one for one in here.pagerduty.received if "team-x" in str(one.body)]


def test_a_pushed_breach_hides_its_rules_twin_there_too(here: Desk, operated: Desk) -> None:
    operated.manager.send(here.moved(pages.pushed(SINCE)))
    here.told(here.pagerduty)

    operated.manager.send(
        here.moved(pages.by_rule(pages.pushed(SINCE))), here.moved(pages.pushed(SINCE), tenant="team-c")
    )

    assert here.told(here.pagerduty, ", one of 2")


def test_verify_alerting_finds_the_pager_behind_the_operators_route(tmp_path: Path, open_desk: Desk) -> None:
    """Its first route is empty on purpose, and goes on to whatever the cluster has besides."""
    secrets(tmp_path, open_desk)
    status = {"cluster": {}, "versionInfo": {"version": "0.34.2"}}
    manager = alertmanager.read("http://am", status, configured(made(timeScale=1), tmp_path), [])
    labels = Labels(pages.pushed(SINCE)["labels"], frozenset())

    ((caught,),) = route.ends(manager.route, labels)

    assert caught.receiver == f"{chart.RELEASE}/sentinel/sentinel-page"
    assert (caught.group_wait, caught.group_interval) == (0, 15)
    assert len(manager.destinations[caught.receiver]) == len(KINDS)


def test_without_receivers_or_without_the_operator_there_is_no_such_object() -> None:
    nothing: tuple[dict[str, Any], ...] = (
        {"receivers": {}},
        {"monitor": {"enabled": False}},
        {"rules": {"enabled": False}},
    )
    for without in nothing:
        assert not chart.of_kind(chart.render({**VALUES, **without}), "AlertmanagerConfig")


def test_it_is_in_the_releases_namespace_with_the_labels_that_are_wanted() -> None:
    ways = {"page": {"slack": WAYS["slack"]}, "labels": {"alertmanagerConfig": "main"}}

    found = made(receivers=ways)

    assert found["metadata"]["namespace"] == chart.RELEASE
    assert found["metadata"]["labels"]["alertmanagerConfig"] == "main"


def test_no_secret_stands_in_it() -> None:
    for receiver in made()["spec"]["receivers"]:
        for kind, ways in receiver.items():
            for way in ways if kind != "name" else ():
                assert re.search(r"'name': 'sentinel-[a-z]+'", str(way))


@pytest.mark.parametrize(
    ("ways", "missing"),
    [
        ({"pagerduty": {}}, "secret"),
        ({"webhook": {"secret": "w"}}, "url"),
        ({"email": {"secret": "m", "to": "x"}}, "smarthost"),
        ({"pager": {"secret": "x"}}, "pager"),
    ],
)
def test_what_cannot_work_is_refused(ways: dict[str, Any], missing: str) -> None:
    assert missing in chart.refusal(VALUES | {"receivers": {"page": copy.deepcopy(ways)}})


def test_the_sender_of_these_tests_is_of_the_release() -> None:
    assert SENDER.namespace == chart.RELEASE
