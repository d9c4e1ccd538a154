"""What is read of a pod, a Service and a policy: what the kubelet and the API server say, and no more."""

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.core.net import pod as reading
from sentinel.core.net.pod import Pod, Policy

AT = "2026-11-28T07:00:00Z"
SECONDS = 1795849200.0


def item(**more):
    """A beacon's pod, as the API server has it."""
    probe = {"httpGet": {"path": "/readyz", "port": "beacon", "scheme": "HTTP"}}
    container = {
        "name": "sentinel",
        "image": "secret/image",
        "env": [{"name": "PASSWORD", "value": "s3cret"}],
        "ports": [{"name": "http", "containerPort": 8080}, {"name": "beacon", "containerPort": 7462}],
        "readinessProbe": probe,
    }
    made: dict[str, Any] = {
        "metadata": {
            "name": "sentinel-1",
            "namespace": "team-b",
            "uid": "u-1",
            "labels": {"app.kubernetes.io/name": "sentinel"},
            "annotations": {"note": "s3cret"},
            "creationTimestamp": "2026-11-28T06:59:00Z",
        },
        "spec": {"nodeName": "n1", "containers": [container]},
        "status": {
            "phase": "Running",
            "hostIP": "10.9.0.1",
            "hostIPs": [{"ip": "10.9.0.1"}, {"ip": "fd00:9::1"}],
            "podIPs": [{"ip": "10.0.0.5"}, {"ip": "fd00::5"}],
            "startTime": "2026-11-28T06:59:10Z",
            "conditions": [
                {"type": "PodReadyToStartContainers", "status": "True", "lastTransitionTime": "2026-11-28T06:59:20Z"},
                {"type": "Ready", "status": "True", "lastTransitionTime": AT},
            ],
            "containerStatuses": [{"name": "sentinel", "restartCount": 2}],
        },
    }
    for place, value in more.items():
        *way, last = place.split("__")
        inner: Any = made
        for step in way:
            inner = inner[step]
        inner[last] = value
    return made


def test_of_a_pod_is_kept_what_the_roster_needs():
    assert reading.pod(item()) == Pod(
        "team-b", "sentinel-1", "u-1", {"app.kubernetes.io/name": "sentinel"}, SECONDS - 40, "n1",
        ("10.9.0.1", "fd00:9::1"), False, ("10.0.0.5", "fd00::5"), True, True, SECONDS, frozenset({7462}), 2,
    )  # fmt: skip


def test_nothing_of_its_environment_image_or_annotations_is_kept():
    assert "s3cret" not in repr(reading.pod(item()))
    assert "secret/image" not in repr(reading.pod(item()))


def test_it_is_born_when_it_has_a_network_else_when_it_began_else_when_it_was_made():
    conditions = [{"type": "PodReadyToStartContainers", "status": "False", "lastTransitionTime": AT}]

    assert reading.pod(item(status__conditions=conditions)).born == SECONDS - 50
    assert reading.pod(item(status__conditions=[], status__startTime=None)).born == SECONDS - 60


@pytest.mark.parametrize(
    "more",
    [
        {"status__conditions": []},
        {"status__conditions": [{"type": "Ready", "status": "False"}]},
        {"status__conditions": [{"type": "Ready", "status": True}]},
        {"metadata__deletionTimestamp": AT},
    ],
)
def test_a_pod_that_is_not_ready_or_leaves_is_not_ready(more):
    assert not reading.pod(item(**more)).ready


@pytest.mark.parametrize("phase", ["Pending", "Succeeded", "Failed", "Unknown", None])
def test_a_pod_that_does_not_run_is_not_live_since_its_address_may_be_anothers(phase):
    assert not reading.pod(item(status__phase=phase)).live


@pytest.mark.parametrize(
    "asked",
    [
        None,
        {"exec": {"command": ["true"]}},
        {"tcpSocket": {"port": 7462}},
        {"httpGet": {"path": "/", "port": 7462}},
        {"httpGet": {"path": "/readyz", "port": 7462, "host": "10.0.0.99"}},
        {"httpGet": {"path": "/readyz", "port": 7462, "scheme": "HTTPS"}},
        {"httpGet": {"path": "/readyz", "port": "elsewhere"}},
    ],
)
def test_a_probe_that_does_not_go_through_the_listener_says_nothing_about_it(asked):
    containers = [{"name": "sentinel", "ports": [{"name": "beacon", "containerPort": 7462}], "readinessProbe": asked}]

    assert reading.pod(item(spec__containers=containers)).probed == frozenset()


def test_the_port_of_a_probe_is_known_by_number_as_by_name():
    containers = [{"readinessProbe": {"httpGet": {"path": "/readyz", "port": 7462}}}]

    assert reading.pod(item(spec__containers=containers)).probed == {7462}


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda more: st.lists(more, max_size=3) | st.dictionaries(st.text(max_size=5), more, max_size=3),
    max_leaves=6,
)
PLACES = [
    "metadata__labels", "metadata__creationTimestamp", "spec", "spec__nodeName", "spec__hostNetwork", "spec__containers",
    "status", "status__podIPs", "status__hostIP", "status__hostIPs", "status__conditions", "status__containerStatuses",
    "status__phase", "status__startTime",
]  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
@given(wrong=ANYTHING)
def test_nonsense_in_a_pod_is_left_out(place, wrong):
    found = reading.pod(item(**{place: wrong}))

    assert found.uid == "u-1"
    assert all(type(value) is type(getattr(reading.pod(item()), name)) for name, value in fields(found))


def fields(found):
    return [(one.name, getattr(found, one.name)) for one in dataclasses.fields(found)]


@pytest.mark.parametrize("key", ["name", "namespace", "uid"])
def test_what_has_no_name_namespace_or_uid_is_no_pod(key):
    with pytest.raises(ValueError, match="no pod"):
        reading.pod(item(**{f"metadata__{key}": None}))


def test_a_pod_with_endless_lists_costs_no_more_than_another():
    many = [{"ip": f"10.0.{n // 256}.{n % 256}"} for n in range(5000)]
    found = reading.pod(item(status__podIPs=many, metadata__labels={f"k{n}": "v" for n in range(5000)}))

    assert len(found.addresses) <= 64
    assert len(found.labels) <= 64


def service(addresses, **selector):
    return reading.service({"metadata": {"name": "sentinel"}, "spec": {"clusterIPs": addresses, "selector": selector}})


def test_of_a_service_its_cluster_addresses_and_whom_it_selects_are_kept():
    assert service(["10.96.0.9", "fd00:96::9"], a="b").addresses == ("10.96.0.9", "fd00:96::9")
    assert service(["None"]).addresses == ()
    assert service("10.96.0.9").addresses == ()
    assert service(None).addresses == ()


def test_a_service_that_selects_by_other_labels_than_ours_is_not_ours():
    ours = {"app.kubernetes.io/name": "sentinel", "app.kubernetes.io/component": "tenant"}
    pod = Pod("team-b", "p", "u", ours)

    assert service([], **ours).selects(pod)
    assert not service([], **ours).selects(Pod("team-b", "p", "u", {"app.kubernetes.io/name": "sentinel"}))
    assert not service([]).selects(pod)
    assert not service([]).is_ours
    assert not service([], app="web").is_ours


def policy(labels, selector, namespace="team-b"):
    meta = {"name": "p", "namespace": namespace, "labels": labels, "resourceVersion": "7"}
    return reading.policy({"metadata": meta, "spec": {"podSelector": selector}})


OURS = {"app.kubernetes.io/part-of": "tenant-sentinel"}


@pytest.mark.parametrize(
    ("found", "selects"),
    [
        (policy(OURS, {}), True),
        (policy(OURS, {"matchLabels": {"app": "x"}}), True),
        (policy(OURS, {"matchLabels": {"app": "y"}}), False),
        (policy(OURS, {"matchExpressions": [{"key": "app", "operator": "Exists"}]}), True),
        (policy(OURS, {}, "team-c"), False),
        (policy({}, {}), False),
        (policy({"app.kubernetes.io/part-of": "something"}, {}), False),
    ],
)
def test_only_a_policy_of_the_charts_own_in_the_same_namespace_that_selects_the_pod_counts(found, selects):
    assert found.selects(Pod("team-b", "p", "u", {"app": "x"})) is selects


def test_any_change_of_a_policy_is_one():
    assert policy({}, {}) == Policy("team-b", "p", "7")
