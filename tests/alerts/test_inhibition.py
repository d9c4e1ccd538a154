"""A real Alertmanager with the shipped route: what pages, and what a page already says."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml

from tests.alerts import rules
from tests.support.alertmanager import Alertmanager
from tests.support.eventually import eventually
from tests.support.pairs import PAIRS
from tests.support.webhook import Webhook

CLUSTER = {"cluster": "tests", "namespace": "sentinel-system", "severity": "critical", "path": "rule"}


@pytest.fixture(scope="module")
def pager() -> Iterator[Webhook]:
    with Webhook() as found:
        yield found


@pytest.fixture(scope="module", params=PAIRS, ids=str)
def server(pager: Webhook, request: pytest.FixtureRequest) -> Iterator[Alertmanager]:
    config = yaml.safe_load(rules.rendered(timeScale=0.05)["route.yaml"])
    for receiver in config["receivers"]:
        receiver["webhook_configs"] = [{"url": f"{pager.url}/{receiver['name']}", "send_resolved": True}]
    with Alertmanager(config, binary=request.param.alertmanager) as found:
        yield found


_clusters = iter(range(1000))


@pytest.fixture
def cluster() -> str:
    """Every test is a cluster of its own, so that they do not inhibit each other."""
    return f"tests-{next(_clusters)}"


def alert(name: str, cluster: str, *, resolved: bool = False, **labels: str) -> dict[str, Any]:
    now = datetime.now(UTC)
    ends = now if resolved else now + timedelta(minutes=5)
    return {
        "labels": {"alertname": name} | CLUSTER | {"cluster": cluster} | labels,
        "annotations": {"summary": "x"},
        "startsAt": (now - timedelta(seconds=1)).isoformat(),
        "endsAt": ends.isoformat(),
    }


def breach(cluster: str, *, resolved: bool = False, **labels: str) -> dict[str, Any]:
    whole = {"tenant": "team-a", "target": "team-b", "check": "api/secrets", "identity": "self"} | labels
    return alert("SentinelIsolationBreach", cluster, resolved=resolved, **whole)


def muted(server: Alertmanager, sent: Mapping[str, Any]) -> bool:
    """Whether Alertmanager, once it has looked at this alert, inhibits it."""

    def looked() -> str:
        (found,) = server.alerts(**sent["labels"])
        state = str(found["status"]["state"])
        return "" if state == "unprocessed" else state

    return eventually(looked, 5, "Alertmanager has looked at it") == "suppressed"


def muted_soon(server: Alertmanager, *sent: Mapping[str, Any]) -> None:
    """Alertmanager inhibits all of these, once it has looked at what mutes them too: what it takes first is its affair."""
    eventually(lambda: all(muted(server, one) for one in sent), 30, f"muted: {sent}")


def paged(pager: Webhook, cluster: str, status: str = "firing") -> list[Mapping[str, Any]]:
    """Every alert that reached the pager from this cluster, once per delivery."""
    return [a for found in pager.deliveries for a in found.alerts(cluster=cluster) if a["status"] == status]


def test_a_push_mutes_its_rule_twin_and_nothing_else(server: Alertmanager, cluster: str) -> None:
    server.send(breach(cluster, path="push"))
    twin, other_check = breach(cluster), breach(cluster, check="api/workloads")
    other_identity, other_tenant = breach(cluster, identity="anonymous"), breach(cluster, tenant="team-c")

    server.send(twin, other_check, other_identity, other_tenant)

    muted_soon(server, twin)
    assert not any(muted(server, sent) for sent in (other_check, other_identity, other_tenant))


def test_push_and_rule_are_one_notification_and_one_resolve(server: Alertmanager, pager: Webhook, cluster: str) -> None:
    server.send(breach(cluster, path="push"))
    pager.wait_for_alert("firing", 5, cluster=cluster)
    server.send(breach(cluster))
    # Ends the push; the rule goes on, and the incident with it.
    server.send(breach(cluster, path="push", resolved=True))
    pager.wait_for_alert("firing", 5, cluster=cluster, path="rule")
    server.send(breach(cluster, resolved=True))
    last = pager.wait_for(lambda found: found.alerts(cluster=cluster) and found.status == "resolved", 5)

    groups = {found.body["groupKey"] for found in pager.deliveries if found.alerts(cluster=cluster)}
    assert groups == {last.body["groupKey"]}
    resolved = [found for found in pager.deliveries if found.alerts(cluster=cluster) and found.status == "resolved"]
    assert len(resolved) == 1


def test_a_rule_that_ends_before_its_push_is_no_message_of_its_own(
    server: Alertmanager, pager: Webhook, cluster: str
) -> None:
    server.send(breach(cluster, path="push"))
    pager.wait_for_alert("firing", 5, cluster=cluster)
    rule = breach(cluster)
    server.send(rule)
    muted_soon(server, rule)
    # As the pager has it: the push goes on until the rule has ended, too.
    server.send(breach(cluster, resolved=True))
    eventually(lambda: not server.alerts(**rule["labels"]), 5, "the rule has ended")
    server.send(breach(cluster, path="push", resolved=True))
    pager.wait_for(lambda found: found.alerts(cluster=cluster) and found.status == "resolved", 5)

    said = [found.status for found in pager.deliveries if found.alerts(cluster=cluster)]
    assert said == ["firing", "resolved"]


def test_a_push_in_shadow_mutes_no_rule_that_pages(server: Alertmanager, cluster: str) -> None:
    server.send(breach(cluster, path="push", severity="none"))
    rule = breach(cluster)

    server.send(rule)

    assert not muted(server, rule)


def test_a_hole_in_the_whole_cluster_mutes_the_same_check_in_each_namespace(server: Alertmanager, cluster: str) -> None:
    server.send(breach(cluster, target="*"))
    same, other_tenant = breach(cluster), breach(cluster, tenant="team-c")
    other_check, other_identity = breach(cluster, check="api/exec"), breach(cluster, identity="anonymous")

    server.send(same, other_tenant, other_check, other_identity)

    muted_soon(server, same)
    assert not any(muted(server, sent) for sent in (other_tenant, other_check, other_identity))
    assert not muted(server, breach(cluster, target="*"))


@pytest.mark.parametrize("cause", ["SentinelDown", "SentinelStale", "SentinelWrongIdentity"])
def test_a_cause_mutes_the_blindness_of_its_tenant_and_of_no_other(
    server: Alertmanager, cluster: str, cause: str
) -> None:
    server.send(alert(cause, cluster, tenant="team-a"))
    own = alert("SentinelBlind", cluster, tenant="team-a", target="team-b")
    about = alert("SentinelBlind", cluster, tenant="team-b", target="team-a")
    elsewhere = alert("SentinelBlind", f"{cluster}-other", tenant="team-a", target="team-b")

    server.send(own, about, elsewhere, breach(cluster))

    muted_soon(server, own)
    assert not muted(server, about)
    assert not muted(server, elsewhere)
    assert not muted(server, breach(cluster)), "a breach is never muted by whoever saw it being gone"


def test_a_dead_api_server_mutes_all_blindness_of_its_cluster_and_nothing_but_blindness(
    server: Alertmanager, cluster: str
) -> None:
    server.send(alert("SentinelApiUnreachable", cluster))
    blind = [alert("SentinelBlind", cluster, tenant=name, target="*") for name in ("team-a", "team-b")]
    others = [alert("SentinelDown", cluster, tenant="team-c"), breach(cluster)]
    elsewhere = alert("SentinelBlind", f"{cluster}-other", tenant="team-a", target="*")

    server.send(*blind, *others, elsewhere)

    muted_soon(server, *blind)
    assert not any(muted(server, sent) for sent in (*others, elsewhere))


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("SentinelWitnessStale", {"tenant": "team-a"}),
        ("SentinelWitnessBlind", {"tenant": "team-a", "target": "*"}),
        ("SentinelDisagreement", {"tenant": "team-a", "target": "team-b", "severity": "warning"}),
        ("SentinelWatchBroken", {"kind": "Role", "severity": "warning"}),
        ("SentinelRelayRefusing", {"tenant": "team-a", "severity": "warning"}),
    ],
)
def test_a_dead_witness_mutes_what_only_it_could_tell(
    server: Alertmanager, cluster: str, name: str, labels: dict[str, str]
) -> None:
    server.send(alert("SentinelWitnessDown", cluster))
    symptom = alert(name, cluster)
    symptom["labels"] |= labels
    others = [breach(cluster), alert("SentinelBlind", cluster, tenant="team-a", target="*")]

    server.send(symptom, *others)

    muted_soon(server, symptom)
    assert not any(muted(server, sent) for sent in others)


def test_a_border_that_neither_can_prove_is_one_page(server: Alertmanager, cluster: str) -> None:
    server.send(alert("SentinelBlind", cluster, tenant="team-a", target="team-b"))
    same = alert("SentinelWitnessBlind", cluster, tenant="team-a", target="team-b")
    other = alert("SentinelWitnessBlind", cluster, tenant="team-b", target="team-a")

    server.send(same, other)

    muted_soon(server, same)
    assert not muted(server, other)


@pytest.mark.parametrize("cause", ["SentinelGatewayDown", "SentinelFailoverSlow"])
def test_a_dead_gateway_is_one_page_and_hides_neither_another_one_nor_whose_answer_was_read(
    server: Alertmanager, cluster: str, cause: str
) -> None:
    server.send(alert(cause, cluster, gateway="chat"))
    symptoms = [
        alert(name, cluster, gateway="chat") for name in ("SentinelGatewayErrors", "SentinelGatewayErrorBudget")
    ]
    others = [
        alert("SentinelGatewayErrors", cluster, gateway="plain"),
        breach(cluster, tenant="team-a", target="gateway/chat", check="crosstalk"),
    ]

    server.send(*symptoms, *others)

    muted_soon(server, *symptoms)
    assert not any(muted(server, sent) for sent in others)


def test_a_push_about_a_gateway_hides_its_rule_twin_and_not_another_gateways(
    server: Alertmanager, cluster: str
) -> None:
    server.send(alert("SentinelGatewayDown", cluster, path="push", gateway="chat"))
    same, other = (alert("SentinelGatewayDown", cluster, path="rule", gateway=name) for name in ("chat", "plain"))

    server.send(same, other)

    muted_soon(server, same)
    assert not muted(server, other)


def test_two_dead_gateways_are_two_incidents(server: Alertmanager, pager: Webhook, cluster: str) -> None:
    server.send(*(alert("SentinelGatewayDown", cluster, gateway=name) for name in ("chat", "plain")))

    eventually(lambda: {a["labels"]["gateway"] for a in paged(pager, cluster)} == {"chat", "plain"}, 5, "both are told")
    assert len({found.body["groupKey"] for found in pager.deliveries if found.alerts(cluster=cluster)}) == 2


def test_many_tenants_and_one_victim_are_one_incident(server: Alertmanager, pager: Webhook, cluster: str) -> None:
    server.send(*(breach(cluster, tenant=f"team-{letter}") for letter in "acde"))

    eventually(lambda: len({a["labels"]["tenant"] for a in paged(pager, cluster)}) == 4, 5, "all four are told")
    assert len({found.body["groupKey"] for found in pager.deliveries if found.alerts(cluster=cluster)}) == 1
    assert len([found for found in pager.deliveries if found.alerts(cluster=cluster)]) <= 2


def drill(cluster: str, path: str) -> dict[str, Any]:
    sent = alert("SentinelPageDrill", cluster, severity="none", drill="page-path", path=path)
    sent["labels"] |= {"tenant": "witness", "target": "sentinel-system", "check": "page-path", "identity": "self"}
    return sent


def test_a_drill_by_both_ways_is_hidden_by_neither_nor_by_anything_that_stands_and_hides_nothing(
    server: Alertmanager, pager: Webhook, cluster: str
) -> None:
    causes = ("SentinelWitnessDown", "SentinelApiUnreachable", "SentinelDown", "SentinelGatewayDown")
    standing = [alert(name, cluster, tenant="witness") for name in causes]
    page, whole = breach(cluster), breach(cluster, target="*", path="push")
    drills = [drill(cluster, "push"), drill(cluster, "rule")]

    server.send(*standing, whole, *drills)
    server.send(page)

    assert not any(muted(server, sent) for sent in (*drills, *standing))
    for path in ("push", "rule"):
        found = pager.wait_for_alert("firing", 5, cluster=cluster, alertname="SentinelPageDrill", path=path)
        assert found.path.endswith("/sentinel-drill")
    told = [found.path for found in pager.deliveries if found.alerts(cluster=cluster, drill="page-path")]
    assert all(path.endswith("/sentinel-drill") for path in told), "nobody is woken by it"


def test_what_is_pushed_of_one_way_hides_its_rule_twin_and_not_the_other_way(
    server: Alertmanager, cluster: str
) -> None:
    server.send(alert("SentinelPagePathBroken", cluster, path="push", broken="rule"))
    same, other = (alert("SentinelPagePathBroken", cluster, path="rule", broken=way) for way in ("rule", "push"))

    server.send(same, other)

    muted_soon(server, same)
    assert not muted(server, other)


def test_the_watchdog_is_told_again_and_again_to_its_own_receiver(
    server: Alertmanager, pager: Webhook, cluster: str
) -> None:
    server.send(alert("SentinelWatchdog", cluster, severity="none"))

    def beats() -> list[str]:
        return [found.path for found in pager.deliveries if found.alerts(cluster=cluster)]

    eventually(lambda: len(beats()) >= 3, 20, "it beats")
    assert {path.rpartition("/")[2] for path in beats()} == {"sentinel-watchdog"}
