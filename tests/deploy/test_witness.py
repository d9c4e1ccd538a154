"""The witness as the chart gives it: one process in the release's namespace, and what tenants are given of it."""

import json
import zlib
from pathlib import Path
from typing import Any

import pytest
import yaml

from sentinel.settings import Settings, examine, load
from tests.deploy import chart

ADDRESS = "http://alertmanager.monitoring.svc:9093"
RELAY = "https://sentinel-witness.sentinel-system.svc:8443"


def objects(**more: Any) -> list[chart.Object]:
    return chart.render(chart.witnessed(2, **more))


def witness_file(found: list[chart.Object]) -> str:
    """The witness.yaml, byte by byte."""
    return str(chart.one(found, "ConfigMap", "sentinel-witness")["data"]["witness.yaml"])


def loaded(found: list[chart.Object], folder: Path) -> Settings:
    (folder / "witness.yaml").write_text(witness_file(found))
    return load(folder / "witness.yaml", {})


@pytest.fixture
def pod() -> dict[str, Any]:
    return pod_of(objects(), "sentinel-witness", "sentinel-system")


def pod_of(found: list[chart.Object], name: str, namespace: str) -> dict[str, Any]:
    return dict(chart.one(found, "Deployment", name, namespace)["spec"]["template"]["spec"])


def test_it_is_on_unless_it_is_switched_off() -> None:
    chosen = chart.values(2)
    del chosen["witness"]

    assert [f for f in chart.render(chosen) if "witness" in f["metadata"]["name"]]
    assert not [f for f in chart.render(chart.values(2)) if "witness" in f["metadata"]["name"]]


def test_its_pod_is_nobody_writes_nowhere_and_has_no_capability(pod: dict[str, Any]) -> None:
    sentinel = pod_of(objects(), "sentinel", "team-1")

    for key in ("securityContext", "tolerations", "automountServiceAccountToken", "terminationGracePeriodSeconds"):
        assert pod[key] == sentinel[key], key
    for key in ("securityContext", "livenessProbe", "readinessProbe", "image"):
        assert pod["containers"][0][key] == sentinel["containers"][0][key], key
    assert pod["serviceAccountName"] == "sentinel-witness"


def test_it_is_started_with_the_file_and_the_certificate_that_are_mounted(pod: dict[str, Any], tmp_path: Path) -> None:
    (container,) = pod["containers"]
    (config,) = [volume for volume in pod["volumes"] if volume["name"] == "config"]
    mounted = {
        item["path"] for source in config["projected"]["sources"] for part in source.values() for item in part["items"]
    }

    relay = loaded(objects(), tmp_path).relay

    assert relay is not None
    assert container["args"] == ["witness", "--config", "/etc/sentinel/witness.yaml"]
    assert {f"/etc/sentinel/{path}" for path in mounted} == {container["args"][2], str(relay.cert), str(relay.key)}
    assert [(port["name"], port["containerPort"]) for port in container["ports"]] == [
        ("http", 8080),
        ("relay", relay.listen.port),
    ]


def test_its_service_offers_the_relay_and_nothing_else() -> None:
    found = objects(witness={"tls": chart.TLS, "relay": {"port": 9443}})

    service = chart.one(found, "Service", "sentinel-witness", "sentinel-system")["spec"]
    deployment = chart.one(found, "Deployment", "sentinel-witness")["spec"]["template"]
    assert service["ports"] == [{"name": "relay", "port": 9443, "targetPort": "relay"}]
    assert service["selector"].items() <= deployment["metadata"]["labels"].items()
    assert "sentinel-witness.sentinel-system.svc:9443" in chart.configuration(found, "team-1")


def test_neither_a_tenants_service_nor_its_monitor_takes_the_witness_for_a_sentinel() -> None:
    found = objects()

    labels = chart.one(found, "Deployment", "sentinel-witness")["spec"]["template"]["metadata"]["labels"]
    for selector in (
        chart.one(found, "Service", "sentinel", "team-1")["spec"]["selector"],
        chart.one(found, "PodMonitor", "sentinel")["spec"]["selector"]["matchLabels"],
    ):
        assert not selector.items() <= labels.items()


def test_its_file_is_one_that_it_takes(tmp_path: Path) -> None:
    chosen = chart.witnessed(2, alertmanagers=[ADDRESS])
    chosen["tenants"][0] |= {"owner": "Payments", "groups": ["oidc:payments"], "accounts": []}
    chosen["tenants"][1] |= {"accounts": ["default", "team-2-jobs/runner"]}

    settings = loaded(chart.render(chosen), tmp_path)

    first, second = settings.tenants
    assert (settings.is_witness, settings.cluster, settings.disclosure) == (True, "tests", "names")
    assert (first.owner, first.groups, first.accounts) == ("Payments", ("oidc:payments",), ())
    assert (second.namespaces, second.accounts) == (("team-2", "team-2-jobs"), ("default", "team-2-jobs/runner"))
    assert settings.paging.direct == (ADDRESS,)
    assert settings.isolation.witness_share == 0.25


def test_it_says_only_what_is_so_by_default_or_was_asked_for(tmp_path: Path) -> None:
    given = {"rate": 3, "burst": 7}
    config = {"isolation": {"qps": 50}, "paging": {"mode": "shadow", "promise": "7m"}, "log": {"level": "debug"}}

    settings = loaded(
        objects(witness={"tls": chart.TLS, "relay": given, "share": 0.5}, config=config, timeScale=0.5), tmp_path
    )

    assert settings.relay is not None
    assert (settings.relay.rate, settings.relay.burst) == (3, 7)
    assert (settings.isolation.qps, settings.isolation.witness_share) == (50, 0.5)
    assert (settings.paging.mode, settings.paging.promise.total_seconds()) == ("shadow", 210)
    assert settings.isolation.every.total_seconds() == 5
    assert settings.log.level == "debug"


def test_it_knows_the_hash_of_every_tenants_file(tmp_path: Path) -> None:
    found = objects(config={"isolation": {"allow": [exception("team-1", "team-2")]}})

    settings = loaded(found, tmp_path)

    hashes = [zlib.adler32(chart.configuration(found, home).encode()) for home in ("team-1", "team-2")]
    assert [tenant.config_hash for tenant in settings.tenants] == hashes
    assert hashes[0] != hashes[1]


def test_a_tenants_file_is_one_that_its_sentinel_takes(tmp_path: Path) -> None:
    (tmp_path / "sentinel.yaml").write_text(chart.configuration(objects(alertmanagers=[ADDRESS]), "team-2"))

    settings = load(tmp_path / "sentinel.yaml", {})

    assert settings.paging.relay == RELAY
    assert settings.paging.direct == ()
    assert settings.isolation.witness_share == 0.25
    assert [identity.name for identity in settings.identities] == ["self", "anonymous"]


def test_nothing_in_a_tenants_namespace_knows_where_alertmanager_is() -> None:
    found = objects(alertmanagers=[ADDRESS, "dns+http://other-am.elsewhere:9093"])

    theirs = json.dumps([f for f in found if f["metadata"].get("namespace", "").startswith("team-")])
    assert chart.one(found, "Deployment", "sentinel", "team-1")
    for word in ("alertmanager", "monitoring", "9093", "other-am", "elsewhere"):
        assert word not in theirs
    assert ADDRESS in witness_file(found)


def test_a_sentinel_gets_a_token_for_the_witness_and_what_to_verify_it_by() -> None:
    found = objects()

    pod = pod_of(found, "sentinel", "team-1")
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    mounts = {mount["name"]: mount for mount in pod["containers"][0]["volumeMounts"]}
    (source,) = volumes["relay-token"]["projected"]["sources"]
    assert source == {
        "serviceAccountToken": {"path": "token", "audience": "tenant-sentinel", "expirationSeconds": 3600}
    }
    assert mounts["relay-token"]["mountPath"] == "/var/run/secrets/tenant-sentinel"
    assert mounts["config"]["mountPath"] == "/etc/sentinel"
    assert {"key": "ca.crt", "path": "relay/ca.crt"} in volumes["config"]["configMap"]["items"]
    assert {"key": "sentinel.yaml", "path": "sentinel.yaml"} in volumes["config"]["configMap"]["items"]
    assert chart.one(found, "ConfigMap", "sentinel", "team-1")["data"]["ca.crt"].strip() == chart.TLS["ca"].strip()


def test_the_hash_is_that_of_the_configuration_whatever_the_certificate() -> None:
    before = objects()
    tls = {"secret": "its-tls", "ca": chart.TLS["ca"].replace("real", "other")}

    after = objects(witness={"tls": tls})

    assert chart.one(before, "ConfigMap", "sentinel", "team-1") != chart.one(after, "ConfigMap", "sentinel", "team-1")
    assert witness_file(after) == witness_file(before)


def test_adding_a_tenant_restarts_neither_the_witness_nor_another_sentinel() -> None:
    before, after = (chart.render(chart.witnessed(count)) for count in (2, 5))

    for name, namespace in (("sentinel-witness", "sentinel-system"), ("sentinel", "team-1"), ("sentinel", "team-2")):
        assert chart.one(after, "Deployment", name, namespace) == chart.one(before, "Deployment", name, namespace)
    assert "team-5" in witness_file(after)
    assert "team-5" in chart.configuration(after, "team-1")


def test_it_asks_in_our_lane() -> None:
    (rule,) = chart.one(objects(), "FlowSchema", "tenant-sentinel")["spec"]["rules"]

    assert {"namespace": "sentinel-system", "name": "sentinel-witness"} in [
        subject["serviceAccount"] for subject in rule["subjects"]
    ]


def test_the_listed_accounts_get_every_control_that_the_sentinel_has() -> None:
    chosen = chart.witnessed(2)
    chosen["tenants"][1] |= {
        "accounts": ["default", "team-2-jobs/runner", "ci"],
        "identities": [{"name": "ci", "token": "request"}],
    }

    found = chart.render(chosen)

    second = ["team-2/sentinel", "team-2/ci", "team-2/default", "team-2-jobs/runner"]
    assert chart.subjects(chart.one(found, "RoleBinding", "sentinel", "team-2")) == second
    groups = [f"system:serviceaccounts:{space}" for space in ("team-1", "team-2", "team-2-jobs")]
    shared = chart.of_kind(found, "RoleBinding", "sentinel-door") + chart.of_kind(
        found, "RoleBinding", "sentinel-decoy"
    )
    assert len(shared) == 6
    for binding in shared:
        assert chart.subjects(binding) == groups


def test_without_it_no_further_account_is_bound() -> None:
    chosen = chart.values(2)
    chosen["tenants"][0]["accounts"] = ["default", "web"]

    found = chart.render(chosen)

    for binding in chart.of_kind(found, "RoleBinding"):
        assert {subject.partition("/")[2] for subject in chart.subjects(binding)} == {"sentinel"}


def exception(source: str, target: str) -> chart.Object:
    return {
        "from": source,
        "to": target,
        "verbs": ["get"],
        "resources": ["configmaps"],
        "names": ["rates"],
        "reason": f"why {source} may look into {target}",
        "owner": "Payments",
        "until": "2027-06-30",
    }


def test_exceptions_reach_whom_they_concern_and_the_witness_knows_all(tmp_path: Path) -> None:
    given = [exception("team-1", "team-2"), exception("team-2", "kube-system"), exception("*", "*")]

    found = objects(config={"isolation": {"allow": given}})

    def told(text: str) -> list[str]:
        (tmp_path / "its.yaml").write_text(text)
        return [grant.source for grant in load(tmp_path / "its.yaml", {}).isolation.allow]

    assert told(chart.configuration(found, "team-1")) == ["team-1", "*"]
    assert told(chart.configuration(found, "team-2")) == ["team-2", "*"]
    assert told(witness_file(found)) == ["team-1", "team-2", "*"]


def test_the_chart_takes_the_exceptions_of_the_examples() -> None:
    example = yaml.safe_load((chart.ROOT / "config/examples/wanted-grants.yaml").read_text())
    allow = json.loads(json.dumps(example["isolation"]["allow"], default=str))
    chosen = chart.witnessed(config={"isolation": {"allow": allow}})

    found = chart.render(
        chosen | {"tenants": [{"name": t["name"], "namespaces": t["namespaces"]} for t in example["tenants"]]}
    )

    assert witness_file(found).count("reason:") == len(allow)


def test_the_daemon_says_nothing_of_either_file_that_is_wrong(tmp_path: Path) -> None:
    found = objects()

    for text in (witness_file(found), chart.configuration(found, "team-1")):
        (tmp_path / "its.yaml").write_text(text)
        assert not examine(tmp_path / "its.yaml", {}).problems


def test_the_policy_for_it_holds_back_only_what_comes_in_and_is_the_plain_one(tmp_path: Path) -> None:
    plain = yaml.safe_load((chart.ROOT / "deploy" / "network-policy-witness.yaml").read_text())
    example = yaml.safe_load((chart.ROOT / "deploy" / "manifests" / "values.yaml").read_text())

    found = chart.render(example | {"networkPolicy": {"enabled": True}})

    policy = chart.one(found, "NetworkPolicy", "sentinel-witness")
    pod = chart.one(found, "Deployment", "sentinel-witness")["spec"]["template"]["metadata"]["labels"]
    assert policy == plain
    assert policy["spec"]["policyTypes"] == ["Ingress"]
    assert policy["spec"]["podSelector"]["matchLabels"].items() <= pod.items()
    assert not chart.of_kind(chart.render(example), "NetworkPolicy")


def test_the_witnesss_journal_lies_on_a_volume_that_outlives_the_release_and_belongs_to_one_pod_at_a_time() -> None:
    chosen = {"enabled": True, "sizeGi": 10, "storageClass": "fast", "anchor": "https://anchor.example.com/heads"}
    objects = chart.render(chart.values(2, witness={"journal": chosen}))

    claim = chart.one(objects, "PersistentVolumeClaim", "sentinel-witness-journal")
    assert claim["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert claim["spec"]["storageClassName"] == "fast"
    assert claim["spec"]["resources"]["requests"] == {"storage": "10Gi"}
    deployment = chart.one(objects, "Deployment", "sentinel-witness")["spec"]
    assert deployment["strategy"]["rollingUpdate"] == {"maxUnavailable": 1, "maxSurge": 0}
    pod = deployment["template"]["spec"]
    assert pod["securityContext"]["fsGroup"] == 65532
    assert {"name": "journal", "mountPath": "/var/lib/sentinel"} in pod["containers"][0]["volumeMounts"]
    assert {"name": "journal", "persistentVolumeClaim": {"claimName": "sentinel-witness-journal"}} in pod["volumes"]
    assert pod["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is True
    written = yaml.safe_load(chart.one(objects, "ConfigMap", "sentinel-witness")["data"]["witness.yaml"])
    assert written["journal"] == {
        "path": "/var/lib/sentinel/journal.jsonl",
        "keep": "90d",
        "most": "9216Mi",
        "anchor": "https://anchor.example.com/heads",
    }


def test_a_volume_of_the_witness_is_no_tenants() -> None:
    objects = chart.render(chart.values(2, witness={"journal": {"enabled": True}}))

    pod = chart.one(objects, "Deployment", "sentinel", "team-1")["spec"]["template"]["spec"]
    assert all(volume["name"] != "journal" for volume in pod["volumes"])
    assert "fsGroup" not in pod["securityContext"]
    assert "journal" not in yaml.safe_load(chart.configuration(objects, "team-1"))


def test_without_a_volume_the_witness_needs_none() -> None:
    objects = chart.render(chart.witnessed(1))

    assert not [found for found in objects if found["kind"] == "PersistentVolumeClaim"]
    pod = chart.one(objects, "Deployment", "sentinel-witness")["spec"]["template"]["spec"]
    assert all(volume["name"] != "journal" for volume in pod["volumes"])


def test_only_the_witness_is_told_where_prometheus_is(tmp_path: Path) -> None:
    found = objects(prometheus="http://prometheus.monitoring.svc:9090", pager="pager.*", alertmanagers=[ADDRESS])

    alerting = loaded(found, tmp_path).alerting

    assert (alerting.prometheus, alerting.pager) == ("http://prometheus.monitoring.svc:9090", "pager.*")
    assert alerting.every.total_seconds() == 300
    assert "prometheus" not in chart.configuration(found, "team-1")
    assert loaded(objects(), tmp_path).alerting.prometheus is None
