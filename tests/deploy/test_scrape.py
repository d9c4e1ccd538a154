"""Who speaks is said by the scrape: with the operator and without it, the same steps and the same labels."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import parts
from tests.alerts.rules import GATEWAYS
from tests.deploy import chart

WITHOUT_OPERATOR = {"monitor": {"enabled": False}}


def values() -> chart.Object:
    """Two tenants, one of which is not called like its first namespace."""
    chosen = chart.values(1)
    chosen["tenants"].append({"name": "search", "namespaces": ["prod-search", "prod-search-jobs"]})
    return chosen


def monitor() -> dict[str, Any]:
    return dict(chart.one(chart.render(values()), "PodMonitor", "sentinel")["spec"])


def plain(**more: Any) -> dict[str, Any]:
    config = chart.one(chart.render(values() | WITHOUT_OPERATOR | more), "ConfigMap", "sentinel-scrape")
    (job,) = yaml.safe_load(config["data"]["sentinel.scrape.yaml"])["scrape_configs"]
    return dict(job)


def relabelled(steps: list[dict[str, Any]], labels: dict[str, str]) -> dict[str, str] | None:
    """What Prometheus makes of a target's labels; None: dropped. Only the actions that we use."""
    for step in steps:
        value = ";".join(labels.get(name, "") for name in step.get("source_labels", []))
        match = re.fullmatch(step.get("regex", "(.*)"), value)
        match step.get("action", "replace"):
            case "replace" if match:
                labels = labels | {step["target_label"]: match.expand(step.get("replacement", r"\1"))}
            case "keep" if not match:
                return None
            case "drop" if match:
                return None
    return labels


def pod(namespace: str, port: str = "http", phase: str = "Running") -> dict[str, str]:
    return {
        "__meta_kubernetes_namespace": namespace,
        "__meta_kubernetes_pod_name": "sentinel-0",
        "__meta_kubernetes_pod_container_port_name": port,
        "__meta_kubernetes_pod_phase": phase,
    }


@pytest.mark.parametrize(("namespace", "tenant"), [("team-1", "team-1"), ("prod-search", "search")])
def test_the_tenant_is_the_one_whose_namespace_the_pod_is_in(namespace: str, tenant: str) -> None:
    labels = relabelled(plain()["relabel_configs"], pod(namespace))

    assert labels is not None
    assert (labels["tenant"], labels["namespace"], labels["job"]) == (tenant, namespace, "sentinel")


def test_other_ports_and_finished_pods_are_not_asked() -> None:
    steps = plain()["relabel_configs"]

    assert relabelled(steps, pod("team-1", port="other")) is None
    assert relabelled(steps, pod("team-1", phase="Succeeded")) is None


def test_the_operator_is_told_the_same_steps() -> None:
    spelt = {"sourceLabels": "source_labels", "targetLabel": "target_label"}
    (endpoint,) = monitor()["podMetricsEndpoints"]

    told = [{spelt.get(key, key): value for key, value in step.items()} for step in endpoint["relabelings"]]

    assert told == plain()["relabel_configs"][-len(told) :]
    assert len(told) == 4
    assert [step["regex"] for step in endpoint["metricRelabelings"]] == [
        step["regex"] for step in plain()["metric_relabel_configs"]
    ]


def test_a_tenant_can_speak_only_of_itself_and_only_so_much() -> None:
    (endpoint,) = monitor()["podMetricsEndpoints"]

    assert monitor()["namespaceSelector"] == {"matchNames": ["team-1", "prod-search"]}
    assert endpoint["honorLabels"] is False
    assert plain()["honor_labels"] is False
    for operators, plains in (("sampleLimit", "sample_limit"), ("labelLimit", "label_limit")):
        assert monitor()[operators] == plain()[plains] > 0
    # One tenant's pods would fail the scrape of all others.
    assert "targetLimit" not in monitor()


def watched() -> list[chart.Object]:
    return chart.render(values() | {"witness": {"tls": chart.TLS}})


def jobs() -> list[dict[str, Any]]:
    found = chart.render(values() | WITHOUT_OPERATOR | {"witness": {"tls": chart.TLS}})
    text = chart.one(found, "ConfigMap", "sentinel-scrape")["data"]["sentinel.scrape.yaml"]
    return list(yaml.safe_load(text)["scrape_configs"])


def test_the_witness_has_a_job_of_its_own_and_speaks_of_whom_it_likes() -> None:
    (tenants, witness) = jobs()

    labels = relabelled(witness["relabel_configs"], pod("sentinel-system"))

    assert tenants == plain()
    assert labels is not None
    assert labels["job"] == "sentinel-witness"
    assert "tenant" not in labels
    assert witness["honor_labels"] is False


def test_no_tenant_can_speak_as_the_witness() -> None:
    (tenants, witness) = jobs()
    (discovery,) = witness["kubernetes_sd_configs"]
    (endpoint,) = chart.one(watched(), "PodMonitor", "sentinel-witness")["spec"]["podMetricsEndpoints"]
    spec = chart.one(watched(), "PodMonitor", "sentinel-witness")["spec"]

    # Its pods are looked for where no tenant has any, and a tenant's job stays the tenants', whatever the pod says.
    assert discovery["namespaces"] == {"names": ["sentinel-system"]}
    assert spec["namespaceSelector"] == {"matchNames": ["sentinel-system"]}
    assert endpoint["honorLabels"] is False
    told = relabelled(tenants["relabel_configs"], pod("team-1") | {"job": "sentinel-witness"})
    assert told is not None
    assert told["job"] == "sentinel"


def test_the_operator_is_told_the_same_of_the_witness() -> None:
    (_, witness) = jobs()
    monitor = chart.one(watched(), "PodMonitor", "sentinel-witness")["spec"]
    pods = chart.one(watched(), "Deployment", "sentinel-witness")["spec"]["template"]
    (endpoint,) = monitor["podMetricsEndpoints"]

    assert endpoint["relabelings"] == [{"targetLabel": "job", "replacement": "sentinel-witness"}]
    assert witness["relabel_configs"][-1] == {"target_label": "job", "replacement": "sentinel-witness"}
    assert (endpoint["interval"], endpoint["scrapeTimeout"]) == (witness["scrape_interval"], witness["scrape_timeout"])
    assert monitor["selector"]["matchLabels"].items() <= pods["metadata"]["labels"].items()
    for key, value in monitor["selector"]["matchLabels"].items():
        assert f"{key}={value}" in witness["kubernetes_sd_configs"][0]["selectors"][0]["label"]


@pytest.mark.parametrize(
    ("name", "passes"),
    [
        ("sentinel_gate_up", True),
        ("process_cpu_seconds_total", True),
        ("sentinel:breach_since:latched", False),
        ("up", False),
        ("ALERTS", False),
        ("kube_pod_info", False),
    ],
)
def test_what_a_tenant_could_forge_does_not_pass(name: str, passes: bool) -> None:
    kept = relabelled(plain()["metric_relabel_configs"], {"__name__": name})

    assert (kept is not None) == passes


def test_the_interval_is_what_the_page_time_was_reckoned_with() -> None:
    (endpoint,) = monitor()["podMetricsEndpoints"]

    assert (endpoint["interval"], endpoint["scrapeTimeout"]) == ("10s", "5s")
    assert (plain()["scrape_interval"], plain()["scrape_timeout"]) == ("10s", "5s")
    assert (plain(timeScale=0.1)["scrape_interval"], plain(timeScale=0.1)["scrape_timeout"]) == ("1s", "500ms")


def test_prometheus_takes_the_scrape_configuration_and_the_rules(tmp_path: Path) -> None:
    # Not with Debian's 2.42: it is built without the discovery of pods.
    files = rule_files(tmp_path)
    config = {"rule_files": [str(file) for file in files], "scrape_configs": jobs()}
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config))

    said = promtool("promtool", "check", "config", tmp_path / "prometheus.yml")

    assert said.count("rules found") == len(files) > 0


def test_an_old_prometheus_takes_the_rules(tmp_path: Path) -> None:
    files = rule_files(tmp_path)

    said = promtool("promtool2", "check", "rules", *files)

    assert said.count("rules found") == len(files) > 0


def rule_files(folder: Path) -> list[Path]:
    """The rules as a Prometheus without the operator gets them."""
    witness = {"witness": {"tls": chart.TLS}}
    shipped = chart.one(chart.render(values() | WITHOUT_OPERATOR | witness), "ConfigMap", "sentinel-rules")["data"]
    for name, text in shipped.items():
        (folder / name).write_text(text)
    return [folder / name for name in shipped]


def promtool(name: str, *arguments: str | Path) -> str:
    ended = subprocess.run([parts.find(name), *arguments], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout + ended.stderr


def test_a_drill_s_pod_is_scraped_in_the_release_s_namespace_as_a_job_of_its_own_where_there_is_something_to_drill() -> (
    None
):
    more = {"config": {"gateways": GATEWAYS}, "witness": {"tls": chart.TLS}}
    rendered = chart.render(values() | more)
    text = chart.one(chart.render(values() | more | WITHOUT_OPERATOR), "ConfigMap", "sentinel-scrape")["data"]
    (drill,) = [
        dict(job)
        for job in yaml.safe_load(text["sentinel.scrape.yaml"])["scrape_configs"]
        if job["job_name"] == "sentinel-drill"
    ]
    spec = chart.one(rendered, "PodMonitor", "sentinel-drill")["spec"]

    labels = relabelled(drill["relabel_configs"], pod("sentinel-system"))

    assert labels is not None and labels["job"] == "sentinel-drill"
    (discovery,) = drill["kubernetes_sd_configs"]
    assert (
        discovery["namespaces"] == {"names": ["sentinel-system"]} == {"names": spec["namespaceSelector"]["matchNames"]}
    )
    chosen = ",".join(f"{name}={value}" for name, value in spec["selector"]["matchLabels"].items())
    assert discovery["selectors"] == [{"role": "pod", "label": chosen}]
    assert [step["replacement"] for step in spec["podMetricsEndpoints"][0]["relabelings"]] == ["sentinel-drill"]
    assert not [one for one in watched() if one["metadata"]["name"] == "sentinel-drill"]
