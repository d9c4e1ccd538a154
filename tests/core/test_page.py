import pathlib
from dataclasses import replace

import pytest
import yaml

from sentinel.core import evidence, page
from sentinel.core.api.question import at_cluster_scope
from sentinel.core.api.resources import SECRETS
from sentinel.core.gateway.apart import Apart
from sentinel.core.net.crossing import Crossing, Family, Path, Protocol
from sentinel.core.net.enumeration import Look, NameQuestion
from sentinel.core.net.kubelet import NodeQuestion, Port
from sentinel.core.net.metadata import CLOUDS, CloudQuestion
from sentinel.core.page import MOST_TEXT, QUESTIONS_KEPT, Alert, Case, Party, Sender
from sentinel.core.record import Series, series_of
from sentinel.core.standing import Breach
from sentinel.core.verdict import Reason
from tests.support.breaches import GET, LIST, SENDER, SERIES, USER, Belief

ALERTS = pathlib.Path(__file__).parents[2] / "alerts"
NOON = 1795262400.0  # 2026-11-21T12:00:00Z


def case_of(*beliefs_and_times) -> Case:
    case: Case | None = None
    for belief, at in beliefs_and_times:
        case = learnt(case, belief.served(at))
    assert case
    return case


def learnt(case: Case | None, record) -> Case:
    after = page.learn(case, record)
    assert after
    return after


def description(case, sender=SENDER):
    return page.breach_page(sender, case).annotations["description"]


def test_the_labels_are_those_of_the_rule_but_for_the_path():
    made = page.breach_page(SENDER, case_of((Belief(), NOON)))

    assert made.labels == {
        "alertname": "SentinelIsolationBreach",
        "severity": "critical",
        "cluster": "prod-eu1",
        "namespace": "sentinel-system",
        "tenant": "team-a",
        "target": "team-b",
        "check": "api/secrets",
        "identity": "self",
        "path": "push",
    }


def test_a_wrong_identity_has_no_target_and_no_check_as_its_rule_has_none():
    made = page.identity_page(SENDER, "ci", "named system:serviceaccount:x:y", NOON)

    assert made.labels["alertname"] == "SentinelWrongIdentity"
    assert made.labels["identity"] == "ci"
    assert not {"target", "check"} & made.labels.keys()
    assert "named system:serviceaccount:x:y" in made.annotations["description"]


def test_a_label_without_a_value_is_none():
    assert "cluster" not in page.breach_page(replace(SENDER, cluster=""), Case(SERIES, NOON)).labels


def test_in_the_shadow_nobody_is_woken():
    shadow = replace(SENDER, shadow=True)

    assert page.breach_page(shadow, case_of((Belief(), NOON))).labels["severity"] == "none"
    assert page.identity_page(shadow, "ci", "", NOON).labels["severity"] == "none"


@pytest.mark.parametrize(
    "told",
    [
        "Tenant team-a",
        "identity self (system:serviceaccount:team-a:sentinel)",
        "in namespace team-b",
        "check api/secrets",
        "since 2026-11-21T12:00:00.000Z",
        "Let in: list secrets.",
        "Proven closed at 2026-11-21T11:59:50.000Z, open at 2026-11-21T12:00:00.000Z: open up to 10.0 s longer",
        "HTTP 406",
        "Audit-Id a-1",
        "\nSee for yourself: kubectl auth can-i list secrets --as=system:serviceaccount:team-a:sentinel -n team-b",
    ],
)
def test_the_description_tells_what_one_wants_to_know_at_night(told):
    assert told in description(case_of((Belief(proven=NOON - 10), NOON)))


def test_what_was_never_proven_closed_says_so():
    assert "never proven closed" in description(case_of((Belief(), NOON)))


def test_the_cause_is_told_when_the_api_server_names_it():
    record = Belief().served(NOON)
    assert record.standing.breach
    breach = replace(record.standing.breach, cause='RBAC: allowed by RoleBinding "x/y"\x1b[31m')
    record = replace(record, standing=replace(record.standing, breach=breach))

    text = description(page.learn(None, record))

    assert 'RBAC: allowed by RoleBinding "x/y"' in text
    assert "\x1b" not in text


def test_admission_is_told_from_being_served():
    record = Belief().served(NOON)
    assert record.standing.breach
    breach = replace(record.standing.breach, reason=Reason.ADMISSION)
    record = replace(record, standing=replace(record.standing, breach=breach))

    assert "stopped by admission" in description(page.learn(None, record))


def test_several_questions_of_a_series_are_one_page_that_begins_with_the_first():
    case = case_of((Belief(GET), NOON + 5), (Belief(LIST), NOON))

    made = page.breach_page(SENDER, case)

    assert made.starts_at == NOON
    assert "Let in: list secrets; get secrets/sentinel-beacon." in made.annotations["description"]


def test_more_than_five_questions_are_counted():
    names = [replace(GET, name=f"key-{number}") for number in range(8)]

    text = description(case_of(*((Belief(question), NOON + at) for at, question in enumerate(names))))

    assert "get secrets/key-4; and 3 more." in text
    assert "key-5" not in text


def test_a_question_that_ends_leaves_the_list_and_the_start_stays():
    first, second = Belief(LIST), Belief(GET)
    case = case_of((first, NOON), (second, NOON + 5))
    for at in (NOON + 10, NOON + 20):
        case = learnt(case, first.held(at))

    assert "Let in: get secrets/sentinel-beacon." in description(case)
    assert case.since == NOON


def test_the_last_question_stays_since_only_a_round_closes_the_series():
    belief = Belief()
    case = case_of((belief, NOON))
    for at in (NOON + 10, NOON + 20):
        case = learnt(case, belief.held(at))

    assert "Let in: list secrets." in description(case)


def test_one_proof_is_not_enough_to_leave_the_list():
    first = Belief(LIST)
    case = case_of((first, NOON), (Belief(GET), NOON + 5))

    case = learnt(case, first.held(NOON + 10))

    assert "list secrets; get" in description(case)


def test_blindness_teaches_nothing():
    belief = Belief()

    assert page.learn(None, belief.blind(NOON)) is None
    assert page.learn(None, belief.held(NOON)) is None


def test_a_case_of_which_nothing_is_known_but_that_it_is_open_says_where_to_look():
    text = description(Case(SERIES, NOON))

    assert "in the log of that sentinel" in text
    assert "kubectl" not in text


def test_the_whole_cluster_is_called_that():
    wide = at_cluster_scope("self", "list", SECRETS)
    made = page.breach_page(SENDER, case_of((Belief(wide), NOON)))

    assert made.labels["target"] == "*"
    assert "every namespace of the cluster" in made.annotations["description"]
    assert made.annotations["dashboard_url"].endswith("var-target=%2A")


def test_owner_and_contact_are_there_where_known_and_nowhere_else():
    made = page.breach_page(SENDER, case_of((Belief(), NOON))).annotations

    assert (made["owner"], made["contact"]) == ("Payments", "#payments")
    assert made["target_owner"] == "Search"
    assert "target_contact" not in made
    nobody = Sender("c", "ns", "team-z")
    assert "owner" not in page.breach_page(nobody, case_of((Belief(), NOON))).annotations


def test_the_links_follow_the_bases_that_the_chart_knows():
    sender = replace(SENDER, runbooks="https://git.example/runbooks/", dashboards="https://g.example/d")

    made = page.breach_page(sender, case_of((Belief(), NOON))).annotations

    assert made["runbook_url"] == "https://git.example/runbooks/SentinelIsolationBreach.md"
    assert made["dashboard_url"] == "https://g.example/d/sentinel-isolation?var-tenant=team-a&var-target=team-b"


@pytest.mark.parametrize(
    "name", ["x;reboot", "$(reboot)", "`reboot`", "x --server=https://evil", "a'b", "x\ny", "a|b", "é", "x" * 254]
)
def test_a_name_that_a_shell_could_mistake_for_something_gives_no_command(name):
    text = description(case_of((Belief(replace(GET, name=name)), NOON)))

    assert "kubectl" not in text
    assert "\n" not in text


def test_text_from_outside_is_cut_and_printable():
    long = replace(GET, name="\x1b[2J" + "x" * 5000)
    case = Case(SERIES, NOON, USER + "\r" * 5000, case_of((Belief(long), NOON)).breaches)

    text = description(case)

    assert len(text) <= MOST_TEXT
    assert text.isprintable()


def test_no_annotation_is_longer_than_what_pagers_take():
    party = Party("team-a", ("team-a",), owner="o" * 9999, contact="c" * 9999)
    made = page.breach_page(replace(SENDER, parties=(party,)), case_of((Belief(), NOON)))

    assert max(map(len, made.annotations.values())) == MOST_TEXT


def test_of_a_role_that_names_thousands_of_things_some_are_kept():
    beliefs = [Belief(replace(GET, name=f"n{number}")) for number in range(QUESTIONS_KEPT + 20)]

    case = case_of(*((belief, NOON + at) for at, belief in enumerate(beliefs)))

    assert len(case.breaches) == QUESTIONS_KEPT
    assert series_of(next(iter(case.breaches))) == case.series


def test_the_body_is_what_alertmanager_takes():
    made = page.breach_page(SENDER, case_of((Belief(), NOON)))

    posted = page.body(made, NOON + 90.5)

    assert posted.keys() == {"labels", "annotations", "startsAt", "endsAt"}
    assert posted["startsAt"] == "2026-11-21T12:00:00.000Z"
    assert posted["endsAt"] == "2026-11-21T12:01:30.500Z"


def test_an_end_before_the_start_is_moved_to_it():
    # Wall clocks are set back; Alertmanager refuses the whole post then.
    made = page.breach_page(SENDER, case_of((Belief(), NOON)))

    assert page.body(made, NOON - 3600)["endsAt"] == "2026-11-21T12:00:00.000Z"


@pytest.mark.parametrize("series", [Series("api/exec", "anonymous", "kube-system")])
def test_a_series_is_its_page(series):
    labels = page.breach_page(SENDER, Case(series, NOON)).labels

    assert Series(labels["check"], labels["identity"], labels["target"]) == series


def test_the_summaries_are_those_of_the_rules():
    rules = "".join(file.read_text() for file in sorted(ALERTS.glob("*.rules.yaml")))

    for made in (page.breach_page(SENDER, Case(SERIES, NOON)), page.identity_page(SENDER, "ci", "", NOON)):
        after = rules.split(f"- alert: {made.labels['alertname']}\n")[1]
        summary = next(line for line in after.splitlines() if "summary:" in line)
        assert yaml.safe_load(summary.strip())["summary"] == made.annotations["summary"]


CROSSING = Crossing("self", "team-b", Protocol.TCP, Family.V4, Path.POD)


def through(reason=Reason.SERVED, **changes) -> Breach:
    return Breach(100.0, 100.0, 40.0, None, "5f2c", reason, place="10.0.0.7:7462, pod 1c-2d", **changes)


def crossing_page(reason=Reason.SERVED, **changes):
    case = Case(series_of(CROSSING), 100.0, USER, {CROSSING: through(reason, **changes)})
    return page.breach_page(SENDER, case).annotations["description"]


def test_a_page_about_packets_says_who_gets_through_to_whom_how_and_what_shows_it():
    text = crossing_page()

    assert "Packets of tenant team-a reach namespace team-b (check net/tcp), since 1970-01-01T00:01:40.000Z." in text
    assert "Open: reach tcp pod v4." in text
    assert "Proven closed at 1970-01-01T00:00:40.000Z" in text
    assert "challenge 5f2c to 10.0.0.7:7462, pod 1c-2d was answered, and the answer is signed" in text
    assert "no packet gets through" in text
    assert "Audit-Id" not in text and "HTTP" not in text and "identity" not in text


def test_the_command_of_a_crossing_runs_in_the_pod_that_got_through():
    command = crossing_page().rpartition("\n")[2]

    assert command == "See for yourself: kubectl -n team-a exec svc/sentinel -- sentinel once net/tcp"


@pytest.mark.parametrize("user", ["", "system:anonymous", "system:serviceaccount:team-a", "team-a"])
def test_who_is_no_account_has_no_pod_to_try_it_from(user):
    case = Case(series_of(CROSSING), 100.0, user, {CROSSING: through()})

    assert "See for yourself" not in page.breach_page(SENDER, case).annotations["description"]
    assert CROSSING.reproduce(user) == "" and evidence.command(CROSSING, user) == ""


@pytest.mark.parametrize(
    ("asked", "words", "command"),
    [
        (
            NodeQuestion("self", "node-7", "10.0.0.7", Port.SECURE),
            "Tenant team-a may list the pods of a node at its kubelet, without any token (check net/node), since",
            "curl -skI https://10.0.0.7:10250/pods",
        ),
        (
            CloudQuestion("self", "aws", CLOUDS["aws"][0]),
            "Tenant team-a reaches the cloud's metadata service, where the node's own credentials are (check net/cloud)",
            "nc -vz -w 2 169.254.169.254 80",
        ),
        (
            NameQuestion("self", Look.TRANSFER, "*", "cluster.local"),
            "Tenant team-a finds names of other tenants in DNS, which are declared private (check net/dns), since",
            "dig +short AXFR cluster.local",
        ),
    ],
)
def test_a_page_about_what_surrounds_every_pod_names_it_and_no_beacon(asked, words, command):
    case = Case(series_of(asked), 100.0, USER, {asked: Breach(100.0, 100.0, 40.0, 200, "", Reason.SERVED)})

    text = page.breach_page(SENDER, case).annotations["description"]

    assert words in text and f"Open: {asked.text}." in text
    assert "it was answered, with HTTP status 200" in text
    assert "namespace" not in text and "signed" not in text
    assert text.endswith(f"See for yourself: {command}")


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (Reason.ARRIVED, "only the answer was cut, so one direction is open"),
        (Reason.LATE, "younger than 10 s, so its policy comes late"),
        (Reason.KEPT, "on a connection from before, while new ones are denied"),
        (Reason.UNATTRIBUTED, "by somebody who did not prove who it is"),
    ],
)
def test_a_page_about_packets_tells_the_special_cases(reason, words):
    assert words in crossing_page(reason)


def test_a_case_of_the_network_of_which_nothing_is_known_but_that_it_is_open_has_no_request_to_look_for():
    case = Case(series_of(CROSSING), 100.0)

    text = page.breach_page(SENDER, case).annotations["description"]

    assert "reach namespace team-b" in text and "Audit-Id" not in text


def test_a_page_about_cross_talk_says_who_was_given_whose_answer_where_that_shows_and_how_to_see_it():
    evidence = "its text bears mark 96c288, of tenant team-b"
    breach = Breach(NOON, NOON, NOON - 60, 200, "tenant-sentinel-0123", Reason.FOREIGN, place=evidence)
    series = Series("crosstalk", "self", "gateway/chat")
    case = Case(series, NOON, "system:serviceaccount:team-a:sentinel", {Apart("chat"): breach})

    made = page.breach_page(SENDER, case)

    assert made.labels["target"] == "gateway/chat"
    assert made.annotations["description"] == (
        "Tenant team-a is given what gateway chat answered somebody else (check crosstalk), since "
        "2026-11-21T12:00:00.000Z. Evidence: HTTP 200, request tenant-sentinel-0123: its text bears mark 96c288, of "
        "tenant team-b. Proven closed at 2026-11-21T11:59:00.000Z, open at 2026-11-21T12:00:00.000Z: open up to 60.0 s "
        "longer than known. It ends by proof only: two answers in a row of that gateway, whole, with our own mark and "
        "nobody else's.\nSee for yourself: kubectl -n team-a exec svc/sentinel -- sentinel once gateway/chat"
    )
    witness = page.breach_page(replace(SENDER, tenant="witness"), case)
    assert witness.annotations["description"].startswith("The witness is given what gateway chat answered")


@pytest.mark.parametrize("alert", [Alert.GATEWAY_DOWN, Alert.FAILOVER_SLOW, Alert.UNGRACEFUL, Alert.TRUNCATED])
def test_a_page_about_a_gateway_has_the_rules_labels_and_is_nobodys_in_particular(alert):
    made = page.gateway_page(SENDER, alert, "chat", NOON, 30.0)

    assert made.labels == {
        "alertname": alert.value,
        "severity": "critical",
        "cluster": "prod-eu1",
        "namespace": "sentinel-system",
        "gateway": "chat",
        "path": "push",
    }
    assert "gateway chat" in made.annotations["description"].lower()
    assert made.annotations["runbook_url"].endswith(f"/{alert.value}.md")
