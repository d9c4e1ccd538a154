"""What the chart gives, for one tenant as for many: no right too many, and no control missing."""

import json
from typing import Any

import pytest

from tests.deploy import chart

MANY = pytest.mark.parametrize("count", [1, 2, 5])

IDENTITIES = [
    {"name": "ci", "token": "request"},
    {"name": "robot", "token": {"file": "/var/run/secrets/robot/token"}, "secret": "robot-token"},
]


def with_identities() -> chart.Object:
    chosen = chart.values(2)
    chosen["tenants"][0]["identities"] = IDENTITIES
    return chosen


@MANY
def test_nothing_is_granted_beyond_a_namespace(count: int) -> None:
    objects = chart.render(chart.values(count))

    kinds = {found["kind"] for found in objects}
    assert not kinds & {"ClusterRole", "ClusterRoleBinding"}
    assert kinds >= {"Role", "RoleBinding", "FlowSchema", "PriorityLevelConfiguration"}


@MANY
def test_every_rule_is_one_verb_on_things_by_name(count: int) -> None:
    objects = chart.render(chart.values(count))

    for namespace, rule in chart.rules(objects):
        assert rule["verbs"] in (["get"], ["create"]), rule
        assert rule["resourceNames"], f"{namespace}: {rule}"
        assert "*" not in json.dumps(rule), rule


def test_the_rules_are_exactly_the_controls() -> None:
    objects = chart.render(chart.values(2))

    found = {
        (namespace, verb, resource, name)
        for namespace, rule in chart.rules(objects)
        for verb in rule["verbs"]
        for resource in rule["resources"]
        for name in rule["resourceNames"]
    }
    doors = ["kube-system", "sentinel-system", "team-1", "team-2", "team-2-jobs"]
    assert found == {
        *((space, "get", "namespaces", space) for space in doors),
        *(
            (home, "get", kind, "sentinel-beacon")
            for home in ("team-1", "team-2")
            for kind in ("secrets", "configmaps")
        ),
        ("sentinel-system", "get", "secrets", "sentinel-decoy"),
    }


@MANY
def test_every_sentinel_may_use_every_door_and_the_open_decoy(count: int) -> None:
    objects = chart.render(chart.values(count))

    sentinels = [f"team-{n}/sentinel" for n in range(1, count + 1)]
    shared = chart.of_kind(objects, "RoleBinding", "sentinel-door") + chart.of_kind(
        objects, "RoleBinding", "sentinel-decoy"
    )
    assert len(shared) == len(chart.of_kind(objects, "Role", "sentinel-door")) + 1
    for binding in shared:
        assert chart.subjects(binding) == sentinels, binding["metadata"]


def test_further_accounts_get_the_same_controls_and_only_the_sentinel_may_request_tokens() -> None:
    objects = chart.render(with_identities())

    own = chart.one(objects, "RoleBinding", "sentinel", "team-1")
    request = chart.one(objects, "Role", "sentinel-token-request")
    everybody = ["team-1/sentinel", "team-1/ci", "team-1/robot"]
    assert chart.subjects(own) == everybody
    assert chart.subjects(chart.one(objects, "RoleBinding", "sentinel-decoy")) == [*everybody, "team-2/sentinel"]
    assert request["metadata"]["namespace"] == "team-1"
    assert request["rules"] == [
        {"apiGroups": [""], "resources": ["serviceaccounts/token"], "resourceNames": ["ci"], "verbs": ["create"]}
    ]
    assert chart.subjects(chart.one(objects, "RoleBinding", "sentinel-token-request")) == ["team-1/sentinel"]


def test_the_lane_at_the_api_server_names_each_sentinel_and_leaves_other_accounts_alone() -> None:
    objects = chart.render(with_identities())

    (rule,) = chart.one(objects, "FlowSchema", "tenant-sentinel")["spec"]["rules"]
    assert [subject["serviceAccount"] for subject in rule["subjects"]] == [
        {"namespace": "team-1", "name": "sentinel"},
        {"namespace": "team-2", "name": "sentinel"},
    ]


@MANY
def test_the_open_decoy_has_a_reader_and_the_closed_one_has_none(count: int) -> None:
    objects = chart.render(chart.values(count))

    assert chart.one(objects, "Secret", "sentinel-decoy", "sentinel-system")
    assert chart.one(objects, "Secret", "sentinel-decoy-closed", "sentinel-system")
    assert not [rule for _, rule in chart.rules(objects) if "sentinel-decoy-closed" in rule["resourceNames"]]


def test_beacons_stand_in_every_namespace_of_a_tenant_and_nowhere_else() -> None:
    objects = chart.render(chart.values(2))

    for kind in ("Secret", "ConfigMap"):
        found = [beacon["metadata"]["namespace"] for beacon in chart.of_kind(objects, kind, "sentinel-beacon")]
        assert sorted(found) == ["team-1", "team-2", "team-2-jobs"]


def test_a_tenant_is_told_no_address_of_alertmanager_unless_it_is_trusted() -> None:
    address = "http://alertmanager.monitoring.svc:9093"
    shy = chart.values(2, alertmanagers=[address])

    trusted = chart.render(shy | {"paging": {"direct": True}})

    assert address in chart.configuration(trusted, "team-1")
    assert address not in json.dumps([f for f in chart.render(shy) if f["metadata"].get("namespace") == "team-1"])


@pytest.fixture
def pod() -> dict[str, Any]:
    deployment = chart.one(chart.render(chart.values(1)), "Deployment", "sentinel")
    return dict(deployment["spec"]["template"]["spec"])


def test_the_pod_is_nobody_writes_nowhere_and_has_no_capability(pod: dict[str, Any]) -> None:
    (container,) = pod["containers"]

    assert pod["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "runAsGroup": 65532,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_its_memory_is_bounded_and_its_cpu_is_not_throttled(pod: dict[str, Any]) -> None:
    resources = pod["containers"][0]["resources"]

    assert resources["limits"] == {"memory": "128Mi"}
    assert resources["requests"] == {"cpu": "20m", "memory": "96Mi"}


def test_its_token_is_mounted_by_hand_and_lives_an_hour(pod: dict[str, Any]) -> None:
    (volume,) = [found for found in pod["volumes"] if found["name"] == "token"]
    (mount,) = [found for found in pod["containers"][0]["volumeMounts"] if found["name"] == "token"]
    token, ca, namespace = volume["projected"]["sources"]

    assert pod["automountServiceAccountToken"] is False
    assert mount["mountPath"] == "/var/run/secrets/kubernetes.io/serviceaccount"
    # 3607 is what an API server extends to a year.
    assert token["serviceAccountToken"] == {"path": "token", "expirationSeconds": 3600}
    assert ca["configMap"]["items"] == [{"key": "ca.crt", "path": "ca.crt"}]
    assert namespace["downwardAPI"]["items"][0]["path"] == "namespace"


def test_an_upgrade_starts_the_next_sentinel_before_it_stops_this_one() -> None:
    deployment = chart.one(chart.render(chart.values(1)), "Deployment", "sentinel")

    assert deployment["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}


def test_adding_a_tenant_restarts_nobody() -> None:
    before = chart.one(chart.render(chart.values(2)), "Deployment", "sentinel", "team-1")

    after = chart.one(chart.render(chart.values(5)), "Deployment", "sentinel", "team-1")

    assert after == before


def test_a_further_token_is_mounted_where_its_file_is_said_to_be() -> None:
    deployment = chart.one(chart.render(with_identities()), "Deployment", "sentinel", "team-1")

    pod = deployment["spec"]["template"]["spec"]
    assert {"name": "identity-robot", "secret": {"secretName": "robot-token"}} in pod["volumes"]
    assert {"name": "identity-robot", "mountPath": "/var/run/secrets/robot", "readOnly": True} in pod["containers"][0][
        "volumeMounts"
    ]


def test_a_journal_gets_a_volume_since_the_root_is_read_only() -> None:
    chosen = chart.values(1, config={"journal": {"path": "/var/lib/sentinel/journal.ndjson"}})

    pod = chart.one(chart.render(chosen), "Deployment", "sentinel")["spec"]["template"]["spec"]

    assert {"name": "journal", "mountPath": "/var/lib/sentinel"} in pod["containers"][0]["volumeMounts"]
    assert {"name": "journal", "emptyDir": {"sizeLimit": "256Mi"}} in pod["volumes"]


def test_the_port_follows_the_configuration() -> None:
    objects = chart.render(chart.values(1, config={"web": {"listen": "0.0.0.0:9999"}}))

    (container,) = chart.one(objects, "Deployment", "sentinel")["spec"]["template"]["spec"]["containers"]
    assert container["ports"] == [{"name": "http", "containerPort": 9999, "protocol": "TCP"}]
    assert chart.one(objects, "Service", "sentinel")["spec"]["ports"][0]["port"] == 9999


def test_no_policy_of_ours_selects_a_pod_of_ours() -> None:
    objects = chart.render(chart.values(2, networkPolicy={"enabled": True}))

    (policy,) = chart.of_kind(objects, "NetworkPolicy")
    assert policy["metadata"]["namespace"] == "monitoring"
    assert not chart.of_kind(chart.render(chart.values(2)), "NetworkPolicy")


def test_what_is_switched_off_is_not_there() -> None:
    off = {"enabled": False}

    kinds = {f["kind"] for f in chart.render(chart.values(1, monitor=off, rules=off, dashboards=off))}

    assert kinds.isdisjoint({"PodMonitor", "PrometheusRule"})
    assert not [f for f in chart.render(chart.values(1, dashboards=off)) if "dashboard" in f["metadata"]["name"]]


def test_the_image_is_named_by_tag_or_better_by_digest() -> None:
    digest = "sha256:" + "0" * 64

    def image(**more: str) -> str:
        repository = {"repository": "registry.example.com/s"}
        objects = chart.render(chart.values(1, image=repository | more))
        pod = chart.one(objects, "Deployment", "sentinel")["spec"]["template"]["spec"]
        return str(pod["containers"][0]["image"])

    assert image(tag="7") == "registry.example.com/s:7"
    assert image(tag="7", digest=digest) == f"registry.example.com/s@{digest}"
