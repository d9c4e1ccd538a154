"""kind: DaemonSet: a pod per node, one Lease among them, and nobody else may touch it."""

from typing import Any

import yaml

from tests.deploy import chart

VALUES: dict[str, Any] = {"kind": "DaemonSet", "witness": {"enabled": True}, "network": {"enabled": True}}
NODE = {"sourceLabels": ["__meta_kubernetes_pod_node_name"], "targetLabel": "node"}


def objects() -> list[dict[str, Any]]:
    return chart.render(chart.values(2) | VALUES)


def test_each_tenant_has_a_daemon_set_and_no_deployment() -> None:
    found = objects()
    homes = [one["metadata"]["namespace"] for one in chart.of_kind(found, "DaemonSet")]

    assert len(homes) == 2
    assert not {one["metadata"]["namespace"] for one in chart.of_kind(found, "Deployment")} & set(homes)
    for made in chart.of_kind(found, "DaemonSet"):
        assert "replicas" not in made["spec"]
        assert made["spec"]["updateStrategy"]["rollingUpdate"]["maxUnavailable"] == 0


def test_the_lease_is_there_empty_and_its_role_names_it_and_nothing_else() -> None:
    found = objects()
    for made in chart.of_kind(found, "Lease"):
        space = made["metadata"]["namespace"]
        role = chart.one(found, "Role", "sentinel-lease", space)
        binding = chart.one(found, "RoleBinding", "sentinel-lease", space)

        assert "spec" not in made
        assert role["rules"] == [
            {
                "apiGroups": ["coordination.k8s.io"],
                "resources": ["leases"],
                "resourceNames": ["sentinel"],
                "verbs": ["get", "update"],
            }
        ]
        assert binding["subjects"] == [{"kind": "ServiceAccount", "namespace": space, "name": "sentinel"}]


def test_the_pods_are_told_of_the_lease_and_the_witness_is_not() -> None:
    found = objects()
    for made in chart.of_kind(found, "DaemonSet"):
        space = made["metadata"]["namespace"]
        told = chart.one(found, "ConfigMap", "sentinel", space)["data"]["sentinel.yaml"]
        assert "lease: sentinel" in told
    witness = chart.one(found, "ConfigMap", "sentinel-witness", chart.RELEASE)["data"]["witness.yaml"]
    assert "lease" not in yaml.safe_load(witness)["isolation"]


def test_a_deployment_has_no_lease() -> None:
    found = chart.render(chart.values(2) | VALUES | {"kind": "Deployment"})

    assert not chart.of_kind(found, "Lease")
    assert not [one for one in found if one["metadata"]["name"] == "sentinel-lease"]


def test_the_scrape_says_on_which_node() -> None:
    monitor = chart.one(objects(), "PodMonitor", "sentinel", chart.RELEASE)

    assert NODE in monitor["spec"]["podMetricsEndpoints"][0]["relabelings"]
