"""What `network.enabled` adds: a port in each tenant, what the kubelet asks, what the witness may see, and nothing more."""

from typing import Any

import pytest
import yaml

from sentinel.core.net.pod import BEACON, OURS, READY_PATH
from sentinel.core.net.pod import pod as reading
from sentinel.joins.lighthouse import ADDRESSES, NODE
from sentinel.settings import load
from tests.deploy import chart
from tests.deploy.conftest import chosen
from tests.deploy.test_accepted import pod
from tests.support.controlplane import ControlPlane

PORT = 7462
LABELS = ["tier=web", "example.com/app=shop"]


def networked(**more: Any) -> chart.Object:
    return chart.witnessed(2, network={"enabled": True}, **more)


def labelled(**more: Any) -> chart.Object:
    return chart.witnessed(2, network={"enabled": True, "beacon": {"labels": LABELS}}, **more)


def container(objects: list[chart.Object], name: str, namespace: str) -> chart.Object:
    spec = chart.one(objects, "Deployment", name, namespace)["spec"]["template"]["spec"]
    (found,) = spec["containers"]
    return dict(found)


def configured(objects: list[chart.Object], namespace: str = "team-1") -> chart.Object:
    return dict(yaml.safe_load(chart.configuration(objects, namespace)).get("network", {}))


EVERYBODY = [("sentinel", "team-1"), ("sentinel", "team-2"), ("sentinel-witness", "sentinel-system")]
ANSWERING = [("sentinel", "team-1"), ("sentinel-beacon", "team-1")]


def test_without_it_there_is_no_port_no_label_and_no_right() -> None:
    text = chart.text(chart.witnessed(2))

    assert "7462" not in text
    assert "tenant-sentinel/beacon" not in text
    assert not any("pods" in rule["resources"] for _, rule in chart.rules(chart.render(chart.witnessed(2))))


@pytest.mark.parametrize(("name", "namespace"), EVERYBODY)
def test_each_sentinel_and_the_witness_listen_for_tcp_and_udp_on_one_number(name: str, namespace: str) -> None:
    ports = container(chart.render(networked()), name, namespace)["ports"]

    assert {(row["name"], row["containerPort"], row["protocol"]) for row in ports} >= {
        ("beacon", PORT, "TCP"),
        ("beacon-udp", PORT, "UDP"),
    }


@pytest.mark.parametrize(("name", "namespace"), EVERYBODY)
def test_each_service_has_the_listener_in_each_family_that_there_is(name: str, namespace: str) -> None:
    spec = chart.one(chart.render(networked()), "Service", name, namespace)["spec"]

    assert spec["ipFamilyPolicy"] == "PreferDualStack"
    assert {(row["port"], row["targetPort"], row["protocol"]) for row in spec["ports"] if "protocol" in row} == {
        (PORT, "beacon", "TCP"),
        (PORT, "beacon-udp", "UDP"),
    }


@pytest.mark.parametrize(("name", "namespace"), ANSWERING)
def test_what_the_kubelet_asks_is_what_the_witness_takes_for_the_listeners_word(name: str, namespace: str) -> None:
    made = pod(chart.one(chart.render(labelled()), "Deployment", name, namespace))
    made["metadata"]["uid"] = "u-1"

    assert reading(made).probed == {PORT}
    assert container(chart.render(labelled()), name, namespace)["readinessProbe"]["httpGet"]["path"] == READY_PATH


def test_without_it_readiness_is_what_it_was() -> None:
    assert container(chart.render(chart.witnessed(2)), "sentinel", "team-1")["readinessProbe"]["httpGet"] == {
        "path": "/readyz",
        "port": "http",
    }


def test_the_witness_is_ready_as_it_was_since_nobody_is_judged_by_it() -> None:
    for values in (chart.witnessed(2), networked()):
        asked = container(chart.render(values), "sentinel-witness", "sentinel-system")["readinessProbe"]["httpGet"]
        assert asked["port"] == "http"


@pytest.mark.parametrize(("name", "namespace"), ANSWERING)
def test_the_witness_finds_every_pod_that_answers_by_our_own_label(name: str, namespace: str) -> None:
    template = chart.one(chart.render(labelled()), "Deployment", name, namespace)["spec"]["template"]

    assert template["metadata"]["labels"].items() >= {BEACON}


def test_a_tenants_service_selects_as_the_witness_wants_it() -> None:
    for namespace in ("team-1", "team-2"):
        selector = chart.one(chart.render(networked()), "Service", "sentinel", namespace)["spec"]["selector"]
        assert selector.items() >= OURS.items()


@pytest.mark.parametrize(("name", "namespace"), EVERYBODY)
def test_each_pod_is_told_who_and_where_it_is(name: str, namespace: str) -> None:
    env = container(chart.render(networked()), name, namespace)["env"]

    assert {row["name"]: row["valueFrom"]["fieldRef"]["fieldPath"] for row in env} == {
        "POD_UID": "metadata.uid",
        ADDRESSES: "status.podIPs",
        NODE: "spec.nodeName",
    }


def test_the_files_of_tenants_and_witness_agree_on_the_port(tmp_path: Any) -> None:
    objects = chart.render(networked(config={"network": {"beacon": {"port": 7999}, "attempts": 5}}))
    ports = {row["containerPort"] for row in container(objects, "sentinel", "team-1")["ports"]} - {8080}

    assert ports == {7999}
    for name, key, namespace in (
        ("sentinel", "sentinel.yaml", "team-1"),
        ("sentinel-witness", "witness.yaml", "sentinel-system"),
    ):
        file = tmp_path / key
        file.write_text(chart.one(objects, "ConfigMap", name, namespace)["data"][key])
        settings = load(file, {})
        assert (settings.network.enabled, settings.network.beacon.port, settings.network.attempts) == (True, 7999, 5)


def test_its_timers_are_scaled_like_the_others() -> None:
    assert configured(chart.render(networked(timeScale=0.1))) == {"enabled": True, "every": "1s", "timeout": "800ms"}


def test_under_opaque_the_witness_knows_what_the_others_call_each_tenant() -> None:
    objects = chart.render(networked(disclosure="opaque", disclosureSalt="0123456789abcdef"))
    witness = yaml.safe_load(chart.one(objects, "ConfigMap", "sentinel-witness")["data"]["witness.yaml"])
    seen = {row["name"] for row in yaml.safe_load(chart.configuration(objects, "team-1"))["tenants"]}

    assert {row["id"] for row in witness["tenants"] if row["name"] == "team-2"} == seen - {"team-1"}


class TestBeaconPods:
    def test_there_is_one_in_each_tenants_home_with_its_own_labels(self) -> None:
        values = labelled()
        values["tenants"][1]["beaconLabels"] = ["tier=db"]
        objects = chart.render(values)

        for namespace, labels in {
            "team-1": {"tier": "web", "example.com/app": "shop"},
            "team-2": {"tier": "db"},
        }.items():
            made = chart.one(objects, "Deployment", "sentinel-beacon", namespace)["spec"]
            ours = {"tenant-sentinel/beacon": "true", "tenant-sentinel/beacon-of": "labels"}
            assert made["template"]["metadata"]["labels"] == labels | ours
            assert made["selector"]["matchLabels"].items() <= ours.items()
            assert configured(objects, namespace)["beacon"]["labels"] == [f"{k}={v}" for k, v in labels.items()]

    def test_without_labels_there_is_none(self) -> None:
        assert not chart.of_kind(chart.render(networked()), "Deployment", "sentinel-beacon")
        values = labelled()
        values["tenants"][0]["beaconLabels"] = []
        assert len(chart.of_kind(chart.render(values), "Deployment", "sentinel-beacon")) == 1

    def test_it_only_answers_and_holds_no_token_for_the_api_server(self) -> None:
        spec = chart.one(chart.render(labelled()), "Deployment", "sentinel-beacon", "team-1")["spec"]["template"][
            "spec"
        ]

        assert spec["automountServiceAccountToken"] is False
        assert spec["containers"][0]["args"][0] == "beacon"
        tokens = [
            source["serviceAccountToken"]["audience"]
            for volume in spec["volumes"]
            for source in volume.get("projected", {}).get("sources", [])
        ]
        assert tokens == ["tenant-sentinel"]

    def test_every_port_that_a_probe_names_is_there(self) -> None:
        found = container(chart.render(labelled()), "sentinel-beacon", "team-1")
        names = {row["name"] for row in found["ports"]}

        assert found["livenessProbe"]["httpGet"]["port"] in names
        assert found["readinessProbe"]["httpGet"]["port"] == PORT

    def test_no_service_of_ours_selects_it(self) -> None:
        objects = chart.render(labelled())
        labels = chart.one(objects, "Deployment", "sentinel-beacon", "team-1")["spec"]["template"]["metadata"]["labels"]

        for service in chart.of_kind(objects, "Service"):
            assert not service["spec"]["selector"].items() <= labels.items()


class TestPolicies:
    def test_no_policy_of_ours_selects_a_pod_that_asks_or_answers(self) -> None:
        for values in (labelled(), labelled(networkPolicy={"enabled": True})):
            for policy in chart.of_kind(chart.render(values), "NetworkPolicy"):
                assert policy["metadata"]["namespace"] in ("monitoring", "sentinel-system")

    def test_the_one_around_the_witness_lets_everybody_who_asks_reach_the_lighthouse(self) -> None:
        objects = chart.render(labelled(networkPolicy={"enabled": True}))
        rule = chart.one(objects, "NetworkPolicy", "sentinel-witness")["spec"]["ingress"][0]
        (peer,) = rule["from"]

        assert {row["port"] for row in rule["ports"]} == {"relay", "beacon", "beacon-udp"}
        for name, namespace in ANSWERING:
            labels = chart.one(objects, "Deployment", name, namespace)["spec"]["template"]["metadata"]["labels"]
            assert peer["podSelector"]["matchLabels"].items() <= labels.items()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"witness": {"enabled": False}}, "network.enabled needs the witness"),
        ({"config": {"network": {"enabled": True}}}, "set network.enabled instead"),
        ({"config": {"network": {"beacon": {"labels": ["a=b"]}}}}, "set network.beacon.labels instead"),
        ({"config": {"network": {"beacon": {"port": 8080}}}}, "8080 is that of config.web"),
        ({"config": {"network": {"beacon": {"port": 8443}}}}, "8443 is that of config.web or witness.relay"),
        ({"network": {"enabled": True, "beacon": {"labels": ["tenant-sentinel/beacon=false"]}}}, "writes tenant-sentinel/"),
        ({"network": {"enabled": True, "beacon": {"labels": ["a=b", "a=c"]}}}, "given twice"),
        ({"network": {"enabled": True, "beacon": {"labels": ["app.kubernetes.io/name=sentinel"]}}}, "own Service"),
        ({"network": {"enabled": True, "beacon": {"labels": ["no label"]}}}, "labels"),
        ({"network": {"enabled": True, "beacon": {"labels": ["a=b\n"]}}}, "labels"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_refused_in_words(more: dict[str, Any], words: str) -> None:
    assert words in chart.refusal(networked() | more)


def test_labels_of_a_tenant_while_there_are_no_beacons_are_refused() -> None:
    values = chart.witnessed(2)
    values["tenants"][0]["beaconLabels"] = ["tier=web"]

    assert "there are no beacons while network.enabled is false" in chart.refusal(values)


SIGHT = {
    ("team-1", "pods", ""),
    ("team-2", "pods", ""),
    ("team-1", "services", "sentinel"),
    ("team-2", "services", "sentinel"),
    ("sentinel-system", "services", "sentinel-witness"),
    ("default", "endpointslices", "kubernetes"),
}


def test_what_the_witness_may_do_more_is_exactly_this() -> None:
    def held(values: chart.Object) -> set[tuple[str, str, str, str]]:
        return {
            (space, verb, resource, name)
            for space, rule in chart.rules(chart.render(values))
            for verb in rule["verbs"]
            for resource in rule["resources"]
            for name in rule.get("resourceNames") or [""]
        }

    more = held(networked()) - held(chart.witnessed(2))
    assert {(space, resource, name) for space, _, resource, name in more} == SIGHT
    assert {verb for _, verb, resource, _ in more if resource == "pods"} == {"list", "watch"}
    assert {verb for _, verb, resource, _ in more if resource != "pods"} == {"get"}


def test_with_a_real_token_it_sees_that_and_no_more(installed: ControlPlane) -> None:
    installed.admin.apply(*chart.render(chosen() | {"network": {"enabled": True}}))
    try:
        witness = installed.account("sentinel-system", "sentinel-witness")

        def status(path: str) -> int:
            return witness.request("GET", path).status

        assert status("/api/v1/namespaces/team-1/pods?labelSelector=tenant-sentinel/beacon%3Dtrue&limit=1") == 200
        assert status("/api/v1/namespaces/team-1/pods?watch=1&timeoutSeconds=1") == 200
        assert status("/api/v1/namespaces/team-2/services/sentinel") == 200
        assert status("/api/v1/namespaces/sentinel-system/services/sentinel-witness") == 200
        assert status("/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes") in (200, 404)
        for path in (
            "/api/v1/pods?limit=1",
            "/api/v1/namespaces/team-2-jobs/pods?limit=1",
            "/api/v1/namespaces/kube-system/pods?limit=1",
            "/api/v1/namespaces/sentinel-system/pods?limit=1",
            "/api/v1/namespaces/team-1/pods/any",
            "/api/v1/namespaces/team-1/pods/any/log",
            "/api/v1/namespaces/team-1/services?limit=1",
            "/api/v1/namespaces/team-1/services/web",
            "/apis/discovery.k8s.io/v1/namespaces/team-1/endpointslices?limit=1",
        ):
            assert status(path) == 403, path
    finally:
        installed.admin.delete(
            *(found for found in chart.render(chosen() | {"network": {"enabled": True}}) if is_extra(found))
        )
        installed.admin.apply(*chart.render(chosen()))


def is_extra(found: chart.Object) -> bool:
    spaces = ("default", "sentinel-system")
    return found["kind"] in ("Role", "RoleBinding") and (
        found["metadata"]["name"] == "sentinel-witness" and found["metadata"]["namespace"] in spaces
    )
