"""What the one who is woken reads first, and where they can go from there."""

import asyncio
import re
import shlex
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from sentinel.clients import alert_list
from sentinel.core import alerted
from sentinel.core.page import Alert
from tests import parts
from tests.receivers import pages
from tests.receivers.desk import ALERTS, Desk
from tests.support.breaches import SENDER
from tests.support.vendors import teams

SINCE = datetime(2026, 11, 28, 15, 2, 11, 400_000, tzinfo=UTC)
AT = "since 2026-11-28 15:02:11 UTC"


LINES = [
    ("api/secrets", "self", "can read Secrets of team-b"),
    ("api/configmaps", "self", "can read ConfigMaps of team-b"),
    ("api/workloads", "self", "can read workloads of team-b"),
    ("api/access", "self", "can read accounts and roles of team-b"),
    ("api/metadata", "self", "can read metadata of team-b"),
    ("api/custom", "self", "can read custom resources of team-b"),
    ("api/exec", "self", "can get into pods of team-b"),
    ("api/escalation", "self", "can take more rights in team-b"),
    ("net/tcp", "self", "can send packets to team-b"),
    ("net/node", "self", "can list pods at kubelets of team-b"),
    ("net/cloud", "self", "can reach the cloud's metadata from team-b"),
    ("net/dns", "self", "can find names in DNS of team-b"),
    ("api/secrets", "anonymous", "as anonymous can read Secrets of team-b"),
    ("api/a-new-one", "self", "can get into team-b"),
]


def test_the_first_line_says_who_can_do_what_to_whom_and_since_when(here: Desk) -> None:
    for number, (check, identity, _) in enumerate(LINES):
        here.send(pages.pushed(SINCE), cluster=f"c{number}", check=check, identity=identity)

    for number, (check, _, words) in enumerate(LINES):
        place = f"({check}, {here.town}-c{number})"
        said = here.attached(place)
        assert said["title"] == f"team-a {words}, {AT} {place}"
        assert said["fallback"] == said["title"]
        assert said["color"] == "danger"


def test_the_whole_cluster_and_a_gateway_are_called_so(here: Desk) -> None:
    here.send(pages.pushed(SINCE), target="*")
    here.send(pages.pushed(SINCE), target="gateway/chat", check="crosstalk")

    everything = here.attached("every namespace")
    assert everything["title"] == f"team-a can read Secrets of every namespace, {AT} (api/secrets, {here.town})"
    talk = here.attached("crosstalk")
    assert talk["title"] == f"team-a can read answers meant for others at gateway chat, {AT} (crosstalk, {here.town})"
    assert "explain" not in talk["text"], "no binding lets it in"


def test_a_page_about_a_gateway_has_its_summary_and_its_name(here: Desk) -> None:
    here.send(pages.of_gateway(SINCE, Alert.FAILOVER_SLOW))

    said = here.attached("chat")
    assert said["title"] == f"Users wait for an answer longer than a failover may take: chat, {AT} ({here.town})"
    assert "explain" not in said["text"]
    assert here.told(here.pagerduty)["payload"]["component"] == "gateway chat"


def test_blindness_names_who_and_where(here: Desk) -> None:
    here.send(pages.shipped()["SentinelBlind"])

    title = here.attached()["title"]
    assert title == f"A tenant's isolation is not proven any more: team-a into team-b, {AT} ({here.town})"


def test_every_receiver_leads_with_the_same_line(here: Desk) -> None:
    here.send(pages.pushed(SINCE))

    line = here.attached()["title"]
    assert here.told(here.pagerduty)["payload"]["summary"] == line
    opsgenie = here.told(here.opsgenie)
    assert (opsgenie["message"], opsgenie["description"].splitlines()[0]) == (line, line)
    assert here.told(here.teams)["attachments"][0]["content"]["body"][0]["text"] == line
    assert here.letter()["Subject"] == line


def test_the_rule_says_the_same_since_when_though_its_alert_began_later(here: Desk) -> None:
    told = pages.by_rule(pages.pushed(SINCE))

    here.send(told | {"startsAt": (SINCE + timedelta(minutes=3)).isoformat()})

    assert AT in here.attached()["title"]


def test_what_says_nothing_of_since_began_when_the_alert_did(here: Desk) -> None:
    alert = pages.pushed(SINCE)
    alert["annotations"] |= {"description": "Nothing is known since then."}

    here.send(alert)

    assert AT in here.attached()["title"]


def test_the_end_is_told_with_its_time_and_in_another_colour(here: Desk) -> None:
    alert = pages.pushed(SINCE)
    here.send(alert)
    here.attached("team-a can")

    here.send(pages.over(alert))

    said = here.attached("Over")
    assert re.fullmatch(rf"Over: team-a could read Secrets of team-b, {AT} until [0-9:]{{8}} .*", said["title"])
    assert said["color"] == "good"
    here.letter("Over: ")


def test_several_of_one_incident_are_listed_and_what_lasts_comes_first(here: Desk) -> None:
    alerts = [here.moved(pages.pushed(SINCE), tenant=f"team-{letter}") for letter in "cdefghijkl"]
    here.manager.send(*alerts)
    said = here.attached(", one of 10")
    assert said["text"].count("• team-") == 8
    assert "• and more, 10 in all" in said["text"]

    here.manager.send(*map(pages.over, alerts[:-1]))

    said = here.attached("• Over")
    assert said["title"].startswith("team-l can")
    assert said["color"] == "danger"


def test_the_command_in_the_message_reads_this_breach_back_and_no_other(here: Desk) -> None:
    here.send(pages.pushed(SINCE))
    here.send(pages.pushed(SINCE), cluster="another")

    command = here.told(here.pagerduty, f"'source': '{here.town}'")["payload"]["custom_details"]["command"]

    assert f"{command.removeprefix('@ ').replace('&', '&amp;')}```" in here.attached(f"{here.town})")["text"]
    found = re.fullmatch(r"@ sentinel explain --from-alert '(.*)'", command)
    assert found is not None
    parts = urlsplit(found[1])
    body = asyncio.run(alert_list.read(f"{here.manager.url}{parts.path}?{parts.query}"))
    assert len(body) == 1
    (breach,) = alerted.alerts(body)
    assert (breach.tenant, breach.target, breach.check) == ("team-a", "team-b", "api/secrets")
    assert breach.user == "system:serviceaccount:team-a:sentinel"


def test_a_name_that_a_shell_could_misread_is_left_out_of_the_command(here: Desk) -> None:
    here.send(pages.pushed(SINCE), identity="group:a';rm -rf ~;'")

    command = here.told(here.pagerduty)["payload"]["custom_details"]["command"]
    assert "rm" not in command
    assert "filter=tenant=team-a" in command


def test_runbook_and_dashboard_are_links_where_they_have_an_address(here: Desk) -> None:
    sender = replace(SENDER, runbooks="https://git.example.com/runbooks", dashboards="https://grafana.example.com/d")
    here.send(pages.pushed(SINCE, sender=sender))

    book = "https://git.example.com/runbooks/SentinelIsolationBreach.md"
    first, second = here.attached()["actions"]
    assert (first["text"], first["url"], second["text"]) == ("Runbook", book, "Dashboard")
    assert second["url"].startswith("https://grafana.example.com/d/")
    assert [link["text"] for link in here.told(here.pagerduty)["links"]] == ["Runbook", "Dashboard"]
    assert [words for words, _ in teams.links(here.told(here.teams))] == ["Runbook", "Dashboard"]
    html = here.letter().get_body(("html",))
    assert html is not None
    assert re.findall(r'<a href="([^"]*)"', html.get_content())[0] == book


def test_without_an_address_the_path_is_told_and_no_button_lies(here: Desk) -> None:
    here.send(pages.pushed(SINCE))

    said = here.attached()
    assert "alerts/runbooks/SentinelIsolationBreach.md" in said["text"]
    assert {one["text"] for one in said["actions"]} == {"Alertmanager"}
    assert not here.told(here.pagerduty).get("links")


def test_who_is_to_be_told_stands_there(here: Desk) -> None:
    here.send(pages.pushed(SINCE))

    assert "*Tell* team-a: Payments, #payments; team-b: Search" in here.attached()["text"]
    details = here.told(here.pagerduty)["payload"]["custom_details"]
    assert details["tell"] == "@ team-a: Payments, #payments; team-b: Search"


def test_the_webhook_gets_all_labels_and_annotations(here: Desk) -> None:
    alert = here.moved(pages.pushed(SINCE))
    here.manager.send(alert)

    body = here.webhook.wait_for_alert("firing", 30, cluster=here.town).body
    assert body["version"] == "4"
    assert body["alerts"][0]["annotations"] == alert["annotations"]
    assert body["alerts"][0]["labels"] == alert["labels"]


def test_the_command_in_readme_that_tries_it_out_reaches_the_pager(here: Desk) -> None:
    (line,) = re.findall(r"(?m)^ {4}(amtool alert add .*)$", (ALERTS.parent / "README.md").read_text())
    line = line.replace("http://localhost:9093", here.manager.url).replace("prod-eu1", here.town)

    ended = subprocess.run([parts.find("amtool"), *shlex.split(line)[1:]], check=False, capture_output=True, text=True)

    assert ended.returncode == 0, ended.stderr
    assert here.told(here.pagerduty)["payload"]["severity"] == "critical"
    assert here.attached()["title"].startswith("nobody can read Secrets of nobody, since ")
