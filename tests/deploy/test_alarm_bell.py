"""The page drill and the heartbeat, as the chart gives them to the witness and to Alertmanager."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from sentinel.settings import Settings, load
from tests.deploy import chart

SEEN: dict[str, Any] = {"prometheus": "http://prometheus:9090", "alertmanagers": ["http://a:9093"]}
PORT = {"name": "page-drill", "containerPort": 8444, "protocol": "TCP"}


def rendered(**more: Any) -> list[chart.Object]:
    return chart.render(chart.values(2, **({"witness": {"tls": chart.TLS}} | more)))


def loaded(objects: list[chart.Object], folder: Path) -> Settings:
    file = folder / "witness.yaml"
    file.write_text(chart.one(objects, "ConfigMap", "sentinel-witness")["data"]["witness.yaml"])
    return load(file, {})


def container(objects: list[chart.Object]) -> dict[str, Any]:
    (found,) = chart.one(objects, "Deployment", "sentinel-witness")["spec"]["template"]["spec"]["containers"]
    return dict(found)


def receiver(objects: list[chart.Object], name: str) -> dict[str, Any]:
    route = yaml.safe_load(chart.one(objects, "ConfigMap", "sentinel-route")["data"]["route.yaml"])
    (found,) = (one for one in route["receivers"] if one["name"] == name)
    return dict(found)


def test_where_alertmanager_posts_a_drill_the_witness_listens(tmp_path: Path) -> None:
    objects = rendered(**SEEN, networkPolicy={"enabled": True})

    drill = loaded(objects, tmp_path).paging.drill
    assert (drill.every, drill.within, drill.wakes) == (timedelta(minutes=15), timedelta(minutes=1), False)
    assert str(drill.listen) == "0.0.0.0:8444"
    (webhook,) = receiver(objects, "sentinel-drill")["webhook_configs"]
    assert webhook["url"] == "http://sentinel-witness.sentinel-system.svc:8444/page-drill"
    service = chart.one(objects, "Service", "sentinel-witness")["spec"]["ports"]
    assert {"name": "page-drill", "port": 8444, "targetPort": "page-drill"} in service
    assert PORT in container(objects)["ports"]
    policy = chart.one(objects, "NetworkPolicy", "sentinel-witness")["spec"]["ingress"]
    (lets_in,) = (one for one in policy if {"protocol": "TCP", "port": "page-drill"} in one["ports"])
    assert lets_in["from"] == [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]


@pytest.mark.parametrize(
    "without",
    [
        {},
        {"prometheus": SEEN["prometheus"]},
        {"alertmanagers": SEEN["alertmanagers"]},
        SEEN | {"paging": {"drill": {"every": ""}}},
        SEEN | {"witness": {"enabled": False}},
    ],
    ids=["neither", "no alertmanager", "no prometheus", "switched off", "no witness"],
)
def test_where_nothing_can_be_drilled_nothing_listens_and_nothing_is_expected(
    without: dict[str, Any], tmp_path: Path
) -> None:
    objects = rendered(**without)

    assert receiver(objects, "sentinel-drill") == {"name": "sentinel-drill"}
    rules = chart.one(objects, "PrometheusRule", "sentinel-paging")["spec"]["groups"][0]["rules"]
    assert [rule["alert"] for rule in rules] == ["SentinelWatchdog"]
    if without.get("witness") is None:
        settings = loaded(objects, tmp_path)
        off = settings.paging.drill.every is None or not settings.paging.direct or settings.alerting.prometheus is None
        assert off
        assert PORT not in container(objects)["ports"]


def test_the_operators_alertmanager_posts_the_drill_back_and_the_watchdog_outside() -> None:
    ways = {"page": {"slack": {"secret": "slack"}}, "watchdog": {"secret": "switch"}}
    spec = chart.one(rendered(**SEEN, receivers=ways), "AlertmanagerConfig", "sentinel")["spec"]

    found = {one["name"]: one.get("webhookConfigs") for one in spec["receivers"]}
    url = "http://sentinel-witness.sentinel-system.svc:8444/page-drill"
    assert found["sentinel-drill"] == [{"url": url, "sendResolved": False}]
    assert found["sentinel-watchdog"] == [{"urlSecret": {"name": "switch", "key": "url"}, "sendResolved": False}]
    assert [route["receiver"] for route in spec["route"]["routes"][0]["routes"]][:2] == [
        "sentinel-watchdog",
        "sentinel-drill",
    ]


def test_the_url_of_the_heartbeat_is_a_file_of_a_secret_and_stands_in_no_configuration(tmp_path: Path) -> None:
    objects = rendered(**SEEN, paging={"heartbeat": {"secret": "dead-mans-switch"}})

    heartbeat = loaded(objects, tmp_path).paging.heartbeat
    assert (str(heartbeat.file), heartbeat.every) == ("/var/run/secrets/heartbeat/url", timedelta(seconds=30))
    mounts = {mount["name"]: mount["mountPath"] for mount in container(objects)["volumeMounts"]}
    assert mounts["heartbeat"] == "/var/run/secrets/heartbeat"
    volumes = chart.one(objects, "Deployment", "sentinel-witness")["spec"]["template"]["spec"]["volumes"]
    (volume,) = (one for one in volumes if one["name"] == "heartbeat")
    items = [{"key": "url", "path": "url"}]
    assert volume["secret"] == {"secretName": "dead-mans-switch", "optional": True, "items": items}


def test_the_timers_of_drill_and_heartbeat_are_scaled(tmp_path: Path) -> None:
    paging = loaded(rendered(**SEEN, paging={"heartbeat": {"secret": "s"}}, timeScale=0.1), tmp_path).paging

    assert (paging.drill.every, paging.drill.within) == (timedelta(seconds=90), timedelta(seconds=6))
    assert paging.heartbeat.every == timedelta(seconds=3)


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (SEEN | {"paging": {"drill": {"port": 8443}}}, "paging.drill.port: 8443 is that of another listener"),
        (SEEN | {"paging": {"drill": {"port": 8080}}}, "paging.drill.port: 8080 is that of another listener"),
        (SEEN | {"paging": {"drill": {"every": "3m"}}}, "paging.drill.every: 3m is less than four times"),
        ({"paging": {"heartbeat": {"secret": "s"}}}, "paging.heartbeat.secret: it is beaten only while"),
    ],
)
def test_what_cannot_work_is_refused_with_a_sentence(more: dict[str, Any], sentence: str) -> None:
    assert sentence in chart.refusal(chart.witnessed(2, **more))
