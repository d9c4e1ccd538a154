"""A real API server takes every object, in namespaces that enforce the restricted Pod Security standard."""

import json
from typing import Any

import pytest

from tests.deploy import chart
from tests.deploy.conftest import chosen
from tests.support import manifests
from tests.support.apiclient import APPLY, Refused
from tests.support.controlplane import ControlPlane

DRY = "?fieldManager=tests&force=true&fieldValidation=Strict&dryRun=All"

VARIANTS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "without the operator": {"monitor": {"enabled": False}},
    "everything on": {
        "networkPolicy": {"enabled": True, "namespace": "sentinel-system"},
        "priorityClassName": "system-cluster-critical",
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "image": {"repository": "r", "digest": "sha256:" + "0" * 64, "pullSecrets": ["pull"]},
        "config": {"journal": {"path": "/var/lib/sentinel/journal.ndjson"}},
        "monitor": {"enabled": True, "labels": {"release": "prometheus"}},
        "timeScale": 0.05,
        "disclosure": "opaque",
        "witness": {"enabled": True},
    },
    "with the network": {
        "network": {"enabled": True, "beacon": {"labels": ["app.kubernetes.io/name=shop", "tier="]}},
        "networkPolicy": {"enabled": True, "namespace": "sentinel-system"},
    },
    "with receivers": {
        "prometheus": "http://prometheus:9090",
        "alertmanagers": ["http://alertmanager:9093"],
        "receivers": {
            "page": {kind: {"secret": kind} for kind in ("pagerduty", "opsgenie", "slack", "teams")},
            "ticket": {
                "webhook": {"secret": "hook", "url": "https://example.com"},
                "email": {"secret": "m", "to": "a@b.cd", "from": "a@b.cd", "smarthost": "b:587", "authUsername": "a"},
            },
        },
    },
    "without the witness": {"witness": {"enabled": False}},
}
PODS = [("sentinel", "team-1"), ("sentinel-witness", "sentinel-system")]


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_api_server_takes_every_object_strictly_validated(ground: ControlPlane, variant: str) -> None:
    objects = chart.render(chosen() | VARIANTS[variant])

    for made in objects:
        body = json.dumps(made).encode()
        reply = ground.admin.request("PATCH", ground.admin.path_of(made) + DRY, body, {"Content-Type": APPLY})
        assert reply.status in (200, 201), f"{made['kind']} {made['metadata']['name']}: {reply.message}"
        assert "warning" not in reply.headers, f"{made['kind']}: {reply.headers['warning']}"


@pytest.mark.parametrize(
    "variant", [name for name in VARIANTS if name not in ("without the witness", "with receivers")]
)
@pytest.mark.parametrize(("name", "namespace"), PODS)
def test_the_pods_are_admitted_where_only_restricted_pods_are(
    installed: ControlPlane, variant: str, name: str, namespace: str
) -> None:
    deployment = chart.one(chart.render(chosen() | VARIANTS[variant]), "Deployment", name, namespace)

    reply = installed.admin.request(
        "POST", f"/api/v1/namespaces/{namespace}/pods?fieldValidation=Strict&dryRun=All", pod(deployment)
    )

    assert reply.status == 201, reply.message


def test_so_is_the_pod_that_is_only_a_beacon(installed: ControlPlane) -> None:
    objects = chart.render(chosen() | VARIANTS["with the network"])
    made = pod(chart.one(objects, "Deployment", "sentinel-beacon", "team-1"))

    reply = installed.admin.request("POST", "/api/v1/namespaces/team-1/pods?fieldValidation=Strict&dryRun=All", made)

    assert reply.status == 201, reply.message


def test_the_standard_is_really_enforced_there(installed: ControlPlane) -> None:
    deployment = chart.one(chart.render(chosen()), "Deployment", "sentinel", "team-1")
    loose = pod(deployment)
    loose["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True

    reply = installed.admin.request("POST", "/api/v1/namespaces/team-1/pods?dryRun=All", loose)

    assert reply.status == 403
    assert "violates PodSecurity" in reply.message


def test_applying_twice_changes_nothing(installed: ControlPlane) -> None:
    objects = chart.render(chosen())
    before = [found["metadata"]["resourceVersion"] for found in installed.admin.apply(*objects)]

    after = [found["metadata"]["resourceVersion"] for found in installed.admin.apply(*objects)]

    assert after == before


def test_the_manifests_for_those_without_helm_are_taken_too(ground: ControlPlane) -> None:
    text = (chart.ROOT / "deploy" / "manifests" / "tenant-sentinel.yaml").read_text()
    spaces = ("team-a", "team-b", "team-b-jobs")
    ground.admin.apply(*(manifests.namespace(name) for name in spaces))

    try:
        ground.admin.apply(text)
    except Refused as refused:
        pytest.fail(str(refused))
    finally:
        ground.admin.delete(*(manifests.namespace(name) for name in spaces))
        ground.admin.apply(*chart.render(chosen()))  # the shared objects, for the tests that follow


def pod(deployment: chart.Object) -> chart.Object:
    template = json.loads(json.dumps(deployment["spec"]["template"]))
    metadata = template["metadata"] | {"name": "sentinel-0", "namespace": deployment["metadata"]["namespace"]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}
