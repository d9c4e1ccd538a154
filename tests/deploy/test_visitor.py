"""The pod that looks at chat pages: it comes with the first page, has a browser, and nothing that a page could want."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from sentinel.joins import pages
from sentinel.settings import load
from tests.deploy import chart

EXAMPLE = yaml.safe_load((chart.ROOT / "config" / "examples" / "gateway.yaml").read_text())["gateways"]
IMAGE = {"image": {"repository": "registry.example.com/tenant-sentinel-browser", "tag": "1"}}


def values(**more: Any) -> chart.Object:
    return chart.witnessed(2, config={"gateways": EXAMPLE}, visitor=IMAGE) | more


def pod(objects: list[chart.Object]) -> chart.Object:
    found: chart.Object = chart.one(objects, "Deployment", "sentinel-visitor", chart.RELEASE)["spec"]["template"][
        "spec"
    ]
    return found


def test_without_a_page_there_is_no_visitor_and_nobody_scrapes_one() -> None:
    gateways = [{key: value for key, value in EXAMPLE[0].items() if key != "page"}]

    objects = chart.render(values(config={"gateways": gateways}))

    assert not [found for found in objects if found["metadata"]["name"] == "sentinel-visitor"]
    assert "component=visitor" not in str(objects)


def test_it_has_no_token_no_secret_and_nothing_to_write_in_but_scratch_and_pictures() -> None:
    found = pod(chart.render(values()))

    assert found["automountServiceAccountToken"] is False
    assert {kind for volume in found["volumes"] for kind in volume} == {"name", "configMap", "emptyDir"}
    (container,) = found["containers"]
    assert container["image"] == "registry.example.com/tenant-sentinel-browser:1"
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    writable = {mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")}
    assert writable == {"/tmp", EXAMPLE[0]["page"]["screenshots"]["path"]}


def test_its_account_is_bound_to_nothing() -> None:
    objects = chart.render(values())

    bindings = chart.of_kind(objects, "RoleBinding") + chart.of_kind(objects, "ClusterRoleBinding")
    assert bindings
    assert "sentinel-visitor" not in str(bindings)


def test_the_file_that_it_mounts_names_the_page(tmp_path: Path) -> None:
    objects = chart.render(values())
    (config,) = (volume["configMap"] for volume in pod(objects)["volumes"] if "configMap" in volume)
    (item,) = config["items"]
    path = tmp_path / item["path"]
    path.write_text(chart.one(objects, "ConfigMap", config["name"], chart.RELEASE)["data"][item["key"]])

    (found,) = pages.chosen(load(path, {}))

    assert pod(objects)["containers"][0]["args"] == ["visit", "--config", f"/etc/sentinel/{item['path']}"]
    assert found[1].url == EXAMPLE[0]["page"]["url"]


def test_it_is_scraped_as_a_job_of_its_own_with_and_without_the_operator() -> None:
    monitor = chart.one(chart.render(values(monitor={"enabled": True})), "PodMonitor", "sentinel-visitor")
    plain = chart.one(chart.render(values(monitor={"enabled": False})), "ConfigMap", "sentinel-scrape")
    (job,) = (
        job
        for job in yaml.safe_load(plain["data"]["sentinel.scrape.yaml"])["scrape_configs"]
        if job["job_name"] == "sentinel-visitor"
    )

    labels = chart.one(chart.render(values()), "Deployment", "sentinel-visitor")["spec"]["template"]["metadata"][
        "labels"
    ]
    assert monitor["spec"]["selector"]["matchLabels"].items() <= labels.items()
    steps = (monitor["spec"]["podMetricsEndpoints"][0]["relabelings"], job["relabel_configs"])
    assert all("sentinel-visitor" in str(found) for found in steps)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"visitor": {}}, "visitor.image.repository: there is a page in config.gateways"),
    ({"witness": {"enabled": False}}, "a page is visited by a pod that reads the witness's file"),
]


@pytest.mark.parametrize(("more", "said"), WRONG, ids=["no image", "no witness"])
def test_what_cannot_work_is_refused_in_words(more: dict[str, Any], said: str) -> None:
    assert said in chart.refusal(values(**more))


def test_pictures_in_a_folder_that_is_read_only_are_refused() -> None:
    gateways = copy.deepcopy(EXAMPLE)
    gateways[0]["page"]["screenshots"]["path"] = "/srv/pictures"

    said = chart.refusal(values(config={"gateways": gateways}))

    assert 'config.gateways[0].page.screenshots.path: "/srv/pictures" is no folder that the pod can write in' in said
